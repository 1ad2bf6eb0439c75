//! Reads a segment from its first to its last record, over whatever a crash or a bad disk has made of it.
//!
//! Behind a damaged place the scan looks for the next record: what is whole is found, what is not is told.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use super::record::{self, RecordKind, UNIT};

/// What is read at once.
const BUFFER: usize = 2 * 1024 * 1024;

/// A whole record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// What it says.
    pub kind: RecordKind,
    /// Its first byte behind the head, counted from the segment's start.
    pub offset: u64,
    /// Its bytes.
    pub length: u64,
}

/// What a segment holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// Whole records, in their order.
    pub records: Vec<Record>,
    /// Where the last of them ends.
    pub end: u64,
    /// Records with a good head whose bytes are damaged or cut off.
    pub torn: u64,
}

/// How much of a segment is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Depth {
    /// Heads only; bytes are believed to be there.
    Heads,
    /// Bytes too, and each record is checked.
    Bytes,
}

/// Finds all records.
pub(super) fn scan(source: impl Read + Seek, segment: &str, depth: Depth) -> io::Result<Contents> {
    let source = &mut BufReader::with_capacity(BUFFER, source);
    let mut contents = Contents::default();
    let file_end = source.seek(SeekFrom::End(0))?;
    let mut at = source.seek(SeekFrom::Start(0))?;
    let mut unit = [0; UNIT as usize];
    while read_whole(source, &mut unit)? {
        let Some(head) = record::read_head(&unit, segment, at).filter(|head| head.length <= file_end) else {
            at += UNIT;
            continue;
        };
        let mut check = record::checking(segment, at, head.kind, head.length);
        let whole = match depth {
            Depth::Heads => at + record::room(head.length) <= file_end,
            Depth::Bytes => hash_bytes(source, head.length, &mut check)? && check.finalize() == head.check,
        };
        if whole {
            contents.records.push(Record { kind: head.kind, offset: at + UNIT, length: head.length });
            at += record::room(head.length);
            contents.end = at;
        } else {
            contents.torn += 1;
            at += UNIT;
        }
        // Within the buffer where that is possible: a seek to a place would read a whole buffer for each small record.
        let here = source.stream_position()?;
        source.seek_relative(at as i64 - here as i64)?;
    }
    Ok(contents)
}

/// `false` when the source ends before.
fn hash_bytes(source: &mut impl Read, length: u64, check: &mut crc32fast::Hasher) -> io::Result<bool> {
    let mut piece = [0; 16 * 1024];
    let mut left = length;
    while left > 0 {
        let part = left.min(piece.len() as u64) as usize;
        if !read_whole(source, &mut piece[..part])? {
            return Ok(false);
        }
        check.update(&piece[..part]);
        left -= part as u64;
    }
    Ok(true)
}

fn read_whole(source: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match source.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
