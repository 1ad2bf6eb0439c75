//! A PACS that is called over TLS.

use super::peer::Pacs;
use super::{Images, open, peer, register, server_with, until, until_complete};
use crate::harness::Authority;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pacs_is_drained_over_tls() {
    let authority = Authority::new();
    let mut pacs = Pacs::to_be();
    let settings = format!("retrieve = 'get'\n[tls]\nca_file = '{}'", authority.certificate().display());
    let server = server_with(peer(pacs.port, &settings)).await;
    let images = Images::new(3, 2048);
    pacs.start_python_over_tls(server.dicom().port(), images.folder(), &authority.issue("pacs"));

    register(server.http(), &[]).await;

    until_complete(&open(&server.config().database).await).await;
    images.assert_are_all_of(&server).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pacs_with_a_strange_certificate_is_not_asked() {
    let (authority, other) = (Authority::new(), Authority::new());
    let mut pacs = Pacs::to_be();
    let settings = format!("retrieve = 'get'\n[tls]\nca_file = '{}'", authority.certificate().display());
    let server = server_with(peer(pacs.port, &settings)).await;
    let images = Images::new(3, 2048);
    pacs.start_python_over_tls(server.dicom().port(), images.folder(), &other.issue("pacs"));

    register(server.http(), &[]).await;

    let index = open(&server.config().database).await;
    let standing = until(&index, "it was tried", |standing| !standing.error.is_empty()).await;
    assert!(standing.error.contains("certificate"), "{}", standing.error);
    assert_eq!((pacs.calls().len(), standing.held), (0, 0), "no association was opened");
    server.stop().await;
}
