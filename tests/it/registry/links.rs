//! Exam reports and studies find each other in either order of arrival (D-I2, D-I3).

use std::time::Duration;

use futures_util::future::{join, join_all, join3};
use tokio::sync::oneshot;
use yingku::archive::LinkRules;
use yingku::archive::images::store_instance::{Completeness, ReceiveInstance, StoreOutcome};
use yingku::dicom::text::Charset;
use yingku::domain::Actor;
use yingku::index::Error;

use super::{Service, exam};
use crate::each_database;
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};
use crate::harness::{TestDatabase, eventually};

/// A slice whose identifiers are those of the registered exam: L0001, A0001, 2.25.1000, F, 1990-01-01.
pub(super) async fn store(service: &Service, org_code: &str, change: impl FnOnce(&mut DataSet)) {
    let mut set = DataSet::ct("2.25.1");
    change(&mut set);
    assert_eq!(store_as(service, org_code, "2.25.1", &set).await, StoreOutcome::Stored);
}

async fn store_as(service: &Service, org_code: &str, sop_instance_uid: &str, set: &DataSet) -> StoreOutcome {
    let command = ReceiveInstance {
        org_code: org_code.to_owned(),
        calling_ae_title: "PACS01".to_owned(),
        default_charset: Charset::default(),
        sop_class_uid: CT_IMAGE.to_owned(),
        sop_instance_uid: sop_instance_uid.to_owned(),
        transfer_syntax_uid: EXPLICIT_LE.to_owned(),
        completeness: Completeness::AsSent,
        actor: Actor::system("test"),
    };
    let mut writer = service.archive.receive_instance(command).await.unwrap();
    writer.write(&set.encode()).await.unwrap();
    writer.commit().await.unwrap()
}

pub(super) async fn register(service: &Service, study_instance_uid: &str, change: &[(&str, &str)]) {
    let mut attributes = vec![
        ("study_instance_uid", study_instance_uid),
        ("patient_local_id", "L0001"),
        ("pacs_id", "A0001"),
        ("sex_code", "2"),
        ("birth_date", "1990/1/1 0:00:00"),
    ];
    attributes.extend_from_slice(change);
    let answer = service.register(&exam(&attributes)).await;
    assert!(answer.contains("&lt;result&gt;1") || answer.contains("<result>1"), "{answer}");
}

pub(super) async fn rules(service: &Service) -> Vec<String> {
    let rows = service.rows("SELECT rule FROM exam_study", Vec::new()).await;
    rows.iter().map(|row| row.text("rule").unwrap()).collect()
}

fn by_accession() -> LinkRules {
    LinkRules { accession_only: true, ..LinkRules::default() }
}

async fn conflicts(service: &Service) -> Vec<String> {
    let rows = service.rows("SELECT detail FROM conflict", Vec::new()).await;
    rows.iter().map(|row| row.text("detail").unwrap()).collect()
}

/// Of two servers over one PostgreSQL the second waits until the first is done, and so sees it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_links_by_a_name_waits_for_the_one_who_holds_it_on_postgres() {
    const WAITING: &str = "SELECT COUNT(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
                           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let service = Service::start(TestDatabase::postgres()).await;
    let (hold, held) = oneshot::channel();
    let (let_go, gone) = oneshot::channel::<()>();
    let first = service.index.write(move |tx| {
        Box::pin(async move {
            tx.hold(&["study ORG-T01 2.25.1000".to_owned()]).await?;
            hold.send(()).unwrap();
            gone.await.unwrap();
            Ok::<_, Error>(())
        })
    });
    let others = async {
        held.await.unwrap();
        let wait = async {
            eventually(Duration::from_secs(120), "the report and the study wait", || async {
                (service.row(WAITING).await.int("n").unwrap() == 2).then_some(())
            })
            .await;
            assert_eq!(rules(&service).await, Vec::<String>::new());
            let_go.send(()).unwrap();
        };
        join3(store(&service, "ORG-T01", |_| ()), register(&service, "2.25.1000", &[]), wait).await
    };
    join(first, others).await.0.unwrap();
    assert_eq!(rules(&service).await, ["study_instance_uid"]);
}

