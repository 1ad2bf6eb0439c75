//! Series by what was requested: sequence matching at every level, on both engines, and rows from before.

use futures_util::future::join_all;
use yingku::archive::Archive;
use yingku::archive::images::store_instance::{Completeness, ReceiveInstance};
use yingku::archive::peers::find::{Confidentiality, Find, FindLimits, Match, Readable};
use yingku::archive::upkeep::reindex::ReindexRules;
use yingku::dicom::text::Charset;
use yingku::domain::query::attribute::tag::*;
use yingku::domain::query::{DateTimeMatching, Level, Query};
use yingku::domain::{Actor, Clock};
use yingku::index::Index;
use yingku::params;

use crate::each_database;
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};
use crate::harness::{TestDatabase, TestStore};

struct World {
    archive: Archive,
    index: Index,
    _store: TestStore,
}

type Requests = &'static [(&'static str, &'static str)];

/// Series of ORG-T01, each in a study of its own, with their requests: step and procedure.
const SERIES: [(u32, Requests); 6] = [
    (1, &[("S1", "P1")]),
    (2, &[("S1", "P2"), ("S2", "P1")]),
    (3, &[("S1", "P1"), ("S1", "P3")]),
    (4, &[("", "P4"), ("步骤", "")]),
    (5, &[]),
    (6, &[("S10", "P'; --")]),
];

impl World {
    async fn open(database: &TestDatabase) -> Self {
        let store = TestStore::folder();
        let objects = store.open();
        let (index, ids) = database.open_with_ids().await;
        let archive = crate::harness::archive::build(index.clone(), objects, Clock::System, ids);
        let world = Self { archive, index, _store: store };
        for (number, requests) in SERIES {
            world.add("ORG-T01", number, requests).await;
        }
        world.add("ORG-T02", 1, &[("S1", "P1")]).await;
        world
    }

    /// Two instances of one series.
    async fn add(&self, org_code: &str, number: u32, requests: Requests) {
        for instance in 1..=2 {
            self.add_instance(org_code, number, instance, requests).await;
        }
    }

    async fn add_instance(&self, org_code: &str, number: u32, instance: u32, requests: Requests) {
        let uid = format!("2.25.{number}.1.{instance}");
        let items: Vec<[(u32, &str, &str); 2]> = requests
            .iter()
            .map(|(step, procedure)| {
                [(SCHEDULED_PROCEDURE_STEP_ID, "SH", *step), (REQUESTED_PROCEDURE_ID, "SH", *procedure)]
            })
            .collect();
        let items: Vec<&[(u32, &str, &str)]> = items.iter().map(|item| item.as_slice()).collect();
        let mut set = DataSet::ct(&uid);
        set.text(0x0008_0005, "CS", "ISO_IR 192")
            .text(STUDY_INSTANCE_UID, "UI", &format!("2.25.{number}"))
            .text(SERIES_INSTANCE_UID, "UI", &format!("2.25.{number}.1"))
            .text(PERFORMED_PROCEDURE_STEP_START_DATE, "DA", &format!("2024010{number}"))
            .text(PERFORMED_PROCEDURE_STEP_START_TIME, "TM", "1030")
            .items(REQUEST_ATTRIBUTES_SEQUENCE, &items);
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
        let mut writer = self.archive.receive_instance(command).await.unwrap();
        writer.write(&set.encode()).await.unwrap();
        writer.commit().await.unwrap();
    }

    /// What the one series that fits is said to answer: steps and procedures.
    async fn items(&self, keys: &[(u32, &str)]) -> Vec<Vec<String>> {
        let found = self.matches(query(Level::Series, keys), 500).await;
        assert_eq!(found.len(), 1, "{keys:?}");
        let items = found[0].items(REQUEST_ATTRIBUTES_SEQUENCE);
        items.into_iter().map(|item| item.values().map(|text| (*text).to_owned()).collect()).collect()
    }

    async fn matches(&self, query: Query, page_rows: u32) -> Vec<Match> {
        let readable = vec![Readable { org_code: "ORG-T01".to_owned(), confidentiality: Confidentiality::Everything }];
        let limits = FindLimits { page_rows, ..FindLimits::default() };
        let find = Find { query, readable, actor: Actor::system("test"), limits };
        self.archive.find(find, 0, 1000).await.unwrap().matches
    }

