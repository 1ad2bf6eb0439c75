//! Crashes, replayed: what was acknowledged is found whole, and nothing is found that was not appended.

use std::io::Cursor;

use proptest::prelude::*;

use super::group::{BLOCK, Group};
use super::record::{RecordKind, UNIT};
use super::scan::{Depth, Record, scan};

const SEGMENT: &str = "019a0000-0000-7000-8000-000000000001";
const CAPACITY: usize = 256 * 1024;

/// A segment's history as the disk sees it: each group is one write, followed by one sync.
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
            let mut records = Vec::new();
            for (i, size) in sizes.iter().enumerate() {
                let bytes: Vec<u8> = (0..*size).map(|at| (at * 31 + number * 7 + i + 1) as u8).collect();
                records.push((group.push(SEGMENT, RecordKind::Object, &bytes, 0), bytes));
            }
            let (at, blocks) = group.blocks();
            assert_eq!((at as usize % BLOCK, blocks.len() % BLOCK, blocks.as_ptr() as usize % BLOCK), (0, 0, 0));
            log.writes.push((at, blocks.to_vec()));
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

    /// All that was acknowledged is there with its bytes, and whatever is there was appended so.
    fn check(&self, disk: &[u8], synced: usize) {
        let found = scan(&mut Cursor::new(disk), SEGMENT, Depth::Bytes).unwrap();
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
    assert_eq!(scan(&mut Cursor::new(&disk), SEGMENT, Depth::Bytes).unwrap().records.len(), 3);
    assert_eq!(
        scan(&mut Cursor::new(&disk), "019a0000-0000-7000-8000-000000000002", Depth::Bytes).unwrap().records,
        []
    );
    let moved = [vec![0; UNIT as usize], disk].concat();
    assert_eq!(scan(&mut Cursor::new(&moved), SEGMENT, Depth::Bytes).unwrap().records, []);
}

#[test]
fn behind_a_damaged_record_the_others_are_found() {
    let log = Log::record(&[vec![1000, 2000, 3000]]);
    for (damaged, (offset, bytes)) in log.groups[0].iter().enumerate() {
        let mut disk = log.disk(1);
        disk[*offset as usize + bytes.len() / 2] ^= 1;
        let found = scan(&mut Cursor::new(&disk), SEGMENT, Depth::Bytes).unwrap();
        assert_eq!((found.records.len(), found.torn), (2, 1), "record {damaged} is damaged");
    }
    let mut disk = log.disk(1);
    disk[3] ^= 1;
    assert_eq!(
        scan(&mut Cursor::new(&disk), SEGMENT, Depth::Bytes).unwrap().records.len(),
        2,
        "without the first head"
    );
}

#[test]
fn what_was_given_up_leaves_room_for_the_next() {
    let mut group = Group::new(CAPACITY as u64);
    group.push(SEGMENT, RecordKind::Object, &[1; 600], 0);
    group.advance();
    let durable = group.position();
    group.push(SEGMENT, RecordKind::Object, &[2; 9000], 0);
    group.retreat();
    assert_eq!((group.position(), group.durable_end(), group.waiting()), (durable, durable, 0));
    let offset = group.push(SEGMENT, RecordKind::Deleted, b"x", 0);
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
