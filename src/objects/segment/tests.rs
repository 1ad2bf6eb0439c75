//! Crashes, replayed: what was acknowledged is found whole, and nothing is found that was not appended.

use std::io::Cursor;

use proptest::prelude::*;

use super::super::folder::Folder;
use super::file::{self, MARKS};
use super::group::{BLOCK, Group};
use super::record::{END, RecordKind, UNIT};
use super::scan::{Depth, Record, scan};

const SEGMENT: &str = "019a0000-0000-7000-8000-000000000001";
const CAPACITY: usize = 256 * 1024;

/// A segment's history as the disk sees it: each group is one write, followed by one sync; some of it was written early.
#[derive(Debug, Default)]
struct Log {
    writes: Vec<(u64, Vec<u8>)>,
    /// Places and bytes of the records in each group.
    groups: Vec<Vec<(u64, Vec<u8>)>>,
}

impl Log {
    fn record(groups: &[Vec<usize>]) -> Self {
        let mut group = Group::new(CAPACITY as u64);
        let mut log = Self::default();
        for (number, sizes) in groups.iter().enumerate() {
            let (mut records, mut parts) = (Vec::new(), Vec::new());
            for (i, size) in sizes.iter().enumerate() {
                let bytes: Vec<u8> = (0..*size).map(|at| (at * 31 + number * 7 + i + 1) as u8).collect();
                records.push((group.push(SEGMENT, RecordKind::Object, &[&bytes], 0), bytes));
                if i % 2 == 1 {
                    parts.push(aligned(group.full_blocks()));
                    group.full_blocks_written();
                }
            }
            parts.push(aligned(group.blocks()));
            let (at, mut whole) = (parts[0].0, Vec::new());
            for (part_at, blocks) in parts {
                assert_eq!(part_at, at + whole.len() as u64, "nothing is left out and nothing written twice");
                whole.extend(blocks);
            }
            log.writes.push((at, whole));
            log.groups.push(records);
            group.advance();
        }
        log
    }

    /// The disk after the first `synced` writes, in a file with its whole room.
    fn disk(&self, synced: usize) -> Vec<u8> {
        let mut disk = vec![0; CAPACITY];
        for (at, blocks) in &self.writes[..synced] {
            disk[*at as usize..*at as usize + blocks.len()].copy_from_slice(blocks);
        }
        disk
    }

    /// Behind everything that the first `synced` writes made durable.
    fn durable_end(&self, synced: usize) -> usize {
        let last = self.groups[..synced].iter().flatten().last();
        last.map_or(0, |(offset, bytes)| (*offset as usize + bytes.len()).next_multiple_of(UNIT as usize))
    }

    /// All that was acknowledged is there with its bytes, and whatever is there was appended so.
    fn check(&self, disk: &[u8], synced: usize) {
        let found = scan(Cursor::new(disk), SEGMENT, Depth::Bytes).unwrap();
        let appended: Vec<&(u64, Vec<u8>)> = self.groups.iter().flatten().collect();
        let is_found = |offset: u64, bytes: &[u8]| {
            found.records.contains(&Record { kind: RecordKind::Object, offset, length: bytes.len() as u64 })
        };
        for (offset, bytes) in self.groups[..synced].iter().flatten() {
            assert!(is_found(*offset, bytes), "an acknowledged record at {offset} is lost");
        }
        for record in &found.records {
            let bytes = &disk[record.offset as usize..(record.offset + record.length) as usize];
            assert!(
                appended.iter().any(|(offset, was)| *offset == record.offset && was == bytes),
                "a record at {} that nobody appended",
                record.offset
            );
        }
    }
}

/// A write of whole blocks, from an aligned place to an aligned place.
fn aligned((at, blocks): (u64, &[u8])) -> (u64, Vec<u8>) {
    assert_eq!((at as usize % BLOCK, blocks.len() % BLOCK, blocks.as_ptr() as usize % BLOCK), (0, 0, 0));
    (at, blocks.to_vec())
}

#[test]
fn a_cut_at_any_byte_of_the_tail_loses_nothing_that_was_acknowledged() {
    let log = Log::record(&[vec![700, 10], vec![2048], vec![900, 0, 1500, 3]]);
    let (at, blocks) = log.writes.last().unwrap();
    let whole = log.disk(3);
    let durable = log.groups[1].last().map(|(offset, bytes)| *offset as usize + bytes.len()).unwrap();
    for cut in durable.next_multiple_of(UNIT as usize)..=*at as usize + blocks.len() {
        log.check(&whole[..cut], 2);
        // The same with the room behind it still there.
        let mut disk = log.disk(2);
        disk[..cut].copy_from_slice(&whole[..cut]);
        log.check(&disk, 2);
    }
}

#[test]
fn records_of_another_segment_or_place_do_not_pass() {
    let log = Log::record(&[vec![100, 200, 300]]);
    let disk = log.disk(1);
    assert_eq!(scan(Cursor::new(&disk), SEGMENT, Depth::Bytes).unwrap().records.len(), 3);
    assert_eq!(scan(Cursor::new(&disk), "019a0000-0000-7000-8000-000000000002", Depth::Bytes).unwrap().records, []);
    let moved = [vec![0; UNIT as usize], disk].concat();
    assert_eq!(scan(Cursor::new(&moved), SEGMENT, Depth::Bytes).unwrap().records, []);
}

