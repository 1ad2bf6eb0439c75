//! The index: everything the archive knows about its objects and reports, in SQL.
//!
//! The only room that names sqlx. Two engines, SQLite and PostgreSQL, one schema and one dialect subset;
//! the same functions serve both, and one conformance suite runs them on both.
//! Writes go through [`Index::write`]: one operation, one transaction, committed durably before it returns.
//! It knows nothing of files, protocols or pages.

pub mod arrivals;
pub mod attachments;
pub mod audit;
pub mod availability;
pub mod commitments;
mod config;
pub mod conflicts;
pub mod customers;
pub mod dead_objects;
pub mod deletions;
pub mod dictionaries;
pub mod encapsulated_reports;
mod error;
pub mod exam_details;
pub mod exam_pages;
pub mod exam_reports;
pub mod exam_retrieves;
mod explain;
pub mod find;
pub mod forwards;
pub mod image_reading;
pub mod image_removal;
pub mod inbox;
pub mod instance_versions;
pub mod instances;
pub mod jobs;
pub mod kept_reports;
pub mod lab_documents;
pub mod lab_reports;
pub mod last_success;
pub mod links;
mod node;
pub mod page_sessions;
pub mod patients;
pub mod persons;
mod pg_transaction;
pub mod places;
mod posted;
pub mod purged_objects;
pub mod qr_links;
pub mod quality;
pub mod recognised_items;
pub mod recognitions;
mod record_columns;
pub mod registrations;
pub mod rejected_records;
pub mod report_changes;
pub mod report_files;
pub mod report_forwards;
pub mod report_studies;
pub mod report_versions;
pub mod restamps;
pub mod restrictions;
pub mod retrieval;
pub mod schema;
pub mod scrubs;
pub mod search_keys;
mod select;
pub mod series_requests;
pub mod statistics;
pub mod study_fill;
pub mod study_texts;
pub mod subjects;
pub mod trends;
mod tx;
mod unsynced;
mod value;
mod walks;
pub mod work_leases;
mod writer;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Executor};
use tokio::sync::{mpsc, oneshot};

pub use config::DatabaseConfig;
pub use error::Error;
pub use node::{Ids, LEASE, RENEW};
pub use select::{Select, Sql, Statement};
pub use tx::Tx;
pub use unsynced::Surety;
pub use value::{Row, Value};

use pg_transaction::PgTransaction;
use unsynced::Limits;
use value::{bind_postgres, bind_sqlite};
use writer::{Done, Operation, Waiting, WriterState};

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// Plans that the writer keeps.
const WRITER_STATEMENTS: usize = 256;
/// Plans that a connection to PostgreSQL keeps.
const CONNECTION_STATEMENTS: usize = 512;
/// Pages that the writer keeps: 16 MiB, as SQLite wants it said.
const WRITER_CACHE: &str = "-16384";
/// Pages in the log before they are written to where they belong, 16 MiB. The same few pages are written again and again
/// while a series comes in, and each time this is done a sender waits for two more syncs.
const WRITER_CHECKPOINT_PAGES: &str = "4000";

/// How long connections that read are waited for at the end, before what is queued goes to the disk without them.
const READERS_END: Duration = Duration::from_secs(5);

/// How long a connection may have been idle and still count as there.
const ASKED_AFTER: Duration = Duration::from_secs(1);

/// A handle on the index; clones share one pool.
#[derive(Debug, Clone)]
pub struct Index {
    engine: Engine,
}

#[derive(Debug, Clone)]
enum Engine {
    Sqlite { read: SqlitePool, write: mpsc::Sender<Waiting>, state: WriterState },
    Postgres(PgPool),
}

impl Index {
    /// Opens the database, brings its schema up to date and starts the writer.
    pub async fn open(config: &DatabaseConfig) -> Result<Self, Error> {
        let timeout = Duration::from_millis(config.acquire_timeout_ms);
        let opened = if config.url.starts_with("sqlite:") {
            Self::open_sqlite(config, timeout).await
        } else if config.url.starts_with("postgres:") || config.url.starts_with("postgresql:") {
            Self::open_postgres(config, timeout).await
        } else {
            return Err(Error::UnknownEngine);
        };
        opened.map_err(|error| Error::Opening { database: place_in(&config.url), error: Box::new(error) })
    }

