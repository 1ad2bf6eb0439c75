//! What a person decides about links and conflicts, and that no rule takes it back (RD-7).

use yingku::archive::Error;
use yingku::archive::images::store_attachment::ReceiveAttachment;
use yingku::archive::links::conflicts::{ConflictKind, ConflictState};
use yingku::archive::links::link_by_hand::Pair;
use yingku::domain::Actor;
use yingku::domain::attachment::{AttachmentKind, AttachmentType};

use super::Service;
use super::links::{register, rules, store};
use crate::each_database;
use crate::harness::dataset::DataSet;

const LATER: [(&str, &str); 1] = [("last_update_dtime", "2024/3/23 8:00:00")];

fn somebody() -> Actor {
    Actor::system("test")
}

fn of_another_patient(set: &mut DataSet) {
    set.text(0x0010_0040, "CS", "M").text(0x0010_0030, "DA", "19551231");
}

async fn pair(service: &Service) -> Pair {
    let exam = service.row("SELECT observation_uid FROM exam_report").await.text("observation_uid").unwrap();
    service.archive.find_pair(&exam, "2.25.1000").await.unwrap()
}

async fn attach(service: &Service, accession_number: &str, study_instance_uid: &str) {
    let command = ReceiveAttachment {
        org_code: "ORG-T01".to_owned(),
        kind: AttachmentKind::RequestForm,
        media_type: AttachmentType::Jpeg,
        title: String::new(),
        accession_number: accession_number.to_owned(),
        patient_id: String::new(),
        study_instance_uid: study_instance_uid.to_owned(),
        source_name: "scan.jpg".to_owned(),
        actor: somebody(),
    };
    let mut writer = service.archive.receive_attachment(command).unwrap();
    writer.write(accession_number.as_bytes()).await.unwrap();
    writer.commit().await.unwrap();
}

async fn open_conflicts(service: &Service) -> usize {
    service.archive.find_conflicts(None, Some(ConflictState::Open), 10).await.unwrap().len()
}

async fn audited(service: &Service) -> Vec<String> {
    let sql = "SELECT action, target FROM audit WHERE action IN ('link_study', 'unlink_study', 'view_conflict', \
               'accept_conflict') ORDER BY id";
    service.rows(sql, Vec::new()).await.iter().map(|row| row.text("action").unwrap()).collect()
}

