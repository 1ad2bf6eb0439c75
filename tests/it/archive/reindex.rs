//! The index rebuilt from storage alone.

use std::collections::{BTreeMap, HashMap};

use yingku::archive::Archive;
use yingku::archive::images::store_attachment::ReceiveAttachment;
use yingku::archive::images::store_instance::{Completeness, ReceiveInstance, StoreOutcome};
use yingku::archive::upkeep::reindex::{LeftOut, ReindexRules, Reindexed};
use yingku::archive::upkeep::verify::Depth;
use yingku::dicom::text::Charset;
use yingku::domain::attachment::{AttachmentKind, AttachmentType};
use yingku::domain::place::Place;
use yingku::domain::{Actor, Clock};
use yingku::index::Index;
use yingku::objects::{Kind, Objects, StorageEngine};

use crate::each_database;
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};
use crate::harness::{TestDatabase, TestStore, archive};

fn rules() -> ReindexRules {
    ReindexRules { organization: None, default_charset: Charset::gb18030(), charsets: HashMap::new() }
}

async fn open(database: &TestDatabase, objects: &Objects) -> (Archive, Index) {
    let (index, ids) = database.open_with_ids().await;
    (archive::build(index.clone(), objects.clone(), Clock::System, ids), index)
}

async fn store(archive: &Archive, org_code: &str, uid: &str, set: &DataSet) -> StoreOutcome {
    store_from(archive, (org_code, "PACS01", Charset::gb18030()), uid, set).await
}

async fn store_from(
    archive: &Archive,
    (org_code, calling_ae_title, default_charset): (&str, &str, Charset),
    uid: &str,
    set: &DataSet,
) -> StoreOutcome {
    let command = ReceiveInstance {
        org_code: org_code.to_owned(),
        calling_ae_title: calling_ae_title.to_owned(),
        default_charset,
        sop_class_uid: CT_IMAGE.to_owned(),
        sop_instance_uid: uid.to_owned(),
        transfer_syntax_uid: EXPLICIT_LE.to_owned(),
        completeness: Completeness::AsSent,
        actor: Actor::system("test"),
    };
    let mut writer = archive.receive_instance(command).await.unwrap();
    writer.write(&set.encode()).await.unwrap();
    writer.commit().await.unwrap()
}

/// Everything that counts of the rows, without ids and times of the index itself.
async fn rows(index: &Index) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (name, sql, columns) in [
        (
            "instance",
            "SELECT i.*, s.series_instance_uid, s.modality, s.kind, t.study_instance_uid, t.patient_name, t.observation_uid \
             FROM instance i JOIN series s ON s.id = i.series_pk JOIN study t ON t.id = s.study_pk",
            &[
                "org_code",
                "sop_instance_uid",
                "sop_class_uid",
                "transfer_syntax_uid",
                "content_hash",
                "object_key",
                "header_state",
                "calling_ae_title",
                "series_instance_uid",
                "modality",
                "kind",
                "study_instance_uid",
                "patient_name",
                "observation_uid",
            ][..],
        ),
        ("version", "SELECT * FROM instance_version", &["content_hash", "object_key", "calling_ae_title"][..]),
        ("conflict", "SELECT * FROM conflict", &["kind", "org_code"][..]),
    ] {
        for row in index.query(sql, Vec::new()).await.unwrap() {
            let texts: Vec<String> = columns.iter().map(|column| row.text(column).unwrap()).collect();
            let numbers =
                if name == "conflict" { &[][..] } else { &["object_offset", "object_length", "dataset_offset"][..] };
            let numbers: Vec<i64> = numbers.iter().map(|column| row.int(column).unwrap()).collect();
            let key = format!("{name} {} {numbers:?}", texts.join(" "));
            found.insert(key, String::new());
        }
    }
    found
}

async fn reindexed(objects: &Objects, rules: &ReindexRules) -> (Archive, Index, Reindexed) {
    let database = TestDatabase::sqlite();
    let (archive, index) = open(&database, objects).await;
    let done = archive.reindex(rules, |_| ()).await.unwrap();
    std::mem::forget(database);
    (archive, index, done)
}

