//! What is in the share, and what of it has settled.
//!
//! A walk looks at names, lengths and times, and keeps a bounded number of files in mind: a folder with a hundred
//! thousand files is worked off in parts. Times are only compared with times of the same share, never with our clock,
//! except that empty folders have to be hours old before they go.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::ReadDir;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::config::FileShareConfig;
use super::disposal::{Stamp, with_ending};
use super::place_name::text_of;

/// Files handed over by one scan.
const MOST_READY: usize = 500;
/// Some systems keep times to two seconds.
const COARSE: Duration = Duration::from_secs(2);

/// A file that may be taken.
#[derive(Debug, Clone)]
pub(super) struct Ready {
    /// Below the share's folder.
    pub(super) relative: PathBuf,
    pub(super) stamp: Stamp,
    /// How long it has been there unchanged, as far as we have seen.
    pub(super) age: Duration,
    pub(super) attempts: u32,
    /// Whether its content is in the archive and only the move is left.
    pub(super) stored: bool,
}

/// What a scan found.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) ready: Vec<Ready>,
    /// Whether there may be more that is ready.
    pub(super) more: bool,
    /// Folders that could not be read.
    pub(super) unreadable: u64,
}

/// The files kept in mind.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    files: HashMap<PathBuf, Known>,
    number: u64,
    spent_markers: HashSet<PathBuf>,
}

#[derive(Debug)]
struct Known {
    stamp: Stamp,
    since: Instant,
    seen_in: u64,
    attempts: u32,
    not_before: Option<Instant>,
    stored: bool,
}

/// A folder that is being walked.
struct Level {
    relative: PathBuf,
    entries: ReadDir,
    is_empty: bool,
    /// Names of the markers in it.
    markers: Vec<OsString>,
    /// The same without regard to case, so that nobody asks the share for markers that are not there.
    known_markers: HashSet<String>,
}

impl Tracker {
    /// How many files are kept in mind.
    pub(super) fn pending(&self) -> usize {
        self.files.len()
    }

    /// The file is gone from where it was.
    pub(super) fn forget(&mut self, relative: &Path, config: &FileShareConfig) {
        self.files.remove(relative);
        if !config.marker.is_empty() {
            self.spent_markers.insert(marker_of_stem(config, relative));
        }
    }

    /// The file is to be looked at again after a while.
    pub(super) fn postpone(&mut self, relative: &Path, wait: Duration, counts: bool, stored: bool) {
        if let Some(known) = self.files.get_mut(relative) {
            known.not_before = Some(Instant::now() + wait);
            known.attempts += u32::from(counts);
            known.stored |= stored;
        }
    }

    /// Whether a file has settled, as far as is known; one that is not kept in mind counts as settled.
    pub(super) fn has_settled(&self, relative: &Path, config: &FileShareConfig) -> bool {
        let settle = Duration::from_secs(config.settle_seconds);
        self.files.get(relative).is_none_or(|known| known.since.elapsed() >= settle)
    }

