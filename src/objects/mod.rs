//! The object store: a local folder or an S3-compatible bucket.
//!
//! The only room that names object_store, and the only one that makes keys: a key is a kind, a day and a fresh id,
//! never anything that came over the wire. An object is written once and never changed. When [`Objects::put`] or
//! [`ObjectWriter::finish`] returns, its bytes survive a loss of power (file and folder are synced; a bucket has
//! acknowledged). It knows nothing of what the bytes mean.

mod folder;
mod segment;
mod writer;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use segment::{Contents, Record, RecordKind};
pub use writer::ObjectWriter;

use crate::domain::place::Place;
use folder::Folder;
use segment::{Depth, Outcome, Segments, Settings};

/// How instances are kept in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StorageEngine {
    /// Many in one append-only tar file.
    Segment,
    /// Each in a file of its own.
    File,
}

/// Where objects are kept.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ObjectsConfig {
    /// `file://path` (created when missing) or `s3://bucket/prefix`.
    pub url: String,
    /// Address of an S3-compatible service, e.g. `http://127.0.0.1:9000`; empty for AWS.
    pub endpoint: String,
    /// Region of the bucket.
    pub region: String,
    /// Access key of the bucket.
    pub access_key_id: String,
    /// Secret of the access key. Prefer `secret_access_key_file`.
    pub secret_access_key: String,
    /// File that holds the secret of the access key.
    pub secret_access_key_file: Option<PathBuf>,
    /// Bytes of one object held in memory before they are written, in bytes; also the part size on S3 (5 MiB at least there).
    pub buffer_bytes: usize,
    /// How instances are kept in a folder: `segment` (append-only tar files, one sync for all that arrive together) or
    /// `file` (a file each). What is there stays readable with either. Buckets keep an object each. Default `segment`.
    pub engine: StorageEngine,
    /// Room of one segment, in bytes; it is reserved when the segment is begun. Default 256 MiB.
    pub segment_bytes: u64,
    /// Larger objects get a file of their own, in bytes; at most `buffer_bytes`. Default 4 MiB.
    pub segment_object_bytes: u64,
    /// A segment is finished after so long, full or not, in seconds. Default one hour.
    pub segment_seconds: u64,
    /// How old the answer to "can it be written to" may be when `/readyz` is asked, in milliseconds. Default 15000.
    pub probe_interval_ms: u64,
}

impl Default for ObjectsConfig {
    fn default() -> Self {
        Self {
            url: "file://storage/objects".to_owned(),
            endpoint: String::new(),
            region: "us-east-1".to_owned(),
            access_key_id: String::new(),
            secret_access_key: String::new(),
            secret_access_key_file: None,
            buffer_bytes: 5 * 1024 * 1024,
            engine: StorageEngine::Segment,
            segment_bytes: 256 * 1024 * 1024,
            segment_object_bytes: 4 * 1024 * 1024,
            segment_seconds: 3600,
            probe_interval_ms: 15_000,
        }
    }
}

impl ObjectsConfig {
    fn segments(&self) -> Settings {
        Settings {
            segment_bytes: self.segment_bytes,
            object_limit: self.segment_object_bytes.min(self.buffer_bytes.max(64 * 1024) as u64),
            max_age: Duration::from_secs(self.segment_seconds),
        }
    }
}

/// What an object is; the first part of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A DICOM Part 10 file.
    Instance,
    /// A report file as the hospital gave it.
    ReportOriginal,
    /// A report file with its QR code.
    ReportStamped,
}

impl Kind {
    /// The first part of its keys.
    pub fn folder(self) -> &'static str {
        match self {
            Kind::Instance => "instance",
            Kind::ReportOriginal => "report-original",
            Kind::ReportStamped => "report-stamped",
        }
    }
}

