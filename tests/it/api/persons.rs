//! The same person in several institutions, an item over time, lab reports as documents (RD-23, RD-25, D-X9, D-S8).

use serde_json::{Value, json};
use yingku::domain::dictionary::{Entry, LAB_ITEM};
use yingku::domain::{Actor, ActorKind};
use yingku::index::Error;
use yingku::params;

use super::world::{HOSPITAL, REGION, World, exam, lab, line, members};
use crate::each_database;

const ROOT: &str = "/api/v1/patients/ORG-T01..P0001";

fn somebody() -> Actor {
    Actor { kind: ActorKind::Operator, name: "test".into(), user_id: "tester".into(), remote_addr: String::new() }
}

pub async fn settle(world: &World) {
    while world.archive.keep_people("test", 10).await.unwrap() {}
}

const NUMBER: &str = "990101199001010019";
/// What fits the identity number, so that it links.
const MALE: (&str, &str) = ("sex_code", "1");

fn elsewhere<'t>(number: &'t str, more: &[(&'t str, &'t str)]) -> Vec<(&'t str, &'t str)> {
    [&[("org_code", "ORG-T02"), ("patient_id", "P0777"), ("report_form_no", number), MALE], more].concat()
}

each_database! {
    async fn d_x9_a_person_is_found_by_any_of_its_numbers_as_far_as_reports_are_seen(database: TestDatabase) {
        let world = World::start(database).await;
        // One after the other: reports of the same moment are listed in the order in which they came.
        world.register(&[exam(&[MALE])]).await;
        world.register(&[exam(&elsewhere("EX2", &[("card_no", "C2")]))]).await;
        world.register(&[exam(&[("org_code", "ORG-T02"), ("patient_id", "P0888"), ("report_form_no", "VIP"), ("xman_type", "1"), MALE])]).await;
        settle(&world).await;

        let found = world.found(REGION, ROOT).await;
        assert_eq!(members(&found["known_as"], &["patient"]), ["ORG-T01..P0001", "ORG-T02..P0777"], "not the VIP's number");
        assert_eq!((&found["in_doubt"], &found["known_as"][1]["card_no"]), (&json!(false), &json!("C2")));
        assert_eq!(found["known_as"][0]["birth_date"], "1990-01-01");
        let other = world.found(REGION, "/api/v1/patients/ORG-T02..P0777").await;
        assert_eq!(other["person"], found["person"]);
        let of_person = world.found(REGION, &format!("{ROOT}/reports?of=person&order=oldest")).await;
        assert_eq!(members(&of_person["reports"], &["fields", "report_form_no"]), ["EX0001", "EX2"]);
        let alone = world.found(REGION, &format!("{ROOT}/reports")).await;
        assert_eq!(members(&alone["reports"], &["fields", "report_form_no"]), ["EX0001"]);

        // A hospital sees its own numbers alone, and nothing of a patient of others.
        assert_eq!(world.get(HOSPITAL, ROOT).await.status, 404);
        assert_eq!(world.get(HOSPITAL, &format!("{ROOT}/reports?of=person")).await.status, 404);
        let own = world.found(HOSPITAL, "/api/v1/patients/ORG-T02..P0777").await;
        assert_eq!(members(&own["known_as"], &["organization"]), ["ORG-T02", "ORG-T02"]);
        assert_eq!(world.refused(REGION, &format!("{ROOT}/reports?of=family")).await, (400, "E4006".to_owned()));
        assert_eq!(world.get(REGION, "/api/v1/patients/ORG-T01..P4711").await.status, 404);
        assert!(world.audits("pull_person").await.iter().all(|audit| !audit.contains("9901")));
    }

    async fn reports_by_a_number_are_those_that_the_registry_finds_by_it(database: TestDatabase) {
        let world = World::start(database).await;
        let nameless = [("id_no", ""), ("card_no", ""), ("last_update_dtime", "2024/3/1")];
        let of = |org: &'static str, patient: &'static str, number: &'static str, more: &[(&'static str, &'static str)]| {
            [&[("org_code", org), ("patient_id", patient), ("report_form_no", number), MALE], more].concat()
        };
        let mut other_numbers = vec![("name", "测试乙"), ("card_no", "C00000009")];
        other_numbers.push(("id_no", ""));
        for report in [
            exam(&of("ORG-T01", "P0001", "EX1", &[])),
            exam(&of("ORG-T01", "P0001", "EX-OLD-FORM", &[("id_no", "990101900101001"), ("card_no", "")])),
            exam(&of("ORG-T01", "P0001", "EX-NAMELESS", &nameless)),
            exam(&of("ORG-T02", "P0777", "EX2", &[("card_no", "C2")])),
            exam(&of("ORG-T02", "P0777", "EX2-NAMELESS", &nameless)),
            exam(&of("ORG-T02", "P0555", "EX-AS-CARD", &[("id_no", ""), ("card_no", NUMBER)])),
            exam(&of("ORG-T02", "P0888", "EX-OTHER", &other_numbers)),
            lab(&of("ORG-T01", "P0001", "LB1", &[])),
            lab(&of("ORG-T02", "P0777", "LB2-NAMELESS", &nameless)),
            lab(&of("ORG-T02", "P0888", "LB-OTHER", &other_numbers)),
        ] {
            world.register(&[report]).await;
        }
        settle(&world).await;
        let every =
            ["EX-AS-CARD", "EX-NAMELESS", "EX-OLD-FORM", "EX-OTHER", "EX1", "EX2", "EX2-NAMELESS", "LB-OTHER", "LB1", "LB2-NAMELESS"];
        let of_person = ["EX-AS-CARD", "EX-NAMELESS", "EX-OLD-FORM", "EX1", "EX2", "EX2-NAMELESS", "LB1", "LB2-NAMELESS"];
        for (name, number, expected) in [
            ("id_no", NUMBER, of_person.as_slice()),
            ("id_no", "990101900101001", &of_person),
            ("card_no", NUMBER, &of_person),
            ("card_no", "C2", &["EX2"]),
            ("id_no", "C00000009", &["EX-OTHER", "LB-OTHER"]),
            ("card_no", "C4711", &[]),
        ] {
            let answers = [world.ask("GetExamInfo", number).await, world.ask("GetLabInfo", number).await];
            let asked = |report: &&&str| {
                let element = format!("<REPORT_FORM_NO>{report}</REPORT_FORM_NO>");
                answers.iter().any(|answer| answer.contains(&element))
            };
            let by_registry: Vec<&str> = every.iter().filter(asked).copied().collect();
            let page = world.found(REGION, &format!("/api/v1/reports?{name}={number}&limit=100")).await;
            let mut by_api = members(&page["reports"], &["fields", "report_form_no"]);
            by_api.sort_unstable();
            assert_eq!(by_registry, expected, "{number} {answers:?}");
            assert_eq!(by_api, expected, "{name}={number}");
        }
        let both = world.found(REGION, &format!("/api/v1/reports?id_no={NUMBER}&card_no=C2")).await;
        assert_eq!(members(&both["reports"], &["fields", "report_form_no"]), ["EX2"]);
        let hospital = world.found(HOSPITAL, &format!("/api/v1/reports?id_no={NUMBER}&order=oldest")).await;
        let mut own = members(&hospital["reports"], &["organization"]);
        own.dedup();
        assert_eq!(own, ["ORG-T02"], "whoever the person is, nobody else's reports");
    }

    async fn rd_25_a_patient_is_found_by_each_number_within_its_domain(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[exam(&[MALE])]).await;
        world.register(&[lab(&[MALE, ("event_type", "2"), ("event_no", "Z0001")])]).await;
        world.register(&[exam(&elsewhere("EX2", &[("card_no", "C2"), ("event_type", "4"), ("event_no", "TJ01")]))]).await;
        settle(&world).await;
        for (query, patients) in [
            ("identifier=990101199001010019", vec!["ORG-T01..P0001", "ORG-T02..P0777"]),
            ("identifier=990101199001010019&type=card_no", vec![]),
            ("identifier=990101199001010019&type=id_no&domain=CN", vec!["ORG-T01..P0001", "ORG-T02..P0777"]),
            ("identifier=C2", vec!["ORG-T02..P0777"]),
            ("identifier=C2&domain=ORG-T01", vec![]),
            ("identifier=P0001&type=patient_id", vec!["ORG-T01..P0001"]),
            ("identifier=Z0001", vec!["ORG-T01..P0001"]),
            ("identifier=Z0001&type=inpatient_no&domain=ORG-T01", vec!["ORG-T01..P0001"]),
            ("identifier=Z0001&type=outpatient_no", vec![]),
            ("identifier=TJ01&type=exam_centre_no", vec!["ORG-T02..P0777"]),
            ("identifier=nobody", vec![]),
        ] {
            let found = world.found(REGION, &format!("/api/v1/patients?{query}")).await;
            assert_eq!(members(&found["patients"], &["patient"]), patients, "{query}");
        }
        let found = world.found(REGION, "/api/v1/patients?identifier=990101199001010019").await;
        assert_eq!(found["patients"][0]["person"], found["patients"][1]["person"]);
        let own = world.found(HOSPITAL, "/api/v1/patients?identifier=990101199001010019").await;
        assert_eq!(members(&own["patients"], &["organization"]), ["ORG-T02"]);
        assert_eq!(world.refused(REGION, "/api/v1/patients?type=id_no").await, (400, "E4006".to_owned()));
        assert_eq!(world.refused(REGION, "/api/v1/patients?identifier=1&type=shoe_size").await, (400, "E4006".to_owned()));
        let by_visit = world.found(REGION, "/fhir/Patient?identifier=urn:x-yingku:ORG-T01:visit-no|Z0001").await;
        assert_eq!(by_visit["entry"][0]["resource"]["id"], "ORG-T01..P0001");
        assert!(world.audits("find_patients").await.iter().all(|audit| !audit.contains("9901")));
    }

    async fn d_x9_numbers_that_contradict_are_not_one_person(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[exam(&[MALE]), exam(&elsewhere("EX2", &[("name", "测试乙")]))]).await;
        world.register(&[exam(&[("report_form_no", "EX3"), ("sex_code", "2"), ("last_update_dtime", "2024/3/1")])]).await;
        settle(&world).await;
        let found = world.found(REGION, ROOT).await;
        assert_eq!(found["known_as"].as_array().unwrap().len(), 1);
        assert_eq!(found["in_doubt"], true, "its own reports say two sexes");
    }

    async fn followers_are_told_when_a_patient_is_another_person(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[exam(&[MALE, ("id_no", ""), ("card_no", "")])]).await;
        settle(&world).await;
        let (first, cursor) = world.follow(REGION, "", "").await;
        assert_eq!(members(&json!(first), &["kind"]), ["exam"], "a person of its own is no news");
        world.register(&[exam(&elsewhere("EX2", &[("id_no", ""), ("card_no", "")])), lab(&elsewhere("LB2", &[]))]).await;
        settle(&world).await;
        let (_, cursor) = world.follow(REGION, &cursor, "").await;
        let sql = "SELECT person_pk FROM patient_record ORDER BY org_code";
        let persons: Vec<i64> = world.index.query(sql, Vec::new()).await.unwrap().iter().map(|row| row.int("person_pk").unwrap()).collect();

        world.archive.merge_persons(somebody(), persons[1], persons[0]).await.unwrap();
        let (merged, cursor) = world.follow(REGION, &cursor, "&kind=person&include=report").await;
        let told = [members(&json!(merged), &["kind"]), members(&json!(merged), &["report", "fields", "report_form_no"])].concat();
        assert_eq!(told, ["person", "person", "EX2", "LB2"]);
        assert_eq!(world.found(REGION, ROOT).await["known_as"].as_array().unwrap().len(), 2);
        world.archive.unmerge_person(somebody(), persons[1]).await.unwrap();
        let (apart, _) = world.follow(REGION, &cursor, "").await;
        assert_eq!(members(&json!(apart), &["kind"]), ["person", "person"]);
        assert_eq!(world.found(REGION, ROOT).await["known_as"].as_array().unwrap().len(), 1);
    }

    async fn rd_23_an_items_older_results_are_not_crowded_out_and_its_other_codes_count(database: TestDatabase) {
        let world = World::start(database).await;
        let entry = Entry { code: "WBC".into(), meaning: "白细胞计数".into(), aliases: vec!["1001".into()] };
        world.archive.import_dictionaries(Actor::system("test"), vec![(LAB_ITEM.to_owned(), vec![entry])]).await.unwrap();
        let of = |number: &str, day: &str, item: &[(&str, &str)]| {
            let report = lab(&[MALE, ("report_form_no", number), ("performer_dtime", day)]);
            [report, line("1", &[&[("report_form_no", number)][..], item].concat())]
        };
        world.register(&of("OLD", "2024/1/1 8:00:00", &[("class_code", "1001"), ("result_value", "4.4")])).await;
        let others = (0..205).flat_map(|number| {
            of(&format!("GLU{number}"), "2024/3/1 8:00:00", &[("class_code", "GLU"), ("class_name", "葡萄糖")])
        });
        world.register(&others.collect::<Vec<String>>()).await;
        world.register(&of("NEW", "2024/3/2 8:00:00", &[])).await;

        for item in ["WBC", "1001"] {
            let trend = world.found(REGION, &format!("{ROOT}/trends?item={item}")).await;
            assert_eq!(members(&trend["series"][0]["points"], &["text"]), ["4.4", "5.1"], "{item}");
            assert_eq!(trend["truncated"], false);
        }

        // More results than are told.
        let lines = world.index.write(|tx| Box::pin(async move {
            for number in 0..500_i64 {
                let sql = "INSERT INTO lab_item (id, lab_report_pk, owner, version, content_hash, sender, withdrawn, \
                           received_at, updated_at, org_code, event_no, report_form_no, serial_no, class_code, \
                           result_value, result_unit) SELECT $1, id, id, 1, '', 'lis', 0, 0, 0, org_code, event_no, \
                           report_form_no, $2, 'WBC', '7.7', '10^9/L' FROM lab_report WHERE report_form_no = 'NEW'";
                tx.execute(sql, params![1000 + number, format!("N{number}")]).await?;
            }
            Ok::<_, Error>(())
        }));
        lines.await.unwrap();
        let trend = world.found(REGION, &format!("{ROOT}/trends?item=WBC")).await;
        assert_eq!(trend["truncated"], true);
        let points = trend["series"][0]["points"].as_array().unwrap();
        assert_eq!((points.len(), points.iter().any(|point| point["text"] == "4.4")), (500, false), "the newest");
    }

    async fn rd_23_results_of_the_person_are_told_over_time(database: TestDatabase) {
        let world = World::start(database).await;
        let at = |day: &'static str| ("performer_dtime", day);
        world.register(&[lab(&[MALE, at("2024/3/1 8:00:00")]), line("1", &[])]).await;
        let second = elsewhere("LB2", &[at("2024/3/5 8:00:00"), ("event_no", "E2")]);
        let of_second = [("org_code", "ORG-T02"), ("report_form_no", "LB2"), ("event_no", "E2")];
        world.register(&[lab(&second), line("1", &[&of_second[..], &[("result_value", "&lt;0.5")]].concat())]).await;
        world.register(&[lab(&[MALE, ("report_form_no", "LB3"), at("2024/3/6 8:00:00")]), line("1", &[("report_form_no", "LB3"), ("result_value", "溶血")])]).await;
        settle(&world).await;

        let trend = world.found(REGION, &format!("{ROOT}/trends?item=WBC")).await;
        assert_eq!((&trend["item"], &trend["unread"], &trend["truncated"]), (&json!("白细胞"), &json!(1), &json!(false)));
        let points = &trend["series"][0]["points"];
        assert_eq!(members(points, &["text"]), ["5.1", "<0.5"]);
        assert_eq!(members(points, &["organization"]), ["ORG-T01", "ORG-T02"]);
        assert_eq!((&points[0]["at"], &points[0]["low"], &points[1]["limit"]), (&json!("2024-03-01T08:00:00+08:00"), &json!(4.0), &json!("<")));
        let later = world.found(REGION, &format!("{ROOT}/trends?item=WBC&from=2024-03-02")).await;
        assert_eq!(later["series"][0]["points"].as_array().unwrap().len(), 1);
        assert_eq!(world.found(REGION, &format!("{ROOT}/trends?item=HGB")).await["series"], json!([]));
        let own = world.found(HOSPITAL, "/api/v1/patients/ORG-T02..P0777/trends?item=WBC").await;
        assert_eq!(members(&own["series"][0]["points"], &["text"]), ["<0.5"]);
        assert_eq!(world.refused(REGION, &format!("{ROOT}/trends")).await, (400, "E4006".to_owned()));
        assert_eq!(world.get(HOSPITAL, &format!("{ROOT}/trends?item=WBC")).await.status, 404);
    }

    async fn d_s8_a_lab_report_is_pulled_as_a_document_that_is_composed_when_it_changed(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[lab(&[]), line("1", &[])]).await;
        let (changes, cursor) = world.follow(REGION, "", "").await;
        let id = changes[0]["id"].as_str().unwrap().to_owned();
        assert_eq!(changes[0]["file"], Value::Null, "nobody has asked for it");

        let file = world.get(REGION, &format!("/api/v1/reports/{id}/file")).await;
        assert_eq!((file.status, file.header("content-type")), (200, "application/pdf"));
        assert!(file.body.starts_with(b"%PDF"));
        let (composed, cursor) = world.follow(REGION, &cursor, "").await;
        assert_eq!(members(&json!(composed), &["kind"]), ["file"]);
        assert_eq!(format!("\"{}\"", composed[0]["file"]["sha256"].as_str().unwrap()), file.header("etag"));
        let again = world.get(REGION, &format!("/api/v1/reports/{id}/file")).await;
        assert_eq!(again.body, file.body);
        assert_eq!(world.follow(REGION, &cursor, "").await.0, Vec::<Value>::new(), "asking again changes nothing");

        let document = world.found(REGION, &format!("/fhir/DocumentReference/{id}")).await;
        assert_eq!(document["content"][0]["attachment"]["contentType"], "application/pdf");
        let binary = world.get(REGION, &format!("/fhir/Binary/{id}")).await;
        assert_eq!((binary.header("content-type"), binary.body == file.body), ("application/pdf", true));
        let request = world.request(REGION, &format!("/fhir/Binary/{id}")).header("accept", "application/fhir+json");
        let resource = world.send(request).await.json();
        use base64::Engine;
        let data = base64::engine::general_purpose::STANDARD.decode(resource["data"].as_str().unwrap()).unwrap();
        assert_eq!((&resource["resourceType"], data == file.body), (&json!("Binary"), true));

        world.register(&[line("1", &[("result_value", "9.9"), ("last_update_dtime", "2024/3/24")])]).await;
        let changed = world.get(REGION, &format!("/api/v1/reports/{id}/file")).await;
        assert_ne!(changed.body, file.body);
        world.register(&[lab(&[("data_status", "0"), ("last_update_dtime", "2024/3/25")])]).await;
        assert_eq!(world.get(REGION, &format!("/api/v1/reports/{id}/file")).await.status, 410);
        assert_eq!(world.get(REGION, &format!("/fhir/Binary/{id}")).await.status, 410);
        assert_eq!(world.get(HOSPITAL, &format!("/fhir/Binary/{id}")).await.status, 404);
    }
}
