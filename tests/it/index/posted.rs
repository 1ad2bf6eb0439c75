//! Rows that nobody waits for: sent together, seen by what comes after, kept or undone with their own operation.

use futures_util::future::join_all;
use yingku::index::{Error, Index, Tx};
use yingku::params;

use crate::each_database;

/// Rows in each of which one value is counted up when it comes again.
const COUNT: &str = "INSERT INTO node (id, holder, lease_until) VALUES ($1, $2, $3) \
                     ON CONFLICT (id) DO UPDATE SET lease_until = node.lease_until + 1";

async fn post(tx: &mut Tx, id: i64) -> Result<(), Error> {
    tx.post("INSERT INTO node (id, holder, lease_until) VALUES ($1, $2, $3)", params![id, "test", 0]).await
}

async fn rows(index: &Index) -> Vec<(i64, i64)> {
    let rows = index.query("SELECT id, lease_until FROM node ORDER BY id", params![]).await.unwrap();
    rows.iter().map(|row| (row.int("id").unwrap(), row.int("lease_until").unwrap())).collect()
}

each_database! {
    async fn what_was_posted_is_there_for_the_next_question_and_after_the_commit(database: TestDatabase) {
        let index = database.open().await;
        let seen = index.write(|tx| Box::pin(async move {
            for id in 1..=70 {
                post(tx, id).await?;
            }
            let seen = tx.query("SELECT id FROM node", params![]).await?.len();
            post(tx, 71).await?;
            Ok::<_, Error>(seen)
        }));
        assert_eq!((seen.await.unwrap(), rows(&index).await.len()), (70, 71));
    }

    async fn a_row_that_comes_again_is_changed_each_time(database: TestDatabase) {
        let index = database.open().await;
        let write = index.write(|tx| Box::pin(async move {
            for _ in 0..3 {
                tx.post(COUNT, params![1, "test", 10]).await?;
                tx.post(COUNT, params![2, "test", 20]).await?;
            }
            Ok::<_, Error>(())
        }));
        write.await.unwrap();
        assert_eq!(rows(&index).await, [(1, 12), (2, 22)]);
    }

    async fn a_posted_row_that_cannot_be_kept_undoes_its_own_operation_alone(database: TestDatabase) {
        let index = database.open().await;
        let operations = (0..60_i64).map(|id| {
            let index = index.clone();
            async move {
                index
                    .write(move |tx| Box::pin(async move {
                        post(tx, id).await?;
                        // Every third one has the same row twice, which is noticed when the operation has ended.
                        if id % 3 == 0 { post(tx, id).await } else { Ok(()) }
                    }))
                    .await
            }
        });
        for (id, kept) in join_all(operations).await.into_iter().enumerate() {
            match kept {
                Ok(()) => assert!(id % 3 != 0),
                Err(error) => assert!(id % 3 == 0 && error.is_unique_violation(), "{id}: {error}"),
            }
        }
        assert_eq!(rows(&index).await, (0..60).filter(|id| id % 3 != 0).map(|id| (id, 0)).collect::<Vec<_>>());
    }

    async fn an_operation_that_fails_takes_what_it_posted_along(database: TestDatabase) {
        let index = database.open().await;
        let refused = index.write(|tx| Box::pin(async move {
            post(tx, 1).await?;
            Err::<(), _>(Error::Damaged("on purpose"))
        }));
        assert!(refused.await.is_err());
        index.write(|tx| Box::pin(async move { post(tx, 2).await })).await.unwrap();
        assert_eq!(rows(&index).await, [(2, 0)]);
    }
}
