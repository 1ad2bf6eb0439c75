//! What can go wrong between the archive and its database, and what of it callers ask.

use std::sync::Arc;

use sqlx::migrate::MigrateError;

/// What can go wrong between the archive and its database.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The URL names no engine that we know.
    #[error("database.url must begin with sqlite:// or postgres://")]
    UnknownEngine,
    /// The password file could not be read.
    #[error("database.password_file: {0}")]
    PasswordFile(Arc<std::io::Error>),
    /// The database cannot be opened.
    #[error("database.url {database}: {error}")]
    Opening {
        /// The file, or host and name; never a password.
        database: String,
        /// Why.
        error: Box<Error>,
    },
    /// The engine refused or failed.
    #[error("database: {0}")]
    Engine(Arc<sqlx::Error>),
    /// The schema could not be brought up to date.
    #[error("database migration: {0}")]
    Migration(Arc<MigrateError>),
    /// The writer ended before it answered.
    #[error("the database writer has stopped")]
    WriterStopped,
    /// All 1024 node numbers are held by other processes.
    #[error("no free node number: 1024 processes hold a lease on this database")]
    NoFreeNode,
    /// A sync failed, and its log could not be emptied since.
    #[error("the database's log is in doubt after a failed sync, and cannot be emptied yet")]
    LogInDoubt,
    /// A stored value is not what the program wrote.
    #[error("stored value of {0} is damaged")]
    Damaged(&'static str),
}

impl Error {
    /// Whether it failed because there is no more room: SQLITE_FULL, or disk_full of PostgreSQL.
    pub fn is_out_of_space(&self) -> bool {
        match self {
            Error::Engine(error) => {
                error.as_database_error().and_then(|e| e.code()).is_some_and(|code| code == "13" || code == "53100")
            }
            _ => false,
        }
    }

    /// Whether the engine has answered that it does not do this, so that nothing of the transaction is kept, nor will be: no
    /// more room, a broken rule, a value that does not fit, a lost race. Of any other failure (a connection that is gone, a
    /// failed sync) nobody knows whether the commit has happened.
    pub fn is_refusal(&self) -> bool {
        let Error::Engine(error) = self else { return false };
        let Some(code) = error.as_database_error().and_then(|e| e.code()) else { return false };
        // PostgreSQL says a class of two characters and three more; SQLite a number, with its kind in the last byte.
        if code.len() == 5 {
            let is_class = matches!(code.get(..2), Some("22" | "23" | "53" | "54" | "P0"));
            return is_class || matches!(&*code, "40001" | "40P01");
        }
        matches!(code.parse::<u32>().map(|code| code & 0xFF), Ok(13 | 18 | 19 | 20))
    }

    /// Whether the embedded engine could not sync (SQLITE_IOERR_FSYNC).
    pub(super) fn is_failed_sync(&self) -> bool {
        let Error::Engine(error) = self else { return false };
        error.as_database_error().and_then(|e| e.code()).is_some_and(|code| code == "1034")
    }

    /// Whether another transaction came first: it has added the same key, or the engine (PostgreSQL: deadlock_detected) has
    /// undone this one so that the other can go on. The same operation may well succeed after it.
    pub fn is_lost_race(&self) -> bool {
        let Error::Engine(error) = self else { return false };
        let code = error.as_database_error().and_then(|e| e.code());
        self.is_unique_violation() || code.is_some_and(|code| code == "40P01")
    }

    /// Whether a row names another one that has been deleted since it was looked up (PostgreSQL: foreign_key_violation).
    pub fn is_parent_gone(&self) -> bool {
        let Error::Engine(error) = self else { return false };
        error.as_database_error().is_some_and(|e| e.is_foreign_key_violation())
    }

    /// Whether the statement failed because a row with the same key exists.
    pub fn is_unique_violation(&self) -> bool {
        match self {
            Error::Engine(error) => error.as_database_error().is_some_and(|e| e.is_unique_violation()),
            _ => false,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Error::Engine(Arc::new(error))
    }
}

impl From<MigrateError> for Error {
    fn from(error: MigrateError) -> Self {
        Error::Migration(Arc::new(error))
    }
}
