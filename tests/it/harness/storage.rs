//! A fresh object store for each test: a folder, or a prefix in a bucket of a local S3 server (moto).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use yingku::objects::{Objects, ObjectsConfig, StorageEngine};

use super::wait::{free_port, http};
use super::{keeper, python};

/// One empty object store.
#[derive(Debug)]
pub struct TestStore {
    config: ObjectsConfig,
    folder: Option<TempDir>,
}

impl TestStore {
    /// A folder of its own, with a file for each object.
    pub fn folder() -> Self {
        Self::folder_with(StorageEngine::File)
    }

    /// A folder of its own, with small instances in segments.
    pub fn segments() -> Self {
        Self::folder_with(StorageEngine::Segment)
    }

    fn folder_with(engine: StorageEngine) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("file://{}/objects", folder.path().display());
        Self { config: ObjectsConfig { url, engine, ..ObjectsConfig::default() }, folder: Some(folder) }
    }

    /// A prefix of its own in the test run's bucket.
    pub fn s3() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        // A second call finds the provider in place, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let service = S3::running();
        let config = ObjectsConfig {
            url: format!("s3://yingku/store{}", NEXT.fetch_add(1, Ordering::Relaxed)),
            endpoint: format!("http://{}", service.address),
            access_key_id: "synthetic".to_owned(),
            secret_access_key: "synthetic".to_owned(),
            ..ObjectsConfig::default()
        };
        Self { config, folder: None }
    }

    /// The same, with small instances in segments that begin in a local folder.
    pub fn s3_with_journal() -> Self {
        let mut store = Self::s3();
        let folder = tempfile::tempdir().unwrap();
        store.config.journal = Some(folder.path().join("journal"));
        store.folder = Some(folder);
        store
    }

    /// How a server reaches it.
    pub fn config(&self) -> ObjectsConfig {
        self.config.clone()
    }

    /// The folder's path, when it is one.
    pub fn path(&self) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.path().join("objects"))
    }

    /// Opens it.
    pub fn open(&self) -> Objects {
        Objects::open(&self.config).unwrap()
    }

    /// Opens it with a small buffer, so that little data takes the path of large objects.
    pub fn open_with_buffer(&self, bytes: usize) -> Objects {
        Objects::open(&ObjectsConfig { buffer_bytes: bytes, ..self.config.clone() }).unwrap()
    }
}

/// Runs one test body on a folder and on S3: makes the tests `name::in_a_folder` and `name::in_a_bucket`.
#[macro_export]
macro_rules! each_store {
    ($(async fn $name:ident($store:ident: TestStore) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn body($store: $crate::harness::TestStore) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_a_folder() {
                body($crate::harness::TestStore::folder()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_a_bucket() {
                body($crate::harness::TestStore::s3()).await;
            }
        }
    )*};
}

struct S3 {
    address: SocketAddr,
    _keeper: Child,
}

impl S3 {
    fn running() -> &'static S3 {
        static SERVICE: OnceLock<S3> = OnceLock::new();
        SERVICE.get_or_init(S3::start)
    }

    fn start() -> S3 {
        let port = free_port();
        let folder = tempfile::Builder::new().prefix("yingku-s3-").tempdir().unwrap().keep();
        let start = "\"$1\" -m moto.server -H 127.0.0.1 -p \"$2\" </dev/null & child=$!";
        let keeper = keeper::keep(&folder, start, &[python().to_str().unwrap(), &port.to_string()]);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        wait_until_it_answers(address, &folder);
        S3 { address, _keeper: keeper }
    }
}

fn wait_until_it_answers(address: SocketAddr, folder: &Path) {
    let started = Instant::now();
    // Making the bucket is the question.
    while !matches!(http(address, "PUT", "/yingku"), Some((200, _))) {
        let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert!(started.elapsed() < Duration::from_secs(120), "moto does not start: {log}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
