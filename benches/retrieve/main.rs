//! How fast a study comes out: C-GET, C-MOVE and WADO-RS of Yingku and Orthanc, and nginx serving the same files.
//!
//! `cargo bench --bench retrieve` stores one study of CT objects and one series of small ones in both, then asks each in
//! turn, several times; the best of the times counts, the same for all. Variables are described in `docs/performance.md`.

#[path = "../../tests/it/harness/element.rs"]
mod elements;
#[path = "../ingest/objects.rs"]
#[expect(dead_code, reason = "the objects are shared with the bench of ingest, which needs more of them")]
mod objects;
#[path = "../peers/processes.rs"]
mod processes;
mod servers;

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use objects::{ObjectKind, Template};
use servers::{Archive, DESTINATION, KEY};
use yingku::dimse::scu::{Association, Proposal, ScuTarget};
use yingku::domain::AeTitle;

const ROUNDS: usize = 5;
const REQUESTS: usize = 200;
/// Whose answers have an aim.
const OWN: &str = "yingku";
/// The pace of a whole series over that of nginx, at least.
const OF_NGINX: f64 = 0.5;
/// All objects of [`Template`] are of this study.
const STUDY: &str = "2.25.7002";
const CT_RUN: u64 = 1;
const SMALL_RUN: u64 = 2;

/// What was stored: the CT series is a study's worth, the small one has 1000 instances.
struct Stored {
    bytes: u64,
    files: Vec<String>,
    ct_series: String,
    small_series: String,
}

#[tokio::main]
async fn main() {
    rustls::crypto::ring::default_provider().install_default().expect("it is the first");
    let images = std::env::var("YINGKU_BENCH_IMAGES").ok().map_or(400, |text| text.parse().expect("a whole number"));
    let folder = std::env::var_os("YINGKU_BENCH_FOLDER")
        .map_or_else(|| std::path::PathBuf::from("target/bench-retrieve"), std::path::PathBuf::from);
    let folder = processes::fresh(&folder);
    let (destination, _receiver) = servers::destination();
    let archives =
        [servers::yingku(&folder.join("yingku"), destination), servers::orthanc(&folder.join("orthanc"), destination)];
    let files = processes::fresh(&folder.join("files"));
    let mut stored = None;
    for archive in &archives {
        stored = Some(store(archive, &files, images).await);
    }
    let stored = stored.expect("there are archives");
    let megabytes = stored.bytes as f64 / 1e6;
    println!("a series of {images} CT objects, {megabytes:.0} MB; the best of {ROUNDS} rounds");
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");

    let (nginx, _nginx) = servers::nginx(&folder.join("nginx"), &files);
    let plain = best(async || {
        let mut bytes = 0;
        for file in &stored.files {
            bytes += body(http.get(format!("{nginx}/{file}"))).await;
        }
        bytes
    })
    .await;
    line("files", "nginx", megabytes, plain, None);

    let mut own = [Duration::ZERO; 3];
    for (of, archive) in archives.iter().enumerate() {
        let base = format!("{}/studies/{STUDY}/series/{}", archive.dicomweb, stored.ct_series);
        let any = "multipart/related; type=\"application/dicom\"; transfer-syntax=*";
        let wado = best(async || body(http.get(&base).bearer_auth(KEY).header("accept", any)).await).await;
        let get = best(async || getscu(archive, &stored.ct_series)).await;
        let moved = best(async || movescu(archive, &stored.ct_series)).await;
        for (way, (name, time)) in [("WADO-RS", wado), ("C-GET", get), ("C-MOVE", moved)].into_iter().enumerate() {
            if of == 0 {
                own[way] = time;
            }
            line(name, archive.name, megabytes, time, Some((own[way], plain)));
        }
    }

    println!("\nsingle answers of {REQUESTS}, metadata of 20; the aim is for the 99th percentile");
    println!("{:<18} {:<10} {:>8} {:>8} {:>8}", "", "", "p50 ms", "p99 ms", "aim");
    for archive in &archives {
        let series = format!("{}/studies/{STUDY}/series/{}/instances", archive.dicomweb, stored.ct_series);
        let ct = |number: usize| format!("{series}/{}", ct_instance(1 + number as u64 % images));
        let small = format!("{}/studies/{STUDY}/series/{}", archive.dicomweb, stored.small_series);
        let frame = "multipart/related; type=\"application/octet-stream\"";
        let (json, jpeg) = ("application/dicom+json", "image/jpeg");
        answers("metadata of 1000", archive, &http, |_| format!("{small}/metadata"), json, (20, 200.0)).await;
        answers("one frame", archive, &http, |_| format!("{}/frames/1", ct(0)), frame, (REQUESTS, 5.0)).await;
        // Each picture of these is asked for once, from the back, where nothing was drawn before.
        let (last, once) = (images as usize, REQUESTS.min(images as usize / 2));
        answers("rendered, first", archive, &http, |n| format!("{}/rendered", ct(last - 1 - n)), jpeg, (once, 30.0))
            .await;
        answers("frames, each once", archive, &http, |n| format!("{}/frames/1", ct(1 + n)), frame, (once, 5.0)).await;
        answers("rendered, again", archive, &http, |_| format!("{}/rendered", ct(0)), jpeg, (REQUESTS, 3.0)).await;
        let one = format!("{}/studies?PatientID=L0001", archive.dicomweb);
        answers("QIDO PatientID", archive, &http, |_| one.clone(), json, (REQUESTS, 5.0)).await;
    }
    drop(archives);
    std::fs::remove_dir_all(&folder).expect("the folder can be removed");
}

