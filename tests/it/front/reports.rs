//! Reports that a front registers with the archive above it: equal in the end, whatever dies, is away or refuses in between.

use std::net::SocketAddr;
use std::time::Duration;

use sha2::{Digest, Sha256};
use yingku::archive::ReportCopy;
use yingku::domain::customer::Secret;
use yingku::domain::exam_report::ExamField;
use yingku::domain::lab_report::{LabField, LabItemField};
use yingku::domain::record::Field;
use yingku::index::{DatabaseConfig, Index};
use yingku::integrations::front::{UpstreamConfig, UpstreamReportsConfig};
use yingku::server::open_archive;

use super::{forward_to, section, upstream};
use crate::api::containers;
use crate::each_database;
use crate::files::pdf;
use crate::files::server::ReportServer;
use crate::harness::{Gate, Limit, ServerProcess, TestServer, count_rows, eventually, http_get, texts};

const PATIENCE: Duration = Duration::from_secs(120);
const EXAMS: &str = "SELECT COUNT(*) AS n FROM exam_report";
const MESSAGES: &str = "SELECT COUNT(*) AS n FROM inbox_message";
/// Waiting or parked.
const QUEUED: &str = "SELECT COUNT(*) AS n FROM report_forward WHERE state <> 1";
const APP_ID: &str = "synthetic-app-id-0001";
const PASSWORD: &str = "synthetic-password-0001";
/// Reports that are under way when something is killed.
const MANY: usize = 40;
/// What a closed gate lets through: some reports, and far from all.
const SOME_BYTES: usize = 12_000;

/// Where an archive registers reports.
pub(super) fn registry(scheme: &str, address: SocketAddr) -> String {
    format!("{scheme}://{address}/sehr.service.auto/IAutoReport.asmx")
}

/// Registers containers and asserts that every record was taken.
pub(super) async fn register(server: SocketAddr, containers: &[String]) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let document = format!("<root time=\"2024-03-24 14:40:00\">{}</root>", containers.concat());
    let request = http.post(registry("http", server)).header("content-type", "text/xml").body(document);
    let answer = request.send().await.unwrap().text().await.unwrap();
    assert!(answer.contains("<result>1</result>"), "{answer}");
}

/// An archive that lets nobody register without a header and a password.
async fn region() -> TestServer {
    TestServer::start_with(|config| {
        config.sender[0].app_id = APP_ID.to_owned();
        config.sender[0].basic_user = "front".to_owned();
        config.sender[0].basic_password = PASSWORD.to_owned();
    })
    .await
}

fn reports_to(address: SocketAddr) -> UpstreamReportsConfig {
    UpstreamReportsConfig {
        url: registry("http", address),
        app_id: Secret(APP_ID.to_owned()),
        basic_user: "front".to_owned(),
        basic_password: Secret(PASSWORD.to_owned()),
        ..UpstreamReportsConfig::default()
    }
}

/// The lines of a front whose reports go to an address.
fn section_for_reports(dicom: SocketAddr, http: SocketAddr, more: &str) -> String {
    section(dicom.port(), &format!("{more}\n[upstream.reports]\nurl = '{}'", registry("http", http)))
}

/// All that is known of reports: every field but the address of the file, every mark, the hash of every current file.
async fn snapshot(database: &DatabaseConfig) -> Vec<String> {
    let index = Index::open(database).await.unwrap();
    let mut told = Vec::new();
    fields::<ExamField>(&index, "SELECT * FROM exam_report ORDER BY observation_uid", &mut told).await;
    fields::<LabField>(&index, "SELECT * FROM lab_report ORDER BY observation_uid", &mut told).await;
    fields::<LabItemField>(&index, "SELECT * FROM lab_item ORDER BY report_form_no, serial_no", &mut told).await;
    let marks =
        "SELECT observation_uid, reviewed, vip, restricted, withdrawn FROM exam_report ORDER BY observation_uid";
    for row in index.query(marks, Vec::new()).await.unwrap() {
        let marks = ["reviewed", "vip", "restricted", "withdrawn"].map(|mark| row.int(mark).unwrap());
        told.push(format!("{} {marks:?}", row.text("observation_uid").unwrap()));
    }
    let files = "SELECT e.observation_uid, f.original_hash FROM report_file f JOIN exam_report e \
                 ON e.id = f.exam_report_pk WHERE f.is_current = 1 ORDER BY e.observation_uid";
    for row in index.query(files, Vec::new()).await.unwrap() {
        told.push(format!("{} {}", row.text("observation_uid").unwrap(), row.text("original_hash").unwrap()));
    }
    index.close().await;
    told
}

