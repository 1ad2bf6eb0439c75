//! DCMTK's dcmqrscp as the PACS.

use super::peer::Pacs;
use super::{Images, open, peer, register, server_with, until, until_complete};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registration_by_soap_fetches_the_study_by_c_move() {
    let mut pacs = Pacs::to_be();
    let server = server_with(peer(pacs.port, "retrieve = 'move'")).await;
    let images = Images::new(20, 2048);
    pacs.start_dcmqrscp(server.dicom().port(), images.folder());

    register(server.http(), &[]).await;

    let index = open(&server.config().database).await;
    let standing = until_complete(&index).await;
    assert_eq!((standing.studies, standing.expected, standing.held), (1, Some(20), 20));
    assert_eq!(standing.error, "");
    images.assert_are_all_of(&server).await;
    let linked = index.query("SELECT study_pk FROM exam_study", Vec::new()).await.unwrap();
    assert_eq!(linked.len(), 1, "the images are linked to the exam");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c_get_finds_by_patient_id_and_accession_number_where_no_uid_is_registered() {
    let mut pacs = Pacs::to_be();
    let server = server_with(peer(pacs.port, "retrieve = 'get'")).await;
    let images = Images::new(20, 2048);
    pacs.start_dcmqrscp(server.dicom().port(), images.folder());

    register(server.http(), &[("study_instance_uid", ""), ("state", "")]).await;

    let index = open(&server.config().database).await;
    let standing = until_complete(&index).await;
    assert_eq!((standing.studies, standing.expected, standing.held), (1, Some(20), 20));
    images.assert_are_all_of(&server).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patient_root_is_asked_where_it_is_configured() {
    let mut pacs = Pacs::to_be();
    let server = server_with(peer(pacs.port, "retrieve = 'get'\nquery_root = 'patient'")).await;
    let images = Images::new(3, 2048);
    pacs.start_dcmqrscp(server.dicom().port(), images.folder());

    register(server.http(), &[]).await;

    until_complete(&open(&server.config().database).await).await;
    images.assert_are_all_of(&server).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pacs_that_does_not_know_our_title_is_named_with_the_reason() {
    let mut pacs = Pacs::to_be();
    let server = super::TestServer::start_with(|config| {
        super::impatient(config, peer(pacs.port, "retrieve = 'move'"));
        config.dicom.ae_title = yingku::domain::AeTitle::parse("NOBODY").unwrap();
    })
    .await;
    let images = Images::new(2, 2048);
    pacs.start_dcmqrscp(server.dicom().port(), images.folder());

    register(server.http(), &[]).await;

    let index = open(&server.config().database).await;
    let standing = until(&index, "the reason is written down", |standing| !standing.error.is_empty()).await;
    assert!(standing.error.contains("A801H") && standing.error.contains("NOBODY"), "{}", standing.error);
    assert_eq!((standing.state.as_str(), standing.expected, standing.held), ("waiting", Some(2), 0));
    server.stop().await;
}
