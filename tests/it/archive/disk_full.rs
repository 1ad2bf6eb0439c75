//! A disk without room: the sender hears of it, what was acknowledged stays, and work goes on when there is room.

use super::sender::send_all;
use crate::harness::{Limit, ServerProcess, data_set_of, small_instance};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_finds_no_room_is_refused_and_harms_no_other() {
    let mut server = ServerProcess::start().await;
    assert!(server.terminate().await.success());
    server.start_again(Limit::FileBytes(7 * 1024 * 1024)).await;
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
    server.kill();
    server.start_again(Limit::None).await;
    let again = send_all(server.dicom(), &paths[1..2]);
    assert!(again[0].is_acknowledged(), "there is room again");
    let stored = server.stored().await;
    for (path, answer) in paths.iter().zip(&answers) {
        let sent = std::fs::read(path).unwrap();
        assert!(stored.data_set(&answer.sop_instance_uid).as_deref() == Some(data_set_of(&sent)));
    }
    assert!(server.terminate().await.success());
    let verify = server.command(&["verify"]);
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stdout));
}
