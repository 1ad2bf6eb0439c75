//! Images that a person has deleted are gone for good, with everything that was made of them, and nothing else is.

use std::collections::HashMap;

use yingku::archive::images::store_instance::{Completeness, ReceiveInstance, StoreOutcome};
use yingku::archive::peers::forward::{ForwardResult, ForwardRule, ForwardState};
use yingku::archive::upkeep::compact::CompactionConfig;
use yingku::archive::upkeep::delete_images::{DeleteImages, DeleteOutcome, Deletion, ImageLevel, Unconfirmed};
use yingku::archive::upkeep::reindex::{ReindexRules, Reindexed};
use yingku::archive::upkeep::verify::Depth;
use yingku::archive::{Archive, Error};
use yingku::dicom::text::Charset;
use yingku::domain::{Actor, Clock};
use yingku::index::{Error as IndexError, Index};
use yingku::objects::Objects;
use yingku::params;

use crate::each_database;
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};
use crate::harness::{TestDatabase, TestStore, archive};

struct World {
    archive: Archive,
    index: Index,
    objects: Objects,
}

impl World {
    async fn open(database: &TestDatabase, store: &TestStore) -> Self {
        let (index, ids) = database.open_with_ids().await;
        let objects = store.open();
        let archive = archive::build(index.clone(), objects.clone(), Clock::System, ids);
        Self { archive, index, objects }
    }

    async fn store(&self, org_code: &str, uid: &str, change: impl FnOnce(&mut DataSet)) -> StoreOutcome {
        let mut set = DataSet::ct(uid);
        change(&mut set);
        let command = ReceiveInstance {
            org_code: org_code.to_owned(),
            calling_ae_title: "PACS01".to_owned(),
            default_charset: Charset::gb18030(),
            sop_class_uid: CT_IMAGE.to_owned(),
            sop_instance_uid: uid.to_owned(),
            transfer_syntax_uid: EXPLICIT_LE.to_owned(),
            completeness: Completeness::AsSent,
            actor: Actor::system("test"),
        };
        let mut writer = self.archive.receive_instance(command).await.unwrap();
        writer.write(&set.encode()).await.unwrap();
        writer.commit().await.unwrap()
    }

    /// Study 2.25.1000 with two series, a large object and another content; another study of the patient; another
    /// organisation's study with the same UID.
    async fn fill(&self) {
        let series = |set: &mut DataSet, number: &str, modality: &str| {
            set.text(0x0020_000E, "UI", &format!("2.25.1000.{number}")).text(0x0008_0060, "CS", modality);
        };
        for number in 1..=3 {
            self.store("ORG-T01", &format!("2.25.1.{number}"), |_| ()).await;
        }
        self.store("ORG-T01", "2.25.2.1", |set| series(set, "2", "PR")).await;
        self.store("ORG-T01", "2.25.2.2", |set| {
            series(set, "2", "PR");
            set.bytes(0x7FE0_0010, "OW", &vec![7; 6 * 1024 * 1024]);
        })
        .await;
        let outcome = self.store("ORG-T01", "2.25.1.1", |set| _ = set.text(0x0008_1030, "LO", "edited")).await;
        assert_eq!(outcome, StoreOutcome::NewVersion);
        self.store("ORG-T01", "2.25.3.1", |set| {
            set.text(0x0020_000D, "UI", "2.25.1001").text(0x0020_000E, "UI", "2.25.1001.1");
        })
        .await;
        self.store("ORG-T02", "2.25.1.1", |_| ()).await;
    }

    async fn delete(&self, level: ImageLevel, uid: &str) -> Result<DeleteOutcome, Error> {
        self.delete_with(level, uid, Unconfirmed::Refuse).await
    }

    async fn delete_with(
        &self,
        level: ImageLevel,
        uid: &str,
        unconfirmed: Unconfirmed,
    ) -> Result<DeleteOutcome, Error> {
        let (org_code, reason) = ("ORG-T01".to_owned(), "test images".to_owned());
        let command = DeleteImages { org_code, level, uid: uid.to_owned(), reason, unconfirmed };
        self.archive.delete_images(Actor::system("test"), command).await
    }

