//! Orthanc as the PACS.

use super::peer::Pacs;
use super::{Images, open, peer, register, server_with, until_complete};

async fn drained(settings: &str, attributes: &[(&str, &str)]) {
    let mut pacs = Pacs::to_be();
    let server = server_with(peer(pacs.port, settings)).await;
    let images = Images::new(20, 2048);
    pacs.start_orthanc(server.dicom().port(), images.folder());

    register(server.http(), attributes).await;

    let standing = until_complete(&open(&server.config().database).await).await;
    assert_eq!((standing.studies, standing.expected, standing.held), (1, Some(20), 20));
    images.assert_are_all_of(&server).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orthanc_is_drained_by_c_move() {
    drained("retrieve = 'move'", &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orthanc_is_drained_by_c_get_with_patient_id_and_accession_number() {
    drained("retrieve = 'get'", &[("study_instance_uid", "")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orthanc_is_drained_by_patient_root() {
    drained("retrieve = 'move'\nquery_root = 'patient'", &[]).await;
}
