//! Fetching the images of registered exams (RAD-16) from real PACS: DCMTK's dcmqrscp, Orthanc, and pynetdicom programs
//! that are late, slow or hostile.

mod commands;
mod dcmqrscp;
mod deleted;
mod disk_full;
mod forwarded;
mod hostile;
mod identity;
mod kill;
mod late;
mod orthanc;
mod peer;
mod places;
mod settings;
mod tls;
mod two_servers;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use yingku::config::Config;
use yingku::dimse::PeerConfig;
use yingku::index::{DatabaseConfig, Index, Row};

use crate::harness::{StoredInstances, TestServer, data_set_of, eventually, small_instance};

/// The study of [`small_instance`].
const STUDY: &str = "2.25.7001";
const PATIENCE: Duration = Duration::from_secs(120);

/// Images of the study in a folder.
struct Images {
    folder: TempDir,
    paths: Vec<PathBuf>,
    uids: Vec<String>,
}

impl Images {
    fn new(count: u32, pixel_bytes: usize) -> Self {
        let mut images = Self { folder: tempfile::tempdir().unwrap(), paths: Vec::new(), uids: Vec::new() };
        (0..count).for_each(|_| images.add(pixel_bytes));
        images
    }

    fn add(&mut self, pixel_bytes: usize) {
        let number = self.paths.len() as u32;
        let file = small_instance(number, pixel_bytes);
        let path = self.folder().join(format!("{number:05}.dcm"));
        file.write_to(&path);
        self.uids.push(file.sop_instance_uid);
        self.paths.push(path);
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Every image is in the archive as it is in the file, and nothing else is.
    async fn assert_are_all_of(&self, server: &TestServer) {
        self.assert_are_all_in(&server.stored().await);
    }

    fn assert_are_all_in(&self, stored: &StoredInstances) {
        assert_eq!(stored.count(), self.uids.len());
        for (uid, path) in self.uids.iter().zip(&self.paths) {
            let file = std::fs::read(path).unwrap();
            assert_eq!(stored.data_set(uid).as_deref(), Some(data_set_of(&file)), "{uid}");
        }
    }
}

/// A peer `QRSCP` of ORG-T01 at a port of this machine, with short pauses.
fn peer(port: u16, more: &str) -> PeerConfig {
    let text = format!("ae_title = 'QRSCP'\nhost = '127.0.0.1'\nport = {port}\norganization = 'ORG-T01'\n{more}");
    toml::from_str(&text).unwrap()
}

/// A server that fetches from this peer and does not wait long.
async fn server_with(peer: PeerConfig) -> TestServer {
    TestServer::start_with(|config| impatient(config, peer)).await
}

fn impatient(config: &mut Config, peer: PeerConfig) {
    config.peer.push(peer);
    config.jobs.poll_ms = 20;
    config.retrieve.first_delay_ms = 100;
    config.retrieve.delay_factor = 1.0;
    config.retrieve.stable_ms = 0;
}

/// Registers an exam report over SOAP as a hospital does; later attributes replace earlier ones of the same name.
pub async fn register(server: std::net::SocketAddr, attributes: &[(&str, &str)]) {
    let complete = [
        ("last_update_dtime", "2024/3/23 0:00:00"),
        ("org_code", "ORG-T01"),
        ("state", "3"),
        ("report_form_no", "EX0001"),
        ("patient_id", "P0001"),
        ("event_type", "1"),
        ("event_no", "E0001"),
        ("retrieve_date", "2024/3/22 21:01:07"),
        ("class_code", "CT"),
        ("body_part_name", "头部"),
        ("name", "测试甲"),
        ("sex_code", "2"),
        ("birth_date", "1990/1/1 0:00:00"),
        ("participant_dtime", "2024/3/22 9:00:00"),
        ("performer_dtime", "2024/3/22 14:46:06"),
        ("patient_local_id", "L0001"),
        ("pacs_id", "A0001"),
        ("study_instance_uid", STUDY),
    ];
    let mut all = complete.to_vec();
    for (name, value) in attributes {
        all.retain(|(known, _)| known != name);
        all.push((name, value));
    }
    let item: String = all.iter().map(|(name, value)| format!(" {name}=\"{value}\"")).collect();
    let body = format!("<root time=\"2024-03-24 14:40:00\"><exammaster><item{item}/></exammaster></root>");
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = format!("http://{server}/sehr.service.auto/IAutoReport.asmx");
    let answer = reqwest::Client::new().post(url).header("content-type", "text/xml").body(body).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    let text = answer.text().await.unwrap();
    assert!(text.contains("stored") || text.contains("updated") || text.contains("成功"), "{text}");
}

/// What the table says of the only exam.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Standing {
    state: String,
    checks: i64,
    studies: i64,
    expected: Option<i64>,
    held: i64,
    error: String,
    detail: String,
}

async fn open(database: &DatabaseConfig) -> Index {
    Index::open(database).await.unwrap()
}

async fn standing(index: &Index) -> Option<Standing> {
    let sql =
        "SELECT state, checks, studies, expected_instances, held_instances, last_error, detail FROM exam_retrieve";
    let row: Row = index.query_opt(sql, Vec::new()).await.unwrap()?;
    Some(Standing {
        state: row.text("state").unwrap(),
        checks: row.int("checks").unwrap(),
        studies: row.int("studies").unwrap(),
        expected: row.get("expected_instances").unwrap(),
        held: row.int("held_instances").unwrap(),
        error: row.text("last_error").unwrap(),
        detail: row.text("detail").unwrap(),
    })
}

/// Waits until the only exam stands as the test wants.
async fn until(index: &Index, what: &str, wanted: impl Fn(&Standing) -> bool) -> Standing {
    let last = std::sync::Mutex::new(None);
    let found = tokio::time::timeout(
        PATIENCE,
        eventually(PATIENCE * 2, what, || async {
            let now = standing(index).await;
            last.lock().unwrap().clone_from(&now);
            now.filter(&wanted)
        }),
    )
    .await;
    found.unwrap_or_else(|_| panic!("{what}: {:?}", last.lock().unwrap()))
}

async fn until_complete(index: &Index) -> Standing {
    until(index, "everything is here", |standing| standing.state == "complete").await
}