async fn fields<F: Field>(index: &Index, sql: &'static str, told: &mut Vec<String>) {
    for row in index.query(sql, Vec::new()).await.unwrap() {
        for column in F::ALL.iter().map(|field| field.spec().column).filter(|column| *column != "reportfilepath") {
            let text = row.get::<Option<String>>(column).unwrap().unwrap_or_default();
            told.push(format!("{column}={text}"));
        }
    }
}

/// Waits until both archives have the same reports and nothing is on its way.
async fn are_the_same(front: &DatabaseConfig, region: &DatabaseConfig) {
    eventually(PATIENCE, "the archive above has the same reports", || async {
        let known = snapshot(front).await;
        (!known.is_empty() && known == snapshot(region).await && count_rows(front, QUEUED).await == 0).then_some(())
    })
    .await;
}

/// Waits until a file is the current one of an archive's only exam report.
async fn has_file(database: &DatabaseConfig, bytes: &[u8]) {
    let expected = [hex::encode(Sha256::digest(bytes))];
    eventually(PATIENCE, "the file is there", || async {
        let current = texts(database, "SELECT original_hash AS t FROM report_file WHERE is_current = 1").await;
        (current == expected).then_some(())
    })
    .await;
}

/// Puts a change of the only exam report's file into the feed, and waits until the front has seen it and nothing waits.
async fn tell_of_files_again(database: &DatabaseConfig) {
    let index = Index::open(database).await.unwrap();
    let sql = "INSERT INTO report_change_waiting (id, report_pk, subject, aspect, org_code, sharing, changed_at) \
               SELECT 0 - id, id, 'exam', 'file', org_code, 0, 0 FROM exam_report";
    let written: Result<u64, yingku::index::Error> =
        index.write(move |tx| Box::pin(async move { tx.execute(sql, Vec::new()).await })).await;
    assert_eq!(written.unwrap(), 1);
    index.close().await;
    let unnumbered = "SELECT COUNT(*) AS n FROM report_change_waiting";
    let unseen = "SELECT COUNT(*) AS n FROM report_forward_cursor c JOIN report_feed f ON f.id = 1 \
                  WHERE c.position < f.position";
    eventually(PATIENCE, "the front has seen it", || async {
        // In the order in which a change goes.
        for sql in [unnumbered, unseen, QUEUED] {
            if count_rows(database, sql).await != 0 {
                return None;
            }
        }
        Some(())
    })
    .await;
}

