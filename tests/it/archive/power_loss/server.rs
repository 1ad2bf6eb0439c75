//! The server itself, killed while images come in, with its log cut to what the system calls say was synced.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use crate::archive::sender::{Answer, Sender, send_all};
use crate::harness::{Limit, Package, ServerProcess, data_set_of, run, small_instance, tool};

const ROUNDS: usize = 4;
const SENDERS: usize = 4;
const FILES_IN_A_ROUND: usize = 80;
const KILL_AFTER: usize = 40;

/// Compiles the library that notes syncs.
fn note_syncs(folder: &Path) -> PathBuf {
    let library = folder.join("note_syncs.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/archive/power_loss/note_syncs.c");
    let mut command = Command::new(tool("cc", Package::Debian("gcc")));
    run(command.args(["-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(source).arg("-ldl"));
    library
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledged_instance_survives_the_loss_of_all_that_was_not_synced() {
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().join("synced");
    let library = note_syncs(folder.path());
    let environment = [("LD_PRELOAD", library.as_path()), ("YINGKU_TEST_SYNCS", notes.as_path())];
    let mut server = ServerProcess::start_with_environment("", &environment).await;
    let mut acknowledged: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut lost = 0;

    for round in 0..ROUNDS {
        let mut paths = Vec::new();
        for i in 0..FILES_IN_A_ROUND {
            let number = round * FILES_IN_A_ROUND + i;
            let path = folder.path().join(format!("{number}.dcm"));
            small_instance(number as u32, if i % 7 == 6 { 300_000 } else { 2048 }).write_to(&path);
            paths.push(path);
        }
        let (answers, answered) = mpsc::channel::<Answer>();
        let chunks = paths.chunks(FILES_IN_A_ROUND / SENDERS);
        let senders: Vec<Sender> = chunks.map(|part| Sender::start(server.dicom(), part, answers.clone())).collect();
        drop(answers);
        let mut in_this_round = Vec::new();
        while in_this_round.iter().filter(|a: &&Answer| a.is_acknowledged()).count() < KILL_AFTER {
            in_this_round.push(answered.recv_timeout(Duration::from_secs(120)).expect("the senders make progress"));
        }
        server.kill();
        senders.into_iter().for_each(Sender::wait);
        in_this_round.extend(answered.iter());
        let done = in_this_round.into_iter().filter(Answer::is_acknowledged);
        acknowledged.extend(done.map(|answer| (answer.sop_instance_uid, answer.path)));

        lost += lose_what_was_not_synced(&server, &notes);
        server.start_again(Limit::None).await;
        let stored = server.stored().await;
        for (uid, path) in &acknowledged {
            let sent = std::fs::read(path).unwrap();
            let kept = stored.data_set(uid);
            assert!(kept.as_deref() == Some(data_set_of(&sent)), "round {round}: {uid} was acknowledged");
        }
    }

    assert!(lost > 0, "every commit had been synced, nothing was proved");
    assert!(server.terminate().await.success(), "a stop that was asked for is no failure");
    let verify = server.command(&["verify"]);
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stdout));
    let marks = std::fs::read_dir(server.folder().join("objects/segment-rows")).map_or(0, Iterator::count);
    assert_eq!(marks, 0, "an orderly end has synced all rows");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_depends_on_a_log_whose_sync_has_failed() {
    let folder = tempfile::tempdir().unwrap();
    let (notes, fail, library) = (folder.path().join("synced"), folder.path().join("fail"), note_syncs(folder.path()));
    let environment = [
        ("LD_PRELOAD", library.as_path()),
        ("YINGKU_TEST_SYNCS", notes.as_path()),
        ("YINGKU_TEST_FAIL", fail.as_path()),
        ("YINGKU__DATABASE__UNSYNCED_MS", Path::new("3600000")),
    ];
    let mut server = ServerProcess::start_with_environment("", &environment).await;
    let file = |number: u32, bytes: usize| {
        let path = folder.path().join(format!("{number}.dcm"));
        small_instance(number, bytes).write_to(&path);
        path
    };
    let early: Vec<PathBuf> = (0..10).map(|number| file(number, 2048)).collect();
    assert!(send_all(server.dicom(), &early).iter().all(Answer::is_acknowledged));

    std::fs::write(&fail, "").unwrap();
    // Larger than a segment takes: its rows have to be synced.
    let large = [file(100, 6 * 1024 * 1024)];
    assert!(!send_all(server.dicom(), &large).iter().any(Answer::is_acknowledged), "its sync has failed");
    std::fs::remove_file(&fail).unwrap();
    let late: Vec<PathBuf> = (200..210).map(|number| file(number, 2048)).chain(large).collect();
    assert!(send_all(server.dicom(), &late).iter().all(Answer::is_acknowledged));

    server.kill();
    lose_what_was_not_synced(&server, &notes);
    server.start_again(Limit::None).await;
    let stored = server.stored().await;
    for path in early.iter().chain(&late) {
        let sent = std::fs::read(path).unwrap();
        let uid = yingku::dicom::part10::read_meta(&sent).unwrap().media_storage_sop_instance_uid;
        assert!(stored.data_set(&uid).as_deref() == Some(data_set_of(&sent)), "{uid} was acknowledged");
    }
    assert!(server.terminate().await.success(), "a stop that was asked for is no failure");
}

/// Cuts the log to what was synced at last; gives how many bytes went.
fn lose_what_was_not_synced(server: &ServerProcess, notes: &Path) -> u64 {
    let log = server.folder().join("yingku.db-wal");
    let file = std::fs::File::options().write(true).open(&log).unwrap();
    let length = file.metadata().unwrap().len();
    let synced = std::fs::read_to_string(notes).unwrap();
    // A log that was emptied after its last sync is shorter than it was then.
    let synced = synced.lines().last().expect("a start syncs").parse::<u64>().unwrap().min(length);
    file.set_len(synced).unwrap();
    let _ = std::fs::remove_file(server.folder().join("yingku.db-shm"));
    std::fs::write(notes, format!("{synced}\n")).unwrap();
    length - synced
}
