//! Objects that come in: durable, indexed, idempotent, linked.

use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};
use yingku::archive::Archive;
use yingku::archive::images::store_attachment::ReceiveAttachment;
use yingku::archive::images::store_instance::{Completeness, ReceiveInstance, StoreOutcome};
use yingku::archive::upkeep::verify::{Depth, Fault};
use yingku::dicom::text::Charset;
use yingku::domain::attachment::{AttachmentKind, AttachmentType};
use yingku::domain::place::Place;
use yingku::domain::{Actor, Clock};
use yingku::index::{Ids, Row};
use yingku::params;

use crate::each_database;
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};
use crate::harness::{TestDatabase, TestStore};

fn command(org_code: &str, sop_instance_uid: &str) -> ReceiveInstance {
    ReceiveInstance {
        org_code: org_code.to_owned(),
        calling_ae_title: "PACS01".to_owned(),
        default_charset: Charset::default(),
        sop_class_uid: CT_IMAGE.to_owned(),
        sop_instance_uid: sop_instance_uid.to_owned(),
        transfer_syntax_uid: EXPLICIT_LE.to_owned(),
        completeness: Completeness::AsSent,
        actor: Actor::system("test"),
    }
}

async fn store(
    archive: &Archive,
    org_code: &str,
    uid: &str,
    set: &DataSet,
) -> Result<StoreOutcome, yingku::archive::Error> {
    let mut writer = archive.receive_instance(command(org_code, uid)).await?;
    // In pieces of odd length, as a network cuts them.
    for piece in set.encode().chunks(7) {
        writer.write(piece).await?;
    }
    writer.commit().await
}

async fn only_row(archive: &TestArchive, sql: &'static str) -> Row {
    let mut rows = archive.index.query(sql, Vec::new()).await.unwrap();
    assert_eq!(rows.len(), 1, "{sql}");
    rows.remove(0)
}

async fn count(archive: &TestArchive, sql: &'static str) -> i64 {
    archive.index.query_opt(sql, Vec::new()).await.unwrap().unwrap().int("n").unwrap()
}

async fn only_hashes(archive: &TestArchive) -> Vec<String> {
    let rows = archive.index.query("SELECT content_hash FROM instance ORDER BY id", Vec::new()).await.unwrap();
    rows.iter().map(|row| row.text("content_hash").unwrap()).collect()
}

struct TestArchive {
    archive: Archive,
    index: yingku::index::Index,
    objects: yingku::objects::Objects,
    _store: TestStore,
}

async fn open(database: &TestDatabase) -> TestArchive {
    open_in(TestStore::folder(), database).await
}

async fn open_in(store: TestStore, database: &TestDatabase) -> TestArchive {
    let objects = store.open();
    let (index, ids) = database.open_with_ids().await;
    let archive = crate::harness::archive::build(index.clone(), objects.clone(), Clock::System, ids);
    TestArchive { archive, index, objects, _store: store }
}

/// PostgreSQL undoes one of two transactions that wait for each other; here it says so once of the first that adds a
/// study.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_makes_way_for_another_transaction_is_stored_all_the_same_on_postgres() {
    let archive = open(&TestDatabase::postgres()).await;
    for sql in [
        "CREATE SEQUENCE attempt",
        "CREATE FUNCTION make_way() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF nextval('attempt') = 1 THEN \
         RAISE EXCEPTION 'said by this test' USING ERRCODE = '40P01'; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER make_way BEFORE INSERT ON study FOR EACH ROW EXECUTE FUNCTION make_way()",
    ] {
        let made = archive.index.write(move |tx| Box::pin(async move { tx.execute(sql, params![]).await }));
        made.await.map_err(|error: yingku::index::Error| error.to_string()).unwrap();
    }

    let stored = store(&archive.archive, "ORG-T01", "2.25.1", &DataSet::ct("2.25.1")).await.unwrap();

    assert_eq!(stored, StoreOutcome::Stored);
    assert_eq!(count(&archive, "SELECT COUNT(*) AS n FROM instance").await, 1);
    assert_eq!(count(&archive, "SELECT last_value AS n FROM attempt").await, 2, "it was tried twice");
}

