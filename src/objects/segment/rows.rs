//! Segments whose objects may lack their rows: they are what a lost tail of the database's log is made again from (ADR 3).
//!
//! Who appends an object and lets its rows wait for a sync claims the segment. While there are claims the segment keeps a
//! mark, first the one of an open segment, then one in `segment-rows/`. Marks that a crash has left are found by
//! [`marked`]; a claim that is dropped rather than settled leaves its mark too.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::objects::folder::Folder;

/// Where the marks of sealed segments are.
pub(super) const ROWS: &str = "segment-rows";

/// Ends the text of a mark whose segment may be claimed.
const CLAIMABLE: &str = "\nrows";

/// The mark of one segment.
#[derive(Debug)]
pub(super) struct RowsMark {
    claimable: bool,
    /// Where it goes when the segment is sealed.
    sealed_path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sealed: bool,
    claims: u64,
}

/// An object whose rows are not on the disk yet.
#[derive(Debug)]
pub struct RowsPending {
    mark: Arc<RowsMark>,
}

impl RowsPending {
    /// The rows are on the disk, or nobody waits for them.
    pub fn settle(self) {
        let mut state = self.mark.lock();
        state.claims -= 1;
        if state.claims == 0 && state.sealed {
            // If it cannot be removed, the next start looks into the segment for nothing.
            let _ = std::fs::remove_file(&self.mark.sealed_path);
        }
    }
}

impl RowsMark {
    /// Of a segment that is being made. Its mark is that of an open segment for now.
    pub(super) fn of(folder: &Folder, id: &str, claimable: bool) -> io::Result<Arc<Self>> {
        let sealed_path = folder.path(&format!("{ROWS}/{id}"));
        if claimable {
            folder.ensure(&folder.path(ROWS))?;
        }
        Ok(Arc::new(Self { claimable, sealed_path, state: Mutex::default() }))
    }

    /// What the mark of the open segment says.
    pub(super) fn text(&self, key: &str) -> String {
        format!("{key}{}", if self.claimable { CLAIMABLE } else { "" })
    }

    /// Claims an object's rows, where that is possible.
    pub(super) fn claim(self: &Arc<Self>) -> Option<RowsPending> {
        if !self.claimable {
            return None;
        }
        self.lock().claims += 1;
        Some(RowsPending { mark: Arc::clone(self) })
    }

    /// The segment takes no more: the mark goes where claims are kept, or away.
    pub(super) fn seal(&self, open_mark: &Path) -> io::Result<()> {
        let mut state = self.lock();
        match state.claims {
            0 => std::fs::remove_file(open_mark)?,
            _ => std::fs::rename(open_mark, &self.sealed_path)?,
        }
        state.sealed = true;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key in a mark, and whether the segment may have been claimed.
pub(super) fn read_mark(text: &str) -> (&str, bool) {
    text.strip_suffix(CLAIMABLE).map_or((text, false), |key| (key, true))
}

/// The same as [`RowsMark::seal`] for a segment that a crash left open.
pub(super) fn seal_left(folder: &Folder, id: &str, open_mark: &Path, claimable: bool) -> io::Result<()> {
    if !claimable {
        return std::fs::remove_file(open_mark);
    }
    folder.ensure(&folder.path(ROWS))?;
    std::fs::rename(open_mark, folder.path(&format!("{ROWS}/{id}")))
}

/// Keys of the sealed segments that have a mark, the oldest first. Blocks.
pub(in super::super) fn marked(folder: &Folder) -> io::Result<Vec<String>> {
    let marks = match std::fs::read_dir(folder.path(ROWS)) {
        Ok(marks) => marks,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut keys = Vec::new();
    for mark in marks {
        let path = mark?.path();
        match std::fs::read_to_string(&path) {
            Ok(text) if super::is_segment(read_mark(&text).0) => keys.push(read_mark(&text).0.to_owned()),
            Ok(_) => tracing::warn!(mark = %path.display(), "the mark of a segment cannot be read"),
            // Settled by its writer.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    keys.sort();
    Ok(keys)
}

/// Whether a sealed segment has a mark.
pub(in super::super) fn is_marked(folder: &Folder, key: &str) -> bool {
    folder.path(&format!("{ROWS}/{}", super::id_of(key))).exists()
}

/// Takes the mark of a segment away. Blocks.
pub(in super::super) fn unmark(folder: &Folder, key: &str) -> io::Result<()> {
    match std::fs::remove_file(folder.path(&format!("{ROWS}/{}", super::id_of(key)))) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "segment/2026/11/21/08/019a0000-0000-7000-8000-000000000001.tar";

    fn open(folder: &Folder, claimable: bool) -> (Arc<RowsMark>, PathBuf) {
        let id = super::super::id_of(KEY);
        let mark = RowsMark::of(folder, id, claimable).unwrap();
        let path = folder.path("open");
        std::fs::write(&path, mark.text(KEY)).unwrap();
        (mark, path)
    }

    #[test]
    fn a_sealed_segment_is_marked_until_its_last_claim_is_settled() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path().to_owned());
        let (mark, path) = open(&folder, true);
        let (first, second) = (mark.claim().unwrap(), mark.claim().unwrap());
        first.settle();
        assert_eq!(marked(&folder).unwrap(), [""; 0], "an open one has the mark of an open one");

        mark.seal(&path).unwrap();

        assert_eq!((marked(&folder).unwrap(), path.exists()), (vec![KEY.to_owned()], false));
        second.settle();
        assert_eq!(marked(&folder).unwrap(), [""; 0]);
    }

    #[test]
    fn a_segment_without_claims_loses_its_mark_when_it_is_sealed() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path().to_owned());
        let (mark, path) = open(&folder, true);
        mark.claim().unwrap().settle();
        mark.seal(&path).unwrap();
        assert_eq!((marked(&folder).unwrap(), path.exists()), (Vec::new(), false));
        let (mark, path) = open(&folder, false);
        assert!(mark.claim().is_none());
        assert_eq!(read_mark(&std::fs::read_to_string(&path).unwrap()), (KEY, false));
    }

    #[test]
    fn a_claim_that_is_dropped_leaves_the_mark() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path().to_owned());
        let (mark, path) = open(&folder, true);
        let kept = mark.claim().unwrap();
        drop(mark.claim());
        mark.seal(&path).unwrap();
        kept.settle();
        assert!(is_marked(&folder, KEY));
        unmark(&folder, KEY).unwrap();
        unmark(&folder, KEY).unwrap();
        assert!(!is_marked(&folder, KEY));
    }
}
