//! A study whose first object says neither number nor date: what later objects say counts for links and queries.

use serde_json::json;
use yingku::archive::peers::find::{Confidentiality, Find, FindLimits, Readable};
use yingku::domain::Actor;
use yingku::domain::query::attribute::tag::*;
use yingku::domain::query::{Level, Query};
use yingku::params;

use super::world::{REGION, World, exam};
use crate::each_database;
use crate::harness::dataset::{CT_IMAGE, DataSet};

const BASIC_TEXT_SR: &str = "1.2.840.10008.5.1.4.1.1.88.11";

/// A slice of study n of patient n, and a structured report that names neither, as some workstations write it.
fn slice(number: u32, instance: u32) -> DataSet {
    let mut set = DataSet::ct(&format!("2.25.{number}.1.{instance}"));
    set.text(STUDY_INSTANCE_UID, "UI", &format!("2.25.{number}"));
    set.text(SERIES_INSTANCE_UID, "UI", &format!("2.25.{number}.1"));
    set.text(ACCESSION_NUMBER, "SH", &format!("A000{number}")).text(PATIENT_ID, "LO", &format!("L000{number}"));
    set.text(STUDY_DESCRIPTION, "LO", "CHEST");
    set
}

fn bare_report(number: u32) -> DataSet {
    let mut set = slice(number, 9);
    for tag in [ACCESSION_NUMBER, PATIENT_ID, PATIENT_NAME, STUDY_DATE, STUDY_TIME, STUDY_DESCRIPTION] {
        set.without(tag);
    }
    set.without(0x7FE0_0010).without(0x0010_0030).text(MODALITY, "CS", "SR").text(SOP_CLASS_UID, "UI", BASIC_TEXT_SR);
    set.text(SERIES_INSTANCE_UID, "UI", &format!("2.25.{number}.2"));
    set
}

impl World {
    async fn studies_found(&self, keys: &[(u32, &str)]) -> Vec<String> {
        let mut query = Query::new(Level::Study);
        for (tag, value) in keys {
            query.add_key(*tag, value).unwrap();
        }
        let readable = vec![Readable { org_code: "ORG-T01".to_owned(), confidentiality: Confidentiality::Everything }];
        let find = Find { query, readable, actor: Actor::system("test"), limits: FindLimits::default() };
        let found = self.archive.find(find, 0, 100).await.unwrap();
        found.matches.iter().map(|found| found.text(STUDY_INSTANCE_UID).to_owned()).collect()
    }
}

each_database! {
    async fn what_the_first_object_of_a_study_lacks_a_later_one_fills(database: TestDatabase) {
        let world = World::start(database).await;
        let numbers = |number: &'static str, patient: &'static str, accession: &'static str| {
            exam(&[
                ("report_form_no", number),
                ("patient_local_id", patient),
                ("pacs_id", accession),
                ("study_instance_uid", ""),
            ])
        };
        // One report is there before the images, the other comes after them.
        world.register(&[numbers("BEFORE", "L0001", "A0001")]).await;
        for number in [1, 2] {
            world.store(BASIC_TEXT_SR, &bare_report(number)).await;
        }
        assert_eq!(world.studies_found(&[(ACCESSION_NUMBER, "A0001")]).await, Vec::<String>::new());
        for (number, instance) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
            world.store(CT_IMAGE, &slice(number, instance)).await;
        }
        world.register(&[numbers("AFTER", "L0002", "A0002")]).await;

        for (report, study) in [("BEFORE", "2.25.1"), ("AFTER", "2.25.2")] {
            let (changes, _) = world.follow(REGION, "", "&include=report&kind=exam").await;
            let change = changes.iter().find(|change| change["report"]["fields"]["report_form_no"] == report).unwrap();
            assert_eq!(change["studies"], json!([study]), "{report}");
        }
        for keys in [
            &[(ACCESSION_NUMBER, "A0001")][..],
            &[(PATIENT_ID, "L0001"), (PATIENT_NAME, "Test*")],
            &[(STUDY_DATE, "20240322"), (MODALITIES_IN_STUDY, "SR"), (ACCESSION_NUMBER, "A0001")],
            &[(STUDY_DESCRIPTION, "CHEST"), (PATIENT_ID, "L0001")],
        ] {
            assert_eq!(world.studies_found(keys).await, ["2.25.1"], "{keys:?}");
        }
        // Filled once, under a patient of its own, and said once.
        let count = async |sql: &'static str| {
            world.index.query_opt(sql, params![]).await.unwrap().unwrap().int("n").unwrap()
        };
        assert_eq!(count("SELECT COUNT(*) AS n FROM audit WHERE action = 'fill_study'").await, 2);
        assert_eq!(count("SELECT COUNT(*) AS n FROM patient").await, 2);
        assert_eq!(count("SELECT COUNT(*) AS n FROM conflict").await, 0);
        assert_eq!(count("SELECT COUNT(*) AS n FROM instance").await, 6);
    }

    async fn texts_that_are_read_again_keep_what_a_later_object_filled(database: TestDatabase) {
        let world = World::start(database).await;
        world.store(BASIC_TEXT_SR, &bare_report(1)).await;
        world.store(CT_IMAGE, &slice(1, 1)).await;

        let rules = yingku::archive::upkeep::reindex::ReindexRules::default();
        let done = world.archive.reindex_texts(&rules, |_| ()).await.unwrap();

        assert_eq!((done.studies, done.changed), (1, 0));
        assert_eq!(world.studies_found(&[(ACCESSION_NUMBER, "A0001"), (PATIENT_ID, "L0001")]).await, ["2.25.1"]);
    }
}
