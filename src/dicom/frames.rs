//! Where each frame's bytes lie in a file, so that one frame is read without the rest (PS3.5 annex A.4, PS3.3 C.7.6.3.1.8).
//!
//! Uncompressed frames are found by their size, compressed ones by an offset table. Without a table the fragments are
//! walked from item to item, reading a few bytes each: [`FragmentWalk`] says which bytes it wants next, and its caller
//! reads them. Numbers in the file are believed only as far as the file goes.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::render::{ImageHeader, frame_range};

/// Bytes read for one step of a walk.
const STEP_BYTES: u64 = 4096;
const MOST_FRAGMENTS: usize = 1 << 20;
const MOST_TABLE_BYTES: u32 = 8 << 20;
const ITEM: [u8; 4] = [0xFE, 0xFF, 0x00, 0xE0];

/// Why a frame is not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Pixel data is no sequence of fragments.
    #[error("pixel data is not encapsulated as it should be")]
    Malformed,
    /// The file ends before the pixels do.
    #[error("the object ends before its pixel data does")]
    Truncated,
    /// Fragments cannot be told apart by frame.
    #[error("the frames cannot be told apart")]
    Unclear,
    /// More fragments than any object has.
    #[error("more than {MOST_FRAGMENTS} fragments")]
    TooMany,
}

/// Where the frames of one object are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameMap {
    /// One after the other, each of the same number of bits.
    Native {
        /// First byte of the first frame.
        start: u64,
        /// Bits of a frame.
        bits: u64,
        /// Number of frames.
        frames: u32,
        /// Bytes of a number that is stored in the other order; 1 for none.
        swapped: usize,
    },
    /// By an offset table: where the first item of each frame begins, and the end of the file.
    Table(Vec<u64>, u64),
    /// The fragments of each frame.
    Fragments(Vec<Vec<Range<u64>>>),
}

impl FrameMap {
    /// The map of an uncompressed object; `None` when fragments have to be looked for.
    pub fn native(header: &ImageHeader) -> Option<Self> {
        header.is_native().then(|| Self::inflated(header))
    }

    /// The map of a deflated object; its places are those of the file that it would be without deflation.
    pub fn inflated(header: &ImageHeader) -> Self {
        FrameMap::Native {
            start: header.pixels_offset(),
            bits: header.frame_bits(),
            frames: header.frames,
            swapped: header.swapped_unit(),
        }
    }

    /// About how many bytes of memory it takes.
    pub fn weight(&self) -> usize {
        let behind = match self {
            FrameMap::Native { .. } => 0,
            FrameMap::Table(starts, _) => size_of_val(starts.as_slice()),
            FrameMap::Fragments(frames) => {
                frames.iter().map(|frame| size_of::<Vec<Range<u64>>>() + size_of_val(frame.as_slice())).sum()
            }
        };
        size_of::<Self>() + behind
    }

    /// Whether frames lie in the file uncompressed.
    pub fn is_native(&self) -> bool {
        matches!(self, FrameMap::Native { .. })
    }

    /// How many frames there are; [`Error::Truncated`] when a file of so many bytes cannot hold them all.
    pub fn frames_within(&self, file_bytes: u64) -> Result<u32, Error> {
        let frames = match self {
            FrameMap::Native { frames, .. } => *frames,
            FrameMap::Table(starts, _) => u32::try_from(starts.len()).unwrap_or(u32::MAX),
            FrameMap::Fragments(frames) => u32::try_from(frames.len()).unwrap_or(u32::MAX),
        };
        match self.range(frames) {
            Some(last) if last.end <= file_bytes => Ok(frames),
            _ => Err(Error::Truncated),
        }
    }

    /// The bytes of the file that hold a frame (1 is the first); `None` when there is no such frame.
    pub fn range(&self, frame: u32) -> Option<Range<u64>> {
        let index = (frame as usize).checked_sub(1)?;
        match self {
            FrameMap::Native { start, bits, frames, .. } => {
                if frame <= *frames {
                    frame_range(*start, *bits, frame)
                } else {
                    None
                }
            }
            FrameMap::Table(starts, end) => {
                let from = *starts.get(index)?;
                let to = starts.get(index + 1).copied().unwrap_or(*end);
                (from < to).then_some(from..to)
            }
            FrameMap::Fragments(frames) => {
                let fragments = frames.get(index)?;
                Some(fragments.first()?.start..fragments.last()?.end)
            }
        }
    }