    /// The texts that a statement gives as `t`, in order.
    async fn texts(&self, sql: &'static str) -> Vec<String> {
        let mut texts: Vec<String> =
            self.index.query(sql, Vec::new()).await.unwrap().iter().map(|row| row.text("t").unwrap()).collect();
        texts.sort();
        texts
    }

    async fn instances(&self) -> Vec<String> {
        self.texts("SELECT org_code || ' ' || sop_instance_uid AS t FROM instance").await
    }

    async fn execute(&self, sql: &'static str) {
        let done = self.index.write(move |tx| Box::pin(async move { tx.execute(sql, Vec::new()).await }));
        done.await.map_err(|error: IndexError| error).unwrap();
    }

    /// What the index and storage say of each other: checked, faults, leftovers.
    async fn verified(&self) -> (u64, u64, u64) {
        let verified = self.archive.verify(Depth::Content, |_| ()).await.unwrap();
        (verified.checked, verified.fault_count, verified.unnamed)
    }

    /// An index made of storage alone.
    async fn rebuilt(&self) -> (Reindexed, Vec<String>) {
        let database = TestDatabase::sqlite();
        let (index, ids) = database.open_with_ids().await;
        let archive = archive::build(index.clone(), self.objects.clone(), Clock::System, ids);
        let done = archive.reindex(&rules(), |_| ()).await.unwrap();
        let again = World { archive, index, objects: self.objects.clone() };
        (done, again.instances().await)
    }
}

fn rules() -> ReindexRules {
    ReindexRules { organization: None, default_charset: Charset::gb18030(), charsets: HashMap::new() }
}

fn deleted(outcome: Result<DeleteOutcome, Error>) -> Deletion {
    match outcome.unwrap() {
        DeleteOutcome::Deleted(deletion) => deletion,
        other => panic!("{other:?}"),
    }
}

const KEYS: &str = "SELECT CAST(kind AS TEXT) || ' ' || CAST(study_pk AS TEXT) AS t FROM study_key \
                    WHERE study_pk NOT IN (SELECT id FROM study)";
const MODALITIES: &str = "SELECT m.org_code || ' ' || s.study_instance_uid || ' ' || m.modality AS t \
                          FROM study_modality m LEFT JOIN study s ON s.id = m.study_pk";

