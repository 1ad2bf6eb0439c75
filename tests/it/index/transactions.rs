//! One operation, one transaction: all of it is kept, durably, or none of it.

use futures_util::future::join_all;
use tokio::sync::oneshot;
use yingku::index::{Error, Index, Tx};
use yingku::params;

use crate::each_database;

async fn insert(tx: &mut Tx, id: i64) -> Result<(), Error> {
    let sql = "INSERT INTO node (id, holder, lease_until) VALUES ($1, 'test', 0)";
    tx.execute(sql, params![id]).await.map(|_| ())
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
