//! Writing an object whose length is not known beforehand, in bounded memory.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use super::folder::Folder;
use super::pieces::{PiecePool, Pieces};
use super::segment::{Outcome, Rows, RowsPending, Segments};
use super::{Error, Place, RecordKind};

/// An object that is being written. Dropping it without [`ObjectWriter::finish`] leaves nothing that counts.
pub struct ObjectWriter {
    store: Arc<dyn ObjectStore>,
    folder: Option<Folder>,
    segments: Option<Segments>,
    key: String,
    buffer_bytes: usize,
    buffer: Pieces,
    length: u64,
    sink: Sink,
}

/// Small objects stay in memory until the end and are written at once; larger ones are opened here.
enum Sink {
    Memory,
    File(File),
    Multipart(Box<dyn MultipartUpload>),
}

impl ObjectWriter {
    pub(super) fn new(
        store: Arc<dyn ObjectStore>,
        folder: Option<Folder>,
        segments: Option<Segments>,
        key: String,
        buffer_bytes: usize,
        pool: PiecePool,
    ) -> Self {
        let buffer = Pieces::new(pool);
        Self { store, folder, segments, key, buffer_bytes, buffer, length: 0, sink: Sink::Memory }
    }

    /// Bytes taken so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether it still fits into a segment, beside many others.
    pub fn is_small(&self) -> bool {
        matches!(self.sink, Sink::Memory) && self.segments.as_ref().is_some_and(|segments| segments.take(self.length))
    }

    /// Takes the next bytes; may wait for the store.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        self.length += bytes.len() as u64;
        while self.buffer.len() + bytes.len() >= self.buffer_bytes {
            let (now, later) = bytes.split_at(self.buffer_bytes - self.buffer.len());
            self.buffer.extend(now);
            bytes = later;
            self.spill().await?;
        }
        self.buffer.extend(bytes);
        Ok(())
    }

    /// Makes the object durable and tells where it is.
    pub async fn finish(self) -> Result<Place, Error> {
        Ok(self.finish_as(Rows::Unclaimed).await?.0)
    }

    /// The same for an object whose rows can be made again from it: with a claim that is to be settled when they are on the
    /// disk. There is none where that cannot be (see [`super::Objects::let_rows_wait`]).
    pub async fn finish_claiming_rows(self) -> Result<(Place, Option<RowsPending>), Error> {
        self.finish_as(Rows::Claimed).await
    }

    async fn finish_as(mut self, rows: Rows) -> Result<(Place, Option<RowsPending>), Error> {
        let mut rest = self.buffer.take();
        if let (Sink::Memory, Some(segments)) = (&self.sink, self.segments.as_ref().filter(|s| s.take(self.length))) {
            match segments.append(RecordKind::Object, rows, rest).await? {
                Outcome::At(place, pending) => return Ok((place, pending)),
                Outcome::NoRoom(back) => rest = back,
            }
        }
        match std::mem::replace(&mut self.sink, Sink::Memory) {
            Sink::Memory => match &self.folder {
                Some(folder) => folder.create(&self.key, rest).await?,
                None => {
                    let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
                    let payload = PutPayload::from_iter(rest);
                    self.store.put_opts(&Path::from(self.key.as_str()), payload, options).await?;
                }
            },
            Sink::File(file) => {
                let file = self.append(file, rest).await?;
                if let Some(folder) = self.folder.clone()
                    && let Err(error) = folder.close(&self.key, file).await
                {
                    self.remove().await;
                    return Err(error);
                }
            }
            Sink::Multipart(mut upload) => {
                if !rest.is_empty() {
                    upload = put_part(upload, rest).await?;
                }
                upload.complete().await?;
            }
        }
        Ok((Place { key: self.key, offset: 0, length: self.length }, None))
    }

    /// Gives up: what has been written is removed.
    pub async fn abort(mut self) {
        match std::mem::replace(&mut self.sink, Sink::Memory) {
            Sink::Memory => {}
            Sink::File(_) => self.remove().await,
            Sink::Multipart(mut upload) => drop(upload.abort().await),
        }
    }

    /// Writes over bytes that have been taken already. Only a folder can do it; a bucket that has been sent the first part
    /// of a large object keeps what it has.
    pub async fn amend(&mut self, at: u64, bytes: &[u8]) -> Result<(), Error> {
        match std::mem::replace(&mut self.sink, Sink::Memory) {
            Sink::Memory => self.buffer.write_over(at as usize, bytes),
            Sink::File(file) => match write_over(file, at, bytes.to_vec()).await {
                Ok(file) => self.sink = Sink::File(file),
                Err(error) => {
                    self.remove().await;
                    return Err(error);
                }
            },
            multipart @ Sink::Multipart(_) => self.sink = multipart,
        }
        Ok(())
    }

    async fn spill(&mut self) -> Result<(), Error> {
        let full = self.buffer.take();
        self.sink = match (std::mem::replace(&mut self.sink, Sink::Memory), self.folder.clone()) {
            (Sink::Memory, Some(folder)) => {
                let file = folder.open(&self.key).await?;
                Sink::File(self.append(file, full).await?)
            }
            (Sink::Memory, None) => {
                let upload = self.store.put_multipart(&Path::from(self.key.as_str())).await?;
                Sink::Multipart(put_part(upload, full).await?)
            }
            (Sink::File(file), _) => Sink::File(self.append(file, full).await?),
            (Sink::Multipart(upload), _) => Sink::Multipart(put_part(upload, full).await?),
        };
        Ok(())
    }

    /// Writes to the file. What cannot be written is removed at once: the disk may be full, and others need the room.
    async fn append(&mut self, file: File, pieces: Vec<Bytes>) -> Result<File, Error> {
        let written = append(file, pieces).await;
        if written.is_err() {
            self.remove().await;
        }
        written
    }

    /// An error is no harm: start-up removes what nobody names.
    async fn remove(&mut self) {
        drop(self.store.delete(&Path::from(self.key.as_str())).await);
    }
}

/// Sends a part; an upload that fails is given up, so that the bucket keeps nothing of it.
async fn put_part(mut upload: Box<dyn MultipartUpload>, pieces: Vec<Bytes>) -> Result<Box<dyn MultipartUpload>, Error> {
    match upload.put_part(PutPayload::from_iter(pieces)).await {
        Ok(()) => Ok(upload),
        Err(error) => {
            let _ = upload.abort().await;
            Err(error.into())
        }
    }
}

async fn append(mut file: File, pieces: Vec<Bytes>) -> Result<File, Error> {
    let written = tokio::task::spawn_blocking(move || {
        pieces.iter().try_for_each(|piece| file.write_all(piece))?;
        Ok(file)
    });
    written.await.map_err(|_| Error::Stopped)?.map_err(Error::Folder)
}

async fn write_over(mut file: File, at: u64, bytes: Vec<u8>) -> Result<File, Error> {
    let written = tokio::task::spawn_blocking(move || {
        file.seek(SeekFrom::Start(at))?;
        file.write_all(&bytes)?;
        file.seek(SeekFrom::End(0))?;
        Ok(file)
    });
    written.await.map_err(|_| Error::Stopped)?.map_err(Error::Folder)
}
