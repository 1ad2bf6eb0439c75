//! Lists, single reports, patients: filters, pages, visibility, refusals.

use serde_json::{Value, json};

use yingku::domain::Actor;
use yingku::domain::dictionary::{Entry, LAB_CLASS, LAB_ITEM, listed};

use super::world::{HOSPITAL, NARROW, PRIVILEGED, REGION, World, exam, lab, line, members};
use crate::each_database;

const ID_NO: &str = "990101199001010019";

async fn numbers(world: &World, key: &str, query: &str) -> Vec<String> {
    let page = world.found(key, &format!("/api/v1/reports?{query}")).await;
    members(&page["reports"], &["fields", "report_form_no"])
}

each_database! {
    async fn a_list_holds_both_kinds_in_one_order_over_all_pages(database: TestDatabase) {
        let world = World::start(database).await;
        for (n, day) in [(1, "2024/3/1"), (2, "2024/3/3"), (3, "2024/3/3"), (4, "2024/3/5")] {
            world.register(&[exam(&[("report_form_no", &format!("EX{n}")), ("retrieve_date", day)])]).await;
            world.register(&[lab(&[("report_form_no", &format!("LB{n}")), ("retrieve_date", day)])]).await;
        }
        for (order, expected) in [
            ("newest", ["LB4", "EX4", "LB3", "EX3", "LB2", "EX2", "LB1", "EX1"]),
            ("oldest", ["EX1", "LB1", "EX2", "LB2", "EX3", "LB3", "EX4", "LB4"]),
        ] {
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            loop {
                let path = format!("/api/v1/reports?id_no={ID_NO}&order={order}&limit=3&cursor={cursor}");
                let page = world.found(REGION, &path).await;
                seen.extend(members(&page["reports"], &["fields", "report_form_no"]));
                let Some(next) = page["cursor"].as_str() else { break };
                cursor = next.to_owned();
            }
            assert_eq!(seen, expected);
        }
        assert_eq!(numbers(&world, REGION, &format!("id_no={ID_NO}&kind=lab&from=2024-03-02&to=2024-03-03")).await, ["LB3", "LB2"]);
    }

    async fn every_filter_finds_its_reports_alone(database: TestDatabase) {
        let world = World::start(database).await;
        let other = [
            ("report_form_no", "EX0002"),
            ("patient_id", "P0002"),
            ("event_no", "E0002"),
            ("card_no", "C00000002"),
            ("id_no", ""),
            ("pacs_id", "A0002"),
        ];
        world.register(&[exam(&[]), exam(&other), lab(&[])]).await;
        for (query, expected) in [
            ("id_no=990101900101001", vec!["EX0001", "LB0001"]),
            ("card_no=C00000002", vec!["EX0002"]),
            ("organization=ORG-T01&patient_id=P0002", vec!["EX0002"]),
            ("organization=ORG-T02&patient_id=P0002", vec![]),
            ("organization=ORG-T01&report_form_no=LB0001", vec!["LB0001"]),
            ("accession_number=A0001", vec!["EX0001"]),
            ("event_no=E0001", vec!["EX0001", "LB0001"]),
            ("kind=exam&event_no=E0001", vec!["EX0001"]),
            ("id_no=990101199001010018", vec![]),
        ] {
            assert_eq!(numbers(&world, NARROW, query).await, expected, "{query}");
        }
    }

    async fn d_p24_d_r18_d_r22_lists_and_single_reports_show_what_may_be_seen(database: TestDatabase) {
        let world = World::start(database).await;
        let of = |number, name, value| exam(&[("report_form_no", number), ("org_code", "ORG-T02"), (name, value)]);
        world.register(&[of("OPEN", "state", "3"), of("DRAFT", "state", "2"), of("SILENT", "state", "")]).await;
        world.register(&[of("VIP", "xman_type", "1"), of("SECRET", "confidentiality", "保密")]).await;
        world.register(&[of("GONE", "data_status", "0"), exam(&[("report_form_no", "OTHER")])]).await;
        let seen = async |key: &str| {
            let mut seen = numbers(&world, key, &format!("id_no={ID_NO}")).await;
            seen.sort();
            seen
        };
        assert_eq!(seen(REGION).await, ["OPEN", "OTHER", "SILENT"]);
        assert_eq!(seen(PRIVILEGED).await, ["OPEN", "OTHER", "SECRET", "SILENT", "VIP"]);
        assert_eq!(seen(HOSPITAL).await, ["DRAFT", "OPEN", "SECRET", "SILENT", "VIP"]);

        let rows = world.index.query("SELECT report_form_no, observation_uid FROM exam_report", vec![]).await.unwrap();
        for row in rows {
            let (number, id) = (row.text("report_form_no").unwrap(), row.text("observation_uid").unwrap());
            let status = async |key: &str| {
                let answer = world.get(key, &format!("/api/v1/reports/{id}")).await;
                let file = world.get(key, &format!("/api/v1/reports/{id}/file")).await;
                if answer.status == 410 {
                    assert_eq!(file.status, 410);
                } else {
                    assert_eq!(file.status, 404, "no report has a file");
                }
                answer.status
            };
            let expected = match number.as_str() {
                "OPEN" | "SILENT" => [200, 200, 200],
                "DRAFT" => [404, 404, 200],
                "VIP" | "SECRET" => [404, 200, 200],
                "GONE" => [410, 410, 410],
                _ => [200, 200, 404],
            };
            assert_eq!([status(REGION).await, status(PRIVILEGED).await, status(HOSPITAL).await], expected, "{number}");
        }
    }

    async fn d_r22_lab_reports_of_a_patient_whom_an_exam_report_calls_a_vip_are_shared_like_it(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[lab(&[]), lab(&[("report_form_no", "OTHER"), ("patient_id", "P0002")])]).await;
        let (before, cursor) = world.follow(REGION, "", "").await;
        assert_eq!(before.len(), 2);
        let list = world.found(REGION, "/api/v1/reports?report_form_no=LB0001&organization=ORG-T01").await;
        let id = list["reports"][0]["id"].as_str().unwrap();

        world.register(&[exam(&[("xman_type", "1")])]).await;

        let seen = async |key: &str| numbers(&world, key, &format!("kind=lab&id_no={ID_NO}")).await.len();
        assert_eq!((seen(REGION).await, seen(PRIVILEGED).await), (1, 2));
        let path = format!("/api/v1/reports/{id}");
        assert_eq!((world.get(REGION, &path).await.status, world.get(PRIVILEGED, &path).await.status), (404, 200));
        let (changes, cursor) = world.follow(REGION, &cursor, "").await;
        assert_eq!(members(&Value::from(changes), &["removed"]), ["not_shared"], "the follower takes its copy away");

        let newer = [("last_update_dtime", "2024/3/24 0:00:00"), ("xman_type", "")];
        world.register(&[exam(&newer)]).await;
        assert_eq!(seen(REGION).await, 2);
        assert_eq!(world.follow(REGION, &cursor, "").await.0.len(), 2, "the exam report, and the lab report again");
    }

    async fn a_report_is_given_whole_and_has_a_tag(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[lab(&[]), line("2", &[]), line("1", &[("result_value", "&lt;0.5")])]).await;
        let list = world.found(REGION, "/api/v1/reports?card_no=C00000001").await;
        let id = list["reports"][0]["id"].as_str().unwrap();
        let path = format!("/api/v1/reports/{id}");

        let answer = world.get(REGION, &path).await;
        let report = answer.json();
        assert_eq!(report, list["reports"][0]);
        assert_eq!(report["retrieved_at"], "2024-03-22T20:00:00+08:00");
        assert_eq!(report["received_at"], "2024-03-24T14:40:00+08:00");
        assert_eq!(report["fields"]["retrieve_date"], "2024-03-22 20:00:00");
        assert_eq!(members(&report["items"], &["result_value"]), ["<0.5", "5.1"]);
        assert_eq!((&report["kind"], &report["patient"]), (&json!("lab"), &json!("ORG-T01..P0001")));

        let tag = answer.header("etag").to_owned();
        let again = world.send(world.request(REGION, &path).header("if-none-match", &tag)).await;
        assert_eq!((again.status, again.body.len()), (304, 0));
        let upper = format!("/api/v1/reports/{{{}}}", id.to_uppercase());
        assert_eq!(world.get(REGION, &upper.replace('{', "%7B").replace('}', "%7D")).await.status, 200, "D-P20");
    }

    async fn d_r16_a_lab_class_stays_as_registered_and_has_the_code_of_the_dictionary_beside_it(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[lab(&[]), line("1", &[]), line("2", &[("class_code", "RBC"), ("class_name", "红细胞")])]).await;
        let path = "/api/v1/reports?card_no=C00000001";
        assert_eq!(world.found(REGION, path).await["reports"][0]["mapped_code"], Value::Null);
        let entry = |code: &str, aliases| Entry { code: code.into(), meaning: String::new(), aliases: listed(aliases) };
        let classes = (LAB_CLASS.to_owned(), vec![entry("58410-2", "血常规")]);
        let lines = (LAB_ITEM.to_owned(), vec![entry("6690-2", "wbc|白细胞计数")]);

        world.archive.import_dictionaries(Actor::system("test"), vec![classes, lines]).await.unwrap();

        let report = &world.found(REGION, path).await["reports"][0];
        assert_eq!((&report["mapped_code"], &report["fields"]["class_code"]), (&json!("58410-2"), &json!("G003")));
        assert_eq!((&report["items"][0]["mapped_code"], &report["items"][0]["class_code"]), (&json!("6690-2"), &json!("WBC")));
        assert_eq!((&report["items"][1]["mapped_code"], &report["items"][1]["class_code"]), (&Value::Null, &json!("RBC")));
        let page = world.found(REGION, "/fhir/Observation?_count=10").await;
        let codings: Vec<&Value> = page["entry"].as_array().unwrap().iter().map(|e| &e["resource"]["code"]["coding"]).collect();
        let loinc = json!([{ "system": "http://loinc.org", "code": "6690-2" }, { "code": "WBC" }]);
        assert!(codings.contains(&&loinc) && codings.contains(&&json!([{ "code": "RBC" }])), "{codings:?}");
    }

    async fn a_patient_of_an_institution_has_its_own_list(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[exam(&[]), lab(&[]), exam(&[("report_form_no", "B"), ("org_code", "ORG-T02")])]).await;
        let page = world.found(NARROW, "/api/v1/patients/ORG-T01..P0001/reports?order=oldest").await;
        assert_eq!(members(&page["reports"], &["fields", "report_form_no"]), ["LB0001", "EX0001"]);
        let none = world.found(HOSPITAL, "/api/v1/patients/ORG-T01..P0001/reports").await;
        assert_eq!(none["reports"], json!([]));
        assert_eq!(world.refused(NARROW, "/api/v1/patients/P0001/reports").await, (404, "E4003".to_owned()));
    }

    async fn d_x6_what_cannot_be_answered_is_refused_with_a_stable_code(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[exam(&[]), lab(&[])]).await;
        let page = world.found(REGION, &format!("/api/v1/reports?limit=1&id_no={ID_NO}")).await;
        let cursor = page["cursor"].as_str().unwrap();
        let unknown = "/api/v1/reports/00000000-0000-4000-8000-000000000000";
        for (key, path, expected) in [
            ("", "/api/v1/reports", (401, "E4001")),
            ("not-a-key", "/api/v1/reports", (401, "E4001")),
            (NARROW, "/api/v1/reports", (403, "E4011")),
            (NARROW, "/api/v1/export", (403, "E4011")),
            (REGION, "/api/v1/nothing", (404, "E4003")),
            (REGION, unknown, (404, "E4003")),
            (REGION, "/api/v1/reports/1%27%20OR%201", (404, "E4003")),
            (REGION, "/api/v1/reports?organisation=ORG-T01", (400, "E4005")),
            (REGION, "/api/v1/reports?kind=film", (400, "E4006")),
            (REGION, "/api/v1/reports?id_no=", (400, "E4006")),
            (REGION, "/api/v1/reports?limit=0", (400, "E4006")),
            (REGION, "/api/v1/reports?limit=x", (400, "E4006")),
            (REGION, "/api/v1/reports?order=random", (400, "E4006")),
            (REGION, "/api/v1/reports?patient_id=P0001", (400, "E4006")),
            (REGION, "/api/v1/reports?id_no=1&id_no=2", (400, "E4006")),
            (REGION, "/api/v1/reports?from=yesterday", (400, "E4007")),
            (REGION, "/api/v1/reports?from=2024-03-02&to=2024-03-01", (400, "E4007")),
            (REGION, "/api/v1/reports?from=2000-01-01", (400, "E4008")),
            (REGION, &format!("/api/v1/reports?card_no=C1&cursor={cursor}"), (400, "E4009")),
        ] {
            let (status, code) = world.refused(key, path).await;
            assert_eq!((status, code.as_str()), expected, "{path}");
        }
        let posted = world.send(reqwest::Client::new().post(format!("http://{}/api/v1/reports", world.address)).bearer_auth(REGION)).await;
        assert_eq!((posted.status, posted.json()["code"].as_str()), (405, Some("E4013")));
    }

    async fn d_q10_queries_are_audited_with_a_hash_of_the_identity(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[exam(&[])]).await;
        numbers(&world, REGION, &format!("id_no={ID_NO}")).await;
        let audits = world.audits("list_reports").await;
        assert!(audits[0].starts_with("region ") && audits[0].contains("\"count\":1"), "{audits:?}");
        assert!(!audits[0].contains("9901") && audits[0].contains("\"identities\":[\""), "{audits:?}");
    }

    async fn a_list_by_time_reaches_back_three_months_unless_it_says_more(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[exam(&[("report_form_no", "OLD"), ("retrieve_date", "2023/11/1")])]).await;
        world.register(&[exam(&[("report_form_no", "NEW")])]).await;
        assert_eq!(numbers(&world, REGION, "").await, ["NEW"]);
        assert_eq!(numbers(&world, REGION, "from=2023-10-01").await, ["NEW", "OLD"]);
        assert_eq!(numbers(&world, REGION, "from=2023-10-01&to=2023-11-01").await, ["OLD"]);
    }
}
