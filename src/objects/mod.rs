//! The object store: a local folder or an S3-compatible bucket.
//!
//! The only room that names object_store, and the only one that makes keys: a key is a kind, a day and a fresh id,
//! never anything that came over the wire. An object is written once and never changed. When [`Objects::put`] or
//! [`ObjectWriter::finish`] returns, its bytes survive a loss of power (file and folder are synced; a bucket has
//! acknowledged). It knows nothing of what the bytes mean.

mod config;
mod error;
mod folder;
mod journal;
mod pieces;
mod remote;
mod segment;
mod writer;

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, GetResult, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use tempfile::SpooledTempFile;

pub use config::{ObjectsConfig, StorageEngine};
pub use error::Error;
pub use journal::Shipped;
pub use segment::{Contents, Record, RecordKind, RowsPending, scan_segment};
pub use writer::ObjectWriter;

use crate::domain::place::Place;
use folder::Folder;
use journal::Journal;
use pieces::PiecePool;
use remote::RemoteFile;
use segment::{Depth, Outcome, Rows, Segments};

/// The offset by which a record of a deletion means a whole segment: no record begins there.
pub const WHOLE_SEGMENT: u64 = 0;

/// After so long a segment has left the journal of the server that made it.
const LONGEST_IN_A_JOURNAL_MS: i64 = 24 * 3600 * 1000;

/// What an object is; the first part of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A DICOM Part 10 file.
    Instance,
    /// A report file as the hospital gave it.
    ReportOriginal,
    /// A report file with its QR code.
    ReportStamped,
    /// A file of an exam that is no DICOM object.
    Attachment,
    /// A lab report as a document.
    LabDocument,
}

impl Kind {
    /// The first part of its keys.
    pub fn folder(self) -> &'static str {
        match self {
            Kind::Instance => "instance",
            Kind::ReportOriginal => "report-original",
            Kind::ReportStamped => "report-stamped",
            Kind::Attachment => "attachment",
            Kind::LabDocument => "lab-document",
        }
    }
}

/// One object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The key.
    pub key: String,
    /// Bytes.
    pub length: u64,
    /// When its writing began by the clock of the process that made its key, milliseconds since 1970 UTC. A store's own
    /// time may lag behind or be cut to seconds.
    pub written_at: i64,
}

/// A handle on the store; clones share it.
#[derive(Debug, Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    folder: Option<Folder>,
    journal: Option<Journal>,
    segments: Option<Segments>,
    buffer_bytes: usize,
    pool: PiecePool,
    spool: Arc<std::path::Path>,
}

impl Objects {
    /// Opens the store; a folder is created when missing, and one that cannot be written to is an error.
    pub fn open(config: &ObjectsConfig) -> Result<Self, Error> {
        let pool = PiecePool::default();
        if let Some(path) = config.url.strip_prefix("file://") {
            let (folder, store) = open_folder(std::path::Path::new(path))?;
            let segments = match config.engine {
                StorageEngine::File => {
                    segment::recover(&folder)?;
                    None
                }
                StorageEngine::Segment => {
                    Some(Segments::open(folder.clone(), config.segments(u64::MAX), pool.clone())?)
                }
            };
            let buffer_bytes = config.buffer_bytes.max(64 * 1024);
            let spool = open_spool(config, Some(path.as_ref()))?;
            return Ok(Self {
                store: Arc::new(store),
                folder: Some(folder),
                journal: None,
                segments,
                buffer_bytes,
                pool,
                spool,
            });
        }
        let store: Arc<dyn ObjectStore> = Arc::new(config.bucket()?);
        let (journal, segments) = match &config.journal {
            Some(path) => {
                let (folder, local) = open_folder(path)?;
                let segments = Segments::open(folder.clone(), config.segments(config.journal_bytes), pool.clone())?;
                (Some(Journal::new(folder, local)), Some(segments))
            }
            None => (None, None),
        };
        let buffer_bytes = config.buffer_bytes.max(5 * 1024 * 1024);
        let spool = open_spool(config, config.journal.as_deref())?;
        Ok(Self { store, folder: None, journal, segments, buffer_bytes, pool, spool })
    }

    /// Finishes the open segment. Nothing is lost without it: the next opening of the folder does it.
    pub async fn close(&self) {
        if let Some(segments) = &self.segments
            && let Err(error) = segments.seal().await
        {
            tracing::warn!(%error, "the open segment could not be sealed");
        }
    }

    /// A place for bytes on their way out: in memory up to a length, then in a nameless file of the spool folder.
    pub fn spool(&self, in_memory: usize) -> SpooledTempFile {
        tempfile::spooled_tempfile_in(in_memory, &self.spool)
    }

