//! A ZIP archive as a stream, written while its files are read (APPNOTE.TXT 6.3.10).
//!
//! Files do not shrink, so each is kept in deflate's blocks of plain bytes (RFC 1951 section 3.2.4). With them, sizes are
//! known beforehand and checksums may follow the bytes, and readers that take an archive from its beginning can do so. What
//! is kept in memory is the directory, about a hundred bytes for each file.

/// Most bytes of a deflate block.
const BLOCK_BYTES: u64 = 0xFFFF;
const BLOCK_HEAD_BYTES: u64 = 5;
/// Where 32 bits are no longer enough; the number itself means: see the larger field.
const LARGE: u64 = 0xFFFF_FFFF;
const LARGE_FIELD: u16 = 0x0001;
/// Checksum and sizes follow the bytes; names are UTF-8.
const FLAGS: u16 = 0x0808;
const DEFLATE: u16 = 8;
/// 1 January 1980: times of files mean nothing here.
const DATE: u16 = 0x0021;
/// What a reader must be able to do: ZIP64.
const VERSION: u16 = 45;
/// Made on Unix; a plain file that its owner may write.
const MADE_BY: u16 = 3 << 8 | VERSION;
const ATTRIBUTES: u32 = 0o100_644 << 16;

/// A file has another length than was announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a file has another length than was announced")]
pub(super) struct OtherLength;

/// Writes an archive; the caller sends what is returned, in its order.
#[derive(Debug, Default)]
pub(super) struct ZipWriter {
    offset: u64,
    directory: Vec<u8>,
    entries: u64,
    entry: Option<Entry>,
}

impl ZipWriter {
    /// Begins a file of so many bytes; the one before must have ended.
    pub(super) fn begin(&mut self, name: String, length: u64) -> Vec<u8> {
        let checksum = crc32fast::Hasher::new();
        let entry = Entry { name, length, at: self.offset, checksum, left: length, block: 0 };
        let head = entry.head();
        self.entry = Some(entry);
        self.offset += head.len() as u64;
        head
    }

    /// Some bytes of the file that has begun.
    pub(super) fn content(&mut self, piece: &[u8]) -> Result<Vec<u8>, OtherLength> {
        let written = self.entry.as_mut().ok_or(OtherLength)?.blocks(piece)?;
        self.offset += written.len() as u64;
        Ok(written)
    }

    /// Ends the file that has begun.
    pub(super) fn end(&mut self) -> Result<Vec<u8>, OtherLength> {
        let entry = self.entry.take().filter(|entry| entry.left == 0).ok_or(OtherLength)?;
        let mut end = if entry.length == 0 { EMPTY_BLOCK.to_vec() } else { Vec::new() };
        end.extend(entry.sizes());
        entry.put_directory(&mut self.directory);
        self.entries += 1;
        self.offset += end.len() as u64;
        Ok(end)
    }

    /// The directory: the end of the archive.
    pub(super) fn finish(self) -> Vec<u8> {
        directory(self.directory, self.entries, self.offset)
    }
}

/// What stands for no bytes at all: one last block of none.
const EMPTY_BLOCK: [u8; BLOCK_HEAD_BYTES as usize] = [1, 0, 0, 0xFF, 0xFF];

/// The length of an archive of files with names and contents so long, known before anything of it is written.
pub(super) fn length_of(files: impl Iterator<Item = (u64, u64)>) -> u64 {
    let (mut at, mut directory, mut entries) = (0_u64, 0_u64, 0_u64);
    for (name, length) in files {
        let large = is_large(length);
        let extra = 16 * u64::from(large) + 8 * u64::from(at >= LARGE);
        directory += 46 + name + if extra > 0 { 4 + extra } else { 0 };
        at += 30 + name + if large { 20 } else { 0 } + deflated(length) + if large { 24 } else { 16 };
        entries += 1;
    }
    at + directory + 22 + if is_long(entries, directory, at) { 56 + 20 } else { 0 }
}

/// A file that is being written.
#[derive(Debug)]
struct Entry {
    name: String,
    length: u64,
    at: u64,
    checksum: crc32fast::Hasher,
    /// Bytes of the file that are still to come.
    left: u64,
    /// Bytes of the block that are still to come.
    block: u64,
}

