//! A disk without room: the sender hears of it, what was acknowledged stays, and work goes on when there is room.

use super::sender::send_all;
use crate::harness::{Limit, ServerProcess, data_set_of, small_instance};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_finds_no_room_is_refused_and_harms_no_other() {
    refused_alone(Limit::FileBytes(7 * 1024 * 1024)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_finds_the_whole_disk_full_is_refused_and_harms_no_other() {
    refused_alone(Limit::DiskBytes(7 * 1024 * 1024)).await;
}

async fn refused_alone(limit: Limit) {
    let mut server = ServerProcess::start().await;
    assert!(server.terminate().await.success());
    server.start_again(limit).await;
    let folder = tempfile::tempdir().unwrap();
    let file = |number: u32, bytes: usize| {
        let path = folder.path().join(format!("{number}.dcm"));
        small_instance(number, bytes).write_to(&path);
        path
    };
    let paths = [file(0, 2048), file(1, 12 * 1024 * 1024), file(2, 2048)];

    let answers = send_all(server.dicom(), &paths);

    let status: Vec<&str> = answers.iter().map(|answer| answer.status.as_str()).collect();
    assert_eq!((status[0], status[2]), ("0000", "0000"), "{status:?}");
    assert!(status[1].starts_with("A7"), "out of resources, not {}", status[1]);
    server.give_room();
    let again = send_all(server.dicom(), &paths[1..2]);
    assert!(again[0].is_acknowledged(), "there is room again, and the same process goes on");
    server.kill();
    server.start_again(Limit::None).await;
    let stored = server.stored().await;
    for (path, answer) in paths.iter().zip(&answers) {
        let sent = std::fs::read(path).unwrap();
        assert!(stored.data_set(&answer.sop_instance_uid).as_deref() == Some(data_set_of(&sent)));
    }
    assert!(server.terminate().await.success());
    let verify = server.command(&["verify"]);
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stdout));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_up_while_images_come_loses_nothing_that_was_acknowledged() {
    let mut server = ServerProcess::start().await;
    assert!(server.terminate().await.success());
    server.start_again(Limit::DiskBytes(3 * 1024 * 1024)).await;
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<_> = (0..120)
        .map(|number| {
            let path = folder.path().join(format!("{number}.dcm"));
            small_instance(number, 64 * 1024).write_to(&path);
            path
        })
        .collect();

    let answers = send_all(server.dicom(), &paths);

    let refused: Vec<&str> = answers.iter().filter(|a| !a.is_acknowledged()).map(|a| a.status.as_str()).collect();
    assert!(!refused.is_empty() && refused.len() < 120, "{} of 120 refused", refused.len());
    assert!(refused.iter().all(|status| status.starts_with("A7")), "out of resources, not {refused:?}");
    server.give_room();
    assert!(send_all(server.dicom(), &paths).iter().all(|answer| answer.is_acknowledged()), "the same process goes on");
    server.kill();
    server.start_again(Limit::None).await;
    let stored = server.stored().await;
    assert_eq!(stored.count(), 120);
    for (path, answer) in paths.iter().zip(&answers) {
        let sent = std::fs::read(path).unwrap();
        assert!(stored.data_set(&answer.sop_instance_uid).as_deref() == Some(data_set_of(&sent)));
    }
    assert!(server.terminate().await.success());
    let verify = server.command(&["verify"]);
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stdout));
}
