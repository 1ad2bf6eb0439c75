//! Exports: whole, restarted, and as an archive that Python opens.

use std::collections::BTreeSet;

use serde_json::Value;

use super::world::{HOSPITAL, NOW, REGION, World, exam, lab, line, members};
use crate::each_database;
use crate::files::pdf;
use crate::files::server::ReportServer;
use crate::harness::{TestDatabase, python_script};

const WINDOW: &str = "from=2024-01-01&to=2024-03-31";

async fn lines(world: &World, key: &str, query: &str) -> Vec<Value> {
    let answer = world.get(key, &format!("/api/v1/export?{query}")).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/x-ndjson"), "{}", answer.text());
    answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn numbers(lines: &[Value]) -> Vec<String> {
    let of = |line: &Value| line["report"]["fields"]["report_form_no"].as_str().map(str::to_owned);
    lines.iter().filter_map(of).collect()
}

/// More than one page of an export.
async fn fill(world: &World) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for hundred in 0..3 {
        let mut containers = Vec::new();
        for n in 0..100 {
            let (number, day) = (format!("EX{hundred}{n:02}"), format!("2024/{}/{}", hundred + 1, n % 28 + 1));
            containers.push(exam(&[("report_form_no", &number), ("retrieve_date", &day)]));
            all.insert(number);
        }
        world.register(&containers).await;
    }
    world.register(&[lab(&[]), line("1", &[])]).await;
    all.insert("LB0001".to_owned());
    all
}

