//! What came so far of a report file: counted, hashed and looked at, whichever way it comes.

use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};

use super::{Error, MediaType};

/// Bytes after which it must be clear what a file is.
const RECOGNISED_WITHIN: usize = 1024;

/// A report file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The file.
    pub bytes: Bytes,
    /// What it is, by its first bytes.
    pub media_type: MediaType,
    /// SHA-256, hex.
    pub sha256: String,
}

impl Fetched {
    /// A file that was handed over whole; `origin` is named in errors.
    pub fn of(bytes: Bytes, origin: &str) -> Result<Self, Error> {
        let media_type = recognise(&bytes, origin)?;
        let sha256 = hex::encode(Sha256::digest(&bytes));
        Ok(Self { bytes, media_type, sha256 })
    }
}

/// A file that is coming.
#[derive(Debug)]
pub(super) struct Receiving<'c> {
    host: &'c str,
    max_bytes: usize,
    bytes: BytesMut,
    hash: Sha256,
}

impl<'c> Receiving<'c> {
    /// `announced` is a claim: memory grows with what really comes.
    pub(super) fn new(host: &'c str, max_bytes: usize, announced: u64) -> Result<Self, Error> {
        if announced > max_bytes as u64 {
            return Err(Error::TooLarge(host.to_owned()));
        }
        let bytes = BytesMut::with_capacity((announced as usize).min(64 * 1024));
        Ok(Self { host, max_bytes, bytes, hash: Sha256::new() })
    }

    pub(super) fn take(&mut self, chunk: &[u8]) -> Result<(), Error> {
        let before = self.bytes.len();
        if before + chunk.len() > self.max_bytes {
            return Err(Error::TooLarge(self.host.to_owned()));
        }
        self.hash.update(chunk);
        self.bytes.extend_from_slice(chunk);
        if before < RECOGNISED_WITHIN && self.bytes.len() >= RECOGNISED_WITHIN {
            recognise(&self.bytes, self.host)?;
        }
        Ok(())
    }

    pub(super) fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub(super) fn finish(self) -> Result<Fetched, Error> {
        let media_type = recognise(&self.bytes, self.host)?;
        Ok(Fetched { bytes: self.bytes.freeze(), media_type, sha256: hex::encode(self.hash.finalize()) })
    }
}

fn recognise(bytes: &[u8], host: &str) -> Result<MediaType, Error> {
    if bytes.is_empty() {
        return Err(Error::Empty(host.to_owned()));
    }
    MediaType::sniff(bytes).ok_or_else(|| {
        let markup = bytes.trim_ascii_start().first() == Some(&b'<');
        Error::NotAReport { host: host.to_owned(), found: if markup { "a web page" } else { "something else" } }
    })
}