#[test]
fn behind_a_damaged_record_the_others_are_found() {
    let log = Log::record(&[vec![1000, 2000, 3000]]);
    for (damaged, (offset, bytes)) in log.groups[0].iter().enumerate() {
        let mut disk = log.disk(1);
        disk[*offset as usize + bytes.len() / 2] ^= 1;
        let found = scan(Cursor::new(&disk), SEGMENT, Depth::Bytes).unwrap();
        assert_eq!((found.records.len(), found.torn), (2, 1), "record {damaged} is damaged");
    }
    let mut disk = log.disk(1);
    disk[3] ^= 1;
    assert_eq!(scan(Cursor::new(&disk), SEGMENT, Depth::Bytes).unwrap().records.len(), 2, "without the first head");
}

#[test]
fn what_was_given_up_leaves_room_for_the_next() {
    let mut group = Group::new(CAPACITY as u64);
    group.push(SEGMENT, RecordKind::Object, &[[1; 600]], 0);
    group.advance();
    let durable = group.position();
    group.push(SEGMENT, RecordKind::Object, &[[2; 9000]], 0);
    group.full_blocks_written();
    group.retreat();
    assert_eq!(group.blocks().0, 0, "what was given up is written over");
    assert_eq!((group.position(), group.durable_end(), group.waiting()), (durable, durable, 0));
    let offset = group.push(SEGMENT, RecordKind::Deleted, &[b"x"], 0);
    assert_eq!(offset, durable + UNIT);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// The loss of the page cache: every synced group is on the disk, of the next any sectors, in any order.
    #[test]
    fn a_log_replayed_up_to_any_sync_with_any_torn_write_after_it_keeps_all_acknowledged(
        sizes in proptest::collection::vec(proptest::collection::vec(0..5000_usize, 1..5), 1..7),
        crash_at in any::<proptest::sample::Index>(),
        sectors in proptest::collection::vec(any::<bool>(), 64),
        half_sector in 0..512_usize,
    ) {
        let log = Log::record(&sizes);
        let synced = crash_at.index(log.groups.len() + 1);
        let mut disk = log.disk(synced);
        if let Some((at, blocks)) = log.writes.get(synced) {
            for (number, sector) in blocks.chunks(512).enumerate() {
                // A sector is whole, missing, or (a bad disk) half there.
                let whole = sectors[number % sectors.len()];
                let part = if whole { 512 } else if number % 5 == 0 { half_sector } else { 0 };
                let from = *at as usize + number * 512;
                disk[from..from + part].copy_from_slice(&sector[..part]);
            }
        }
        log.check(&disk, synced);
    }
}

/// Counts what is read.
struct Counted(Cursor<Vec<u8>>, std::rc::Rc<std::cell::Cell<usize>>);

impl std::io::Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.0.read(buffer)?;
        self.1.set(self.1.get() + read);
        Ok(read)
    }
}

impl std::io::Seek for Counted {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn a_scan_of_many_small_records_reads_nothing_twice() {
    let disk = Log::record(&vec![vec![300; 10]; 20]).disk(20);
    for depth in [Depth::Heads, Depth::Bytes] {
        let read = std::rc::Rc::default();
        let found = scan(Counted(Cursor::new(disk.clone()), std::rc::Rc::clone(&read)), SEGMENT, depth).unwrap();
        assert_eq!((found.records.len(), found.torn), (200, 0));
        assert_eq!(read.get(), disk.len(), "{depth:?}");
    }
}

/// Where a crash came to a segment that was being finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finishing {
    NotBegun,
    Cut,
    Ended,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// A folder as a crash left it, opened again: while records were written, or while the segment was being finished.
    #[test]
    fn a_folder_is_after_any_crash_as_its_last_sync_left_it(
        sizes in proptest::collection::vec(proptest::collection::vec(0..3000_usize, 1..4), 1..5),
        crash_at in any::<proptest::sample::Index>(),
        written in 0..20_000_usize,
        garbage in proptest::collection::vec(any::<u8>(), 0..1500),
        finishing in prop_oneof![Just(Finishing::NotBegun), Just(Finishing::Cut), Just(Finishing::Ended)],
    ) {
        let log = Log::record(&sizes);
        let synced = if finishing == Finishing::NotBegun { crash_at.index(log.groups.len() + 1) } else { log.groups.len() };
        let mut disk = log.disk(synced);
        if let Some((at, blocks)) = log.writes.get(synced) {
            let (at, part) = (*at as usize, written.min(blocks.len()));
            disk[at..at + part].copy_from_slice(&blocks[..part]);
            let behind = log.durable_end(synced).max(at + part);
            disk[behind..behind + garbage.len()].copy_from_slice(&garbage);
        }
        let end = scan(Cursor::new(&disk), SEGMENT, Depth::Bytes).unwrap().end;
        match finishing {
            Finishing::NotBegun => {}
            Finishing::Cut => disk.truncate(end as usize),
            Finishing::Ended => disk.truncate((end + END) as usize),
        }
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path().to_owned());
        let key = format!("{}2026/11/21/08/{SEGMENT}.tar", super::PREFIX);
        let (segment, mark) = (folder.path(&key), folder.path(&format!("{MARKS}/{SEGMENT}")));
        for (path, bytes) in [(&segment, disk.as_slice()), (&mark, key.as_bytes())] {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }

        prop_assert_eq!(file::recover(&folder).unwrap(), 1);

        let left = std::fs::read(&segment).unwrap();
        log.check(&left, synced);
        prop_assert_eq!((left.len() as u64, mark.exists()), (end + END, false));
        prop_assert!(left[end as usize..].iter().all(|byte| *byte == 0), "two empty units end a tar");
        prop_assert_eq!(file::recover(&folder).unwrap(), 0);
        prop_assert_eq!(std::fs::read(&segment).unwrap(), left);
    }
}