each_database! {
    async fn a_contradiction_is_seen_from_both_sides_and_can_be_overruled_for_good(database: TestDatabase) {
        let service = Service::start(database).await;
        register(&service, "2.25.1000", &[]).await;
        store(&service, "ORG-T01", of_another_patient).await;
        let found = service.archive.find_conflicts(Some(ConflictKind::Demographics), None, 10).await.unwrap();
        assert!(service.archive.find_conflicts(Some(ConflictKind::DuplicateUid), None, 10).await.unwrap().is_empty());

        let (conflict, sides) = service.archive.view_conflict(somebody(), found[0].id).await.unwrap();
        let value = |side: usize, name: &str| {
            let facts = sides[side].1.as_ref().unwrap();
            facts.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone()).unwrap()
        };
        assert_eq!((value(0, "birth_date"), value(1, "patient_birth_date")), ("1990-01-01 00:00:00".into(), "19551231".into()));
        assert_eq!(value(1, "may belong to"), format!("{} (EX0001)", sides[0].0));
        assert_eq!(conflict.subject, format!("{} {}", sides[0].0, sides[1].0));

        service.archive.link_by_hand(somebody(), pair(&service).await).await.unwrap();
        assert_eq!((rules(&service).await, open_conflicts(&service).await), (vec!["manual".to_owned()], 0));

        register(&service, "2.25.1000", &LATER).await;
        assert_eq!((rules(&service).await, open_conflicts(&service).await), (vec!["manual".to_owned()], 0));
        assert_eq!(audited(&service).await, ["view_conflict", "link_study"]);
    }

    async fn what_a_person_has_taken_apart_no_rule_links_again(database: TestDatabase) {
        let service = Service::start(database).await;
        register(&service, "", &[]).await;
        store(&service, "ORG-T01", |_| ()).await;
        assert_eq!(rules(&service).await, ["patient_and_accession"]);
        assert!(service.archive.unlinked_studies(10).await.unwrap().is_empty());
        let pair = pair(&service).await;

        service.archive.unlink_by_hand(somebody(), pair).await.unwrap();
        register(&service, "2.25.1000", &LATER).await;

        assert_eq!(rules(&service).await, Vec::<String>::new());
        let unlinked = service.archive.unlinked_studies(10).await.unwrap();
        assert_eq!(unlinked[0].study_instance_uid, "2.25.1000");
        let again = service.archive.unlink_by_hand(somebody(), pair).await;
        assert!(matches!(again, Err(Error::NotFound)), "{again:?}");
        service.archive.link_by_hand(somebody(), pair).await.unwrap();
        assert_eq!(rules(&service).await, ["manual"], "a person may think again");
        assert_eq!(audited(&service).await, ["unlink_study", "link_study"]);
    }

    async fn a_link_by_hand_keeps_its_uid_when_the_report_changes(database: TestDatabase) {
        let service = Service::start(database).await;
        register(&service, "", &[("pacs_id", "A7777")]).await;
        store(&service, "ORG-T01", |_| ()).await;
        service.archive.link_by_hand(somebody(), pair(&service).await).await.unwrap();

        register(&service, "", &[LATER[0], ("pacs_id", "A8888")]).await;

        let row = service.row("SELECT study_instance_uid, origin FROM exam_study_uid").await;
        assert_eq!((row.text("study_instance_uid").unwrap(), row.text("origin").unwrap()), ("2.25.1000".into(), "manual".into()));
    }

    async fn attachments_follow_the_study_that_a_person_links(database: TestDatabase) {
        let service = Service::start(database).await;
        register(&service, "", &[("pacs_id", "A7777")]).await;
        store(&service, "ORG-T01", |_| ()).await;
        attach(&service, "", "2.25.1000").await;
        attach(&service, "A6666", "").await;
        let mut unlinked = service.archive.unlinked_attachments(10).await.unwrap();
        assert_eq!(unlinked.len(), 2);
        let pair = pair(&service).await;

        service.archive.link_by_hand(somebody(), pair).await.unwrap();
        unlinked = service.archive.unlinked_attachments(10).await.unwrap();
        let numbers: Vec<_> = unlinked.iter().map(|one| one.accession_number.as_str()).collect();
        assert_eq!(numbers, ["A6666"], "the one that names the study has come with it");

        let exam = service.archive.find_exam(&pair.exam_report_pk.to_string()).await.unwrap();
        service.archive.link_attachment_by_hand(somebody(), exam, unlinked[0].pk).await.unwrap();
        assert!(service.archive.unlinked_attachments(10).await.unwrap().is_empty());
        register(&service, "", &[LATER[0], ("pacs_id", "A8888")]).await;
        assert!(service.archive.unlinked_attachments(10).await.unwrap().is_empty(), "no rule takes it back");

        service.archive.unlink_by_hand(somebody(), pair).await.unwrap();
        let unlinked = service.archive.unlinked_attachments(10).await.unwrap();
        assert_eq!(unlinked.iter().map(|one| one.study_instance_uid.as_str()).collect::<Vec<_>>(), ["2.25.1000"]);
        let nobody = service.archive.link_attachment_by_hand(somebody(), exam, 7).await;
        assert!(matches!(nobody, Err(Error::NotFound)), "{nobody:?}");
        let sql = "SELECT target FROM audit WHERE action = 'link_attachment'";
        assert_eq!(service.rows(sql, Vec::new()).await.len(), 1);
    }

    async fn an_attachment_that_a_person_has_taken_away_stays_away(database: TestDatabase) {
        let service = Service::start(database).await;
        register(&service, "", &[("pacs_id", "A7777")]).await;
        attach(&service, "A7777", "").await;
        assert!(service.archive.unlinked_attachments(10).await.unwrap().is_empty());
        let row = service.row("SELECT exam_report_pk, attachment_pk FROM exam_attachment").await;
        let (exam, attachment) = (row.int("exam_report_pk").unwrap(), row.int("attachment_pk").unwrap());

        service.archive.unlink_attachment_by_hand(somebody(), exam, attachment).await.unwrap();
        assert_eq!(service.archive.unlinked_attachments(10).await.unwrap().len(), 1);
        register(&service, "", &[LATER[0], ("pacs_id", "A7777")]).await;
        assert_eq!(service.archive.unlinked_attachments(10).await.unwrap().len(), 1, "no rule links it again");
        let again = service.archive.unlink_attachment_by_hand(somebody(), exam, attachment).await;
        assert!(matches!(again, Err(Error::NotFound)), "{again:?}");

        service.archive.link_attachment_by_hand(somebody(), exam, attachment).await.unwrap();
        register(&service, "", &[("last_update_dtime", "2024/3/23 9:00:00"), ("pacs_id", "A8888")]).await;
        assert!(service.archive.unlinked_attachments(10).await.unwrap().is_empty(), "a person's word counts");
        let sql = "SELECT action FROM audit WHERE action IN ('link_attachment', 'unlink_attachment') ORDER BY id";
        assert_eq!(service.rows(sql, Vec::new()).await.len(), 2);
    }

    async fn d_i2_two_organizations_are_not_linked_by_hand_either(database: TestDatabase) {
        let service = Service::start(database).await;
        register(&service, "2.25.1000", &[]).await;
        store(&service, "ORG-T02", |_| ()).await;

        let refused = service.archive.link_by_hand(somebody(), pair(&service).await).await;

        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
        store(&service, "ORG-T01", |_| ()).await;
        let two = service.archive.find_pair("1", "2.25.1000").await;
        assert!(matches!(two, Err(Error::Invalid(_))), "a UID of two organisations names no study: {two:?}");
        assert_eq!(audited(&service).await, Vec::<String>::new());
    }

    async fn an_accepted_conflict_stays_closed_until_it_is_about_something_else(database: TestDatabase) {
        let service = Service::start(database).await;
        register(&service, "2.25.1000", &[]).await;
        store(&service, "ORG-T01", of_another_patient).await;
        let id = service.archive.find_conflicts(None, None, 10).await.unwrap()[0].id;

        service.archive.accept_conflict(somebody(), id, None).await.unwrap();
        register(&service, "2.25.1000", &LATER).await;
        assert_eq!((rules(&service).await, open_conflicts(&service).await), (Vec::<String>::new(), 0));

        register(&service, "2.25.1000", &[("last_update_dtime", "2024/3/23 9:00:00"), ("sex_code", "1")]).await;
        assert_eq!(open_conflicts(&service).await, 1, "now it is the birth date alone");
        let unknown = service.archive.accept_conflict(somebody(), 7, None).await;
        assert!(matches!(unknown, Err(Error::NotFound)), "{unknown:?}");
        assert_eq!(audited(&service).await, ["accept_conflict"]);
    }
}