    /// The frame out of the bytes of [`FrameMap::range`].
    pub fn frame(&self, frame: u32, bytes: Bytes) -> Result<Bytes, Error> {
        let range = self.range(frame).ok_or(Error::Unclear)?;
        match self {
            FrameMap::Table(..) => without_items(&bytes),
            _ if (bytes.len() as u64) < range.end - range.start => Err(Error::Truncated),
            FrameMap::Native { bits, swapped, .. } => {
                let first_bit = (u64::from(frame - 1) * bits % 8) as u32;
                Ok(in_order(bytes, first_bit, *bits, *swapped))
            }
            FrameMap::Fragments(frames) => {
                let fragments = &frames[frame as usize - 1];
                let part = |part: &Range<u64>| (part.start - range.start) as usize..(part.end - range.start) as usize;
                if let [only] = fragments.as_slice() {
                    return Ok(bytes.slice(part(only)));
                }
                let mut whole = BytesMut::new();
                fragments.iter().for_each(|fragment| whole.extend_from_slice(&bytes[part(fragment)]));
                Ok(whole.freeze())
            }
        }
    }
}

/// Frames of one bit a pixel may begin within a byte; numbers may be big endian.
fn in_order(bytes: Bytes, first_bit: u32, bits: u64, swapped: usize) -> Bytes {
    if first_bit > 0 {
        let shifted = |i: usize| {
            let low = bytes[i] >> first_bit;
            let high = bytes.get(i + 1).map_or(0, |next| next << (8 - first_bit));
            low | high
        };
        return (0..bits.div_ceil(8) as usize).map(shifted).collect::<Vec<u8>>().into();
    }
    if swapped < 2 {
        return bytes;
    }
    let mut ordered = bytes.to_vec();
    ordered.chunks_exact_mut(swapped).for_each(<[u8]>::reverse);
    ordered.into()
}

/// The contents of a row of items, up to their end.
fn without_items(bytes: &Bytes) -> Result<Bytes, Error> {
    let (mut at, mut parts) = (0_usize, Vec::new());
    while let Some(head) = bytes.get(at..at + 8).filter(|head| head.starts_with(&ITEM)) {
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let end = (at + 8).checked_add(length).filter(|end| *end <= bytes.len()).ok_or(Error::Truncated)?;
        parts.push(at + 8..end);
        at = end;
    }
    match parts.as_slice() {
        [] => Err(Error::Malformed),
        [only] => Ok(bytes.slice(only.clone())),
        several => Ok(several.iter().flat_map(|part| &bytes[part.clone()]).copied().collect::<Vec<u8>>().into()),
    }
}

/// Finds the fragments of encapsulated pixel data; see the module's words.
#[derive(Debug)]
pub struct FragmentWalk {
    at: u64,
    end: u64,
    frames: usize,
    extended: Vec<u64>,
    table: Option<Vec<u64>>,
    base: u64,
    fragments: Vec<(Range<u64>, bool)>,
    wanted: u64,
    trust_tables: bool,
    is_done: bool,
}

impl FragmentWalk {
    /// Takes all fragments together, as one: for video, whose frames have no fragments of their own.
    pub fn as_one(header: &ImageHeader, file_bytes: u64) -> Self {
        Self { frames: 1, extended: Vec::new(), ..Self::new(header, file_bytes) }
    }

    /// Begins at the value of Pixel Data in a file of so many bytes.
    pub fn new(header: &ImageHeader, file_bytes: u64) -> Self {
        Self {
            at: header.pixels_offset(),
            end: file_bytes,
            frames: header.frames as usize,
            extended: header.extended_offsets().to_vec(),
            table: None,
            base: 0,
            fragments: Vec::new(),
            wanted: STEP_BYTES,
            trust_tables: true,
            is_done: false,
        }
    }

    /// Walks all fragments although there is an offset table, because the table has been found wrong.
    pub fn without_tables(mut self) -> Self {
        self.trust_tables = false;
        self
    }

    /// The bytes to read next; `None` when everything is known.
    pub fn wants(&self) -> Option<Range<u64>> {
        (!self.is_done && self.at < self.end).then(|| self.at..self.end.min(self.at + self.wanted))
    }

