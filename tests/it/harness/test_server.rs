//! The real server in the test's own process, on free ports.

use std::net::SocketAddr;
use std::path::PathBuf;

use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use yingku::config::Config;
use yingku::domain::Actor;
use yingku::domain::dictionary::{Entry, ORGANIZATION};
use yingku::index::DatabaseConfig;
use yingku::server::{Server, open_archive};

use super::StoredInstances;

/// A running server with SQLite and a folder of its own (unless the test changes that).
#[derive(Debug)]
pub struct TestServer {
    http: SocketAddr,
    https: Option<SocketAddr>,
    dicom: SocketAddr,
    dicom_tls: Option<SocketAddr>,
    config: Config,
    stop: CancellationToken,
    running: Option<JoinHandle<()>>,
    folder: TempDir,
}

impl TestServer {
    /// Starts with [`base_toml`].
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts with a configuration that the test has changed.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let database = format!("sqlite://{}/yingku.db", folder.path().display());
        let objects = format!("file://{}/objects", folder.path().display());
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut config: Config = toml::from_str(&base_toml(any, any, &database, &objects)).unwrap();
        change(&mut config);
        let server = Server::open(config.clone()).await.unwrap();
        let (http, https, dicom) = (server.http_addr(), server.https_addr(), server.dicom_addr());
        let dicom_tls = server.dicom_tls_addr();
        let stop = CancellationToken::new();
        let token = stop.clone();
        let running = tokio::spawn(async move { server.run(token).await.unwrap() });
        Self { http, https, dicom, dicom_tls, config, stop, running: Some(running), folder }
    }

    /// Where its pages are, e.g. for `format!("http://{}/livez", server.http())`.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Where its pages are over TLS, when the test has configured that.
    pub fn https(&self) -> Option<SocketAddr> {
        self.https
    }

    /// Where it takes DICOM.
    pub fn dicom(&self) -> SocketAddr {
        self.dicom
    }

    /// Where it takes DICOM over TLS, when the test has configured that.
    pub fn dicom_tls(&self) -> Option<SocketAddr> {
        self.dicom_tls
    }

    /// Where its index is.
    pub fn database(&self) -> DatabaseConfig {
        self.config.database.clone()
    }

    /// The configuration that it runs with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Imports names of organisations as an operator does, in an archive of its own beside the server.
    pub async fn import_organizations(&self, codes: &[&str]) {
        let entry =
            |code: &&str| Entry { code: (*code).to_owned(), meaning: "示例新院".to_owned(), aliases: Vec::new() };
        let imported = vec![(ORGANIZATION.to_owned(), codes.iter().map(entry).collect())];
        let beside = open_archive(&self.config).await.unwrap();
        beside.import_dictionaries(Actor::system("test"), imported).await.unwrap();
        beside.close().await.unwrap();
    }

    /// The folder of its objects.
    pub fn objects(&self) -> PathBuf {
        self.folder.path().join("objects")
    }

    /// What its index and its folder hold right now.
    pub async fn stored(&self) -> StoredInstances {
        StoredInstances::read(&self.config.database.url, &self.folder.path().join("objects")).await
    }

    /// Asks it to end and waits until it has; a server that ends with an error fails the test.
    pub async fn stop(mut self) {
        self.stop.cancel();
        self.running.take().expect("it runs").await.unwrap();
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The configuration that tests start from: one organisation, and one of everybody who may call.
pub fn base_toml(http: SocketAddr, dicom: SocketAddr, database: &str, objects: &str) -> String {
    format!(
        r#"
[http]
listen = "{http}"
public_url = "http://{http}"

[dicom]
listen = "{dicom}"
ae_title = "YINGKU"

[database]
url = "{database}"
acquire_timeout_ms = 60000

[objects]
url = "{objects}"

[reports]
allow = ["http://127.0.0.1:*"]

[[organization]]
code = "ORG-T01"
name = "示例医院"

[[peer]]
ae_title = "PACS01"
host = "127.0.0.1"
port = 11113
organization = "ORG-T01"

[[sender]]
name = "ris"
addresses = ["127.0.0.1/32"]
organizations = ["ORG-T01"]

[[client]]
id = "region"
key = "synthetic-region-key-0001"

[[customer]]
guid = "11111111-2222-4333-8444-555555555555"
secret = "only-for-these-tests-7Qm2"
organization = "ORG-T01"
"#
    )
}
