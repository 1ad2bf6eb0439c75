//! Mutual recognition: marks, recorded decisions, figures (RD-32, D-X10, D-R17).

use serde_json::{Value, json};
use yingku::archive::reports::recognitions::RecognitionFilter;
use yingku::domain::Actor;
use yingku::domain::dictionary::{Entry, RECOGNITION};
use yingku::domain::recognition::{ItemKind, RecognisedItem};

use super::world::{HOSPITAL, NARROW, PRIVILEGED, REGION, World, exam, lab, line, members};
use crate::each_database;

const PATH: &str = "/api/v1/recognitions";

/// The report's id, as a caller with the widest right sees it.
async fn id_of(world: &World, number: &str) -> String {
    let found = world.found(PRIVILEGED, &format!("/api/v1/reports?organization=ORG-T01&report_form_no={number}")).await;
    found["reports"][0]["id"].as_str().unwrap().to_owned()
}

fn decision(key: &str, report: &str, changed: &Value) -> Value {
    let mut told = json!({
        "key": key, "report": report, "by_organization": "ORG-T02", "recognised": true, "doctor_id": "D0001",
        "doctor_name": "测试医生", "decided_at": "2024-03-24 10:00:00",
    });
    for (name, value) in changed.as_object().unwrap() {
        told[name] = value.clone();
    }
    told
}

fn item(kind: ItemKind, name: &str, level: &str) -> RecognisedItem {
    RecognisedItem {
        kind,
        org_code: String::new(),
        item: name.to_owned(),
        aliases: Vec::new(),
        level: level.to_owned(),
        valid_from: "2024-01-01".to_owned(),
        valid_to: String::new(),
    }
}

