//! Watched folders with the real server: what is taken, what is not, and what a crash leaves (D-I7, D-I14).

mod crash;
mod shares;
mod silent;

use std::path::{Path, PathBuf};
use std::time::Duration;

use yingku::integrations::file_share::FileShareConfig;

use crate::harness::eventually;

/// A share that is looked at all the time.
fn share(path: &Path) -> FileShareConfig {
    FileShareConfig {
        name: "scans".to_owned(),
        path: path.to_owned(),
        organization: "ORG-T01".to_owned(),
        settle_seconds: 0,
        sidecar_wait_seconds: 3,
        poll_ms: 50,
        lease_ms: 1000,
        ..FileShareConfig::default()
    }
}

/// Puts a file into the share at once, as a careful sender does.
fn put(root: &Path, relative: impl AsRef<Path>, bytes: &[u8]) -> PathBuf {
    let path = root.join(relative);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut name = path.file_name().unwrap().to_owned();
    name.push(".tmp");
    let writing = path.with_file_name(name);
    std::fs::write(&writing, bytes).unwrap();
    std::fs::rename(&writing, &path).unwrap();
    path
}

/// Waits until a file is there.
async fn appears(path: &Path) {
    let what = format!("{} appears", path.display());
    eventually(Duration::from_secs(120), &what, || async { path.is_file().then_some(()) }).await;
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found
}
