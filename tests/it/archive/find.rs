//! Queries: every kind of matching, every level, pages of any size, other organisations, on both engines.

use yingku::archive::Archive;
use yingku::archive::images::store_instance::{Completeness, ReceiveInstance};
use yingku::archive::peers::find::{Confidentiality, Find, FindLimits, Match, Readable};
use yingku::archive::peers::retrieve::{Retrieve, RetrieveKeys};
use yingku::dicom::text::Charset;
use yingku::domain::query::attribute::tag::*;
use yingku::domain::query::{DateTimeMatching, KeySupport, Level, NameMatching, Query};
use yingku::domain::{Actor, Clock};
use yingku::index::Index;
use yingku::params;

use crate::each_database;
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};
use crate::harness::{TestDatabase, TestStore};

const MR_IMAGE: &str = "1.2.840.10008.5.1.4.1.1.4";

/// study number, patient id, name, date, time, accession number, description, modalities of its series
type Row =
    (u32, &'static str, &'static str, &'static str, &'static str, &'static str, &'static str, &'static [&'static str]);

const STUDIES: &[Row] = &[
    (1, "L0001", "Wang^Xiaoming=王^小明", "20240101", "080000", "A0001", "CHEST 100%", &["CT", "SR"]),
    (2, "L0001", "Wang^Xiaoming=王^小明", "20240102", "235959.5", "A0002", "CHEST_1", &["MR"]),
    (3, "L0002", "WANG^XIAOHONG=王^小红=wang^xiaohong", "20240102", "0930", "A0003", "chest 1", &["CT"]),
    (4, "L0003", "李^四", "20240103", "120000", "A0004", "ABDOMEN", &["CT", "CT", "MR"]),
    (5, "L0004", "Müller^Jürgen", "20231231", "", "A0005", "", &["DX"]),
    (6, "L'OR 1=1", "O'Brien^Pat", "20240104", "100000", "A'006", "a\"b;--", &["US"]),
    (7, "L%", "Percent^One", "20240104", "100001", "A_07", "100X", &["US"]),
    (8, "L0008", "", "", "", "", "", &[""]),
];

struct World {
    archive: Archive,
    index: Index,
    _store: TestStore,
}

impl World {
    async fn open(database: &TestDatabase) -> Self {
        let store = TestStore::folder();
        let objects = store.open();
        let (index, ids) = database.open_with_ids().await;
        let archive = crate::harness::archive::build(index.clone(), objects, Clock::System, ids);
        let world = Self { archive, index, _store: store };
        for study in STUDIES {
            world.add("ORG-T01", study).await;
        }
        let elsewhere = (1, "L0001", "Wang^Xiaoming=王^小明", "20240101", "080000", "A0001", "ELSEWHERE", &["CT"][..]);
        world.add("ORG-T02", &elsewhere).await;
        world.add("ORG-T02", &(20, "L0020", "Zhao^Liu", "20240110", "1000", "A0020", "SECRET", &["CT"])).await;
        world
    }

    /// Series n of study s is 2.25.s.n; it has n instances.
    async fn add(&self, org_code: &str, study: &Row) {
        let (number, patient_id, name, date, time, accession, description, modalities) = study;
        for (series, modality) in (1..).zip(*modalities) {
            for instance in 1..=series {
                let uid = format!("2.25.{number}.{series}.{instance}");
                let class = if *modality == "MR" { MR_IMAGE } else { CT_IMAGE };
                let mut set = DataSet::ct(&uid);
                set.text(0x0008_0005, "CS", "ISO_IR 192")
                    .text(SOP_CLASS_UID, "UI", class)
                    .text(PATIENT_ID, "LO", patient_id)
                    .text(PATIENT_NAME, "PN", name)
                    .text(STUDY_DATE, "DA", date)
                    .text(STUDY_TIME, "TM", time)
                    .text(ACCESSION_NUMBER, "SH", accession)
                    .text(STUDY_DESCRIPTION, "LO", description)
                    .text(MODALITY, "CS", modality)
                    .text(STUDY_INSTANCE_UID, "UI", &format!("2.25.{number}"))
                    .text(SERIES_INSTANCE_UID, "UI", &format!("2.25.{number}.{series}"))
                    .text(SERIES_NUMBER, "IS", &series.to_string())
                    .text(INSTANCE_NUMBER, "IS", &instance.to_string());
                self.store(org_code, &uid, class, &set).await;
            }
        }
    }

