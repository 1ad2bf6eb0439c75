//! Records that are written together: the bytes between the last durable unit and the end of what has been taken.
//!
//! Writes begin and end at blocks of the disk, so that they can pass by the page cache. The last block of a group is
//! written again, with the same bytes, at the begin of the next one.

use super::record::{self, Head, RecordKind, UNIT};

/// What direct writes are aligned to, in memory and in the file.
pub(super) const BLOCK: usize = 4096;

/// The open end of a segment.
#[derive(Debug)]
pub(super) struct Group {
    room: Vec<u8>,
    aligned: usize,
    /// Where the room's first byte is in the file.
    base: u64,
    /// What is durable, counted from `base`; less than a block.
    durable: usize,
    /// What has been given to the file, durable or not, counted from `base`; whole blocks.
    written: usize,
    /// What has been taken, counted from `base`.
    end: usize,
}

impl Group {
    /// With room for so many bytes of records.
    pub(super) fn new(bytes: u64) -> Self {
        let room = vec![0; bytes as usize + 3 * BLOCK];
        let aligned = room.as_ptr().align_offset(BLOCK);
        Self { room, aligned, base: 0, durable: 0, written: 0, end: 0 }
    }

    /// Begins a new segment.
    pub(super) fn restart(&mut self) {
        (self.base, self.durable, self.written, self.end) = (0, 0, 0, 0);
    }

    /// Where the next record will be.
    pub(super) fn position(&self) -> u64 {
        self.base + self.end as u64
    }

    /// Up to where everything is durable.
    pub(super) fn durable_end(&self) -> u64 {
        self.base + self.durable as u64
    }

    /// Bytes that wait for a write.
    pub(super) fn waiting(&self) -> u64 {
        (self.end - self.durable) as u64
    }

    /// Whether a record of so many bytes, head included, still finds room.
    pub(super) fn has_room(&self, bytes: u64) -> bool {
        self.end as u64 + bytes <= (self.room.len() - 2 * BLOCK) as u64
    }

    /// Takes a record and tells where its bytes will be. There must be room.
    pub(super) fn push(&mut self, segment: &str, kind: RecordKind, pieces: &[impl AsRef<[u8]>], seconds: u64) -> u64 {
        let length = pieces.iter().map(|piece| piece.as_ref().len() as u64).sum();
        let at = self.position();
        let mut check = record::checking(segment, at, kind, length);
        let from = self.aligned + self.end;
        let data = from + UNIT as usize;
        let end = from + record::room(length) as usize;
        let mut next = data;
        for piece in pieces.iter().map(AsRef::as_ref) {
            check.update(piece);
            self.room[next..next + piece.len()].copy_from_slice(piece);
            next += piece.len();
        }
        self.room[next..end].fill(0);
        let head = Head { kind, length, check: check.finalize() };
        record::write_head(&mut self.room[from..data], segment, at, head, seconds);
        self.end = end - self.aligned;
        at + UNIT
    }

    /// Blocks that are full already and have not been written, and where they belong.
    pub(super) fn full_blocks(&self) -> (u64, &[u8]) {
        let whole = self.end / BLOCK * BLOCK;
        (self.base + self.written as u64, &self.room[self.aligned + self.written..self.aligned + whole])
    }

    /// The full blocks are written.
    pub(super) fn full_blocks_written(&mut self) {
        self.written = self.end / BLOCK * BLOCK;
    }

    /// What must still be written, and where: whole blocks, the last one filled up with zeros.
    pub(super) fn blocks(&mut self) -> (u64, &[u8]) {
        let end = self.aligned + self.end.next_multiple_of(BLOCK);
        self.room[self.aligned + self.end..end].fill(0);
        (self.base + self.written as u64, &self.room[self.aligned + self.written..end])
    }

    /// What was written is durable now.
    pub(super) fn advance(&mut self) {
        let whole = self.end / BLOCK * BLOCK;
        self.room.copy_within(self.aligned + whole..self.aligned + self.end, self.aligned);
        self.base += whole as u64;
        self.end -= whole;
        (self.durable, self.written) = (self.end, 0);
    }

    /// Forgets what is not durable.
    pub(super) fn retreat(&mut self) {
        (self.end, self.written) = (self.durable, 0);
    }
}
