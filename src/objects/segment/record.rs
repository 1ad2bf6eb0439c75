//! One record of a segment: a tar entry (POSIX.1-1988 ustar), so that any tar reads what we wrote.
//!
//! The entry's name holds the segment's id and its own position, and the field for the owner's name holds a CRC-32 of
//! name, length and bytes. A record that is torn, stale or of another segment therefore does not pass as one.

use std::io::Write;

/// Everything in a tar file begins at a multiple of this.
pub(super) const UNIT: u64 = 512;
/// Two empty units end a tar file.
pub(super) const END: u64 = 2 * UNIT;

const NAME: std::ops::Range<usize> = 0..100;
const SIZE: std::ops::Range<usize> = 124..136;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const OWNER: std::ops::Range<usize> = 265..297;

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// Its bytes are an object.
    Object,
    /// Its bytes name a place whose object has been deleted.
    Deleted,
}

impl RecordKind {
    fn suffix(self) -> &'static str {
        match self {
            RecordKind::Object => "dcm",
            RecordKind::Deleted => "deleted",
        }
    }
}

/// The head of a record that has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: RecordKind,
    pub(super) length: u64,
    pub(super) check: u32,
}

/// Bytes that a record with so many bytes takes, its head included.
pub(super) fn room(length: u64) -> u64 {
    UNIT + length.next_multiple_of(UNIT)
}

/// The name of the record at a position of a segment.
fn name(segment: &str, at: u64, kind: RecordKind) -> String {
    format!("{segment}/{at:010}.{}", kind.suffix())
}

/// Begins the check over a record; its bytes follow.
pub(super) fn checking(segment: &str, at: u64, kind: RecordKind, length: u64) -> crc32fast::Hasher {
    let mut check = crc32fast::Hasher::new();
    check.update(name(segment, at, kind).as_bytes());
    check.update(&length.to_le_bytes());
    check
}

/// Writes the head of the record at `at` into `unit`.
pub(super) fn write_head(unit: &mut [u8], segment: &str, at: u64, head: Head, seconds: u64) {
    unit.fill(0);
    let name = name(segment, at, head.kind);
    unit[..name.len()].copy_from_slice(name.as_bytes());
    octal(&mut unit[100..108], 0o640);
    octal(&mut unit[108..116], 0);
    octal(&mut unit[116..124], 0);
    octal(&mut unit[SIZE], head.length);
    octal(&mut unit[136..148], seconds);
    unit[156] = b'0';
    unit[257..263].copy_from_slice(b"ustar\0");
    unit[263..265].copy_from_slice(b"00");
    let owner = format!("crc32-{:08x}", head.check);
    unit[OWNER][..owner.len()].copy_from_slice(owner.as_bytes());
    let sum = checksum(unit);
    let _ = write!(&mut unit[CHECKSUM], "{sum:06o}\0 ");
}

/// Reads the head of the record that should be at `at`; nothing when there is none.
pub(super) fn read_head(unit: &[u8], segment: &str, at: u64) -> Option<Head> {
    if unit[0] == 0 || from_octal(&unit[CHECKSUM])? != u64::from(checksum(unit)) {
        return None;
    }
    let is_name = |kind: &RecordKind| text(&unit[NAME]) == name(segment, at, *kind);
    let kind = [RecordKind::Object, RecordKind::Deleted].into_iter().find(is_name)?;
    let check = u32::from_str_radix(text(&unit[OWNER]).strip_prefix("crc32-")?, 16).ok()?;
    Some(Head { kind, length: from_octal(&unit[SIZE])?, check })
}

/// The sum of all bytes, those of the checksum itself counted as blanks.
fn checksum(unit: &[u8]) -> u32 {
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    sum(&unit[..CHECKSUM.start]) + sum(&unit[CHECKSUM.end..]) + u32::from(b' ') * 8
}

fn octal(mut field: &mut [u8], value: u64) {
    let digits = field.len() - 1;
    let _ = write!(field, "{value:0digits$o}");
}

fn from_octal(field: &[u8]) -> Option<u64> {
    u64::from_str_radix(text(field).trim(), 8).ok()
}

fn text(field: &[u8]) -> &str {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    std::str::from_utf8(&field[..end]).unwrap_or_default()
}
