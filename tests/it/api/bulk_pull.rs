//! A bulk pull of more than the memory that it may take: read slowly, cut off, and gone on with. The server is a process of
//! its own, which no other test uses.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::get;
use serde_json::Value;
use tokio::net::TcpListener;
use yingku::index::Index;

use super::containers::exam;
use crate::files::pdf;
use crate::harness::{Limit, ServerProcess, eventually, python_script};

const KEY: &str = "synthetic-bulk-key-0001";
const WINDOW: &str = "from=2024-03-01&to=2024-03-31";
/// Reports, and how much each of them says: a hundred megabytes in all.
const REPORTS: usize = 5000;
const TEXT_BYTES: usize = 20_000;
/// Every so many-th has a file of so many megabytes: a hundred and twenty-five more.
const EVERY: usize = 200;
const FILE_MEGABYTES: usize = 5;
/// Most reports of one archive.
const PART: usize = 2000;
/// Those who register at the same time, and how many reports a message has.
const CALLERS: usize = 4;
const BATCH: usize = 50;
/// What either form may cost.
const MOST_GROWTH: u64 = 64 << 20;
/// Where whoever reads stops for a moment, in which the server could have gone far ahead.
const PAUSE: Duration = Duration::from_secs(1);

struct Bulk {
    server: ServerProcess,
    http: reqwest::Client,
    /// Bytes of each file.
    file_bytes: usize,
}

/// The lines of an export as far as they were read.
#[derive(Default)]
struct Lines {
    numbers: Vec<String>,
    /// Of the last report.
    cursor: String,
    /// What the last line says.
    complete: Option<u64>,
}

impl Bulk {
    /// A server that has all reports and files, and has been started since.
    async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let file = Bytes::from(pdf::large_report(1, FILE_MEGABYTES));
        let file_bytes = file.len();
        let hospital = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/large.pdf", hospital.local_addr().unwrap());
        let router = Router::new().route("/large.pdf", get(move || async move { file }));
        tokio::spawn(async move { axum::serve(hospital, router).await });
        let more = format!(
            "\n[api]\nmax_zip_reports = {PART}\n[qr]\nenabled = false\n\
             [[client]]\nid = \"bulk\"\nkey = \"{KEY}\"\napi = \"follow\"\n"
        );
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut bulk = Self { server: ServerProcess::start_with(&more).await, http, file_bytes };
        bulk.register(&address).await;
        let index = Index::open(&bulk.server.database()).await.unwrap();
        eventually(Duration::from_secs(120), "every file is fetched", async || {
            let files = index.query("SELECT id FROM report_file", Vec::new()).await.unwrap().len();
            (files == REPORTS.div_ceil(EVERY)).then_some(())
        })
        .await;
        index.close().await;
        // What registering took is not counted.
        assert!(bulk.server.terminate().await.success());
        bulk.server.start_again(Limit::None).await;
        bulk
    }

    async fn register(&self, address: &str) {
        let url = format!("http://{}/sehr.service.auto/IAutoReport.asmx", self.server.http());
        let caller = |caller: usize| {
            let (http, url, address) = (self.http.clone(), url.clone(), address.to_owned());
            tokio::spawn(async move {
                let own: Vec<usize> = (0..REPORTS).filter(|n| n % CALLERS == caller).collect();
                for batch in own.chunks(BATCH) {
                    let all: String = batch.iter().map(|n| report(*n, &address)).collect();
                    let request = http.post(&url).header("content-type", "text/xml");
                    let answer = request.body(format!("<root>{all}</root>")).send().await.unwrap();
                    let text = answer.text().await.unwrap();
                    assert!(text.contains("<result>1</result>"), "{}", text.chars().take(1000).collect::<String>());
                }
            })
        };
        let callers: Vec<_> = (0..CALLERS).map(caller).collect();
        for caller in callers {
            caller.await.unwrap();
        }
    }

    /// Reads an answer slowly and hangs up after so many bytes.
    async fn read(&self, path: &str, most: usize, mut take: impl FnMut(&[u8])) {
        let url = format!("http://{}{path}", self.server.http());
        let mut answer = self.http.get(url).bearer_auth(KEY).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let mut read = 0;
        while let Some(bytes) = answer.chunk().await.unwrap() {
            if read == 0 {
                tokio::time::sleep(PAUSE).await;
            }
            take(&bytes);
            read += bytes.len();
            if read >= most {
                return;
            }
        }
    }

    /// The lines of an export behind a cursor.
    async fn lines(&self, window: &str, cursor: &str, most: usize) -> Lines {
        let (mut lines, mut rest) = (Lines::default(), Vec::new());
        let path = format!("/api/v1/export?{window}&cursor={cursor}");
        self.read(&path, most, |bytes| {
            rest.extend_from_slice(bytes);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Value = serde_json::from_slice(&rest[..end]).unwrap();
                rest.drain(..=end);
                lines.complete = line["complete"].as_u64();
                if let Some(number) = line["report"]["fields"]["report_form_no"].as_str() {
                    lines.numbers.push(number.to_owned());
                    lines.cursor = line["cursor"].as_str().unwrap_or_default().to_owned();
                }
            }
        })
        .await;
        lines
    }

    /// The same as an archive, into a file.
    async fn save(&self, window: &str, cursor: &str, most: usize, path: &Path) {
        let mut file = std::fs::File::create(path).unwrap();
        let from = format!("/api/v1/export?{window}&format=zip&copy=original&cursor={cursor}");
        self.read(&from, most, |bytes| file.write_all(bytes).unwrap()).await;
    }
}

