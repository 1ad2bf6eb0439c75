//! The DICOM listener, seen from its callers: DCMTK, our own SCU, and sockets that break the rules.

pub mod availability;
mod commitment;
mod find;
mod find_limits;
mod find_organizations;
mod find_sequences;
mod hostile;
mod limits;
mod memory;
mod peers;
mod raw;
mod retrieve;
mod security;
mod store;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use yingku::archive::Archive;
use yingku::dicom::part10;
use yingku::dimse::scu::{Association, Error, Proposal, ScuTarget};
use yingku::dimse::storage_commitment::StorageCommitment;
use yingku::dimse::{DicomConfig, Listener, PeerConfig};
use yingku::domain::place::Place;
use yingku::domain::{AeTitle, Clock};
use yingku::index::{Index, Row, Value};
use yingku::objects::Objects;

use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};
use crate::harness::{TestDatabase, TestStore};

/// A listener over an archive of its own, with the peer PACS01 on this machine.
struct TestListener {
    address: SocketAddr,
    tls: Option<SocketAddr>,
    index: Index,
    objects: Objects,
    commitment: StorageCommitment,
    stop: CancellationToken,
    running: Option<JoinHandle<()>>,
    _database: TestDatabase,
    _store: TestStore,
}

impl TestListener {
    async fn start() -> Self {
        Self::start_with(DicomConfig::default()).await
    }

    async fn start_with(config: DicomConfig) -> Self {
        Self::start_with_peers(config, &["ae_title = 'PACS01'\nhost = '127.0.0.1'\norganization = 'ORG-T01'"]).await
    }

    async fn start_with_peers(config: DicomConfig, peers: &[&str]) -> Self {
        Self::start_at(DicomConfig { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..config }, peers).await
    }

    /// The same at the address of the configuration.
    async fn start_at(config: DicomConfig, peers: &[&str]) -> Self {
        Self::start_over(TestDatabase::sqlite(), config, peers).await
    }

    async fn start_over(database: TestDatabase, config: DicomConfig, peers: &[&str]) -> Self {
        let store = TestStore::folder();
        let objects = store.open();
        let (index, ids) = database.open_with_ids().await;
        let archive: Archive = crate::harness::archive::build(index.clone(), objects.clone(), Clock::System, ids);
        let peers: Vec<PeerConfig> = peers.iter().map(|text| toml::from_str(text).unwrap()).collect();
        assert_eq!(config.faults(&peers), Vec::<String>::new());
        let listener = Listener::bind(&config, peers, archive).await.unwrap();
        let (address, tls) = (listener.local_addr(), listener.tls_addr());
        let commitment = listener.storage_commitment();
        let stop = CancellationToken::new();
        let running = tokio::spawn(listener.run(stop.clone()));
        Self {
            address,
            tls,
            index,
            objects,
            commitment,
            stop,
            running: Some(running),
            _database: database,
            _store: store,
        }
    }

    fn target(&self) -> ScuTarget {
        target(self.address, "PACS01", "YINGKU")
    }

    /// An association for CT images in Explicit VR Little Endian, and for C-ECHO.
    async fn connect(&self) -> Result<Association, Error> {
        let proposals = [Proposal::verification(), Proposal::storage(CT_IMAGE, EXPLICIT_LE)];
        Association::connect(&self.target(), &proposals).await
    }

    async fn rows(&self, sql: &'static str) -> Vec<Row> {
        self.index.query(sql, Vec::<Value>::new()).await.unwrap()
    }

    /// The stored data sets by SOP Instance UID.
    async fn data_set(&self, sop_instance_uid: &str) -> Option<Vec<u8>> {
        let sql = "SELECT object_key, object_offset, object_length, dataset_offset FROM instance \
                   WHERE sop_instance_uid = $1";
        let row = self.index.query_opt(sql, yingku::params![sop_instance_uid]).await.unwrap()?;
        let number = |column: &str| row.int(column).unwrap() as u64;
        let place = Place {
            key: row.text("object_key").unwrap(),
            offset: number("object_offset"),
            length: number("object_length"),
        };
        let file = self.objects.read(&place).await.unwrap();
        assert_eq!(&file[128..132], b"DICM");
        Some(file[number("dataset_offset") as usize..].to_vec())
    }

    async fn stop(mut self) {
        self.stop.cancel();
        self.running.take().expect("it runs").await.unwrap();
    }
}

impl Drop for TestListener {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn target(address: SocketAddr, calling: &str, called: &str) -> ScuTarget {
    let title = |text| AeTitle::parse(text).unwrap();
    let mut target = ScuTarget::new(&address.ip().to_string(), address.port(), title(calling), title(called));
    target.timeout = Duration::from_secs(120);
    target
}

/// A CT image as a Part 10 file.
fn ct_file(sop_instance_uid: &str) -> Vec<u8> {
    file_of(sop_instance_uid, &DataSet::ct(sop_instance_uid).encode())
}

fn file_of(sop_instance_uid: &str, data_set: &[u8]) -> Vec<u8> {
    let mut file = part10::meta(CT_IMAGE, sop_instance_uid, EXPLICIT_LE, "PACS01");
    file.extend_from_slice(data_set);
    file
}
