//! Forwarding by STOW-RS to a DICOMweb service that is not of our making.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use yingku::domain::customer::Secret;
use yingku::integrations::front::{UpstreamConfig, Way};
use yingku::integrations::report_registry::DicomwebRight;

use super::{files, in_state, upstream};
use crate::archive::sender::send_all;
use crate::harness::{Certificate, TestServer, count_rows, data_set_of, eventually, python, small_instance};

pub(super) struct Service {
    child: Child,
    scheme: &'static str,
    port: u16,
    folder: tempfile::TempDir,
}

impl Service {
    fn start(mode: &str) -> Self {
        Self::start_with(mode, &[])
    }

    /// It wants to see a certificate from the authority.
    pub(super) fn start_over_tls(mode: &str, own: &Certificate, authority: &Path) -> Self {
        Self::start_with(mode, &[&own.certificate, &own.key, authority])
    }

    fn start_with(mode: &str, tls: &[&Path]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(python())
            .arg("-c")
            .arg(include_str!("stow_peer.py"))
            .arg(folder.path())
            .arg(mode)
            .args(tls)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let scheme = if tls.is_empty() { "http" } else { "https" };
        Self { child, scheme, port: line.trim().parse().unwrap(), folder }
    }

    pub(super) fn upstream(&self) -> UpstreamConfig {
        UpstreamConfig {
            way: Way::StowRs,
            peer: String::new(),
            url: format!("{}://127.0.0.1:{}/dicom-web/", self.scheme, self.port),
            token: Secret("synthetic-token".to_owned()),
            ..upstream()
        }
    }

    pub(super) fn kept(&self, uid: &str) -> Option<Vec<u8>> {
        std::fs::read(PathBuf::from(self.folder.path()).join(uid)).ok()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn front_of(service: &Service) -> TestServer {
    let upstream = service.upstream();
    let front = TestServer::start_with(|config| {
        config.upstream.push(upstream);
        config.front.keep_days = Some(0);
        config.front.purge_poll_ms = 100;
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    assert!(send_all(front.dicom(), &files(folder.path(), 0..6, 4096)).iter().all(|answer| answer.is_acknowledged()));
    front
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stored_and_found_again_goes_here_after_a_stumble() {
    let service = Service::start("stumbling");
    let front = front_of(&service).await;
    in_state(&front.database(), "purged", 6).await;
    for number in 0..6 {
        let sent = small_instance(number, 4096);
        let kept = service.kept(&sent.sop_instance_uid).unwrap();
        assert!(data_set_of(&kept) == data_set_of(&sent.bytes()), "{number}");
    }
    front.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_of_our_own_takes_everything_by_dicomweb() {
    let region = TestServer::start_with(|config| {
        config.client[0].dicomweb = DicomwebRight::ReadAndStore;
        config.client[0].organizations = vec!["ORG-T01".to_owned()];
    })
    .await;
    let url = format!("http://{}/dicom-web", region.http());
    let front = TestServer::start_with(|config| {
        config.upstream.push(UpstreamConfig {
            way: Way::StowRs,
            peer: String::new(),
            url,
            token: Secret("synthetic-region-key-0001".to_owned()),
            ..upstream()
        });
        config.front.keep_days = Some(0);
        config.front.purge_poll_ms = 100;
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let mut paths = files(folder.path(), 0..6, 4096);
    paths.extend(files(folder.path(), 6..7, 5 * 1024 * 1024));
    assert!(send_all(front.dicom(), &paths).iter().all(|answer| answer.is_acknowledged()));

    in_state(&front.database(), "purged", 7).await;
    let arrived = region.stored().await;
    assert_eq!(arrived.count(), 7);
    for number in 0..7 {
        let sent = small_instance(number, if number < 6 { 4096 } else { 5 * 1024 * 1024 });
        assert!(arrived.data_set(&sent.sop_instance_uid).as_deref() == Some(data_set_of(&sent.bytes())), "{number}");
    }
    front.stop().await;
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_is_parked_with_its_reason() {
    let service = Service::start("refusing");
    let front = front_of(&service).await;
    in_state(&front.database(), "purged", 5).await;
    in_state(&front.database(), "parked", 1).await;
    let reasons = "SELECT COUNT(*) AS n FROM forward WHERE reason LIKE '%A900H%'";
    assert_eq!(count_rows(&front.database(), reasons).await, 1);
    front.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_lies_makes_nothing_go() {
    let service = Service::start("lying");
    let front = front_of(&service).await;
    let lied = "SELECT COUNT(*) AS n FROM forward WHERE reason LIKE '%does not keep it%' AND attempts >= 2";
    eventually(Duration::from_secs(120), "the lie was seen, twice", || async {
        (count_rows(&front.database(), lied).await == 6).then_some(())
    })
    .await;
    assert_eq!(count_rows(&front.database(), "SELECT COUNT(*) AS n FROM instance WHERE offline_at IS NULL").await, 6);
    front.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_too_long_is_not_read_and_nothing_counts_as_sent() {
    let service = Service::start("honest");
    // Less than the answer about one instance.
    let narrow = UpstreamConfig { max_answer_bytes: 60, max_attempts: 1000, ..service.upstream() };
    let front = TestServer::start_with(|config| config.upstream.push(narrow)).await;
    let folder = tempfile::tempdir().unwrap();

    assert!(send_all(front.dicom(), &files(folder.path(), 0..6, 4096)).iter().all(|answer| answer.is_acknowledged()));

    eventually(Duration::from_secs(120), "the service has them", || async {
        (0..6).all(|number| service.kept(&small_instance(number, 4096).sop_instance_uid).is_some()).then_some(())
    })
    .await;
    let beyond = "SELECT COUNT(*) AS n FROM forward WHERE state <> 0";
    assert_eq!(count_rows(&front.database(), beyond).await, 0, "none counts as sent or confirmed");
    assert!(send_all(front.dicom(), &files(folder.path(), 6..7, 64)).iter().all(|answer| answer.is_acknowledged()));
    front.stop().await;
}
