//! A transaction of PostgreSQL that ends with whoever has it, however that ends.
//!
//! The driver's own transaction counts only once its `BEGIN` is answered: of a caller who goes away while it waits for
//! a key, or whose wait fails, the connection goes back to the pool with the transaction open, and what the next one
//! writes there is never committed. So this one is undone from the moment at which its `BEGIN` may have been sent.

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Executor, Postgres};

use super::Error;
use super::tx::begin_holding;

/// An open transaction, undone when it is dropped.
#[derive(Debug)]
pub(super) struct PgTransaction {
    /// Nothing when it has ended.
    connection: Option<PoolConnection<Postgres>>,
}

impl PgTransaction {
    /// Begins one that holds keys.
    pub(super) async fn begin(pool: &PgPool, keys: &[String]) -> Result<Self, Error> {
        let mut transaction = Self { connection: Some(pool.acquire().await?) };
        let connection = transaction.connection()?;
        match begin_holding(keys) {
            None => connection.execute("BEGIN").await?,
            Some(begin) => connection.execute(begin).await?,
        };
        Ok(transaction)
    }

    /// Where its statements go.
    pub(super) fn connection(&mut self) -> Result<&mut PgConnection, Error> {
        self.connection.as_deref_mut().ok_or(Error::WriterStopped)
    }

    /// Returns when all of it is kept.
    pub(super) async fn commit(mut self) -> Result<(), Error> {
        self.connection()?.execute("COMMIT").await?;
        self.connection = None;
        Ok(())
    }
}

impl Drop for PgTransaction {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        // What is under way is answered first, which may take as long as somebody else holds a key.
        tokio::spawn(async move {
            if connection.execute("ROLLBACK").await.is_err() {
                connection.close_on_drop();
            }
        });
    }
}
