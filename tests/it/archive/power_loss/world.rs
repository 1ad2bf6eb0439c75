//! An archive whose rows wait for a sync as long as the test likes, and what is left of it after a loss of power.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use tempfile::TempDir;
use tower::ServiceExt;
use yingku::archive::Archive;
use yingku::archive::images::store_instance::{Completeness, ReceiveInstance, StoreOutcome};
use yingku::archive::peers::forward::ForwardRule;
use yingku::archive::peers::notify_availability::NotifyRule;
use yingku::archive::upkeep::reindex::ReindexRules;
use yingku::dicom::text::Charset;
use yingku::domain::organization::Organization;
use yingku::domain::place::Place;
use yingku::domain::{Actor, ActorKind, Clock};
use yingku::index::{DatabaseConfig, Ids, Index};
use yingku::integrations::report_registry::{RegistryConfig, SenderConfig, Settings, router};
use yingku::objects::{Objects, ObjectsConfig};

use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};
use crate::harness::{archive, run};

const HOUR_MS: u64 = 3_600_000;

pub struct World {
    pub archive: Archive,
    pub index: Index,
    pub objects: Objects,
    folder: TempDir,
}

/// A slice of one of several studies, each of one series.
pub fn slice(study: usize, uid: &str) -> DataSet {
    let mut set = DataSet::ct(uid);
    set.text(0x0020_000D, "UI", &format!("2.25.8.{study}"));
    set.text(0x0020_000E, "UI", &format!("2.25.8.{study}.1"));
    set.bytes(0x0010_0010, "PN", b"\xB2\xE2\xCA\xD4\xBC\xD7");
    set.bytes(0x7FE0_0010, "OW", &vec![u8::try_from(study).unwrap(); 600]);
    set
}

impl World {
    pub async fn new() -> Self {
        Self::with_segments_of(1024 * 1024).await
    }

    pub async fn with_segments_of(bytes: u64) -> Self {
        Self::open(tempfile::tempdir().unwrap(), bytes).await
    }

    async fn open(folder: TempDir, segment_bytes: u64) -> Self {
        let database = DatabaseConfig {
            url: format!("sqlite://{}/yingku.db", folder.path().display()),
            unsynced_instances: 1_000_000,
            unsynced_bytes: u64::MAX,
            unsynced_ms: HOUR_MS,
            ..DatabaseConfig::default()
        };
        let index = Index::open(&database).await.unwrap();
        let objects = Objects::open(&ObjectsConfig {
            url: format!("file://{}/objects", folder.path().display()),
            segment_bytes,
            segment_object_bytes: 16 * 1024,
            ..ObjectsConfig::default()
        });
        let objects = objects.unwrap();
        let ids = Ids::lease(&index).await.unwrap();
        let organizations = vec!["ORG-T01".to_owned()];
        let forward = ForwardRule { upstream: "region".to_owned(), organizations, delay_ms: 0 };
        let notify = NotifyRule { ae_title: "WORKLIST".to_owned(), org_code: "ORG-T01".to_owned(), quiet_ms: HOUR_MS };
        let rules = ReindexRules {
            organization: None,
            default_charset: Charset::gb18030(),
            charsets: HashMap::from([(("ORG-T02".to_owned(), "PACS02".to_owned()), Charset::default())]),
        };
        let archive = archive::build(index.clone(), objects.clone(), Clock::System, ids)
            .forwarding(vec![forward])
            .notifying(vec![notify])
            .making_rows_again(rules);
        Self { archive, index, objects, folder }
    }

    pub async fn store(&self, set: &DataSet) -> StoreOutcome {
        // Most are of an organisation whose instances nobody waits for, as most are.
        self.store_as(if self.waits(set) { "ORG-T01" } else { "ORG-T02" }, "GB18030", set).await
    }

    /// Study 1 is awaited by an upstream and by a peer.
    fn waits(&self, set: &DataSet) -> bool {
        set.encode().windows(8).any(|bytes| bytes == b"2.25.8.1")
    }

    pub async fn store_for(&self, org_code: &str, set: &DataSet) -> StoreOutcome {
        self.store_as(org_code, "GB18030", set).await
    }

    pub async fn store_read_as(&self, charset: &str, set: &DataSet) -> StoreOutcome {
        self.store_as("ORG-T02", charset, set).await
    }