    /// Walks the share once.
    pub(super) fn scan(&mut self, config: &FileShareConfig, root: &Path) -> io::Result<Scan> {
        self.number += 1;
        let (mut scan, mut needed_markers) = (Scan::default(), HashSet::new());
        let mut levels = vec![Level::open(config, root, PathBuf::new())?];
        while let Some(level) = levels.last_mut() {
            let Some(entry) = level.entries.next() else {
                if let Some(level) = levels.pop() {
                    let left = remove_if_spent(config, root, &level);
                    if let Some(above) = levels.last_mut() {
                        above.is_empty &= !left;
                    }
                }
                continue;
            };
            let Ok(entry) = entry else {
                level.is_empty = false;
                scan.unreadable += 1;
                continue;
            };
            let (name, depth) = (entry.file_name(), levels.len());
            let Some(level) = levels.last_mut() else { break };
            let Ok(kind) = entry.file_type() else { continue };
            let relative = level.relative.join(&name);
            if kind.is_dir() {
                // The folder above stays until this one says that it is gone.
                let is_ours = depth == 1 && (name == *config.done || name == *config.failed);
                if is_ours || is_hidden(&name) || depth >= config.max_depth {
                    level.is_empty = false;
                    continue;
                }
                match Level::open(config, root, relative) {
                    Ok(below) => levels.push(below),
                    Err(_) => {
                        scan.unreadable += 1;
                        if let Some(level) = levels.last_mut() {
                            level.is_empty = false;
                        }
                    }
                }
                continue;
            }
            if kind.is_file() && is_marker(config, &name) {
                continue;
            }
            level.is_empty = false;
            if !kind.is_file() || is_ignored(config, &name) {
                continue;
            }
            if !self.spent_markers.is_empty()
                && let Some(marker) = self.spent_markers.get(&marker_of_stem(config, &relative))
            {
                needed_markers.insert(marker.clone());
            }
            let Ok(meta) = entry.metadata() else { continue };
            let stamp = Stamp::of(&meta);
            // What nobody has released is not kept in mind: there may be more of it than fits, for ever.
            if !config.marker.is_empty() && !level.marks(config, root, &relative, stamp) {
                continue;
            }
            if let Some(ready) = self.see(config, relative, stamp) {
                scan.ready.push(ready);
                if scan.ready.len() >= MOST_READY {
                    scan.more = true;
                    return Ok(scan);
                }
            }
        }
        let number = self.number;
        self.files.retain(|_, known| known.seen_in == number);
        for marker in self.spent_markers.drain().filter(|marker| !needed_markers.contains(marker)) {
            let _ = std::fs::remove_file(root.join(marker));
        }
        Ok(scan)
    }

    /// A file that may be taken as soon as it has settled, which a marker says at once.
    fn see(&mut self, config: &FileShareConfig, relative: PathBuf, stamp: Stamp) -> Option<Ready> {
        let now = Instant::now();
        if !self.files.contains_key(&relative) {
            if self.files.len() >= config.max_pending {
                return None;
            }
            let known = Known { stamp, since: now, seen_in: 0, attempts: 0, not_before: None, stored: false };
            self.files.insert(relative.clone(), known);
        }
        let known = self.files.get_mut(&relative)?;
        known.seen_in = self.number;
        if known.stamp != stamp {
            *known = Known { stamp, since: now, seen_in: self.number, attempts: 0, not_before: None, stored: false };
        }
        if known.not_before.is_some_and(|at| at > now) {
            return None;
        }
        let age = now - known.since;
        let settled = !config.marker.is_empty() || age >= Duration::from_secs(config.settle_seconds);
        let (attempts, stored) = (known.attempts, known.stored);
        settled.then_some(Ready { relative, stamp, age, attempts, stored })
    }
}

impl Level {
    fn open(config: &FileShareConfig, root: &Path, relative: PathBuf) -> io::Result<Self> {
        let path = root.join(&relative);
        let mut markers = Vec::new();
        if !config.marker.is_empty() {
            let files =
                std::fs::read_dir(&path)?.flatten().filter(|entry| entry.file_type().is_ok_and(|k| k.is_file()));
            markers.extend(files.map(|entry| entry.file_name()).filter(|name| is_marker(config, name)));
        }
        let known_markers = markers.iter().map(|name| folded(name)).collect();
        Ok(Self { relative, entries: std::fs::read_dir(&path)?, is_empty: true, markers, known_markers })
    }

