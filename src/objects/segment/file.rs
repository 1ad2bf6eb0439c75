//! The open segment's file: made with its whole room, locked by its writer, cut to its contents when it is sealed.
//!
//! A mark in `open-segment/` names each segment that is not sealed yet. Whose lock is gone has crashed: at the next
//! opening of the folder [`recover`] cuts what is torn and seals the segment. So several processes may share a folder.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::folder::Folder;
use super::record::END;
use super::rows::{self, RowsMark};
use super::scan::{self, Depth};

/// Where the marks of open segments are.
pub(super) const MARKS: &str = "open-segment";

/// A segment that takes records.
#[derive(Debug)]
pub(super) struct OpenSegment {
    /// The id in its records.
    pub(super) id: String,
    /// Its key.
    pub(super) key: String,
    /// Its room.
    pub(super) capacity: u64,
    /// Its objects that lack their rows.
    pub(super) rows: Arc<RowsMark>,
    begun: Instant,
    mark: PathBuf,
    /// Holds the lock; cuts and syncs.
    file: File,
    /// Passes by the page cache, where the file system can.
    direct: Option<File>,
}

impl OpenSegment {
    /// Makes a new segment; durable with its room and its mark when it returns.
    pub(super) fn create(
        folder: &Folder,
        (id, key): (String, String),
        capacity: u64,
        claimable: bool,
    ) -> io::Result<Self> {
        let path = folder.path(&key);
        let rows = RowsMark::of(folder, &id, claimable)?;
        let file = folder.begin(&path)?;
        let made = file
            .try_lock()
            .map_err(io::Error::from)
            .and_then(|()| reserve(&file, capacity))
            .and_then(|()| folder.end(&file, &path))
            .and_then(|()| write_mark(folder, &id, &rows.text(&key)));
        let begun = Instant::now();
        match made {
            Ok(mark) => Ok(Self { id, key, capacity, rows, begun, mark, direct: open_direct(&path), file }),
            Err(error) => {
                let _ = std::fs::remove_file(&path);
                Err(error)
            }
        }
    }

    /// Whether it has been open for so long.
    pub(super) fn is_older_than(&self, age: Duration) -> bool {
        self.begun.elapsed() >= age
    }

    /// Writes whole blocks, and syncs nothing.
    pub(super) fn write(&mut self, at: u64, blocks: &[u8]) -> io::Result<()> {
        if let Some(direct) = &self.direct {
            match write_all_at(direct, blocks, at) {
                // Some file systems open so and then refuse to write so.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => self.direct = None,
                done => return done,
            }
        }
        write_all_at(&self.file, blocks, at)
    }

    /// Syncs what was written; tells how long that took.
    pub(super) fn sync(&self) -> io::Result<Duration> {
        let began = Instant::now();
        self.direct.as_ref().unwrap_or(&self.file).sync_data()?;
        Ok(began.elapsed())
    }

    /// Cuts the segment to its durable contents; it takes no more.
    pub(super) fn seal(self, end: u64) -> io::Result<()> {
        let Self { file, mark, rows, .. } = self;
        cut(&file, end)?;
        rows.seal(&mark)
    }
}

/// Seals what crashed processes left open; gives the number of segments.
pub(in super::super) fn recover(folder: &Folder) -> io::Result<usize> {
    let marks = match std::fs::read_dir(folder.path(MARKS)) {
        Ok(marks) => marks,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut sealed = 0;
    for mark in marks {
        let mark = mark?.path();
        match recover_one(folder, &mark) {
            Ok(is_sealed) => sealed += usize::from(is_sealed),
            // Where a part of it cannot be read its end is not known: it stays as it is, and keeps its mark.
            Err(error) => {
                tracing::error!(mark = %mark.display(), %error, "a segment that a crash left open cannot be recovered")
            }
        }
    }
    Ok(sealed)
}

fn recover_one(folder: &Folder, mark: &Path) -> io::Result<bool> {
    let id = mark.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let text = match std::fs::read_to_string(mark) {
        Ok(text) => text,
        // Sealed by its writer, or by another process that starts now.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let (key, claimable) = rows::read_mark(&text);
    if !super::is_segment(key) || super::id_of(key) != id {
        // A mark that was torn: its segment has never been used.
        std::fs::remove_file(mark)?;
        return Ok(false);
    }
    let file = match OpenOptions::new().read(true).write(true).open(folder.path(key)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            std::fs::remove_file(mark)?;
            return Ok(false);
        }
        Err(error) => return Err(error),
    };
    if file.try_lock().is_err() || !mark.exists() {
        return Ok(false);
    }
    let contents = scan::scan(&file, id, Depth::Bytes)?;
    cut(&file, contents.end)?;
    rows::seal_left(folder, id, mark, claimable)?;
    let (records, torn) = (contents.records.len(), contents.torn);
    tracing::info!(segment.key = %key, records, torn, "a segment that a crash left open has been sealed");
    Ok(true)
}

/// A segment that takes no more, held so that no other process works on it.
#[derive(Debug)]
pub(in super::super) struct FinishedSegment {
    /// Its file, with the lock.
    pub(in super::super) file: File,
    /// Its bytes.
    pub(in super::super) length: u64,
    path: PathBuf,
}

impl FinishedSegment {
    /// Takes hold of it; nothing when it is open, gone, or held by another. Blocks.
    pub(in super::super) fn hold(folder: &Folder, key: &str) -> io::Result<Option<Self>> {
        let path = folder.path(key);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // Its writer holds the lock until the mark is gone, and makes the mark while holding it.
        if file.try_lock().is_err() || super::is_open(folder, key) {
            return Ok(None);
        }
        let length = file.metadata()?.len();
        // One whose making was cut off has room and no record; in one that is just being made there is none yet either.
        let used = length > END && !scan::scan(&file, super::id_of(key), Depth::Heads)?.records.is_empty();
        Ok(used.then_some(Self { file, length, path }))
    }

    /// Removes it. Blocks.
    pub(in super::super) fn remove(self) -> io::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

/// Bytes of all segments in a folder, the room of open ones included.
pub(super) fn total_bytes(folder: &Folder) -> io::Result<u64> {
    let (mut total, mut folders) = (0, vec![folder.path(super::PREFIX)]);
    while let Some(next) = folders.pop() {
        let entries = match std::fs::read_dir(&next) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => folders.push(entry.path()),
                Ok(meta) => total += meta.len(),
                // Uploaded and removed meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(total)
}

/// Ends the file behind its last record with two empty units, as tar wants it.
fn cut(file: &File, end: u64) -> io::Result<()> {
    file.set_len(end)?;
    file.set_len(end + END)?;
    file.sync_all()
}

fn write_mark(folder: &Folder, id: &str, text: &str) -> io::Result<PathBuf> {
    let path = folder.path(&format!("{MARKS}/{id}"));
    let mut mark = folder.begin(&path)?;
    mark.write_all(text.as_bytes())?;
    folder.end(&mark, &path)?;
    Ok(path)
}

#[cfg(target_os = "linux")]
fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    match fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => file.set_len(bytes),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    file.set_len(bytes)
}

#[cfg(target_os = "linux")]
fn open_direct(path: &Path) -> Option<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let direct = i32::try_from(rustix::fs::OFlags::DIRECT.bits()).ok()?;
    OpenOptions::new().write(true).custom_flags(direct).open(path).ok()
}

#[cfg(not(target_os = "linux"))]
fn open_direct(_path: &Path) -> Option<File> {
    None
}

#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(not(unix))]
fn write_all_at(mut file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    use std::io::Seek;
    file.seek(io::SeekFrom::Start(at))?;
    file.write_all(bytes)
}