    /// Takes the bytes that were wanted.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.wanted = STEP_BYTES;
        let window = self.at;
        loop {
            let rest = bytes.get((self.at - window) as usize..).unwrap_or_default();
            let Some(head) = rest.get(..8) else {
                // Less than a head is left of the whole file.
                self.is_done |= window + bytes.len() as u64 >= self.end;
                return Ok(());
            };
            if !head.starts_with(&ITEM) {
                self.is_done = true;
                return if self.table.is_none() { Err(Error::Malformed) } else { Ok(()) };
            }
            let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
            let (start, end) = (self.at + 8, (self.at + 8).saturating_add(u64::from(length)).min(self.end));
            if self.table.is_none() {
                if length > MOST_TABLE_BYTES {
                    return Err(Error::Malformed);
                }
                let Some(table) = rest.get(8..8 + length as usize) else {
                    if end >= self.end {
                        return Err(Error::Truncated);
                    }
                    self.wanted = 8 + u64::from(length) + STEP_BYTES;
                    return Ok(());
                };
                self.table = Some(
                    table.chunks_exact(4).map(|b| u64::from(u32::from_le_bytes([b[0], b[1], b[2], b[3]]))).collect(),
                );
                (self.at, self.base) = (end, end);
                if self.trust_tables && self.has_offsets() {
                    self.is_done = true;
                    return Ok(());
                }
                continue;
            }
            let Some(first) = rest.get(8..10).or((length < 2).then_some(&[][..])) else {
                self.is_done = start >= self.end;
                return Ok(());
            };
            if self.fragments.len() == MOST_FRAGMENTS {
                return Err(Error::TooMany);
            }
            self.fragments.push((start..end, matches!(first, [0xFF, 0xD8 | 0x4F])));
            self.at = end;
        }
    }

    /// The offsets of all frames, when a table has them and they are in order.
    fn offsets(&self) -> Option<&[u64]> {
        let table = if self.extended.len() == self.frames { Some(&self.extended) } else { self.table.as_ref() };
        let fits = |table: &&Vec<u64>| {
            table.len() == self.frames
                && table.is_sorted()
                && table.last().and_then(|last| last.checked_add(self.base)).is_some_and(|last| last < self.end)
        };
        table.filter(fits).map(Vec::as_slice)
    }

    fn has_offsets(&self) -> bool {
        self.frames > 1 && self.offsets().is_some()
    }

    /// What was found.
    pub fn finish(self) -> Result<FrameMap, Error> {
        if self.trust_tables && self.has_offsets() {
            let starts = self.offsets().unwrap_or_default().iter().map(|offset| self.base + offset).collect();
            return Ok(FrameMap::Table(starts, self.end));
        }
        if self.fragments.is_empty() {
            return Err(Error::Truncated);
        }
        let ranges = || self.fragments.iter().map(|(range, _)| range.clone());
        if self.frames == 1 {
            return Ok(FrameMap::Fragments(vec![ranges().collect()]));
        }
        if self.fragments.len() == self.frames {
            return Ok(FrameMap::Fragments(ranges().map(|range| vec![range]).collect()));
        }
        // A frame begins where a fragment begins with the codestream's start marker.
        let mut frames: Vec<Vec<Range<u64>>> = Vec::new();
        for (range, begins) in &self.fragments {
            match frames.last_mut() {
                Some(frame) if !begins => frame.push(range.clone()),
                None if !begins => return Err(Error::Unclear),
                _ => frames.push(vec![range.clone()]),
            }
        }
        if frames.len() == self.frames { Ok(FrameMap::Fragments(frames)) } else { Err(Error::Unclear) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(frames: usize, at: u64, end: u64) -> FragmentWalk {
        FragmentWalk {
            at,
            end,
            frames,
            extended: Vec::new(),
            table: None,
            base: 0,
            fragments: Vec::new(),
            wanted: STEP_BYTES,
            trust_tables: true,
            is_done: false,
        }
    }

    fn item(content: &[u8]) -> Vec<u8> {
        [&ITEM, &(content.len() as u32).to_le_bytes()[..], content].concat()
    }

    fn file(items: &[Vec<u8>]) -> Vec<u8> {
        let end = [0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0].to_vec();
        [&[vec![7; 100]], items, &[end]].concat().concat()
    }

    fn frames_of(file: &[u8], mut walk: FragmentWalk, frames: u32) -> Result<Vec<Vec<u8>>, Error> {
        while let Some(range) = walk.wants() {
            walk.push(&file[range.start as usize..range.end as usize])?;
        }
        let map = walk.finish()?;
        (1..=frames)
            .map(|frame| {
                let range = map.range(frame).ok_or(Error::Unclear)?;
                let bytes = Bytes::copy_from_slice(&file[range.start as usize..range.end as usize]);
                map.frame(frame, bytes).map(|bytes| bytes.to_vec())
            })
            .collect()
    }

    #[test]
    fn an_offset_table_leads_to_frames_of_several_fragments() {
        let (a, b, c) = (item(&[1; 6]), item(&[2; 4]), item(&[3; 8]));
        let second = ((a.len() + b.len()) as u32).to_le_bytes();
        let table = item(&[&[0; 4], &second[..]].concat());
        let file = file(&[table, a, b, c]);
        let frames = frames_of(&file, walk(2, 100, file.len() as u64), 2).unwrap();
        assert_eq!(frames, [[[1; 6].as_slice(), &[2; 4]].concat(), vec![3; 8]]);
        // A table that lies is not needed.
        let frames = frames_of(&file, walk(3, 100, file.len() as u64).without_tables(), 3).unwrap();
        assert_eq!(frames[1], [2; 4]);
    }

    #[test]
    fn without_a_table_large_fragments_are_walked_over() {
        let big = |n: u8| item(&[&[0xFF, 0xD8], &vec![n; 10_000][..]].concat());
        let file = file(&[item(&[]), big(1), item(&[9; 5000]), big(2)]);
        let frames = frames_of(&file, walk(2, 100, file.len() as u64), 2).unwrap();
        assert_eq!(frames.iter().map(Vec::len).collect::<Vec<_>>(), [15_002, 10_002]);
        assert_eq!(frames_of(&file, walk(7, 100, file.len() as u64), 1), Err(Error::Unclear));
        let one = frames_of(&file, walk(1, 100, file.len() as u64), 1).unwrap();
        assert_eq!(one[0].len(), 25_004);
    }

    #[test]
    fn lies_about_lengths_end_at_the_files_end() {
        let mut lying = file(&[item(&[])]);
        lying.truncate(108);
        lying.extend_from_slice(&[&ITEM[..], &u32::MAX.to_le_bytes(), &[0xFF, 0xD8, 1, 2]].concat());
        let frames = frames_of(&lying, walk(1, 100, lying.len() as u64), 1).unwrap();
        assert_eq!(frames[0], [0xFF, 0xD8, 1, 2]);
        let huge_table = [&[7; 100][..], &ITEM, &u32::MAX.to_le_bytes()].concat();
        assert_eq!(frames_of(&huge_table, walk(2, 100, huge_table.len() as u64), 1), Err(Error::Malformed));
        assert_eq!(frames_of(&[7; 120], walk(2, 100, 120), 1), Err(Error::Malformed));
        assert_eq!(frames_of(&[7; 103], walk(1, 100, 103), 1), Err(Error::Truncated));
    }

    #[test]
    fn native_frames_are_found_by_size_and_shifted_to_a_byte() {
        let map = FrameMap::Native { start: 10, bits: 12, frames: 2, swapped: 1 };
        assert_eq!((map.range(1), map.range(2), map.range(3), map.range(0)), (Some(10..12), Some(11..13), None, None));
        let second = map.frame(2, Bytes::from_static(&[0xA0, 0xCB])).unwrap();
        assert_eq!(second[..], [0xBA, 0x0C]);
        assert_eq!((map.frames_within(13), map.frames_within(12)), (Ok(2), Err(Error::Truncated)));
        let endless = FrameMap::Native { start: 10, bits: u64::MAX / 2, frames: u32::MAX, swapped: 1 };
        assert_eq!((endless.range(u32::MAX), endless.frames_within(u64::MAX)), (None, Err(Error::Truncated)));
        let big = FrameMap::Native { start: 0, bits: 32, frames: 1, swapped: 2 };
        assert_eq!(big.frame(1, Bytes::from_static(&[1, 2, 3, 4])).unwrap()[..], [2, 1, 4, 3]);
        assert_eq!(big.frame(1, Bytes::from_static(&[1])), Err(Error::Truncated));
    }
}
