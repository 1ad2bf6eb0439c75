//! A disk that cannot read a part of one object: every walk over all objects tells it and comes to its end.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bytes::Bytes;
use futures_util::TryStreamExt;
use yingku::domain::place::Place;
use yingku::objects::{Kind, Objects, ObjectsConfig};

use super::{CONFIGURATION, text, yingku};
use crate::archive::sender::send_all;
use crate::harness::{
    Limit, Package, ServerProcess, TestStore, base_toml, count_rows, run, small_instance, texts, tool,
};

const LARGE: usize = 6 * 1024 * 1024;

/// What gives EIO.
struct Bad {
    library: PathBuf,
    file: String,
    from: u64,
    to: u64,
}

impl Bad {
    fn run(&self, server: &ServerProcess, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_yingku"));
        self.output_of(command.args(arguments).args(["--config", "yingku.toml"]).current_dir(server.folder()))
    }

    fn output_of(&self, command: &mut Command) -> Output {
        command.env("LD_PRELOAD", &self.library).env("YINGKU_TEST_BAD", &self.file);
        command.env("YINGKU_TEST_BAD_FROM", self.from.to_string()).env("YINGKU_TEST_BAD_TO", self.to.to_string());
        let output = command.output().unwrap();
        assert_eq!(output.status.signal(), None, "{}", text(&output));
        output
    }
}

