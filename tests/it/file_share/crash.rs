//! Crashes, full disks, and several processes on one share: nothing is lost, nothing is doubled.

use std::time::Duration;

use super::{files_below, put, share};
use crate::harness::{Limit, ServerProcess, TestServer, count_rows, data_set_of, eventually, small_instance};

const FILES: u32 = 150;

fn section(path: &std::path::Path) -> String {
    format!(
        "\n[[file_share]]\nname = 'scans'\npath = '{}'\norganization = 'ORG-T01'\nsettle_seconds = 0\npoll_ms = 50\n\
         lease_ms = 1000\n",
        path.display()
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_any_moment_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..FILES {
        put(folder.path(), format!("A{:04}/{number}.dcm", number % 7), &small_instance(number, 4096).bytes());
        let jpeg = [&[0xFF, 0xD8, 0xFF][..], &number.to_le_bytes()].concat();
        put(folder.path(), format!("A{:04}/{number}.jpg", number % 7), &jpeg);
    }
    let mut server = ServerProcess::start_with(&section(folder.path())).await;
    let done = folder.path().join("done");
    let mut interrupted = 0;
    for wanted in [10, 90, 170] {
        eventually(Duration::from_secs(120), "some files are done", || async {
            (files_below(&done).len() >= wanted).then_some(())
        })
        .await;
        server.kill();
        interrupted += usize::from(files_below(&done).len() < 2 * FILES as usize);
        server.start_again(Limit::None).await;
    }
    assert!(interrupted >= 2, "the kills came in the middle");
    eventually(Duration::from_secs(120), "all files are done", || async {
        (files_below(&done).len() == 2 * FILES as usize).then_some(())
    })
    .await;

    let stored = server.stored().await;
    assert_eq!(stored.count(), FILES as usize);
    for number in 0..FILES {
        let file = small_instance(number, 4096);
        assert!(stored.data_set(&file.sop_instance_uid).as_deref() == Some(data_set_of(&file.bytes())), "{number}");
    }
    let database = server.database();
    assert_eq!(count_rows(&database, "SELECT COUNT(*) AS n FROM attachment").await, i64::from(FILES));
    assert_eq!(count_rows(&database, "SELECT COUNT(*) AS n FROM instance_version").await, 0);
    assert!(!folder.path().join("failed").exists());
    assert!(server.terminate().await.success());
    let verify = server.command(&["verify"]);
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stdout));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_over_one_share_and_one_database_take_each_file_once() {
    let folder = tempfile::tempdir().unwrap();
    let shared = share(folder.path());
    let first = {
        let shared = shared.clone();
        TestServer::start_with(move |config| config.file_share.push(shared)).await
    };
    let (database, objects) = (first.database(), first.objects());
    let second = TestServer::start_with(move |config| {
        config.database = database;
        config.objects.url = format!("file://{}", objects.display());
        config.file_share.push(shared);
    })
    .await;
    for number in 0..40 {
        put(folder.path(), format!("{number}.dcm"), &small_instance(number, 64).bytes());
    }
    let done = folder.path().join("done");
    let all_done = || async { (files_below(&done).len() == 40).then_some(()) };
    eventually(Duration::from_secs(120), "all files are done", all_done).await;
    let leases = "SELECT COUNT(*) AS n FROM work_lease WHERE name = 'file_share:scans'";
    assert_eq!(count_rows(&first.database(), leases).await, 1, "one of them holds the share");
    assert_eq!(first.stored().await.count(), 40);

    // The one that stops gives the share back, and the other goes on.
    let database = first.database();
    let objects = tempfile::tempdir().unwrap();
    drop(objects);
    second.stop().await;
    put(folder.path(), "more.dcm", &small_instance(77, 64).bytes());
    super::appears(&done.join("more.dcm")).await;
    assert_eq!(count_rows(&database, "SELECT COUNT(*) AS n FROM instance").await, 41);
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_finds_no_room_stays_and_holds_no_other_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = ServerProcess::start_with(&section(folder.path())).await;
    assert!(server.terminate().await.success());
    server.start_again(Limit::FileBytes(7 * 1024 * 1024)).await;
    put(folder.path(), "A1/a.jpg", &[&[0xFF, 0xD8, 0xFF][..], &vec![1; 12 * 1024 * 1024]].concat());
    put(folder.path(), "A1/b.jpg", &[0xFF, 0xD8, 0xFF, 1]);
    super::appears(&folder.path().join("done/A1/b.jpg")).await;
    assert!(folder.path().join("A1/a.jpg").is_file() && !folder.path().join("failed").exists());
    server.kill();
    server.start_again(Limit::None).await;
    super::appears(&folder.path().join("done/A1/a.jpg")).await;
    assert!(server.terminate().await.success());
    let verify = server.command(&["verify"]);
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stdout));
}
