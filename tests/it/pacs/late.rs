//! Images that come later than the report, and a PACS that tells little.

use super::peer::Pacs;
use super::{Images, open, peer, register, server_with, until, until_complete};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn images_that_are_late_are_fetched_when_they_are_there_and_nothing_is_fetched_twice() {
    let mut pacs = Pacs::to_be();
    let server = server_with(peer(pacs.port, "retrieve = 'move'")).await;
    let images = Images::new(20, 2048);
    pacs.start_python(server.dicom().port(), images.folder(), "late");

    register(server.http(), &[("state", "1")]).await;

    let index = open(&server.config().database).await;
    until(&index, "all images", |standing| standing.held == 20).await;
    images.assert_are_all_of(&server).await;
    // State 1: more may come, so it goes on; the reviewed report ends it.
    let standing = until(&index, "one more look", |standing| standing.held == 20 && standing.checks > 3).await;
    assert_eq!(standing.state, "waiting");
    let moves = pacs.calls().iter().filter(|call| call.starts_with("MOVE")).count();
    register(server.http(), &[("state", "3"), ("last_update_dtime", "2024/3/24 0:00:00")]).await;
    until_complete(&index).await;
    let again = pacs.calls().iter().filter(|call| call.starts_with("MOVE")).count();
    assert_eq!(moves, again, "a study that is all here is not fetched again");
    assert!(pacs.calls().iter().any(|call| call == "MOVE YINGKU SERIES"), "only the series that missed something");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pacs_without_numbers_is_compared_image_by_image() {
    let mut pacs = Pacs::to_be();
    let server = server_with(peer(pacs.port, "retrieve = 'get'\n[scu]\nask_counts = false")).await;
    let images = Images::new(18, 2048);
    pacs.start_python(server.dicom().port(), images.folder(), "uncounted");

    register(server.http(), &[]).await;

    let standing = until_complete(&open(&server.config().database).await).await;
    assert_eq!(standing.expected, Some(18));
    assert!(pacs.calls().iter().any(|call| call.contains(" IMAGE ")));
    images.assert_are_all_of(&server).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn titles_of_their_own_are_used_towards_a_pacs() {
    let mut pacs = Pacs::to_be();
    let settings = "retrieve = 'get'\n[scu]\ncalled_ae_title = 'QUERY'\ncalling_ae_title = 'FRONT'";
    let server = server_with(peer(pacs.port, settings)).await;
    let images = Images::new(2, 2048);
    pacs.start_python(server.dicom().port(), images.folder(), "honest");

    register(server.http(), &[]).await;

    until_complete(&open(&server.config().database).await).await;
    assert!(pacs.calls().iter().any(|call| call == "ASSOCIATION FRONT QUERY"), "{:?}", pacs.calls());
    server.stop().await;
}