each_database! {
    async fn an_export_gives_every_report_once_and_says_that_it_is_complete(database: TestDatabase) {
        let world = World::start(database).await;
        let all = fill(&world).await;
        world.register(&[exam(&[("report_form_no", "DRAFT"), ("state", "1")])]).await;

        let lines = lines(&world, REGION, WINDOW).await;

        assert_eq!(lines.last().unwrap()["complete"], 301);
        let seen = numbers(&lines);
        assert_eq!((seen.len(), seen.into_iter().collect::<BTreeSet<_>>()), (301, all));
        let times: Vec<&str> = lines.iter().filter_map(|line| line["report"]["retrieved_at"].as_str()).collect();
        assert!(times.is_sorted(), "the oldest first");
        assert_eq!(numbers(&self::lines(&world, HOSPITAL, WINDOW).await), Vec::<String>::new());
        assert_eq!(numbers(&self::lines(&world, REGION, &format!("{WINDOW}&kind=lab")).await), ["LB0001"]);
        assert_eq!(world.audits("list_reports").await.len(), 7 + 1 + 1, "one for each page of fifty");
    }

    async fn a_list_and_an_export_without_a_window_go_on_after_midnight(database: TestDatabase) {
        let clock = yingku::domain::Clock::fixed(NOW);
        let world = World::start_with(database, clock.clone(), |_| ()).await;
        // One of them is no longer in the last three months when the second page is asked for.
        for (number, day) in [("EX1", "2023/12/24"), ("EX2", "2024/3/1"), ("EX3", "2024/3/2"), ("EX4", "2024/3/3")] {
            world.register(&[exam(&[("report_form_no", number), ("retrieve_date", day)])]).await;
        }
        let list = |cursor: &str| format!("/api/v1/reports?order=oldest&limit=2&cursor={cursor}");
        let page = world.found(REGION, &list("")).await;
        let export = lines(&world, REGION, "").await;
        assert_eq!(numbers(&export), ["EX1", "EX2", "EX3", "EX4"]);

        clock.set(NOW + 10 * 3600 * 1000);

        let next = world.found(REGION, &list(page["cursor"].as_str().unwrap())).await;
        assert_eq!(members(&next["reports"], &["fields", "report_form_no"]), ["EX3", "EX4"]);
        let first = export[0]["cursor"].as_str().unwrap();
        let rest = lines(&world, REGION, &format!("cursor={first}")).await;
        assert_eq!((numbers(&rest), &rest.last().unwrap()["complete"]), (vec!["EX2".to_owned(), "EX3".to_owned(), "EX4".to_owned()], &3.into()));
        let other = world.refused(REGION, &format!("/api/v1/export?kind=lab&cursor={first}")).await;
        assert_eq!(other, (400, "E4009".to_owned()));
        clock.set(NOW + 200 * 24 * 3600 * 1000);
        let late = world.refused(REGION, &format!("/api/v1/export?cursor={first}")).await;
        assert_eq!(late, (400, "E4009".to_owned()), "too late to go on with that window");
    }

    async fn an_export_that_was_cut_off_goes_on_after_its_last_line(database: TestDatabase) {
        let world = World::start(database).await;
        let all = fill(&world).await;
        let whole = lines(&world, REGION, WINDOW).await;

        let cursor = whole[122]["cursor"].as_str().unwrap();
        let rest = lines(&world, REGION, &format!("{WINDOW}&cursor={cursor}")).await;

        let both: Vec<String> = [numbers(&whole[..=122]), numbers(&rest)].concat();
        assert_eq!((both.len(), both.into_iter().collect::<BTreeSet<_>>()), (301, all));
        let other = format!("/api/v1/export?{WINDOW}&kind=lab&cursor={cursor}");
        assert_eq!(world.refused(REGION, &other).await, (400, "E4009".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_holds_reports_and_files_and_opens_elsewhere() {
    let (world, server) = (World::start(TestDatabase::sqlite()).await, ReportServer::start().await);
    let all = fill(&world).await;
    world
        .register(&[exam(&[
            ("report_form_no", "EX000"),
            ("reportfilepath", &server.url("/report.pdf")),
            ("conclusion", "附文件"),
        ])])
        .await;
    world.fetch_file("EX000").await;

    let answer = world.get(REGION, &format!("/api/v1/export?{WINDOW}&format=zip&copy=original")).await;

    assert_eq!((answer.status, answer.header("content-type")), (200, "application/zip"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reports.zip");
    std::fs::write(&path, &answer.body).unwrap();
    let script = "\
import hashlib, json, sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
assert archive.testzip() is None
lines = [json.loads(line) for name in archive.namelist() if name.startswith('reports-')
         for line in archive.read(name).decode().splitlines()]
files = {line['file_name'] for line in lines if 'file_name' in line}
assert files == {name for name in archive.namelist() if name.startswith('files/')}, files
end = json.loads(archive.read('complete.json'))
digests = [hashlib.sha256(archive.read(name)).hexdigest() for name in files]
print(json.dumps([sorted(line['report']['fields']['report_form_no'] for line in lines), end, digests]))";
    let printed: Value = serde_json::from_str(&python_script(script, &[path.to_str().unwrap()])).unwrap();
    let numbers: Vec<&str> = printed[0].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
    assert_eq!(numbers, all.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(printed[1], serde_json::json!({ "complete": 301 }));
    use sha2::{Digest, Sha256};
    assert_eq!(printed[2], serde_json::json!([hex::encode(Sha256::digest(pdf::report()))]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_lost_spoils_no_archive_and_is_told() {
    let (world, server) = (World::start(TestDatabase::sqlite()).await, ReportServer::start().await);
    for number in ["EX1", "EX2", "EX3"] {
        world.register(&[exam(&[("report_form_no", number), ("reportfilepath", &server.url("/report.pdf"))])]).await;
        world.fetch_file(number).await;
    }
    world.lose_file("EX2").await;

    let answer = world.get(REGION, &format!("/api/v1/export?{WINDOW}&format=zip&copy=original")).await;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reports.zip");
    std::fs::write(&path, &answer.body).unwrap();
    let script = "\
import json, sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
assert archive.testzip() is None
lines = [json.loads(line) for line in archive.read('reports-00001.ndjson').decode().splitlines()]
told = {line['report']['fields']['report_form_no']: line.get('file_error', line.get('file_name') in archive.namelist())
        for line in lines}
files = sum(name.startswith('files/') for name in archive.namelist())
print(json.dumps([told, files, json.loads(archive.read('complete.json'))]))";
    let printed: Value = serde_json::from_str(&python_script(script, &[path.to_str().unwrap()])).unwrap();
    let told = serde_json::json!({ "EX1": true, "EX2": "missing", "EX3": true });
    assert_eq!(printed, serde_json::json!([told, 2, { "complete": 3 }]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_archive_is_told_in_parts() {
    let change = |config: &mut yingku::web::api::ApiConfig| config.max_zip_reports = 250;
    let world = World::start_with(TestDatabase::sqlite(), yingku::domain::Clock::fixed(NOW), change).await;
    let all = fill(&world).await;
    let folder = tempfile::tempdir().unwrap();
    let (mut seen, mut cursor) = (BTreeSet::new(), String::new());
    let script = "\
import json, sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
lines = [json.loads(line) for name in archive.namelist() if name.startswith('reports-')
         for line in archive.read(name).decode().splitlines()]
print(json.dumps([[line['report']['fields']['report_form_no'] for line in lines], json.loads(archive.read('complete.json'))]))";
    for expected in [250, 51] {
        let answer = world.get(REGION, &format!("/api/v1/export?{WINDOW}&format=zip&cursor={cursor}")).await;
        let path = folder.path().join("part.zip");
        std::fs::write(&path, &answer.body).unwrap();
        let printed: Value = serde_json::from_str(&python_script(script, &[path.to_str().unwrap()])).unwrap();
        assert_eq!(printed[1]["complete"], expected);
        seen.extend(printed[0].as_array().unwrap().iter().map(|number| number.as_str().unwrap().to_owned()));
        cursor = printed[1]["cursor"].as_str().unwrap_or_default().to_owned();
    }
    assert_eq!((seen, cursor), (all, String::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_exports_than_are_allowed_are_told_to_come_again() {
    for (most, status) in [(0, 503), (1, 200)] {
        let change = |config: &mut yingku::web::api::ApiConfig| config.max_exports = most;
        let world = World::start_with(TestDatabase::sqlite(), yingku::domain::Clock::fixed(NOW), change).await;
        let answer = world.get(REGION, &format!("/api/v1/export?{WINDOW}")).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        if most == 0 {
            assert_eq!(answer.json()["code"], "E4012");
        }
        assert_eq!(world.get(REGION, &format!("/api/v1/reports?{WINDOW}")).await.status, 200, "lists are no exports");
    }
}
