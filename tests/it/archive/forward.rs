//! The queue to upstream archives, and what is left of an instance whose bytes are gone (D-I19, RD-8).

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use futures_util::StreamExt as _;
use yingku::archive::Archive;
use yingku::archive::images::store_instance::{Completeness, ReceiveInstance, StoreOutcome};
use yingku::archive::peers::forward::{ForwardInstance, ForwardResult, ForwardRule, ForwardState, Step};
use yingku::archive::upkeep::compact::CompactionConfig;
use yingku::archive::upkeep::reindex::ReindexRules;
use yingku::archive::upkeep::verify::Depth;
use yingku::dicom::text::Charset;
use yingku::domain::{Actor, Clock};
use yingku::index::Index;
use yingku::objects::Objects;

use crate::each_database;
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};
use crate::harness::{TestDatabase, TestStore, archive};

const LONG: Duration = Duration::from_secs(60);
const OFFLINE: &str = "SELECT COUNT(*) AS n FROM instance WHERE offline_at IS NOT NULL AND object_key = ''";

fn rule() -> ForwardRule {
    ForwardRule { upstream: "region".to_owned(), organizations: vec!["ORG-T01".to_owned()], delay_ms: 0 }
}

async fn open(database: &TestDatabase, objects: &Objects) -> (Archive, Index) {
    let (index, ids) = database.open_with_ids().await;
    let archive = archive::build(index.clone(), objects.clone(), Clock::System, ids).forwarding(vec![rule()]);
    (archive, index)
}

async fn store(archive: &Archive, org_code: &str, uid: &str) -> StoreOutcome {
    store_bytes(archive, org_code, uid, &DataSet::ct(uid).encode()).await
}

async fn store_bytes(archive: &Archive, org_code: &str, uid: &str, data_set: &[u8]) -> StoreOutcome {
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
    let mut writer = archive.receive_instance(command).await.unwrap();
    writer.write(data_set).await.unwrap();
    writer.commit().await.unwrap()
}

/// Everything that waits, study by study.
async fn waiting(archive: &Archive) -> Vec<ForwardInstance> {
    let (mut seen, mut found) = (Vec::new(), Vec::new());
    while let Some(batch) = archive.next_forward("region", Step::Send, &seen, 100).await.unwrap() {
        seen.push(batch.study_pk);
        found.extend(batch.instances);
    }
    found.sort_by(|a, b| a.sop_instance_uid.cmp(&b.sop_instance_uid));
    found
}

fn uids(instances: &[ForwardInstance]) -> Vec<&str> {
    instances.iter().map(|one| one.sop_instance_uid.as_str()).collect()
}

fn now_in(instance: &ForwardInstance, state: ForwardState, due_at: i64) -> ForwardResult {
    let (instance_pk, taken_from) = (instance.instance_pk, instance.changed_at);
    ForwardResult { instance_pk, state, due_at, attempts: 1, reason: "a reason".to_owned(), taken_from }
}

/// Marks the only instance that waits as confirmed by the upstream.
async fn confirm_the_one_that_waits(archive: &Archive) -> ForwardInstance {
    let mut queued = waiting(archive).await;
    assert_eq!(queued.len(), 1);
    archive.settle_forward("region", vec![now_in(&queued[0], ForwardState::Confirmed, 0)]).await.unwrap();
    queued.remove(0)
}

/// What was sent is not the current content any more: it waits again, and nothing is removed before it is confirmed.
async fn goes_up_again(archive: &Archive, index: &Index, former: &ForwardInstance, content: &[u8]) {
    let queued = waiting(archive).await;
    assert_eq!(uids(&queued), ["2.25.1"], "it waits again");
    assert_eq!(queued[0].attempts, 0);
    assert_ne!(queued[0].place, former.place);
    // An answer about the former content comes late.
    archive.settle_forward("region", vec![now_in(former, ForwardState::Confirmed, 0)]).await.unwrap();
    assert_eq!(uids(&waiting(archive).await), ["2.25.1"], "the answer was about another content");
    assert_eq!(archive.purge_forwarded(0, 100).await.unwrap().instances, 0);
    assert_eq!(number(index, OFFLINE).await, 0);
    let pieces: Vec<_> = archive.forward_bytes(&queued[0], queued[0].dataset_offset).await.unwrap().collect().await;
    let sent: Vec<u8> = pieces.into_iter().flat_map(|piece| piece.unwrap().to_vec()).collect();
    assert_eq!(sent, content, "what goes up is the current content");
    archive.settle_forward("region", vec![now_in(&queued[0], ForwardState::Confirmed, 0)]).await.unwrap();
    assert_eq!(archive.purge_forwarded(0, 100).await.unwrap().instances, 1, "until it is confirmed");
}