    async fn store(&self, org_code: &str, uid: &str, class: &str, set: &DataSet) {
        let command = ReceiveInstance {
            org_code: org_code.to_owned(),
            calling_ae_title: "PACS01".to_owned(),
            default_charset: Charset::default(),
            sop_class_uid: class.to_owned(),
            sop_instance_uid: uid.to_owned(),
            transfer_syntax_uid: EXPLICIT_LE.to_owned(),
            completeness: Completeness::AsSent,
            actor: Actor::system("test"),
        };
        let mut writer = self.archive.receive_instance(command).await.unwrap();
        writer.write(&set.encode()).await.unwrap();
        writer.commit().await.unwrap();
    }

    async fn find_for(&self, query: Query, readable: Vec<Readable>, page_rows: u32) -> Vec<Match> {
        let limits = FindLimits { page_rows, ..FindLimits::default() };
        let find = Find { query, readable, actor: Actor::system("test"), limits };
        self.archive.find(find, 0, 1000).await.unwrap().matches
    }

    /// The unique keys of what fits, sorted; the same for every size of a page.
    async fn found(&self, level: Level, keys: &[(u32, &str)]) -> Vec<String> {
        self.found_by(query(level, keys)).await
    }

    async fn found_by(&self, query: Query) -> Vec<String> {
        let mut answers = Vec::new();
        for page_rows in [1, 2, 500] {
            let matches = self.find_for(query.clone(), own(), page_rows).await;
            let mut keys: Vec<String> =
                matches.iter().map(|found| found.text(query.level().unique_key()).to_owned()).collect();
            keys.sort();
            answers.push(keys);
        }
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[1], answers[2]);
        answers.remove(0)
    }

    async fn studies(&self, keys: &[(u32, &str)]) -> Vec<u32> {
        let uids = self.found(Level::Study, keys).await;
        uids.iter().map(|uid| uid.trim_start_matches("2.25.").parse().unwrap()).collect()
    }
}

fn own() -> Vec<Readable> {
    vec![Readable { org_code: "ORG-T01".to_owned(), confidentiality: Confidentiality::Everything }]
}

fn query(level: Level, keys: &[(u32, &str)]) -> Query {
    let mut query = Query::new(level);
    for (tag, value) in keys {
        assert_ne!(query.add_key(*tag, value).unwrap(), KeySupport::Unsupported, "{tag:08X}");
    }
    query
}

