//! Segments: many objects in one append-only file, written in groups and synced once for each group (ADR 3).
//!
//! A segment is a plain tar of the objects' files. Only its last part is ever written, by one thread; an append is
//! answered after its group is durable. What a crash leaves behind the last durable group was promised to nobody: the
//! next opening of the folder cuts torn records off. A finished segment never changes. What is alive in it, only the
//! index knows; a deletion is one more record, so that an index rebuilt from storage knows of it too.

mod file;
mod group;
mod record;
mod rows;
mod scan;
#[cfg(test)]
mod tests;
mod tolerant;
mod writer;

use std::io::{Read, Seek};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::folder::Folder;
use super::pieces::PiecePool;
use super::{Error, Place};
pub(super) use file::{FinishedSegment, recover};
pub use record::RecordKind;
pub use rows::RowsPending;
pub(super) use rows::{is_marked, marked, unmark};
pub(super) use scan::Depth;
pub use scan::{Contents, Record};
use tolerant::Tolerant;
use writer::{Appended, Command};

/// First part of a segment's key.
pub(super) const PREFIX: &str = "segment/";
const SUFFIX: &str = ".tar";

/// Whether a key is that of a segment.
pub(super) fn is_segment(key: &str) -> bool {
    key.starts_with(PREFIX) && key.ends_with(SUFFIX)
}

/// Whether a segment is marked as open.
pub(super) fn is_open(folder: &Folder, key: &str) -> bool {
    folder.path(&format!("{}/{}", file::MARKS, id_of(key))).exists()
}

/// Whether a key is that of a mark, which is no object.
pub(super) fn is_mark(key: &str) -> bool {
    [file::MARKS, rows::ROWS].iter().any(|folder| key.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
}

/// The id in a segment's key.
fn id_of(key: &str) -> &str {
    key.rsplit('/').next().and_then(|name| name.strip_suffix(SUFFIX)).unwrap_or_default()
}

/// How segments are written.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// Room of one segment.
    pub(super) segment_bytes: u64,
    /// Larger objects get a file of their own.
    pub(super) object_limit: u64,
    /// A segment is finished after so long, full or not.
    pub(super) max_age: Duration,
    /// No segment is begun while all of the folder's hold so much.
    pub(super) folder_bytes: u64,
}

/// Whether the rows of an object will wait for a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// They may: the segment is to be claimed.
    Claimed,
    /// There are none, or they are synced before anybody is answered.
    Unclaimed,
}

/// What became of an object given to [`Segments::append`].
pub(super) enum Outcome {
    /// It is durable there; its rows are claimed, if that was asked for.
    At(Place, Option<RowsPending>),
    /// No segment could be opened; the object comes back.
    NoRoom(Vec<Bytes>),
}

/// The segments of one folder; clones share the writer. The last one dropped seals the open segment.
#[derive(Debug, Clone)]
pub(super) struct Segments {
    object_limit: u64,
    /// Whether rows of objects in segments that are made from now on can be claimed.
    claimable: Arc<AtomicBool>,
    commands: mpsc::Sender<Command>,
}

impl Segments {
    /// Seals what crashed processes left open, and starts the writer. A segment is made at the first append.
    pub(super) fn open(folder: Folder, settings: Settings, pool: PiecePool) -> Result<Self, Error> {
        file::recover(&folder)?;
        let (commands, waiting) = mpsc::channel();
        let object_limit = settings.object_limit;
        let claimable = Arc::new(AtomicBool::new(false));
        let of_writer = Arc::clone(&claimable);
        std::thread::Builder::new()
            .name("segments".to_owned())
            .spawn(move || writer::run(folder, settings, pool, &of_writer, &waiting))
            .map_err(Error::Folder)?;
        Ok(Self { object_limit, claimable, commands })
    }

    /// From now on rows can be claimed, in segments that are made from now on.
    pub(super) fn let_rows_wait(&self) {
        self.claimable.store(true, Ordering::Relaxed);
    }

    /// Whether an object of so many bytes belongs into a segment.
    pub(super) fn take(&self, length: u64) -> bool {
        length <= self.object_limit
    }

    /// Appends an object; durable when it returns.
    pub(super) async fn append(&self, kind: RecordKind, rows: Rows, pieces: Vec<Bytes>) -> Result<Outcome, Error> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(Command::Append { kind, rows, pieces, answer }).map_err(|_| Error::Stopped)?;
        match answered.await.map_err(|_| Error::Stopped)? {
            Appended::At(place, pending) => Ok(Outcome::At(place, pending)),
            Appended::NoRoom(pieces) => Ok(Outcome::NoRoom(pieces)),
            Appended::Failed(error) => Err(Error::Folder(error)),
        }
    }

    /// Finishes the open segment, if there is one.
    pub(super) async fn seal(&self) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(Command::Seal { answer }).map_err(|_| Error::Stopped)?;
        answered.await.map_err(|_| Error::Stopped)
    }
}

/// Finds all records of a segment that is in memory, each checked; `key` is the name that it was written under.
pub fn scan_segment(bytes: &[u8], key: &str) -> std::io::Result<Contents> {
    scan::scan(std::io::Cursor::new(bytes), id_of(key), Depth::Bytes)
}

/// Finds all records of a segment in a folder.
pub(super) async fn contents(folder: &Folder, key: &str, depth: Depth) -> Result<Contents, Error> {
    let path = folder.path(key);
    let opened = tokio::task::spawn_blocking(move || std::fs::File::open(path)).await.map_err(|_| Error::Stopped)?;
    match opened {
        Ok(file) => contents_of(Tolerant::new(file), key, depth).await,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Error::Missing),
        Err(error) => Err(Error::Folder(error)),
    }
}

/// Finds all records of a segment, wherever it is.
pub(super) async fn contents_of(
    source: impl Read + Seek + Send + 'static,
    key: &str,
    depth: Depth,
) -> Result<Contents, Error> {
    let id = id_of(key).to_owned();
    let scanned = tokio::task::spawn_blocking(move || scan::scan(source, &id, depth));
    scanned.await.map_err(|_| Error::Stopped)?.map_err(Error::Folder)
}

/// A key for a new segment, and the id in it.
fn fresh() -> (String, String) {
    let (id, folder) = super::fresh_id();
    (format!("{PREFIX}{folder}/{id}{SUFFIX}"), id.to_string())
}

/// The same error for each of those that wait.
fn copy(error: &std::io::Error) -> std::io::Error {
    match error.raw_os_error() {
        Some(code) => std::io::Error::from_raw_os_error(code),
        None => std::io::Error::new(error.kind(), error.to_string()),
    }
}
