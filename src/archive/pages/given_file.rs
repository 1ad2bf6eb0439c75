//! Files that are given away from a page: as they are stored, or made for the one who asked.

use std::ops::Range;

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::archive::images::read_attachment::ByteStream;
use crate::archive::{Archive, Error};
use crate::domain::place::Place;

/// A file that is given away; a stored one is read while it is sent, so that a slow reader holds none of it in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GivenFile {
    /// A stored file, or a part of one.
    Stored(Place),
    /// Bytes that are at hand.
    Made(Bytes),
}

impl GivenFile {
    /// How many bytes.
    pub fn length(&self) -> u64 {
        match self {
            GivenFile::Stored(place) => place.length,
            GivenFile::Made(bytes) => bytes.len() as u64,
        }
    }
}

impl Archive {
    /// Bytes of a file that is given away; the range counts from its first byte.
    pub async fn given_bytes(&self, file: &GivenFile, range: Range<u64>) -> Result<ByteStream, Error> {
        let end = range.end.min(file.length());
        let start = range.start.min(end);
        match file {
            GivenFile::Stored(place) => {
                let part = Place { key: place.key.clone(), offset: place.offset + start, length: end - start };
                Ok(self.objects.stream(&part).await?)
            }
            GivenFile::Made(bytes) => {
                let part = bytes.slice(start as usize..end as usize);
                Ok(stream::once(async { Ok(part) }).boxed())
            }
        }
    }
}