    async fn store_as(&self, org_code: &str, charset: &str, set: &DataSet) -> StoreOutcome {
        let pacs = Actor { kind: ActorKind::Peer, name: "PACS01".to_owned(), ..Actor::system("") };
        let uid = set.text_of(0x0008_0018);
        let command = ReceiveInstance {
            org_code: org_code.to_owned(),
            calling_ae_title: "PACS01".to_owned(),
            default_charset: Charset::parse(charset).unwrap(),
            sop_class_uid: CT_IMAGE.to_owned(),
            sop_instance_uid: uid,
            transfer_syntax_uid: EXPLICIT_LE.to_owned(),
            completeness: Completeness::AsSent,
            actor: pacs,
        };
        let mut writer = self.archive.receive_instance(command).await.unwrap();
        writer.write(&set.encode()).await.unwrap();
        writer.commit().await.unwrap()
    }

    /// Registers the report of a study of ORG-T01.
    pub async fn register_exam(&self, study_instance_uid: &str) {
        let settings = Settings {
            registry: RegistryConfig::default(),
            senders: vec![SenderConfig {
                name: "ris".to_owned(),
                addresses: vec!["127.0.0.1/32".to_owned()],
                organizations: vec!["ORG-T01".to_owned()],
                ..SenderConfig::default()
            }],
            clients: Vec::new(),
            organizations: vec![Organization { code: "ORG-T01".to_owned(), name: "示例医院".to_owned() }],
            public_url: "http://127.0.0.1:8080".to_owned(),
        };
        let exam = format!(
            "<root time=\"2024-03-24 14:40:00\"><exammaster><item last_update_dtime=\"2024/3/23 0:00:00\" \
             org_code=\"ORG-T01\" state=\"3\" report_form_no=\"EX0001\" patient_id=\"P0001\" event_type=\"1\" \
             event_no=\"E0001\" retrieve_date=\"2024/3/22 21:01:07\" class_code=\"CT\" body_part_name=\"头部\" \
             name=\"测试甲\" sex_code=\"2\" birth_date=\"1990/1/1 0:00:00\" performer_dtime=\"2024/3/22 14:46:06\" \
             image_descr=\"描述\" conclusion=\"结论\" patient_local_id=\"L0001\" pacs_id=\"A0001\" \
             study_instance_uid=\"{study_instance_uid}\"/></exammaster></root>"
        );
        let mut request = Request::post("/sehr.service.auto/IAutoReport.asmx")
            .header("content-type", "text/xml")
            .body(Body::from(exam))
            .unwrap();
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 40000))));
        let answer = router(self.archive.clone(), settings).unwrap().oneshot(request).await.unwrap();
        let body = axum::body::to_bytes(answer.into_body(), 100_000).await.unwrap();
        let rows = self.index.query("SELECT id FROM exam_report", Vec::new()).await.unwrap();
        assert_eq!(rows.len(), 1, "{}", String::from_utf8_lossy(&body));
    }

    /// Syncs all that was committed, and tells where the log ends then.
    pub async fn sync(&self) -> u64 {
        self.index.sync().await.unwrap();
        self.sync_seen()
    }

    /// Where the log ends.
    pub fn sync_seen(&self) -> u64 {
        std::fs::metadata(log_in(self.folder.path())).unwrap().len()
    }

    /// All current contents, by SOP Instance UID.
    pub async fn stored(&self) -> BTreeMap<String, Vec<Vec<u8>>> {
        let sql = "SELECT sop_instance_uid, object_key, object_offset, object_length, dataset_offset FROM instance";
        let mut stored: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
        for row in self.index.query(sql, Vec::new()).await.unwrap() {
            let number = |column| u64::try_from(row.int(column).unwrap()).unwrap();
            let (offset, length) = (number("object_offset"), number("object_length"));
            let place = Place { key: row.text("object_key").unwrap(), offset, length };
            let file = self.objects.read(&place).await.unwrap();
            let data_set = file[usize::try_from(number("dataset_offset")).unwrap()..].to_vec();
            stored.entry(row.text("sop_instance_uid").unwrap()).or_default().push(data_set);
        }
        stored
    }

    /// Where instances are.
    pub async fn places(&self) -> Vec<(String, u64, u64)> {
        let sql = "SELECT object_key, object_offset, object_length FROM instance ORDER BY sop_instance_uid, org_code";
        let rows = self.index.query(sql, Vec::new()).await.unwrap();
        let number = |row: &yingku::index::Row, column| u64::try_from(row.int(column).unwrap()).unwrap();
        rows.iter()
            .map(|row| (row.text("object_key").unwrap(), number(row, "object_offset"), number(row, "object_length")))
            .collect()
    }

    /// Sealed segments that may lack rows.
    pub fn marks(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("objects/segment-rows")).map_or(0, Iterator::count)
    }

    /// What a loss of power leaves at best.
    pub fn crash(&self) -> Crash {
        Crash::of(self.folder.path())
    }

    pub fn into_parts(self) -> (TempDir, Archive) {
        (self.folder, self.archive)
    }
}

