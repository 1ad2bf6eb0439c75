//! Patients and visits that registered reports name (D-R29).

use serde_json::json;

use super::{Service, exam, lab, root};
use crate::each_database;
use yingku::index::{Error, Row};
use yingku::params;

const PATIENT: &str = "SELECT * FROM patient_record";

fn text(row: &Row, column: &str) -> String {
    row.get::<Option<String>>(column).unwrap().unwrap_or_default()
}

fn facts(row: &Row) -> [String; 5] {
    ["name", "sex_code", "birth_date", "id_no", "card_no"].map(|column| text(row, column))
}

each_database! {
    async fn d_r29_a_report_makes_its_patient_and_its_visit(database: TestDatabase) {
        let service = Service::start(database).await;

        service.register(&exam(&[])).await;
        service.register(&exam(&[("report_form_no", "EX0002"), ("event_type", "2"), ("event_no", "E0002")])).await;
        service.register(&root(&[lab(&[])])).await;

        let patient = service.row(PATIENT).await;
        assert_eq!(facts(&patient), ["测试甲", "1", "1990-01-01", "990101199001010019", "C00000001"]);
        assert_eq!((text(&patient, "org_code"), text(&patient, "patient_id")), ("ORG-T01".into(), "P0001".into()));
        assert_eq!(service.count(PATIENT).await, 1);
        let visits = service.rows("SELECT * FROM visit ORDER BY event_no", params![]).await;
        let visits: Vec<_> = visits.iter().map(|row| (text(row, "event_type"), text(row, "event_no"))).collect();
        assert_eq!(visits, [("1".into(), "E0001".into()), ("2".into(), "E0002".into())]);
    }

    async fn d_r29_later_reports_enrich_and_an_empty_value_never_overwrites(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&root(&[lab(&[])])).await;
        assert_eq!(facts(&service.row(PATIENT).await), ["测试甲", "", "", "", "C00000001"]);

        let newer = [("last_update_dtime", "2024/3/24"), ("name", "测试乙"), ("card_no", "")];
        service.register(&exam(&newer)).await;
        let older = [("report_form_no", "EX0002"), ("last_update_dtime", "2024/3/1"), ("name", "测试丙")];
        service.register(&exam(&older)).await;

        let patient = service.row(PATIENT).await;
        assert_eq!(facts(&patient), ["测试乙", "1", "1990-01-01", "990101199001010019", "C00000001"]);
        assert_eq!(service.count("SELECT id FROM conflict").await, 0);
    }

    async fn d_r29_a_contradiction_is_recorded_for_review_without_values(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&exam(&[])).await;
        let other = [("report_form_no", "EX0002"), ("birth_date", "1990-01-02"), ("id_no", "990101199001020022")];

        let acknowledgement = service.register(&exam(&[&other[..], &[("sex_code", "2")]].concat())).await;

        assert!(acknowledgement.contains("status=\"stored\""), "{acknowledgement}");
        let patient = service.row(PATIENT).await;
        assert_eq!(text(&patient, "contradictions"), "birth_date id_no sex_code");
        let conflict = service.row("SELECT * FROM conflict").await;
        assert_eq!(text(&conflict, "kind"), "patient");
        assert_eq!(text(&conflict, "subject"), format!("patient:{}", patient.int("id").unwrap()));
        let report = service.row("SELECT id FROM exam_report WHERE report_form_no = 'EX0002'").await.int("id").unwrap();
        let named = json!({ "fields": ["sex_code", "birth_date", "id_no"], "report": format!("exam:{report}") });
        let detail: serde_json::Value = serde_json::from_str(&text(&conflict, "detail")).unwrap();
        assert_eq!(detail, named, "fields are named, values are not");
    }

    async fn d_r29_a_report_that_corrects_itself_contradicts_nobody(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&exam(&[("sex_code", "2"), ("id_no", "")])).await;

        service.register(&exam(&[("sex_code", "1"), ("last_update_dtime", "2024/3/24")])).await;

        let patient = service.row(PATIENT).await;
        assert_eq!((text(&patient, "sex_code"), text(&patient, "contradictions")), ("1".into(), String::new()));
        assert_eq!(service.count("SELECT id FROM conflict").await, 0);
    }

    async fn d_r29_a_withdrawn_report_says_nothing_about_its_patient(database: TestDatabase) {
        let service = Service::start(database).await;

        service.register(&exam(&[("data_status", "0")])).await;

        assert_eq!(facts(&service.row(PATIENT).await), [""; 5]);
        assert_eq!(service.count("SELECT * FROM visit").await, 1);
    }

    async fn d_r29_an_unknown_organisation_is_rejected_unless_auto_org(database: TestDatabase) {
        let service = Service::start_with(database, |settings| settings.senders[0].organizations = vec!["*".into()]).await;
        let unknown = exam(&[("org_code", "ORG-T99")]);

        let refused = service.register(&unknown).await;

        assert!(refused.contains("status=\"rejected\"") && refused.contains("E1006"), "{refused}");
        assert_eq!(service.count("SELECT id FROM exam_report").await + service.count(PATIENT).await, 0);
    }

    async fn d_r29_auto_org_takes_reports_of_unknown_organisations(database: TestDatabase) {
        let service = Service::start_with(database, |settings| {
            settings.senders[0].organizations = vec!["ORG-T99".into()];
            settings.registry.auto_org = true;
        }).await;

        let stored = service.register(&exam(&[("org_code", "ORG-T99")])).await;

        assert!(stored.contains("status=\"stored\""), "{stored}");
        assert_eq!(text(&service.row(PATIENT).await, "org_code"), "ORG-T99");
    }

    async fn d_r29_many_reports_of_a_new_patient_at_once_make_one_patient(database: TestDatabase) {
        let service = Service::start(database).await;
        let numbers: Vec<String> = (0..40).map(|n| format!("EX{n:04}")).collect();
        let reports: Vec<String> = numbers.iter().map(|n| exam(&[("report_form_no", n.as_str())])).collect();

        let documents: Vec<String> = reports.chunks(10).map(root).collect();
        let answers = futures_util::future::join_all(documents.iter().map(|document| service.register(document))).await;

        assert!(answers.iter().all(|answer| answer.contains("<succeeded>10</succeeded>")), "{answers:?}");
        assert_eq!((service.count(PATIENT).await, service.count("SELECT * FROM visit").await), (1, 1));
    }

    async fn d_r29_reports_from_before_get_their_patients_afterwards(database: TestDatabase) {
        let service = Service::start(database).await;
        for n in 1..=5 {
            let number = format!("EX{n:04}");
            let patient = format!("P{:04}", n % 2);
            service.register(&exam(&[("report_form_no", &number), ("patient_id", &patient), ("event_no", &number)])).await;
        }
        let acknowledgement = service.register(&root(&[lab(&[("patient_id", "P0009")])])).await;
        assert!(acknowledgement.contains("status=\"stored\""), "{acknowledgement}");
        for sql in [
            "DELETE FROM visit",
            "DELETE FROM patient_record",
            "UPDATE patient_fill SET done = 0, last_pk = 0",
        ] {
            service.index.write(move |tx| Box::pin(async move {
                tx.execute(sql, params![]).await?;
                Ok::<_, Error>(())
            })).await.unwrap();
        }

        while service.archive.keep_people("worker", 2).await.unwrap() {}

        let patients = service.rows("SELECT * FROM patient_record ORDER BY patient_id", params![]).await;
        let numbers: Vec<String> = patients.iter().map(|row| text(row, "patient_id")).collect();
        assert_eq!(numbers, ["P0000", "P0001", "P0009"]);
        assert_eq!(facts(&patients[0]), ["测试甲", "1", "1990-01-01", "990101199001010019", "C00000001"]);
        assert_eq!(service.count("SELECT * FROM visit").await, 6);
        assert!(!service.archive.keep_people("worker", 2).await.unwrap());
    }
}