each_database! {
    async fn an_object_comes_back_byte_by_byte_with_its_attributes_indexed(database: TestDatabase) {
        let test = open(&database).await;
        let mut set = DataSet::ct("2.25.1");
        set.text(0x0008_0005, "CS", "GB18030").bytes(0x0010_0010, "PN", b"Wang^XiaoDong=\xCD\xF5^\xD0\xA1\xB6\xAB");

        assert_eq!(store(&test.archive, "ORG-T01", "2.25.1", &set).await.unwrap(), StoreOutcome::Stored);

        let row = only_row(&test, "SELECT * FROM instance").await;
        let place = Place {
            key: row.text("object_key").unwrap(),
            offset: row.int("object_offset").unwrap() as u64,
            length: row.int("object_length").unwrap() as u64,
        };
        let file = test.objects.read(&place).await.unwrap();
        assert_eq!(&file[128..132], b"DICM");
        assert_eq!(&file[row.int("dataset_offset").unwrap() as usize..], set.encode());
        let pixels = row.get::<Option<i64>>("pixel_data_offset").unwrap().unwrap() as usize;
        assert_eq!(file[pixels..pixels + 4], [0xE0, 0x7F, 0x10, 0x00]);
        let study = only_row(&test, "SELECT * FROM study").await;
        assert_eq!(study.text("patient_name").unwrap(), "Wang^XiaoDong=王^小东");
        assert_eq!(study.text("accession_number").unwrap(), "A0001");
        assert!(!place.key.contains("2.25"), "nothing from the wire in a key");
    }

    async fn an_object_whose_rows_the_database_refuses_does_not_stay_behind(database: TestDatabase) {
        let test = open(&database).await;
        let set = |uid: &str, series: &str| {
            let mut set = DataSet::ct(uid);
            set.text(0x0020_000E, "UI", series);
            set
        };
        store(&test.archive, "ORG-T01", "2.25.1", &set("2.25.1", "2.25.1000.1")).await.unwrap();
        let refusing: &[&'static str] = if database.config().url.starts_with("postgres") {
            &[
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN RAISE EXCEPTION 'said by this test' USING ERRCODE = '53100'; END $$",
                "CREATE TRIGGER refuse BEFORE INSERT ON instance FOR EACH ROW EXECUTE FUNCTION refuse()",
                "CREATE TRIGGER refuse BEFORE INSERT ON attachment FOR EACH ROW EXECUTE FUNCTION refuse()",
            ]
        } else {
            &[
                "CREATE TRIGGER refuse_1 BEFORE INSERT ON instance BEGIN SELECT RAISE(ABORT, 'said by this test'); END",
                "CREATE TRIGGER refuse_2 BEFORE INSERT ON attachment BEGIN SELECT RAISE(ABORT, 'said by this test'); END",
            ]
        };
        for sql in refusing.iter().copied() {
            let made = test.index.write(move |tx| Box::pin(async move { tx.execute(sql, params![]).await }));
            made.await.map_err(|error: yingku::index::Error| error.to_string()).unwrap();
        }

        // One of a series that is known, one of a new series, and a file of the exam.
        for (uid, series) in [("2.25.2", "2.25.1000.1"), ("2.25.3", "2.25.1000.2")] {
            let refused = store(&test.archive, "ORG-T01", uid, &set(uid, series)).await;
            assert!(matches!(refused, Err(yingku::archive::Error::Index(_))), "{refused:?}");
        }
        let command = ReceiveAttachment {
            org_code: "ORG-T01".to_owned(),
            kind: AttachmentKind::RequestForm,
            media_type: AttachmentType::Unknown,
            title: "申请单".to_owned(),
            accession_number: "A0001".to_owned(),
            patient_id: "P0001".to_owned(),
            study_instance_uid: String::new(),
            source_name: "scan.bin".to_owned(),
            actor: Actor::system("test"),
        };
        let mut writer = test.archive.receive_attachment(command).unwrap();
        writer.write(b"scan").await.unwrap();
        assert!(writer.commit().await.is_err());

        let kept: Vec<_> = test.objects.list().try_collect().await.unwrap();
        assert_eq!(kept.len(), 1, "{kept:?}");
        let verified = test.archive.verify(Depth::Content, |_| ()).await.unwrap();
        assert_eq!((verified.checked, verified.fault_count, verified.unnamed), (1, 0, 0));
    }

    async fn d_i15_the_same_content_again_changes_nothing(database: TestDatabase) {
        let test = open(&database).await;
        let set = DataSet::ct("2.25.1");
        store(&test.archive, "ORG-T01", "2.25.1", &set).await.unwrap();

        assert_eq!(store(&test.archive, "ORG-T01", "2.25.1", &set).await.unwrap(), StoreOutcome::Duplicate);

        assert_eq!(count(&test, "SELECT COUNT(*) AS n FROM instance").await, 1);
        assert_eq!(count(&test, "SELECT COUNT(*) AS n FROM conflict").await, 0);
        let verified = test.archive.verify(Depth::Content, |_| ()).await.unwrap();
        assert_eq!((verified.checked, verified.fault_count, verified.unnamed), (1, 0, 0));
    }

    async fn a_series_that_is_sent_again_and_again_is_there_once(database: TestDatabase) {
        let test = open(&database).await;
        let uids: Vec<String> = (1..=5).map(|number| format!("2.25.1.{number}")).collect();
        let mut outcomes = Vec::new();
        for _ in 0..3 {
            for uid in &uids {
                outcomes.push(store(&test.archive, "ORG-T01", uid, &DataSet::ct(uid)).await.unwrap());
            }
        }

        assert_eq!(outcomes[..5], [StoreOutcome::Stored; 5]);
        assert_eq!(outcomes[5..], [StoreOutcome::Duplicate; 10]);
        assert_eq!(count(&test, "SELECT COUNT(*) AS n FROM instance").await, 5);
        assert_eq!(count(&test, "SELECT COUNT(*) AS n FROM audit").await, 1, "one entry for the study");
        assert_eq!(count(&test, "SELECT COUNT(*) AS n FROM conflict").await, 0);
        let verified = test.archive.verify(Depth::Content, |_| ()).await.unwrap();
        assert_eq!((verified.checked, verified.fault_count, verified.unnamed), (5, 0, 0));
    }

    async fn d_i15_other_content_under_a_taken_uid_is_kept_as_a_version_and_flagged(database: TestDatabase) {
        let test = open(&database).await;
        let mut set = DataSet::ct("2.25.1");
        store(&test.archive, "ORG-T01", "2.25.1", &set).await.unwrap();
        let first = only_row(&test, "SELECT content_hash FROM instance").await.text("content_hash").unwrap();
        set.text(0x0008_1030, "LO", "edited");

        assert_eq!(store(&test.archive, "ORG-T01", "2.25.1", &set).await.unwrap(), StoreOutcome::NewVersion);
        assert_eq!(store(&test.archive, "ORG-T01", "2.25.1", &set).await.unwrap(), StoreOutcome::Duplicate);

        let current = only_row(&test, "SELECT content_hash FROM instance").await.text("content_hash").unwrap();
        assert_eq!(current, first, "the first content stays the current one");
        assert_eq!(count(&test, "SELECT COUNT(*) AS n FROM instance_version").await, 1);
        assert_eq!(only_row(&test, "SELECT kind FROM conflict").await.text("kind").unwrap(), "duplicate_uid");
        let verified = test.archive.verify(Depth::Content, |_| ()).await.unwrap();
        assert_eq!((verified.checked, verified.fault_count, verified.unnamed), (2, 0, 0));
    }

    async fn contents_that_an_earlier_version_hashed_otherwise_are_known_and_verified(database: TestDatabase) {
        let test = open_in(TestStore::segments(), &database).await;
        let (current, mut version) = (DataSet::ct("2.25.1"), DataSet::ct("2.25.1"));
        version.text(0x0008_1030, "LO", "edited");
        for set in [&current, &version] {
            store(&test.archive, "ORG-T01", "2.25.1", set).await.unwrap();
        }
        let written = test.index.write({
            let hashes = [&current, &version].map(|set| hex::encode(Sha256::digest(set.encode())));
            move |tx| {
                Box::pin(async move {
                    let [current, version] = hashes;
                    tx.execute("UPDATE instance SET content_hash = $1", params![current]).await?;
                    tx.execute("UPDATE instance_version SET content_hash = $1", params![version]).await
                })
            }
        });
        assert_eq!(written.await.map_err(|error: yingku::index::Error| error.to_string()), Ok(1));

        // Whether it is looked up or the series grows just now.
        for number in 2..4 {
            for set in [&current, &version] {
                assert_eq!(store(&test.archive, "ORG-T01", "2.25.1", set).await.unwrap(), StoreOutcome::Duplicate);
                let (uid, mut next) = (format!("2.25.{number}"), DataSet::ct(&format!("2.25.{number}")));
                next.text(0x0020_0013, "IS", "2");
                store(&test.archive, "ORG-T01", &uid, &next).await.unwrap();
            }
        }
        let mut third = DataSet::ct("2.25.1");
        third.text(0x0008_1030, "LO", "edited again");
        assert_eq!(store(&test.archive, "ORG-T01", "2.25.1", &third).await.unwrap(), StoreOutcome::NewVersion);
        assert_eq!(count(&test, "SELECT COUNT(*) AS n FROM instance_version").await, 2);
        let verified = test.archive.verify(Depth::Content, |_| ()).await.unwrap();
        assert_eq!((verified.checked, verified.fault_count), (5, 0));
    }

    async fn a_whole_object_takes_the_place_of_the_one_that_was_cut_off(database: TestDatabase) {
        let test = open(&database).await;
        let whole = DataSet::ct("2.25.1").encode();
        let send = async |bytes: &[u8]| {
            let mut writer = test.archive.receive_instance(command("ORG-T01", "2.25.1")).await.unwrap();
            writer.write(bytes).await.unwrap();
            writer.commit().await.unwrap()
        };
        assert_eq!(send(&whole[..whole.len() - 2]).await, StoreOutcome::Stored);

        assert_eq!(send(&whole).await, StoreOutcome::NewVersion);

        let row = only_row(&test, "SELECT content_hash, header_state FROM instance").await;
        assert_eq!(row.text("header_state").unwrap(), "complete");
        let cut = only_row(&test, "SELECT content_hash FROM instance_version").await;
        assert_ne!(cut.text("content_hash").unwrap(), row.text("content_hash").unwrap());
        assert_eq!(count(&test, "SELECT COUNT(*) AS n FROM conflict").await, 0, "nobody has to decide");
        assert_eq!(send(&whole[..whole.len() - 2]).await, StoreOutcome::Duplicate);
        assert_eq!(send(&whole).await, StoreOutcome::Duplicate);
        let verified = test.archive.verify(Depth::Content, |_| ()).await.unwrap();
        assert_eq!((verified.checked, verified.fault_count, verified.unnamed), (2, 0, 0));
    }

    async fn d_i15_a_person_makes_another_content_the_current_one(database: TestDatabase) {
        let test = open(&database).await;
        let mut set = DataSet::ct("2.25.1");
        store(&test.archive, "ORG-T01", "2.25.1", &set).await.unwrap();
        set.text(0x0020_0013, "IS", "7");
        store(&test.archive, "ORG-T01", "2.25.1", &set).await.unwrap();
        let conflict = only_row(&test, "SELECT id FROM conflict").await.int("id").unwrap();
        let version = only_row(&test, "SELECT id, content_hash FROM instance_version").await;
        let accept = async |version| test.archive.accept_conflict(Actor::system("test"), conflict, version).await;

        accept(Some(version.int("id").unwrap())).await.unwrap();

        let row = only_row(&test, "SELECT content_hash, instance_number FROM instance").await;
        assert_eq!(row.text("content_hash").unwrap(), version.text("content_hash").unwrap());
        assert_eq!(row.int("instance_number").unwrap(), 7, "the row is that of the new content");
        assert_eq!(only_row(&test, "SELECT state FROM conflict").await.text("state").unwrap(), "closed");
        assert_eq!(count(&test, "SELECT COUNT(*) AS n FROM instance_version").await, 1, "the other one is kept");
        let verified = test.archive.verify(Depth::Content, |_| ()).await.unwrap();
        assert_eq!((verified.checked, verified.fault_count, verified.unnamed), (2, 0, 0));
        let former = only_row(&test, "SELECT id FROM instance_version").await.int("id").unwrap();
        accept(Some(former)).await.unwrap();
        let number = only_row(&test, "SELECT instance_number FROM instance").await.int("instance_number").unwrap();
        assert_eq!(number, 1, "and back again");

        set.text(0x0008_1030, "LO", "a third content");
        store(&test.archive, "ORG-T01", "2.25.1", &set).await.unwrap();
        assert_eq!(only_row(&test, "SELECT state FROM conflict").await.text("state").unwrap(), "open");
    }

    async fn a_version_of_another_series_or_instance_is_not_made_current(database: TestDatabase) {
        let test = open(&database).await;
        let mut elsewhere = DataSet::ct("2.25.1");
        elsewhere.text(0x0020_000E, "UI", "2.25.1000.2");
        store(&test.archive, "ORG-T01", "2.25.1", &DataSet::ct("2.25.1")).await.unwrap();
        store(&test.archive, "ORG-T01", "2.25.1", &elsewhere).await.unwrap();
        let mut other = DataSet::ct("2.25.2");
        store(&test.archive, "ORG-T01", "2.25.2", &other).await.unwrap();
        other.text(0x0008_1030, "LO", "edited");
        store(&test.archive, "ORG-T01", "2.25.2", &other).await.unwrap();
        let sql = "SELECT c.id, v.id AS version FROM conflict c JOIN instance i ON i.sop_instance_uid = '2.25.1' \
                   AND c.subject = 'instance:' || CAST(i.id AS TEXT) CROSS JOIN instance_version v ORDER BY v.id";
        let rows = test.index.query(sql, Vec::new()).await.unwrap();
        assert_eq!(rows.len(), 2);
        let before = only_hashes(&test).await;

        for row in rows {
            let (id, version) = (row.int("id").unwrap(), row.int("version").unwrap());
            let refused = test.archive.accept_conflict(Actor::system("test"), id, Some(version)).await;
            assert!(matches!(refused, Err(yingku::archive::Error::Invalid(_))), "{refused:?}");
        }
        assert_eq!(only_hashes(&test).await, before);
        assert_eq!(count(&test, "SELECT COUNT(*) AS n FROM conflict WHERE state = 'closed'").await, 0);
    }

    async fn one_uid_in_two_organizations_makes_two_studies_and_a_conflict(database: TestDatabase) {
        let test = open(&database).await;
        let set = DataSet::ct("2.25.1");
        store(&test.archive, "ORG-T01", "2.25.1", &set).await.unwrap();

        assert_eq!(store(&test.archive, "ORG-T02", "2.25.1", &set).await.unwrap(), StoreOutcome::Stored);

        assert_eq!(count(&test, "SELECT COUNT(*) AS n FROM study").await, 2);
        let kind = only_row(&test, "SELECT kind FROM conflict").await.text("kind").unwrap();
        assert_eq!(kind, "uid_in_two_organizations");
    }

    async fn an_object_of_another_patient_in_a_study_is_kept_and_flagged(database: TestDatabase) {
        let test = open(&database).await;
        store(&test.archive, "ORG-T01", "2.25.1", &DataSet::ct("2.25.1")).await.unwrap();
        let mut other = DataSet::ct("2.25.2");
        other.text(0x0010_0020, "LO", "L9999");

        assert_eq!(store(&test.archive, "ORG-T01", "2.25.2", &other).await.unwrap(), StoreOutcome::Stored);

        let row = only_row(&test, "SELECT kind, detail FROM conflict").await;
        assert_eq!(row.text("kind").unwrap(), "demographics");
        assert_eq!(row.text("detail").unwrap(), r#"{"fields":["patient_id"]}"#);
    }

    async fn what_cannot_be_placed_is_refused_and_leaves_nothing(database: TestDatabase) {
        let test = open(&database).await;
        let announced_other = DataSet::ct("2.25.7");
        let mut without_study = DataSet::ct("2.25.1");
        without_study.without(0x0020_000D);

        assert!(store(&test.archive, "ORG-T01", "2.25.1", &announced_other).await.is_err());
        assert!(store(&test.archive, "ORG-T01", "2.25.1", &without_study).await.is_err());
        assert!(test.archive.receive_instance(command("ORG-T01", "../../etc/passwd")).await.is_err());

        assert_eq!(count(&test, "SELECT COUNT(*) AS n FROM instance").await, 0);
        assert_eq!(test.archive.verify(Depth::Content, |_| ()).await.unwrap().unnamed, 0);
    }

    async fn verify_tells_missing_short_and_changed_objects_apart(database: TestDatabase) {
        let test = open(&database).await;
        for uid in ["2.25.1", "2.25.2", "2.25.3"] {
            store(&test.archive, "ORG-T01", uid, &DataSet::ct(uid)).await.unwrap();
        }
        let rows = test.index.query("SELECT object_key FROM instance ORDER BY id", Vec::new()).await.unwrap();
        let root = test._store.path().unwrap();
        let paths: Vec<_> = rows.iter().map(|row| root.join(row.text("object_key").unwrap())).collect();
        std::fs::remove_file(&paths[0]).unwrap();
        let whole = std::fs::read(&paths[1]).unwrap();
        std::fs::write(&paths[1], &whole[..whole.len() - 1]).unwrap();
        let mut changed = std::fs::read(&paths[2]).unwrap();
        *changed.last_mut().unwrap() ^= 1;
        std::fs::write(&paths[2], changed).unwrap();

        let verified = test.archive.verify(Depth::Content, |_| ()).await.unwrap();

        let faults: Vec<Fault> = verified.faults.into_iter().map(|(_, _, fault)| fault).collect();
        assert_eq!(faults, [Fault::Missing, Fault::Short, Fault::Changed]);
    }

    async fn a_sweep_removes_what_no_row_names_and_nothing_else(database: TestDatabase) {
        let test = open(&database).await;
        store(&test.archive, "ORG-T01", "2.25.1", &DataSet::ct("2.25.1")).await.unwrap();
        test.objects.put(yingku::objects::Kind::Instance, vec![1, 2, 3].into()).await.unwrap();
        let later = Clock::System.now_ms() + 60_000;

        assert_eq!(test.archive.sweep(0..0).await.unwrap().removed, 0, "written after the start: it may be arriving");
        let swept = test.archive.sweep(0..later).await.unwrap();

        assert_eq!((swept.seen, swept.removed, swept.removed_bytes), (2, 1, 3));
        let verified = test.archive.verify(Depth::Content, |_| ()).await.unwrap();
        assert_eq!((verified.checked, verified.fault_count, verified.unnamed), (1, 0, 0));
    }

    async fn many_at_once_make_one_study_one_series_and_all_instances(database: TestDatabase) {
        let test = open(&database).await;
        let uids: Vec<String> = (1..=40).map(|i| format!("2.25.{i}")).collect();

        let stores = uids.iter().map(|uid| {
            let archive = test.archive.clone();
            async move { store(&archive, "ORG-T01", uid, &DataSet::ct(uid)).await }
        });
        let outcomes = futures_util::future::join_all(stores).await;

        assert!(outcomes.into_iter().all(|o| o.unwrap() == StoreOutcome::Stored));
        assert_eq!(count(&test, "SELECT COUNT(*) AS n FROM study").await, 1);
        assert_eq!(count(&test, "SELECT COUNT(*) AS n FROM series").await, 1);
        assert_eq!(count(&test, "SELECT COUNT(*) AS n FROM instance").await, 40);
        let audited = test.index.query("SELECT id FROM audit WHERE action = $1", params!["store_instance"]).await;
        assert_eq!(audited.unwrap().len(), 1, "one entry a study");
    }

    async fn only_what_a_crashed_process_can_have_left_is_for_the_sweep(database: TestDatabase) {
        let (index, first) = database.open_with_ids().await;
        assert_eq!(first.crashed_before(), None, "nobody was here before");
        first.release(&index).await.unwrap();
        assert_eq!(Ids::lease(&index).await.unwrap().crashed_before(), None, "the one before ended in order");

        // A lease that nobody renewed: its process died somewhere before the next renewal would have come.
        let lived_at = Clock::System.now_ms() - 3_600_000;
        let until = lived_at + 300_000;
        let sql = "INSERT INTO node (id, holder, lease_until) VALUES (900, 'elsewhere/1/mark/lease', $1)";
        index
            .write(move |tx| Box::pin(async move { tx.execute(sql, params![until]).await }))
            .await
            .unwrap();

        let died_before = Ids::lease(&index).await.unwrap().crashed_before().unwrap();
        assert!((lived_at..lived_at + 120_000).contains(&died_before));
    }

    async fn what_arrives_after_a_start_is_never_for_the_sweep(database: TestDatabase) {
        let (index, first) = database.open_with_ids().await;
        first.release(&index).await.unwrap();
        // The process before died just now: its lease would have run on.
        let until = Clock::System.now_ms() + 300_000;
        let sql = "INSERT INTO node (id, holder, lease_until) VALUES (900, $2, $1)";
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let holder = format!("{}/4194999/mark/lease", host.trim());
        index.write(move |tx| Box::pin(async move { tx.execute(sql, params![until, holder]).await })).await.unwrap();

        let ids = Ids::lease(&index).await.unwrap();

        let store = TestStore::folder();
        let objects = store.open();
        objects.put(yingku::objects::Kind::Instance, vec![1].into()).await.unwrap();
        let crashed_before = ids.crashed_before().unwrap();
        let archive = crate::harness::archive::build(index, objects, Clock::System, ids);
        assert_eq!(archive.sweep(0..crashed_before).await.unwrap().removed, 0);
    }
}
