//! Orthanc as the upstream: C-STORE, and storage commitment reported over an association that Orthanc opens to us.

use super::{files, forward_to, in_state, upstream};
use crate::archive::sender::send_all;
use crate::harness::{Orthanc, TestServer, count_rows, data_set_of, free_port, small_instance};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orthanc_keeps_everything_and_says_so() {
    let port = free_port();
    let orthanc = Orthanc::start("UPSTREAM", port).await;
    let address = ([127, 0, 0, 1], orthanc.dicom()).into();
    let front = TestServer::start_with(|config| {
        config.dicom.listen = ([127, 0, 0, 1], port).into();
        forward_to(config, address, upstream());
        config.front.keep_days = Some(0);
        config.front.purge_poll_ms = 100;
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    assert!(send_all(front.dicom(), &files(folder.path(), 0..8, 4096)).iter().all(|answer| answer.is_acknowledged()));
    in_state(&front.database(), "purged", 8).await;
    for number in 0..8 {
        let sent = small_instance(number, 4096);
        assert!(data_set_of(&orthanc.file(&sent.sop_instance_uid).await) == data_set_of(&sent.bytes()), "{number}");
    }
    assert_eq!(count_rows(&front.database(), "SELECT COUNT(*) AS n FROM instance WHERE offline_at IS NULL").await, 0);
    front.stop().await;
}