each_database! {
    async fn reports_and_files_arrive_as_they_are_and_what_becomes_of_them_follows(database: TestDatabase) {
        let hospital = ReportServer::start().await;
        *hospital.book.changing.lock().unwrap() = pdf::report();
        let region = region().await;
        let front = TestServer::start_with(|config| {
            config.database = database.config();
            let upstream = UpstreamConfig { reports: reports_to(region.http()), ..upstream() };
            forward_to(config, region.dicom(), upstream);
            assert_eq!(config.faults(), []);
        })
        .await;
        let path = hospital.url("/changing.pdf");
        let marks = [("reportfilepath", path.as_str()), ("xman_type", "1"), ("confidentiality", "R")];
        let exam = |changed: &[(&str, &str)]| containers::exam(&[&marks[..], changed].concat());
        let line = containers::line;

        // When a VIP's exam report and a lab report are registered, both are there with all they say, and the file.
        let lab = containers::lab(&[("report_title", "血常规 &lt;1&gt; &amp; &quot;2&quot;&#10;续")]);
        register(front.http(), &[exam(&[]), lab, line("1", &[]), line("2", &[])]).await;
        has_file(&region.database(), &pdf::report()).await;
        are_the_same(&front.database(), &region.database()).await;

        // A revision, with another file under the same address, replaces both.
        let corrected = [pdf::report(), b"% corrected\n".to_vec()].concat();
        *hospital.book.changing.lock().unwrap() = corrected.clone();
        let revised = [("state", "4"), ("conclusion", "结论二"), ("last_update_dtime", "2024/3/24 0:00:00")];
        register(front.http(), &[exam(&revised)]).await;
        has_file(&region.database(), &corrected).await;
        are_the_same(&front.database(), &region.database()).await;
        let versions = "SELECT COUNT(*) AS n FROM report_version WHERE kind = 'exam'";
        assert_eq!(count_rows(&region.database(), versions).await, 1, "once for the revision, not for telling it again");
        let beside = open_archive(region.config()).await.unwrap();
        let pk = count_rows(&region.database(), "SELECT id AS n FROM exam_report").await;
        let file = beside.report_file_of(pk).await.unwrap().unwrap();
        let original = beside.read_report_file(&file, ReportCopy::Original).await.unwrap();
        assert!(original == corrected, "byte for byte");
        beside.close().await.unwrap();

        // What is withdrawn here is withdrawn there, a line of a report too; and comes back.
        let later = ("last_update_dtime", "2024/3/25 0:00:00");
        register(front.http(), &[exam(&[later, ("data_status", "0")]), line("2", &[later, ("data_status", "0")])]).await;
        are_the_same(&front.database(), &region.database()).await;
        for (table, sql) in [
            ("exam_report", "SELECT COUNT(*) AS n FROM exam_report WHERE withdrawn = 1"),
            ("lab_item", "SELECT COUNT(*) AS n FROM lab_item WHERE withdrawn = 1"),
        ] {
            assert_eq!(count_rows(&region.database(), sql).await, 1, "{table}");
        }
        register(front.http(), &[exam(&[("last_update_dtime", "2024/3/26 0:00:00")])]).await;
        are_the_same(&front.database(), &region.database()).await;
        assert_eq!(count_rows(&region.database(), "SELECT COUNT(*) AS n FROM exam_report WHERE withdrawn = 0").await, 1);

        // A change that is none for the archive above, as when a file is stamped anew, is not told.
        let so_far = count_rows(&region.database(), MESSAGES).await;
        tell_of_files_again(&front.database()).await;
        assert_eq!(count_rows(&region.database(), MESSAGES).await, so_far);

        // The archive above was never told where the hospital keeps its files, and asked for none.
        let asked = "SELECT COUNT(*) AS n FROM job WHERE kind = 'fetch_report_file'";
        assert_eq!(count_rows(&region.database(), asked).await, 0);
        let told = "SELECT COUNT(*) AS n FROM exam_report WHERE reportfilepath IS NOT NULL";
        assert_eq!((count_rows(&region.database(), told).await, count_rows(&front.database(), told).await), (0, 1));
        front.stop().await;
        region.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_side_is_killed_nothing_is_lost_and_nothing_is_there_twice() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let hospital = ReportServer::start().await;
    let mut region = ServerProcess::start().await;
    let gate = Gate::before(region.http()).await;
    let section = section_for_reports(region.dicom(), gate.address(), "max_attempts = 1000");
    // What was being fetched when the front was killed is fetched again soon.
    let mut front = ServerProcess::start_with(&(section + "\n[jobs]\nlease_ms = 2000\n")).await;
    let path = hospital.url("/report.pdf");
    let exams: Vec<String> = (0..MANY)
        .map(|number| {
            let (number, event) = (format!("EX{number:04}"), format!("E{number:04}"));
            let own =
                [("report_form_no", number.as_str()), ("event_no", event.as_str()), ("reportfilepath", path.as_str())];
            containers::exam(&own)
        })
        .collect();
    register(front.http(), &exams).await;
    let arrive = async |at_least: i64| {
        let what = format!("{at_least} messages arrive");
        let database = region.database();
        eventually(PATIENCE, &what, || async { (count_rows(&database, MESSAGES).await >= at_least).then_some(()) })
            .await;
    };

    gate.let_through(SOME_BYTES);
    arrive(2).await;
    front.kill();
    assert!(count_rows(&region.database(), EXAMS).await < MANY as i64, "the kill came in the middle");
    front.start_again(Limit::None).await;
    let so_far = count_rows(&region.database(), MESSAGES).await;
    gate.let_through(SOME_BYTES);
    arrive(so_far + 2).await;
    region.kill();
    assert!(count_rows(&region.database(), EXAMS).await < MANY as i64, "and this one too");
    region.start_again(Limit::None).await;
    gate.open();

    let files = "SELECT COUNT(*) AS n FROM report_file";
    eventually(PATIENCE, "all files are here", || async {
        (count_rows(&front.database(), files).await == MANY as i64).then_some(())
    })
    .await;
    are_the_same(&front.database(), &region.database()).await;
    for sql in [EXAMS, files] {
        assert_eq!(count_rows(&region.database(), sql).await, MANY as i64, "{sql}");
    }
    let versions = "SELECT COUNT(*) AS n FROM report_version";
    assert_eq!(count_rows(&region.database(), versions).await, 0, "what was told twice changed nothing");
    assert!(front.terminate().await.success());
    assert!(region.terminate().await.success());
    assert!(region.command(&["verify"]).status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_parked_with_its_reason_until_somebody_lets_it_go_again() {
    // Given an archive above that does not know the hospital yet.
    let region = TestServer::start_with(|config| {
        config.organization[0].code = "ORG-T09".to_owned();
        config.sender[0].organizations = vec!["*".to_owned()];
    })
    .await;
    let front = ServerProcess::start_with(&section_for_reports(region.dicom(), region.http(), "")).await;
    register(front.http(), &[containers::exam(&[])]).await;
    let is_parked = async || {
        let sql = "SELECT COUNT(*) AS n FROM report_forward WHERE state = 3 AND reason LIKE '%E1006%'";
        let database = front.database();
        eventually(PATIENCE, "it is parked", || async { (count_rows(&database, sql).await == 1).then_some(()) }).await;
    };
    let said = |arguments: &[&str]| String::from_utf8(front.command(arguments).stdout).unwrap();

    is_parked().await;
    let status = said(&["forward", "status"]);
    assert!(status.contains("region, reports: 0 waiting, 1 parked"), "{status}");
    assert!(status.contains("exam ORG-T01 EX0001: exam: E1006"), "{status}");
    // Tried again it is refused again.
    let (_, metrics) = http_get(front.http(), "/metrics").unwrap();
    let counted = |line: &str| line.starts_with("yingku_forward_reports_total") && line.contains("parked");
    assert!(metrics.lines().any(counted), "{metrics}");
    let retried = said(&["forward", "retry"]);
    assert!(retried.contains("region: 1 report(s) go at once"), "{retried}");
    is_parked().await;
    assert_eq!(count_rows(&region.database(), EXAMS).await, 0);

    region.import_organizations(&["ORG-T01"]).await;

    register(front.http(), &[containers::exam(&[("report_form_no", "EX0002"), ("event_no", "E0002")])]).await;
    eventually(PATIENCE, "both are there once the archive above knows the hospital", || async {
        said(&["forward", "retry"]);
        (count_rows(&region.database(), EXAMS).await == 2).then_some(())
    })
    .await;
    are_the_same(&front.database(), &region.database()).await;
    let status = said(&["forward", "status"]);
    assert!(status.contains("region, reports: 0 waiting, 0 parked"), "{status}");
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outside_of_its_windows_an_upstream_is_told_nothing() {
    let region = region().await;
    // A window of a minute, twelve hours away from now.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() / 60;
    let minute = (now + 8 * 60 + 12 * 60) % 1440;
    let text = |m: u64| format!("{:02}:{:02}", m % 1440 / 60, m % 60);
    let closed = format!("{}-{}", text(minute), text(minute + 1));
    let front = TestServer::start_with(|config| {
        let night = UpstreamConfig {
            name: "night".to_owned(),
            windows: vec![closed.try_into().unwrap()],
            reports: reports_to(region.http()),
            ..upstream()
        };
        let open = UpstreamConfig { reports: reports_to(region.http()), ..upstream() };
        forward_to(config, region.dicom(), open);
        config.upstream.push(night);
    })
    .await;

    register(front.http(), &[containers::exam(&[])]).await;

    let waits = "SELECT COUNT(*) AS n FROM report_forward WHERE upstream = 'night' AND state = 0";
    eventually(PATIENCE, "one has been told, and the other one waits for its window", || async {
        let counts = (count_rows(&front.database(), waits).await, count_rows(&front.database(), QUEUED).await);
        (counts == (1, 1) && count_rows(&region.database(), EXAMS).await == 1).then_some(())
    })
    .await;
    assert_eq!(count_rows(&region.database(), MESSAGES).await, 1);
    front.stop().await;
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_is_new_is_told_what_comes_and_by_command_what_was_there_before() {
    let region = TestServer::start().await;
    let mut front = ServerProcess::start().await;
    register(front.http(), &[containers::exam(&[]), containers::lab(&[]), containers::line("1", &[])]).await;
    assert!(front.terminate().await.success());
    front.append_config(&section_for_reports(region.dicom(), region.http(), ""));
    front.start_again(Limit::None).await;

    register(front.http(), &[containers::exam(&[("report_form_no", "EX0002"), ("event_no", "E0002")])]).await;
    eventually(PATIENCE, "the new one arrives", || async {
        (count_rows(&region.database(), EXAMS).await == 1).then_some(())
    })
    .await;
    let numbers = texts(&region.database(), "SELECT report_form_no AS t FROM exam_report").await;
    assert_eq!(numbers, ["EX0002"], "the earlier one stands before it in the feed and would be there");

    let added = String::from_utf8(front.command(&["forward", "add"]).stdout).unwrap();

    assert!(added.contains("report(s) are in the queue"), "{added}");
    are_the_same(&front.database(), &region.database()).await;
    assert_eq!(count_rows(&region.database(), "SELECT COUNT(*) AS n FROM lab_item").await, 1);
    assert!(front.terminate().await.success());
    region.stop().await;
}

#[test]
fn an_upstream_whose_reports_cannot_go_is_told_before_the_start() {
    let faults = |reports: UpstreamReportsConfig| UpstreamConfig { reports, ..upstream() }.faults().join("\n");
    let to = |url: &str| UpstreamReportsConfig { url: url.to_owned(), ..UpstreamReportsConfig::default() };
    assert_eq!(faults(UpstreamReportsConfig::default()), "");
    assert_eq!(faults(to("https://region.example.test/IAutoReport.asmx")), "");
    assert!(faults(to("region.example.test")).contains("reports.url must be the http or https address"));
    let app_id = Secret(APP_ID.to_owned());
    assert_eq!(faults(UpstreamReportsConfig { app_id, ..to("") }), "reports needs a url");
    let basic_user = "front".to_owned();
    let nameless = UpstreamReportsConfig { basic_user, ..to("http://region.example.test/IAutoReport.asmx") };
    assert!(faults(nameless).contains("reports.basic_password is missing"));
    let tls = Some(yingku::tls::PeerTlsConfig::default());
    let plain = UpstreamReportsConfig { tls, ..to("http://region.example.test/IAutoReport.asmx") };
    assert!(faults(plain).contains("reports.tls needs an https address"));
}