async fn number(index: &Index, sql: &'static str) -> i64 {
    index.query(sql, Vec::new()).await.unwrap()[0].int("n").unwrap()
}

/// Turns one bit of an instance's last byte.
async fn damage(index: &Index, store: &TestStore, instance: &ForwardInstance) {
    let place = yingku::index::forwards::place(index, instance).await.unwrap().unwrap();
    let path = store.path().unwrap().join(place.key);
    let file = File::options().read(true).write(true).open(path).unwrap();
    let (mut byte, at) = ([0], place.offset + place.length - 1);
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

each_database! {
    async fn what_is_confirmed_and_whole_is_removed_and_its_absence_is_no_fault(database: TestDatabase) {
        let folder = TestStore::segments();
        let objects = folder.open();
        let (archive, index) = open(&database, &objects).await;
        for uid in ["2.25.1", "2.25.2", "2.25.3", "2.25.4"] {
            assert_eq!(store(&archive, "ORG-T01", uid).await, StoreOutcome::Stored);
        }
        assert_eq!(store(&archive, "ORG-T02", "2.25.9").await, StoreOutcome::Stored);
        let queued = waiting(&archive).await;
        assert_eq!(uids(&queued), ["2.25.1", "2.25.2", "2.25.3", "2.25.4"]);

        let confirmed = queued[..3].iter().map(|one| now_in(one, ForwardState::Confirmed, 0));
        let sent = now_in(&queued[3], ForwardState::Sent, i64::MAX);
        archive.settle_forward("region", confirmed.chain([sent]).collect()).await.unwrap();
        // The end of an open segment would be written once more.
        objects.close().await;
        damage(&index, &folder, &queued[2]).await;
        assert_eq!(archive.scrub(0, LONG).await.unwrap().damaged, 1);
        let purged = archive.purge_forwarded(0, 100).await.unwrap();

        assert_eq!((purged.instances, number(&index, OFFLINE).await), (2, 2), "one is damaged, one only sent");
        assert_eq!(archive.purge_forwarded(0, 100).await.unwrap().instances, 0);
        let verified = archive.verify(Depth::Content, |_| {}).await.unwrap();
        assert_eq!((verified.checked, verified.fault_count), (3, 1));
        let scrubbed = archive.scrub(0, LONG).await.unwrap();
        assert_eq!((scrubbed.checked, scrubbed.damaged), (3, 1));
        assert_eq!(store(&archive, "ORG-T01", "2.25.1").await, StoreOutcome::Duplicate);
        assert_eq!(number(&index, OFFLINE).await, 2);

        // Whole again, and its time has come; the space comes back.
        damage(&index, &folder, &queued[2]).await;
        assert_eq!(archive.scrub(0, LONG).await.unwrap().damaged, 0);
        assert_eq!(archive.purge_forwarded(0, 100).await.unwrap().instances, 1);
        let at_once = CompactionConfig { dead_percent: 1, every_minutes: 60, grace_minutes: 0 };
        assert_eq!(archive.compact(&at_once).await.unwrap().rewritten, 1);
        assert_eq!(archive.compact(&at_once).await.unwrap().removed, 1);
        let verified = archive.verify(Depth::Content, |_| {}).await.unwrap();
        assert_eq!((verified.checked, verified.fault_count), (2, 0));

        // A rebuilt index knows what is here, and that it has to go up.
        let fresh = TestDatabase::sqlite();
        let (rebuilt, _) = open(&fresh, &objects).await;
        let rules = ReindexRules { organization: None, default_charset: Charset::gb18030(), charsets: HashMap::new() };
        let done = rebuilt.reindex(&rules, |_| ()).await.unwrap();
        assert_eq!((done.indexed, done.left_out), (2, 0), "{done:?}");
        assert_eq!(uids(&waiting(&rebuilt).await), ["2.25.4"]);
    }

    async fn a_whole_object_goes_up_after_the_one_that_was_cut_off(database: TestDatabase) {
        let whole = DataSet::ct("2.25.1").encode();
        let cut = &whole[..whole.len() - 2];
        for is_purged in [false, true] {
            let folder = TestStore::folder();
            let fresh = TestDatabase::sqlite();
            let (archive, index) = open(if is_purged { &database } else { &fresh }, &folder.open()).await;
            assert_eq!(store_bytes(&archive, "ORG-T01", "2.25.1", cut).await, StoreOutcome::Stored);
            let former = confirm_the_one_that_waits(&archive).await;
            let purged = if is_purged { archive.purge_forwarded(0, 100).await.unwrap().instances } else { 0 };
            assert_eq!(purged, i64::from(is_purged) as u64);

            assert_eq!(store_bytes(&archive, "ORG-T01", "2.25.1", &whole).await, StoreOutcome::NewVersion);

            let versions = number(&index, "SELECT COUNT(*) AS n FROM instance_version").await;
            assert_eq!(versions, i64::from(!is_purged), "what is upstream only is no version here");
            let place = yingku::index::forwards::place(&index, &former).await.unwrap();
            assert_eq!(place, None, "what lies there now is not read as if it were the former");
            let verified = archive.verify(Depth::Content, |_| {}).await.unwrap();
            assert_eq!((verified.checked, verified.fault_count), (1 + versions as u64, 0));
            assert_eq!(archive.scrub(0, LONG).await.unwrap().checked, 1 + versions, "it is here again");
            goes_up_again(&archive, &index, &former, &whole).await;
        }
    }

    async fn a_content_that_a_person_has_chosen_goes_up_after_the_first_one(database: TestDatabase) {
        let mut other = DataSet::ct("2.25.1");
        let other = other.text(0x0020_0013, "IS", "7").encode();
        for is_purged in [false, true] {
            let folder = TestStore::folder();
            let fresh = TestDatabase::sqlite();
            let (archive, index) = open(if is_purged { &database } else { &fresh }, &folder.open()).await;
            assert_eq!(store(&archive, "ORG-T01", "2.25.1").await, StoreOutcome::Stored);
            let former = confirm_the_one_that_waits(&archive).await;
            assert_eq!(store_bytes(&archive, "ORG-T01", "2.25.1", &other).await, StoreOutcome::NewVersion);
            assert!(waiting(&archive).await.is_empty(), "other contents stay here until somebody decides");
            let purged = if is_purged { archive.purge_forwarded(0, 100).await.unwrap().instances } else { 0 };
            assert_eq!(purged, i64::from(is_purged) as u64);

            let conflict = number(&index, "SELECT id AS n FROM conflict").await;
            let version = number(&index, "SELECT id AS n FROM instance_version").await;
            archive.accept_conflict(Actor::system("test"), conflict, Some(version)).await.unwrap();

            let verified = archive.verify(Depth::Content, |_| {}).await.unwrap();
            assert_eq!((verified.checked, verified.fault_count), (2 - i64::from(is_purged) as u64, 0));
            goes_up_again(&archive, &index, &former, &other).await;
        }
    }

    async fn an_upstream_that_is_new_gets_what_takes_the_place_of_something_old(database: TestDatabase) {
        let folder = TestStore::folder();
        let objects = folder.open();
        let (index, ids) = database.open_with_ids().await;
        let before = archive::build(index.clone(), objects.clone(), Clock::System, ids.clone());
        let whole = DataSet::ct("2.25.1").encode();
        store_bytes(&before, "ORG-T01", "2.25.1", &whole[..whole.len() - 2]).await;
        let archive = archive::build(index, objects, Clock::System, ids).forwarding(vec![rule()]);
        assert!(waiting(&archive).await.is_empty());

        assert_eq!(store_bytes(&archive, "ORG-T01", "2.25.1", &whole).await, StoreOutcome::NewVersion);

        assert_eq!(uids(&waiting(&archive).await), ["2.25.1"]);
    }

    async fn a_retry_lets_parked_and_postponed_instances_go_at_once(database: TestDatabase) {
        let folder = TestStore::folder();
        let (archive, index) = open(&database, &folder.open()).await;
        for uid in ["2.25.1", "2.25.2", "2.25.3"] {
            store(&archive, "ORG-T01", uid).await;
        }
        let queued = waiting(&archive).await;
        let results = vec![
            now_in(&queued[0], ForwardState::Parked, 0),
            now_in(&queued[1], ForwardState::Waiting, i64::MAX),
            now_in(&queued[2], ForwardState::Sent, i64::MAX),
        ];
        archive.settle_forward("region", results).await.unwrap();
        assert!(waiting(&archive).await.is_empty());
        assert_eq!(archive.parked_forwards("region", 10).await.unwrap()[0].reason, "a reason");

        let count = archive.retry_forwards("region").await.unwrap();

        assert_eq!(count, 2);
        let again = waiting(&archive).await;
        assert_eq!(uids(&again), ["2.25.1", "2.25.2"]);
        assert_eq!(again[0].attempts, 0, "a parked one has all its attempts again");
        assert_eq!(archive.retry_forwards("region").await.unwrap(), 0);
        assert_eq!(number(&index, "SELECT COUNT(*) AS n FROM forward WHERE state = 1").await, 1);

        assert_eq!(archive.forget_forwards("region").await.unwrap(), 3);
        assert_eq!(number(&index, "SELECT COUNT(*) AS n FROM forward").await, 0);
        assert_eq!(archive.purge_forwarded(0, 100).await.unwrap().instances, 0, "nobody has confirmed anything");
    }
}
