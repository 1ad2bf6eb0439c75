//! Space of deleted objects comes back, and nothing that lives is lost on the way.

use std::collections::HashMap;

use yingku::archive::Archive;
use yingku::archive::images::store_instance::{Completeness, ReceiveInstance};
use yingku::archive::upkeep::compact::{Compacted, CompactionConfig};
use yingku::archive::upkeep::reindex::ReindexRules;
use yingku::archive::upkeep::verify::Depth;
use yingku::dicom::text::Charset;
use yingku::domain::place::Place;
use yingku::domain::{Actor, Clock};
use yingku::index::dead_objects::Repointed;
use yingku::index::{self, Index, dead_objects};
use yingku::objects::{Kind, Objects, ObjectsConfig};

use crate::each_database;
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};
use crate::harness::{TestDatabase, TestStore, archive};

const AT_ONCE: CompactionConfig = CompactionConfig { dead_percent: 50, every_minutes: 60, grace_minutes: 0 };

struct Filled {
    archive: Archive,
    index: Index,
    objects: Objects,
    places: Vec<Place>,
}

/// Ten instances in one sealed segment.
async fn fill(database: &TestDatabase, store: &TestStore) -> Filled {
    let (index, ids) = database.open_with_ids().await;
    let objects = store.open();
    let archive = archive::build(index.clone(), objects.clone(), Clock::System, ids);
    for number in 1..=10 {
        let uid = format!("2.25.{number:02}");
        let command = ReceiveInstance {
            org_code: "ORG-T01".to_owned(),
            calling_ae_title: "PACS01".to_owned(),
            default_charset: Charset::gb18030(),
            sop_class_uid: CT_IMAGE.to_owned(),
            sop_instance_uid: uid.clone(),
            transfer_syntax_uid: EXPLICIT_LE.to_owned(),
            completeness: Completeness::AsSent,
            actor: Actor::system("test"),
        };
        let mut writer = archive.receive_instance(command).await.unwrap();
        writer.write(&DataSet::ct(&uid).encode()).await.unwrap();
        writer.commit().await.unwrap();
    }
    let places = places(&index).await;
    Filled { archive, index, objects, places }
}

async fn places(index: &Index) -> Vec<Place> {
    let sql = "SELECT object_key, object_offset, object_length FROM instance ORDER BY sop_instance_uid";
    let rows = index.query(sql, Vec::new()).await.unwrap();
    let place = |row: &index::Row| Place {
        key: row.text("object_key").unwrap(),
        offset: row.int("object_offset").unwrap() as u64,
        length: row.int("object_length").unwrap() as u64,
    };
    rows.iter().map(place).collect()
}

async fn delete(filled: &Filled, places: &[Place]) {
    for place in places {
        let dead = place.clone();
        filled
            .index
            .write(move |tx| {
                Box::pin(async move {
                    let sql = "DELETE FROM instance WHERE object_key = $1 AND object_offset = $2";
                    let values = yingku::params![&dead.key, dead.offset as i64];
                    assert_eq!(tx.execute(sql, values).await?, 1);
                    dead_objects::bury(tx, 1, &dead).await
                })
            })
            .await
            .map_err(|error: index::Error| error)
            .unwrap();
        filled.objects.forget(place).await.unwrap();
    }
}