    /// A marker counts when it is not older than the file: one that was left from an earlier file of the name does not.
    fn marks(&self, config: &FileShareConfig, root: &Path, relative: &Path, stamp: Stamp) -> bool {
        markers_of(config, relative).into_iter().any(|marker| {
            let is_there = marker.file_name().is_some_and(|name| self.known_markers.contains(&folded(name)));
            let written = is_there.then(|| root.join(marker).symlink_metadata().ok()).flatten();
            let written = written.filter(|meta| meta.is_file());
            match (written.and_then(|meta| meta.modified().ok()), stamp.modified) {
                (Some(marker), Some(file)) => marker + COARSE >= file,
                (Some(_), None) => true,
                (None, _) => false,
            }
        })
    }
}

/// Removes a folder in which nothing is left but markers, when it has not changed for long; tells whether it is still there.
fn remove_if_spent(config: &FileShareConfig, root: &Path, level: &Level) -> bool {
    let path = root.join(&level.relative);
    if !level.is_empty || level.relative.as_os_str().is_empty() || config.remove_empty_after_hours == 0 {
        return true;
    }
    let long = Duration::from_secs(config.remove_empty_after_hours.saturating_mul(3600));
    let old = path.symlink_metadata().and_then(|meta| meta.modified());
    if !old.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age >= long)) {
        return true;
    }
    for marker in &level.markers {
        let _ = std::fs::remove_file(path.join(marker));
    }
    // It only goes when it is empty indeed.
    std::fs::remove_dir(&path).is_err()
}

/// `scan.jpg.ok`, `scan.ok`, `.ok`.
pub(super) fn markers_of(config: &FileShareConfig, relative: &Path) -> Vec<PathBuf> {
    let Some(name) = relative.file_name() else { return Vec::new() };
    let stem = relative.file_stem().unwrap_or(name);
    [name, stem, OsStr::new("")]
        .map(|name| relative.with_file_name(with_ending(Path::new(name), &config.marker)))
        .into()
}

/// The marker that may stand for several files of one stem; it goes when none of them is left.
fn marker_of_stem(config: &FileShareConfig, relative: &Path) -> PathBuf {
    let stem = relative.file_stem().unwrap_or_default();
    relative.with_file_name(with_ending(Path::new(stem), &config.marker))
}

fn is_marker(config: &FileShareConfig, name: &OsStr) -> bool {
    !config.marker.is_empty() && ends_with(name, &config.marker)
}

