//! Streams a file of a share into the archive, piece by piece; a file that changes meanwhile is not kept.

use std::fs::File;
use std::io;

use bytes::BytesMut;
use tokio::io::AsyncReadExt;

use super::disposal::Stamp;
use super::take::Trouble;
use crate::archive::Archive;
use crate::archive::images::store_attachment::{AttachmentOutcome, ReceiveAttachment};
use crate::archive::images::store_instance::{ReceiveInstance, StoreOutcome};

/// Bytes read at a time; also what is looked at to say what a file is.
pub(super) const PIECE: usize = 1024 * 1024;

/// Stores an object from its first piece on.
pub(super) async fn store_instance(
    archive: &Archive,
    command: ReceiveInstance,
    mut source: Source,
    mut piece: BytesMut,
    dataset_offset: usize,
) -> Result<&'static str, Trouble> {
    let mut writer = archive.receive_instance(command).await?;
    let mut from = dataset_offset.min(piece.len());
    loop {
        if let Err(error) = writer.write(&piece[from..]).await {
            writer.abort().await;
            return Err(error.into());
        }
        from = 0;
        piece.clear();
        match source.fill(&mut piece).await {
            Ok(()) if piece.is_empty() => break,
            Ok(()) => {}
            Err(error) => {
                writer.abort().await;
                return Err(error.into());
            }
        }
    }
    if !source.is_unchanged().await? {
        writer.abort().await;
        return Err(Trouble::Waits);
    }
    Ok(match writer.commit().await? {
        StoreOutcome::Stored => "stored",
        StoreOutcome::Duplicate => "duplicate",
        StoreOutcome::NewVersion => "version",
    })
}

/// Stores an attachment from its first piece on.
pub(super) async fn store_attachment(
    archive: &Archive,
    command: ReceiveAttachment,
    mut source: Source,
    mut piece: BytesMut,
) -> Result<&'static str, Trouble> {
    let mut writer = archive.receive_attachment(command)?;
    while !piece.is_empty() {
        if let Err(error) = writer.write(&piece).await {
            writer.abort().await;
            return Err(error.into());
        }
        piece.clear();
        if let Err(error) = source.fill(&mut piece).await {
            writer.abort().await;
            return Err(error.into());
        }
    }
    if !source.is_unchanged().await? {
        writer.abort().await;
        return Err(Trouble::Waits);
    }
    Ok(match writer.commit().await? {
        AttachmentOutcome::Stored => "stored",
        AttachmentOutcome::Duplicate => "duplicate",
    })
}

/// A file that is being read; it may grow or shrink meanwhile.
pub(super) struct Source {
    file: tokio::fs::File,
    stamp: Stamp,
    read: u64,
}

impl Source {
    pub(super) fn new(file: File, stamp: Stamp) -> Self {
        Self { file: tokio::fs::File::from_std(file), stamp, read: 0 }
    }

    /// Reads up to [`PIECE`] bytes; nothing at the end.
    pub(super) async fn fill(&mut self, piece: &mut BytesMut) -> io::Result<()> {
        while piece.len() < PIECE {
            let room = (PIECE - piece.len()) as u64;
            let read = (&mut self.file).take(room).read_buf(piece).await?;
            self.read += read as u64;
            // What grows without end is not read without end.
            if read == 0 || self.read > self.stamp.length {
                break;
            }
        }
        Ok(())
    }

    async fn is_unchanged(&self) -> io::Result<bool> {
        let now = Stamp::of(&self.file.metadata().await?);
        Ok(now == self.stamp && self.read == self.stamp.length)
    }
}