/// What can go wrong with objects.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL names no store that we know.
    #[error("objects.url must begin with file:// or s3://")]
    UnknownStore,
    /// The file with the secret could not be read.
    #[error("objects.secret_access_key_file: {0}")]
    SecretFile(std::io::Error),
    /// The folder cannot be used at all.
    #[error("objects.url: the folder {} cannot be written to: {error}", path.display())]
    Unusable {
        /// Which folder.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The folder refused or failed.
    #[error("object folder: {0}")]
    Folder(#[from] std::io::Error),
    /// The store refused or failed.
    #[error("object store: {0}")]
    Store(#[from] object_store::Error),
    /// The object is not there.
    #[error("object is missing from the store")]
    Missing,
    /// A task of ours ended early.
    #[error("object writer has stopped")]
    Stopped,
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
    segments: Option<Segments>,
    buffer_bytes: usize,
}

impl Objects {
    /// Opens the store; a folder is created when missing, and one that cannot be written to is an error.
    pub fn open(config: &ObjectsConfig) -> Result<Self, Error> {
        if let Some(path) = config.url.strip_prefix("file://") {
            let root = PathBuf::from(path);
            let unusable = |error| Error::Unusable { path: root.clone(), error };
            std::fs::create_dir_all(&root).map_err(unusable)?;
            let folder = Folder::new(root.clone());
            folder.probe().map_err(unusable)?;
            let store = Arc::new(LocalFileSystem::new_with_prefix(&root)?);
            let buffer_bytes = config.buffer_bytes.max(64 * 1024);
            let segments = match config.engine {
                StorageEngine::File => None,
                StorageEngine::Segment => Some(Segments::open(folder.clone(), config.segments())?),
            };
            return Ok(Self { store, folder: Some(folder), segments, buffer_bytes });
        }
        let Some(place) = config.url.strip_prefix("s3://") else { return Err(Error::UnknownStore) };
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let secret = match &config.secret_access_key_file {
            Some(file) => std::fs::read_to_string(file).map_err(Error::SecretFile)?.trim_end().to_owned(),
            None => config.secret_access_key.clone(),
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(&config.region)
            .with_access_key_id(&config.access_key_id)
            .with_secret_access_key(secret);
        if !config.endpoint.is_empty() {
            let plain = config.endpoint.starts_with("http://");
            builder = builder.with_endpoint(&config.endpoint).with_allow_http(plain);
        }
        let store = PrefixStore::new(builder.build()?, Path::from(prefix));
        Ok(Self {
            store: Arc::new(store),
            folder: None,
            segments: None,
            buffer_bytes: config.buffer_bytes.max(5 * 1024 * 1024),
        })
    }

    /// Finishes the open segment. Nothing is lost without it: the next opening of the folder does it.
    pub async fn close(&self) {
        if let Some(segments) = &self.segments
            && let Err(error) = segments.seal().await
        {
            tracing::warn!(%error, "the open segment could not be sealed");
        }
    }

    /// Stores bytes in a fresh place; durable when it returns.
    pub async fn put(&self, kind: Kind, mut bytes: Bytes) -> Result<Place, Error> {
        let length = bytes.len() as u64;
        if let Some(segments) = self.segments.as_ref().filter(|s| kind == Kind::Instance && s.take(length)) {
            match segments.append(RecordKind::Object, bytes).await? {
                Outcome::At(place) => return Ok(place),
                Outcome::NoRoom(back) => bytes = back,
            }
        }
        let key = fresh_key(kind);
        match &self.folder {
            Some(folder) => folder.create(&key, vec![bytes]).await?,
            None => {
                let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
                self.store.put_opts(&Path::from(key.as_str()), PutPayload::from_bytes(bytes), options).await?;
            }
        }
        Ok(Place { key, offset: 0, length })
    }

    /// Begins an object of unknown length under a fresh key. Memory is bounded by `objects.buffer_bytes`.
    pub fn create(&self, kind: Kind) -> ObjectWriter {
        let segments = self.segments.clone().filter(|_| kind == Kind::Instance);
        ObjectWriter::new(self.store.clone(), self.folder.clone(), segments, fresh_key(kind), self.buffer_bytes)
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
        self.store.get_range(&Path::from(place.key.as_str()), from..to).await.map_err(missing)
    }

    /// Streams a place in pieces.
    pub async fn stream(&self, place: &Place) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        if place.length == 0 {
            return Ok(futures_util::stream::empty().boxed());
        }
        let range = GetRange::Bounded(place.offset..place.offset + place.length);
        let options = GetOptions { range: Some(range), ..GetOptions::default() };
        let answer = self.store.get_opts(&Path::from(place.key.as_str()), options).await.map_err(missing)?;
        Ok(answer.into_stream().map_err(Error::from).boxed())
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
        segments.append(RecordKind::Deleted, gone.into()).await.map(|_| ())
    }

    /// What a record of a deletion says.
    pub fn deleted_place(record: &[u8]) -> Option<Place> {
        let mut words = std::str::from_utf8(record).ok()?.split_whitespace();
        let (key, offset, length) = (words.next()?, words.next()?, words.next()?);
        Some(Place { key: key.to_owned(), offset: offset.parse().ok()?, length: length.parse().ok()? })
    }

    /// Whether a segment still takes records, or was left open by a crash.
    pub fn is_open(&self, key: &str) -> bool {
        self.folder.as_ref().is_some_and(|folder| segment::is_open(folder, key))
    }

    /// Whether a key is that of a segment, which holds many objects.
    pub fn is_segment(key: &str) -> bool {
        segment::is_segment(key)
    }

    /// All records of a segment, each read and checked.
    pub async fn segment_contents(&self, key: &str) -> Result<Contents, Error> {
        match &self.folder {
            Some(folder) => segment::contents(folder, key, Depth::Bytes).await,
            None => Err(Error::Missing),
        }
    }

    /// All records of a segment by their heads alone.
    pub async fn segment_outline(&self, key: &str) -> Result<Contents, Error> {
        match &self.folder {
            Some(folder) => segment::contents(folder, key, Depth::Heads).await,
            None => Err(Error::Missing),
        }
    }

    /// Whether an object is seen while it is being written (a folder), or only when it is whole (a bucket).
    pub fn writes_in_place(&self) -> bool {
        self.folder.is_some()
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
        match self.store.delete(&Path::from(key)).await.map_err(missing) {
            Err(Error::Missing) => Ok(()),
            other => other,
        }
    }

    /// Whether objects can be stored right now: writes a small one durably and removes it.
    pub async fn probe(&self) -> Result<(), Error> {
        if let Some(folder) = &self.folder {
            let folder = folder.clone();
            let probed = tokio::task::spawn_blocking(move || folder.probe());
            return probed.await.map_err(|_| Error::Stopped)?.map_err(Error::Folder);
        }
        let key = Path::from(key_in("probe"));
        self.store.put(&key, PutPayload::from_static(&folder::PROBE)).await?;
        Ok(self.store.delete(&key).await?)
    }

    /// Whether an object is there, and how long it is.
    pub async fn length(&self, key: &str) -> Result<Option<u64>, Error> {
        match self.store.head(&Path::from(key)).await.map_err(missing) {
            Ok(meta) => Ok(Some(meta.size)),
            Err(Error::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lists all objects, in no order; a segment is one of them, with all that is in it.
    pub fn list(&self) -> BoxStream<'static, Result<Listed, Error>> {
        self.store
            .list(None)
            .try_filter(|meta| std::future::ready(!meta.location.as_ref().starts_with(segment::MARKS)))
            .map_ok(|meta| Listed {
                key: meta.location.to_string(),
                length: meta.size,
                written_at: begun_at(meta.location.as_ref()).unwrap_or_else(|| meta.last_modified.timestamp_millis()),
            })
            .map_err(Error::from)
            .boxed()
    }
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
