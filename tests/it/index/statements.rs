//! Values, rows and the dialect that both engines share.

use tokio::sync::oneshot;
use yingku::index::{DatabaseConfig, Error, Index, Select};
use yingku::params;

use crate::each_database;
use crate::harness::TestDatabase;

/// A table with all three types, some of them nullable.
async fn insert_message(index: &Index, id: i64, sender: &str, body: Vec<u8>, result: Option<&str>, ended: Option<i64>) {
    let values = params![id, sender, body, result, ended];
    index
        .write(move |tx| {
            Box::pin(async move {
                tx.execute(
                    "INSERT INTO inbox_message (id, channel, sender, remote_addr, content_type, body, content_hash, \
                     received_at, result, finished_at) VALUES ($1, 'test', $2, '', '', $3, '', 0, $4, $5)",
                    values,
                )
                .await
            })
        })
        .await
        .unwrap();
}

each_database! {
    async fn text_numbers_bytes_and_nothing_come_back_as_they_went_in(database: TestDatabase) {
        let index = database.open().await;
        let hostile = "测试甲 𠮷'; DROP TABLE inbox_message; -- \"\\ $1 ?";
        let body = (0..=255).collect::<Vec<u8>>();

        insert_message(&index, i64::MAX, hostile, body.clone(), None, None).await;
        insert_message(&index, -1, "", Vec::new(), Some(""), Some(i64::MIN)).await;

        let sql = "SELECT * FROM inbox_message ORDER BY id DESC";
        let rows = index.query(sql, params![]).await.unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].int("id").unwrap(), i64::MAX);
        assert_eq!(rows[0].text("sender").unwrap(), hostile);
        assert_eq!(rows[0].get::<Vec<u8>>("body").unwrap(), body);
        assert_eq!(rows[0].get::<Option<String>>("result").unwrap(), None);
        assert_eq!(rows[0].get::<Option<i64>>("finished_at").unwrap(), None);
        assert_eq!(rows[1].get::<Option<String>>("result").unwrap().as_deref(), Some(""));
        assert_eq!(rows[1].get::<Option<i64>>("finished_at").unwrap(), Some(i64::MIN));
    }

    async fn a_question_is_built_from_pieces_and_bound_values(database: TestDatabase) {
        let index = database.open().await;
        for (id, sender) in [(1, "a"), (2, "b"), (3, "b"), (4, "c")] {
            insert_message(&index, id, sender, Vec::new(), None, None).await;
        }

        let ask = |senders: Vec<&'static str>| {
            let mut select = Select::new("SELECT id FROM inbox_message WHERE 1 = 1");
            select.push(" AND id > ?", params![1_i64]);
            select.push_in(" AND sender", senders.into_iter().map(Into::into).collect());
            select.push(" ORDER BY id", params![]);
            let index = index.clone();
            async move {
                let rows = index.query(select.sql(), select.values()).await.unwrap();
                rows.iter().map(|row| row.int("id").unwrap()).collect::<Vec<_>>()
            }
        };

        assert_eq!(ask(vec!["a", "b"]).await, [2, 3]);
        assert_eq!(ask(vec!["x' OR '1'='1"]).await, [] as [i64; 0]);
        assert_eq!(ask(Vec::new()).await, [] as [i64; 0]);
    }

    async fn a_row_that_exists_is_updated_and_told_apart(database: TestDatabase) {
        let index = database.open().await;
        let put = |index: Index, holder: &'static str| async move {
            index
                .write(move |tx| {
                    Box::pin(async move {
                        let sql = "INSERT INTO node (id, holder, lease_until) VALUES ($1, $2, 0) \
                                   ON CONFLICT (id) DO UPDATE SET holder = excluded.holder RETURNING holder";
                        let row = tx.query_opt(sql, params![900_i64, holder]).await?;
                        row.map(|row| row.text("holder")).transpose()
                    })
                })
                .await
                .unwrap()
        };

        assert_eq!(put(index.clone(), "first").await.as_deref(), Some("first"));
        assert_eq!(put(index.clone(), "second").await.as_deref(), Some("second"));
        assert_eq!(index.query("SELECT id FROM node WHERE id = 900", params![]).await.unwrap().len(), 1);
    }

    async fn a_database_is_opened_again_with_what_it_held(database: TestDatabase) {
        let index = database.open().await;
        insert_message(&index, 7, "kept", Vec::new(), None, None).await;
        index.close().await;

        let index = database.open().await;

        index.ping().await.unwrap();
        let row = index.query_opt("SELECT sender FROM inbox_message WHERE id = $1", params![7_i64]).await.unwrap();
        assert_eq!(row.unwrap().text("sender").unwrap(), "kept");
    }
}

#[tokio::test]
async fn a_url_of_an_unknown_engine_is_refused() {
    let config = yingku::index::DatabaseConfig { url: "mysql://x".to_owned(), ..Default::default() };

    let refused = Index::open(&config).await;

    assert!(matches!(refused, Err(yingku::index::Error::UnknownEngine)));
}

/// While somebody else holds the file nothing can be written, and everything read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_takes_nothing_is_not_there_until_it_does_again() {
    let database = TestDatabase::sqlite();
    let index = Index::open(&DatabaseConfig { acquire_timeout_ms: 1000, ..database.config() }).await.unwrap();
    let other = database.open().await;
    let (hold, held) = oneshot::channel();
    let (let_go, gone) = oneshot::channel::<()>();
    let holding = tokio::spawn(async move {
        let write = other.write(move |_| {
            Box::pin(async move {
                hold.send(()).unwrap();
                gone.await.unwrap();
                Ok::<(), Error>(())
            })
        });
        write.await
    });
    held.await.unwrap();

    index.ping().await.expect("nobody has found it otherwise");
    assert!(index.sync().await.is_err());
    assert!(index.ping().await.is_err(), "what is written finds no room");
    assert_eq!(index.query("SELECT id FROM inbox_message", params![]).await.unwrap().len(), 0);

    let_go.send(()).unwrap();
    holding.await.unwrap().unwrap();
    index.ping().await.expect("it takes what is written again");
}
