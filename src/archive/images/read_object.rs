//! Stored objects as a stream of bytes, in bounded memory.
//!
//! A stream is made of segments: bytes that are at hand, and parts of files. Files are read in windows, a few of them
//! ahead, so that a study flows at the store's pace whatever its size.

use std::ops::Range;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};

use super::image_access::StoredInstance;
use crate::archive::{Archive, Error};
use crate::domain::place::Place;

/// Bytes read at a time.
const WINDOW_BYTES: u64 = 1 << 20;
/// Windows read ahead of the one that is being sent.
const AHEAD: usize = 3;

/// A piece of a stream.
#[derive(Debug, Clone)]
pub enum Segment {
    /// Bytes that are at hand.
    Bytes(Bytes),
    /// Part of a stored file.
    Stored(StoredBytes),
}

/// Part of a stored file.
#[derive(Debug, Clone)]
pub struct StoredBytes {
    place: Place,
    range: Range<u64>,
}

impl StoredBytes {
    /// The whole Part 10 file of an instance.
    pub fn file(instance: &StoredInstance) -> Self {
        Self { place: instance.place.clone(), range: 0..instance.place.length }
    }

    /// Some bytes of it; never more than there are.
    pub fn part(instance: &StoredInstance, range: Range<u64>) -> Self {
        Self::file(instance).slice(range)
    }

    /// A part of the part, counted from its beginning.
    pub fn slice(&self, range: Range<u64>) -> Self {
        let end = self.range.start.saturating_add(range.end).min(self.range.end);
        let start = self.range.start.saturating_add(range.start).min(end);
        Self { place: self.place.clone(), range: start..end }
    }

    /// How many bytes.
    pub fn length(&self) -> u64 {
        self.range.end - self.range.start
    }

    fn windows(self) -> impl Iterator<Item = StoredBytes> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let window = self.slice(at..at + WINDOW_BYTES);
            at += window.length();
            (window.length() > 0).then_some(window)
        })
    }
}

impl Segment {
    /// How many bytes.
    pub fn length(&self) -> u64 {
        match self {
            Segment::Bytes(bytes) => bytes.len() as u64,
            Segment::Stored(part) => part.length(),
        }
    }

    fn pieces(self) -> Box<dyn Iterator<Item = Segment> + Send> {
        match self {
            Segment::Bytes(bytes) => Box::new(std::iter::once(Segment::Bytes(bytes))),
            Segment::Stored(part) => Box::new(part.windows().map(Segment::Stored)),
        }
    }
}

impl Archive {
    /// The bytes of all segments one after the other. A file that is shorter than its row says ends the stream with an
    /// error, so that nobody takes it for whole.
    pub fn stream_segments(
        &self,
        segments: impl Iterator<Item = Segment> + Send + 'static,
    ) -> BoxStream<'static, Result<Bytes, Error>> {
        let archive = self.clone();
        stream::iter(segments.flat_map(Segment::pieces))
            .map(move |piece| {
                let archive = archive.clone();
                async move {
                    match piece {
                        Segment::Bytes(bytes) => Ok(bytes),
                        Segment::Stored(part) => archive.read_stored(&part).await,
                    }
                }
            })
            .buffered(1 + AHEAD)
            .into_stream()
            .boxed()
    }

    /// A part of a file in memory; the caller has checked that its length is bearable.
    pub(super) async fn read_stored(&self, part: &StoredBytes) -> Result<Bytes, Error> {
        let bytes = self.objects.read_range(&part.place, part.range.clone()).await?;
        if bytes.len() as u64 != part.length() {
            return Err(Error::Objects(crate::objects::Error::Missing));
        }
        Ok(bytes)
    }
}