impl Entry {
    fn is_large(&self) -> bool {
        is_large(self.length)
    }

    fn head(&self) -> Vec<u8> {
        let mut out = b"PK\x03\x04".to_vec();
        for number in [VERSION, FLAGS, DEFLATE, 0, DATE] {
            out.extend(number.to_le_bytes());
        }
        let size = if self.is_large() { LARGE as u32 } else { 0 };
        for number in [0, size, size] {
            out.extend(number.to_le_bytes());
        }
        let extra = if self.is_large() { 20 } else { 0 };
        out.extend((self.name.len() as u16).to_le_bytes());
        out.extend((extra as u16).to_le_bytes());
        out.extend(self.name.as_bytes());
        if self.is_large() {
            out.extend(LARGE_FIELD.to_le_bytes());
            out.extend(16_u16.to_le_bytes());
            out.extend([0; 16]);
        }
        out
    }

    /// Some bytes of the file, in blocks.
    fn blocks(&mut self, mut piece: &[u8]) -> Result<Vec<u8>, OtherLength> {
        if piece.len() as u64 > self.left {
            return Err(OtherLength);
        }
        self.checksum.update(piece);
        let mut out =
            Vec::with_capacity(piece.len() + (piece.len() / BLOCK_BYTES as usize + 2) * BLOCK_HEAD_BYTES as usize);
        while !piece.is_empty() {
            if self.block == 0 {
                self.block = self.left.min(BLOCK_BYTES);
                let length = self.block as u16;
                out.push(u8::from(self.block == self.left));
                out.extend(length.to_le_bytes());
                out.extend((!length).to_le_bytes());
            }
            let (now, later) = piece.split_at(piece.len().min(self.block as usize));
            out.extend_from_slice(now);
            (self.block, self.left, piece) = (self.block - now.len() as u64, self.left - now.len() as u64, later);
        }
        Ok(out)
    }

    /// What follows the bytes.
    fn sizes(&self) -> Vec<u8> {
        let mut out = b"PK\x07\x08".to_vec();
        out.extend(self.checksum.clone().finalize().to_le_bytes());
        for size in [deflated(self.length), self.length] {
            match self.is_large() {
                true => out.extend(size.to_le_bytes()),
                false => out.extend((size as u32).to_le_bytes()),
            }
        }
        out
    }

    fn put_directory(&self, out: &mut Vec<u8>) {
        out.extend(b"PK\x01\x02");
        for number in [MADE_BY, VERSION, FLAGS, DEFLATE, 0, DATE] {
            out.extend(number.to_le_bytes());
        }
        out.extend(self.checksum.clone().finalize().to_le_bytes());
        let mut extra = Vec::new();
        let mut short = |number: u64, is_large: bool| {
            if is_large {
                extra.extend(number.to_le_bytes());
            }
            if is_large { LARGE as u32 } else { number as u32 }
        };
        // In the order that the field of large numbers has: length, deflated length, offset.
        let length = short(self.length, is_large(self.length));
        let deflated = short(deflated(self.length), is_large(self.length));
        let at = short(self.at, self.at >= LARGE);
        out.extend(deflated.to_le_bytes());
        out.extend(length.to_le_bytes());
        let extra_bytes = if extra.is_empty() { 0 } else { 4 + extra.len() as u16 };
        for number in [self.name.len() as u16, extra_bytes, 0, 0, 0] {
            out.extend(number.to_le_bytes());
        }
        out.extend(ATTRIBUTES.to_le_bytes());
        out.extend(at.to_le_bytes());
        out.extend(self.name.as_bytes());
        if !extra.is_empty() {
            out.extend(LARGE_FIELD.to_le_bytes());
            out.extend((extra.len() as u16).to_le_bytes());
            out.extend(extra);
        }
    }
}