each_database! {
    async fn d_r17_d_x10_reports_carry_their_marks_and_their_lines_have_their_own(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[exam(&[("recognition", "3")]), lab(&[]), line("1", &[]), line("2", &[("class_code", "HGB"), ("class_name", "血红蛋白")])]).await;
        let reports = async || world.found(REGION, "/api/v1/reports?card_no=C00000001&order=oldest").await["reports"].clone();
        assert_eq!(members(&reports().await, &["recognition_mark"]), ["-", "-"], "nobody has said what 3 means");

        let entry = Entry { code: "3".into(), meaning: "全国HR".into(), aliases: Vec::new() };
        world.archive.import_dictionaries(Actor::system("test"), vec![(RECOGNITION.to_owned(), vec![entry])]).await.unwrap();
        let items = vec![item(ItemKind::Lab, "wbc", "本省HR"), item(ItemKind::Lab, "血常规", "3")];
        world.archive.import_recognised_items(Actor::system("test"), items).await.unwrap();

        let marked = reports().await;
        assert_eq!(members(&marked, &["recognition_mark"]), ["全国HR", "全国HR"]);
        assert_eq!(members(&marked[0]["items"], &["recognition_mark"]), ["本省HR", "-"]);
        assert_eq!(marked[1]["fields"]["recognition"], "3", "what was registered stays as it is");
        let changes = world.follow(REGION, "", "&include=report").await.0;
        assert_eq!(members(&json!(changes), &["report", "recognition_mark"]), ["全国HR", "全国HR"]);
        let fhir = world.found(REGION, "/fhir/DiagnosticReport").await;
        assert_eq!(fhir["entry"][0]["resource"]["meta"]["tag"][0]["code"], "全国HR");
        let lines = world.found(REGION, "/fhir/Observation").await;
        assert_eq!(lines["entry"][0]["resource"]["meta"]["tag"][0]["display"], "本省HR");
        assert!(lines["entry"][1]["resource"]["meta"].is_null());

        // The negative list takes it away, whatever was registered.
        world.archive.import_recognised_items(Actor::system("test"), vec![item(ItemKind::Exam, "胸部CT平扫", "")]).await.unwrap();
        assert_eq!(members(&reports().await, &["recognition_mark"]), ["-", "-"]);
        assert_eq!(world.audits("import_recognised_items").await.len(), 2);
    }

    async fn rd_32_d_x3_a_decision_is_recorded_once_and_told_to_followers(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[exam(&[])]).await;
        let (_, cursor) = world.follow(REGION, "", "").await;
        let report = id_of(&world, "EX0001").await;
        let refusal = json!({ "recognised": false, "reason": "1", "remark": "病情变化" });
        let told = decision("A-1", &report, &refusal);

        let first = world.post(HOSPITAL, PATH, &told).await;
        let again = world.post(HOSPITAL, PATH, &told).await;
        let other = world.post(HOSPITAL, PATH, &decision("A-1", &report, &json!({}))).await;
        let foreign = world.post(REGION, PATH, &decision("A-1", &report, &json!({ "by_organization": "ORG-T03" }))).await;

        assert_eq!((first.status, again.status), (201, 200), "{}", first.text());
        assert_eq!(first.json(), again.json());
        let record = first.json();
        assert_eq!((&record["organization"], &record["by_organization"], &record["reason"]), (&json!("ORG-T01"), &json!("ORG-T02"), &json!("1")));
        assert_eq!((&record["item"], &record["decided_at"]), (&json!("胸部CT平扫"), &json!("2024-03-24T10:00:00+08:00")));
        assert_eq!((other.status, &other.json()["code"]), (409, &json!("E4014")));
        assert_eq!(foreign.status, 201, "another client's number is another one: {}", foreign.text());
        let (changes, _) = world.follow(REGION, &cursor, "&include=report").await;
        assert_eq!(members(&json!(changes), &["kind"]), ["recognition"]);
        assert_eq!(changes[0]["report"]["recognitions"], json!({ "recognised": 1, "not_recognised": 1 }));
        assert_eq!(world.follow(REGION, &cursor, "&kind=exam").await.0.len(), 0);
        let audits = world.audits("record_recognition").await;
        assert_eq!(audits.len(), 2, "{audits:?}");
        assert!(!audits.concat().contains("测试"), "{audits:?}");
    }

    async fn rd_32_what_cannot_be_recorded_is_refused_by_its_code(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[exam(&[]), exam(&[("report_form_no", "VIP"), ("patient_id", "P9"), ("xman_type", "1")])]).await;
        world.register(&[exam(&[("report_form_no", "GONE")])]).await;
        world.register(&[exam(&[("report_form_no", "OWN"), ("org_code", "ORG-T02")])]).await;
        let (report, vip, gone) = (id_of(&world, "EX0001").await, id_of(&world, "VIP").await, id_of(&world, "GONE").await);
        let own = world.found(HOSPITAL, "/api/v1/reports?report_form_no=OWN&organization=ORG-T02").await["reports"][0]["id"].as_str().unwrap().to_owned();
        world.register(&[exam(&[("report_form_no", "GONE"), ("data_status", "0"), ("last_update_dtime", "2024/3/24")])]).await;
        for (key, told, status, code) in [
            (NARROW, decision("1", &report, &json!({})), 403, "E4002"),
            (HOSPITAL, decision("1", &report, &json!({ "by_organization": "ORG-T03" })), 403, "E4002"),
            (REGION, decision("1", &report, &json!({ "by_organization": "ORG-T99" })), 400, "E4006"),
            (REGION, decision("1", &report, &json!({ "by_organization": "ORG-T01" })), 400, "E4006"),
            (HOSPITAL, decision("1", &own, &json!({})), 400, "E4006"),
            (HOSPITAL, decision("1", &vip, &json!({})), 404, "E4003"),
            (REGION, decision("1", &vip, &json!({})), 404, "E4003"),
            (HOSPITAL, decision("1", &gone, &json!({})), 410, "E4004"),
            (HOSPITAL, decision("1", "x", &json!({})), 404, "E4003"),
            (HOSPITAL, decision("a b", &report, &json!({})), 400, "E4006"),
            (HOSPITAL, decision("", &report, &json!({})), 400, "E4006"),
            (HOSPITAL, decision("1", &report, &json!({ "recognised": false })), 400, "E4006"),
            (HOSPITAL, decision("1", &report, &json!({ "recognised": false, "reason": "7" })), 400, "E4006"),
            (HOSPITAL, decision("1", &report, &json!({ "recognised": false, "reason": "6" })), 400, "E4006"),
            (HOSPITAL, decision("1", &report, &json!({ "reason": "1" })), 400, "E4006"),
            (HOSPITAL, decision("1", &report, &json!({ "decided_at": "昨天" })), 400, "E4007"),
            (HOSPITAL, decision("1", &report, &json!({ "decided_at": "2024-03-25" })), 400, "E4006"),
            (HOSPITAL, decision("1", &report, &json!({ "recognized": true })), 400, "E4006"),
            (HOSPITAL, decision("1", &report, &json!({ "remark": "长".repeat(30_000) })), 413, "E4015"),
            (HOSPITAL, json!([]), 400, "E4006"),
        ] {
            let answer = world.post(key, PATH, &told).await;
            let said: String = told.to_string().chars().take(300).collect();
            assert_eq!((answer.status, &answer.json()["code"]), (status, &json!(code)), "{said}: {}", answer.text());
        }
        let rows = world.index.query("SELECT id FROM recognition", Vec::new()).await.unwrap();
        assert_eq!(rows.len(), 0);
        assert_eq!(world.post(PRIVILEGED, PATH, &decision("1", &vip, &json!({}))).await.status, 201);
        assert_eq!(world.found(REGION, PATH).await["recognitions"], json!([]), "of a VIP's report nothing is told");
        assert_eq!(world.found(PRIVILEGED, PATH).await["recognitions"].as_array().unwrap().len(), 1);
    }

    async fn rd_32_records_are_listed_page_by_page_to_both_sides(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[exam(&[]), lab(&[])]).await;
        let (report, other) = (id_of(&world, "EX0001").await, id_of(&world, "LB0001").await);
        for n in 0..5 {
            let about = if n == 4 { &other } else { &report };
            let change = match n % 2 {
                0 => json!({ "decided_at": format!("2024-03-2{n} 10:00:00") }),
                _ => json!({ "decided_at": format!("2024-03-2{n} 10:00:00"), "recognised": false, "reason": "2", "by_organization": "ORG-T03" }),
            };
            let answer = world.post(REGION, PATH, &decision(&format!("N{n}"), about, &change)).await;
            assert_eq!(answer.status, 201, "{}", answer.text());
        }
        let keys = async |key: &str, query: &str| {
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = world.found(key, &format!("{PATH}?limit=2&cursor={cursor}{query}")).await;
                seen.extend(members(&page["recognitions"], &["decided_at"]).iter().map(|at| at[9..10].to_owned()));
                let Some(next) = page["cursor"].as_str() else { return seen.concat() };
                cursor = next.to_owned();
            }
        };
        assert_eq!(keys(REGION, "").await, "43210");
        assert_eq!(keys(HOSPITAL, "").await, "420", "what it decided itself");
        assert_eq!(keys(REGION, "&recognised=false").await, "31");
        assert_eq!(keys(REGION, "&by_organization=ORG-T02&from=2024-03-21&to=2024-03-22").await, "2");
        assert_eq!(keys(REGION, &format!("&report={other}")).await, "4");
        assert_eq!(keys(NARROW, &format!("&report={report}")).await, "3210");
        assert_eq!(world.refused(NARROW, PATH).await, (403, "E4011".to_owned()));
        let cursor = world.found(REGION, &format!("{PATH}?limit=2")).await["cursor"].as_str().unwrap().to_owned();
        assert_eq!(world.refused(REGION, &format!("{PATH}?recognised=true&cursor={cursor}")).await, (400, "E4009".to_owned()));
        let foreign = world.found(HOSPITAL, PATH).await;
        assert!(foreign["recognitions"][0]["key"].is_null(), "the number of another client");

        let figures = world.archive.count_recognitions(Actor::system("test"), &RecognitionFilter::default()).await.unwrap();
        let pairs: Vec<_> = figures.pairs.iter().map(|pair| (pair.by_organization.as_str(), pair.kind.as_str(), pair.tally.records, pair.tally.recognised)).collect();
        assert_eq!(pairs, [("ORG-T02", "exam", 2, 2), ("ORG-T02", "lab", 1, 1), ("ORG-T03", "exam", 2, 0)]);
        assert_eq!((figures.total.per_mille(), figures.total.reasons["2"]), (Some(600), 2));

        world.register(&[exam(&[("data_status", "0"), ("last_update_dtime", "2024/3/24")])]).await;
        let listed = world.found(REGION, &format!("{PATH}?recognised=false")).await;
        assert_eq!(listed["recognitions"][0]["report_withdrawn"], true, "somebody has relied on it");
    }
}
