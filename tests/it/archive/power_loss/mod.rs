//! A loss of power takes what was not synced: the tail of the database's log. Segments bring the rows back (ADR 3).
//!
//! The log is cut where a disk could have ended it, from what was surely synced to all of it, at whole frames and within them;
//! what is left is opened as a start of the server would. Nobody here trusts the archive's own idea of what is synced:
//! [`server`] asks the system calls, the others cut from where a whole sync had come back.

mod cuts;
mod server;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use yingku::archive::images::store_instance::StoreOutcome;
use yingku::archive::peers::forward::{ForwardResult, ForwardState, Step};
use yingku::archive::upkeep::replay_segments::Replayed;
use yingku::archive::upkeep::verify::Depth;
use yingku::domain::place::Place;
use yingku::objects::Kind;

use cuts::Log;
use world::{Crash, World, facts, slice};

/// The database and store as after a crash, opened and replayed, hold all of this exactly once.
async fn assert_all_there(crash: Crash, acknowledged: &BTreeMap<String, Vec<u8>>, what: &str) -> Replayed {
    let world = crash.open().await;
    let replayed = world.archive.replay_segments().await.unwrap();
    assert_eq!((replayed.left_out, replayed.failed), (0, 0), "{what}");
    let stored = world.stored().await;
    assert_eq!(stored.keys().collect::<Vec<_>>(), acknowledged.keys().collect::<Vec<_>>(), "{what}");
    for (uid, contents) in &stored {
        assert!(contents == &[acknowledged[uid].clone()], "{what}: {uid} is there once, byte for byte");
    }
    let verified = world.archive.verify(Depth::Content, |_| ()).await.unwrap();
    assert_eq!((verified.fault_count, verified.checked), (0, acknowledged.len() as u64), "{what}");
    assert_eq!(world.marks(), 0, "{what}: the rows are on the disk now");
    assert_eq!(world.archive.replay_segments().await.unwrap(), Replayed::default(), "{what}: again changes nothing");
    replayed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_log_has_lost_each_acknowledged_instance_is_there_exactly_once() {
    let world = World::new().await;
    let synced = world.sync().await;
    let mut acknowledged = BTreeMap::new();
    // New studies, series that grow, several senders at once, and some that come twice.
    for round in 0..6 {
        let stores = (0..12).map(|number| {
            let (study, uid) = (number % 4, format!("2.25.7.{round}.{number}"));
            let set = slice(study, &uid);
            let world = &world;
            async move {
                assert_eq!(world.store(&set).await, StoreOutcome::Stored);
                (uid, set.encode())
            }
        });
        acknowledged.extend(join_all(stores).await);
        assert_eq!(world.store(&slice(0, &format!("2.25.7.{round}.0"))).await, StoreOutcome::Duplicate);
    }
    let crash = world.crash();
    let log = Log::read(&crash.log());
    let mut made_again = BTreeSet::new();
    let cuts = log.cuts(synced);
    assert!(cuts.len() >= 200, "only {} places to cut", cuts.len());
    for at in cuts {
        let replayed = assert_all_there(crash.with_log_cut(at), &acknowledged, &format!("cut at {at}")).await;
        made_again.insert(replayed.made);
    }
    assert_eq!(made_again.first(), Some(&0), "nothing is lost when nothing is cut");
    assert_eq!(made_again.last(), Some(&(acknowledged.len() as u64)), "all can be lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sealed_segment_keeps_its_mark_until_its_rows_are_synced() {
    let world = World::with_segments_of(64 * 1024).await;
    let mut acknowledged = BTreeMap::new();
    let mut marked = 0;
    for round in 0..8 {
        let synced = world.sync().await;
        assert_eq!(world.marks(), 0, "round {round}: after a sync only the open segment can lack rows");
        for number in 0..40 {
            let uid = format!("2.25.7.{round}.{number}");
            let set = slice(round % 3, &uid);
            assert_eq!(world.store(&set).await, StoreOutcome::Stored);
            acknowledged.insert(uid, set.encode());
        }
        marked += world.marks();
        let crash = world.crash();
        let cuts = Log::read(&crash.log()).cuts(synced);
        for at in cuts.iter().step_by(9) {
            assert_all_there(crash.with_log_cut(*at), &acknowledged, &format!("round {round}, cut at {at}")).await;
        }
    }
    assert!(marked >= 8, "segments were full while their rows waited: {marked}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_queues_jobs_conflicts_and_audit_stand_as_they_would() {
    let world = World::new().await;
    world.register_exam("2.25.8.1").await;
    let synced = world.sync().await;
    for number in 0..5 {
        assert_eq!(world.store(&slice(1, &format!("2.25.7.{number}"))).await, StoreOutcome::Stored);
    }
    // Another patient in the same study, another content under a known UID, and a study that two organisations have.
    let mut other = slice(1, "2.25.7.5");
    other.text(0x0010_0040, "CS", "M");
    assert_eq!(world.store(&other).await, StoreOutcome::Stored);
    let mut changed = slice(1, "2.25.7.0");
    changed.text(0x0008_103E, "LO", "edited");
    assert_eq!(world.store(&changed).await, StoreOutcome::NewVersion);
    assert_eq!(world.store_for("ORG-T02", &slice(1, "2.25.7.0")).await, StoreOutcome::Stored);
    assert_eq!(world.store_for("ORG-T02", &slice(2, "2.25.7.9")).await, StoreOutcome::Stored);
    let before = facts(&world.index).await;
    for what in ["exam_study", "forward", "job", "conflict", "audit", "version", "series"] {
        assert!(before.iter().any(|fact| fact.starts_with(what)), "no {what} in {before:?}");
    }

    let crash = world.crash();
    for at in Log::read(&crash.log()).cuts(synced).iter().step_by(3) {
        let after = crash.with_log_cut(*at).open().await;
        after.archive.replay_segments().await.unwrap();
        assert_eq!(facts(&after.index).await, before, "cut at {at}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_purged_or_copied_is_not_made_again() {
    let world = World::new().await;
    for number in 0..4 {
        world.store(&slice(1, &format!("2.25.7.{number}"))).await;
    }
    // Forwarded, confirmed and purged: the rows stay, the bytes go.
    let batch = world.archive.next_forward("region", Step::Send, &[], 2).await.unwrap();
    let confirmed = batch.unwrap().instances.into_iter().map(|one| ForwardResult {
        instance_pk: one.instance_pk,
        state: ForwardState::Confirmed,
        due_at: 0,
        attempts: 1,
        reason: String::new(),
        taken_from: one.changed_at,
    });
    world.archive.settle_forward("region", confirmed.collect()).await.unwrap();
    assert_eq!(world.archive.purge_forwarded(0, 10).await.unwrap().instances, 2);
    // A compaction copies, and the power goes before rows point to the copies.
    let (key, offset, length) = world.places().await.into_iter().find(|(key, ..)| !key.is_empty()).unwrap();
    let copied = Place { key, offset, length };
    let bytes = world.objects.read(&copied).await.unwrap();
    world.objects.put(Kind::Instance, bytes).await.unwrap();
    let (before, places) = (facts(&world.index).await, world.places().await);

    let after = world.crash().open().await;
    let replayed = after.archive.replay_segments().await.unwrap();

    assert_eq!((replayed.made, replayed.duplicates, replayed.left_out), (0, 1, 0));
    assert_eq!((facts(&after.index).await, after.places().await), (before, places));
    let again = after.crash().open().await;
    assert_eq!(again.archive.replay_segments().await.unwrap().duplicates, 0, "the copy has been buried");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segment_that_waits_for_a_replay_is_not_swept() {
    let world = World::new().await;
    let synced = world.sync().await;
    world.store(&slice(1, "2.25.7.1")).await;
    let after = world.crash().with_log_cut(synced).open().await;
    assert_eq!((after.marks(), after.stored().await.len()), (1, 0));

    after.archive.sweep(0..i64::MAX).await.unwrap();

    assert_eq!(after.archive.verify(Depth::Content, |_| ()).await.unwrap().unnamed, 0);
    assert_eq!(after.archive.replay_segments().await.unwrap().made, 1);
    assert_eq!(after.stored().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orderly_end_leaves_nothing_to_replay() {
    let world = World::new().await;
    for number in 0..3 {
        world.store(&slice(1, &format!("2.25.7.{number}"))).await;
    }
    let index = world.index.clone();
    let (folder, archive) = world.into_parts();
    archive.close().await.unwrap();
    assert!(index.sync().await.is_err(), "what is written after the end would not reach the disk: it is refused");
    let after = Crash::of(folder.path()).open().await;
    assert_eq!(after.marks(), 0);
    assert_eq!(after.archive.replay_segments().await.unwrap(), Replayed::default());
    assert_eq!(after.stored().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_replay_could_not_make_again_is_synced_and_all_before_it() {
    let world = World::with_segments_of(64 * 1024).await;
    let mut next = 0;
    for what in ["another charset", "a file of its own", "a report"] {
        while world.marks() == 0 {
            next += 1;
            assert_eq!(world.store(&slice(1, &format!("2.25.7.{next}"))).await, StoreOutcome::Stored);
        }
        match what {
            "another charset" => {
                assert_eq!(world.store_read_as("BIG5", &slice(1, "2.25.9.2")).await, StoreOutcome::Stored);
            }
            "a file of its own" => {
                let mut large = slice(2, "2.25.9.3");
                large.bytes(0x7FE0_0010, "OW", &vec![7; 64 * 1024]);
                assert_eq!(world.store(&large).await, StoreOutcome::Stored);
            }
            _ => world.register_exam("2.25.8.1").await,
        }
        assert_eq!(world.marks(), 0, "{what} takes everything before it to the disk");
    }
}
