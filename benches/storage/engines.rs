//! The designs that are compared.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use super::disk::Disk;

const BLOCK: usize = 4096;
const SEGMENT: u64 = 256 << 20;
const GROUP: usize = 8 << 20;
/// `O_DIRECT` of Linux on x86-64.
const DIRECT: i32 = 0o40000;

/// Something that keeps objects.
pub trait Engine: Send + Sync {
    /// Returns when the object is durable.
    fn put(&self, object: &Arc<Vec<u8>>);
}

/// One file for each object.
pub struct FileEach {
    folder: PathBuf,
    disk: Disk,
    next: AtomicU64,
}

impl FileEach {
    pub fn new(folder: PathBuf, disk: Disk) -> Self {
        Self { folder, disk, next: AtomicU64::new(0) }
    }
}

impl Engine for FileEach {
    fn put(&self, object: &Arc<Vec<u8>>) {
        let path = self.folder.join(format!("{:032}", self.next.fetch_add(1, Ordering::Relaxed)));
        let mut file = OpenOptions::new().write(true).create_new(true).open(path).expect("a new file");
        file.write_all(object).expect("write");
        self.disk.sync_file(&file);
        self.disk.sync_folder(&self.folder);
    }
}

/// How a segment gets its room, and whether the page cache is passed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preallocation {
    /// `fallocate`, through the page cache.
    Buffered,
    /// `fallocate`, direct.
    Fallocate,
    /// Zeros written beforehand, direct: a write changes no extent.
    Zeroed,
}

type Waiting = (Arc<Vec<u8>>, mpsc::SyncSender<()>);

/// One writer, one open file, one sync for all that wait.
pub struct Segment {
    queue: mpsc::SyncSender<Waiting>,
}

impl Segment {
    pub fn start(folder: PathBuf, disk: Disk, how: Preallocation) -> Self {
        let (queue, waiting) = mpsc::sync_channel::<Waiting>(64);
        std::thread::spawn(move || write(&folder, &disk, how, &waiting));
        Self { queue }
    }
}

impl Engine for Segment {
    fn put(&self, object: &Arc<Vec<u8>>) {
        let (answer, answered) = mpsc::sync_channel(1);
        self.queue.send((Arc::clone(object), answer)).expect("the writer runs");
        answered.recv().expect("the writer answers");
    }
}

fn write(folder: &std::path::Path, disk: &Disk, how: Preallocation, waiting: &mpsc::Receiver<Waiting>) {
    let mut room = vec![0_u8; GROUP + 4 * 1024 * 1024 + 2 * BLOCK];
    let aligned = room.as_ptr().align_offset(BLOCK);
    let buffer = &mut room[aligned..];
    let mut number = 0;
    let mut file = open(folder, number, how);
    let (mut written, mut tail) = (0_u64, 0_usize);
    let mut answers = Vec::new();
    while let Ok(first) = waiting.recv() {
        let mut end = tail;
        let mut next = Some(first);
        while let Some((object, answer)) = next {
            // The header of the record.
            buffer[end..end + 512].fill(b'h');
            buffer[end + 512..end + 512 + object.len()].copy_from_slice(&object);
            end += 512 + object.len().next_multiple_of(512);
            answers.push(answer);
            next = if end < GROUP { waiting.try_recv().ok() } else { None };
        }
        let blocks = if how == Preallocation::Buffered { end } else { end.next_multiple_of(BLOCK) };
        buffer[end..blocks].fill(0);
        file.write_all_at(&buffer[..blocks], written).expect("write");
        disk.sync_data(&file);
        for answer in answers.drain(..) {
            let _ = answer.send(());
        }
        let whole = end / BLOCK * BLOCK;
        buffer.copy_within(whole..end, 0);
        (written, tail) = (written + whole as u64, end - whole);
        if written + (GROUP + 8 * 1024 * 1024) as u64 > SEGMENT {
            number += 1;
            file = open(folder, number, how);
            (written, tail) = (0, 0);
        }
    }
}

fn open(folder: &std::path::Path, number: u64, how: Preallocation) -> File {
    let path = folder.join(format!("{number}.tar"));
    if how == Preallocation::Zeroed {
        let mut file = open_direct(&path, true);
        let room = vec![0_u8; (4 << 20) + BLOCK];
        let aligned = room.as_ptr().align_offset(BLOCK);
        for _ in 0..SEGMENT >> 22 {
            file.write_all(&room[aligned..aligned + (4 << 20)]).expect("zeros");
        }
        file.sync_all().expect("sync of zeros");
    } else {
        let made = Command::new("fallocate").arg("-l").arg(SEGMENT.to_string()).arg(&path).status();
        assert!(made.expect("fallocate (apt-get install util-linux)").success());
    }
    match how {
        Preallocation::Buffered => OpenOptions::new().write(true).open(&path).expect("the segment"),
        Preallocation::Fallocate | Preallocation::Zeroed => open_direct(&path, false),
    }
}

fn open_direct(path: &std::path::Path, new: bool) -> File {
    OpenOptions::new().write(true).create_new(new).custom_flags(DIRECT).open(path).expect("direct I/O")
}

/// Writes objects without any sync; gives the files in their order.
pub fn fill(folder: &std::path::Path, segments: bool, object: &[u8], count: usize) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = Vec::new();
    if !segments {
        for i in 0..count {
            let sub = folder.join(format!("{:04}", i / 5000));
            std::fs::create_dir_all(&sub).expect("a subfolder");
            paths.push(sub.join(format!("{i:032}")));
            std::fs::write(&paths[i], object).expect("a file");
        }
        return paths;
    }
    let mut record = vec![b'h'; 512];
    record.extend_from_slice(object);
    record.resize(record.len().next_multiple_of(512), 0);
    let mut left = 0;
    let mut file = None;
    for _ in 0..count {
        if left < record.len() {
            paths.push(folder.join(format!("{}.tar", paths.len())));
            file = Some(std::io::BufWriter::new(File::create(&paths[paths.len() - 1]).expect("a segment")));
            left = SEGMENT as usize;
        }
        left -= record.len();
        file.as_mut().expect("an open segment").write_all(&record).expect("a record");
    }
    paths
}

/// Reads files in pieces of a megabyte.
pub fn read(paths: &[PathBuf]) -> u64 {
    let mut piece = vec![0; 1 << 20];
    let mut bytes = 0;
    for path in paths {
        let mut file = File::open(path).expect("a file to read");
        loop {
            let read = file.read(&mut piece).expect("read");
            bytes += read as u64;
            if read == 0 {
                break;
            }
        }
    }
    bytes
}