fn number(n: usize) -> String {
    format!("BULK{n:05}")
}

/// Each of them says something else.
fn report(n: usize, address: &str) -> String {
    let (number, patient) = (number(n), format!("P{:04}", n % 500));
    let (day, text) = (format!("2024/3/{} 8:00:00", n % 28 + 1), format!("{n:05}").repeat(TEXT_BYTES / 5));
    let mut changed = vec![
        ("report_form_no", number.as_str()),
        ("event_no", number.as_str()),
        ("patient_id", patient.as_str()),
        ("card_no", patient.as_str()),
        ("id_no", ""),
        ("pacs_id", ""),
        ("study_instance_uid", ""),
        ("retrieve_date", day.as_str()),
        ("image_descr", text.as_str()),
    ];
    if n.is_multiple_of(EVERY) {
        changed.push(("reportfilepath", address));
    }
    exam(&changed)
}

/// Opens an archive elsewhere: the numbers of its reports, the lengths of their files, and what it says of its end.
fn opened(path: &Path) -> Value {
    let script = "\
import json, sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
assert archive.testzip() is None
lines = [json.loads(line) for name in archive.namelist() if name.startswith('reports-')
         for line in archive.read(name).decode().splitlines()]
lengths = [archive.getinfo(line['file_name']).file_size for line in lines if 'file_name' in line]
numbers = [line['report']['fields']['report_form_no'] for line in lines]
print(json.dumps([numbers, lengths, json.loads(archive.read('complete.json'))]))";
    serde_json::from_str(&python_script(script, &[path.to_str().unwrap()])).unwrap()
}

/// Every report is there, and none of them twice.
fn assert_all(numbers: Vec<String>) {
    let all: BTreeSet<String> = (0..REPORTS).map(number).collect();
    assert_eq!(numbers.len(), REPORTS);
    assert!(numbers.into_iter().collect::<BTreeSet<_>>() == all, "other reports than were registered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulk_pull_takes_little_memory_and_goes_on_where_it_was_cut_off() {
    let mut bulk = Bulk::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("part.zip");
    // A day of each, so that only what grows with the window is counted.
    let day = "from=2024-03-02&to=2024-03-02";
    assert!(bulk.lines(day, "", usize::MAX).await.complete.is_some_and(|reports| reports > 100));
    bulk.save(day, "", usize::MAX, &file).await;
    let before = bulk.server.peak_memory();

    let first = bulk.lines(WINDOW, "", REPORTS * TEXT_BYTES / 2).await;
    assert!(first.complete.is_none() && (1..REPORTS).contains(&first.numbers.len()), "it was cut off in the middle");
    let rest = bulk.lines(WINDOW, &first.cursor, usize::MAX).await;

    assert_eq!(rest.complete, Some(rest.numbers.len() as u64));
    assert_all([first.numbers, rest.numbers].concat());
    let growth = bulk.server.peak_memory() - before;
    assert!(growth < MOST_GROWTH, "memory grew by {growth} bytes for lines");

    let (mut numbers, mut lengths, mut cursor) = (Vec::new(), Vec::new(), String::new());
    for part in 0..REPORTS.div_ceil(PART) {
        if part == 1 {
            bulk.save(WINDOW, &cursor, PART * TEXT_BYTES / 2, &file).await;
        }
        bulk.save(WINDOW, &cursor, usize::MAX, &file).await;
        let [told, of_files, end] = serde_json::from_value::<[Value; 3]>(opened(&file)).unwrap();
        numbers.extend(serde_json::from_value::<Vec<String>>(told).unwrap());
        lengths.extend(serde_json::from_value::<Vec<usize>>(of_files).unwrap());
        cursor = end["cursor"].as_str().unwrap_or_default().to_owned();
    }

    assert_all(numbers);
    assert_eq!((lengths, cursor), (vec![bulk.file_bytes; REPORTS.div_ceil(EVERY)], String::new()));
    let growth = bulk.server.peak_memory() - before;
    assert!(growth < MOST_GROWTH, "memory grew by {growth} bytes for archives");
    assert!(bulk.server.terminate().await.success());
}