each_database! {
    async fn d_i3_images_find_the_report_that_names_their_study(database: TestDatabase) {
        let service = Service::start(database).await;
        register(&service, "2.25.1000", &[("pacs_id", "A9999")]).await;
        store(&service, "ORG-T01", |_| ()).await;
        assert_eq!(rules(&service).await, ["study_instance_uid"]);
    }

    async fn d_i2_a_report_finds_images_that_came_before_it(database: TestDatabase) {
        let service = Service::start(database).await;
        store(&service, "ORG-T01", |_| ()).await;
        assert_eq!(rules(&service).await, Vec::<String>::new());
        register(&service, "2.25.1000", &[]).await;
        assert_eq!(rules(&service).await, ["study_instance_uid"]);
    }

    async fn a_report_and_images_that_come_at_the_same_moment_find_each_other(database: TestDatabase) {
        let service = Service::start(database).await;
        let pairs = (0..60).map(|number| {
            let service = &service;
            async move {
                let (study, series, uid) =
                    (format!("2.25.1000{number}"), format!("2.25.2000{number}"), format!("2.25.3000{number}"));
                let (accession, report) = (format!("A1{number:03}"), format!("EX1{number:03}"));
                let mut set = DataSet::ct(&uid);
                set.text(0x0020_000D, "UI", &study).text(0x0020_000E, "UI", &series).text(0x0008_0050, "SH", &accession);
                // Every other report knows its study's UID, the others only the numbers.
                let named = if number % 2 == 0 { study.as_str() } else { "" };
                let keys = [("pacs_id", accession.as_str()), ("report_form_no", &report)];
                let (outcome, ()) =
                    join(store_as(service, "ORG-T01", &uid, &set), register(service, named, &keys)).await;
                assert_eq!(outcome, StoreOutcome::Stored);
            }
        });
        join_all(pairs).await;
        assert_eq!(rules(&service).await.len(), 60);
    }

    async fn d_i3_patient_number_and_accession_link_and_bring_the_uid(database: TestDatabase) {
        let service = Service::start(database).await;
        register(&service, "", &[]).await;
        store(&service, "ORG-T01", |_| ()).await;
        assert_eq!(rules(&service).await, ["patient_and_accession"]);
        let row = service.row("SELECT study_instance_uid, origin FROM exam_study_uid").await;
        assert_eq!(row.text("study_instance_uid").unwrap(), "2.25.1000");
        assert_eq!(row.text("origin").unwrap(), "dicom");
    }

    async fn d_i3_accession_alone_does_not_link(database: TestDatabase) {
        let service = Service::start(database).await;
        register(&service, "", &[("patient_local_id", "L7777")]).await;
        store(&service, "ORG-T01", |_| ()).await;
        assert_eq!(rules(&service).await, Vec::<String>::new());
    }

    async fn d_i3_accession_alone_does_not_link_images_that_were_there_before_either(database: TestDatabase) {
        let service = Service::start(database).await;
        store(&service, "ORG-T01", |_| ()).await;
        register(&service, "", &[("patient_local_id", "L7777")]).await;
        assert_eq!(rules(&service).await, Vec::<String>::new());
    }

    async fn d_i3_a_unique_accession_links_a_report_and_images_that_come_later_when_so_configured(database: TestDatabase) {
        let service = Service::start_linking(database, by_accession(), |_| {}).await;
        register(&service, "", &[("patient_local_id", "L7777")]).await;
        store(&service, "ORG-T01", |_| ()).await;
        assert_eq!(rules(&service).await, ["accession"]);
        let row = service.row("SELECT study_instance_uid, origin FROM exam_study_uid").await;
        assert_eq!(row.text("study_instance_uid").unwrap(), "2.25.1000");
        assert_eq!(row.text("origin").unwrap(), "dicom");
    }

    async fn d_i3_a_unique_accession_links_images_and_a_report_that_comes_later_when_so_configured(database: TestDatabase) {
        let service = Service::start_linking(database, by_accession(), |_| {}).await;
        store(&service, "ORG-T01", |_| ()).await;
        register(&service, "", &[("patient_local_id", "L7777")]).await;
        assert_eq!(rules(&service).await, ["accession"]);
    }

    async fn d_i3_an_accession_of_two_reports_links_neither_whichever_comes_first(database: TestDatabase) {
        let service = Service::start_linking(database, by_accession(), |_| {}).await;
        let of = |number, patient| [("report_form_no", number), ("patient_local_id", patient)];
        register(&service, "", &of("EX0001", "L7777")).await;
        register(&service, "", &of("EX0002", "L8888")).await;
        store(&service, "ORG-T01", |_| ()).await;
        assert_eq!(rules(&service).await, Vec::<String>::new());

        // Images between the two: what was unique is no more.
        let number = [("pacs_id", "A2")];
        let mut other = DataSet::ct("2.25.5");
        other.text(0x0020_000D, "UI", "2.25.5000").text(0x0020_000E, "UI", "2.25.5000.1").text(0x0008_0050, "SH", "A2");
        assert_eq!(store_as(&service, "ORG-T01", "2.25.5", &other).await, StoreOutcome::Stored);
        register(&service, "", &[&of("EX0003", "L7777")[..], &number].concat()).await;
        assert_eq!(rules(&service).await, ["accession"]);
        register(&service, "", &[&of("EX0004", "L8888")[..], &number].concat()).await;
        assert_eq!(rules(&service).await, Vec::<String>::new());
        assert_eq!(service.count("SELECT study_instance_uid FROM exam_study_uid").await, 0, "nor do they name the study");
        // More of them change nothing.
        other.text(0x0008_0018, "UI", "2.25.6");
        assert_eq!(store_as(&service, "ORG-T01", "2.25.6", &other).await, StoreOutcome::Stored);
        assert_eq!(rules(&service).await, Vec::<String>::new());

        // Who has the patient's number, too, is linked all the same.
        register(&service, "", &[&of("EX0005", "L0001")[..], &number].concat()).await;
        assert_eq!(rules(&service).await, ["patient_and_accession"]);
    }

    async fn d_i3_an_accession_of_two_studies_links_neither_whichever_comes_first(database: TestDatabase) {
        let service = Service::start_linking(database, by_accession(), |_| {}).await;
        let mut other = DataSet::ct("2.25.5");
        other.text(0x0020_000D, "UI", "2.25.5000").text(0x0020_000E, "UI", "2.25.5000.1");
        register(&service, "", &[("patient_local_id", "L7777")]).await;
        store(&service, "ORG-T01", |_| ()).await;
        assert_eq!(rules(&service).await, ["accession"]);

        assert_eq!(store_as(&service, "ORG-T01", "2.25.5", &other).await, StoreOutcome::Stored);

        assert_eq!(rules(&service).await, Vec::<String>::new());
        register(&service, "", &[("patient_local_id", "L7777"), ("last_update_dtime", "2024/3/24")]).await;
        assert_eq!(rules(&service).await, Vec::<String>::new());
    }

    async fn d_r25_leading_zeros_do_not_part_them_when_so_configured(database: TestDatabase) {
        let rules_of = |ignore_leading_zeros| LinkRules { ignore_leading_zeros, ..LinkRules::default() };
        let service = Service::start_linking(database, rules_of(true), |_| {}).await;
        store(&service, "ORG-T01", |set| { set.text(0x0008_0050, "SH", "0001234"); }).await;
        register(&service, "", &[("pacs_id", "1234")]).await;
        assert_eq!(rules(&service).await, ["patient_and_accession"]);
        register(&service, "", &[("pacs_id", "1235")]).await;
        assert_eq!(rules(&service).await, Vec::<String>::new(), "another number is another exam");
    }

    async fn d_r25_leading_zeros_count_otherwise(database: TestDatabase) {
        let service = Service::start(database).await;
        store(&service, "ORG-T01", |set| { set.text(0x0008_0050, "SH", "0001234"); }).await;
        register(&service, "", &[("pacs_id", "1234")]).await;
        assert_eq!(rules(&service).await, Vec::<String>::new());
    }

    async fn d_i3_another_organizations_images_are_never_linked(database: TestDatabase) {
        let service = Service::start(database).await;
        register(&service, "2.25.1000", &[]).await;
        store(&service, "ORG-T02", |_| ()).await;
        assert_eq!(rules(&service).await, Vec::<String>::new());
    }

    async fn d_i3_a_contradicting_sex_or_birth_date_becomes_a_conflict(database: TestDatabase) {
        let service = Service::start(database).await;
        register(&service, "2.25.1000", &[]).await;
        store(&service, "ORG-T01", |set| {
            set.text(0x0010_0040, "CS", "M").text(0x0010_0030, "DA", "19551231");
        })
        .await;
        assert_eq!(rules(&service).await, Vec::<String>::new());
        assert_eq!(
            conflicts(&service).await,
            [r#"{"fields":["birth_date","sex"]}"#],
            "fields are named, values are not"
        );
    }

    async fn a_report_that_corrects_its_study_lets_go_of_the_wrong_images(database: TestDatabase) {
        let service = Service::start(database).await;
        store(&service, "ORG-T01", |_| ()).await;
        register(&service, "2.25.1000", &[]).await;
        assert_eq!(rules(&service).await.len(), 1);

        let corrected = [("last_update_dtime", "2024/3/23 8:00:00"), ("pacs_id", "A0002")];
        register(&service, "2.25.2000", &corrected).await;

        assert_eq!(rules(&service).await, Vec::<String>::new());
    }
}
