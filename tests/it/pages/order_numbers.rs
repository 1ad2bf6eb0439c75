//! Numbers of orders in links (table E.6): a study whose report is not registered yet is found by those that images name.

use yingku::archive::images::store_instance::{Completeness, ReceiveInstance};
use yingku::archive::peers::find::{Confidentiality, Find, FindLimits, Readable};
use yingku::archive::upkeep::reindex::ReindexRules;
use yingku::demo;
use yingku::dicom::text::Charset;
use yingku::domain::Actor;
use yingku::domain::query::attribute::tag::{
    REQUEST_ATTRIBUTES_SEQUENCE, SCHEDULED_PROCEDURE_STEP_ID, STUDY_INSTANCE_UID,
};
use yingku::domain::query::{Level, Query};
use yingku::params;

use super::world::{NOW_S, World, customer};
use crate::each_database;
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};

const PLACER: u32 = 0x0040_2016;
const FILLER: u32 = 0x0040_2017;

/// Stores an image of a study of its own, whose accession number is ACC and the number.
async fn image(world: &World, org_code: &str, number: u32, edit: impl FnOnce(&mut DataSet)) {
    let uid = format!("2.25.{number}.1.1");
    let mut set = DataSet::ct(&uid);
    set.text(STUDY_INSTANCE_UID, "UI", &format!("2.25.{number}")).text(0x0020_000E, "UI", &format!("2.25.{number}.1"));
    set.text(0x0008_0050, "SH", &format!("ACC{number}"));
    edit(&mut set);
    let command = ReceiveInstance {
        org_code: org_code.to_owned(),
        calling_ae_title: "PACS01".to_owned(),
        default_charset: Charset::default(),
        sop_class_uid: CT_IMAGE.to_owned(),
        sop_instance_uid: uid,
        transfer_syntax_uid: EXPLICIT_LE.to_owned(),
        completeness: Completeness::AsSent,
        actor: Actor::system("test"),
    };
    let mut writer = world.archive.receive_instance(command).await.unwrap();
    writer.write(&set.encode()).await.unwrap();
    writer.commit().await.unwrap();
}

/// The numbers of the studies that a link with this number lists.
async fn listed(world: &World, name: &str, value: &str) -> Vec<u32> {
    let list = world.get(&world.open("ClinicExamList", &[(name, value)]).await).await.text();
    (71..=74).filter(|number| list.contains(&format!("ACC{number}"))).collect()
}

each_database! {
    async fn a_study_without_a_report_is_found_by_the_fillers_number(database: TestDatabase) {
        let world = World::with(database, customer(), Default::default()).await;
        let exams = demo::exams(NOW_S * 1000);
        let ct = exams.iter().find(|exam| exam.kind == demo::Kind::CtWithFilm).unwrap();
        world.store(&demo::object(ct, 1).unwrap(), None).await;
        world.execute("UPDATE study SET accession_number = 'ACC77'", params![]).await;
        world.execute("DELETE FROM series_request", params![]).await;
        for org in ["ORG-T01", "ORG-T09"] {
            // Somebody else's request has the same number.
            let sql = "INSERT INTO series_request (series_pk, item, org_code, step_id, procedure_id) \
                       SELECT id, CASE WHEN $1 = 'ORG-T01' THEN 1 ELSE 2 END, $1, 'SPS5', 'RP5' FROM series";
            world.execute(sql, params![org]).await;
        }
        for (name, value, is_found) in [
            ("FillerOrderNO", "ACC77", true),
            ("FillerOrderNO", "RP5", true),
            ("FillerOrderNO", "SPS5", false),
            ("FillerOrderNO", "ACC78", false),
            ("PlacerOrderNO", "ACC77", false),
        ] {
            let list = world.get(&world.open("ClinicExamList", &[(name, value)]).await).await.text();
            assert_eq!(list.contains("ACC77"), is_found, "{name}={value}: {list}");
        }
    }

    async fn a_study_without_a_report_is_found_by_order_numbers_that_its_images_name(database: TestDatabase) {
        let world = World::with(database, customer(), Default::default()).await;
        image(&world, "ORG-T01", 71, |set| _ = set.text(PLACER, "LO", "PL71").text(FILLER, "LO", "FI71")).await;
        let item: &[(u32, &str, &str)] =
            &[(SCHEDULED_PROCEDURE_STEP_ID, "SH", "S1"), (PLACER, "LO", "PL72"), (FILLER, "LO", "FI72")];
        image(&world, "ORG-T01", 72, |set| _ = set.items(REQUEST_ATTRIBUTES_SEQUENCE, &[item])).await;
        image(&world, "ORG-T01", 73, |_| ()).await;
        image(&world, "ORG-T09", 74, |set| _ = set.text(PLACER, "LO", "PL71")).await;
        let found: [(&str, &str, &[u32]); 6] = [
            ("PlacerOrderNO", "PL71", &[71]),
            ("PlacerOrderNO", "PL72", &[72]),
            ("FillerOrderNO", "FI71", &[71]),
            ("FillerOrderNO", "FI72", &[72]),
            ("PlacerOrderNO", "FI71", &[]),
            ("FillerOrderNO", "PL72", &[]),
        ];
        for (name, value, expected) in found {
            assert_eq!(listed(&world, name, value).await, expected, "{name}={value}");
        }

        // A query for requests does not tell of an item that none of its keys is in.
        let mut query = Query::new(Level::Series);
        query.add_key(STUDY_INSTANCE_UID, "2.25.71").unwrap();
        query.add_nested_key(REQUEST_ATTRIBUTES_SEQUENCE, SCHEDULED_PROCEDURE_STEP_ID, "").unwrap();
        let readable = vec![Readable { org_code: "ORG-T01".to_owned(), confidentiality: Confidentiality::Everything }];
        let find = Find { query, readable, actor: Actor::system("test"), limits: FindLimits::default() };
        let matches = world.archive.find(find, 0, 10).await.unwrap().matches;
        assert_eq!(matches.len(), 1);
        assert!(matches[0].items(REQUEST_ATTRIBUTES_SEQUENCE).is_empty());

        // Rows from before the columns.
        world.execute("UPDATE series_request SET placer_order = '', filler_order = ''", params![]).await;
        assert_eq!(listed(&world, "PlacerOrderNO", "PL71").await, [0; 0]);
        let rules = ReindexRules {
            organization: None,
            default_charset: Charset::gb18030(),
            charsets: std::collections::HashMap::new(),
        };
        assert_eq!(world.archive.reindex_texts(&rules, |_| ()).await.unwrap().changed, 3);
        for (name, value, expected) in found {
            assert_eq!(listed(&world, name, value).await, expected, "{name}={value}");
        }
    }
}
