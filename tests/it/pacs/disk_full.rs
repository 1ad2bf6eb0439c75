//! A disk without room while images are fetched: what fits is kept, the rest comes when there is room.

use yingku::index::DatabaseConfig;

use super::peer::Pacs;
use super::{Images, open, register, until, until_complete};
use crate::harness::{Limit, ServerProcess};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_finds_no_room_is_fetched_when_there_is_room_again() {
    fetched_when_there_is_room("get", Limit::FileBytes(ROOM)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_finds_the_whole_disk_full_is_fetched_when_there_is_room_again() {
    fetched_when_there_is_room("get", Limit::DiskBytes(ROOM)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_dcmqrscp_cannot_send_is_fetched_when_there_is_room_again() {
    fetched_when_there_is_room("move", Limit::FileBytes(ROOM)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_dcmqrscp_sends_to_a_full_disk_is_fetched_when_there_is_room_again() {
    fetched_when_there_is_room("move", Limit::DiskBytes(ROOM)).await;
}

/// For small images, not for the large one.
const ROOM: u64 = 7 * 1024 * 1024;

async fn fetched_when_there_is_room(method: &str, limit: Limit) {
    let mut pacs = Pacs::to_be();
    let more = format!(
        "\n[[peer]]\nae_title = 'QRSCP'\nhost = '127.0.0.1'\nport = {}\norganization = 'ORG-T01'\nretrieve = '{method}'\n\
         [jobs]\nlease_ms = 5000\npoll_ms = 50\n\
         [retrieve]\nfirst_delay_ms = 200\ndelay_factor = 1.0\nstable_ms = 0\n",
        pacs.port
    );
    let mut server = ServerProcess::start_with(&more).await;
    assert!(server.terminate().await.success());
    server.start_again(limit).await;
    let mut images = Images::new(3, 2048);
    images.add(12 * 1024 * 1024);
    images.add(2048);
    match method {
        "get" => pacs.start_python(server.dicom().port(), images.folder(), "honest"),
        _ => pacs.start_dcmqrscp(server.dicom().port(), images.folder()),
    }

    register(server.http(), &[]).await;

    let url = format!("sqlite://{}/yingku.db", server.folder().display());
    let index = open(&DatabaseConfig { url, ..DatabaseConfig::default() }).await;
    let standing = until(&index, "what fits is here", |standing| standing.checks > 0 && standing.held == 4).await;
    assert!(standing.error.contains("1 objects could not be transferred"), "{}", standing.error);
    assert_eq!((standing.state.as_str(), standing.expected), ("waiting", Some(5)));
    server.give_room();
    let standing = until_complete(&index).await;
    assert_eq!((standing.held, standing.error.as_str()), (5, ""));
    images.assert_are_all_in(&server.stored().await);
    assert!(server.terminate().await.success());
    let verify = server.command(&["verify"]);
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stdout));
}
