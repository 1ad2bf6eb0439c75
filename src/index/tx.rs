//! One transaction on either engine.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, Executor, SqliteConnection};

use super::pg_transaction::PgTransaction;
use super::posted::Posted;
use super::value::{bind_postgres, bind_sqlite};
use super::{Error, Row, Sql, Value};

/// An open transaction. It is handed to the operation given to [`super::Index::write`], which commits it.
#[derive(Debug)]
pub struct Tx {
    pub(super) engine: TxEngine,
    posted: Posted,
}

#[derive(Debug)]
pub(super) enum TxEngine {
    Sqlite(Box<SqliteConnection>),
    Postgres(PgTransaction),
}

impl Tx {
    pub(super) fn new(engine: TxEngine) -> Self {
        Self { engine, posted: Posted::default() }
    }

    /// Adds a row that this transaction does not look at again: it goes to the engine with the next statement that is
    /// answered, or before the commit. `sql` is an `INSERT … VALUES ($1, $2, …)` that reads nothing and depends on
    /// nothing that was posted before it. What is wrong with it is told by whichever statement takes it along.
    pub async fn post(&mut self, sql: &'static str, values: Vec<Value>) -> Result<(), Error> {
        if self.posted.must_go_before(sql) {
            self.send().await?;
        }
        self.posted.push(sql, values);
        Ok(())
    }

    /// Sends what was posted.
    pub(super) async fn send(&mut self) -> Result<(), Error> {
        self.send_and("").await
    }

    /// Sends what was posted; on the embedded engine a statement without values goes along, behind it.
    pub(super) async fn send_and(&mut self, after: &'static str) -> Result<(), Error> {
        match &mut self.engine {
            TxEngine::Sqlite(connection) if !self.posted.is_empty() || !after.is_empty() => {
                let (sql, values) = self.posted.take_for_sqlite(after);
                bind_sqlite(sqlx::query(AssertSqlSafe(sql)), values).execute(&mut **connection).await?;
            }
            TxEngine::Postgres(transaction) if !self.posted.is_empty() => {
                let (sql, values) = self.posted.take_for_postgres();
                bind_postgres(sqlx::query(AssertSqlSafe(sql)), values).execute(transaction.connection()?).await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Forgets what was posted and not sent, because the transaction is undone.
    pub(super) fn forget_posted(&mut self) {
        self.posted.clear();
    }

    /// Runs a statement and gives the number of rows that it changed.
    pub async fn execute(&mut self, sql: impl Sql, values: Vec<Value>) -> Result<u64, Error> {
        self.send().await?;
        Ok(match &mut self.engine {
            TxEngine::Sqlite(connection) => {
                bind_sqlite(sqlx::query(sql.into_sqlite()), values).execute(&mut **connection).await?.rows_affected()
            }
            TxEngine::Postgres(transaction) => bind_postgres(sqlx::query(sql.into_postgres()), values)
                .execute(transaction.connection()?)
                .await?
                .rows_affected(),
        })
    }

    /// Runs a statement and gives all its rows.
    pub async fn query(&mut self, sql: impl Sql, values: Vec<Value>) -> Result<Vec<Row>, Error> {
        self.send().await?;
        Ok(match &mut self.engine {
            TxEngine::Sqlite(connection) => bind_sqlite(sqlx::query(sql.into_sqlite()), values)
                .fetch_all(&mut **connection)
                .await?
                .into_iter()
                .map(Row::Sqlite)
                .collect(),
            TxEngine::Postgres(transaction) => bind_postgres(sqlx::query(sql.into_postgres()), values)
                .fetch_all(transaction.connection()?)
                .await?
                .into_iter()
                .map(Row::Postgres)
                .collect(),
        })
    }

    /// Runs a statement and gives its first row, if any.
    pub async fn query_opt(&mut self, sql: impl Sql, values: Vec<Value>) -> Result<Option<Row>, Error> {
        self.send().await?;
        Ok(match &mut self.engine {
            TxEngine::Sqlite(connection) => bind_sqlite(sqlx::query(sql.into_sqlite()), values)
                .fetch_optional(&mut **connection)
                .await?
                .map(Row::Sqlite),
            TxEngine::Postgres(transaction) => bind_postgres(sqlx::query(sql.into_postgres()), values)
                .fetch_optional(transaction.connection()?)
                .await?
                .map(Row::Postgres),
        })
    }

    /// Waits until no other transaction holds one of these keys, and holds them until this one ends, so that whoever looks
    /// up by them sees what was written before. The embedded engine has one writer, and nothing to wait for.
    pub async fn hold(&mut self, keys: &[String]) -> Result<(), Error> {
        if let TxEngine::Sqlite(_) = self.engine {
            return Ok(());
        }
        let keys = advisory_keys(keys);
        let calls: Vec<String> = (1..=keys.len()).map(|at| format!("pg_advisory_xact_lock(${at})")).collect();
        if !calls.is_empty() {
            let sql = AssertSqlSafe(format!("SELECT {}", calls.join(", ")));
            self.execute(sql, keys.into_iter().map(Value::from).collect()).await?;
        }
        Ok(())
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

/// Begins a transaction of PostgreSQL that holds keys: in one round trip. Nothing when there are none.
pub(super) fn begin_holding(keys: &[String]) -> Option<AssertSqlSafe<String>> {
    let calls: Vec<String> = advisory_keys(keys).iter().map(|key| format!("pg_advisory_xact_lock({key})")).collect();
    (!calls.is_empty()).then(|| AssertSqlSafe(format!("BEGIN; SELECT {}", calls.join(", "))))
}

/// In one order, so that two transactions never wait for each other.
fn advisory_keys(keys: &[String]) -> BTreeSet<i64> {
    keys.iter().map(|key| advisory_key(key)).collect()
}

/// The number by which PostgreSQL knows a key; the same in every process.
fn advisory_key(key: &str) -> i64 {
    let digest = Sha256::digest(key);
    digest.iter().take(8).fold(0, |number, byte| number << 8 | i64::from(*byte))
}