async fn fill(archive: &Archive) {
    for (org_code, number) in [("ORG-T01", 1), ("ORG-T01", 2), ("ORG-T02", 1), ("ORG-T02", 3)] {
        let uid = format!("2.25.{number}");
        let mut set = DataSet::ct(&uid);
        set.bytes(0x0010_0010, "PN", b"\xB2\xE2\xCA\xD4\xBC\xD7");
        assert_eq!(store(archive, org_code, &uid, &set).await, StoreOutcome::Stored);
    }
    let mut other = DataSet::ct("2.25.1");
    other.text(0x0008_1030, "LO", "edited");
    assert_eq!(store(archive, "ORG-T01", "2.25.1", &other).await, StoreOutcome::NewVersion);
    let mut large = DataSet::ct("2.25.9");
    large.bytes(0x7FE0_0010, "OW", &vec![7; 6 * 1024 * 1024]);
    assert_eq!(store(archive, "ORG-T01", "2.25.9", &large).await, StoreOutcome::Stored);
}

/// The object's key in a row of an attachment.
fn key_of(row: &str) -> String {
    row.split(' ').find(|word| word.starts_with("attachment/")).unwrap().to_owned()
}

/// A text of one row.
async fn text(index: &Index, sql: &'static str) -> String {
    index.query(sql, Vec::new()).await.unwrap()[0].text("value").unwrap()
}

