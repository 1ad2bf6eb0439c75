//! The disk, as fast as it is or with time added to each sync.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What a sync costs beyond what this disk takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlowSync {
    /// Nothing.
    None,
    /// Ten milliseconds; several may wait at the same time (a volume on a network).
    Parallel,
    /// Ten milliseconds, one after another (one turning disk).
    OneAtATime,
}

impl std::fmt::Display for SlowSync {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            SlowSync::None => "as it is",
            SlowSync::Parallel => "+10 ms",
            SlowSync::OneAtATime => "+10 ms, one at a time",
        })
    }
}

/// Every sync of a run goes through here.
#[derive(Debug, Clone)]
pub struct Disk {
    slow: SlowSync,
    arm: Arc<Mutex<()>>,
}

impl Disk {
    pub fn new(slow: SlowSync) -> Self {
        Self { slow, arm: Arc::default() }
    }

    pub fn sync_file(&self, file: &File) {
        file.sync_all().expect("sync");
        self.wait();
    }

    pub fn sync_data(&self, file: &File) {
        file.sync_data().expect("sync of data");
        self.wait();
    }

    pub fn sync_folder(&self, folder: &Path) {
        File::open(folder).and_then(|folder| folder.sync_all()).expect("sync of the folder");
        self.wait();
    }

    fn wait(&self) {
        let added = Duration::from_millis(10);
        match self.slow {
            SlowSync::None => {}
            SlowSync::Parallel => std::thread::sleep(added),
            SlowSync::OneAtATime => {
                let _arm = self.arm.lock().expect("the arm");
                std::thread::sleep(added);
            }
        }
    }
}

/// User and system time of this process.
pub fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<f64> = after_name.split_whitespace().filter_map(|field| field.parse().ok()).collect();
    // Fields 14 and 15 of the line; the state, third, is a letter and is not among the numbers. 100 ticks a second.
    (fields[10] + fields[11]) / 100.0
}

/// Lets the removal of the last run's files reach the disk, so that the next run does not pay for it.
pub fn settle() {
    let _ = Command::new("sync").status();
}

/// Empties the page cache; needs root.
pub fn forget_cache() -> bool {
    settle();
    std::fs::write("/proc/sys/vm/drop_caches", "3").is_ok()
}

/// How long tar takes to read a folder; what it writes is thrown away, as fast as it comes.
pub fn back_up(folder: &Path) -> Duration {
    let began = Instant::now();
    // Through a pipe: into /dev/null it would read nothing.
    let tar = Command::new("tar").arg("-C").arg(folder).args(["-cf", "-", "."]).stdout(Stdio::piped()).spawn();
    let mut tar = tar.expect("tar runs");
    let mut archive = tar.stdout.take().expect("it is a pipe");
    std::io::copy(&mut archive, &mut std::io::sink()).expect("the archive can be read");
    assert!(tar.wait().expect("it is a child").success(), "tar has failed");
    began.elapsed()
}

/// What files take on the disk, in megabytes.
pub fn room_mb(paths: &[PathBuf]) -> f64 {
    let blocks: u64 = paths.iter().map(|path| std::fs::metadata(path).expect("it is there").blocks()).sum();
    (blocks * 512) as f64 / 1e6
}
