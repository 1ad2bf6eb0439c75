//! One large object leaves in little memory, by C-GET and by C-MOVE: the server is a process of its own, which no other test
//! uses.

use super::*;
use crate::dimse::memory::{FEW_PIXEL_BYTES, MOST_GROWTH, PIXEL_BYTES, store};
use crate::harness::ServerProcess;

/// Bytes of the largest file in a folder.
fn largest_in(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).unwrap();
    files.map(|entry| entry.unwrap().metadata().unwrap().len()).max().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_of_300_megabytes_leaves_in_little_memory() {
    let port = free_port();
    let peer =
        format!("\n[[peer]]\nae_title = 'STORESCP'\nhost = '127.0.0.1'\nport = {port}\norganization = 'ORG-T01'\n");
    let mut server = ServerProcess::start_with(&peer).await;
    let [got, moved] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let mut receiver = Command::new(tool("storescp", Package::Debian("dcmtk")));
    receiver.args(["+B", "-od", moved.path().to_str().unwrap(), &port.to_string()]);
    let _receiver = Killed(receiver.spawn().unwrap());
    listening(port).await;
    let called = server.dicom().port().to_string();
    let titles = ["-v", "-S", "-aet", "PACS01", "-aec", "YINGKU"];
    let get = [&["+xe", "+B", "-od", got.path().to_str().unwrap()][..], &titles, &["127.0.0.1", &called]].concat();
    let to_move = [&titles[..], &["-aem", "STORESCP", "127.0.0.1", &called]].concat();
    let retrieve = async |uid: &str| {
        let named = format!("SOPInstanceUID={uid}");
        let keys = ["-k", "QueryRetrieveLevel=IMAGE", "-k", &named];
        dcmtk("getscu", &[&get[..], &keys].concat()).await;
        dcmtk("movescu", &[&to_move[..], &keys].concat()).await;
    };
    store(&server, "2.25.1", FEW_PIXEL_BYTES).await;
    retrieve("2.25.1").await;
    let before = server.peak_memory();

    store(&server, "2.25.2", PIXEL_BYTES).await;
    retrieve("2.25.2").await;

    let growth = server.peak_memory() - before;
    assert!(growth < MOST_GROWTH, "memory grew by {growth} bytes");
    for folder in [&got, &moved] {
        assert!(largest_in(folder.path()) > PIXEL_BYTES, "it came whole");
    }
    assert!(server.terminate().await.success());
}
