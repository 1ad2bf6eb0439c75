//! Orthanc as the upstream: C-STORE with storage commitment reported over an association that Orthanc opens to us, in the
//! clear and over TLS; STOW-RS and QIDO-RS with its DICOMweb service.

use std::net::SocketAddr;

use yingku::integrations::front::{UpstreamConfig, Way};
use yingku::tls::{ClientCertificate, PeerTlsConfig, TlsConfig};

use super::{files, forward_to, in_state, upstream};
use crate::archive::sender::send_all;
use crate::harness::{Authority, Orthanc, TestServer, count_rows, data_set_of, free_port, small_instance};

/// Sends eight instances to the front and waits until they are with Orthanc only, unchanged.
async fn goes_through(front: &TestServer, orthanc: &Orthanc) {
    let folder = tempfile::tempdir().unwrap();
    assert!(send_all(front.dicom(), &files(folder.path(), 0..8, 4096)).iter().all(|answer| answer.is_acknowledged()));
    in_state(&front.database(), "purged", 8).await;
    for number in 0..8 {
        let sent = small_instance(number, 4096);
        assert!(data_set_of(&orthanc.file(&sent.sop_instance_uid).await) == data_set_of(&sent.bytes()), "{number}");
    }
    assert_eq!(count_rows(&front.database(), "SELECT COUNT(*) AS n FROM instance WHERE offline_at IS NULL").await, 0);
}

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
    goes_through(&front, &orthanc).await;
    front.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orthanc_keeps_everything_and_says_so_over_tls_both_ways() {
    let authority = Authority::new();
    let (its, ours) = (authority.issue("orthanc"), authority.issue("yingku"));
    // It reports to our listener with TLS.
    let port = free_port();
    let orthanc = Orthanc::start_over_tls("UPSTREAM", port, &its, &authority).await;
    let address = ([127, 0, 0, 1], orthanc.dicom()).into();
    let front = TestServer::start_with(|config| {
        config.dicom.tls = TlsConfig {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], port))),
            certificate_file: Some(ours.certificate.clone()),
            key_file: Some(ours.key.clone()),
            client_ca_file: Some(authority.certificate().to_owned()),
            client_certificate: ClientCertificate::Required,
            ..TlsConfig::default()
        };
        forward_to(config, address, upstream());
        let peer = config.peer.last_mut().unwrap();
        // Known by its certificate, so in the clear nobody is it.
        peer.certificate = vec!["cn:orthanc".to_owned().try_into().unwrap()];
        peer.tls = Some(PeerTlsConfig {
            ca_file: Some(authority.certificate().to_owned()),
            certificate_file: Some(ours.certificate.clone()),
            key_file: Some(ours.key.clone()),
            ..PeerTlsConfig::default()
        });
        config.front.keep_days = Some(0);
        config.front.purge_poll_ms = 100;
        assert_eq!(config.faults(), []);
    })
    .await;
    goes_through(&front, &orthanc).await;
    front.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orthanc_takes_everything_by_dicomweb_and_finds_it_again() {
    let orthanc = Orthanc::start_with_dicomweb("UPSTREAM").await;
    let url = orthanc.dicomweb();
    let front = TestServer::start_with(|config| {
        config.upstream.push(UpstreamConfig { way: Way::StowRs, peer: String::new(), url, ..upstream() });
        config.front.keep_days = Some(0);
        config.front.purge_poll_ms = 100;
    })
    .await;
    goes_through(&front, &orthanc).await;
    front.stop().await;
}