each_database! {
    async fn each_kind_of_matching_finds_its_studies(database: TestDatabase) {
        let world = World::open(&database).await;
        type Asked = (&'static [(u32, &'static str)], &'static [u32]);
        const ALL: &[u32] = &[1, 2, 3, 4, 5, 6, 7, 8];
        let table: &[Asked] = &[
            (&[], ALL),
            (&[(PATIENT_NAME, "*")], ALL),
            (&[(STUDY_INSTANCE_UID, "2.25.3")], &[3]),
            (&[(STUDY_INSTANCE_UID, "2.25.3\\2.25.1\\2.25.99")], &[1, 3]),
            (&[(STUDY_INSTANCE_UID, "2.25.20")], &[]),
            (&[(ACCESSION_NUMBER, "A0002")], &[2]),
            (&[(ACCESSION_NUMBER, "a0002")], &[]),
            (&[(ACCESSION_NUMBER, "A000?")], &[1, 2, 3, 4, 5]),
            (&[(ACCESSION_NUMBER, "A0*")], &[1, 2, 3, 4, 5]),
            (&[(ACCESSION_NUMBER, "*2")], &[2]),
            (&[(ACCESSION_NUMBER, "A_07")], &[7]),
            (&[(ACCESSION_NUMBER, "A_0*")], &[7]),
            (&[(ACCESSION_NUMBER, "A'006")], &[6]),
            (&[(ACCESSION_NUMBER, "A0001\\A0002")], &[1, 2]),
            (&[(PATIENT_ID, "L0001")], &[1, 2]),
            (&[(PATIENT_ID, "L0001"), (STUDY_DATE, "20240102")], &[2]),
            (&[(PATIENT_ID, "L'OR 1=1")], &[6]),
            (&[(PATIENT_ID, "L%")], &[7]),
            (&[(PATIENT_ID, "L%*")], &[7]),
            (&[(PATIENT_ID, "L*")], ALL),
            (&[(PATIENT_ID, "?0003")], &[4]),
            (&[(STUDY_DATE, "20240102")], &[2, 3]),
            (&[(STUDY_DATE, "20240102-20240103")], &[2, 3, 4]),
            (&[(STUDY_DATE, "-20240101")], &[1, 5]),
            (&[(STUDY_DATE, "20240103-")], &[4, 6, 7]),
            (&[(STUDY_TIME, "0900-1000")], &[3, 6, 7]),
            (&[(STUDY_TIME, "0930")], &[3]),
            (&[(STUDY_DESCRIPTION, "CHEST 100%")], &[1]),
            (&[(STUDY_DESCRIPTION, "CHEST_1")], &[2]),
            (&[(STUDY_DESCRIPTION, "CHEST*")], &[1, 2]),
            (&[(STUDY_DESCRIPTION, "*\"b;--")], &[6]),
            (&[(STUDY_DESCRIPTION, "100%*")], &[]),
            (&[(PATIENT_NAME, "wang^xiaoming")], &[1, 2]),
            (&[(PATIENT_NAME, "WANG*")], &[1, 2, 3]),
            (&[(PATIENT_NAME, "wang^xiaoh*")], &[3]),
            (&[(PATIENT_NAME, "王*")], &[1, 2, 3]),
            (&[(PATIENT_NAME, "*小红")], &[3]),
            (&[(PATIENT_NAME, "*小红*"), (STUDY_DATE, "20240101-20241231")], &[3]),
            (&[(PATIENT_NAME, "王^小?")], &[1, 2, 3]),
            (&[(PATIENT_NAME, "wang*"), (STUDY_DATE, "20240102")], &[2, 3]),
            (&[(PATIENT_NAME, "wang*=王^小明")], &[1, 2]),
            (&[(PATIENT_NAME, "李^四")], &[4]),
            (&[(PATIENT_NAME, "MÜLLER^*")], &[5]),
            (&[(PATIENT_NAME, "o'brien*")], &[6]),
            (&[(PATIENT_NAME, "%")], &[]),
            (&[(MODALITIES_IN_STUDY, "CT")], &[1, 3, 4]),
            (&[(MODALITIES_IN_STUDY, "CT\\US")], &[1, 3, 4, 6, 7]),
            (&[(MODALITIES_IN_STUDY, "?R")], &[1, 2, 4]),
            (&[(MODALITIES_IN_STUDY, "MR"), (STUDY_DATE, "20240101-20240102")], &[2]),
            (&[(MODALITIES_IN_STUDY, "CT"), (PATIENT_NAME, "wang*")], &[1, 3]),
            (&[(MODALITIES_IN_STUDY, "%")], &[]),
            (&[(SOP_CLASSES_IN_STUDY, MR_IMAGE)], &[2, 4]),
            (&[(PATIENT_SEX, "F"), (PATIENT_BIRTH_DATE, "19900101")], ALL),
            (&[(PATIENT_SEX, "M")], &[]),
        ];
        for (keys, expected) in table {
            assert_eq!(world.studies(keys).await, *expected, "{keys:?}");
        }
    }

    async fn each_level_finds_its_own_and_counts_what_is_below(database: TestDatabase) {
        let world = World::open(&database).await;

        let patients = world.found(Level::Patient, &[(PATIENT_NAME, "wang*")]).await;
        assert_eq!(patients, ["L0001", "L0002"]);
        assert_eq!(world.found(Level::Patient, &[(PATIENT_ID, "L000?")]).await, ["L0001", "L0002", "L0003", "L0004", "L0008"]);
        assert_eq!(world.found(Level::Patient, &[]).await.len(), 7);
        assert_eq!(world.found(Level::Series, &[(STUDY_INSTANCE_UID, "2.25.4")]).await, ["2.25.4.1", "2.25.4.2", "2.25.4.3"]);
        assert_eq!(world.found(Level::Series, &[(STUDY_INSTANCE_UID, "2.25.4"), (MODALITY, "MR")]).await, ["2.25.4.3"]);
        assert_eq!(world.found(Level::Series, &[(SERIES_INSTANCE_UID, "2.25.4.2")]).await, ["2.25.4.2"]);
        assert_eq!(world.found(Level::Series, &[(SERIES_NUMBER, "2"), (MODALITY, "SR")]).await, ["2.25.1.2"]);
        let relational = world.found(Level::Series, &[(MODALITY, "CT"), (STUDY_DATE, "20240101-20240131")]).await;
        assert_eq!(relational, ["2.25.1.1", "2.25.3.1", "2.25.4.1", "2.25.4.2"]);
        let instances = [(STUDY_INSTANCE_UID, "2.25.4"), (SERIES_INSTANCE_UID, "2.25.4.3")];
        assert_eq!(world.found(Level::Instance, &instances).await, ["2.25.4.3.1", "2.25.4.3.2", "2.25.4.3.3"]);
        let list = [(SOP_INSTANCE_UID, "2.25.4.3.1\\2.25.1.1.1\\2.25.9.9")];
        assert_eq!(world.found(Level::Instance, &list).await, ["2.25.1.1.1", "2.25.4.3.1"]);
        assert_eq!(world.found(Level::Instance, &[(PATIENT_NAME, "李*"), (INSTANCE_NUMBER, "3")]).await, ["2.25.4.3.3"]);
        assert_eq!(world.found(Level::Instance, &[]).await.len(), 15);

        let mut asked = query(Level::Study, &[(STUDY_INSTANCE_UID, "2.25.4")]);
        asked.add_every_return();
        let study = &world.find_for(asked, own(), 500).await[0];
        assert_eq!(study.values[&MODALITIES_IN_STUDY], ["CT", "MR"]);
        assert_eq!(study.values[&SOP_CLASSES_IN_STUDY], [CT_IMAGE, MR_IMAGE]);
        assert_eq!((study.text(NUMBER_OF_STUDY_RELATED_SERIES), study.text(NUMBER_OF_STUDY_RELATED_INSTANCES)), ("3", "6"));
        assert_eq!(study.text(INSTANCE_AVAILABILITY), "ONLINE");
        assert_eq!(study.text(PATIENT_NAME), "李^四");
        assert!(!study.values.contains_key(&MODALITY));
        let mut asked = query(Level::Series, &[(SERIES_INSTANCE_UID, "2.25.4.2")]);
        asked.add_every_return();
        assert_eq!(world.find_for(asked, own(), 500).await[0].text(NUMBER_OF_SERIES_RELATED_INSTANCES), "2");
        let mut asked = query(Level::Patient, &[(PATIENT_ID, "L0001")]);
        asked.add_every_return();
        let patient = &world.find_for(asked, own(), 500).await[0];
        let counts = [NUMBER_OF_PATIENT_RELATED_STUDIES, NUMBER_OF_PATIENT_RELATED_SERIES, NUMBER_OF_PATIENT_RELATED_INSTANCES];
        assert_eq!(counts.map(|tag| patient.text(tag)), ["2", "3", "4"]);
    }

    async fn what_only_an_upstream_archive_has_is_unavailable(database: TestDatabase) {
        let world = World::open(&database).await;
        let gone = "UPDATE instance SET offline_at = 1, object_key = '' WHERE sop_instance_uid = $1 AND org_code = 'ORG-T01'";
        let write = world.index.write(move |tx| Box::pin(async move { tx.execute(gone, params!["2.25.4.2.1"]).await }));
        let written: Result<u64, yingku::index::Error> = write.await;
        assert_eq!(written.unwrap(), 1);

        for (level, key, uid, availability) in [
            (Level::Study, STUDY_INSTANCE_UID, "2.25.4", "OFFLINE"),
            (Level::Study, STUDY_INSTANCE_UID, "2.25.3", "ONLINE"),
            (Level::Series, SERIES_INSTANCE_UID, "2.25.4.2", "OFFLINE"),
            (Level::Series, SERIES_INSTANCE_UID, "2.25.4.1", "ONLINE"),
            (Level::Instance, SOP_INSTANCE_UID, "2.25.4.2.1", "OFFLINE"),
            (Level::Instance, SOP_INSTANCE_UID, "2.25.4.2.2", "ONLINE"),
        ] {
            let mut asked = query(level, &[(key, uid)]);
            asked.add_every_return();
            assert_eq!(world.find_for(asked, own(), 500).await[0].text(INSTANCE_AVAILABILITY), availability, "{uid}");
        }
    }

    async fn dates_and_times_go_together_when_asked(database: TestDatabase) {
        let world = World::open(&database).await;
        let keys = [(STUDY_DATE, "20240101-20240103"), (STUDY_TIME, "0900-1000")];
        let separate = world.found_by(query(Level::Study, &keys)).await;
        let combined = world.found_by(query(Level::Study, &keys).with_date_time(DateTimeMatching::Combined)).await;
        assert_eq!(separate, ["2.25.3"]);
        assert_eq!(combined, ["2.25.2", "2.25.3"]);
    }

    async fn others_are_seen_only_where_allowed_and_without_what_is_confidential(database: TestDatabase) {
        let world = World::open(&database).await;
        let both = |confidentiality| {
            let mut readable = own();
            readable.push(Readable { org_code: "ORG-T02".to_owned(), confidentiality });
            readable
        };
        let accession = query(Level::Study, &[(ACCESSION_NUMBER, "A0001")]);
        let found = world.find_for(accession.clone(), own(), 500).await;
        assert_eq!(found.iter().map(|m| m.org_code.as_str()).collect::<Vec<_>>(), ["ORG-T01"]);
        let found = world.find_for(accession, both(Confidentiality::SharedOnly), 500).await;
        assert_eq!(found.iter().map(|m| m.org_code.as_str()).collect::<Vec<_>>(), ["ORG-T01", "ORG-T02"]);
        assert!(world.find_for(query(Level::Instance, &[]), Vec::new(), 500).await.is_empty());

        let insert = "INSERT INTO exam_report (id, observation_uid, version, content_hash, sender, reviewed, vip, \
                      restricted, withdrawn, identity_conflict, modality, retrieve_at, observed_at, received_at, \
                      updated_at, org_code, report_form_no, patient_id, event_type, event_no) \
                      VALUES (1, 'u', 1, '', '', 1, 0, 1, 0, 0, 'CT', '', '', 0, 0, 'ORG-T02', 'R', 'P', '1', 'E')";
        let link = "INSERT INTO exam_study (exam_report_pk, study_pk, rule, linked_at) \
                    SELECT 1, id, 'manual', 0 FROM study WHERE study_instance_uid = '2.25.20'";
        world.index.write(move |tx| Box::pin(async move {
            tx.execute(insert, Vec::new()).await?;
            tx.execute(link, Vec::new()).await
        })).await.map(|_: u64| ()).map_err(|e: yingku::index::Error| e).unwrap();
        for level in [Level::Patient, Level::Study, Level::Series, Level::Instance] {
            let asked = query(level, &[(PATIENT_NAME, "zhao*")]);
            assert_eq!(world.find_for(asked.clone(), both(Confidentiality::SharedOnly), 500).await.len(), 0, "{level:?}");
            assert_eq!(world.find_for(asked, both(Confidentiality::Everything), 500).await.len(), 1, "{level:?}");
        }
    }

    async fn images_of_a_vip_without_a_report_are_neither_found_nor_given_to_others(database: TestDatabase) {
        let world = World::open(&database).await;
        let insert = "INSERT INTO exam_report (id, observation_uid, version, content_hash, sender, reviewed, vip, \
                      restricted, withdrawn, identity_conflict, modality, retrieve_at, observed_at, received_at, \
                      updated_at, org_code, report_form_no, patient_id, patient_local_id, event_type, event_no) VALUES \
                      (1, 'u', 1, '', '', 1, 1, 0, 0, 0, 'CT', '', '', 0, 0, 'ORG-T02', 'R', 'P', 'L0020', '1', 'E')";
        world.index.write(move |tx| Box::pin(async move { tx.execute(insert, Vec::new()).await }))
            .await.map(|_: u64| ()).map_err(|e: yingku::index::Error| e).unwrap();
        let uids = |uid: &str| vec![uid.to_owned()];
        let none = RetrieveKeys::default;
        for (confidentiality, seen) in
            [(Confidentiality::SharedOnly, 0), (Confidentiality::Privileged, 1), (Confidentiality::Everything, 1)]
        {
            let readable = vec![Readable { org_code: "ORG-T02".to_owned(), confidentiality }];
            for level in [Level::Patient, Level::Study, Level::Series, Level::Instance] {
                let found = world.find_for(query(level, &[(PATIENT_NAME, "zhao*")]), readable.clone(), 500).await;
                assert_eq!(found.len(), seen, "{level:?} {confidentiality:?}");
                let other = world.find_for(query(level, &[(PATIENT_NAME, "wang*")]), readable.clone(), 500).await;
                assert_eq!(other.len(), 1, "{level:?} {confidentiality:?}: another patient's");
            }
            for keys in [
                RetrieveKeys { patient_id: Some("L0020".to_owned()), ..none() },
                RetrieveKeys { study_instance_uids: uids("2.25.20"), ..none() },
                RetrieveKeys { series_instance_uids: uids("2.25.20.1"), ..none() },
                RetrieveKeys { sop_instance_uids: uids("2.25.20.1.1"), ..none() },
            ] {
                let asked = Retrieve {
                    verb: "C-MOVE",
                    keys: keys.clone(),
                    readable: readable.clone(),
                    destination: "ARCHIVE".to_owned(),
                    actor: Actor::system("test"),
                    max_instances: 100,
                };
                let given = world.archive.retrieve(asked).await.unwrap();
                assert_eq!(given.len(), seen, "{keys:?} {confidentiality:?}");
            }
        }
    }

    async fn long_lists_and_hostile_values_are_answered(database: TestDatabase) {
        let world = World::open(&database).await;
        let many: Vec<String> = (0..10_000).map(|n| format!("2.25.{n}")).collect();
        assert_eq!(world.studies(&[(STUDY_INSTANCE_UID, &many.join("\\"))]).await, [1, 2, 3, 4, 5, 6, 7, 8]);
        let many: Vec<String> = (0..10_000).map(|n| format!("A{n:04}")).collect();
        assert_eq!(world.studies(&[(ACCESSION_NUMBER, &many.join("\\"))]).await, [1, 2, 3, 4, 5]);
        let stars = "*a*?".repeat(250);
        for tag in [PATIENT_NAME, PATIENT_ID, ACCESSION_NUMBER, STUDY_DESCRIPTION, MODALITIES_IN_STUDY] {
            assert_eq!(world.studies(&[(tag, &stars)]).await, Vec::<u32>::new());
            for value in ["'", "'; DROP TABLE study; --", "\u{FFFF}*", "%_%", "$1", "?", "😀*", "A\u{7f}*"] {
                world.studies(&[(tag, value)]).await;
            }
        }
        assert_eq!(world.studies(&[]).await.len(), STUDIES.len());
    }

    async fn a_part_begins_where_it_is_told_and_says_whether_more_follow(database: TestDatabase) {
        let world = World::open(&database).await;
        let find = |page_rows| Find {
            query: query(Level::Study, &[(STUDY_DATE, "20240101-")]),
            readable: own(),
            actor: Actor::system("test"),
            limits: FindLimits { page_rows, ..FindLimits::default() },
        };
        let uids = |matches: &[Match]| matches.iter().map(|m| m.text(STUDY_DATE).to_owned()).collect::<Vec<_>>();
        let first = world.archive.find(find(2), 0, 3).await.unwrap();
        assert_eq!(uids(&first.matches), ["20240104", "20240104", "20240103"], "newest first");
        assert!(first.has_more);
        let second = world.archive.find(find(500), 3, 3).await.unwrap();
        assert_eq!(uids(&second.matches), ["20240102", "20240102", "20240101"]);
        assert!(!second.has_more);
        assert!(world.archive.find(find(2), 6, 3).await.unwrap().matches.is_empty());
        let audited = world.index.query("SELECT outcome, detail FROM audit WHERE action = 'find' ORDER BY id", params![]).await;
        let audited: Vec<String> = audited.unwrap().iter().map(|row| row.text("outcome").unwrap()).collect();
        assert_eq!(audited, ["limited", "ok", "ok"]);
    }

    async fn names_fit_by_their_words_when_that_is_asked(database: TestDatabase) {
        let world = World::open(&database).await;
        for (names, expected) in [
            ("xiao wang", &["2.25.1", "2.25.2", "2.25.3"][..]),
            ("小明", &["2.25.1", "2.25.2"]),
            ("王小", &["2.25.1", "2.25.2", "2.25.3"]),
            ("王小红", &["2.25.3"]),
            ("ＸＩＡＯＨＯＮＧ", &["2.25.3"]),
            ("xiaoming=王", &["2.25.1", "2.25.2"]),
            ("四", &["2.25.4"]),
            ("wang^xiaoming^extra", &[]),
            ("pat o'b", &["2.25.6"]),
            ("?ang", &["2.25.1", "2.25.2", "2.25.3"]),
            ("x%", &[]),
        ] {
            for dates in ["", "20240101-20240110", "20230101-20250101"] {
                let mut fuzzy = Query::new(Level::Study).with_names(NameMatching::Fuzzy);
                fuzzy.add_key(PATIENT_NAME, names).unwrap();
                fuzzy.add_key(STUDY_DATE, dates).unwrap();
                assert_eq!(world.found_by(fuzzy).await, expected, "{names} {dates}");
            }
            let mut patients = Query::new(Level::Patient).with_names(NameMatching::Fuzzy);
            patients.add_key(PATIENT_NAME, names).unwrap();
            let found = world.found_by(patients).await;
            assert_eq!(found.is_empty(), expected.is_empty(), "{names}");
            assert!(found.is_sorted() && found.windows(2).all(|pair| pair[0] != pair[1]), "each once: {found:?}");
            let literal = world.found(Level::Study, &[(PATIENT_NAME, names)]).await;
            assert!(literal.len() < expected.len().max(1), "{names} is no beginning of a group");
        }
        // A group that the name does not have is no reason to miss it.
        assert_eq!(world.studies(&[(PATIENT_NAME, "Müller^Jürgen=穆勒尔勒尔勒^于尔根于尔根")]).await, [5]);
    }

    async fn what_is_passed_over_is_not_given_whatever_the_condition(database: TestDatabase) {
        let world = World::open(&database).await;
        for keys in [&[][..], &[(MODALITIES_IN_STUDY, "CT")], &[(MODALITIES_IN_STUDY, "C*")], &[(PATIENT_NAME, "w*")]] {
            let all = world.find_for(query(Level::Study, keys), own(), 500).await;
            for page_rows in [1, 500] {
                for offset in 0..=all.len() {
                    let limits = FindLimits { page_rows, ..FindLimits::default() };
                    let find =
                        Find { query: query(Level::Study, keys), readable: own(), actor: Actor::system("test"), limits };
                    let rest = world.archive.find(find, offset as u64, 1000).await.unwrap().matches;
                    assert_eq!(rest, all[offset..], "{keys:?} {offset}");
                }
            }
        }
    }

    async fn a_query_that_looks_at_too_much_is_told_so(database: TestDatabase) {
        let world = World::open(&database).await;
        let limits = FindLimits { page_rows: 2, max_examined_rows: 3 };
        let asked = query(Level::Study, &[(STUDY_TIME, "0101")]);
        let find = Find { query: asked, readable: own(), actor: Actor::system("test"), limits };
        let error = world.archive.find(find, 0, 10).await.unwrap_err();
        assert!(matches!(error, yingku::archive::Error::TooLarge { .. }), "{error}");
    }

    async fn what_was_stored_before_there_were_keys_is_found_after_the_next_start(database: TestDatabase) {
        let world = World::open(&database).await;
        world.index.write(|tx| Box::pin(async move {
            tx.execute("DELETE FROM study_key", Vec::new()).await?;
            tx.execute("DELETE FROM patient_key", Vec::new()).await?;
            tx.execute("UPDATE study SET keyed = 0", Vec::new()).await?;
            tx.execute("UPDATE patient SET keyed = 0", Vec::new()).await
        })).await.map_err(|e: yingku::index::Error| e).unwrap();
        assert_eq!(world.studies(&[(PATIENT_NAME, "wang*")]).await, Vec::<u32>::new());

        let again = database.open().await;

        assert_eq!(world.studies(&[(PATIENT_NAME, "wang*")]).await, [1, 2, 3]);
        assert_eq!(world.found(Level::Patient, &[(PATIENT_NAME, "王*")]).await, ["L0001", "L0002"]);
        let mut fuzzy = Query::new(Level::Study).with_names(NameMatching::Fuzzy);
        fuzzy.add_key(PATIENT_NAME, "xiaohong").unwrap();
        assert_eq!(world.found_by(fuzzy).await, ["2.25.3"]);
        again.close().await;
    }

    async fn an_object_whose_header_was_unreadable_disturbs_nothing(database: TestDatabase) {
        let world = World::open(&database).await;
        let mut set = DataSet::ct("2.25.30.1.1");
        for tag in [STUDY_DATE, STUDY_TIME, PATIENT_NAME, PATIENT_ID, ACCESSION_NUMBER, MODALITY, SERIES_NUMBER, INSTANCE_NUMBER] {
            set.without(tag);
        }
        set.text(STUDY_INSTANCE_UID, "UI", "2.25.30").text(SERIES_INSTANCE_UID, "UI", "2.25.30.1");
        set.text(PATIENT_BIRTH_DATE, "DA", "unknown");
        world.store("ORG-T01", "2.25.30.1.1", CT_IMAGE, &set).await;
        for level in [Level::Patient, Level::Study, Level::Series, Level::Instance] {
            let mut asked = query(level, &[]);
            asked.add_every_return();
            assert!(!world.find_for(asked, own(), 3).await.is_empty());
        }
        assert_eq!(world.found(Level::Instance, &[(STUDY_INSTANCE_UID, "2.25.30")]).await, ["2.25.30.1.1"]);
        assert_eq!(world.studies(&[(PATIENT_BIRTH_DATE, "19900101-")]).await.len(), STUDIES.len());
    }
}
