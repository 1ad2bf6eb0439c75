//! How much room is left where objects and the database are, so that it is told before a disk is full.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::index::DatabaseConfig;
use crate::objects::ObjectsConfig;

/// Section `[disk]`: when too little room is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DiskConfig {
    /// With less free, in bytes, in the folder of the objects, of a bucket's `journal`, or of an SQLite database, the log warns
    /// and `/readyz` says `"room": false`; the server goes on working as long as it can. 0 turns it off. Default 10 GiB.
    pub low_bytes: u64,
    /// How often it is looked, in milliseconds. Default 30000.
    pub check_ms: u64,
}

impl Default for DiskConfig {
    fn default() -> Self {
        Self { low_bytes: 10 * 1024 * 1024 * 1024, check_ms: 30_000 }
    }
}

/// The folders of this machine that grow with what comes in.
#[derive(Debug)]
pub struct DiskWatch {
    low_bytes: u64,
    folders: Vec<(&'static str, PathBuf)>,
    /// Those of which it has been said.
    low: BTreeSet<&'static str>,
}

impl DiskWatch {
    /// Looks at nothing yet.
    pub fn new(config: &DiskConfig, objects: &ObjectsConfig, database: &DatabaseConfig) -> Self {
        let mut folders = objects.folders();
        folders.extend(database.folder().map(|folder| ("database", folder)));
        Self { low_bytes: config.low_bytes, folders, low: BTreeSet::new() }
    }

    /// Measures, shows what it found as `yingku_disk_free_bytes`, and says when a folder begins or ceases to have little room;
    /// whether all have enough. A folder that cannot be measured counts as before: that it cannot be written to is found by
    /// the probe.
    pub async fn look(&mut self) -> bool {
        let folders = self.folders.clone();
        let measured = tokio::task::spawn_blocking(move || {
            folders.into_iter().map(|(name, path)| (name, free_bytes(&path))).collect::<Vec<_>>()
        });
        for (name, free) in measured.await.unwrap_or_default() {
            let Ok(free) = free else { continue };
            metrics::gauge!("yingku_disk_free_bytes", "folder" => name).set(free as f64);
            if free >= self.low_bytes {
                if self.low.remove(name) {
                    tracing::info!(disk.folder = name, disk.free_bytes = free, "there is enough room again");
                }
            } else if self.low.insert(name) {
                let low = self.low_bytes;
                tracing::warn!(disk.folder = name, disk.free_bytes = free, disk.low_bytes = low, "little room is left");
            }
        }
        self.low.is_empty()
    }
}

/// What this user may still write on the disk of a folder.
#[cfg(unix)]
fn free_bytes(folder: &Path) -> std::io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_folder: &Path) -> std::io::Result<u64> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn folders_on_this_machine_are_watched_and_others_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        let here = ObjectsConfig { url: format!("file://{path}"), ..ObjectsConfig::default() };
        let bucket = ObjectsConfig { url: "s3://b/p".to_owned(), ..ObjectsConfig::default() };
        let journal = ObjectsConfig { journal: Some(folder.path().to_owned()), ..bucket.clone() };
        let database = |url: &str| DatabaseConfig { url: url.to_owned(), ..DatabaseConfig::default() };
        let (sqlite, postgres) = (database(&format!("sqlite://{path}/a.db?mode=rwc")), database("postgres://u@h/d"));
        for (objects, database, names) in [
            (&here, &sqlite, vec!["objects", "database"]),
            (&bucket, &postgres, vec![]),
            (&journal, &postgres, vec!["journal"]),
        ] {
            for (low_bytes, has_room) in [(0, true), (u64::MAX, names.is_empty())] {
                let mut watch = DiskWatch::new(&DiskConfig { low_bytes, check_ms: 1 }, objects, database);
                assert_eq!(watch.folders.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names);
                assert_eq!(watch.look().await, has_room, "{names:?} {low_bytes}");
            }
        }
        assert_eq!(database("sqlite://a.db").folder(), Some(PathBuf::from(".")));
    }
}
