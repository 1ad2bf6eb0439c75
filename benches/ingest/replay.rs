//! How soon the program is ready after an end that was not asked for, with as much unsynced as its settings let wait.
//!
//! An archive is filled to these bounds and killed. That alone loses nothing, because the system keeps what was written; a
//! loss of power is made by giving the database back as it was before. The start then makes all rows again from the segment
//! that was open. Rows are counted in the database itself, before that start and after it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use yingku::index::{DatabaseConfig, Index};

use super::load::measure_number;
use super::objects::{ObjectKind, Template};
use super::processes::{free_port, fresh};
use super::servers::{self, Server};

const ASSOCIATIONS: u64 = 8;
/// Ready within so many seconds after a crash.
const CRASH_AIM: f64 = 5.0;
/// The same after a stop.
const STOP_AIM: f64 = 1.0;
/// Nothing is synced for its age alone, so that the other two bounds are reached.
const NEVER_MS: u64 = 3_600_000;
/// One segment holds all that a crash leaves unsynced: it is open then, and everything in it is looked at.
const SEGMENT_BYTES: u64 = 512 * 1024 * 1024;

/// What an end leaves of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The process was killed.
    Killed,
    /// The power was gone.
    PowerLoss,
}

/// Fills, crashes and starts for each bound and both ends, then starts after a stop.
pub async fn replay(folder: &Path) {
    let archive = Archive::new(&folder.join("replay"));
    // The first start makes the database.
    archive.start().0.stop();
    println!(
        "{:<28} {:>10} {:>8} {:>12} {:>9} {:>9}",
        "ready after", "instances", "MB", "rows again", "seconds", "aim"
    );
    let bounds = DatabaseConfig::default();
    let by_bytes = bounds.unsynced_bytes / size(ObjectKind::Ct);
    for (kind, count) in [(ObjectKind::Small, bounds.unsynced_instances as u64), (ObjectKind::Ct, by_bytes)] {
        let count = count / ASSOCIATIONS * ASSOCIATIONS;
        for end in [End::Killed, End::PowerLoss] {
            archive.crash(end, kind, count).await;
        }
    }
    let (server, ready) = archive.start();
    server.stop();
    line("a stop", (archive.instances().await, 0, 0), ready, STOP_AIM);
}

fn size(kind: ObjectKind) -> u64 {
    Template::new(kind, 0, 0, 0).next(0, 0, 1).len() as u64
}

fn line(what: &str, (instances, bytes, made): (u64, u64, u64), ready: Duration, aim: f64) {
    let (seconds, megabytes) = (ready.as_secs_f64(), bytes as f64 / 1e6);
    let verdict = if seconds <= aim { format!("≤ {aim}") } else { format!("> {aim} !") };
    println!("{what:<28} {instances:>10} {megabytes:>8.1} {made:>12} {seconds:>9.2} {verdict:>9}");
}

/// One archive, stopped whenever nothing below says otherwise.
struct Archive {
    folder: PathBuf,
    config: PathBuf,
    dicom: u16,
    http: u16,
}

impl Archive {
    fn new(folder: &Path) -> Self {
        let folder = fresh(folder);
        let (dicom, http) = (free_port(), free_port());
        let database = format!("url = \"sqlite://{}/yingku.db\"\nunsynced_ms = {NEVER_MS}", folder.display());
        let objects = format!("segment_bytes = {SEGMENT_BYTES}");
        let config = servers::configure(&folder, (dicom, http), &database, &objects);
        Self { folder, config, dicom, http }
    }

    /// Fills it, ends it so, and prints how the next start was; it must have all that was acknowledged.
    async fn crash(&self, end: End, kind: ObjectKind, count: u64) {
        let before = self.instances().await;
        assert!(!self.log().exists(), "a stop has written the database's log to where it belongs");
        let kept = self.copy_database("before");
        let server = self.start().0;
        let sent = measure_number(&server, kind, ASSOCIATIONS as usize, count).await;
        assert_eq!((sent.stored, sent.failed), (count, 0), "all are acknowledged");
        drop(server);
        if end == End::PowerLoss {
            for ending in ["-wal", "-shm"] {
                let _ = std::fs::remove_file(self.folder.join(format!("yingku.db{ending}")));
            }
            std::fs::copy(kept, self.folder.join("yingku.db")).expect("the database is given back");
        }
        // In a copy, so that the start finds the log as the end has left it.
        let left = instances_in(&self.copy_database("left")).await;
        let (server, ready) = self.start();
        server.stop();
        let after = self.instances().await;
        assert_eq!(after, before + count, "what was acknowledged is there");
        let how = if end == End::Killed { "killed" } else { "loss of power" };
        line(&format!("{how}, {}", kind.name()), (count, sent.bytes, after - left), ready, CRASH_AIM);
    }

    /// Starts it on what is there, and tells how long it took until it was ready.
    fn start(&self) -> (Server, Duration) {
        let began = Instant::now();
        let server = servers::yingku("yingku", &self.config, self.dicom, None);
        while !self.is_ready() {
            assert!(began.elapsed() < Duration::from_secs(60), "yingku is not ready");
            std::thread::sleep(Duration::from_millis(2));
        }
        (server, began.elapsed())
    }

    fn is_ready(&self) -> bool {
        let Ok(mut connection) = TcpStream::connect(("127.0.0.1", self.http)) else { return false };
        let mut answer = Vec::new();
        let asked = connection.write_all(b"GET /readyz HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n");
        asked.is_ok() && connection.read_to_end(&mut answer).is_ok() && answer.starts_with(b"HTTP/1.1 200")
    }

    async fn instances(&self) -> u64 {
        instances_in(&self.folder.join("yingku.db")).await
    }

    fn log(&self) -> PathBuf {
        self.folder.join("yingku.db-wal")
    }

    /// Copies the database, with its log if there is one, into a folder of its own; gives the copy's file.
    fn copy_database(&self, name: &str) -> PathBuf {
        let copy = fresh(&self.folder.join(name)).join("yingku.db");
        std::fs::copy(self.folder.join("yingku.db"), &copy).expect("the database can be copied");
        if self.log().is_file() {
            std::fs::copy(self.log(), copy.with_file_name("yingku.db-wal")).expect("its log can be copied");
        }
        copy
    }
}

async fn instances_in(database: &Path) -> u64 {
    let config = DatabaseConfig { url: format!("sqlite://{}", database.display()), ..DatabaseConfig::default() };
    let index = Index::open(&config).await.expect("the database can be opened");
    let counted = index.query_opt("SELECT COUNT(*) AS instances FROM instance", Vec::new()).await;
    let row = counted.expect("it answers").expect("a count is one row");
    let instances = row.int("instances").expect("a number");
    index.close().await;
    u64::try_from(instances).expect("not negative")
}
