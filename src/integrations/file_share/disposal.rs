//! Opening and moving files inside the share, and nowhere else.
//!
//! A path is what a walk found, level by level; whoever may write to the share could put a link in its way meanwhile.
//! So each level is looked at again, the file is opened without following a link, and what was opened is asked where it
//! lies. Moving never replaces a file and never moves another content than the one that was read.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Error, ErrorKind};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::SystemTime;

const MOST_NAMESAKES: u32 = 9999;
/// One move at a time in each share, so that two files never find the same name free, and a share that does not answer holds
/// up no other.
static MOVES: LazyLock<Mutex<HashMap<PathBuf, Arc<Mutex<()>>>>> = LazyLock::new(Mutex::default);

/// By what a file is known to be unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) length: u64,
    pub(super) modified: Option<SystemTime>,
}

impl Stamp {
    pub(super) fn of(meta: &Metadata) -> Self {
        Self { length: meta.len(), modified: meta.modified().ok() }
    }
}

/// Opens a regular file below `root`.
pub(super) fn open(root: &Path, relative: &Path) -> io::Result<(File, Stamp)> {
    check_levels(root, relative.parent())?;
    let path = root.join(relative);
    if !path.symlink_metadata()?.is_file() {
        return Err(outside());
    }
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
    }
    let file = options.open(&path)?;
    let meta = file.metadata()?;
    if !meta.is_file() || !lies_below(&file, root)? {
        return Err(outside());
    }
    Ok((file, Stamp::of(&meta)))
}

/// Moves a file whose content is still the one with this stamp to a folder of the share; an empty folder name removes it.
pub(super) fn put_away(root: &Path, folder: &str, relative: &Path, stamp: Stamp) -> io::Result<PathBuf> {
    let moves = Arc::clone(MOVES.lock().unwrap_or_else(PoisonError::into_inner).entry(root.to_owned()).or_default());
    let _turn = moves.lock().unwrap_or_else(PoisonError::into_inner);
    check_levels(root, relative.parent())?;
    let source = root.join(relative);
    let meta = source.symlink_metadata()?;
    if !meta.is_file() || Stamp::of(&meta) != stamp {
        return Err(Error::other("the file has changed since it was read"));
    }
    if folder.is_empty() {
        std::fs::remove_file(&source)?;
        return Ok(PathBuf::new());
    }
    let below = Path::new(folder).join(relative);
    make_levels(root, below.parent())?;
    let target = free_name(&root.join(below))?;
    std::fs::rename(&source, &target)?;
    Ok(target)
}

/// Whether a folder of the share holds a file under this path.
pub(super) fn is_put_away(root: &Path, folder: &str, relative: &Path) -> bool {
    !folder.is_empty() && root.join(folder).join(relative).symlink_metadata().is_ok_and(|meta| meta.is_file())
}

/// Writes why a file could not be kept beside it; whoever sees the text sees all of it.
pub(super) fn write_reason(target: &Path, reason: &str) -> io::Result<()> {
    let path = free_name(&with_ending(target, ".reason.txt"))?;
    let unfinished = with_ending(&path, ".part");
    std::fs::write(&unfinished, format!("{reason}\n"))?;
    std::fs::rename(unfinished, path)
}

/// `name` + `ending`, byte for byte.
pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(ending);
    PathBuf::from(name)
}

/// Every level of folders below the root is a folder, and none a link.
fn check_levels(root: &Path, parent: Option<&Path>) -> io::Result<()> {
    let mut level = root.to_owned();
    for part in parent.unwrap_or(Path::new("")).components() {
        let Component::Normal(name) = part else { return Err(outside()) };
        level.push(name);
        if !level.symlink_metadata()?.is_dir() {
            return Err(outside());
        }
    }
    Ok(())
}

fn make_levels(root: &Path, parent: Option<&Path>) -> io::Result<()> {
    let mut level = root.to_owned();
    for part in parent.unwrap_or(Path::new("")).components() {
        let Component::Normal(name) = part else { return Err(outside()) };
        level.push(name);
        match level.symlink_metadata() {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => return Err(Error::new(ErrorKind::NotADirectory, "a file or a link is where a folder must be")),
            Err(error) if error.kind() == ErrorKind::NotFound => std::fs::create_dir(&level)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn free_name(wanted: &Path) -> io::Result<PathBuf> {
    let is_free = |path: &Path| path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound);
    if is_free(wanted) {
        return Ok(wanted.to_owned());
    }
    let mut others = (2..=MOST_NAMESAKES).map(|number| with_ending(wanted, &format!(".{number}")));
    others.find(|path| is_free(path)).ok_or_else(|| Error::new(ErrorKind::AlreadyExists, "too many files of this name"))
}

/// Asks the system where an open file lies; a system that cannot tell has been asked level by level.
fn lies_below(file: &File, root: &Path) -> io::Result<bool> {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;
        if let Ok(path) = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())) {
            return Ok(path.starts_with(root));
        }
    }
    let _ = (file, root);
    Ok(true)
}

fn outside() -> Error {
    Error::new(ErrorKind::InvalidInput, "is no plain file inside the share")
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn share() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("share");
        std::fs::create_dir(&root).unwrap();
        (folder, root)
    }

    fn stamp_of(path: &Path) -> Stamp {
        Stamp::of(&path.symlink_metadata().unwrap())
    }

    #[test]
    fn links_and_paths_that_lead_out_are_not_opened() {
        let (folder, root) = share();
        std::fs::write(folder.path().join("secret"), "x").unwrap();
        symlink(folder.path().join("secret"), root.join("link")).unwrap();
        symlink(folder.path(), root.join("way")).unwrap();
        for path in ["link", "way/secret", "../secret", "way/share/link"] {
            assert!(open(&root, Path::new(path)).is_err(), "{path}");
        }
        std::fs::write(root.join("plain"), "abc").unwrap();
        assert_eq!(open(&root, Path::new("plain")).unwrap().1.length, 3);
    }

    #[test]
    fn nothing_is_moved_through_a_link_or_over_another_file() {
        let (folder, root) = share();
        std::fs::create_dir(root.join("done")).unwrap();
        symlink(folder.path(), root.join("done/A1")).unwrap();
        std::fs::create_dir(root.join("A1")).unwrap();
        std::fs::write(root.join("A1/a"), "1").unwrap();
        assert!(put_away(&root, "done", Path::new("A1/a"), stamp_of(&root.join("A1/a"))).is_err());
        assert!(root.join("A1/a").is_file() && !folder.path().join("a").exists());

        std::fs::write(root.join("b"), "1").unwrap();
        std::fs::write(root.join("done/b"), "earlier").unwrap();
        let moved = put_away(&root, "done", Path::new("b"), stamp_of(&root.join("b"))).unwrap();
        assert_eq!(moved, root.join("done/b.2"));
        assert_eq!(std::fs::read_to_string(root.join("done/b")).unwrap(), "earlier");
    }

    #[test]
    fn a_content_that_was_not_read_is_not_moved() {
        let (_folder, root) = share();
        std::fs::write(root.join("a"), "1").unwrap();
        let stamp = stamp_of(&root.join("a"));
        std::fs::write(root.join("a"), "12").unwrap();
        assert!(put_away(&root, "done", Path::new("a"), stamp).is_err());
        assert!(root.join("a").is_file());
    }
}
