//! The city's two sides, over HTTP alone: hospitals that register, each in a dialect of its own, and those who follow the
//! change feed: the region, which sees what is shared, and one of the hospitals, which sees its own alone and whole.
//! `cargo bench --bench registry -- city` runs them with a hundred thousand reports.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Client;
use serde_json::Value;
use yingku::index::Index;

use super::containers::{exam, lab, line};
use super::dialects;

/// Hospitals of the city; their codes are `ORG-C00`, `ORG-C01` and so on.
pub const HOSPITALS: usize = 14;
/// What the region says.
pub const KEY: &str = "synthetic-city-key-0014";
/// What the hospital says that follows its own reports, and which one it is.
pub const OWN_KEY: &str = "synthetic-city-key-of-a-hospital-0003";
const OWN: usize = 3;
const BATCH: usize = 20;

fn code(hospital: usize) -> String {
    format!("ORG-C{hospital:02}")
}

/// The organisations and the clients of the city, as they are configured.
pub fn config() -> String {
    let hospital =
        |n| format!("\n[[organization]]\ncode = \"{}\"\nname = \"示例{n}医院\"\n{}", code(n), dialects::sender(n));
    let hospitals: String = (0..HOSPITALS).map(hospital).collect();
    let client = |id: &str, key: &str| format!("\n[[client]]\nid = \"{id}\"\nkey = \"{key}\"\napi = \"follow\"\n");
    let own = format!("{}organizations = [\"{}\"]\n", client("hospital", OWN_KEY), code(OWN));
    format!("{}{own}{hospitals}", client("city", KEY))
}

/// Registrations that the hospitals send when each has so many reports: every tenth report comes twice.
pub fn registrations(reports: usize) -> usize {
    HOSPITALS * (reports + reports.div_ceil(10))
}

/// What keeps an exam report from the region: some are of a VIP or restricted, at once or by their correction, some are
/// drafts, of which some become final by their correction.
fn rule(n: usize, round: usize) -> Option<(&'static str, &'static str)> {
    match (n % 30, round) {
        (7, _) | (20, 1) => Some(("xman_type", "1")),
        (11, _) => Some(("confidentiality", "保密")),
        (13, _) | (10, 0) => Some(("state", "2")),
        _ => None,
    }
}

/// A VIP is nobody else; one of them has a lab report too, which is kept from the region with the exam report.
fn patient(n: usize) -> String {
    match n % 30 {
        7 | 9 => format!("V{:06}", n / 30),
        20 => format!("W{n:06}"),
        _ => format!("P{:04}", n % 500),
    }
}

/// Whether the region has a report in the end. Every fiftieth is withdrawn.
fn is_shared(n: usize) -> bool {
    !n.is_multiple_of(50) && ![7, 9, 11, 13, 20].contains(&(n % 30))
}

/// Each hospital with a dialect of its own: how it says the state, the time, the sex.
fn report(hospital: usize, n: usize, round: usize) -> Vec<String> {
    let (org, number, patient) = (code(hospital), format!("R{n:06}"), patient(n));
    let day = n % 28 + 1;
    let time = match hospital % 4 {
        0 => format!("2024/3/{day} 8:00:0{round}"),
        1 => format!("2024-03-{day:02} 08:00:0{round}"),
        2 => format!("202403{day:02}08000{round}"),
        _ => format!("2024-03-{day:02}T08:00:0{round}+08:00"),
    };
    let conclusion = format!("结论{round}");
    let common = [("org_code", org.as_str()), ("report_form_no", number.as_str()), ("patient_id", patient.as_str())];
    let stamped = [("last_update_dtime", time.as_str()), ("event_no", number.as_str())];
    // Every tenth one is corrected, every fiftieth withdrawn, in the second round.
    let status = if round > 0 && n.is_multiple_of(50) { "0" } else { "1" };
    if n.is_multiple_of(3) {
        let head =
            [&common[..], &stamped, &[("data_status", status), ("class_local_name", conclusion.as_str())]].concat();
        let line = |serial: &str| {
            let result = format!("{serial}.{n}");
            let told = [("data_status", status), ("result_value", result.as_str())];
            line(serial, &[&common[..2], &stamped, &told].concat())
        };
        return vec![lab(&head), line("1"), line("2")];
    }
    let state = ["3", "审核完成", "4", "审核"][hospital % 4];
    let told =
        [("state", state), ("data_status", status), ("conclusion", conclusion.as_str()), ("pacs_id", number.as_str())];
    // A state that is said again counts.
    let rule: Vec<_> = rule(n, round).into_iter().collect();
    vec![exam(&[&common[..], &stamped, &told, &rule[..]].concat())]
}

