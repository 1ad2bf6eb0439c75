//! Segments on their way to a bucket.
//!
//! With `objects.journal` an instance is durable in a local segment first; a bucket is spared millions of small requests,
//! and its absence is bridged. A finished segment is uploaded under the key that it has, its length is asked back, and only
//! then it leaves the journal. The key stays, so no row changes: who looks for a segment looks here first and then in
//! the bucket. An upload that was cut off is begun anew. Another server sees a segment when it is in the bucket.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart};
use tokio::sync::Mutex;

use super::folder::Folder;
use super::segment::{self, FinishedSegment};
use super::{Error, Objects};

/// Parts of a segment that are under way at once.
const PARTS_AT_ONCE: usize = 3;

/// The local folder before a bucket; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Journal {
    pub(super) folder: Folder,
    pub(super) store: Arc<dyn ObjectStore>,
    /// One at a time ships.
    turn: Arc<Mutex<()>>,
}

/// What an upload of finished segments did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shipped {
    /// Segments that are in the bucket now.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Journal {
    pub(super) fn new(folder: Folder, store: LocalFileSystem) -> Self {
        Self { folder, store: Arc::new(store), turn: Arc::default() }
    }
}

impl Objects {
    /// Whether segments begin in a journal.
    pub fn has_journal(&self) -> bool {
        self.journal.is_some()
    }

    /// Whether a segment is in the journal of this server, so that its bucket may not have it yet.
    pub fn is_waiting(&self, key: &str) -> bool {
        self.journal_of(key).is_some_and(|journal| journal.folder.path(key).exists())
    }

    /// Uploads all finished segments of the journal, the oldest first.
    pub async fn ship(&self) -> Result<Shipped, Error> {
        let mut shipped = Shipped::default();
        let Some(journal) = &self.journal else { return Ok(shipped) };
        let _turn = journal.turn.lock().await;
        let below = Path::from(segment::PREFIX);
        let mut waiting: Vec<(String, u64)> = journal
            .store
            .list(Some(&below))
            .map_ok(|meta| (meta.location.to_string(), meta.size))
            .try_filter(|(key, _)| std::future::ready(segment::is_segment(key)))
            .try_collect()
            .await?;
        waiting.sort();
        let mut left: u64 = waiting.iter().map(|(_, bytes)| bytes).sum();
        let gauge = metrics::gauge!("yingku_journal_bytes");
        gauge.set(left as f64);
        let mut failed = None;
        for (key, listed) in waiting {
            match self.ship_one(journal, &key).await {
                Ok(Some(bytes)) => {
                    tracing::debug!(segment.key = %key, bytes, "a segment is in the bucket");
                    metrics::counter!("yingku_journal_shipped_bytes_total").increment(bytes);
                    shipped.segments += 1;
                    shipped.bytes += bytes;
                    left = left.saturating_sub(listed);
                    gauge.set(left as f64);
                }
                Ok(None) => {}
                // One that cannot be read, or that the bucket does not take, does not keep the others on one disk.
                Err(error) => {
                    tracing::warn!(segment.key = %key, %error, "a segment did not come into the bucket");
                    failed = failed.or(Some(error));
                }
            }
        }
        failed.map_or(Ok(shipped), Err)
    }

    /// Brings objects that are in these segments into the bucket, where there is one; whether all are there now.
    pub async fn settle(&self, keys: &HashSet<String>) -> Result<bool, Error> {
        if self.journal.is_some() {
            self.close().await;
            self.ship().await?;
        }
        Ok(!keys.iter().any(|key| self.is_waiting(key)))
    }

    async fn ship_one(&self, journal: &Journal, key: &str) -> Result<Option<u64>, Error> {
        let (folder, of) = (journal.folder.clone(), key.to_owned());
        let held = tokio::task::spawn_blocking(move || FinishedSegment::hold(&folder, &of));
        let Some(finished) = held.await.map_err(|_| Error::Stopped)?? else { return Ok(None) };
        let (path, length) = (Path::from(key), finished.length);
        // It is there when only the removal was cut off; an upload becomes visible when it is whole.
        if self.length_in_bucket(&path).await? != Some(length) {
            self.upload(&path, finished.file.try_clone()?).await?;
            let there = self.length_in_bucket(&path).await?.unwrap_or(0);
            if there != length {
                return Err(Error::ShortUpload { key: key.to_owned(), length, there });
            }
        }
        let removed = tokio::task::spawn_blocking(move || finished.remove());
        removed.await.map_err(|_| Error::Stopped)??;
        Ok(Some(length))
    }

    async fn length_in_bucket(&self, path: &Path) -> Result<Option<u64>, Error> {
        match self.store.head(path).await.map_err(super::missing) {
            Ok(meta) => Ok(Some(meta.size)),
            Err(Error::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn upload(&self, path: &Path, file: File) -> Result<(), Error> {
        let upload = self.store.put_multipart(path).await?;
        let mut parts = WriteMultipart::new_with_chunk_size(upload, self.buffer_bytes);
        match self.upload_parts(&mut parts, file).await {
            Ok(()) => {
                parts.finish().await?;
                Ok(())
            }
            Err(error) => {
                // What stays behind of it, the bucket's own rule for unfinished uploads removes.
                let _ = parts.abort().await;
                Err(error)
            }
        }
    }

    async fn upload_parts(&self, parts: &mut WriteMultipart, file: File) -> Result<(), Error> {
        let mut at = 0;
        loop {
            parts.wait_for_capacity(PARTS_AT_ONCE).await?;
            let (source, part_bytes) = (file.try_clone()?, self.buffer_bytes);
            let read = tokio::task::spawn_blocking(move || read_part(source, at, part_bytes));
            let bytes = read.await.map_err(|_| Error::Stopped)??;
            if bytes.is_empty() {
                return Ok(());
            }
            at += bytes.len() as u64;
            parts.put(bytes);
        }
    }
}

fn read_part(mut file: File, at: u64, bytes: usize) -> io::Result<Bytes> {
    use std::io::Seek;
    file.seek(io::SeekFrom::Start(at))?;
    let mut part = Vec::with_capacity(bytes);
    file.take(bytes as u64).read_to_end(&mut part)?;
    Ok(part.into())
}
