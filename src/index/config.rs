//! The settings of the database.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the index is kept.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// `sqlite://path/to/file.db` (created when missing) or `postgres://user@host/database`.
    pub url: String,
    /// File that holds the password for PostgreSQL, so that it need not stand in `url`.
    pub password_file: Option<PathBuf>,
    /// Connections that read at the same time (on PostgreSQL: all connections).
    pub max_connections: u32,
    /// How long to wait for a free connection or for another process's lock, in milliseconds.
    pub acquire_timeout_ms: u64,
    /// Write operations that may share one commit (SQLite).
    pub batch_limit: usize,
    /// Rows of instances in segments that may wait for a sync of the database's log (SQLite): the instance itself is on the
    /// disk, and after a loss of power the next start makes its rows again. 0: every commit is synced. Default 1000.
    pub unsynced_instances: usize,
    /// The same, counted by what has to be read to make the rows again, in bytes. Default 256 MiB.
    pub unsynced_bytes: u64,
    /// How long they may wait at most, in milliseconds. Default 1000.
    pub unsynced_ms: u64,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            url: "sqlite://storage/yingku.db".to_owned(),
            password_file: None,
            max_connections: 8,
            acquire_timeout_ms: 10_000,
            batch_limit: 200,
            unsynced_instances: 1000,
            unsynced_bytes: 256 * 1024 * 1024,
            unsynced_ms: 1000,
        }
    }
}

impl DatabaseConfig {
    /// The folder of an SQLite database.
    pub fn folder(&self) -> Option<PathBuf> {
        let file = self.url.strip_prefix("sqlite://")?.split('?').next()?;
        let folder = Path::new(file).parent()?;
        Some(if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() })
    }
}
