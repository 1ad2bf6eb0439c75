//! Exam reports and studies find each other in either order of arrival (D-I2, D-I3).

use yingku::archive::LinkRules;
use yingku::archive::images::store_instance::{Completeness, ReceiveInstance, StoreOutcome};
use yingku::dicom::text::Charset;
use yingku::domain::Actor;

use super::{Service, exam};
use crate::each_database;
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};

/// A slice whose identifiers are those of the registered exam: L0001, A0001, 2.25.1000, F, 1990-01-01.
pub(super) async fn store(service: &Service, org_code: &str, change: impl FnOnce(&mut DataSet)) {
    let mut set = DataSet::ct("2.25.1");
    change(&mut set);
    let command = ReceiveInstance {
        org_code: org_code.to_owned(),
        calling_ae_title: "PACS01".to_owned(),
        default_charset: Charset::default(),
        sop_class_uid: CT_IMAGE.to_owned(),
        sop_instance_uid: "2.25.1".to_owned(),
        transfer_syntax_uid: EXPLICIT_LE.to_owned(),
        completeness: Completeness::AsSent,
        actor: Actor::system("test"),
    };
    let mut writer = service.archive.receive_instance(command).await.unwrap();
    writer.write(&set.encode()).await.unwrap();
    assert_eq!(writer.commit().await.unwrap(), StoreOutcome::Stored);
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

async fn conflicts(service: &Service) -> Vec<String> {
    let rows = service.rows("SELECT detail FROM conflict", Vec::new()).await;
    rows.iter().map(|row| row.text("detail").unwrap()).collect()
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