fn library(folder: &Path) -> PathBuf {
    let library = folder.join("unreadable.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/cli/unreadable.c");
    let mut compile = Command::new(tool("cc", Package::Debian("gcc")));
    run(compile.args(["-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(source).arg("-ldl"));
    library
}

/// A stopped server with four small instances in a segment and two large ones in files of their own, and the library.
async fn filled(folder: &Path) -> (ServerProcess, PathBuf) {
    let mut server = ServerProcess::start().await;
    let paths: Vec<PathBuf> = (0..6)
        .map(|number| {
            let path = folder.join(format!("{number}.dcm"));
            small_instance(number, if number < 4 { 20_000 } else { LARGE }).write_to(&path);
            path
        })
        .collect();
    assert!(send_all(server.dicom(), &paths).iter().all(|answer| answer.is_acknowledged()));
    assert!(server.terminate().await.success());
    let library = library(folder);
    (server, library)
}

/// Key, offset and length of an object: the one at this place among the large or the small ones.
async fn place(server: &ServerProcess, is_large: bool, at: usize) -> (String, u64, u64) {
    let sql = "SELECT object_key || ' ' || object_offset || ' ' || object_length AS t FROM instance \
               ORDER BY object_key, object_offset";
    let found = texts(&server.database(), sql).await;
    let read = |text: &String| {
        let mut words = text.split(' ');
        let key = words.next().unwrap().to_owned();
        let mut number = || words.next().unwrap().parse::<u64>().unwrap();
        (key, number(), number())
    };
    found.iter().map(read).filter(|(_, _, length)| (*length > 1_000_000) == is_large).nth(at).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_object_that_cannot_be_read_hides_none_of_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let (server, library) = filled(folder.path()).await;
    for (is_large, at) in [(true, 0), (false, 1)] {
        let (file, offset, length) = place(&server, is_large, at).await;
        let bad = Bad {
            library: library.clone(),
            file: file.clone(),
            from: offset + length / 2,
            to: offset + length / 2 + 100,
        };

        let verified = bad.run(&server, &["verify"]);
        let told = text(&verified);
        assert!(told.contains(&format!("({file}): object cannot be read")), "{told}");
        assert!(told.contains("6 object(s)") && told.contains("1 fault(s)"), "{told}");
        assert!(!verified.status.success());

        let scrubbed = text(&bad.run(&server, &["scrub"]));
        assert!(scrubbed.contains(&format!("{file} at {offset}): unreadable")), "{scrubbed}");

        // The database is lost: all others come back from storage.
        let database = server.folder().join("yingku.db");
        let kept = folder.path().join("kept.db");
        std::fs::rename(&database, &kept).unwrap();
        for beside in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(server.folder().join(format!("yingku.db{beside}")));
        }
        let again = bad.run(&server, &["reindex"]);
        let told = text(&again);
        assert!(told.contains("5 indexed"), "{told}");
        assert_eq!(count_rows(&server.database(), "SELECT COUNT(*) AS n FROM instance").await, 5);
        // Without the fault the last one comes too.
        let whole = server.command(&["reindex"]);
        let told = text(&whole);
        assert!(told.contains("1 indexed") && told.contains("5 known"), "{told}");
        std::fs::rename(&kept, &database).unwrap();
        for beside in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(server.folder().join(format!("yingku.db{beside}")));
        }
        assert!(server.command(&["verify"]).status.success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_starts_over_a_segment_that_a_crash_left_open_and_the_disk_cannot_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = ServerProcess::start().await;
    let paths: Vec<PathBuf> = (0..4)
        .map(|number| {
            let path = folder.path().join(format!("{number}.dcm"));
            small_instance(number, 20_000).write_to(&path);
            path
        })
        .collect();
    assert!(send_all(server.dicom(), &paths).iter().all(|answer| answer.is_acknowledged()));
    let (file, offset, _) = place(&server, false, 1).await;
    server.kill();
    let bad = Bad { library: library(folder.path()), file, from: offset + 100, to: offset + 200 };

    // Any command opens the store as the server does.
    let told = bad.run(&server, &["verify"]);
    assert!(text(&told).contains("4 object(s)"), "{}", text(&told));

    // When the disk gives it back, nothing was cut off.
    server.start_again(Limit::None).await;
    assert!(server.terminate().await.success());
    let whole = server.command(&["verify"]);
    assert!(whole.status.success() && text(&whole).contains("4 object(s)"), "{}", text(&whole));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_cannot_be_read_takes_no_other_along() {
    let folder = tempfile::tempdir().unwrap();
    let (server, library) = filled(folder.path()).await;
    let dead = [place(&server, false, 0).await, place(&server, false, 1).await];
    let dead = dead.map(|(key, offset, length)| Place { key, offset, length });
    let url = format!("file://{}/objects", server.folder().display());
    let objects = Objects::open(&ObjectsConfig { url, ..ObjectsConfig::default() }).unwrap();
    let nowhere = |name: &str| Place { key: format!("segment/{name}.tar"), offset: 512, length: 1 };
    // A long name makes the records an odd number of units behind it, so that one lies across two blocks of the disk.
    let deletions = [
        nowhere(&"n".repeat(600)),
        dead[0].clone(),
        nowhere("before"),
        nowhere("bad"),
        nowhere("in-the-same-block-1"),
        nowhere("in-the-same-block-2"),
        nowhere("in-the-same-block-3"),
        nowhere("in-the-same-block-4"),
        dead[1].clone(),
    ];
    for deletion in &deletions {
        objects.forget(deletion).await.unwrap();
    }
    objects.close().await;
    let mut bad = None;
    for listed in objects.list().try_collect::<Vec<_>>().await.unwrap() {
        if Objects::is_segment(&listed.key) {
            let records = objects.segment_outline(&listed.key).await.unwrap().records;
            bad = bad.or((records.len() == deletions.len()).then(|| (listed.key, records[3].offset)));
        }
    }
    drop(objects);
    let (file, from) = bad.expect("all deletions are in one segment");
    assert_eq!(from % 4096, 0, "its head can be read");
    let bad = Bad { library, file, from, to: from + 100 };

    // The database is lost: of what was deleted storage alone knows.
    for name in ["yingku.db", "yingku.db-wal", "yingku.db-shm"] {
        let _ = std::fs::remove_file(server.folder().join(name));
    }
    let told = text(&bad.run(&server, &["reindex"]));

    assert!(told.contains(" 4 indexed") && told.contains(" 2 deleted"), "{told}");
    assert_eq!(count_rows(&server.database(), "SELECT COUNT(*) AS n FROM instance").await, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segment_that_cannot_be_read_keeps_no_other_out_of_the_bucket() {
    let (store, folder) = (TestStore::s3_with_journal(), tempfile::tempdir().unwrap());
    let objects = store.open();
    let mut places = Vec::new();
    for byte in 1..=3_u8 {
        places.push(objects.put(Kind::Instance, Bytes::from(vec![byte; 200_000])).await.unwrap());
        objects.close().await;
    }
    drop(objects);
    places.sort_by(|a, b| a.key.cmp(&b.key));
    let (oldest, others) = places.split_first().unwrap();
    let config = store.config();
    let any = "127.0.0.1:0".parse().unwrap();
    let database = format!("sqlite://{}/yingku.db", folder.path().display());
    std::fs::write(folder.path().join(CONFIGURATION), base_toml(any, any, &database, &config.url)).unwrap();
    let ship = || {
        let mut command = yingku(folder.path(), &["ship"]);
        command.env("YINGKU__OBJECTS__ENDPOINT", &config.endpoint);
        command.env("YINGKU__OBJECTS__ACCESS_KEY_ID", &config.access_key_id);
        command.env("YINGKU__OBJECTS__SECRET_ACCESS_KEY", &config.secret_access_key);
        command.env("YINGKU__OBJECTS__JOURNAL", config.journal.as_ref().unwrap());
        command
    };
    let bucket = Objects::open(&ObjectsConfig { journal: None, ..store.config() }).unwrap();
    let from = oldest.offset + oldest.length / 2;
    let bad = Bad { library: library(folder.path()), file: oldest.key.clone(), from, to: from + 100 };

    let shipped = bad.output_of(&mut ship());

    assert!(!shipped.status.success(), "who asked is told: {}", text(&shipped));
    for place in others {
        assert_eq!(bucket.read(place).await.unwrap().len() as u64, place.length, "it came, behind the bad one");
    }
    assert_eq!(bucket.length(&oldest.key).await.unwrap(), None);
    // The disk gives it back, and it comes too.
    run(&mut ship());
    assert_eq!(bucket.read(oldest).await.unwrap(), vec![1; 200_000]);
}
