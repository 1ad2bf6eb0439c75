//! Durable writes into a local folder.
//!
//! object_store's local store is used to read, list and delete. New objects are written here, because a put there
//! costs several times what the disk needs for it. A key is fresh, so the file is written in place: until the index
//! names it nobody looks at it, and what a crash leaves half written is removed at start-up.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::Error;

/// A folder that holds objects; clones share the knowledge of which subfolders exist.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    root: Arc<PathBuf>,
    /// Folders known to be durable, newest last. Few: keys move on by the hour.
    known: Arc<Mutex<Vec<PathBuf>>>,
}

const KNOWN_LIMIT: usize = 64;

/// What a probe writes: a block of most disks, so that a full one refuses it.
pub(super) static PROBE: [u8; 4096] = [0; 4096];

impl Folder {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root: Arc::new(root), known: Arc::default() }
    }

    /// The path of a key.
    pub(super) fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    /// Writes a whole object; file and folder are synced when it returns.
    pub(super) async fn create(&self, key: &str, pieces: Vec<Bytes>) -> Result<(), Error> {
        let folder = self.clone();
        let path = self.root.join(key);
        tokio::task::spawn_blocking(move || {
            let mut file = folder.begin(&path)?;
            let written = pieces.iter().try_for_each(|piece| file.write_all(piece));
            let ended = written.and_then(|()| folder.end(&file, &path));
            if ended.is_err() {
                // Give the space back at once, the disk may be full; if this fails too, start-up removes it.
                let _ = std::fs::remove_file(&path);
            }
            ended
        })
        .await
        .map_err(|_| Error::Stopped)?
        .map_err(Error::Folder)
    }

    /// Writes a small file durably and removes it; blocks.
    pub(super) fn probe(&self) -> io::Result<()> {
        self.require_root()?;
        let path = self.root.join(format!("probe-{}", uuid::Uuid::now_v7()));
        let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        let written = file.write_all(&PROBE).and_then(|()| file.sync_all());
        let removed = std::fs::remove_file(&path);
        written.and(removed)
    }

    /// A folder that is gone was removed or unmounted: nothing may be written to what lies beneath.
    fn require_root(&self) -> io::Result<()> {
        if self.root.is_dir() { Ok(()) } else { Err(io::Error::new(io::ErrorKind::NotFound, "the folder is gone")) }
    }

    /// Opens a new file for a large object.
    pub(super) async fn open(&self, key: &str) -> Result<File, Error> {
        let folder = self.clone();
        let path = self.root.join(key);
        let opened = tokio::task::spawn_blocking(move || folder.begin(&path));
        opened.await.map_err(|_| Error::Stopped)?.map_err(Error::Folder)
    }

    /// Makes a large object durable.
    pub(super) async fn close(&self, key: &str, file: File) -> Result<(), Error> {
        let folder = self.clone();
        let path = self.root.join(key);
        let closed = tokio::task::spawn_blocking(move || folder.end(&file, &path));
        closed.await.map_err(|_| Error::Stopped)?.map_err(Error::Folder)
    }

    /// Makes a new file, and the folders above it durable.
    pub(super) fn begin(&self, path: &Path) -> io::Result<File> {
        if let Some(parent) = path.parent() {
            self.ensure(parent)?;
        }
        OpenOptions::new().write(true).create_new(true).open(path)
    }

    /// Makes a file and its name durable.
    pub(super) fn end(&self, file: &File, path: &Path) -> io::Result<()> {
        file.sync_all()?;
        match path.parent() {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    }

    /// Creates a subfolder and makes each new level durable in the level above it.
    pub(super) fn ensure(&self, folder: &Path) -> io::Result<()> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.iter().any(|k| k == folder) && folder.is_dir() {
            return Ok(());
        }
        self.require_root()?;
        let mut missing: Vec<&Path> = folder.ancestors().take_while(|level| !level.is_dir()).collect();
        missing.reverse();
        std::fs::create_dir_all(folder)?;
        for level in missing {
            if let Some(above) = level.parent().filter(|p| !p.as_os_str().is_empty()) {
                File::open(above)?.sync_all()?;
            }
        }
        if known.len() >= KNOWN_LIMIT {
            known.remove(0);
        }
        known.push(folder.to_owned());
        Ok(())
    }
}
