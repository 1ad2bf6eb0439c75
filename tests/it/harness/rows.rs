//! Questions to a server's database, asked beside it.

use yingku::index::{DatabaseConfig, Index};

/// The number that a statement gives as `n`.
pub async fn count_rows(database: &DatabaseConfig, sql: &'static str) -> i64 {
    let index = Index::open(database).await.unwrap();
    let row = index.query_opt(sql, Vec::new()).await.unwrap();
    let count = row.map_or(0, |row| row.int("n").unwrap());
    index.close().await;
    count
}

/// The texts that a statement gives as `t`.
pub async fn texts(database: &DatabaseConfig, sql: &'static str) -> Vec<String> {
    let index = Index::open(database).await.unwrap();
    let rows = index.query(sql, Vec::new()).await.unwrap();
    let texts = rows.iter().map(|row| row.text("t").unwrap()).collect();
    index.close().await;
    texts
}
