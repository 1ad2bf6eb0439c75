//! Upstreams over TLS, both ways of forwarding: certificates on both sides, strange ones refused and nothing lost.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use yingku::config::Config;
use yingku::integrations::front::{UpstreamConfig, UpstreamReportsConfig, Way};
use yingku::tls::{ClientCertificate, PeerTlsConfig, TlsConfig};

use super::reports::register;
use super::web::Service;
use super::{ae, files, forward_to, in_state, upstream};
use crate::api::containers;
use crate::archive::sender::send_all;
use crate::harness::{Authority, Certificate, TestServer, count_rows, data_set_of, eventually, small_instance};

const ALL: &str = "SELECT COUNT(*) AS n FROM instance";
const FILES: u32 = 6;

/// A listener that wants a certificate from the authority.
fn listener(own: &Certificate, authority: &Path) -> TlsConfig {
    TlsConfig {
        listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        certificate_file: Some(own.certificate.clone()),
        key_file: Some(own.key.clone()),
        client_ca_file: Some(authority.to_owned()),
        client_certificate: ClientCertificate::Required,
        ..TlsConfig::default()
    }
}

/// An archive that takes instances by HTTPS and by DICOM over TLS, from one that shows a certificate named `front`.
async fn region(authority: &Authority, own: &Certificate) -> TestServer {
    TestServer::start_with(|config| {
        config.http.tls = listener(own, authority.certificate());
        let client =
            "id = 'front'\ncertificate = ['cn:front']\ndicomweb = 'read_and_store'\norganizations = ['ORG-T01']";
        config.client = vec![toml::from_str(client).unwrap()];
        config.dicom.ae_title = ae("UPSTREAM");
        config.dicom.tls = listener(own, authority.certificate());
        config.peer[0].ae_title = ae("YINGKU");
        config.peer[0].certificate = vec!["cn:front".to_owned().try_into().unwrap()];
        assert_eq!(config.faults(), []);
    })
    .await
}

/// What the front says of itself, in files that a test can replace.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn of(authority: &Path, own: &Certificate) -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap() };
        files.replace(authority, own);
        files
    }

    fn replace(&self, authority: &Path, own: &Certificate) {
        std::fs::copy(&own.key, self.path("key")).unwrap();
        std::fs::copy(&own.certificate, self.path("certificate")).unwrap();
        std::fs::copy(authority, self.path("authority")).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn tls(&self) -> PeerTlsConfig {
        PeerTlsConfig {
            ca_file: Some(self.path("authority")),
            certificate_file: Some(self.path("certificate")),
            key_file: Some(self.path("key")),
            ..PeerTlsConfig::default()
        }
    }
}

fn by_web(url: String, tls: PeerTlsConfig) -> UpstreamConfig {
    UpstreamConfig { way: Way::StowRs, peer: String::new(), url, tls: Some(tls), ..upstream() }
}

/// A way to an address, which counts who goes it.
async fn counted_way(to: SocketAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let mut onward = TcpStream::connect(to).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut from, &mut onward).await;
            });
        }
    });
    (address, count)
}