    async fn open_sqlite(config: &DatabaseConfig, timeout: Duration) -> Result<Self, Error> {
        let options = SqliteConnectOptions::from_str(&config.url)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // FULL: a commit is on the disk when it returns, also after a loss of power; `writer` knows the exception.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(timeout)
            .pragma("journal_size_limit", "67108864")
            .disable_statement_logging();
        if let Some(folder) = options.get_filename().parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|e| Error::from(sqlx::Error::Io(e)))?;
        }
        let writing = options
            .clone()
            // Room for the statements that add instances, one for each number of them, beside all others.
            .statement_cache_capacity(WRITER_STATEMENTS)
            .pragma("cache_size", WRITER_CACHE)
            .pragma("wal_autocheckpoint", WRITER_CHECKPOINT_PAGES);
        let mut writer = writing.connect().await?;
        SQLITE_MIGRATIONS.run(&mut writer).await?;
        let read = SqlitePoolOptions::new()
            .max_connections(config.max_connections.max(1))
            .acquire_timeout(timeout)
            // A file does not go away as a connection does; asking each time costs as much as a query.
            .test_before_acquire(false)
            .connect_with(options.read_only(true).create_if_missing(false))
            .await?;
        let batch_limit = config.batch_limit.max(1);
        let (write, waiting) = mpsc::channel(batch_limit * 4);
        let state = WriterState::default();
        tokio::spawn(writer::run(writer, waiting, batch_limit, Limits::of(config), state.clone()));
        let index = Self { engine: Engine::Sqlite { read, write, state } };
        search_keys::fill(&index).await?;
        Ok(index)
    }

    async fn open_postgres(config: &DatabaseConfig, timeout: Duration) -> Result<Self, Error> {
        // More than the program has: a statement that is forgotten is read and planned anew.
        let options = postgres_options(config)?.statement_cache_capacity(CONNECTION_STATEMENTS);
        let pool = PgPoolOptions::new()
            .max_connections(config.max_connections.max(2))
            .acquire_timeout(timeout)
            .after_connect(|connection, _| Box::pin(async move { settle(connection).await }))
            // A connection that was used just now is there; asking each time costs as much as a statement.
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > ASKED_AFTER {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_with(options)
            .await?;
        POSTGRES_MIGRATIONS.run(&pool).await?;
        let index = Self { engine: Engine::Postgres(pool) };
        search_keys::fill(&index).await?;
        Ok(index)
    }

    /// Runs `operation` in one transaction and returns after it is committed durably, or undone.
    ///
    /// The operation must do nothing but talk to the transaction: no network, no files.
    pub async fn write<T, E, F>(&self, operation: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.write_in(&[], None, operation).await
    }

    /// The same in a transaction that holds these keys from its beginning, as [`Tx::hold`] does, and asks for nothing more.
    pub async fn write_holding<T, E, F>(&self, keys: &[String], operation: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.write_in(keys, None, operation).await
    }

    /// The same for an operation that somebody vouches for, who can make its rows again: the commit need not be on the disk
    /// when it returns. Whatever is written durably after it makes it durable too.
    pub async fn write_vouched<T, E, F>(&self, surety: Option<Surety>, operation: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.write_in(&[], surety, operation).await
    }

    async fn write_in<T, E, F>(&self, keys: &[String], surety: Option<Surety>, operation: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        match &self.engine {
            Engine::Sqlite { write, .. } => {
                let (answer, answered) = oneshot::channel();
                let queued: Operation = Box::new(move |tx| {
                    Box::pin(async move {
                        let result = operation(tx).await;
                        Done {
                            keep: result.is_ok(),
                            deliver: Box::new(move |commit| {
                                let _ = answer.send(match commit {
                                    Ok(()) => result,
                                    Err(error) => result.and(Err(E::from(error))),
                                });
                            }),
                        }
                    })
                });
                write.send(Waiting::Operation(queued, surety)).await.map_err(|_| E::from(Error::WriterStopped))?;
                answered.await.map_err(|_| E::from(Error::WriterStopped))?
            }
            Engine::Postgres(pool) => {
                let transaction = PgTransaction::begin(pool, keys).await.map_err(E::from)?;
                let mut tx = Tx::new(tx::TxEngine::Postgres(transaction));
                let value = operation(&mut tx).await?;
                tx.send().await.map_err(E::from)?;
                if let tx::TxEngine::Postgres(transaction) = tx.engine {
                    transaction.commit().await.map_err(E::from)?;
                }
                if let Some(surety) = surety {
                    surety.release();
                }
                Ok(value)
            }
        }
    }

    /// Reads all rows of a statement.
    pub async fn query(&self, sql: impl Sql, values: Vec<Value>) -> Result<Vec<Row>, Error> {
        Ok(match &self.engine {
            Engine::Sqlite { read, .. } => bind_sqlite(sqlx::query(sql.into_sqlite()), values)
                .fetch_all(read)
                .await?
                .into_iter()
                .map(Row::Sqlite)
                .collect(),
            Engine::Postgres(pool) => bind_postgres(sqlx::query(sql.into_postgres()), values)
                .fetch_all(pool)
                .await?
                .into_iter()
                .map(Row::Postgres)
                .collect(),
        })
    }

    /// Reads the first row of a statement, if any.
    pub async fn query_opt(&self, sql: impl Sql, values: Vec<Value>) -> Result<Option<Row>, Error> {
        Ok(match &self.engine {
            Engine::Sqlite { read, .. } => {
                bind_sqlite(sqlx::query(sql.into_sqlite()), values).fetch_optional(read).await?.map(Row::Sqlite)
            }
            Engine::Postgres(pool) => {
                bind_postgres(sqlx::query(sql.into_postgres()), values).fetch_optional(pool).await?.map(Row::Postgres)
            }
        })
    }

    /// Whether the database is a file of ours, with a log that we sync ourselves.
    pub fn is_embedded(&self) -> bool {
        matches!(self.engine, Engine::Sqlite { .. })
    }

    /// Takes all that has been committed to the disk, also by others and before this process began.
    pub async fn sync(&self) -> Result<(), Error> {
        self.write(|tx| Box::pin(async move { tx.pragma(writer::TOUCH).await })).await
    }

    /// Whether the database answers, and the embedded one takes what is written: a full disk is read as ever.
    pub async fn ping(&self) -> Result<(), Error> {
        self.query_opt("SELECT 1 AS one", Vec::new()).await?;
        match &self.engine {
            Engine::Sqlite { state, .. } if state.has_ended() => Err(Error::WriterStopped),
            // Tried only when the last one failed: it costs a sync.
            Engine::Sqlite { state, .. } if state.is_failing() => self.sync().await,
            _ => Ok(()),
        }
    }

    /// What to call the clause that locks a chosen job row, so that two nodes do not take the same one.
    /// SQLite has a single writer and needs none.
    pub(crate) fn skip_locked(&self) -> SkipLocked {
        match &self.engine {
            Engine::Sqlite { .. } => SkipLocked::NotNeeded,
            Engine::Postgres(_) => SkipLocked::Supported,
        }
    }

    /// Takes queued writes to the disk and closes all connections, also those of clones.
    pub async fn close(self) {
        match self.engine {
            Engine::Sqlite { read, state, .. } => {
                // The last connection takes the log into the file, and one that only reads cannot: a database whose server
                // has ended is one file.
                let _ = tokio::time::timeout(READERS_END, read.close()).await;
                state.reach().await;
            }
            Engine::Postgres(pool) => pool.close().await,
        }
    }
}