    /// The numbers of the series that fit; the same for every size of a page and every level.
    async fn series(&self, keys: &[(u32, &str)]) -> Vec<u32> {
        let mut answers = Vec::new();
        for (level, each) in [(Level::Series, 1), (Level::Instance, 2)] {
            for page_rows in [1, 2, 500] {
                let matches = self.matches(query(level, keys), page_rows).await;
                let mut numbers: Vec<u32> = matches
                    .iter()
                    .map(|found| found.text(STUDY_INSTANCE_UID).trim_start_matches("2.25.").parse().unwrap())
                    .collect();
                numbers.sort_unstable();
                let found = numbers.len();
                numbers.dedup();
                assert_eq!(found, numbers.len() * each, "each once: {keys:?} {page_rows}");
                answers.push(numbers);
            }
        }
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{keys:?} {answers:?}");
        answers.remove(0)
    }
}

fn query(level: Level, keys: &[(u32, &str)]) -> Query {
    let mut query = Query::new(level);
    for (tag, value) in keys {
        match *tag {
            SCHEDULED_PROCEDURE_STEP_ID | REQUESTED_PROCEDURE_ID => {
                query.add_nested_key(REQUEST_ATTRIBUTES_SEQUENCE, *tag, value).unwrap()
            }
            tag => query.add_key(tag, value).unwrap(),
        };
    }
    query
}

const STEP: u32 = SCHEDULED_PROCEDURE_STEP_ID;
const PROCEDURE: u32 = REQUESTED_PROCEDURE_ID;

