//! How good the registered data is: measured from the rows, as page, CSV and JSON (RD-10, D-R14).

use reqwest::StatusCode;
use yingku::archive::reports::measure_quality::{FieldQuality, KindQuality, Quality, QualityScope};
use yingku::domain::Actor;
use yingku::integrations::report_registry::ClientConfig;

use super::{NOW, Service, exam, item, lab, line, root};
use crate::each_database;
use crate::harness::TestServer;

const DAY: i64 = 24 * 3600 * 1000;

async fn measure(service: &Service, organizations: Option<&[&str]>) -> Quality {
    let organizations = organizations.map(|all| all.iter().map(|org| (*org).to_owned()).collect());
    let scope = QualityScope { from: NOW - DAY, to: NOW + 1, organizations };
    service.archive.measure_quality(Actor::system("test"), scope).await.unwrap()
}

fn field<'k>(kind: &'k KindQuality, name: &str) -> &'k FieldQuality {
    kind.fields.iter().find(|field| field.field == name).unwrap()
}

each_database! {
    async fn d_r14_completeness_and_validity_are_counted_by_organisation_and_field(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&exam(&[("report_form_no", "EX1"), ("birth_date", "某日"), ("id_no", "990101199001010018")])).await;
        service.register(&exam(&[("report_form_no", "EX2"), ("body_part_name", "")])).await;
        service.register(&exam(&[("report_form_no", "EX3"), ("data_status", "0")])).await;
        service.register(&exam(&[("report_form_no", "EX4"), ("org_code", "ORG-T02")])).await;

        let quality = measure(&service, None).await;

        let exams = &quality.organizations["ORG-T01"].kinds["exam"];
        assert_eq!((exams.records, exams.noted_records), (2, 2), "what is withdrawn does not count");
        assert_eq!((field(exams, "Birth_Date").filled, field(exams, "Birth_Date").invalid), (1, 1));
        assert_eq!((field(exams, "Id_No").filled, field(exams, "Id_No").invalid), (2, 1));
        assert_eq!(field(exams, "Id_No").notes["E1012"], 1);
        assert_eq!((field(exams, "Body_Part_Name").filled, field(exams, "Body_Part_Name").invalid), (1, 0));
        assert_eq!(quality.organizations["ORG-T02"].kinds["exam"].records, 1);
        assert_eq!(measure(&service, Some(&["ORG-T02"])).await.organizations.len(), 1);
        assert_eq!(service.count("SELECT id FROM audit WHERE action = 'measure_quality'").await, 2);
    }

    async fn d_r14_what_is_mended_no_longer_counts_as_wrong(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&exam(&[("birth_date", "某日")])).await;
        service.register(&exam(&[("last_update_dtime", "2024/3/24")])).await;

        let exams = measure(&service, None).await.organizations["ORG-T01"].kinds["exam"].clone();

        assert_eq!((exams.records, field(&exams, "Birth_Date").filled, field(&exams, "Birth_Date").invalid), (1, 1, 0));
    }

    async fn d_r14_rejected_records_are_counted_by_code_and_field(database: TestDatabase) {
        let service = Service::start(database).await;
        for number in ["EX1", "EX2"] {
            service.register(&exam(&[("report_form_no", number), ("event_no", "")])).await;
        }
        service.register(&exam(&[("org_code", "ORG-T03")])).await;
        service.register(&exam(&[("org_code", "ANYTHING")])).await;

        let quality = measure(&service, None).await;

        let rejected = |org: &str| {
            let all = &quality.organizations[org].kinds["exam"].rejected;
            all.iter().map(|r| (r.code.clone(), r.field.clone(), r.records)).collect::<Vec<_>>()
        };
        assert_eq!(rejected("ORG-T01"), [("E1001".to_owned(), "Event_No".to_owned(), 2)]);
        assert_eq!(rejected("ORG-T03"), [("E1007".to_owned(), String::new(), 1)]);
        assert_eq!(rejected(""), [("E1007".to_owned(), String::new(), 1)]);
    }

    async fn d_r14_timeliness_is_the_time_from_the_report_to_its_first_registration(database: TestDatabase) {
        let service = Service::start(database).await;
        // The clock of the service says 14:40.
        for (number, at) in [("EX1", "2024-03-24 14:30:00"), ("EX2", "2024-03-24 13:40:00"), ("EX3", "2024-03-24 15:00:00")] {
            service.register(&exam(&[("report_form_no", number), ("authenticator_dtime", at)])).await;
        }
        service.register(&exam(&[("report_form_no", "EX4"), ("author_dtime", "2024-03-21 14:40:00")])).await;
        service.register(&exam(&[("report_form_no", "EX5")])).await;
        service.register(&root(&[lab(&[("effective_dtime", "2024-03-24 14:39:00")])])).await;

        let organization = measure(&service, None).await.organizations["ORG-T01"].clone();

        let late = organization.kinds["exam"].timeliness.unwrap();
        assert_eq!((late.reports, late.from_the_future), (4, 1));
        assert_eq!((late.p50_minutes, late.max_minutes), (60, 3 * 24 * 60));
        assert_eq!(organization.kinds["lab"].timeliness.unwrap().max_minutes, 1);
        assert!(!organization.kinds.contains_key("lab_subitem"));
    }

    async fn d_r10_lines_that_wait_and_lines_aside_are_counted(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&root(&[line("1", &[]), line("2", &[])])).await;
        let rejected = lab(&[("report_form_no", "LB2"), ("patient_id", "")]);
        service.register(&root(&[rejected, line("1", &[("report_form_no", "LB2")])])).await;

        let organization = measure(&service, None).await.organizations["ORG-T01"].clone();

        assert_eq!((organization.waiting_lines, organization.aside_lines), (2, 1));
        assert_eq!(organization.oldest_pending_line, "2024-03-24 14:40:00");
        service.register(&root(&[lab(&[])])).await;
        let organization = measure(&service, None).await.organizations["ORG-T01"].clone();
        assert_eq!((organization.waiting_lines, organization.kinds["lab_subitem"].records), (0, 2));
        assert_eq!(field(&organization.kinds["lab_subitem"], "Result_Value").filled, 2);
    }

    async fn d_r8_reports_whose_number_is_used_twice_are_counted(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&exam(&[])).await;
        service.register(&exam(&[("patient_id", "P0002")])).await;

        let exams = measure(&service, None).await.organizations["ORG-T01"].kinds["exam"].clone();

        assert_eq!((exams.identity_conflicts, exams.notes["E1016"]), (2, 1));
    }
}

