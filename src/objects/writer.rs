//! Writing an object whose length is not known beforehand, in bounded memory.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use super::folder::Folder;
use super::pieces::{PiecePool, Pieces};
use super::segment::{Outcome, Segments};
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
    pub async fn finish(mut self) -> Result<Place, Error> {
        let mut rest = self.buffer.take();
        if let (Sink::Memory, Some(segments)) = (&self.sink, self.segments.as_ref().filter(|s| s.take(self.length))) {
            match segments.append(RecordKind::Object, rest).await? {
                Outcome::At(place) => return Ok(place),
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
                let file = append(file, rest).await?;
                if let Some(folder) = &self.folder {
                    folder.close(&self.key, file).await?;
                }
            }
            Sink::Multipart(mut upload) => {
                if !rest.is_empty() {
                    upload.put_part(PutPayload::from_iter(rest)).await?;
                }
                upload.complete().await?;
            }
        }
        Ok(Place { key: self.key, offset: 0, length: self.length })
    }

    /// Gives up: what has been written is removed.
    pub async fn abort(mut self) {
        match std::mem::replace(&mut self.sink, Sink::Memory) {
            Sink::Memory => {}
            // An error is no harm: start-up removes what nobody names.
            Sink::File(_) => drop(self.store.delete(&Path::from(self.key.as_str())).await),
            Sink::Multipart(mut upload) => drop(upload.abort().await),
        }
    }

    /// Writes over bytes that have been taken already. Only a folder can do it; a bucket that has been sent the first part
    /// of a large object keeps what it has.
    pub async fn amend(&mut self, at: u64, bytes: &[u8]) -> Result<(), Error> {
        match std::mem::replace(&mut self.sink, Sink::Memory) {
            Sink::Memory => self.buffer.write_over(at as usize, bytes),
            Sink::File(file) => self.sink = Sink::File(write_over(file, at, bytes.to_vec()).await?),
            multipart @ Sink::Multipart(_) => self.sink = multipart,
        }
        Ok(())
    }

    async fn spill(&mut self) -> Result<(), Error> {
        let full = self.buffer.take();
        self.sink = match (std::mem::replace(&mut self.sink, Sink::Memory), &self.folder) {
            (Sink::Memory, Some(folder)) => Sink::File(append(folder.open(&self.key).await?, full).await?),
            (Sink::Memory, None) => {
                let mut upload = self.store.put_multipart(&Path::from(self.key.as_str())).await?;
                upload.put_part(PutPayload::from_iter(full)).await?;
                Sink::Multipart(upload)
            }
            (Sink::File(file), _) => Sink::File(append(file, full).await?),
            (Sink::Multipart(mut upload), _) => {
                upload.put_part(PutPayload::from_iter(full)).await?;
                Sink::Multipart(upload)
            }
        };
        Ok(())
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