each_database! {
    async fn series_are_found_by_the_items_of_their_requests(database: TestDatabase) {
        let world = World::open(&database).await;
        type Asked = (&'static [(u32, &'static str)], &'static [u32]);
        let table: &[Asked] = &[
            (&[(STEP, "S1")], &[1, 2, 3]),
            (&[(PROCEDURE, "P1")], &[1, 2, 3]),
            (&[(STEP, "S1"), (PROCEDURE, "P1")], &[1, 3]),
            (&[(STEP, "S2"), (PROCEDURE, "P2")], &[]),
            (&[(STEP, "S?")], &[1, 2, 3]),
            (&[(STEP, "S1*")], &[1, 2, 3, 6]),
            (&[(STEP, "S*"), (PROCEDURE, "P2")], &[2]),
            (&[(STEP, "S2\\S10")], &[2, 6]),
            (&[(STEP, "步骤")], &[4]),
            (&[(STEP, "步*"), (PROCEDURE, "P4")], &[]),
            (&[(STEP, "")], &[1, 2, 3, 4, 5, 6]),
            (&[(STEP, "*")], &[1, 2, 3, 4, 5, 6]),
            (&[(PROCEDURE, "P'; --")], &[6]),
            (&[(PROCEDURE, "%")], &[]),
            (&[(STEP, "S1"), (STUDY_DATE, "20240322"), (MODALITY, "CT")], &[1, 2, 3]),
            (&[(STEP, "S1"), (STUDY_INSTANCE_UID, "2.25.2\\2.25.5")], &[2]),
            (&[(STEP, "S1"), (ACCESSION_NUMBER, "A0001"), (PERFORMED_PROCEDURE_STEP_START_DATE, "20240102-20240106")], &[2, 3]),
            (&[(PERFORMED_PROCEDURE_STEP_START_DATE, "20240104-")], &[4, 5, 6]),
            (&[(PERFORMED_PROCEDURE_STEP_START_TIME, "1100-")], &[]),
        ];
        for (keys, expected) in table {
            assert_eq!(world.series(keys).await, *expected, "{keys:?}");
        }
        let keys = [(PERFORMED_PROCEDURE_STEP_START_DATE, "20240101-20240102"), (PERFORMED_PROCEDURE_STEP_START_TIME, "1100-1000")];
        let combined = query(Level::Series, &keys).with_date_time(DateTimeMatching::Combined);
        assert!(world.matches(combined, 500).await.is_empty(), "the first day from 11 on, the second until 10");
    }

    async fn the_items_that_fit_are_told(database: TestDatabase) {
        let world = World::open(&database).await;
        let of_two = (STUDY_INSTANCE_UID, "2.25.2");
        let expect = |items: &[&[&str]]| -> Vec<Vec<String>> {
            items.iter().map(|item| item.iter().map(|text| (*text).to_owned()).collect()).collect()
        };
        let all = world.items(&[of_two, (STEP, ""), (PROCEDURE, "")]).await;
        assert_eq!(all, expect(&[&["S1", "P2"], &["S2", "P1"]]));
        let one = world.items(&[of_two, (STEP, "S*"), (PROCEDURE, "P1")]).await;
        assert_eq!(one, expect(&[&["S2", "P1"]]));
        let only_step = world.items(&[of_two, (STEP, "S1")]).await;
        assert_eq!(only_step, expect(&[&["S1"]]));
        let gaps = world.items(&[(STUDY_INSTANCE_UID, "2.25.4"), (STEP, ""), (PROCEDURE, "")]).await;
        assert_eq!(gaps, expect(&[&["", "P4"], &["步骤", ""]]));
        let none = world.items(&[(STUDY_INSTANCE_UID, "2.25.5"), (STEP, "")]).await;
        assert_eq!(none, expect(&[]));
    }

    async fn what_later_instances_of_a_series_answer_is_added(database: TestDatabase) {
        let world = World::open(&database).await;
        let slices: [Requests; 6] =
            [&[], &[("S1", "P1")], &[("S1", "P1")], &[("S2", "P2"), ("S1", "P1")], &[], &[("S3", "")]];
        for (requests, instance) in slices.into_iter().zip(1..) {
            world.add_instance("ORG-T01", 7, instance, requests).await;
        }
        // Many at the same time, of which each says something of its own.
        let twelve: [Requests; 12] = [
            &[("T1", "")], &[("T2", "")], &[("T3", "")], &[("T4", "")], &[("T5", "")], &[("T6", "")],
            &[("T7", "")], &[("T8", "")], &[("T9", "")], &[("TA", "")], &[("TB", "")], &[("TC", "")],
        ];
        let add = |(requests, instance)| world.add_instance("ORG-T01", 8, instance, requests);
        join_all(twelve.into_iter().zip(1..).map(add)).await;

        let expected = [["S1", "P1"], ["S2", "P2"], ["S3", ""]].map(|item| item.map(str::to_owned).to_vec());
        let of_seven = [(STUDY_INSTANCE_UID, "2.25.7"), (STEP, ""), (PROCEDURE, "")];
        assert_eq!(world.items(&of_seven).await, expected, "each once, in the order of arrival");
        assert_eq!(world.items(&[(STUDY_INSTANCE_UID, "2.25.7"), (STEP, "S2"), (PROCEDURE, "")]).await, expected[1..2]);
        let of_eight = world.items(&[(STUDY_INSTANCE_UID, "2.25.8"), (STEP, ""), (PROCEDURE, "")]).await;
        assert_eq!(of_eight.len(), 12, "{of_eight:?}");
        // Reading texts again, which looks at the first instance, takes nothing away.
        let rules = ReindexRules {
            organization: Some("ORG-T01".to_owned()),
            default_charset: Charset::gb18030(),
            charsets: std::collections::HashMap::new(),
        };
        assert_eq!(world.archive.reindex_texts(&rules, |_| ()).await.unwrap().changed, 0);
        assert_eq!(world.items(&of_seven).await, expected);
    }

    async fn rows_from_before_get_their_requests_when_texts_are_read_again(database: TestDatabase) {
        let world = World::open(&database).await;
        world.index.write(|tx| Box::pin(async move {
            tx.execute("DELETE FROM series_request", params![]).await?;
            tx.execute("UPDATE series SET performed_date = '', performed_time = ''", params![]).await
        })).await.map_err(|error: yingku::index::Error| error).unwrap();
        assert!(world.series(&[(STEP, "S1")]).await.is_empty());
        let rules = ReindexRules {
            organization: Some("ORG-T01".to_owned()),
            default_charset: Charset::gb18030(),
            charsets: std::collections::HashMap::new(),
        };

        let done = world.archive.reindex_texts(&rules, |_| ()).await.unwrap();

        assert_eq!((done.studies, done.changed), (6, 6));
        assert_eq!(world.series(&[(STEP, "S1"), (PROCEDURE, "P1")]).await, [1, 3]);
        assert_eq!(world.series(&[(PERFORMED_PROCEDURE_STEP_START_DATE, "20240105")]).await, [5]);
        assert_eq!(world.archive.reindex_texts(&rules, |_| ()).await.unwrap().changed, 0, "nothing is left to change");
        let of_others = "SELECT step_id FROM series_request WHERE org_code = 'ORG-T02'";
        assert!(world.index.query(of_others, params![]).await.unwrap().is_empty());
    }
}