    /// Stores bytes in a fresh place; durable when it returns.
    pub async fn put(&self, kind: Kind, bytes: Bytes) -> Result<Place, Error> {
        let length = bytes.len() as u64;
        let mut pieces = vec![bytes];
        if let Some(segments) = self.segments.as_ref().filter(|s| kind == Kind::Instance && s.take(length)) {
            match segments.append(RecordKind::Object, Rows::Unclaimed, pieces).await? {
                Outcome::At(place, _) => return Ok(place),
                Outcome::NoRoom(back) => pieces = back,
            }
        }
        let key = fresh_key(kind);
        match &self.folder {
            Some(folder) => folder.create(&key, pieces).await?,
            None => {
                let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
                self.store.put_opts(&Path::from(key.as_str()), PutPayload::from_iter(pieces), options).await?;
            }
        }
        Ok(Place { key, offset: 0, length })
    }

    /// Begins an object of unknown length under a fresh key. Memory is bounded by `objects.buffer_bytes`.
    pub fn create(&self, kind: Kind) -> ObjectWriter {
        let segments = self.segments.clone().filter(|_| kind == Kind::Instance);
        let (store, folder, pool) = (self.store.clone(), self.folder.clone(), self.pool.clone());
        ObjectWriter::new(store, folder, segments, fresh_key(kind), self.buffer_bytes, pool)
    }

    /// Reads a whole place into memory; the caller has checked that its length is bearable.
    pub async fn read(&self, place: &Place) -> Result<Bytes, Error> {
        self.read_range(place, 0..place.length).await
    }

    /// Reads part of a place; the range counts from the place's first byte.
    pub async fn read_range(&self, place: &Place, range: Range<u64>) -> Result<Bytes, Error> {
        let from = place.offset + range.start.min(place.length);
        let to = place.offset + range.end.min(place.length);
        if from >= to {
            return Ok(Bytes::new());
        }
        if place.key.is_empty() {
            return Err(Error::Missing);
        }
        Ok(self.get(&place.key, from..to).await?.bytes().await?)
    }