fn is_ignored(config: &FileShareConfig, name: &OsStr) -> bool {
    let hidden = is_hidden(name) || name.as_encoded_bytes().starts_with(b"~$");
    hidden || config.ignore.iter().any(|ending| ends_with(name, ending))
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

fn ends_with(name: &OsStr, ending: &str) -> bool {
    let ending = ending.to_lowercase();
    !ending.is_empty() && folded(name).ends_with(&ending)
}

fn folded(name: &OsStr) -> String {
    text_of(name).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share() -> (tempfile::TempDir, FileShareConfig) {
        let folder = tempfile::tempdir().unwrap();
        let config = FileShareConfig {
            name: "scans".to_owned(),
            path: folder.path().to_owned(),
            settle_seconds: 0,
            ..FileShareConfig::default()
        };
        (folder, config)
    }

    fn names(scan: &Scan) -> Vec<String> {
        let mut names: Vec<String> = scan.ready.iter().map(|file| file.relative.display().to_string()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_hidden_ignored_linked_or_put_away_is_not_seen() {
        let (folder, config) = share();
        for path in ["done/a", "failed/a", "deep/done/a", ".hidden/a"] {
            std::fs::create_dir_all(folder.path().join(path).parent().unwrap()).unwrap();
            std::fs::write(folder.path().join(path), "x").unwrap();
        }
        for name in ["a.jpg", "b.tmp", ".c", "~$d", "Thumbs.db"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink(folder.path().join("a.jpg"), folder.path().join("link.jpg")).unwrap();
        let scan = Tracker::default().scan(&config, folder.path()).unwrap();
        assert_eq!(names(&scan), ["a.jpg", "deep/done/a"]);
    }

    #[test]
    fn a_file_that_changes_has_not_settled() {
        let (folder, config) = share();
        let config = FileShareConfig { settle_seconds: 3600, ..config };
        let mut tracker = Tracker::default();
        std::fs::write(folder.path().join("a"), "x").unwrap();
        assert!(tracker.scan(&config, folder.path()).unwrap().ready.is_empty());
        assert_eq!(tracker.pending(), 1);
        assert!(!tracker.has_settled(Path::new("a"), &config));
        std::fs::remove_file(folder.path().join("a")).unwrap();
        tracker.scan(&config, folder.path()).unwrap();
        assert_eq!(tracker.pending(), 0, "a file that is gone is forgotten");
    }

    #[test]
    fn memory_is_bounded_and_everything_has_its_turn() {
        let (folder, config) = share();
        let config = FileShareConfig { max_pending: 10, ..config };
        for number in 0..35 {
            std::fs::write(folder.path().join(format!("{number}")), "x").unwrap();
        }
        let (mut tracker, mut taken) = (Tracker::default(), 0);
        for _ in 0..4 {
            let scan = tracker.scan(&config, folder.path()).unwrap();
            assert!(tracker.pending() <= 10);
            for file in scan.ready {
                std::fs::remove_file(folder.path().join(&file.relative)).unwrap();
                tracker.forget(&file.relative, &config);
                taken += 1;
            }
        }
        assert_eq!(taken, 35);
    }

    #[test]
    fn with_markers_only_marked_files_are_taken_and_the_markers_go_with_the_last() {
        let (folder, config) = share();
        let config = FileShareConfig { marker: ".ok".to_owned(), ..config };
        for name in ["a.jpg", "a.pdf", "a.ok", "b.jpg", "c.jpg", "c.jpg.ok"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        let mut tracker = Tracker::default();
        let scan = tracker.scan(&config, folder.path()).unwrap();
        assert_eq!(names(&scan), ["a.jpg", "a.pdf", "c.jpg"]);
        for name in ["a.jpg", "a.pdf"] {
            assert!(folder.path().join("a.ok").is_file());
            std::fs::remove_file(folder.path().join(name)).unwrap();
            tracker.forget(Path::new(name), &config);
            tracker.scan(&config, folder.path()).unwrap();
        }
        assert!(!folder.path().join("a.ok").exists());
    }

    #[test]
    fn files_without_a_marker_keep_no_marked_one_from_being_taken() {
        let (folder, config) = share();
        let config = FileShareConfig { marker: ".ok".to_owned(), max_pending: 2, ..config };
        let put = |name: &str| std::fs::write(folder.path().join(name), "x").unwrap();
        ["a.jpg", "b.jpg", "c.jpg"].iter().for_each(|name| put(name));
        let mut tracker = Tracker::default();
        assert!(tracker.scan(&config, folder.path()).unwrap().ready.is_empty());
        assert_eq!(tracker.pending(), 0);
        ["d.jpg", "d.jpg.ok"].iter().for_each(|name| put(name));
        assert_eq!(names(&tracker.scan(&config, folder.path()).unwrap()), ["d.jpg"]);
    }

    #[test]
    fn the_marker_of_a_stem_stays_for_files_beyond_those_kept_in_mind() {
        let (folder, config) = share();
        let config = FileShareConfig { marker: ".ok".to_owned(), max_pending: 1, ..config };
        for name in ["a.jpg", "a.pdf", "a.ok"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        let (mut tracker, mut taken) = (Tracker::default(), Vec::new());
        for _ in 0..2 {
            for file in tracker.scan(&config, folder.path()).unwrap().ready {
                std::fs::remove_file(folder.path().join(&file.relative)).unwrap();
                tracker.forget(&file.relative, &config);
                taken.push(file.relative);
            }
        }
        tracker.scan(&config, folder.path()).unwrap();
        assert_eq!(taken.len(), 2);
        assert!(!folder.path().join("a.ok").exists());
    }
}