each_database! {
    async fn a_study_is_deleted_with_all_that_was_made_of_it_and_nothing_else(database: TestDatabase) {
        for store in [TestStore::segments(), TestStore::folder()] {
            let world = World::open(&database, &store).await;
            world.fill().await;
            let open = "SELECT kind || ' ' || org_code AS t FROM conflict WHERE state = 'open'";
            assert_eq!(world.texts(open).await, ["duplicate_uid ORG-T01", "uid_in_two_organizations ORG-T02"]);
            let extent = world.archive.images_to_delete("ORG-T01", ImageLevel::Study, "2.25.1000").await.unwrap();
            assert_eq!((extent.series, extent.instances, extent.versions, extent.unconfirmed), (2, 5, 1, 0));

            let done = deleted(world.delete(ImageLevel::Study, "2.25.1000").await);

            assert_eq!((done.instances, done.versions, done.bytes), (5, 1, extent.bytes));
            assert_eq!(world.instances().await, ["ORG-T01 2.25.3.1", "ORG-T02 2.25.1.1"]);
            let studies = "SELECT org_code || ' ' || study_instance_uid AS t FROM study";
            assert_eq!(world.texts(studies).await, ["ORG-T01 2.25.1001", "ORG-T02 2.25.1000"]);
            assert_eq!(world.texts(MODALITIES).await, ["ORG-T01 2.25.1001 CT", "ORG-T02 2.25.1000 CT"]);
            assert_eq!(world.texts(KEYS).await, [""; 0]);
            assert_eq!(world.texts("SELECT org_code AS t FROM patient").await, ["ORG-T01", "ORG-T02"]);
            assert_eq!(world.texts(open).await, [""; 0], "nothing contradicts any more");
            assert_eq!(world.texts("SELECT object_key AS t FROM purged_object").await, [""; 0]);
            assert_eq!(world.verified().await, (2, 0, 0));
            let audited = "SELECT actor || ' ' || org_code || ' ' || detail AS t FROM audit WHERE action = 'delete_images'";
            let audited = world.texts(audited).await;
            assert!(audited[0].contains("test images") && audited[0].contains("2.25.1000"), "{audited:?}");

            // Neither an index made of storage alone brings it back, nor one more pass over the same index.
            assert_eq!(world.rebuilt().await.1, ["ORG-T01 2.25.3.1", "ORG-T02 2.25.1.1"]);
            assert_eq!(world.archive.reindex(&rules(), |_| ()).await.unwrap().indexed, 0);

            // Again changes nothing, and the same images are taken in as new ones.
            let again = world.delete(ImageLevel::Study, "2.25.1000").await.unwrap();
            assert_eq!(again, DeleteOutcome::Before(done));
            assert_eq!(world.store("ORG-T01", "2.25.1.1", |_| ()).await, StoreOutcome::Stored);
            assert_eq!(world.verified().await, (3, 0, 0));
            assert_eq!(world.rebuilt().await.1, ["ORG-T01 2.25.1.1", "ORG-T01 2.25.3.1", "ORG-T02 2.25.1.1"]);
            assert_eq!(deleted(world.delete(ImageLevel::Study, "2.25.1000").await).instances, 1);

            // The last study takes its patient along; the other store begins with an empty index.
            deleted(world.delete(ImageLevel::Study, "2.25.1001").await);
            assert_eq!(world.texts("SELECT org_code AS t FROM patient").await, ["ORG-T02"]);
            let theirs = DeleteImages {
                org_code: "ORG-T02".to_owned(),
                level: ImageLevel::Study,
                uid: "2.25.1000".to_owned(),
                reason: "test images".to_owned(),
                unconfirmed: Unconfirmed::Refuse,
            };
            deleted(world.archive.delete_images(Actor::system("test"), theirs).await);
            for table in ["DELETE FROM conflict", "DELETE FROM audit", "DELETE FROM deletion"] {
                world.execute(table).await;
            }
            world.archive.release().await.unwrap();
        }
    }

    async fn a_series_or_one_instance_leaves_the_rest_of_the_study_as_it_was(database: TestDatabase) {
        let store = TestStore::segments();
        let world = World::open(&database, &store).await;
        world.fill().await;

        let series = deleted(world.delete(ImageLevel::Series, "2.25.1000.2").await);
        let instance = deleted(world.delete(ImageLevel::Instance, "2.25.1.1").await);

        assert_eq!((series.instances, series.versions), (2, 0));
        assert_eq!((instance.instances, instance.versions), (1, 1));
        let left = ["ORG-T01 2.25.1.2", "ORG-T01 2.25.1.3", "ORG-T01 2.25.3.1", "ORG-T02 2.25.1.1"];
        assert_eq!(world.instances().await, left);
        assert_eq!(world.texts("SELECT series_instance_uid AS t FROM series").await.len(), 3);
        let modalities = ["ORG-T01 2.25.1000 CT", "ORG-T01 2.25.1001 CT", "ORG-T02 2.25.1000 CT"];
        assert_eq!(world.texts(MODALITIES).await, modalities, "presentation states are no more");
        let keys = "SELECT CAST(k.kind AS TEXT) AS t FROM study_key k JOIN study s ON s.id = k.study_pk \
                    WHERE s.study_instance_uid = '2.25.1000' AND s.org_code = 'ORG-T01'";
        assert!(world.texts(keys).await.contains(&"3".to_owned()), "it is found by its number");
        assert_eq!((world.verified().await, world.rebuilt().await.1), ((4, 0, 0), left.map(str::to_owned).to_vec()));
        let unknown = world.delete(ImageLevel::Series, "2.25.1000.9").await;
        assert!(matches!(unknown, Err(Error::NotFound)), "{unknown:?}");

        // The last instance takes series and study along.
        for uid in ["2.25.1.2", "2.25.1.3"] {
            deleted(world.delete(ImageLevel::Instance, uid).await);
        }
        assert_eq!(world.texts("SELECT org_code AS t FROM study").await, ["ORG-T01", "ORG-T02"]);
    }

    async fn what_a_crash_has_cut_off_is_brought_to_its_end_without_what_came_since(database: TestDatabase) {
        let store = TestStore::segments();
        let world = World::open(&database, &store).await;
        world.fill().await;
        // As a process leaves it that was killed between two transactions of a large deletion.
        let sql = "INSERT INTO deletion (id, org_code, study_instance_uid, series_instance_uid, sop_instance_uid, \
                   received_until, instances, versions, bytes, begun_at, finished_at) \
                   SELECT 1, 'ORG-T01', '2.25.1000', '', '', MAX(received_at), 500, 0, 0, 1, NULL FROM instance";
        world.execute(sql).await;
        // After all others, however long it took to store them.
        let sql = "UPDATE instance SET received_at = (SELECT MAX(received_at) FROM instance) + 1000 \
                   WHERE sop_instance_uid = '2.25.2.2'";
        world.execute(sql).await;

        let compacted = world.archive.compact(&CompactionConfig::default()).await;

        compacted.unwrap();
        assert_eq!(world.instances().await, ["ORG-T01 2.25.2.2", "ORG-T01 2.25.3.1", "ORG-T02 2.25.1.1"]);
        assert_eq!(world.verified().await, (3, 0, 0));
        let last = world.archive.last_deletion("ORG-T01", ImageLevel::Study, "2.25.1000").await.unwrap().unwrap();
        assert_eq!((last.instances, last.versions, last.finished_at.is_some()), (504, 1, true));
    }

    async fn what_an_upstream_has_not_confirmed_is_deleted_only_when_that_is_said(database: TestDatabase) {
        let store = TestStore::segments();
        let mut world = World::open(&database, &store).await;
        let rule = ForwardRule { upstream: "region".to_owned(), organizations: Vec::new(), delay_ms: 0 };
        world.archive = world.archive.forwarding(vec![rule]);
        world.fill().await;

        let refused = world.delete(ImageLevel::Study, "2.25.1000").await;

        assert!(matches!(&refused, Err(Error::Invalid(why)) if why.contains("not confirmed 5")), "{refused:?}");
        assert_eq!(world.instances().await.len(), 7, "nothing went");
        assert_eq!(world.texts("SELECT action AS t FROM audit WHERE action = 'delete_images'").await, [""; 0]);

        // Confirmed instances go without a word, the others when it is said.
        let of = "SELECT f.instance_pk, f.changed_at FROM forward f JOIN instance i ON i.id = f.instance_pk \
                  WHERE i.sop_instance_uid = '2.25.1.2'";
        let row = world.index.query(of, params![]).await.unwrap();
        let confirmed = ForwardResult {
            instance_pk: row[0].int("instance_pk").unwrap(),
            state: ForwardState::Confirmed,
            due_at: 0,
            attempts: 0,
            reason: String::new(),
            taken_from: row[0].int("changed_at").unwrap(),
        };
        world.archive.settle_forward("region", vec![confirmed]).await.unwrap();
        deleted(world.delete(ImageLevel::Instance, "2.25.1.2").await);
        let done = deleted(world.delete_with(ImageLevel::Study, "2.25.1000", Unconfirmed::Delete).await);
        assert_eq!(done.instances, 4);
        let rest = "SELECT i.sop_instance_uid AS t FROM forward f JOIN instance i ON i.id = f.instance_pk";
        assert_eq!(world.texts(rest).await, ["2.25.1.1", "2.25.3.1"]);
    }

    async fn a_copy_that_a_compaction_has_left_behind_does_not_bring_it_back(database: TestDatabase) {
        let store = TestStore::segments();
        let world = World::open(&database, &store).await;
        for number in 1..=10 {
            world.store("ORG-T01", &format!("2.25.1.{number:02}"), |_| ()).await;
        }
        world.objects.close().await;
        for number in 1..=8 {
            deleted(world.delete(ImageLevel::Instance, &format!("2.25.1.{number:02}")).await);
        }
        // Two are copied; the old segment can still be read from.
        let config = CompactionConfig { grace_minutes: 60, ..CompactionConfig::default() };
        assert_eq!(world.archive.compact(&config).await.unwrap().moved, 2);

        deleted(world.delete(ImageLevel::Instance, "2.25.1.09").await);

        assert_eq!(world.rebuilt().await.1, ["ORG-T01 2.25.1.10"]);
        assert_eq!(world.archive.reindex(&rules(), |_| ()).await.unwrap().indexed, 0);
        assert_eq!(world.instances().await, ["ORG-T01 2.25.1.10"]);
        // And its room comes back.
        world.objects.close().await;
        let at_once = CompactionConfig { grace_minutes: 0, ..CompactionConfig::default() };
        assert_eq!(world.archive.compact(&at_once).await.unwrap().removed, 1);
        assert_eq!(world.verified().await, (1, 0, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_study_of_more_images_than_one_transaction_takes_is_deleted_whole() {
    let (database, store) = (TestDatabase::sqlite(), TestStore::segments());
    let world = World::open(&database, &store).await;
    world.store("ORG-T01", "2.25.1.0", |_| ()).await;
    for many in 0..11 {
        let stores = (0..100).map(|number| {
            let (world, uid) = (&world, format!("2.25.1.{}", many * 100 + number + 1));
            async move { world.store("ORG-T01", &uid, |_| ()).await }
        });
        futures_util::future::join_all(stores).await;
    }

    let done = deleted(world.delete(ImageLevel::Study, "2.25.1000").await);

    assert_eq!(done.instances, 1101);
    assert_eq!((world.instances().await, world.rebuilt().await.1), (Vec::new(), Vec::new()));
    assert_eq!(world.texts("SELECT action AS t FROM audit WHERE action = 'delete_images'").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn images_that_come_while_their_study_is_deleted_are_kept_on_postgres() {
    let (database, store) = (TestDatabase::postgres(), TestStore::segments());
    let world = World::open(&database, &store).await;
    for round in 0..10 {
        world.store("ORG-T01", &format!("2.25.1.{round}.0"), |_| ()).await;
        let stores = (1..20).map(|number| {
            let (world, uid) = (&world, format!("2.25.1.{round}.{number}"));
            async move { world.store("ORG-T01", &uid, |_| ()).await }
        });
        let (outcomes, done) =
            tokio::join!(futures_util::future::join_all(stores), world.delete(ImageLevel::Study, "2.25.1000"));
        assert!(outcomes.iter().all(|outcome| *outcome == StoreOutcome::Stored));
        deleted(done);
        let (_, faults, unnamed) = world.verified().await;
        assert_eq!((faults, unnamed), (0, 0), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_says_why_in_one_line() {
    let (database, store) = (TestDatabase::sqlite(), TestStore::segments());
    let world = World::open(&database, &store).await;
    world.fill().await;
    for reason in ["", "  ", "two\nlines", &"x".repeat(201)] {
        let command = DeleteImages {
            org_code: "ORG-T01".to_owned(),
            level: ImageLevel::Study,
            uid: "2.25.1000".to_owned(),
            reason: reason.to_owned(),
            unconfirmed: Unconfirmed::Refuse,
        };
        let refused = world.archive.delete_images(Actor::system("test"), command).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{reason:?}: {refused:?}");
    }
    assert_eq!(world.instances().await.len(), 7);
}
