//! A server with the registry and what pulls from it, over a database and an object store of its own.

use std::net::SocketAddr;

use serde_json::Value;
use yingku::archive::images::store_attachment::{AttachmentOutcome, ReceiveAttachment};
use yingku::archive::images::store_instance::{Completeness, ReceiveInstance, StoreOutcome};
use yingku::archive::{Archive, ArchiveParts, LinkRules, QrConfig, StampSettings};
use yingku::dicom::text::Charset;
use yingku::documents::DocumentsConfig;
use yingku::domain::attachment::{AttachmentKind, AttachmentType};
use yingku::domain::organization::Organization;
use yingku::domain::place::Place;
use yingku::domain::{Actor, Clock};
use yingku::fetch::{AllowEntry, Fetcher, ReportsConfig};
use yingku::index::Index;
use yingku::integrations::report_registry::{self, ClientConfig, RegistryConfig, SenderConfig, Settings};
use yingku::web::api::{self, ApiClient, ApiConfig, ApiState};
use yingku::web::{HttpConfig, app, fhir};

pub use super::containers::{exam, lab, line};
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};
use crate::harness::{TestDatabase, TestStore};

/// Sees what is shared.
pub const REGION: &str = "key-of-the-region-0001";
/// Sees VIP and restricted reports too.
pub const PRIVILEGED: &str = "key-of-the-privileged-0002";
/// Sees the reports of ORG-T02 alone and whole.
pub const HOSPITAL: &str = "key-of-the-hospital-0003";
/// May ask for patients that it names, nothing else.
pub const NARROW: &str = "key-of-the-narrow-0004";

/// 2024-03-24 14:40:00 in Asia/Shanghai.
pub const NOW: i64 = 1_711_262_400_000;

pub struct World {
    pub address: SocketAddr,
    pub archive: Archive,
    pub index: Index,
    http: reqwest::Client,
    _database: TestDatabase,
    store: TestStore,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}: {}", self.status, self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }
}

pub fn clients() -> Vec<ApiClient> {
    // Who may pull by time may record, too.
    let client = |id: &str, key: &str, organizations: Option<&str>, vip, follow| ApiClient {
        id: id.to_owned(),
        key: key.to_owned(),
        certificate: Vec::new(),
        networks: Vec::new(),
        organizations: organizations.map(|code| vec![code.to_owned()]),
        vip,
        follow,
        recognitions: follow,
    };
    vec![
        client("region", REGION, None, false, true),
        client("privileged", PRIVILEGED, None, true, true),
        client("hospital", HOSPITAL, Some("ORG-T02"), false, true),
        client("narrow", NARROW, None, false, false),
    ]
}

impl World {
    pub async fn start(database: TestDatabase) -> Self {
        Self::start_with(database, Clock::fixed(NOW), |_| ()).await
    }

