//! Memory does not follow the size of an object: the server is a process of its own, which no other test uses.

use tokio::io::AsyncReadExt;
use yingku::dimse::Status;
use yingku::dimse::scu::{Association, Proposal, StoreRequest};
use yingku::index::Index;

use super::target;
use crate::harness::ServerProcess;
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};

/// Of the large object.
pub(super) const PIXEL_BYTES: u64 = 300 * 1024 * 1024;
/// Of one that wakes the server up.
pub(super) const FEW_PIXEL_BYTES: u64 = 1024;
/// What an object may cost, whichever way it goes.
pub(super) const MOST_GROWTH: u64 = 64 << 20;

/// Stores an object with so many bytes of pixels, which nobody ever has whole; gives how many bytes stand before them.
pub(super) async fn store(server: &ServerProcess, uid: &str, pixel_bytes: u64) -> u64 {
    let mut set = DataSet::ct(uid);
    set.without(0x7FE0_0010);
    let mut head = set.encode();
    head.extend_from_slice(&[0xE0, 0x7F, 0x10, 0x00, b'O', b'W', 0, 0]);
    head.extend_from_slice(&(pixel_bytes as u32).to_le_bytes());
    let request = StoreRequest {
        sop_class_uid: CT_IMAGE.to_owned(),
        sop_instance_uid: uid.to_owned(),
        transfer_syntax_uid: EXPLICIT_LE.to_owned(),
    };
    let called = target(server.dicom(), "PACS01", "YINGKU");
    let mut association = Association::connect(&called, &[Proposal::storage(CT_IMAGE, EXPLICIT_LE)]).await.unwrap();
    let data_set = head.as_slice().chain(tokio::io::repeat(0x5A).take(pixel_bytes));
    let answer = association.store_stream(&request, data_set).await.unwrap();
    assert_eq!(answer.status, Status::SUCCESS);
    association.release().await.unwrap();
    head.len() as u64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_of_300_megabytes_passes_in_little_memory() {
    let mut server = ServerProcess::start().await;
    store(&server, "2.25.1", FEW_PIXEL_BYTES).await;
    let before = server.peak_memory();

    let head = store(&server, "2.25.2", PIXEL_BYTES).await;

    let growth = server.peak_memory() - before;
    assert!(growth < MOST_GROWTH, "memory grew by {growth} bytes");
    let index = Index::open(&server.database()).await.unwrap();
    let sql = "SELECT object_length, dataset_offset, pixel_data_offset FROM instance WHERE sop_instance_uid = '2.25.2'";
    let rows = index.query(sql, Vec::new()).await.unwrap();
    let number = |column: &str| rows[0].int(column).unwrap() as u64;
    assert_eq!(number("object_length") - number("dataset_offset"), head + PIXEL_BYTES);
    assert_eq!(number("pixel_data_offset") - number("dataset_offset"), head - 12);
    index.close().await;
    assert!(server.terminate().await.success());
}
