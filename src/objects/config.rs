//! Section `[objects]`: where objects are kept, and how.

use std::path::PathBuf;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Error;
use super::segment::Settings;

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
    /// `file` (a file each). What is there stays readable with either. Buckets keep an
    /// object each, unless there is a `journal`. Default `segment`.
    pub engine: StorageEngine,
    /// Room of one segment, in bytes; it is reserved when the segment is begun. Default 256 MiB.
    pub segment_bytes: u64,
    /// Larger objects get a file of their own, in bytes; at most `buffer_bytes`. Default 4 MiB.
    pub segment_object_bytes: u64,
    /// A segment is finished after so long, full or not, in seconds. Default one hour.
    pub segment_seconds: u64,
    /// With a bucket: a local folder in which segments begin. An instance is answered when it is durable there, and its
    /// segment is uploaded when it is finished; until then only this server can read it. Without it every object is in
    /// the bucket before it is answered. Each server needs a folder of its own, on a disk that lasts.
    pub journal: Option<PathBuf>,
    /// While so much waits in the journal for the bucket, instances go to the bucket one by one, in bytes. Default 20 GiB.
    pub journal_bytes: u64,
    /// Folder in which converted objects wait that are too long for memory, as nameless files that are gone when they have
    /// been sent; it needs room for the largest results of all conversions at once. Default: beside the objects, or beside the
    /// `journal` of a bucket; with a bucket alone the system's folder for temporary files.
    pub spool: Option<PathBuf>,
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
            journal: None,
            journal_bytes: 20 * 1024 * 1024 * 1024,
            spool: None,
            probe_interval_ms: 15_000,
        }
    }
}

impl ObjectsConfig {
    /// The folders of this machine that objects go to, by the key that names them.
    pub fn folders(&self) -> Vec<(&'static str, PathBuf)> {
        let own = self.url.strip_prefix("file://").map(|path| ("objects", PathBuf::from(path)));
        own.into_iter().chain(self.journal.clone().map(|path| ("journal", path))).collect()
    }

    /// How segments are written, in a folder that may hold so many bytes of them.
    pub(super) fn segments(&self, folder_bytes: u64) -> Settings {
        Settings {
            segment_bytes: self.segment_bytes,
            object_limit: self.segment_object_bytes.min(self.buffer_bytes.max(64 * 1024) as u64),
            max_age: Duration::from_secs(self.segment_seconds),
            folder_bytes,
        }
    }

    /// The bucket behind an `s3://` address.
    pub(super) fn bucket(&self) -> Result<PrefixStore<AmazonS3>, Error> {
        let place = self.url.strip_prefix("s3://").ok_or(Error::UnknownStore)?;
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let secret = match &self.secret_access_key_file {
            Some(file) => std::fs::read_to_string(file).map_err(Error::SecretFile)?.trim_end().to_owned(),
            None => self.secret_access_key.clone(),
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(&self.region)
            .with_access_key_id(&self.access_key_id)
            .with_secret_access_key(secret);
        if !self.endpoint.is_empty() {
            let plain = self.endpoint.starts_with("http://");
            builder = builder.with_endpoint(&self.endpoint).with_allow_http(plain);
        }
        Ok(PrefixStore::new(builder.build()?, Path::from(prefix)))
    }
}
