//! One transaction on either engine.

use sqlx::{Postgres, SqlSafeStr, SqliteConnection, Transaction};

use super::value::{bind_postgres, bind_sqlite};
use super::{Error, Row, Value};

/// An open transaction. It is handed to the operation given to [`super::Index::write`], which commits it.
#[derive(Debug)]
pub struct Tx {
    pub(super) engine: TxEngine,
}

#[derive(Debug)]
pub(super) enum TxEngine {
    Sqlite(Box<SqliteConnection>),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    /// Runs a statement and gives the number of rows that it changed.
    pub async fn execute(&mut self, sql: impl SqlSafeStr, values: Vec<Value>) -> Result<u64, Error> {
        Ok(match &mut self.engine {
            TxEngine::Sqlite(connection) => {
                bind_sqlite(sqlx::query(sql), values).execute(&mut **connection).await?.rows_affected()
            }
            TxEngine::Postgres(transaction) => {
                bind_postgres(sqlx::query(sql), values).execute(&mut **transaction).await?.rows_affected()
            }
        })
    }

    /// Runs a statement and gives all its rows.
    pub async fn query(&mut self, sql: impl SqlSafeStr, values: Vec<Value>) -> Result<Vec<Row>, Error> {
        Ok(match &mut self.engine {
            TxEngine::Sqlite(connection) => bind_sqlite(sqlx::query(sql), values)
                .fetch_all(&mut **connection)
                .await?
                .into_iter()
                .map(Row::Sqlite)
                .collect(),
            TxEngine::Postgres(transaction) => bind_postgres(sqlx::query(sql), values)
                .fetch_all(&mut **transaction)
                .await?
                .into_iter()
                .map(Row::Postgres)
                .collect(),
        })
    }

    /// Runs a statement and gives its first row, if any.
    pub async fn query_opt(&mut self, sql: impl SqlSafeStr, values: Vec<Value>) -> Result<Option<Row>, Error> {
        Ok(match &mut self.engine {
            TxEngine::Sqlite(connection) => {
                bind_sqlite(sqlx::query(sql), values).fetch_optional(&mut **connection).await?.map(Row::Sqlite)
            }
            TxEngine::Postgres(transaction) => {
                bind_postgres(sqlx::query(sql), values).fetch_optional(&mut **transaction).await?.map(Row::Postgres)
            }
        })
    }
}
