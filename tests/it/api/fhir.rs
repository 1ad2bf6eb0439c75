//! FHIR through a client of its own: fhirpy searches and pages, fhir.resources checks what comes.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use yingku::domain::attachment::{AttachmentKind, AttachmentType};

use super::world::{HOSPITAL, NARROW, REGION, World, exam, lab, line, members};
use crate::each_database;
use crate::files::server::ReportServer;
use crate::harness::{python, run};

fn ask(address: SocketAddr, key: &str) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/api/fhir_client.py");
    let mut command = Command::new(python());
    command.arg(script).arg(format!("http://{address}")).arg(key);
    serde_json::from_slice(&run(&mut command).stdout).unwrap()
}

each_database! {
    async fn a_fhir_client_finds_and_reads_valid_resources(database: TestDatabase) {
        let (world, server) = (World::start(database).await, ReportServer::start().await);
        let named = [("reportfilepath", server.url("/report.pdf"))];
        let by = [("participant_name", "测试医生/D0017"), ("participant_dtime", "2024/3/22 9:00:00")];
        world.register(&[exam(&[(named[0].0, &named[0].1), by[0], by[1]]), exam(&[("report_form_no", "EX0002"), ("pacs_id", "A9"), ("study_instance_uid", "1.2"), ("state", "4")])]).await;
        world.register(&[exam(&[("report_form_no", "VIP"), ("patient_id", "P0009"), ("xman_type", "1")])]).await;
        world.register(&[exam(&[("report_form_no", "GONE"), ("data_status", "0")])]).await;
        world.register(&[
            lab(&[]),
            line("1", &[]),
            line("2", &[("result_value", "&lt;0.5"), ("norm_lower_limit", ""), ("result_interpre", "L")]),
            line("3", &[("result_value", "阴性"), ("norm_value_notes", "阴性"), ("examine_way", "镜检")]),
        ]).await;
        world.register(&[lab(&[("report_form_no", "BARE"), ("class_code", ""), ("class_name", "")])]).await;
        world.fetch_file("EX0001").await;
        world.store_slice().await;
        let consent = (AttachmentKind::Consent, AttachmentType::Pdf);
        world.attach(("A0001", "P0001"), consent, b"%PDF-1.4 consent").await;

        let address = world.address;
        let found = tokio::task::spawn_blocking(move || ask(address, REGION)).await.unwrap();

        assert_eq!(members(&found["patients"], &["id"]), ["ORG-T01..P0001"]);
        assert_eq!(found["patients"][0]["birthDate"], "1990-01-01");
        assert_eq!(found["patients"][0]["gender"], "female");
        let mut numbers: Vec<String> = found["reports"].as_array().unwrap().iter().map(|report| report["identifier"][0]["value"].as_str().unwrap().to_owned()).collect();
        numbers.sort();
        assert_eq!(numbers, ["BARE", "EX0001", "EX0002", "LB0001"], "neither the VIP's nor the withdrawn one");
        let report = |number: &str| found["reports"].as_array().unwrap().iter().find(|r| r["identifier"][0]["value"] == number).unwrap();
        assert_eq!((&report("EX0001")["status"], &report("EX0002")["status"]), (&json!("final"), &json!("amended")));
        assert_eq!(report("EX0001")["effectiveDateTime"], "2024-03-22T14:46:06+08:00");
        assert_eq!(report("LB0001")["result"].as_array().unwrap().len(), 3);
        let study = &found["studies"][0];
        assert_eq!(report("EX0001")["imagingStudy"][0]["reference"], format!("ImagingStudy/{}", study["id"].as_str().unwrap()));
        assert_eq!((&study["identifier"][0]["value"], &study["numberOfInstances"]), (&json!("urn:oid:2.25.1000"), &json!(1)));
        assert_eq!(study["series"][0]["modality"]["code"], "CT");
        let lines = &found["observations"];
        assert_eq!(lines[0]["valueQuantity"], json!({ "value": 5.1, "unit": "10^9/L" }));
        assert_eq!(lines[0]["referenceRange"][0]["high"]["value"], 10.0);
        assert_eq!(lines[1]["valueQuantity"]["comparator"], "<");
        assert_eq!(lines[2]["valueString"], "阴性");
        let files = found["files"].as_array().unwrap();
        let documents = found["documents"].as_array().unwrap();
        assert_eq!(files.len(), documents.len());
        let kinds: Vec<&Value> = documents.iter().map(|one| &one["type"]["coding"][0]["code"]).collect();
        assert!(kinds.contains(&&json!("consent")), "{kinds:?}");
        for file in files {
            assert_eq!(file, &json!({ "type": "application/pdf", "said": "application/pdf", "starts": "%PDF-" }));
        }
        let file = &found["documents"][0]["content"][0]["attachment"];
        let path = file["url"].as_str().unwrap().split_once("/fhir/").unwrap().1;
        assert_eq!(world.get(REGION, &format!("/fhir/{path}")).await.status, 200);
        assert_eq!((found["labs"].as_array().unwrap().len(), &found["by_id"]), (2, &json!(2)));
        assert_eq!([&found["by_code"], &found["since"], &found["before"]], [&json!(3), &json!(4), &json!(0)]);
        assert_eq!(found["modes"], json!(["match", "match", "match", "match", "include", "outcome"]));
    }

    async fn all_patients_of_an_identity_are_found_page_by_page(database: TestDatabase) {
        let world = World::start(database).await;
        for (number, patient) in [("EX0001", "P0001"), ("EX0002", "P0002"), ("EX0003", "P0002"), ("EX0004", "P0003")] {
            let own = [("report_form_no", number), ("patient_id", patient), ("card_no", "C00000042"), ("id_no", "")];
            world.register(&[exam(&own)]).await;
        }
        let mut address = "/fhir/Patient?identifier=C00000042&_count=2".to_owned();
        let mut pages = Vec::new();
        loop {
            let page = world.get(REGION, &address).await.json();
            let entries = page["entry"].as_array().unwrap();
            pages.push(entries.iter().map(|e| e["resource"]["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>());
            let next = page["link"].as_array().unwrap().iter().find(|link| link["relation"] == "next");
            let Some(next) = next else { break };
            address = next["url"].as_str().unwrap().split_once("/fhir").map(|(_, rest)| format!("/fhir{rest}")).unwrap();
        }
        assert!(pages.len() == 2 && pages[0].len() == 2, "{pages:?}");
        let mut all: Vec<String> = pages.concat();
        all.sort();
        assert_eq!(all, ["ORG-T01..P0001", "ORG-T01..P0002", "ORG-T01..P0003"]);
    }

    async fn codes_and_numbers_find_reports_lines_and_studies(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[exam(&[("exam_item_code", "CT01")])]).await;
        world.register(&[exam(&[("report_form_no", "EX0002"), ("pacs_id", "A9"), ("study_instance_uid", "1.2")])]).await;
        world.register(&[lab(&[]), line("1", &[]), line("2", &[("class_code", "PLT")])]).await;
        world.store_slice().await;
        let found = async |path: &str| {
            let bundle = world.found(REGION, &format!("/fhir/{path}")).await;
            let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
            entries.iter().map(|entry| entry["resource"].clone()).collect::<Vec<_>>()
        };
        for (path, count) in [
            ("DiagnosticReport?code=CT01", 1),
            ("DiagnosticReport?code=G003", 1),
            ("DiagnosticReport?code=WBC", 0),
            ("DiagnosticReport?code=CT01,G003", 2),
            ("DiagnosticReport?code=http://loinc.org|CT01", 0),
            ("DiagnosticReport?code=|CT01", 1),
            ("Observation?code=PLT", 1),
            ("Observation?code=G003", 0),
            ("Observation?category=laboratory", 2),
            ("Observation?category=vital-signs", 0),
            ("DiagnosticReport?based-on:identifier=A9", 1),
            ("DiagnosticReport?based-on:identifier=urn:x-yingku:ORG-T02:accession-number|A9", 0),
            ("DiagnosticReport?identifier=EX0002", 1),
            ("ImagingStudy?identifier=urn:dicom:uid|urn:oid:2.25.1000", 1),
            ("ImagingStudy?identifier=urn:dicom:uid|urn:oid:2.25.1001", 0),
            ("ImagingStudy?identifier=nothing", 0),
            ("DiagnosticReport?_lastUpdated=ge2000-01-01&_count=100", 3),
            ("DiagnosticReport?_lastUpdated=lt2000-01-01", 0),
        ] {
            assert_eq!(found(path).await.len(), count, "{path}");
        }
        let study = &found("ImagingStudy?identifier=urn:oid:2.25.1000").await[0];
        if let Some(number) = study["identifier"].as_array().unwrap().iter().find(|one| one["type"]["coding"][0]["code"] == "ACSN") {
            let of_type = "identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|ACSN|";
            let path = format!("ImagingStudy?{of_type}{}", number["value"].as_str().unwrap());
            assert_eq!(found(&path).await.len(), 1);
        }
        let with = found("DiagnosticReport?code=G003&_include=DiagnosticReport:result&_include=DiagnosticReport:patient").await;
        let kinds: Vec<&str> = with.iter().map(|one| one["resourceType"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["DiagnosticReport", "Observation", "Observation", "Patient"]);
    }

    async fn the_category_is_the_service_that_made_the_report_and_finds_it(database: TestDatabase) {
        let world = World::start(database).await;
        for (number, class) in [("EX0001", "CT"), ("EC0001", "心电图"), ("SP0001", "病理"), ("ES0001", "胃镜"), ("DX0001", "DR")] {
            let class = [("report_form_no", number), ("class_code", class), ("class_name", class)];
            world.register(&[exam(&class)]).await;
        }
        world.register(&[lab(&[])]).await;
        let found = async |query: &str| {
            let bundle = world.found(REGION, &format!("/fhir/DiagnosticReport?{query}")).await;
            let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
            let number = |entry: &Value| entry["resource"]["identifier"][0]["value"].as_str().unwrap().to_owned();
            let mut numbers: Vec<String> = entries.iter().map(number).collect();
            numbers.sort();
            numbers
        };
        for (category, numbers) in [
            ("CT", &["EX0001"][..]),
            ("RAD", &["DX0001", "EX0001"]),
            ("EC", &["EC0001"]),
            ("http://terminology.hl7.org/CodeSystem/v2-0074|SP", &["SP0001"]),
            ("OTH", &["ES0001"]),
            ("LAB", &["LB0001"]),
            ("NMR", &[]),
            ("EC,LAB", &["EC0001", "LB0001"]),
            ("OTH,SP", &["ES0001", "SP0001"]),
        ] {
            assert_eq!(found(&format!("category={category}")).await, numbers, "{category}");
        }
        let bundle = world.found(REGION, "/fhir/DiagnosticReport?identifier=EC0001").await;
        assert_eq!(bundle["entry"][0]["resource"]["category"][0]["coding"][0]["code"], "EC");
        assert_eq!(world.get(REGION, "/fhir/DiagnosticReport?category=CH").await.status, 400);
    }

    async fn what_has_changed_comes_page_by_page_the_last_change_first(database: TestDatabase) {
        let world = World::start(database).await;
        let of = |number: &'static str, day: &'static str| [("report_form_no", number), ("retrieve_date", day)];
        world.register(&[exam(&of("EX1", "2024/3/1"))]).await;
        world.register(&[lab(&of("LB1", "2024/3/5"))]).await;
        world.register(&[exam(&of("EX2", "2024/3/3"))]).await;
        let later = "UPDATE exam_report SET updated_at = updated_at + 1000 WHERE report_form_no = 'EX1'";
        let changed = world.index.write(move |tx| Box::pin(async move { tx.execute(later, Vec::new()).await }));
        changed.await.map_err(|error: yingku::index::Error| error.to_string()).unwrap();
        let pages = async |key: &str, since: &str| {
            let mut address = format!("/fhir/DiagnosticReport?_lastUpdated={since}&_count=1");
            let mut numbers = Vec::new();
            loop {
                let page = world.found(key, &address).await;
                for entry in page["entry"].as_array().into_iter().flatten() {
                    numbers.push(entry["resource"]["identifier"][0]["value"].as_str().unwrap().to_owned());
                }
                let next = page["link"].as_array().unwrap().iter().find(|link| link["relation"] == "next");
                let Some(next) = next else { return numbers };
                address = format!("/fhir{}", next["url"].as_str().unwrap().split_once("/fhir").unwrap().1);
            }
        };
        assert_eq!(pages(REGION, "ge2024-03-24").await, ["EX1", "EX2", "LB1"]);
        assert_eq!(pages(REGION, "gt2024-03-24T14:40:00").await, ["EX1"]);
        assert_eq!(pages(REGION, "lt2024-03-24T14:40:01").await, ["EX2", "LB1"]);
        assert_eq!(pages(HOSPITAL, "ge2024-03-24").await, Vec::<String>::new());
    }

    async fn what_is_not_known_is_ignored_and_told_or_refused_when_strict(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[exam(&[])]).await;
        let path = "/fhir/DiagnosticReport?patient=ORG-T01..P0001&flavour=none";
        let bundle = world.found(REGION, path).await;
        let modes = members(&json!(bundle["entry"].as_array().unwrap().iter().map(|e| e["search"].clone()).collect::<Vec<_>>()), &["mode"]);
        assert_eq!(modes, ["match", "outcome"]);
        assert!(!bundle["link"][0]["url"].as_str().unwrap().contains("flavour"), "{bundle}");
        let url = format!("http://{}{path}", world.address);
        let strict = reqwest::Client::new().get(url).bearer_auth(REGION).header("prefer", "handling=strict").send().await.unwrap();
        assert_eq!(strict.status(), 400);
        let statement = world.get("", "/fhir/metadata").await.json();
        let report = statement["rest"][0]["resource"].as_array().unwrap().iter().find(|one| one["type"] == "DiagnosticReport").unwrap().clone();
        for parameter in report["searchParam"].as_array().unwrap() {
            let name = parameter["name"].as_str().unwrap();
            let value = match name {
                "date" | "_lastUpdated" => "ge2000-01-01",
                "category" => "RAD",
                "patient" | "subject" => "ORG-T01..P0001",
                _ => "x",
            };
            let name = if name == "based-on" { "based-on:identifier" } else { name };
            let bundle = world.found(REGION, &format!("/fhir/DiagnosticReport?{name}={value}")).await;
            let told = bundle["entry"].as_array().into_iter().flatten().any(|entry| entry["search"]["mode"] == "outcome");
            assert!(!told, "{name} is promised");
        }
    }

    async fn what_may_not_be_seen_is_not_there_in_fhir_either(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[exam(&[("state", "2")]), lab(&[]), line("1", &[])]).await;
        world.register(&[exam(&[("report_form_no", "OWN"), ("org_code", "ORG-T02"), ("state", "2")])]).await;
        let entries = async |key: &str, path: &str| world.found(key, path).await["entry"].as_array().map_or(0, Vec::len);
        assert_eq!(entries(REGION, "/fhir/DiagnosticReport").await, 1);
        assert_eq!(entries(HOSPITAL, "/fhir/DiagnosticReport").await, 1);
        assert_eq!(entries(HOSPITAL, "/fhir/Observation").await, 0);
        let lines = world.found(REGION, "/fhir/Observation").await;
        let line = lines["entry"][0]["resource"]["id"].as_str().unwrap().to_owned();
        assert_eq!(world.get(HOSPITAL, &format!("/fhir/Observation/{line}")).await.status, 404);
        assert_eq!(world.get(REGION, &format!("/fhir/Observation/{line}")).await.status, 200);
        assert_eq!(entries(HOSPITAL, "/fhir/Patient?identifier=C00000001").await, 1, "of its own alone");
    }

    async fn refusals_are_operation_outcomes(database: TestDatabase) {
        let world = World::start(database).await;
        for (key, path, status, code) in [
            ("", "/fhir/Patient", 401, "E4001"),
            (NARROW, "/fhir/DiagnosticReport", 403, "E4011"),
            (REGION, "/fhir/Patient", 400, "E4006"),
            (REGION, "/fhir/Encounter", 404, "E4003"),
            (REGION, "/fhir/Patient/x", 404, "E4003"),
            (REGION, "/fhir/Observation/1", 404, "E4003"),
            (REGION, "/fhir/DiagnosticReport?code:text=1", 400, "E4006"),
            (REGION, "/fhir/DiagnosticReport?_lastUpdated=soon", 400, "E4007"),
            (REGION, "/fhir/ImagingStudy?identifier=http://example.test|1", 400, "E4006"),
            (REGION, "/fhir/DiagnosticReport?date=yesterday", 400, "E4007"),
            (REGION, "/fhir/DiagnosticReport?_cursor=x", 400, "E4009"),
        ] {
            let answer = world.get(key, path).await;
            let outcome = answer.json();
            assert_eq!((answer.status, &outcome["resourceType"]), (status, &json!("OperationOutcome")), "{path}");
            assert_eq!(outcome["issue"][0]["details"]["coding"][0]["code"], code, "{path}");
        }
        assert_eq!(world.get("", "/fhir/metadata").await.status, 200);
    }
}