fn watcher(id: &str, key: &str, organizations: &[&str]) -> ClientConfig {
    let organizations = organizations.iter().map(|org| (*org).to_owned()).collect();
    ClientConfig { id: id.to_owned(), key: key.to_owned(), operations: true, organizations, ..ClientConfig::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_the_table_and_the_data_are_shown_to_whoever_may_look() {
    let server = TestServer::start_with(|config| {
        config.client.push(watcher("quality", "unit-test-key-0009", &[]));
        config.client.push(watcher("other", "unit-test-key-0010", &["ORG-T09"]));
    })
    .await;
    let base = format!("http://{}", server.http());
    let http = reqwest::Client::new();
    let today = [
        ("org_code", "ORG-T01"),
        ("report_form_no", "EX1"),
        ("patient_id", "P1"),
        ("event_type", "1"),
        ("event_no", "E1"),
    ];
    let document = format!("<root><exammaster>{}</exammaster></root>", item(&today, &[]));
    let told = http.post(format!("{base}/sehr.service.auto/IAutoReport.asmx")).body(document).send().await.unwrap();
    assert!(told.text().await.unwrap().contains("stored"));
    let ask = async |query: &str, key: Option<&str>| {
        let request = http.get(format!("{base}/ops/quality{query}"));
        let request = match key {
            Some(key) if key.starts_with("unit") => request.bearer_auth(key),
            Some(key) => request.basic_auth("quality", Some(&key[6..])),
            None => request,
        };
        let answer = request.send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    };
    let key = Some("unit-test-key-0009");

    assert_eq!(ask("", None).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(ask("", Some("unit-test-key-0001")).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(ask("", Some("synthetic-region-key-0001")).await.0, StatusCode::UNAUTHORIZED);
    let (status, json) = ask("", key).await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((status, &json["organizations"]["ORG-T01"]["kinds"]["exam"]["records"]), (StatusCode::OK, &1.into()));
    let (_, csv) = ask("?format=csv", Some("basic:unit-test-key-0009")).await;
    assert!(csv.contains("ORG-T01,exam,Name,病人的姓名,optional,filled,0,1\r\n"), "{csv}");
    let (_, page) = ask("?format=html", key).await;
    assert!(page.contains("<h2>示例医院 ORG-T01</h2>") && page.contains("Body_Part_Name"), "{page}");
    let (_, page) = ask("?format=html&lang=en&org=ORG-T01", key).await;
    assert!(page.contains("<html lang=\"en\">") && page.contains("<h1>Data quality</h1>"), "{page}");
    assert!(
        page.contains("示例医院 ORG-T01") && !page.contains("完整率") && page.contains("?lang=zh&#38;org="),
        "{page}"
    );
    let (_, others) = ask("?org=ORG-T01", Some("unit-test-key-0010")).await;
    assert!(!others.contains("exam"), "{others}");
    assert_eq!(ask("?from=2020-01-01", key).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(ask("?from=x", key).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(ask("?format=xml", key).await.0, StatusCode::BAD_REQUEST);
    let recognition = async |format: &str, key: &str| {
        let url = format!("{base}/ops/recognition?format={format}");
        let answer = http.get(url).bearer_auth(key).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    };
    let by_hand = "INSERT INTO recognition (id, request_key, kind, report_pk, org_code, by_org_code, recognised, reason, \
                   remark, doctor_id, doctor_name, decided_at, recorded_at) \
                   VALUES (1, 'k', 'exam', 1, 'ORG-T01', 'ORG-T02', 0, '5', '', 'D', '', $1, $2)";
    let index = yingku::index::Index::open(&server.database()).await.unwrap();
    let now = yingku::domain::Clock::System.now_ms();
    let inserted = index.write(move |tx| Box::pin(async move { tx.execute(by_hand, yingku::params![now, now]).await }));
    inserted.await.map_err(|error: yingku::index::Error| error.to_string()).unwrap();
    let locked = "INSERT INTO report_file (id, exam_report_pk, revision, is_current, source, media_type, original_key, \
                  original_length, original_hash, stamp_state, stamp_reason, page_count, fetched_at) \
                  SELECT 1, id, 1, 1, '', 'application/pdf', 'k', 1, '', 'unstampable', 'encrypted', 1, 0 FROM exam_report";
    let inserted = index.write(move |tx| Box::pin(async move { tx.execute(locked, Vec::new()).await }));
    inserted.await.map_err(|error: yingku::index::Error| error.to_string()).unwrap();
    let (_, unstamped) = ask("", key).await;
    let unstamped: serde_json::Value = serde_json::from_str(&unstamped).unwrap();
    assert_eq!(unstamped["organizations"]["ORG-T01"]["unstamped"], serde_json::json!({ "encrypted": 1 }));
    let (_, csv) = ask("?format=csv", key).await;
    assert!(csv.contains("ORG-T01,exam,,,,unstamped_encrypted,1,\r\n"), "{csv}");
    let (_, page) = ask("?format=html", key).await;
    assert!(page.contains("未能加盖二维码的报告文件 · 已加密 1"), "{page}");
    assert_eq!(recognition("html", "unit-test-key-0001").await.0, StatusCode::UNAUTHORIZED);
    let (_, figures) = recognition("json", "unit-test-key-0009").await;
    let figures: serde_json::Value = serde_json::from_str(&figures).unwrap();
    assert_eq!((&figures["total"]["records"], &figures["pairs"][0]["reasons"]["5"]), (&1.into(), &1.into()));
    let (_, table) = recognition("csv", "unit-test-key-0009").await;
    assert!(table.contains("ORG-T01,ORG-T02,exam,reason_5,1\r\n"), "{table}");
    let (_, page) = recognition("html", "unit-test-key-0009").await;
    assert!(page.contains("示例医院 ORG-T01") && page.contains("不包括出具报告的医师的诊断意见"), "{page}");
    let (_, others) = recognition("json", "unit-test-key-0010").await;
    assert!(others.contains("\"pairs\":[]"), "{others}");
    assert_eq!(recognition("xml", "unit-test-key-0009").await.0, StatusCode::BAD_REQUEST);
    let (_, earlier) = ask("?from=2020-01-01&to=2020-01-31", key).await;
    assert!(!earlier.contains("exam"), "{earlier}");
    server.stop().await;
}
