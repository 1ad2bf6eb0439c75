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
use crate::dicom::part10;
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

/// The Part 10 file of an instance as it is given to others: the stored data set behind a head that says nothing of how
/// and for whom it came here.
pub fn given_file(instance: &StoredInstance) -> [Segment; 2] {
    let StoredInstance { sop_class_uid, sop_instance_uid, transfer_syntax_uid, dataset_offset, .. } = instance;
    let head = part10::meta(sop_class_uid, sop_instance_uid, transfer_syntax_uid, "");
    let data_set = StoredBytes::part(instance, *dataset_offset..u64::MAX);
    [Segment::Bytes(Bytes::from(head)), Segment::Stored(data_set)]
}

/// A part of segments that lie one after the other; never more than there is.
pub fn slice(segments: impl IntoIterator<Item = Segment>, range: Range<u64>) -> Vec<Segment> {
    let (mut at, mut parts) = (0_u64, Vec::new());
    for segment in segments {
        let length = segment.length();
        let (from, to) = (range.start.saturating_sub(at).min(length), range.end.saturating_sub(at).min(length));
        if from < to {
            parts.push(match segment {
                Segment::Bytes(bytes) => Segment::Bytes(bytes.slice(from as usize..to as usize)),
                Segment::Stored(part) => Segment::Stored(part.slice(from..to)),
            });
        }
        at += length;
    }
    parts
}

impl StoredBytes {
    /// The whole file of an instance, with the head that we gave it.
    fn file(instance: &StoredInstance) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_segments_begins_and_ends_anywhere() {
        let stored = |range: Range<u64>| {
            let place = Place { key: "k".to_owned(), offset: 7, length: 100 };
            Segment::Stored(StoredBytes { place, range })
        };
        let whole = || [Segment::Bytes(Bytes::from_static(b"head")), stored(10..20)];
        let text = |range: Range<u64>| {
            let told = slice(whole(), range).into_iter().map(|segment| match segment {
                Segment::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
                Segment::Stored(part) => format!("{:?}", part.range),
            });
            told.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(text(0..14), "head 10..20");
        assert_eq!(text(2..5), "ad 10..11");
        assert_eq!(text(4..6), "10..12");
        assert_eq!(text(1..3), "ea");
        assert_eq!(text(12..u64::MAX), "18..20");
        assert_eq!(text(14..20), "");
    }
}