fn postgres_options(config: &DatabaseConfig) -> Result<PgConnectOptions, Error> {
    let options = PgConnectOptions::from_str(&config.url)?.disable_statement_logging();
    let Some(file) = &config.password_file else { return Ok(options) };
    let password = std::fs::read_to_string(file).map_err(|e| Error::PasswordFile(Arc::new(e)))?;
    Ok(options.password(password.trim_end()))
}

/// Our statements read a page by an index, one row after the other: starting helpers or compiling takes longer than
/// answering, and a plan that is made for any values (a remembered statement's) takes a hash of a whole table for
/// cheaper than that. A page of an index is in memory or on a solid-state disk. A transaction of ours never waits for
/// anything but the engine: one that does nothing for minutes has lost its program, and ends without its locks keeping
/// others.
async fn settle(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    const SETTINGS: &str = "SET max_parallel_workers_per_gather = 0; SET jit = off; SET enable_hashjoin = off; \
                            SET enable_mergejoin = off; SET random_page_cost = 1.1; \
                            SET idle_in_transaction_session_timeout = '5min'";
    connection.execute(SETTINGS).await.map(|_| ())
}

/// What of a database's URL may be told: no user, no password, no options.
fn place_in(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://{place}"),
        _ => url.to_owned(),
    }
}

/// Whether the engine can skip rows that another transaction has locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SkipLocked {
    /// One writer at a time: nothing to skip.
    NotNeeded,
    /// `FOR UPDATE SKIP LOCKED`.
    Supported,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_a_database_holds_no_password() {
        assert_eq!(
            place_in("postgres://user:p@ss@db.example.test:5432/yingku?sslmode=require"),
            "postgres://db.example.test:5432/yingku"
        );
        assert_eq!(place_in("sqlite://storage/yingku.db?mode=rwc"), "sqlite://storage/yingku.db");
    }
}
