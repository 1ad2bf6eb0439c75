//! The program itself over the same index: how soon it is ready, and what browsers and DICOMweb clients wait for.

use std::path::Path;
use std::time::{Duration, Instant};

use super::yingku_process::{KEY, Yingku};
use super::{WARM_ROUNDS, names, report};

/// The fields of a search form, by round and number of studies.
type Form = fn(u64, u64) -> [(&'static str, String); 2];
/// The address of a query, by round.
type Address<'a> = &'a dyn Fn(u64) -> String;

const LIST_MS: Option<f64> = Some(50.0);

/// Starts it twice, the second time over an index that it knows, and asks for lists, searches and figures by HTTP.
pub async fn measure(engine: &str, folder: &Path, database: &str, studies: u64, rounds: u64) {
    // The rows have no objects: a scrub would tell of each.
    let mut server = Yingku::start(&folder.join("serve"), database, "[scrub]\nevery_days = 0\n");
    server.kill();
    let ready = server.start_again();
    println!("{engine}, by HTTP: ready {} ms after the start (aim 1000)", ready.as_millis());
    let following = reqwest::redirect::Policy::limited(3);
    let http = reqwest::Client::builder().no_proxy().redirect(following).build().unwrap();

    let mut link = server.command("sign-link");
    link.args(["--page", "ClinicExamView", &format!("AccessionNumber={}", names::accession_number(1))]);
    let link = String::from_utf8(link.output().unwrap().stdout).unwrap();
    let opened = http.get(link.trim()).send().await.unwrap();
    let list = opened.url().clone();
    let text = opened.text().await.unwrap();
    assert!(list.path().ends_with("/exams"), "{list}: {text}");

    let ask = async |url: reqwest::Url| {
        let begun = Instant::now();
        let answer = http.get(url.clone()).bearer_auth(KEY).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{url}: {status} {text}");
        (begun.elapsed(), text)
    };
    // Everything that there is: the form leaves the link's patient.
    let request = http.post(list.clone()).header("content-type", "application/x-www-form-urlencoded");
    assert!(request.body("from=1900-01-01").send().await.unwrap().status().is_success());
    let (mut times, mut next) = (Vec::new(), list.clone());
    for _ in 0..rounds {
        let (time, text) = ask(next.clone()).await;
        times.push(time);
        // From page to page, as somebody who looks through everything would.
        next = following_page(&list, &text).unwrap_or_else(|| list.clone());
    }
    report("page after page", LIST_MS, &mut times, 0);
    let searches: [(&str, Form); 4] = [
        ("form, name", |n, _| [("name", names::given(n).1), ("type", String::new())]),
        ("form, family name", |n, _| [("name", names::surname(n).1.to_owned()), ("type", String::new())]),
        ("form, a day, CT", |n, studies| [("from", day(n, studies)), ("type", "CT".to_owned())]),
        ("form, number", |n, _| [("accession", names::accession_number(n)), ("type", String::new())]),
    ];
    for (name, fields) in searches {
        let mut times = Vec::new();
        for round in 0..rounds + WARM_ROUNDS {
            let form = fields(round * 7_919_317 % studies, studies);
            let body = form.map(|(name, value)| format!("{name}={}", encoded(&value))).join("&");
            let request = http.post(list.clone()).header("content-type", "application/x-www-form-urlencoded");
            let begun = Instant::now();
            let answer = request.body(body).send().await.unwrap();
            assert!(answer.status().is_success(), "{name}: {}", answer.status());
            answer.bytes().await.unwrap();
            if round >= WARM_ROUNDS {
                times.push(begun.elapsed());
            }
        }
        // The search is kept with the session, and the list is asked for again: two requests.
        report(name, LIST_MS, &mut times, 0);
    }
    let root = format!("http://{}/dicom-web/studies?", server.http());
    let year = |n| names::dates_from(n, 365);
    let queries: [(&str, f64, Address<'_>); 7] = [
        ("QIDO-RS, PatientID", 5.0, &|n| format!("{root}PatientID={}", names::patient_id(n))),
        ("QIDO-RS, AccessionNumber", 5.0, &|n| format!("{root}AccessionNumber={}", names::accession_number(n))),
        ("QIDO-RS, PatientID, all", 5.0, &|n| format!("{root}includefield=all&PatientID={}", names::patient_id(n))),
        ("QIDO-RS, year, CT", 50.0, &|n| format!("{root}limit=100&ModalitiesInStudy=CT&StudyDate={}", year(n))),
        ("QIDO-RS, year, CT, all", 50.0, &|n| {
            format!("{root}includefield=all&limit=100&ModalitiesInStudy=CT&StudyDate={}", year(n))
        }),
        ("QIDO-RS, offset 10000", 50.0, &|n| {
            format!("{root}limit=100&offset=10000&ModalitiesInStudy=CT&StudyDate={}", year(n))
        }),
        ("QIDO-RS, fuzzy", 100.0, &|n| {
            let name = format!("{} {}", names::given(n).1, names::surname(n).0);
            format!("{root}limit=100&fuzzymatching=true&PatientName={}", encoded(&name))
        }),
    ];
    for (name, target_ms, url) in queries {
        let mut times = Vec::new();
        for round in 0..rounds + WARM_ROUNDS {
            let number = round * 7_919_317 % studies;
            let (time, _) = ask(url(number).parse().unwrap()).await;
            if round >= WARM_ROUNDS {
                times.push(time);
            }
        }
        report(name, Some(target_ms), &mut times, 0);
    }
    let url = format!("http://{}/ops/quality?format=json&from=1970-01-01&to=1970-12-31", server.http());
    let begun = Instant::now();
    let asked = http.get(url).bearer_auth(KEY).timeout(Duration::from_secs(900)).send().await.unwrap();
    assert!(asked.status().is_success(), "data quality: {}", asked.status());
    asked.bytes().await.unwrap();
    println!("data quality of all reports: {:.1} s", begun.elapsed().as_secs_f64());
    println!("{:.0} MB resident", server.memory_mb());
}

/// Where 下一页 leads.
fn following_page(list: &reqwest::Url, text: &str) -> Option<reqwest::Url> {
    let before = text.find(">下一页<")?;
    let href = text[..before].rsplit("href=\"").next()?.trim_end_matches('"');
    list.join(&href.replace("&amp;", "&").replace("&#38;", "&")).ok()
}

fn day(study: u64, studies: u64) -> String {
    let date = names::date(study, studies);
    format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..])
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