/// UID of an instance of the CT series, from 1.
fn ct_instance(number: u64) -> String {
    format!("2.25.9{CT_RUN:012}{:03}{number:09}", 0)
}

/// Stores both series, and keeps the files of the first for nginx.
async fn store(archive: &Archive, files: &Path, images: u64) -> Stored {
    let title = |text: &str| AeTitle::parse(text).expect("an AE title");
    let mut target = ScuTarget::new("127.0.0.1", archive.dicom, title("BENCH"), title(archive.ae_title));
    target.timeout = Duration::from_secs(60);
    let (sop_class, syntax) = objects::storage();
    let proposal = Proposal::storage(sop_class, syntax);
    let mut association = Association::connect(&target, &[proposal]).await.expect("the archive takes us");
    let mut stored = Stored {
        bytes: 0,
        files: Vec::new(),
        ct_series: objects::series_uid(CT_RUN, 0, 0),
        small_series: objects::series_uid(SMALL_RUN, 0, 0),
    };
    let kinds = [(ObjectKind::Ct, CT_RUN, images), (ObjectKind::Small, SMALL_RUN, 1000)];
    for (kind, run, count) in kinds {
        let mut template = Template::new(kind, run, 0, 0);
        for number in 1..=count {
            let file = template.next(run, 0, number);
            let answer = association.store(file).await.expect("it is answered");
            assert!(answer.status.is_done(), "{} refuses: {}", archive.name, answer.status);
            if kind == ObjectKind::Ct {
                let name = format!("{number}.dcm");
                std::fs::write(files.join(&name), file).expect("the folder takes a file");
                stored.bytes += file.len() as u64;
                stored.files.push(name);
            }
        }
    }
    association.release().await.expect("it is released");
    stored
}

/// The shortest of the rounds; each must bring the whole.
async fn best(ask: impl AsyncFn() -> u64) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        assert!(ask().await > 0, "nothing came");
        best = best.min(began.elapsed());
    }
    best
}

fn line(way: &str, name: &str, megabytes: f64, time: Duration, compared: Option<(Duration, Duration)>) {
    let pace = megabytes / time.as_secs_f64();
    let ratios = compared.map_or_else(String::new, |(own, nginx)| {
        let of_nginx = nginx.as_secs_f64() / time.as_secs_f64();
        let verdict = match name {
            OWN if of_nginx >= OF_NGINX => format!("≥ {OF_NGINX}"),
            OWN => format!("< {OF_NGINX} !"),
            _ => String::new(),
        };
        format!("{of_nginx:>6.2} of nginx   yingku {:>5.1}× {verdict:>7}", time.as_secs_f64() / own.as_secs_f64())
    });
    println!("{way:<10} {name:<10} {:>8.0} ms {pace:>8.0} MB/s {ratios}", time.as_secs_f64() * 1000.0);
}

/// Reads the answer to its end, and keeps nothing of it.
async fn body(request: reqwest::RequestBuilder) -> u64 {
    let answer = request.send().await.expect("it is answered");
    assert!(answer.status().is_success(), "{}", answer.status());
    let mut stream = answer.bytes_stream();
    let mut bytes = 0;
    while let Some(chunk) = stream.next().await {
        bytes += chunk.expect("it comes whole").len() as u64;
    }
    bytes
}

async fn answers(
    what: &str,
    archive: &Archive,
    http: &reqwest::Client,
    url: impl Fn(usize) -> String,
    accept: &str,
    (count, aim_ms): (usize, f64),
) {
    let mut times = Vec::with_capacity(count);
    for number in 0..count {
        let url = url(number);
        let began = Instant::now();
        body(http.get(&url).bearer_auth(KEY).header("accept", accept)).await;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    let (median, high) = (times[count / 2], times[count * 99 / 100]);
    let verdict = match archive.name {
        OWN if high <= aim_ms => format!("≤ {aim_ms:.0}"),
        OWN => format!("> {aim_ms:.0} !"),
        _ => String::new(),
    };
    println!("{what:<18} {:<10} {median:>8.1} {high:>8.1} {verdict:>8}", archive.name);
}

fn getscu(archive: &Archive, series: &str) -> u64 {
    retrieve("getscu", archive, series, &["--ignore"])
}

fn movescu(archive: &Archive, series: &str) -> u64 {
    retrieve("movescu", archive, series, &["-aem", DESTINATION])
}

/// DCMTK asks; it fails when a sub-operation did.
fn retrieve(program: &str, archive: &Archive, series: &str, options: &[&str]) -> u64 {
    let mut command = processes::without_delay(processes::installed(program, "dcmtk"));
    command.args(["-S", "-aet", "BENCH", "-aec", archive.ae_title, "--max-pdu", "131072"]).args(options);
    command.args(["-k", "QueryRetrieveLevel=SERIES", "-k", &format!("StudyInstanceUID={STUDY}")]);
    command.args(["-k", &format!("SeriesInstanceUID={series}"), "127.0.0.1", &archive.dicom.to_string()]);
    let told = command.stdin(Stdio::null()).output().expect("it runs");
    assert!(told.status.success(), "{program} of {}: {}", archive.name, String::from_utf8_lossy(&told.stderr));
    1
}
