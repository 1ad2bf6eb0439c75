//! One transaction on either engine.

use sqlx::{Executor, Postgres, SqliteConnection, Transaction};

use super::value::{bind_postgres, bind_sqlite};
use super::{Error, Row, Sql, Value};

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
    pub async fn execute(&mut self, sql: impl Sql, values: Vec<Value>) -> Result<u64, Error> {
        Ok(match &mut self.engine {
            TxEngine::Sqlite(connection) => {
                bind_sqlite(sqlx::query(sql.into_sqlite()), values).execute(&mut **connection).await?.rows_affected()
            }
            TxEngine::Postgres(transaction) => bind_postgres(sqlx::query(sql.into_postgres()), values)
                .execute(&mut **transaction)
                .await?
                .rows_affected(),
        })
    }

    /// Runs a statement and gives all its rows.
    pub async fn query(&mut self, sql: impl Sql, values: Vec<Value>) -> Result<Vec<Row>, Error> {
        Ok(match &mut self.engine {
            TxEngine::Sqlite(connection) => bind_sqlite(sqlx::query(sql.into_sqlite()), values)
                .fetch_all(&mut **connection)
                .await?
                .into_iter()
                .map(Row::Sqlite)
                .collect(),
            TxEngine::Postgres(transaction) => bind_postgres(sqlx::query(sql.into_postgres()), values)
                .fetch_all(&mut **transaction)
                .await?
                .into_iter()
                .map(Row::Postgres)
                .collect(),
        })
    }

    /// Runs a statement and gives its first row, if any.
    pub async fn query_opt(&mut self, sql: impl Sql, values: Vec<Value>) -> Result<Option<Row>, Error> {
        Ok(match &mut self.engine {
            TxEngine::Sqlite(connection) => bind_sqlite(sqlx::query(sql.into_sqlite()), values)
                .fetch_optional(&mut **connection)
                .await?
                .map(Row::Sqlite),
            TxEngine::Postgres(transaction) => bind_postgres(sqlx::query(sql.into_postgres()), values)
                .fetch_optional(&mut **transaction)
                .await?
                .map(Row::Postgres),
        })
    }

    /// Sets something of the embedded engine; nothing on the other. Some take effect when the statement is prepared, so it
    /// is prepared each time.
    pub(super) async fn pragma(&mut self, sql: &'static str) -> Result<(), Error> {
        if let TxEngine::Sqlite(connection) = &mut self.engine {
            (&mut **connection).execute(sql).await?;
        }
        Ok(())
    }
}