async fn post(http: &Client, address: SocketAddr, hospital: usize, containers: &[String]) -> bool {
    let url = format!("http://{address}/sehr.service.auto/IAutoReport.asmx");
    match dialects::request(http, &url, hospital, containers).send().await {
        Ok(answer) => answer.text().await.is_ok_and(|text| dialects::is_acknowledged(hospital, &text)),
        Err(_) => false,
    }
}

/// Sends so many reports and corrections of some, each batch again until it is acknowledged.
pub async fn hospital(address: SocketAddr, hospital: usize, reports: usize, done: Arc<AtomicUsize>) {
    let http = Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
    let corrected = (0..reports).filter(|n| n.is_multiple_of(10)).map(|n| (n, 1));
    let all: Vec<(usize, usize)> = (0..reports).map(|n| (n, 0)).chain(corrected).collect();
    for batch in all.chunks(BATCH) {
        let containers: Vec<String> = batch.iter().flat_map(|(n, round)| report(hospital, *n, *round)).collect();
        while !post(&http, address, hospital, &containers).await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        done.fetch_add(batch.len(), Ordering::SeqCst);
    }
}

/// What a follower has of the reports.
pub type Copy = BTreeMap<String, Value>;

/// What a follower keeps from one run to the next.
#[derive(Debug, Default)]
pub struct Saved {
    pub copy: Copy,
    cursor: String,
}

impl Saved {
    /// Takes a page: its changes and its cursor together, so that whoever ends here goes on behind them.
    fn take(&mut self, page: &Value) {
        let Some(cursor) = page["cursor"].as_str() else { panic!("{page}") };
        for change in page["changes"].as_array().unwrap() {
            let id = change["id"].as_str().unwrap().to_owned();
            match change["removed"].is_string() {
                true => self.copy.remove(&id),
                false => self.copy.insert(id, change["report"].clone()),
            };
        }
        self.cursor = cursor.to_owned();
    }
}

/// Follows the feed from where it was left, until the hospitals have ended and nothing is left.
pub async fn follow(address: SocketAddr, key: &str, saved: &Mutex<Saved>, ended: &AtomicUsize) {
    let http = Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
    loop {
        let last = ended.load(Ordering::SeqCst) == HOSPITALS;
        let wait = if last { 0 } else { 1 };
        let cursor = saved.lock().unwrap().cursor.clone();
        let path = format!("/api/v1/changes?include=report&limit=1000&wait={wait}&cursor={cursor}");
        let asked = http.get(format!("http://{address}{path}")).bearer_auth(key).send().await;
        let Ok(answer) = asked else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Ok(bytes) = answer.bytes().await else { continue };
        let page: Value = serde_json::from_slice(&bytes).unwrap();
        saved.lock().unwrap().take(&page);
        let changes = page["changes"].as_array().unwrap();
        if key == KEY {
            let is_kept_back = |report: &Value| {
                report.is_object()
                    && (report["vip"] == true || report["restricted"] == true || report["final"] == false)
            };
            assert!(!changes.iter().any(|change| is_kept_back(&change["report"])), "the region sees too much");
        }
        if last && changes.is_empty() && page["more"] == false {
            return;
        }
    }
}

/// The same from the beginning; gives what there is in the end.
pub async fn follower(address: SocketAddr, key: &'static str, ended: Arc<AtomicUsize>) -> Copy {
    let saved = Mutex::default();
    follow(address, key, &saved, &ended).await;
    saved.into_inner().unwrap().copy
}

/// What there is to say of a report.
#[derive(Debug, PartialEq)]
struct Kept {
    organization: String,
    /// Of the head.
    version: i64,
    /// What was registered.
    words: Vec<String>,
    /// Results of the lines shown.
    results: Vec<String>,
}

impl Kept {
    /// Which one it is of its hospital.
    fn n(&self) -> usize {
        self.words[1].trim_start_matches('R').parse().unwrap()
    }
}

