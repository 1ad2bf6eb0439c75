//! No change is ever skipped, however writers, sequencers and followers meet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::oneshot;
use yingku::domain::sharing::Sharing;
use yingku::index::report_changes::{self, Aspect, Change, Subject};
use yingku::index::{Error, Ids, Index};

use crate::each_database;
use crate::harness::TestDatabase;

const WRITERS: usize = 8;
const FOLLOWERS: usize = 3;
const EACH: i64 = 60;

fn change(report_pk: i64) -> Change<'static> {
    let (subject, aspect, sharing) = (Subject::Exam, Aspect::Report, Sharing::Everyone);
    Change { report_pk, subject, aspect, org_code: "ORG-T01", sharing }
}

async fn record(index: &Index, ids: &Ids, report_pk: i64, now: i64) {
    let ids = ids.clone();
    let write =
        index.write(move |tx| Box::pin(async move { report_changes::record(tx, &ids, now, change(report_pk)).await }));
    write.await.unwrap();
}

/// Follows until the writers have ended and nothing is left; the newest time seen of each report.
async fn follow(index: Index, writing: Arc<AtomicUsize>) -> BTreeMap<i64, i64> {
    let (mut seen, mut position) = (BTreeMap::new(), 0);
    loop {
        let ended = writing.load(Ordering::SeqCst) == 0;
        report_changes::sequence(&index, 7).await.unwrap();
        let head = report_changes::head(&index).await.unwrap();
        let entries = report_changes::after(&index, position, head, None, 5).await.unwrap();
        let full = entries.len() == 5;
        for entry in entries {
            assert!(entry.position > position, "positions go up");
            position = entry.position;
            seen.insert(entry.report_pk, entry.changed_at);
        }
        if !full {
            position = head;
        }
        if ended && !full && !report_changes::is_waiting(&index).await.unwrap() {
            let head = report_changes::head(&index).await.unwrap();
            if report_changes::after(&index, position, head, None, 1).await.unwrap().is_empty() {
                return seen;
            }
        }
    }
}

each_database! {
    async fn followers_miss_nothing_while_many_write(database: TestDatabase) {
        let mut nodes = Vec::new();
        // On PostgreSQL several servers write and give positions; on SQLite there is one.
        let servers = if database.config().url.starts_with("postgres") { 3 } else { 1 };
        for _ in 0..servers {
            nodes.push(database.open_with_ids().await);
        }
        let writing = Arc::new(AtomicUsize::new(WRITERS));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (index, ids) = nodes[writer % servers].clone();
                let writing = Arc::clone(&writing);
                tokio::spawn(async move {
                    for n in 0..EACH {
                        // Reports of its own, and one that everybody changes.
                        record(&index, &ids, 1000 * writer as i64 + n % 40 + 1, n).await;
                        record(&index, &ids, 1_000_000, 1).await;
                    }
                    writing.fetch_sub(1, Ordering::SeqCst);
                })
            })
            .collect();
        let followers: Vec<_> =
            (0..FOLLOWERS).map(|n| tokio::spawn(follow(nodes[n % servers].0.clone(), Arc::clone(&writing)))).collect();
        for writer in writers {
            writer.await.unwrap();
        }

        let mut expected = BTreeMap::from([(1_000_000, 1)]);
        for writer in 0..WRITERS as i64 {
            expected.extend((0..EACH).map(|n| (1000 * writer + n % 40 + 1, n)));
        }
        for follower in followers {
            assert_eq!(follower.await.unwrap(), expected, "the newest change of every report");
        }
        let (index, _) = &nodes[0];
        let rows = index.query("SELECT position FROM report_change", Vec::new()).await.unwrap();
        let positions: BTreeSet<i64> = rows.iter().map(|row| row.int("position").unwrap()).collect();
        assert_eq!((rows.len(), positions.len()), (expected.len(), expected.len()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_ends_late_is_seen_by_who_has_read_past_its_time() {
    let database = TestDatabase::postgres();
    let (index, ids) = database.open_with_ids().await;
    let (began, has_begun) = oneshot::channel();
    let (go_on, may_go_on) = oneshot::channel::<()>();
    let (slow_index, slow_ids) = (index.clone(), ids.clone());
    let slow = tokio::spawn(async move {
        let write = slow_index.write(move |tx| {
            Box::pin(async move {
                // Its id is the smaller one, its commit the later one.
                report_changes::record(tx, &slow_ids, 1, change(1)).await?;
                began.send(()).unwrap();
                may_go_on.await.unwrap();
                Ok::<_, Error>(())
            })
        });
        write.await.unwrap();
    });
    has_begun.await.unwrap();
    record(&index, &ids, 2, 2).await;
    assert_eq!(report_changes::sequence(&index, 100).await.unwrap(), 1);
    let read_to = report_changes::head(&index).await.unwrap();

    go_on.send(()).unwrap();
    slow.await.unwrap();
    report_changes::sequence(&index, 100).await.unwrap();

    let head = report_changes::head(&index).await.unwrap();
    let entries = report_changes::after(&index, read_to, head, None, 10).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.report_pk).collect::<Vec<_>>(), [1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_is_undone_is_no_change() {
    let database = TestDatabase::sqlite();
    let (index, ids) = database.open_with_ids().await;
    let failing = index.write(move |tx| {
        Box::pin(async move {
            report_changes::record(tx, &ids, 1, change(1)).await?;
            Err::<(), _>(Error::Damaged("on purpose"))
        })
    });
    assert!(failing.await.is_err());
    assert!(!report_changes::is_waiting(&index).await.unwrap());
    assert_eq!(report_changes::sequence(&index, 100).await.unwrap(), 0);
}
