//! A segment that a crash or a bad disk has damaged anywhere: every record without a damaged byte is found, and nothing
//! that is not within it. The other way round, any bytes are scanned.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yingku::objects::scan_segment;

const KEY: &str = "segment/00/s.tar";
const UNIT: usize = 512;

/// A record as tar has it, with the name and check that segments use.
fn put_record(segment: &mut Vec<u8>, content: &[u8]) {
    let at = segment.len();
    let name = format!("s/{at:010}.dcm");
    let mut check = crc32fast::Hasher::new();
    check.update(name.as_bytes());
    check.update(&(content.len() as u64).to_le_bytes());
    check.update(content);
    let mut head = [0; UNIT];
    head[..name.len()].copy_from_slice(name.as_bytes());
    head[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    head[148..156].fill(b' ');
    let owner = format!("crc32-{:08x}", check.finalize());
    head[265..265 + owner.len()].copy_from_slice(owner.as_bytes());
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    segment.extend(head);
    segment.extend(content);
    segment.resize(segment.len().next_multiple_of(UNIT), 0);
}

fn check_bounds(bytes: &[u8]) {
    let contents = scan_segment(bytes, KEY).expect("memory can be read");
    let mut end = 0;
    for record in &contents.records {
        assert!(record.offset >= end);
        end = record.offset + record.length;
        assert!(end <= bytes.len() as u64);
    }
}

fuzz_target!(|input: &[u8]| {
    check_bounds(input);
    let [count, rest @ ..] = input else { return };
    let (lengths, damages) = rest.split_at(rest.len().min(usize::from(count % 8) * 2));
    let (mut segment, mut records) = (Vec::new(), Vec::new());
    for (number, length) in lengths.chunks_exact(2).enumerate() {
        let content = vec![number as u8; usize::from(u16::from_le_bytes([length[0], length[1]])) % 4096];
        let start = segment.len();
        put_record(&mut segment, &content);
        records.push((start, content.len()));
    }
    let mut damaged = Vec::new();
    for damage in damages.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([damage[0], damage[1]]));
        if let Some(byte) = segment.get_mut(at).filter(|_| damage[2] != 0) {
            *byte ^= damage[2];
            damaged.push(at);
        }
    }
    check_bounds(&segment);
    let found = scan_segment(&segment, KEY).expect("memory can be read");
    for (start, length) in records {
        let is_whole = !damaged.iter().any(|at| (start..start + UNIT + length).contains(at));
        let is_found = found.records.iter().any(|one| one.offset == (start + UNIT) as u64 && one.length == length as u64);
        assert!(is_found || !is_whole, "the record at {start}");
    }
});