/// What is left of a folder, without locks and without what was only in memory.
pub struct Crash {
    folder: TempDir,
}

impl Crash {
    pub fn of(folder: &Path) -> Self {
        let copy = tempfile::tempdir().unwrap();
        run(Command::new("cp").arg("-a").arg(folder.join(".")).arg(copy.path()));
        let _ = std::fs::remove_file(copy.path().join("yingku.db-shm"));
        Self { folder: copy }
    }

    pub fn log(&self) -> PathBuf {
        log_in(self.folder.path())
    }

    /// The same with a log that ends there.
    pub fn with_log_cut(&self, at: u64) -> Self {
        let cut = Self::of(self.folder.path());
        let log = std::fs::File::options().write(true).open(cut.log()).unwrap();
        assert!(at <= log.metadata().unwrap().len());
        log.set_len(at).unwrap();
        cut
    }

    /// As a start of the server opens it, before the replay.
    pub async fn open(self) -> World {
        World::open(self.folder, 1024 * 1024).await
    }
}

fn log_in(folder: &Path) -> PathBuf {
    folder.join("yingku.db-wal")
}

/// All that an arrival writes, without ids and times.
pub async fn facts(index: &Index) -> Vec<String> {
    let mut facts = Vec::new();
    for (what, sql, columns) in [
        (
            "instance",
            "SELECT i.*, r.series_instance_uid, s.study_instance_uid FROM instance i \
             JOIN series r ON r.id = i.series_pk JOIN study s ON s.id = r.study_pk",
            &[
                "org_code",
                "sop_instance_uid",
                "content_hash",
                "object_key",
                "header_state",
                "calling_ae_title",
                "series_instance_uid",
                "study_instance_uid",
            ][..],
        ),
        (
            "version",
            "SELECT v.*, i.sop_instance_uid FROM instance_version v JOIN instance i ON i.id = v.instance_pk",
            &["sop_instance_uid", "content_hash", "object_key"][..],
        ),
        (
            "series",
            "SELECT r.*, s.* FROM series r JOIN study s ON s.id = r.study_pk",
            &["org_code", "study_instance_uid", "series_instance_uid", "modality", "patient_name", "patient_sex"][..],
        ),
        ("patient", "SELECT * FROM patient", &["org_code", "patient_id", "name"][..]),
        (
            "exam_study",
            "SELECT x.rule, s.study_instance_uid, s.org_code FROM exam_study x JOIN study s ON s.id = x.study_pk",
            &["rule", "org_code", "study_instance_uid"][..],
        ),
        (
            "forward",
            "SELECT f.upstream, f.reason, i.sop_instance_uid FROM forward f JOIN instance i ON i.id = f.instance_pk \
             JOIN study s ON s.id = f.study_pk",
            &["upstream", "sop_instance_uid", "reason"][..],
        ),
        ("job", "SELECT kind, state FROM job WHERE kind = 'notify_availability'", &["kind", "state"][..]),
        ("conflict", "SELECT kind, org_code FROM conflict", &["kind", "org_code"][..]),
        (
            "audit",
            "SELECT * FROM audit WHERE action = 'store_instance'",
            &["action", "actor_kind", "actor", "org_code", "outcome"][..],
        ),
    ] {
        for row in index.query(sql, Vec::new()).await.unwrap() {
            let texts: Vec<String> = columns.iter().map(|column| row.text(column).unwrap()).collect();
            facts.push(format!("{what} {}", texts.join(" ")));
        }
    }
    facts.sort();
    facts
}