/// Registered fields that are compared, of exam and lab reports alike.
const COMPARED: [&str; 6] = ["report_form_no", "patient_id", "name", "id_no", "class_name", "last_update_dtime"];

/// All that the archive itself has and that is not withdrawn.
async fn kept(index: &Index) -> BTreeMap<String, Kept> {
    let sql = "SELECT id, observation_uid AS uid, version, COALESCE(conclusion, '') AS word, CAST(0 AS BIGINT) AS lab, \
               org_code, report_form_no, patient_id, name, id_no, class_name, last_update_dtime \
               FROM exam_report WHERE withdrawn = 0 UNION ALL \
               SELECT id, observation_uid, version, COALESCE(class_local_name, ''), CAST(1 AS BIGINT), \
               org_code, report_form_no, patient_id, name, id_no, class_name, last_update_dtime \
               FROM lab_report WHERE withdrawn = 0";
    let lines =
        "SELECT lab_report_pk AS lab, result_value AS result FROM lab_item WHERE withdrawn = 0 ORDER BY serial_no, id";
    let mut results: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for row in index.query(lines, Vec::new()).await.unwrap() {
        results.entry(row.int("lab").unwrap()).or_default().push(row.text("result").unwrap());
    }
    let rows = index.query(sql, Vec::new()).await.unwrap();
    let of = |row: &yingku::index::Row| {
        let words = ["word"].iter().chain(&COMPARED).map(|name| row.text(name).unwrap()).collect();
        let is_lab = row.int("lab").unwrap() == 1;
        let results =
            if is_lab { results.get(&row.int("id").unwrap()).cloned().unwrap_or_default() } else { Vec::new() };
        let (organization, version) = (row.text("org_code").unwrap(), row.int("version").unwrap());
        (row.text("uid").unwrap(), Kept { organization, version, words, results })
    };
    rows.iter().map(of).collect()
}

/// The same of a report that a follower has.
fn followed(report: &Value) -> Kept {
    let text = |name: &str| report["fields"][name].as_str().unwrap_or_default().to_owned();
    let word = ["conclusion", "class_local_name"].map(text).concat();
    let lines = report["items"].as_array().into_iter().flatten();
    Kept {
        organization: report["organization"].as_str().unwrap().to_owned(),
        version: report["version"].as_i64().unwrap(),
        words: [word].into_iter().chain(COMPARED.map(text)).collect(),
        results: lines.map(|line| line["result_value"].as_str().unwrap_or_default().to_owned()).collect(),
    }
}

/// Fails when anything that was acknowledged is missing, or what the region or the hospital has differs from what each of
/// them is to have.
pub async fn assert_same(index: &Index, region: Copy, own: Copy, reports: usize) {
    let kept = kept(index).await;
    assert_eq!(kept.len(), HOSPITALS * (reports - reports.div_ceil(50)), "nothing acknowledged was lost");
    assert!(kept.values().all(|one| one.words[3] == "测试甲"), "every hospital's characters are understood");
    let shared = (0..reports).filter(|n| is_shared(*n)).count();
    assert_eq!(kept.values().filter(|one| is_shared(one.n())).count(), HOSPITALS * shared);
    assert_has("the region", &kept, |one| is_shared(one.n()), &region);
    assert_has("the hospital", &kept, |one| one.organization == code(OWN), &own);
}

/// Fails unless a follower has those of the reports that are for it, as they are, and no others.
fn assert_has(who: &str, kept: &BTreeMap<String, Kept>, is_for_it: impl Fn(&Kept) -> bool, copy: &Copy) {
    let expected: BTreeMap<&String, &Kept> = kept.iter().filter(|(_, one)| is_for_it(one)).collect();
    let followed: BTreeMap<&String, Kept> = copy.iter().map(|(id, report)| (id, followed(report))).collect();
    let differ: Vec<_> = expected
        .iter()
        .filter(|(id, one)| followed.get(*id) != Some(**one))
        .map(|(id, one)| (one, followed.get(id)))
        .take(3)
        .collect();
    let too_much: Vec<_> = followed.iter().filter(|(id, _)| !expected.contains_key(*id)).take(3).collect();
    let (here, there) = (expected.len(), followed.len());
    assert!(
        differ.is_empty() && too_much.is_empty(),
        "{who} has {there} of {here}: {differ:?}, too much: {too_much:?}"
    );
}
