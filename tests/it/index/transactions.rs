//! One operation, one transaction: all of it is kept, durably, or none of it.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use yingku::index::{DatabaseConfig, Error, Ids, Index, Tx};
use yingku::params;

use super::arrivals;
use crate::each_database;
use crate::harness::{TestDatabase, eventually};

const PATIENCE: Duration = Duration::from_secs(120);
const HELD: &str = "SELECT COUNT(*) AS n FROM pg_locks WHERE locktype = 'advisory' \
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
const WAITING: &str = "SELECT COUNT(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
                       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
const CANCEL: &str = "SELECT COUNT(*) FILTER (WHERE pg_cancel_backend(pid)) AS n FROM pg_locks \
                      WHERE locktype = 'advisory' AND NOT granted \
                      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
const OPEN: &str = "SELECT COUNT(*) AS n FROM pg_stat_activity WHERE datname = current_database() \
                    AND state LIKE 'idle in transaction%'";

async fn insert(tx: &mut Tx, id: i64) -> Result<(), Error> {
    let sql = "INSERT INTO node (id, holder, lease_until) VALUES ($1, 'test', 0)";
    tx.execute(sql, params![id]).await.map(|_| ())
}

async fn count(index: &Index, sql: &'static str) -> i64 {
    index.query_opt(sql, params![]).await.unwrap().unwrap().int("n").unwrap()
}

/// A transaction that holds a key until it is told to end, and one that waits for the same key to begin. There is no
/// third connection.
struct HeldAndWaiting {
    index: Index,
    /// By connections of its own.
    other: Index,
    ids: Ids,
    let_go: oneshot::Sender<()>,
    holder: JoinHandle<Result<(), Error>>,
    waiting: JoinHandle<Result<(), Error>>,
}

async fn held_and_waiting(database: &TestDatabase) -> HeldAndWaiting {
    let (other, ids) = database.open_with_ids().await;
    arrivals::begin(&other, &ids).await;
    let index = Index::open(&DatabaseConfig { max_connections: 2, ..database.config() }).await.unwrap();
    let (held, is_held) = oneshot::channel();
    let (let_go, may_end) = oneshot::channel::<()>();
    let keys = ["accession ORG-T01 A1".to_owned()];
    let (first, its_keys) = (index.clone(), keys.clone());
    let holder = tokio::spawn(async move {
        let write = first.write_holding(&its_keys, |_| {
            Box::pin(async move {
                held.send(()).unwrap();
                may_end.await.unwrap();
                Ok::<(), Error>(())
            })
        });
        write.await
    });
    is_held.await.unwrap();
    let second = index.clone();
    let waiting =
        tokio::spawn(
            async move { second.write_holding(&keys, |tx| Box::pin(async move { insert(tx, 1000).await })).await },
        );
    eventually(PATIENCE, "the second waits for the key", || async {
        (count(&other, WAITING).await == 1).then_some(())
    })
    .await;
    HeldAndWaiting { index, other, ids, let_go, holder, waiting }
}

/// Whether what the pool's connections write is kept.
async fn all_that_is_added_is_seen(index: &Index, other: &Index, ids: &Ids) {
    eventually(PATIENCE, "no transaction stays open and no key is held", || async {
        (count(other, HELD).await == 0 && count(other, OPEN).await == 0).then_some(())
    })
    .await;
    for number in 1..=6 {
        assert!(arrivals::add(index, ids.next(), 0, &arrivals::instance(number)).await.unwrap(), "{number}");
    }
    assert_eq!(arrivals::count(other).await, 7);
}

async fn ids(index: &Index) -> Vec<i64> {
    let rows = index.query("SELECT id FROM node ORDER BY id", params![]).await.unwrap();
    rows.iter().map(|row| row.int("id").unwrap()).collect()
}