    /// Streams a place in pieces.
    pub async fn stream(&self, place: &Place) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        if place.length == 0 {
            return Ok(futures_util::stream::empty().boxed());
        }
        if place.key.is_empty() {
            return Err(Error::Missing);
        }
        let answer = self.get(&place.key, place.offset..place.offset + place.length).await?;
        Ok(answer.into_stream().map_err(Error::from).boxed())
    }

    /// What is in the journal is read there. A segment leaves it only after it is in the bucket.
    async fn get(&self, key: &str, range: Range<u64>) -> Result<GetResult, Error> {
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        let path = Path::from(key);
        if let Some(journal) = self.journal_of(key) {
            match journal.store.get_opts(&path, options.clone()).await.map_err(missing) {
                Err(Error::Missing) => {}
                found => return found,
            }
        }
        self.store.get_opts(&path, options).await.map_err(missing)
    }

    fn journal_of(&self, key: &str) -> Option<&Journal> {
        self.journal.as_ref().filter(|_| segment::is_segment(key))
    }

    /// The folder in which segments begin.
    fn segment_folder(&self) -> Option<&Folder> {
        self.folder.as_ref().or_else(|| self.journal.as_ref().map(|journal| &journal.folder))
    }

    /// Gives up an object that no row names any more: a file is removed; in a segment a record says that it is gone, and
    /// compaction takes the space back later.
    pub async fn forget(&self, place: &Place) -> Result<(), Error> {
        if !segment::is_segment(&place.key) {
            return self.delete(&place.key).await;
        }
        // Without a writer of segments only a rebuilt index would meet the object again.
        let Some(segments) = &self.segments else { return Ok(()) };
        let gone = format!("{} {} {}\n", place.key, place.offset, place.length);
        match segments.append(RecordKind::Deleted, Rows::Unclaimed, vec![gone.into()]).await? {
            Outcome::At(..) => Ok(()),
            // Whoever asked has a note of it, and asks again: what is not written down would come back with a rebuilt index.
            Outcome::NoRoom(_) => Err(Error::Folder(std::io::ErrorKind::StorageFull.into())),
        }
    }

    /// Says that everything in a segment lies elsewhere or is dead; it can still be read.
    pub async fn forget_segment(&self, key: &str) -> Result<(), Error> {
        self.forget(&Place { key: key.to_owned(), offset: WHOLE_SEGMENT, length: 0 }).await
    }

    /// What a record of a deletion says; [`WHOLE_SEGMENT`] as its offset means everything under the key.
    pub fn deleted_place(record: &[u8]) -> Option<Place> {
        let mut words = std::str::from_utf8(record).ok()?.split_whitespace();
        let (key, offset, length) = (words.next()?, words.next()?, words.next()?);
        Some(Place { key: key.to_owned(), offset: offset.parse().ok()?, length: length.parse().ok()? })
    }

    /// When the segment or object with a key was begun, by the clock of the process that made the key.
    pub fn begun_at(key: &str) -> Option<i64> {
        begun_at(key)
    }

    /// Whether a segment still takes records, or was left open by a crash.
    pub fn is_open(&self, key: &str) -> bool {
        self.segment_folder().is_some_and(|folder| segment::is_open(folder, key))
    }

    /// From now on rows of small objects may wait for a sync, because they can be made again from their segment: see
    /// [`ObjectWriter::finish_claiming_rows`]. Whoever calls this sees to [`Objects::segments_without_rows`] at the start.
    pub fn let_rows_wait(&self) {
        if let Some(segments) = &self.segments {
            segments.let_rows_wait();
        }
    }

    /// Finished segments whose objects may lack their rows, the oldest first.
    pub async fn segments_without_rows(&self) -> Result<Vec<String>, Error> {
        let Some(folder) = self.segment_folder().cloned() else { return Ok(Vec::new()) };
        let found = tokio::task::spawn_blocking(move || segment::marked(&folder));
        Ok(found.await.map_err(|_| Error::Stopped)??)
    }

    /// Whether a finished segment is one of them.
    pub fn may_lack_rows(&self, key: &str) -> bool {
        self.segment_folder().is_some_and(|folder| segment::is_marked(folder, key))
    }

    /// All rows of a segment's objects are on the disk.
    pub async fn has_its_rows(&self, key: &str) -> Result<(), Error> {
        let Some(folder) = self.segment_folder().cloned() else { return Ok(()) };
        let key = key.to_owned();
        let unmarked = tokio::task::spawn_blocking(move || segment::unmark(&folder, &key));
        Ok(unmarked.await.map_err(|_| Error::Stopped)??)
    }

    /// Whether a key is that of a segment, which holds many objects.
    pub fn is_segment(key: &str) -> bool {
        segment::is_segment(key)
    }

    /// All records of a segment, each read and checked.
    pub async fn segment_contents(&self, key: &str) -> Result<Contents, Error> {
        self.scan(key, Depth::Bytes).await
    }

    /// All records of a segment by their heads alone.
    pub async fn segment_outline(&self, key: &str) -> Result<Contents, Error> {
        self.scan(key, Depth::Heads).await
    }

    async fn scan(&self, key: &str, depth: Depth) -> Result<Contents, Error> {
        if let Some(folder) = self.segment_folder() {
            match segment::contents(folder, key, depth).await {
                Err(Error::Missing) if self.folder.is_none() => {}
                found => return found,
            }
        }
        let file = RemoteFile::open(Arc::clone(&self.store), key).await?;
        segment::contents_of(file, key, depth).await
    }

    /// Whether an object is seen while it is being written (a folder), or only when it is whole (a bucket).
    pub fn writes_in_place(&self) -> bool {
        self.folder.is_some()
    }

    /// Whether an object that is missing may lie in the journal of another server, which brings its segments into the bucket
    /// when they are full or old enough.
    pub fn may_be_elsewhere(&self, key: &str, now_ms: i64) -> bool {
        let age_ms = now_ms - begun_at(key).unwrap_or(0);
        !self.writes_in_place() && segment::is_segment(key) && age_ms < LONGEST_IN_A_JOURNAL_MS
    }

    /// Removes an object that has its key for itself; one that is gone already is no error. A segment is left alone, it
    /// holds objects of others: see [`Objects::forget`].
    pub async fn delete(&self, key: &str) -> Result<(), Error> {
        if segment::is_segment(key) { Ok(()) } else { self.remove(key).await }
    }

    /// Removes a whole segment; the caller knows that nothing in it is needed.
    pub async fn delete_segment(&self, key: &str) -> Result<(), Error> {
        self.remove(key).await
    }

    async fn remove(&self, key: &str) -> Result<(), Error> {
        if let Some(journal) = self.journal_of(key) {
            match journal.store.delete(&Path::from(key)).await.map_err(missing) {
                Ok(()) | Err(Error::Missing) => {}
                Err(error) => return Err(error),
            }
        }
        match self.store.delete(&Path::from(key)).await.map_err(missing) {
            Err(Error::Missing) => Ok(()),
            other => other,
        }
    }

    /// Whether objects can be stored right now: writes a small one durably and removes it.
    pub async fn probe(&self) -> Result<(), Error> {
        if let Some(folder) = self.segment_folder().cloned() {
            let probed = tokio::task::spawn_blocking(move || folder.probe());
            probed.await.map_err(|_| Error::Stopped)?.map_err(Error::Folder)?;
        }
        if self.folder.is_some() {
            return Ok(());
        }
        let key = Path::from(key_in("probe"));
        self.store.put(&key, PutPayload::from_static(&folder::PROBE)).await?;
        Ok(self.store.delete(&key).await?)
    }

    /// Whether an object is there, and how long it is.
    pub async fn length(&self, key: &str) -> Result<Option<u64>, Error> {
        if key.is_empty() {
            return Ok(None);
        }
        for store in self.journal_of(key).map(|journal| &journal.store).into_iter().chain([&self.store]) {
            match store.head(&Path::from(key)).await.map_err(missing) {
                Ok(meta) => return Ok(Some(meta.size)),
                Err(Error::Missing) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Lists all objects, in no order; a segment is one of them, with all that is in it.
    pub fn list(&self) -> BoxStream<'static, Result<Listed, Error>> {
        let Some(journal) = &self.journal else { return listing(&*self.store) };
        let (here, there) = (listing(&*journal.store), Arc::clone(&self.store));
        // First what is here, because it goes there; what is met in both places is told once.
        let here = here.try_collect::<Vec<_>>();
        let both = async move {
            let here = here.await?;
            let keys: HashSet<String> = here.iter().map(|listed| listed.key.clone()).collect();
            let there = listing(&*there).try_filter(move |listed| std::future::ready(!keys.contains(&listed.key)));
            Ok::<_, Error>(futures_util::stream::iter(here.into_iter().map(Ok)).chain(there))
        };
        futures_util::stream::once(both).try_flatten().boxed()
    }
}

fn open_folder(root: &std::path::Path) -> Result<(Folder, LocalFileSystem), Error> {
    let unusable = |error| Error::Unusable { path: root.to_owned(), error };
    std::fs::create_dir_all(root).map_err(unusable)?;
    let folder = Folder::new(root.to_owned());
    folder.probe().map_err(unusable)?;
    Ok((folder, LocalFileSystem::new_with_prefix(root)?))
}

/// The folder of the configuration, else the one given, else the system's.
fn open_spool(config: &ObjectsConfig, beside: Option<&std::path::Path>) -> Result<Arc<std::path::Path>, Error> {
    let Some(own) = &config.spool else {
        return Ok(beside.map_or_else(std::env::temp_dir, |path| path.to_owned()).into());
    };
    let unusable = |error| Error::Unusable { path: own.clone(), error };
    std::fs::create_dir_all(own).map_err(unusable)?;
    tempfile::tempfile_in(own).map_err(unusable)?;
    Ok(own.as_path().into())
}

fn listing(store: &dyn ObjectStore) -> BoxStream<'static, Result<Listed, Error>> {
    store
        .list(None)
        .try_filter(|meta| std::future::ready(!segment::is_mark(meta.location.as_ref())))
        .map_ok(|meta| Listed {
            key: meta.location.to_string(),
            length: meta.size,
            written_at: begun_at(meta.location.as_ref()).unwrap_or_else(|| meta.last_modified.timestamp_millis()),
        })
        .map_err(Error::from)
        .boxed()
}

