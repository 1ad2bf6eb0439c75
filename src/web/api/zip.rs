//! A ZIP archive as a stream: entries stored as they are, lengths and checksums after them, ZIP64 directory.
//!
//! APPNOTE.TXT 6.3.10. What is kept in memory is the directory, about a hundred bytes for each entry.

/// Writes the frame of an archive; the caller sends the returned bytes and the contents between them.
#[derive(Debug, Default)]
pub(super) struct ZipWriter {
    offset: u64,
    directory: Vec<u8>,
    entries: u64,
    open: Option<OpenEntry>,
}

#[derive(Debug)]
struct OpenEntry {
    name: String,
    at: u64,
    length: u64,
    checksum: crc32fast::Hasher,
}

/// 4.5: lengths of 64 bits in entry and directory.
const VERSION: u16 = 45;
/// Lengths and checksum follow the content (bit 3), names are UTF-8 (bit 11).
const FLAGS: u16 = 0x0808;
/// 1980-01-01: times of files mean nothing here.
const DOS_DATE: u16 = 0x0021;

impl ZipWriter {
    /// Begins an entry.
    pub(super) fn begin(&mut self, name: &str) -> Vec<u8> {
        let mut head = Vec::with_capacity(30 + name.len() + 20);
        head.extend(0x0403_4b50_u32.to_le_bytes());
        for short in [VERSION, FLAGS, 0, 0, DOS_DATE] {
            head.extend(short.to_le_bytes());
        }
        // Checksum in the descriptor; lengths there too, of 64 bits, as the extra field announces.
        head.extend(0_u32.to_le_bytes());
        head.extend([0xFF; 8]);
        head.extend((name.len() as u16).to_le_bytes());
        head.extend(20_u16.to_le_bytes());
        head.extend(name.as_bytes());
        head.extend(1_u16.to_le_bytes());
        head.extend(16_u16.to_le_bytes());
        head.extend([0; 16]);
        let checksum = crc32fast::Hasher::new();
        self.open = Some(OpenEntry { name: name.to_owned(), at: self.offset, length: 0, checksum });
        self.offset += head.len() as u64;
        head
    }

    /// Takes note of bytes of the entry that has begun; they are sent as they are.
    pub(super) fn content(&mut self, bytes: &[u8]) {
        if let Some(open) = &mut self.open {
            open.length += bytes.len() as u64;
            open.checksum.update(bytes);
            self.offset += bytes.len() as u64;
        }
    }

    /// Ends the entry that has begun.
    pub(super) fn end(&mut self) -> Vec<u8> {
        let Some(OpenEntry { name, at, length, checksum }) = self.open.take() else { return Vec::new() };
        let checksum = checksum.finalize();
        let mut tail = Vec::with_capacity(24);
        tail.extend(0x0807_4b50_u32.to_le_bytes());
        tail.extend(checksum.to_le_bytes());
        tail.extend(length.to_le_bytes());
        tail.extend(length.to_le_bytes());
        self.offset += tail.len() as u64;
        let record = &mut self.directory;
        record.extend(0x0201_4b50_u32.to_le_bytes());
        for short in [VERSION, VERSION, FLAGS, 0, 0, DOS_DATE] {
            record.extend(short.to_le_bytes());
        }
        record.extend(checksum.to_le_bytes());
        record.extend([0xFF; 8]);
        for short in [name.len() as u16, 28, 0, 0, 0] {
            record.extend(short.to_le_bytes());
        }
        record.extend(0_u32.to_le_bytes());
        record.extend([0xFF; 4]);
        record.extend(name.as_bytes());
        record.extend(1_u16.to_le_bytes());
        record.extend(24_u16.to_le_bytes());
        for long in [length, length, at] {
            record.extend(long.to_le_bytes());
        }
        self.entries += 1;
        tail
    }

    /// The directory: the end of the archive.
    pub(super) fn finish(self) -> Vec<u8> {
        let (start, size) = (self.offset, self.directory.len() as u64);
        let mut end = self.directory;
        end.extend(0x0606_4b50_u32.to_le_bytes());
        end.extend(44_u64.to_le_bytes());
        end.extend(VERSION.to_le_bytes());
        end.extend(VERSION.to_le_bytes());
        end.extend([0; 8]);
        for long in [self.entries, self.entries, size, start] {
            end.extend(long.to_le_bytes());
        }
        end.extend(0x0706_4b50_u32.to_le_bytes());
        end.extend(0_u32.to_le_bytes());
        end.extend((start + size).to_le_bytes());
        end.extend(1_u32.to_le_bytes());
        end.extend(0x0605_4b50_u32.to_le_bytes());
        end.extend([0; 4]);
        end.extend([0xFF; 12]);
        end.extend(0_u16.to_le_bytes());
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_without_entries_is_a_directory_alone() {
        let end = ZipWriter::default().finish();
        assert_eq!(end.len(), 56 + 20 + 22);
        assert_eq!(&end[..4], b"PK\x06\x06");
    }

    #[test]
    fn the_directory_tells_where_each_entry_is() {
        let mut zip = ZipWriter::default();
        let mut all = zip.begin("a.txt");
        zip.content(b"abc");
        all.extend(b"abc");
        all.extend(zip.end());
        let second = all.len() as u64;
        all.extend(zip.begin("报告.pdf"));
        all.extend(zip.end());
        let end = zip.finish();
        let position = end.len() - 98 - 8;
        assert_eq!(u64::from_le_bytes(end[position..position + 8].try_into().unwrap()), second);
        assert!(end.windows(4).any(|bytes| bytes == crc32fast::hash(b"abc").to_le_bytes()));
    }
}
