//! The city's two sides, over HTTP alone: hospitals that register, each in a dialect of its own, and a region that
//! follows the change feed. `cargo bench --bench registry -- city` runs them with a hundred thousand reports.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
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
const BATCH: usize = 20;

/// The organisations and the client of the city, as they are configured.
pub fn config() -> String {
    let hospital =
        |n| format!("\n[[organization]]\ncode = \"ORG-C{n:02}\"\nname = \"示例{n}医院\"\n{}", dialects::sender(n));
    let hospitals: String = (0..HOSPITALS).map(hospital).collect();
    format!("\n[[client]]\nid = \"city\"\nkey = \"{KEY}\"\napi = \"follow\"\n{hospitals}")
}

/// Registrations that the hospitals send when each has so many reports: every tenth report comes twice.
pub fn registrations(reports: usize) -> usize {
    HOSPITALS * (reports + reports.div_ceil(10))
}

/// Each hospital with a dialect of its own: how it says the state, the time, the sex.
fn report(hospital: usize, n: usize, round: usize) -> Vec<String> {
    let (org, number, patient) = (format!("ORG-C{hospital:02}"), format!("R{n:06}"), format!("P{:04}", n % 500));
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
    vec![exam(&[&common[..], &stamped, &told].concat())]
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

/// What the region has of a report.
pub type Copy = BTreeMap<String, Value>;

/// Follows the feed until the hospitals have ended and nothing is left.
pub async fn region(address: SocketAddr, ended: Arc<AtomicUsize>) -> Copy {
    let http = Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
    let (mut copy, mut cursor) = (Copy::new(), String::new());
    loop {
        let last = ended.load(Ordering::SeqCst) == HOSPITALS;
        let wait = if last { 0 } else { 1 };
        let path = format!("/api/v1/changes?include=report&limit=1000&wait={wait}&cursor={cursor}");
        let asked = http.get(format!("http://{address}{path}")).bearer_auth(KEY).send().await;
        let Ok(answer) = asked else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Ok(bytes) = answer.bytes().await else { continue };
        let page: Value = serde_json::from_slice(&bytes).unwrap();
        let Some(next) = page["cursor"].as_str() else { panic!("{page}") };
        cursor = next.to_owned();
        let changes = page["changes"].as_array().unwrap();
        for change in changes {
            let id = change["id"].as_str().unwrap().to_owned();
            match change["removed"].is_string() {
                true => copy.remove(&id),
                false => copy.insert(id, change["report"].clone()),
            };
        }
        if last && changes.is_empty() && page["more"] == false {
            return copy;
        }
    }
}

/// What the archive itself has to say of a report: version of the head, what was registered, results of the lines shown.
type Kept = (i64, Vec<String>, Vec<String>);

/// Registered fields that are compared, of exam and lab reports alike.
const COMPARED: [&str; 6] = ["report_form_no", "patient_id", "name", "id_no", "class_name", "last_update_dtime"];

async fn kept(index: &Index) -> BTreeMap<String, Kept> {
    let sql = "SELECT id, observation_uid AS uid, version, COALESCE(conclusion, '') AS word, CAST(0 AS BIGINT) AS lab, \
               report_form_no, patient_id, name, id_no, class_name, last_update_dtime \
               FROM exam_report WHERE withdrawn = 0 UNION ALL \
               SELECT id, observation_uid, version, COALESCE(class_local_name, ''), CAST(1 AS BIGINT), \
               report_form_no, patient_id, name, id_no, class_name, last_update_dtime \
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
        let lines = if is_lab { results.get(&row.int("id").unwrap()).cloned().unwrap_or_default() } else { Vec::new() };
        (row.text("uid").unwrap(), (row.int("version").unwrap(), words, lines))
    };
    rows.iter().map(of).collect()
}

/// The same of a report that the region has.
fn followed(report: &Value) -> Kept {
    let text = |name: &str| report["fields"][name].as_str().unwrap_or_default().to_owned();
    let word = ["conclusion", "class_local_name"].map(text).concat();
    let words = [word].into_iter().chain(COMPARED.map(text)).collect();
    let lines = report["items"].as_array().into_iter().flatten();
    let results = lines.map(|line| line["result_value"].as_str().unwrap_or_default().to_owned()).collect();
    (report["version"].as_i64().unwrap(), words, results)
}

/// Fails when anything that was acknowledged is missing, or the region's copy differs from what the archive has.
pub async fn assert_same(index: &Index, copy: Copy, reports: usize) {
    let expected = kept(index).await;
    let followed: BTreeMap<String, Kept> = copy.iter().map(|(id, report)| (id.clone(), followed(report))).collect();
    assert_eq!(expected.len(), HOSPITALS * (reports - reports.div_ceil(50)), "nothing acknowledged was lost");
    assert!(expected.values().all(|(_, words, _)| words[3] == "测试甲"), "every hospital's characters are understood");
    let differ: Vec<_> = expected
        .iter()
        .filter(|(id, value)| followed.get(*id) != Some(value))
        .map(|(id, value)| (value, followed.get(id)))
        .take(3)
        .collect();
    let (here, there) = (expected.len(), followed.len());
    assert!(differ.is_empty() && here == there, "{differ:?}, {there} of {here}");
}