fn missing(error: object_store::Error) -> Error {
    match error {
        object_store::Error::NotFound { .. } => Error::Missing,
        other => Error::Store(other),
    }
}

/// `instance/2026/11/21/14/<uuid v7>`: sorted by time, spread over folders by the hour.
fn fresh_key(kind: Kind) -> String {
    key_in(kind.folder())
}

fn key_in(folder: &str) -> String {
    let (id, hour) = fresh_id();
    format!("{folder}/{hour}/{id}")
}

/// A UUID of version 7, and the folder of its hour.
fn fresh_id() -> (uuid::Uuid, String) {
    let id = uuid::Uuid::now_v7();
    let seconds = id.get_timestamp().map_or(0, |t| t.to_unix().0);
    let at = time::OffsetDateTime::from_unix_timestamp(seconds as i64).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = at.to_calendar_date();
    (id, format!("{year:04}/{:02}/{day:02}/{:02}", u8::from(month), at.hour()))
}

/// The time in a key.
fn begun_at(key: &str) -> Option<i64> {
    let name = key.rsplit('/').next()?;
    let id = uuid::Uuid::try_parse(name.split('.').next()?).ok()?;
    let (seconds, nanoseconds) = id.get_timestamp()?.to_unix();
    Some(seconds as i64 * 1000 + i64::from(nanoseconds) / 1_000_000)
}