    pub async fn start_with(database: TestDatabase, clock: Clock, change: impl FnOnce(&mut ApiConfig)) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (index, ids) = database.open_with_ids().await;
        let store = TestStore::folder();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let http = HttpConfig { public_url: format!("http://{address}"), ..HttpConfig::default() };
        let reports =
            ReportsConfig { allow: vec![AllowEntry::parse("http://127.0.0.1:*").unwrap()], ..ReportsConfig::default() };
        let archive = Archive::new(ArchiveParts {
            index: index.clone(),
            objects: store.open(),
            clock,
            ids,
            link_rules: LinkRules::default(),
            header_limits: Default::default(),
            fetcher: Fetcher::new(reports).unwrap(),
            stamp: StampSettings { public_url: http.public_url.clone(), qr: QrConfig::default() },
            documents: DocumentsConfig::default(),
            probe_interval: std::time::Duration::from_secs(15),
        });
        let names = ["ORG-T01", "ORG-T02", "ORG-T03"].map(|code| (code.to_owned(), "示例医院".to_owned()));
        let archive = archive.naming(names.into());
        let mut config = ApiConfig { look_every_ms: 20, ..ApiConfig::default() };
        change(&mut config);
        let state = ApiState::new(archive.clone(), &http, config, clients());
        let registry = report_registry::router(archive.clone(), settings(&http.public_url)).unwrap();
        let routers = [registry, api::router(state.clone()), fhir::router(state)];
        let service = app(&http, routers).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { address, archive, index, http, _database: database, store }
    }

    pub fn request(&self, key: &str, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.get(format!("http://{}{path}", self.address));
        if key.is_empty() { request } else { request.bearer_auth(key) }
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.bytes().await.unwrap().to_vec() }
    }

    pub async fn get(&self, key: &str, path: &str) -> Answer {
        self.send(self.request(key, path)).await
    }

    /// Posts JSON.
    pub async fn post(&self, key: &str, path: &str, body: &Value) -> Answer {
        let request = self.http.post(format!("http://{}{path}", self.address)).bearer_auth(key);
        self.send(request.header("content-type", "application/json").body(body.to_string())).await
    }

    /// Posts a form.
    pub async fn post_form(&self, key: &str, path: &str, form: &str) -> Answer {
        let request = self.http.post(format!("http://{}{path}", self.address)).bearer_auth(key);
        let form_type = "application/x-www-form-urlencoded; charset=utf-8";
        self.send(request.header("content-type", form_type).body(form.to_owned())).await
    }

    /// Asks for something that must be there.
    pub async fn found(&self, key: &str, path: &str) -> Value {
        let answer = self.get(key, path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// The code of a refusal.
    pub async fn refused(&self, key: &str, path: &str) -> (u16, String) {
        let answer = self.get(key, path).await;
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}: {}", answer.text());
        (answer.status, answer.json()["code"].as_str().unwrap().to_owned())
    }

    /// Registers containers; every record must be taken.
    pub async fn register(&self, containers: &[String]) {
        let document = format!("<root time=\"2024-03-24 14:40:00\">{}</root>", containers.concat());
        let url = format!("http://{}/sehr.service.auto/IAutoReport.asmx", self.address);
        let request = self.http.post(url).header("content-type", "text/xml").body(document);
        let answer = self.send(request).await.text();
        assert!(answer.contains("<result>1</result>"), "{answer}");
    }

    /// Stores one slice of the study that [`exam`] names.
    pub async fn store_slice(&self) {
        self.store(CT_IMAGE, &DataSet::ct("2.25.1")).await;
    }

    /// Stores an object as a PACS would.
    pub async fn store(&self, sop_class_uid: &str, set: &DataSet) {
        let command = ReceiveInstance {
            org_code: "ORG-T01".to_owned(),
            calling_ae_title: "PACS01".to_owned(),
            default_charset: Charset::default(),
            sop_class_uid: sop_class_uid.to_owned(),
            sop_instance_uid: set.text_of(0x0008_0018),
            transfer_syntax_uid: EXPLICIT_LE.to_owned(),
            completeness: Completeness::AsSent,
            actor: Actor::system("test"),
        };
        let mut writer = self.archive.receive_instance(command).await.unwrap();
        writer.write(&set.encode()).await.unwrap();
        assert_eq!(writer.commit().await.unwrap(), StoreOutcome::Stored);
    }

    /// Brings a file of an exam of ORG-T01, as a watched folder does.
    pub async fn attach(
        &self,
        (accession_number, patient_id): (&str, &str),
        (kind, media_type): (AttachmentKind, AttachmentType),
        bytes: &[u8],
    ) -> AttachmentOutcome {
        let command = ReceiveAttachment {
            org_code: "ORG-T01".to_owned(),
            kind,
            media_type,
            title: "扫描件一".to_owned(),
            accession_number: accession_number.to_owned(),
            patient_id: patient_id.to_owned(),
            study_instance_uid: String::new(),
            source_name: "scan.jpg".to_owned(),
            actor: Actor::system("test"),
        };
        let mut writer = self.archive.receive_attachment(command).unwrap();
        writer.write(bytes).await.unwrap();
        writer.commit().await.unwrap()
    }

    /// Fetches the report file of a registered exam, as the job does.
    pub async fn fetch_file(&self, report_form_no: &str) {
        let sql = "SELECT id FROM exam_report WHERE report_form_no = $1";
        let row = self.index.query_opt(sql, yingku::params![report_form_no]).await.unwrap().unwrap();
        self.archive.fetch_report_file(row.int("id").unwrap()).await.unwrap();
    }

    /// Loses the original of an exam's report file, as a bad disk does.
    pub async fn lose_file(&self, report_form_no: &str) {
        let sql = "SELECT f.original_key, f.original_length FROM report_file f \
                   JOIN exam_report e ON e.id = f.exam_report_pk WHERE e.report_form_no = $1";
        let row = self.index.query_opt(sql, yingku::params![report_form_no]).await.unwrap().unwrap();
        let length = row.int("original_length").unwrap().unsigned_abs();
        let place = Place { key: row.text("original_key").unwrap(), offset: 0, length };
        self.store.open().forget(&place).await.unwrap();
    }

    /// What GetExamInfo or GetLabInfo answers the region by this number of a patient.
    pub async fn ask(&self, method: &str, identity: &str) -> String {
        let url = format!("http://{}/sehr.service.auto/IAutoReport.asmx/{method}", self.address);
        let fields = [("strIDNO", identity), ("strCredential", "region"), ("strKey", REGION)];
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.http.post(url).header("content-type", "application/x-www-form-urlencoded").body(body);
        self.send(request).await.text().replace("&lt;", "<").replace("&gt;", ">")
    }

    /// Follows the feed to its end, and gives all changes and the last cursor.
    pub async fn follow(&self, key: &str, cursor: &str, more: &str) -> (Vec<Value>, String) {
        let (mut changes, mut cursor) = (Vec::new(), cursor.to_owned());
        loop {
            let page = self.found(key, &format!("/api/v1/changes?limit=3&cursor={cursor}{more}")).await;
            changes.extend(page["changes"].as_array().unwrap().iter().cloned());
            cursor = page["cursor"].as_str().unwrap().to_owned();
            if page["more"] == false {
                return (changes, cursor);
            }
        }
    }

    pub async fn audits(&self, action: &str) -> Vec<String> {
        let sql = "SELECT actor, detail FROM audit WHERE action = $1 ORDER BY id";
        let rows = self.index.query(sql, yingku::params![action]).await.unwrap();
        rows.iter().map(|row| format!("{} {}", row.text("actor").unwrap(), row.text("detail").unwrap())).collect()
    }
}

fn settings(public_url: &str) -> Settings {
    let organization = |code: &str| Organization { code: code.to_owned(), name: "示例医院".to_owned() };
    Settings {
        registry: RegistryConfig::default(),
        senders: vec![SenderConfig {
            name: "ris".to_owned(),
            addresses: vec!["127.0.0.1/32".to_owned()],
            organizations: vec!["*".to_owned()],
            ..SenderConfig::default()
        }],
        clients: vec![ClientConfig { id: "region".to_owned(), key: REGION.to_owned(), ..ClientConfig::default() }],
        organizations: vec![organization("ORG-T01"), organization("ORG-T02")],
        public_url: public_url.to_owned(),
    }
}

/// One member of every object of a list.
pub fn members(list: &Value, path: &[&str]) -> Vec<String> {
    let of = |value: &Value| path.iter().fold(value, |value, name| &value[*name]).as_str().unwrap_or("-").to_owned();
    list.as_array().unwrap().iter().map(of).collect()
}
