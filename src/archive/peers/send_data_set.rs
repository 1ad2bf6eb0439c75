//! Reads the data set of an instance for sending, as it is stored or converted to another transfer syntax.
//!
//! Bytes come in pieces, so that memory does not grow with the object. A conversion runs on a blocking thread when it is
//! its turn; its result is whole before the first byte leaves, because nothing can be taken back once it is on the
//! wire; large results wait in a nameless file of `objects.spool`. What is stored never changes.

use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::retrieve::StoredInstance;
use crate::archive::{Archive, Error};
use crate::dicom::convert::{self, ConvertLimits};
use crate::domain::place::Place;
use crate::objects::{self, Objects};

/// Conversion of objects that a receiver cannot take as they are stored.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SendConfig {
    /// Bytes that are read from an object at a time. Default 1048576.
    pub piece_bytes: u64,
    /// Objects that are converted at the same time; more wait. Default 2.
    pub conversions: usize,
    /// Converted data sets that are longer wait in a nameless file of `objects.spool`, in bytes. Default 33554432.
    pub converted_in_memory_bytes: usize,
    /// Limits of a conversion.
    pub convert: ConvertLimits,
}

impl Default for SendConfig {
    fn default() -> Self {
        Self {
            piece_bytes: 1024 * 1024,
            conversions: 2,
            converted_in_memory_bytes: 32 * 1024 * 1024,
            convert: ConvertLimits::default(),
        }
    }
}

/// Takes turns for conversions; clones share them.
#[derive(Debug, Clone)]
pub struct Sending {
    config: Arc<SendConfig>,
    turns: Arc<Semaphore>,
}

impl Sending {
    /// Within these limits.
    pub fn new(config: SendConfig) -> Self {
        let turns = Arc::new(Semaphore::new(config.conversions.clamp(1, 64)));
        Self { config: Arc::new(config), turns }
    }
}

/// A data set on its way out.
pub struct DataSet {
    /// All its bytes.
    pub length: u64,
    /// The bytes in order; an error ends them early.
    pub pieces: BoxStream<'static, Result<Bytes, Error>>,
}

impl std::fmt::Debug for DataSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataSet").field("length", &self.length).finish_non_exhaustive()
    }
}

impl Archive {
    /// Opens the data set of an instance in a transfer syntax. [`Error::Invalid`] when it cannot be converted to it.
    pub async fn open_data_set(
        &self,
        instance: &StoredInstance,
        transfer_syntax_uid: &str,
        sending: &Sending,
    ) -> Result<DataSet, Error> {
        let place = data_set_place(instance);
        if transfer_syntax_uid == instance.transfer_syntax_uid {
            return stored(&self.objects, place, sending.config.piece_bytes.max(4096)).await;
        }
        self.converted(&instance.transfer_syntax_uid, place, transfer_syntax_uid, sending).await
    }

    /// The data set at a place, which is encoded in the transfer syntax `from`, in another one.
    pub(super) async fn converted(
        &self,
        from: &str,
        place: Place,
        to: &str,
        sending: &Sending,
    ) -> Result<DataSet, Error> {
        let from = from.to_owned();
        if !convert::is_convertible(&from, to) {
            return Err(Error::Invalid(format!("transfer syntax {from} cannot be converted to {to}")));
        }
        let stopped = || Error::Objects(objects::Error::Stopped);
        let turn = Arc::clone(&sending.turns).acquire_owned().await.map_err(|_| stopped())?;
        let (config, to) = (Arc::clone(&sending.config), to.to_owned());
        let source = PlaceReader {
            objects: self.objects.clone(),
            runtime: tokio::runtime::Handle::current(),
            place,
            at: 0,
            piece: Bytes::new(),
            piece_bytes: config.piece_bytes.max(4096),
        };
        let mut result = self.objects.spool(config.converted_in_memory_bytes);
        let work = tokio::task::spawn_blocking(move || {
            let done = convert::convert(source, &from, &to, &mut result, &config.convert);
            drop(turn);
            done.map(|()| result)
        });
        let result = work.await.map_err(|_| Error::Invalid("the conversion gave up".to_owned()))?;
        let mut result = result.map_err(|error| match error {
            convert::Error::Source(error) | convert::Error::Sink(error) => {
                Error::Objects(objects::Error::Folder(error))
            }
            error => Error::Invalid(error.to_string()),
        })?;
        let io = |error| Error::Objects(objects::Error::Folder(error));
        let length = result.seek(SeekFrom::End(0)).map_err(io)?;
        result.rewind().map_err(io)?;
        let pieces = stream::try_unfold(result, |mut result| async move {
            let read = tokio::task::spawn_blocking(move || {
                let mut piece = Vec::with_capacity(256 * 1024);
                result.by_ref().take(256 * 1024).read_to_end(&mut piece).map(|_| (piece, result))
            });
            let read = read.await.map_err(|_| Error::Objects(objects::Error::Stopped))?;
            let (piece, result) = read.map_err(|error| Error::Objects(objects::Error::Folder(error)))?;
            Ok((!piece.is_empty()).then(|| (Bytes::from(piece), result)))
        });
        Ok(DataSet { length, pieces: pieces.boxed() })
    }
}

/// The data set without the file's head.
fn data_set_place(instance: &StoredInstance) -> Place {
    Place {
        key: instance.place.key.clone(),
        offset: instance.place.offset + instance.dataset_offset,
        length: instance.place.length.saturating_sub(instance.dataset_offset),
    }
}

/// The first piece is read at once, so that a missing object is known before anything is sent.
async fn stored(objects: &Objects, place: Place, piece_bytes: u64) -> Result<DataSet, Error> {
    let length = place.length;
    let first = objects.read_range(&place, 0..piece_bytes).await?;
    if (first.len() as u64) < length.min(piece_bytes) {
        return Err(Error::Objects(objects::Error::Missing));
    }
    let at = first.len() as u64;
    let rest = stream::try_unfold((objects.clone(), place, at), move |(objects, place, at)| async move {
        if at >= place.length {
            return Ok(None);
        }
        let piece = objects.read_range(&place, at..at + piece_bytes).await?;
        if piece.is_empty() {
            return Err(Error::Objects(objects::Error::Missing));
        }
        let at = at + piece.len() as u64;
        Ok(Some((piece, (objects, place, at))))
    });
    let pieces = stream::once(async { Ok(first) }).chain(rest).boxed();
    Ok(DataSet { length, pieces })
}

/// A place as a blocking reader, for a blocking thread.
struct PlaceReader {
    objects: Objects,
    runtime: tokio::runtime::Handle,
    place: Place,
    at: u64,
    piece: Bytes,
    piece_bytes: u64,
}

impl Read for PlaceReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.piece.is_empty() && self.at < self.place.length {
            let range = self.at..self.at + self.piece_bytes;
            let read = self.runtime.block_on(self.objects.read_range(&self.place, range));
            self.piece = read.map_err(std::io::Error::other)?;
            self.at += self.piece.len() as u64;
        }
        let length = buffer.len().min(self.piece.len());
        buffer[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}