each_database! {
    async fn an_operation_that_fails_leaves_nothing(database: TestDatabase) {
        let index = database.open().await;

        let failed = index
            .write(|tx| {
                Box::pin(async move {
                    insert(tx, 1).await?;
                    insert(tx, 2).await?;
                    insert(tx, 1).await
                })
            })
            .await;

        assert!(failed.unwrap_err().is_unique_violation());
        assert_eq!(ids(&index).await, [] as [i64; 0]);
    }

    async fn an_error_of_the_callers_own_undoes_the_operation_and_comes_back(database: TestDatabase) {
        #[derive(Debug)]
        enum Why {
            Changed,
            Index,
        }
        impl From<Error> for Why {
            fn from(_: Error) -> Self {
                Why::Index
            }
        }
        let index = database.open().await;

        let refused = index
            .write(|tx| {
                Box::pin(async move {
                    insert(tx, 1).await?;
                    Err::<(), _>(Why::Changed)
                })
            })
            .await;

        assert!(matches!(refused, Err(Why::Changed)));
        assert_eq!(ids(&index).await, [] as [i64; 0]);
    }

    async fn operations_at_the_same_time_stand_or_fall_alone(database: TestDatabase) {
        let index = database.open().await;

        let operations = (0..100_i64).map(|id| {
            let index = index.clone();
            async move {
                index
                    .write(move |tx| {
                        Box::pin(async move {
                            insert(tx, id).await?;
                            // Every third one breaks its own transaction.
                            if id % 3 == 0 { insert(tx, id).await } else { Ok(()) }
                        })
                    })
                    .await
                    .is_ok()
            }
        });
        let kept = join_all(operations).await;

        let expected: Vec<i64> = (0..100).filter(|id| id % 3 != 0).collect();
        assert_eq!(ids(&index).await, expected);
        assert_eq!(kept.iter().filter(|kept| **kept).count(), expected.len());
    }

    async fn an_operation_that_panics_harms_no_other(database: TestDatabase) {
        let index = database.open().await;
        let broken = index.clone();

        let panicked = tokio::spawn(async move {
            broken
                .write(|tx| {
                    Box::pin(async move {
                        insert(tx, 1).await?;
                        panic!("an operation of this test breaks on purpose");
                        #[expect(unreachable_code, reason = "gives the block its type")]
                        Ok::<(), Error>(())
                    })
                })
                .await
        })
        .await;
        index.write(|tx| Box::pin(async move { insert(tx, 2).await })).await.unwrap();

        assert!(!matches!(panicked, Ok(Ok(()))), "the caller learns that its operation is not kept");
        assert_eq!(ids(&index).await, [2]);
    }

    async fn who_comes_second_to_a_key_or_waits_in_a_circle_has_lost_a_race(database: TestDatabase) {
        let index = database.open().await;
        for id in [1, 2] {
            index.write(move |tx| Box::pin(async move { insert(tx, id).await })).await.unwrap();
        }
        let second = index.write(|tx| Box::pin(async move { insert(tx, 1).await })).await;
        assert!(second.unwrap_err().is_lost_race());
        if index.is_embedded() {
            // One writer: nobody waits for anybody.
            return;
        }
        let (here, there) = (oneshot::channel(), oneshot::channel());
        let cross = |ids: [i64; 2], mine: oneshot::Sender<()>, theirs: oneshot::Receiver<()>| {
            let index = index.clone();
            async move {
                let touch = "UPDATE node SET lease_until = lease_until + 1 WHERE id = $1";
                index
                    .write(move |tx| {
                        Box::pin(async move {
                            tx.execute(touch, params![ids[0]]).await?;
                            mine.send(()).unwrap();
                            theirs.await.unwrap();
                            tx.execute(touch, params![ids[1]]).await.map(|_| ())
                        })
                    })
                    .await
            }
        };
        let ended: [Result<(), Error>; 2] =
            join_all([cross([1, 2], here.0, there.1), cross([2, 1], there.0, here.1)]).await.try_into().unwrap();
        let lost: Vec<bool> = ended.iter().map(|one| one.as_ref().is_err_and(Error::is_lost_race)).collect();
        assert!(lost == [true, false] || lost == [false, true], "{ended:?}");
    }

    async fn nobody_sees_an_operation_before_it_is_committed(database: TestDatabase) {
        let index = database.open().await;
        let (inserted, wait_for_insert) = oneshot::channel();
        let (go_on, wait_for_reader) = oneshot::channel::<()>();
        let writer = index.clone();
        let writing = tokio::spawn(async move {
            writer
                .write(move |tx| {
                    Box::pin(async move {
                        insert(tx, 1).await?;
                        inserted.send(()).unwrap();
                        wait_for_reader.await.unwrap();
                        Ok::<(), Error>(())
                    })
                })
                .await
        });

        wait_for_insert.await.unwrap();
        let before = ids(&index).await;
        go_on.send(()).unwrap();
        writing.await.unwrap().unwrap();

        assert_eq!(before, [] as [i64; 0]);
        assert_eq!(ids(&index).await, [1]);
    }

    async fn a_caller_that_goes_away_does_not_stop_the_others(database: TestDatabase) {
        let index = database.open().await;
        let (started, wait_for_start) = oneshot::channel();
        let (go_on, wait) = oneshot::channel::<()>();
        let writer = index.clone();
        let leaving = tokio::spawn(async move {
            writer
                .write(move |tx| {
                    Box::pin(async move {
                        insert(tx, 1).await?;
                        started.send(()).unwrap();
                        let _ = wait.await;
                        Ok::<(), Error>(())
                    })
                })
                .await
        });

        wait_for_start.await.unwrap();
        leaving.abort();
        drop(go_on);
        index.write(|tx| Box::pin(async move { insert(tx, 2).await })).await.unwrap();

        assert!(ids(&index).await.contains(&2));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_away_while_waiting_to_begin_leaves_no_transaction_open() {
    let database = TestDatabase::postgres();
    let HeldAndWaiting { index, other, ids, let_go, holder, waiting } = held_and_waiting(&database).await;

    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    let_go.send(()).unwrap();
    holder.await.unwrap().unwrap();

    all_that_is_added_is_seen(&index, &other, &ids).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_to_begin_that_the_engine_ends_spoils_no_connection() {
    let database = TestDatabase::postgres();
    let HeldAndWaiting { index, other, ids, let_go, holder, waiting } = held_and_waiting(&database).await;

    assert_eq!(count(&other, CANCEL).await, 1);
    assert!(waiting.await.unwrap().is_err());
    let_go.send(()).unwrap();
    holder.await.unwrap().unwrap();

    all_that_is_added_is_seen(&index, &other, &ids).await;
}
