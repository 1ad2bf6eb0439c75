//! `[[file_share]]`.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::dicom::text::Charset;
use crate::domain::attachment::AttachmentKind;

/// A folder in which others leave files.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FileShareConfig {
    /// Its name in logs, metrics and audit records; unique.
    pub name: String,
    /// The folder; all levels below it are watched.
    pub path: PathBuf,
    /// Code of the organisation that everything in it belongs to.
    pub organization: String,
    /// Character set of DICOM objects that declare none or a wrong one. Default `dicom.default_charset`.
    pub charset: Option<Charset>,
    /// How long a file must not change before it is taken, in seconds. Default 10.
    pub settle_seconds: u64,
    /// Ending of marker files, e.g. `.ok` or `.done`: then a file is taken when `scan.jpg.ok`, `scan.ok` or a file
    /// `.ok` beside it is there and not older than itself. Empty (default): no markers, files have to settle.
    pub marker: String,
    /// Folder below `path` to which stored files are moved. Empty: they are removed. Default `done`.
    pub done: String,
    /// Folder below `path` to which files that cannot be kept are moved, each with a `.reason.txt`. Default `failed`.
    pub failed: String,
    /// Whether the name of the nearest folder is the AccessionNumber of the files in it. Default true.
    pub accession_folder: bool,
    /// Names of folders, or beginnings of names of files, and the kind of attachment that they mean: request_form,
    /// consent, capture, video, ecg, pathology, report, other. Added to the built-in ones (`request`, `申请单`, …).
    pub kinds: BTreeMap<String, String>,
    /// Endings of names that are left alone, e.g. of files that are still being written.
    pub ignore: Vec<String>,
    /// How long a file that names no exam waits for its sidecar, in seconds. Default 300.
    pub sidecar_wait_seconds: u64,
    /// Longest sidecar, in bytes. Default 65536.
    pub max_sidecar_bytes: u64,
    /// Longest DICOM file, in bytes. Default 17179869184 (16 GiB).
    pub max_dicom_bytes: u64,
    /// Longest other file, in bytes. Default 4294967296 (4 GiB).
    pub max_attachment_bytes: u64,
    /// Levels of folders that are looked into. Default 16.
    pub max_depth: usize,
    /// Files that are kept in mind at the same time; more wait where they are. Default 10000.
    pub max_pending: usize,
    /// Files taken at the same time. Default 2.
    pub concurrency: usize,
    /// Attempts to read a file before it is moved to `failed`. Default 3.
    pub max_attempts: u32,
    /// How often the folder is looked at, in milliseconds. Default 5000.
    pub poll_ms: u64,
    /// How long a process that is not heard of keeps the folder from others, in milliseconds. Default 30000.
    pub lease_ms: u64,
    /// Empty folders that have not changed for so long are removed, in hours; 0: never. Default 24.
    pub remove_empty_after_hours: u64,
}

impl Default for FileShareConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            path: PathBuf::new(),
            organization: String::new(),
            charset: None,
            settle_seconds: 10,
            marker: String::new(),
            done: "done".to_owned(),
            failed: "failed".to_owned(),
            accession_folder: true,
            kinds: BTreeMap::new(),
            ignore: [".tmp", ".part", ".partial", ".filepart", ".crdownload", ".swp", "thumbs.db", "desktop.ini"]
                .map(str::to_owned)
                .into(),
            sidecar_wait_seconds: 300,
            max_sidecar_bytes: 64 * 1024,
            max_dicom_bytes: 16 * 1024 * 1024 * 1024,
            max_attachment_bytes: 4 * 1024 * 1024 * 1024,
            max_depth: 16,
            max_pending: 10_000,
            concurrency: 2,
            max_attempts: 3,
            poll_ms: 5_000,
            lease_ms: 30_000,
            remove_empty_after_hours: 24,
        }
    }
}

impl FileShareConfig {
    /// What is wrong with the entry, one sentence each; empty when it is fit for use.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.name.trim().is_empty() {
            faults.push("needs a name".to_owned());
        }
        if !self.path.is_absolute() {
            faults.push("path must be absolute".to_owned());
        }
        for (key, name) in [("done", &self.done), ("failed", &self.failed)] {
            if !name.is_empty() && !is_plain_name(name) {
                faults.push(format!("{key} must be the name of a folder below path"));
            }
        }
        if self.failed.is_empty() || self.failed.eq_ignore_ascii_case(&self.done) {
            faults.push("failed must be a folder of its own".to_owned());
        }
        if !self.marker.is_empty() && (!self.marker.starts_with('.') || self.marker.len() < 2) {
            faults.push("marker must begin with a dot, e.g. `.ok`".to_owned());
        }
        if [".json", ".xml"].contains(&self.marker.to_ascii_lowercase().as_str()) {
            faults.push("marker is the ending of sidecars".to_owned());
        }
        for (word, kind) in &self.kinds {
            if AttachmentKind::parse(kind).is_none() {
                faults.push(format!("kinds: `{word}` means `{kind}`, which is no kind of attachment"));
            }
        }
        if self.max_pending == 0 || self.concurrency == 0 || self.poll_ms == 0 || self.lease_ms < 1000 {
            faults.push("max_pending, concurrency, poll_ms must be 1 at least, lease_ms 1000".to_owned());
        }
        faults
    }
}

fn is_plain_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) && !name.contains(['/', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_outside_of_the_share_are_faults() {
        let fit = FileShareConfig { name: "scans".into(), path: "/mnt/scans".into(), ..FileShareConfig::default() };
        assert_eq!(fit.faults(), Vec::<String>::new());
        for done in ["../out", "/etc", "a/b", "..", "failed"] {
            assert_eq!(FileShareConfig { done: done.into(), ..fit.clone() }.faults().len(), 1, "{done}");
        }
        let unfit = FileShareConfig { kinds: BTreeMap::from([("x".into(), "virus".into())]), ..fit };
        assert_eq!(unfit.faults().len(), 1);
    }
}
