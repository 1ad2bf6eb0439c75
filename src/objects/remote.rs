//! An object of a bucket, read like a file by code that blocks.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::runtime::Handle;

use super::{Error, missing};

/// Every read is a request: put a buffer before it. Only for threads that may block.
#[derive(Debug)]
pub(super) struct RemoteFile {
    store: Arc<dyn ObjectStore>,
    runtime: Handle,
    path: Path,
    length: u64,
    at: u64,
}

impl RemoteFile {
    pub(super) async fn open(store: Arc<dyn ObjectStore>, key: &str) -> Result<Self, Error> {
        let path = Path::from(key);
        let length = store.head(&path).await.map_err(missing)?.size;
        Ok(Self { store, runtime: Handle::current(), path, length, at: 0 })
    }
}

impl Read for RemoteFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = self.length.min(self.at + buffer.len() as u64);
        if self.at >= end {
            return Ok(0);
        }
        let bytes = self.runtime.block_on(self.store.get_range(&self.path, self.at..end)).map_err(io::Error::other)?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }
}

impl Seek for RemoteFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(back) => self.length.checked_add_signed(back),
            SeekFrom::Current(on) => self.at.checked_add_signed(on),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