/// A front to which six instances are sent.
async fn front_with(change: impl FnOnce(&mut Config)) -> TestServer {
    let front = TestServer::start_with(|config| {
        config.front.keep_days = Some(0);
        config.front.purge_poll_ms = 100;
        change(config);
        assert_eq!(config.faults(), []);
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let sent = send_all(front.dicom(), &files(folder.path(), 0..FILES, 4096));
    assert!(sent.len() == FILES as usize && sent.iter().all(|answer| answer.is_acknowledged()));
    front
}

async fn assert_has_all(region: &TestServer) {
    let stored = region.stored().await;
    assert_eq!(stored.count(), FILES as usize);
    for number in 0..FILES {
        let sent = small_instance(number, 4096);
        assert!(stored.data_set(&sent.sop_instance_uid).as_deref() == Some(data_set_of(&sent.bytes())), "{number}");
    }
}

/// Waits until the upstream was called twice, in vain.
async fn refused_twice(front: &TestServer, region: &TestServer, calls: &AtomicUsize) {
    let before = calls.load(Ordering::Relaxed);
    eventually(Duration::from_secs(120), "the upstream was called again", || async {
        (calls.load(Ordering::Relaxed) >= before + 2).then_some(())
    })
    .await;
    assert_eq!(count_rows(&region.database(), ALL).await, 0);
    in_state(&front.database(), "waiting", i64::from(FILES)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_https_nothing_goes_or_is_lost_until_both_certificates_are_good() {
    let (authority, other) = (Authority::new(), Authority::new());
    let region = region(&authority, &authority.issue("region")).await;
    let (way, calls) = counted_way(region.https().unwrap()).await;
    let (known, stranger) = (authority.issue("front"), other.issue("front"));
    let files = Files::of(other.certificate(), &known);
    let url = format!("https://localhost:{}/dicom-web", way.port());
    let front = front_with(|config| config.upstream.push(by_web(url, files.tls()))).await;

    refused_twice(&front, &region, &calls).await;
    // We know it now, and it does not know us.
    files.replace(authority.certificate(), &stranger);
    refused_twice(&front, &region, &calls).await;
    // Without a restart.
    files.replace(authority.certificate(), &known);

    in_state(&front.database(), "purged", i64::from(FILES)).await;
    assert_has_all(&region).await;
    front.stop().await;
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_https_upstream_may_be_known_by_another_name_or_by_its_fingerprint() {
    let authority = Authority::new();
    let known = authority.issue("front");
    let named = authority.issue_for("region", "DNS:region.example.test");
    let files = Files::of(authority.certificate(), &known);
    let by_name = PeerTlsConfig { server_name: Some("region.example.test".to_owned()), ..files.tls() };
    let fingerprint = format!("sha256:{}", named.fingerprint()).try_into().unwrap();
    let by_fingerprint = PeerTlsConfig { ca_file: None, fingerprint: Some(fingerprint), ..files.tls() };
    for tls in [by_name, by_fingerprint] {
        let region = region(&authority, &named).await;
        let url = format!("https://127.0.0.1:{}/dicom-web", region.https().unwrap().port());
        let front = front_with(|config| config.upstream.push(by_web(url, tls))).await;
        in_state(&front.database(), "purged", i64::from(FILES)).await;
        assert_has_all(&region).await;
        front.stop().await;
        region.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_on_openssl_that_asks_for_our_certificate_is_forwarded_to() {
    let authority = Authority::new();
    let (its, ours) = (authority.issue("service"), authority.issue("front"));
    let service = Service::start_over_tls("honest", &its, authority.certificate());
    let files = Files::of(authority.certificate(), &ours);
    let upstream = UpstreamConfig { tls: Some(files.tls()), ..service.upstream() };
    let front = front_with(|config| config.upstream.push(upstream)).await;
    in_state(&front.database(), "purged", i64::from(FILES)).await;
    for number in 0..FILES {
        let sent = small_instance(number, 4096);
        let kept = service.kept(&sent.sop_instance_uid).unwrap();
        assert!(data_set_of(&kept) == data_set_of(&sent.bytes()), "{number}");
    }
    front.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_c_store_over_tls_nothing_goes_or_is_lost_until_both_certificates_are_good() {
    let (authority, other) = (Authority::new(), Authority::new());
    let region = region(&authority, &authority.issue("region")).await;
    let (way, calls) = counted_way(region.dicom_tls().unwrap()).await;
    let (known, stranger) = (authority.issue("front"), other.issue("front"));
    let files = Files::of(other.certificate(), &known);
    let front = front_with(|config| {
        forward_to(config, way, upstream());
        config.peer.last_mut().unwrap().tls = Some(files.tls());
    })
    .await;

    refused_twice(&front, &region, &calls).await;
    files.replace(authority.certificate(), &stranger);
    refused_twice(&front, &region, &calls).await;
    files.replace(authority.certificate(), &known);

    // Storage commitment is asked for and reported over TLS as well.
    in_state(&front.database(), "purged", i64::from(FILES)).await;
    assert_has_all(&region).await;
    front.stop().await;
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_go_by_https_to_an_archive_that_knows_the_front_by_its_certificate_alone() {
    let (authority, other) = (Authority::new(), Authority::new());
    let region = TestServer::start_with(|config| {
        config.http.tls = listener(&authority.issue("region"), authority.certificate());
        config.sender[0].addresses.clear();
        config.sender[0].certificate = vec!["cn:front".to_owned().try_into().unwrap()];
        assert_eq!(config.faults(), []);
    })
    .await;
    let (way, calls) = counted_way(region.https().unwrap()).await;
    let files = Files::of(authority.certificate(), &other.issue("front"));
    let front = TestServer::start_with(|config| {
        let url = format!("https://localhost:{}/sehr.service.auto/IAutoReport.asmx", way.port());
        let reports = UpstreamReportsConfig { url, tls: Some(files.tls()), ..UpstreamReportsConfig::default() };
        let upstream = UpstreamConfig { reports, max_attempts: 1000, ..upstream() };
        forward_to(config, region.dicom(), upstream);
        assert_eq!(config.faults(), []);
    })
    .await;
    register(front.http(), &[containers::exam(&[])]).await;
    let exams = "SELECT COUNT(*) AS n FROM exam_report";
    eventually(Duration::from_secs(120), "the upstream was called again", || async {
        (calls.load(Ordering::Relaxed) >= 2).then_some(())
    })
    .await;
    assert_eq!(count_rows(&region.database(), exams).await, 0, "a stranger's certificate registers nothing");

    files.replace(authority.certificate(), &authority.issue("front"));

    eventually(Duration::from_secs(120), "the report arrives", || async {
        (count_rows(&region.database(), exams).await == 1).then_some(())
    })
    .await;
    front.stop().await;
    region.stop().await;
}

#[test]
fn an_upstream_with_tls_that_cannot_be_is_told_before_the_start() {
    let authority = Authority::new();
    let faults = |config: UpstreamConfig| config.faults().join("\n");
    let tls = PeerTlsConfig { ca_file: Some(authority.certificate().to_owned()), ..PeerTlsConfig::default() };
    let web = |url: &str| by_web(url.to_owned(), tls.clone());
    assert_eq!(faults(web("https://region.example.test/dicom-web")), "");
    assert_eq!(faults(web("http://region.example.test/dicom-web")), "tls needs an https address");
    let by_dicom = UpstreamConfig { tls: Some(tls.clone()), ..upstream() };
    assert_eq!(faults(by_dicom), "tls is for stow-rs; see [peer.tls] of its peer");
    let mut broken = web("https://region.example.test/dicom-web");
    broken.tls = Some(PeerTlsConfig { ca_file: Some("/nowhere/ca.pem".into()), ..tls });
    assert!(faults(broken).contains("upstream.tls.ca_file /nowhere/ca.pem"), "it names key and file");
}