each_database! {
    async fn texts_are_read_again_by_another_character_set_and_nothing_else_changes(database: TestDatabase) {
        let objects = TestStore::segments();
        let objects = objects.open();
        let (archive, index) = open(&database, &objects).await;
        for (uid, org_code) in [("2.25.1", "ORG-T01"), ("2.25.2", "ORG-T02")] {
            let mut set = DataSet::ct(uid);
            // Big5, declared by nobody and read as GB18030.
            set.bytes(0x0010_0010, "PN", b"\xB4\xFA\xB8\xD5^\xA5\xD2").bytes(0x0010_0020, "LO", b"\xA5\xD21");
            set.bytes(0x0008_103E, "LO", b"\xA5\xD2").text(0x0020_000D, "UI", &format!("{uid}.9"));
            assert_eq!(store(&archive, org_code, uid, &set).await, StoreOutcome::Stored);
        }
        let before = text(&index, "SELECT patient_name AS value FROM study WHERE org_code = 'ORG-T02'").await;
        assert_ne!(before, "測試^甲");
        let mut right = rules();
        right.organization = Some("ORG-T01".to_owned());
        let sender = |org_code: &str| (org_code.to_owned(), "PACS01".to_owned());
        right.charsets.insert(sender("ORG-T01"), Charset::parse("Big5").unwrap());

        let done = archive.reindex_texts(&right, |_| ()).await.unwrap();

        assert_eq!((done.studies, done.changed, done.unread), (1, 1, 0));
        assert_eq!(text(&index, "SELECT patient_name AS value FROM study WHERE org_code = 'ORG-T01'").await, "測試^甲");
        assert_eq!(text(&index, "SELECT name AS value FROM patient WHERE org_code = 'ORG-T01'").await, "測試^甲");
        assert_eq!(text(&index, "SELECT patient_id AS value FROM patient WHERE org_code = 'ORG-T01'").await, "甲1");
        let series = "SELECT r.series_description AS value FROM series r JOIN study s ON s.id = r.study_pk \
                      WHERE s.org_code = 'ORG-T01'";
        assert_eq!(text(&index, series).await, "甲");
        assert_eq!(text(&index, "SELECT patient_name AS value FROM study WHERE org_code = 'ORG-T02'").await, before);
        let keys = index.query("SELECT search_key FROM study_key WHERE org_code = 'ORG-T01'", Vec::new()).await.unwrap();
        let keys: Vec<String> =
            keys.iter().map(|row| String::from_utf8(row.get::<Vec<u8>>("search_key").unwrap()).unwrap()).collect();
        assert!(keys.contains(&"測試^甲".to_owned()) && keys.contains(&"甲1".to_owned()), "{keys:?}");
        assert!(!keys.iter().any(|key| before.to_lowercase().starts_with(key)), "{keys:?}");
        let audited = text(&index, "SELECT detail AS value FROM audit WHERE action = 'reindex_text'").await;
        assert!(audited.contains("patient_name") && !audited.contains('甲'), "{audited}");

        let again = archive.reindex_texts(&right, |_| ()).await.unwrap();
        assert_eq!((again.studies, again.changed), (1, 0), "nothing is left to change");
        right.organization = None;
        let of_one = archive.reindex_texts(&right, |_| ()).await.unwrap();
        assert_eq!(of_one.changed, 0, "another organisation's sender of the same title is another one");
        right.charsets.insert(sender("ORG-T02"), Charset::parse("Big5").unwrap());
        assert_eq!(archive.reindex_texts(&right, |_| ()).await.unwrap().changed, 1, "the other organisation's");
        right.charsets.clear();
        assert_eq!(archive.reindex_texts(&right, |_| ()).await.unwrap().changed, 2, "and back");
        assert_eq!(text(&index, "SELECT patient_name AS value FROM study WHERE org_code = 'ORG-T01'").await, before);
        assert_eq!(index.query("SELECT id FROM patient", Vec::new()).await.unwrap().len(), 2, "none is left over");
    }

    async fn attachments_come_back_with_what_they_belong_to(database: TestDatabase) {
        let store = TestStore::segments();
        let objects = store.open();
        let (archive, index) = open(&database, &objects).await;
        let film = vec![0_u8; 3 * 1024 * 1024];
        for (number, kind, bytes) in [(1, AttachmentKind::RequestForm, &b"scan"[..]), (2, AttachmentKind::Video, &film[..])] {
            let command = ReceiveAttachment {
                org_code: "ORG-T01".to_owned(),
                kind,
                media_type: AttachmentType::Unknown,
                title: "申请单".to_owned(),
                accession_number: format!("A{number}"),
                patient_id: "P0001".to_owned(),
                study_instance_uid: "2.25.1".to_owned(),
                source_name: "scan.bin".to_owned(),
                actor: Actor::system("test"),
            };
            let mut writer = archive.receive_attachment(command).unwrap();
            writer.write(bytes).await.unwrap();
            writer.commit().await.unwrap();
        }
        let rows = async |index: &Index| {
            let sql = "SELECT org_code || ' ' || kind || ' ' || media_type || ' ' || title || ' ' || accession_number || ' ' || \
                       patient_id || ' ' || study_instance_uid || ' ' || source_name || ' ' || content_hash || ' ' || object_key \
                       || ' ' || object_offset || ' ' || object_length || ' ' || received_at AS value FROM attachment ORDER BY 1";
            let rows = index.query(sql, Vec::new()).await.unwrap();
            rows.iter().map(|row| row.text("value").unwrap()).collect::<Vec<_>>()
        };
        let before = rows(&index).await;
        assert!(before.len() == 2 && before[0].contains(" 0 4 "), "the row names the file's bytes alone: {before:?}");

        // Kept before attachments said what they are, and one whose bytes are others than were acknowledged.
        let old = objects.put(Kind::Attachment, b"%PDF-1.4 of an earlier version".as_slice().into()).await.unwrap();
        let note = objects.read_range(&Place { key: key_of(&before[0]), offset: 0, length: 4096 }, 4..4096).await.unwrap();
        let damaged = [b"scam".as_slice(), &note].concat();
        let damaged = objects.put(Kind::Attachment, damaged.into()).await.unwrap();
        let (rebuilt, after, done) = reindexed(&objects, &rules()).await;

        assert_eq!((done.attachments, done.indexed, done.left_out), (2, 0, 2));
        let told = |place: &Place| done.told.iter().find(|(at, _)| at.key == place.key).map(|(_, why)| why.clone());
        assert_eq!((told(&old), told(&damaged)), (Some(LeftOut::NoNote), Some(LeftOut::Damaged)));
        assert_eq!(rows(&after).await, before);
        let verified = rebuilt.verify(Depth::Content, |_| ()).await.unwrap();
        assert_eq!((verified.fault_count, verified.checked, verified.unnamed), (0, 2, 2));
        let again = rebuilt.reindex(&rules(), |_| ()).await.unwrap();
        assert_eq!((again.attachments, again.known), (0, 2), "it is simply run again");
    }

    async fn what_came_from_no_peer_is_read_again_as_it_was_read_when_it_came(database: TestDatabase) {
        let objects = TestStore::segments();
        let objects = objects.open();
        let (archive, index) = open(&database, &objects).await;
        let big5 = || Charset::parse("Big5").unwrap();
        for (number, title) in [(1, ""), (2, "PACS01")] {
            let uid = format!("2.25.{number}");
            let mut set = DataSet::ct(&uid);
            set.bytes(0x0010_0010, "PN", b"\xB4\xFA\xB8\xD5^\xA5\xD2").text(0x0010_0020, "LO", &uid);
            set.text(0x0020_000D, "UI", &format!("{uid}.9")).text(0x0020_000E, "UI", &format!("{uid}.9.1"));
            let stored = store_from(&archive, ("ORG-T01", title, big5()), &uid, &set).await;
            assert_eq!(stored, StoreOutcome::Stored);
        }
        let names = async |index: &Index| {
            let sql = "SELECT patient_name FROM study ORDER BY study_instance_uid";
            let rows = index.query(sql, Vec::new()).await.unwrap();
            rows.iter().map(|row| row.text("patient_name").unwrap()).collect::<Vec<String>>()
        };
        assert_eq!(names(&index).await, ["測試^甲", "測試^甲"]);

        // The peer's charset is that of the configuration; what nobody is configured for says its own.
        assert_eq!(archive.reindex_texts(&rules(), |_| ()).await.unwrap().changed, 1);
        let read_again = names(&index).await;
        let (_, rebuilt, done) = reindexed(&objects, &rules()).await;
        assert_eq!(done.indexed, 2);
        let rebuilt = names(&rebuilt).await;

        assert_eq!(read_again[0], "測試^甲");
        assert_ne!(read_again[1], "測試^甲");
        assert_eq!(rebuilt, read_again);
        // An operator who knows better is believed.
        let mut told = rules();
        told.charsets.insert(("ORG-T01".to_owned(), String::new()), Charset::gb18030());
        archive.reindex_texts(&told, |_| ()).await.unwrap();
        assert_eq!(names(&index).await, [read_again[1].clone(), read_again[1].clone()]);
    }

    async fn an_index_that_was_lost_comes_back_from_storage_alone(database: TestDatabase) {
        for store in [TestStore::segments(), TestStore::folder()] {
            let objects = store.open();
            let first = TestDatabase::sqlite();
            let (archive, index) = open(&first, &objects).await;
            fill(&archive).await;
            let before = rows(&index).await;

            let (again, index) = open(&database, &objects).await;
            let done = again.reindex(&rules(), |_| ()).await.unwrap();

            assert_eq!((done.seen, done.indexed, done.versions, done.left_out), (6, 5, 1, 0), "{:?}", done.told);
            assert_eq!(rows(&index).await, before);
            let verified = again.verify(Depth::Content, |_| ()).await.unwrap();
            assert_eq!((verified.checked, verified.fault_count, verified.unnamed), (6, 0, 0));
            let repeated = again.reindex(&rules(), |_| ()).await.unwrap();
            assert_eq!((repeated.known, repeated.indexed, repeated.bytes), (6, 0, 0), "rows that are there are kept");
            // The other kind of storage begins with an empty index.
            for table in ["instance_version", "instance", "series", "exam_study", "study", "patient", "conflict"] {
                let sql = match table {
                    "instance_version" => "DELETE FROM instance_version",
                    "instance" => "DELETE FROM instance",
                    "series" => "DELETE FROM series",
                    "exam_study" => "DELETE FROM exam_study",
                    "study" => "DELETE FROM study",
                    "patient" => "DELETE FROM patient",
                    _ => "DELETE FROM conflict",
                };
                index.write(move |tx| Box::pin(async move { tx.execute(sql, Vec::new()).await })).await.unwrap();
            }
            again.release().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_in_a_bucket_come_back_too() {
    let store = TestStore::s3();
    let objects = store.open();
    let database = TestDatabase::sqlite();
    let (archive, index) = open(&database, &objects).await;
    fill(&archive).await;

    let (_, again, done) = reindexed(&objects, &rules()).await;

    assert_eq!((done.indexed, done.versions, done.left_out), (5, 1, 0), "{:?}", done.told);
    assert_eq!(rows(&again).await, rows(&index).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_deleted_stays_deleted() {
    let store = TestStore::segments();
    let objects = store.open();
    let database = TestDatabase::sqlite();
    let (archive, index) = open(&database, &objects).await;
    fill(&archive).await;
    let sql = "SELECT object_key, object_offset, object_length FROM instance WHERE sop_instance_uid = '2.25.2'";
    let row = index.query(sql, Vec::new()).await.unwrap().remove(0);
    let place = yingku::domain::place::Place {
        key: row.text("object_key").unwrap(),
        offset: row.int("object_offset").unwrap() as u64,
        length: row.int("object_length").unwrap() as u64,
    };
    objects.forget(&place).await.unwrap();

    let (_, _, done) = reindexed(&objects, &rules()).await;

    assert_eq!((done.indexed, done.versions, done.deleted), (4, 1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_never_finished_or_is_damaged_is_left_out_and_told() {
    let store_folder = TestStore::folder();
    let objects = store_folder.open();
    let database = TestDatabase::sqlite();
    let (archive, index) = open(&database, &objects).await;
    for number in 1..=5 {
        store(&archive, "ORG-T01", &format!("2.25.{number}"), &DataSet::ct(&format!("2.25.{number}"))).await;
    }
    let keys = index.query("SELECT object_key FROM instance ORDER BY sop_instance_uid", Vec::new()).await.unwrap();
    let path = |i: usize| store_folder.path().unwrap().join(keys[i].text("object_key").unwrap());
    let whole = std::fs::read(path(0)).unwrap();
    std::fs::write(path(0), &whole[..whole.len() - 1]).unwrap();
    std::fs::write(path(1), &whole[..200]).unwrap();
    std::fs::write(path(2), vec![0; whole.len()]).unwrap();
    let mut changed = std::fs::read(path(3)).unwrap();
    *changed.last_mut().unwrap() ^= 1;
    std::fs::write(path(3), changed).unwrap();

    let (_, _, done) = reindexed(&objects, &rules()).await;

    assert_eq!((done.indexed, done.left_out), (1, 4));
    let told = |i: usize| {
        let key = keys[i].text("object_key").unwrap();
        done.told.iter().find(|(place, _)| place.key == key).map(|(_, why)| why.clone()).unwrap()
    };
    assert_eq!([told(0), told(1), told(2)], [LeftOut::Unfinished, LeftOut::Unfinished, LeftOut::Unfinished]);
    assert_eq!(told(3), LeftOut::Damaged);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_without_a_receipt_need_an_organization() {
    let store = TestStore::folder();
    let objects = store.open();
    let mut file = yingku::dicom::part10::meta(CT_IMAGE, "2.25.1", EXPLICIT_LE, "PACS01");
    file.extend(DataSet::ct("2.25.1").encode());
    objects.put(yingku::objects::Kind::Instance, file.into()).await.unwrap();

    let (_, _, without) = reindexed(&objects, &rules()).await;
    let given = ReindexRules { organization: Some("ORG-T01".to_owned()), ..rules() };
    let (_, index, with) = reindexed(&objects, &given).await;

    assert_eq!((without.indexed, &without.told[0].1), (0, &LeftOut::NoOrganization));
    assert_eq!(with.indexed, 1);
    let row = index.query("SELECT org_code, calling_ae_title FROM instance", Vec::new()).await.unwrap().remove(0);
    assert_eq!(
        (row.text("org_code").unwrap(), row.text("calling_ae_title").unwrap()),
        ("ORG-T01".into(), "PACS01".into())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_another_process_nothing_is_reindexed() {
    let store = TestStore::folder();
    let objects = store.open();
    let database = TestDatabase::sqlite();
    let (one, _) = open(&database, &objects).await;
    let (_other, _) = open(&database, &objects).await;

    assert!(one.reindex(&rules(), |_| ()).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reindex_that_was_killed_does_not_cost_the_objects_that_it_had_not_read() {
    let store_folder = TestStore::segments();
    let objects = store_folder.open();
    let database = TestDatabase::sqlite();
    let (archive, _) = open(&database, &objects).await;
    fill(&archive).await;
    objects.close().await;

    // A new database; its first process dies with its lease, before it has read anything.
    let lost = TestDatabase::sqlite();
    let index = lost.open().await;
    let started = Clock::System.now_ms();
    let sql = "INSERT INTO node (id, holder, lease_until, leased_at) VALUES (7, $1, $2, $3)";
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let holder = format!("{}/4194999/mark/lease", host.trim());
    let values = yingku::params![holder, started + 300_000, started];
    index.write(move |tx| Box::pin(async move { tx.execute(sql, values).await })).await.unwrap();
    let (next, _) = open(&lost, &objects).await;
    let swept = next.sweep(next.crashed().expect("a process has crashed")).await.unwrap();

    assert_eq!(swept.removed, 0);
    assert_eq!(next.reindex(&rules(), |_| ()).await.unwrap().indexed, 5);
}

#[test]
fn the_engine_of_a_test_store_is_the_one_that_it_says() {
    assert_eq!(TestStore::segments().config().engine, StorageEngine::Segment);
    assert_eq!(TestStore::folder().config().engine, StorageEngine::File);
}
