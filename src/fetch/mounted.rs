//! Report files on shared folders that the operating system has mounted (D-I8).
//!
//! A path is followed name by name inside the mounted folder: links that lead out of it are refused, and names are found in
//! UTF-8, in GBK, and, where the share does not tell them apart, in upper and lower case.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::allow::PathCase;
use super::received::{Fetched, Receiving};
use super::{Error, ShareFault};

/// Names that are looked through in one folder for another spelling.
const MOST_NAMES: usize = 200_000;

/// One `[[reports.mount]]`: where a share is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// The share or drive as it is registered, e.g. `\\srv\rpt`, `R:\` or `file:///srv/rpt`; a folder below it is possible.
    pub share: String,
    /// The folder in which it is mounted here.
    pub folder: PathBuf,
    /// Whether upper and lower case differ in names: `insensitive` (as Windows does) or `sensitive` (default).
    #[serde(default)]
    pub path_case: PathCase,
}

/// A file below a mount: the names that lead to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mounted {
    pub(super) mount: Mount,
    pub(super) names: Vec<String>,
    pub(super) host: String,
}

/// Reads a file. The caller runs it on a blocking thread.
pub(super) fn read(file: &Mounted, max_bytes: usize) -> Result<Fetched, Error> {
    let fault = |fault| Error::Share { host: file.host.clone(), fault };
    let of_io = |error: std::io::Error| fault(ShareFault::of(error.kind()));
    let path = find(&file.mount.folder, &file.names, file.mount.path_case).map_err(of_io)?;
    let root = file.mount.folder.canonicalize().map_err(of_io)?;
    let path = path.canonicalize().map_err(of_io)?;
    if !path.starts_with(&root) {
        return Err(Error::NotAllowed(file.host.clone()));
    }
    // Anything but a file may block for ever when it is opened.
    if !path.metadata().map_err(of_io)?.is_file() {
        return Err(fault(ShareFault::NoFile));
    }
    let mut open = File::open(&path).map_err(of_io)?;
    let before = open.metadata().map_err(of_io)?;
    let mut received = Receiving::new(&file.host, max_bytes, before.len())?;
    let mut chunk = vec![0; 256 * 1024];
    loop {
        match open.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => received.take(&chunk[..length])?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(of_io(error)),
        }
    }
    let after = open.metadata().map_err(of_io)?;
    if after.len() != received.length() || after.modified().ok() != before.modified().ok() {
        return Err(fault(ShareFault::Changing));
    }
    received.finish()
}

fn find(folder: &Path, names: &[String], case: PathCase) -> std::io::Result<PathBuf> {
    let mut at = folder.to_owned();
    for name in names {
        at = child(&at, name, case)?;
    }
    Ok(at)
}

fn child(folder: &Path, name: &str, case: PathCase) -> std::io::Result<PathBuf> {
    let exact = folder.join(name);
    match exact.symlink_metadata() {
        Ok(_) => return Ok(exact),
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Err(_) => {}
    }
    if let Some(other) = gbk_name(name).map(|name| folder.join(name))
        && other.symlink_metadata().is_ok()
    {
        return Ok(other);
    }
    if case == PathCase::Insensitive {
        let wanted = name.to_lowercase();
        for entry in folder.read_dir()?.take(MOST_NAMES) {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(|found| found.to_lowercase() == wanted) {
                return Ok(entry.path());
            }
        }
    }
    Err(ErrorKind::NotFound.into())
}

/// The name's bytes in GBK, as mounts show them that do not translate names.
#[cfg(unix)]
fn gbk_name(name: &str) -> Option<std::ffi::OsString> {
    use std::os::unix::ffi::OsStringExt;
    if name.is_ascii() {
        return None;
    }
    let (bytes, _, failed) = encoding_rs::GBK.encode(name);
    (!failed).then(|| std::ffi::OsString::from_vec(bytes.into_owned()))
}

#[cfg(not(unix))]
fn gbk_name(_name: &str) -> Option<std::ffi::OsString> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn names_are_found_in_gbk_and_in_other_case_but_never_outside() {
        use std::os::unix::ffi::OsStringExt;
        let folder = tempfile::tempdir().unwrap();
        let gbk = std::ffi::OsString::from_vec(encoding_rs::GBK.encode("报告.pdf").0.into_owned());
        std::fs::write(folder.path().join(gbk), "%PDF-1.4 gbk").unwrap();
        std::fs::write(folder.path().join("Report.PDF"), "%PDF-1.4 case").unwrap();
        std::fs::create_dir(folder.path().join("dir.pdf")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", folder.path().join("out.pdf")).unwrap();
        let mount = Mount {
            share: r"\\srv\rpt".to_owned(),
            folder: folder.path().to_owned(),
            path_case: PathCase::Insensitive,
        };
        let read = |name: &str| {
            let names = vec![name.to_owned()];
            read(&Mounted { mount: mount.clone(), names, host: "srv".to_owned() }, 1024)
        };
        assert_eq!(read("报告.pdf").unwrap().bytes, "%PDF-1.4 gbk");
        assert_eq!(read("REPORT.pdf").unwrap().bytes, "%PDF-1.4 case");
        assert!(matches!(read("out.pdf"), Err(Error::NotAllowed(_))));
        assert!(matches!(read("dir.pdf"), Err(Error::Share { fault: ShareFault::NoFile, .. })));
        let missing = read("missing.pdf").unwrap_err();
        assert!(matches!(missing, Error::Share { fault: ShareFault::Missing, .. }) && missing.is_retryable());
    }
}