/// The directory with what ends the archive.
fn directory(mut out: Vec<u8>, entries: u64, at: u64) -> Vec<u8> {
    let length = out.len() as u64;
    if is_long(entries, length, at) {
        out.extend(b"PK\x06\x06");
        out.extend(44_u64.to_le_bytes());
        out.extend(MADE_BY.to_le_bytes());
        out.extend(VERSION.to_le_bytes());
        out.extend([0; 8]);
        for number in [entries, entries, length, at] {
            out.extend(number.to_le_bytes());
        }
        out.extend(b"PK\x06\x07");
        out.extend([0; 4]);
        out.extend((at + length).to_le_bytes());
        out.extend(1_u32.to_le_bytes());
    }
    out.extend(b"PK\x05\x06");
    out.extend([0; 4]);
    let entries = u16::try_from(entries).unwrap_or(u16::MAX);
    out.extend(entries.to_le_bytes());
    out.extend(entries.to_le_bytes());
    out.extend((length.min(LARGE) as u32).to_le_bytes());
    out.extend((at.min(LARGE) as u32).to_le_bytes());
    out.extend([0; 2]);
    out
}

/// Whether the end needs the fields of large numbers.
fn is_long(entries: u64, length: u64, at: u64) -> bool {
    entries >= u64::from(u16::MAX) || length >= LARGE || at >= LARGE
}

fn is_large(length: u64) -> bool {
    deflated(length) >= LARGE
}

/// The length of so many bytes in blocks.
fn deflated(length: u64) -> u64 {
    length + length.div_ceil(BLOCK_BYTES).max(1) * BLOCK_HEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(length: u64, at: u64) -> Entry {
        let name = "1.2/1.2.3/报告.dcm".to_owned();
        Entry { name, length, at, checksum: crc32fast::Hasher::new(), left: length, block: 0 }
    }

    #[test]
    fn blocks_are_what_inflating_turns_back_into_the_bytes() {
        let content: Vec<u8> = (0..200_000_u32).map(|i| (i * 7 % 251) as u8).collect();
        let mut entry = entry(content.len() as u64, 0);
        let mut packed = Vec::new();
        for piece in content.chunks(70_001) {
            packed.extend(entry.blocks(piece).unwrap());
        }
        assert_eq!(packed.len() as u64, deflated(content.len() as u64));
        let mut unpacked = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::DeflateDecoder::new(packed.as_slice()), &mut unpacked).unwrap();
        assert!(unpacked == content);
        assert!(entry.blocks(&[1]).is_err(), "more than was announced");
    }

    #[test]
    fn a_file_of_no_bytes_is_one_empty_block() {
        let mut unpacked = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::DeflateDecoder::new(EMPTY_BLOCK.as_slice()), &mut unpacked)
            .unwrap();
        assert!(unpacked.is_empty());
        assert_eq!(deflated(0), EMPTY_BLOCK.len() as u64);
    }

    #[test]
    fn the_length_that_is_announced_is_that_of_the_parts() {
        let six_gigabytes = 6 << 30;
        for lengths in [vec![], vec![0], vec![1], vec![3, 65_535, 65_536], vec![six_gigabytes, 5, six_gigabytes, 7]] {
            let (mut at, mut listed) = (0, Vec::new());
            for length in &lengths {
                let entry = entry(*length, at);
                at += entry.head().len() as u64 + deflated(*length) + entry.sizes().len() as u64;
                entry.put_directory(&mut listed);
            }
            let written = at + directory(listed, lengths.len() as u64, at).len() as u64;
            let name = entry(0, 0).name.len() as u64;
            assert_eq!(length_of(lengths.iter().map(|length| (name, *length))), written, "{lengths:?}");
        }
    }

    #[test]
    fn a_written_archive_is_as_long_as_announced_and_a_short_file_is_an_error() {
        let mut zip = ZipWriter::default();
        let mut all = Vec::new();
        for (name, content) in [("a.txt", b"abc".as_slice()), ("leer", b""), ("报告.pdf", b"%PDF")] {
            all.extend(zip.begin(name.to_owned(), content.len() as u64));
            all.extend(zip.content(content).unwrap());
            all.extend(zip.end().unwrap());
        }
        assert!(zip.content(b"x").is_err());
        all.extend(zip.finish());
        let lengths = [(5, 3), (4, 0), (10, 4)].into_iter();
        assert_eq!(all.len() as u64, length_of(lengths));

        let mut short = ZipWriter::default();
        short.begin("a".to_owned(), 2);
        short.content(b"a").unwrap();
        assert_eq!(short.end(), Err(OtherLength));
    }
}