each_database! {
    async fn a_segment_that_is_mostly_dead_is_rewritten_and_removed_when_nobody_reads_it(database: TestDatabase) {
        let store = TestStore::segments();
        let filled = fill(&database, &store).await;
        filled.objects.close().await;
        delete(&filled, &filled.places[..8]).await;
        let before = filled.objects.read(&filled.places[9]).await.unwrap();

        let first = filled.archive.compact(&AT_ONCE).await.unwrap();

        assert_eq!(first, Compacted { rewritten: 1, moved: 2, removed: 0, removed_bytes: 0 });
        let after = places(&filled.index).await;
        assert!(after.iter().all(|place| place.key != filled.places[0].key), "the rows point elsewhere");
        assert_eq!(filled.objects.read(&after[1]).await.unwrap(), before);
        assert_eq!(filled.objects.read(&filled.places[9]).await.unwrap(), before, "who reads there still can");

        let second = filled.archive.compact(&AT_ONCE).await.unwrap();

        assert_eq!((second.rewritten, second.removed), (0, 1));
        assert!(second.removed_bytes > 0);
        assert_eq!(filled.objects.length(&filled.places[0].key).await.unwrap(), None);
        let verified = filled.archive.verify(Depth::Content, |_| ()).await.unwrap();
        assert_eq!((verified.checked, verified.fault_count, verified.unnamed), (2, 0, 0));
        assert_eq!(filled.archive.compact(&AT_ONCE).await.unwrap(), Compacted::default());

        let rebuilt = TestDatabase::sqlite();
        let (index, ids) = rebuilt.open_with_ids().await;
        let again = archive::build(index.clone(), filled.objects.clone(), Clock::System, ids);
        let rules = ReindexRules { organization: None, default_charset: Charset::gb18030(), charsets: HashMap::new() };
        let done = again.reindex(&rules, |_| ()).await.unwrap();
        assert_eq!((done.indexed, done.left_out), (2, 0));
        assert_eq!(places(&index).await, after);
    }

    async fn what_has_been_copied_is_not_copied_again_by_a_run_that_follows_one_that_was_cut_off(database: TestDatabase) {
        let store = TestStore::segments();
        let filled = fill(&database, &store).await;
        filled.objects.close().await;
        delete(&filled, &filled.places[..8]).await;
        // As far as a run comes that is cut off behind its first batch: one of two is copied, and its row points there.
        let (old, bytes) = (filled.places[8].clone(), filled.objects.read(&filled.places[8]).await.unwrap());
        let new = filled.objects.put(Kind::Instance, bytes).await.unwrap();
        let place = new.clone();
        filled
            .index
            .write(move |tx| {
                Box::pin(async move {
                    assert_eq!(dead_objects::repoint(tx, &old, &place).await?, Repointed::Moved);
                    dead_objects::bury(tx, 1, &old).await
                })
            })
            .await
            .map_err(|error: index::Error| error)
            .unwrap();

        let done = filled.archive.compact(&AT_ONCE).await.unwrap();

        assert_eq!((done.rewritten, done.moved), (1, 1), "the other one");
        assert_eq!(places(&filled.index).await[0], new);
    }

    async fn what_no_row_names_but_nobody_deleted_is_carried_along(database: TestDatabase) {
        let store = TestStore::segments();
        let filled = fill(&database, &store).await;
        filled.objects.put(Kind::Instance, vec![42; 1000].into()).await.unwrap();
        filled.objects.close().await;
        delete(&filled, &filled.places[..9]).await;

        assert_eq!(filled.archive.compact(&AT_ONCE).await.unwrap().moved, 2);

        let key = places(&filled.index).await[0].key.clone();
        let contents = filled.objects.segment_contents(&key).await.unwrap();
        assert!(contents.records.iter().any(|record| record.length == 1000));
    }

    async fn an_open_or_damaged_or_mostly_living_segment_stays(database: TestDatabase) {
        let store = TestStore::segments();
        let filled = fill(&database, &store).await;
        delete(&filled, &filled.places[..3]).await;
        assert_eq!(filled.archive.compact(&AT_ONCE).await.unwrap(), Compacted::default(), "it takes records");
        filled.objects.close().await;
        assert_eq!(filled.archive.compact(&AT_ONCE).await.unwrap(), Compacted::default(), "most of it lives");
        delete(&filled, &filled.places[3..9]).await;
        let path = store.path().unwrap().join(&filled.places[9].key);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[filled.places[9].offset as usize + 200] ^= 1;
        std::fs::write(&path, bytes).unwrap();

        assert_eq!(filled.archive.compact(&AT_ONCE).await.unwrap(), Compacted::default(), "it is damaged");
        assert_eq!(places(&filled.index).await, filled.places[9..]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segment_goes_from_a_bucket_only_after_its_heirs_have_come_there() {
    let (database, store) = (TestDatabase::sqlite(), TestStore::s3_with_journal());
    let filled = fill(&database, &store).await;
    filled.objects.close().await;
    delete(&filled, &filled.places[..8]).await;
    assert_eq!(filled.archive.compact(&AT_ONCE).await.unwrap(), Compacted::default(), "it is not in the bucket yet");
    filled.objects.ship().await.unwrap();

    let first = filled.archive.compact(&AT_ONCE).await.unwrap();
    let second = filled.archive.compact(&AT_ONCE).await.unwrap();

    assert_eq!((first.rewritten, first.moved, second.removed), (1, 2, 1));
    let bucket = Objects::open(&ObjectsConfig { journal: None, ..store.config() }).unwrap();
    assert_eq!(bucket.length(&filled.places[0].key).await.unwrap(), None);
    let rebuilt = TestDatabase::sqlite();
    let (index, ids) = rebuilt.open_with_ids().await;
    let again = archive::build(index.clone(), bucket, Clock::System, ids);
    let rules = ReindexRules { organization: None, default_charset: Charset::gb18030(), charsets: HashMap::new() };
    assert_eq!(again.reindex(&rules, |_| ()).await.unwrap().indexed, 2, "from the bucket alone");
    assert_eq!(places(&index).await, places(&filled.index).await);
    let verified = again.verify(Depth::Content, |_| ()).await.unwrap();
    assert_eq!((verified.checked, verified.fault_count, verified.unnamed), (2, 0, 0));
}
