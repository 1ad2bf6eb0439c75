//! A server with the pages only, over a database and an object store of its own, and the rows that a test needs.

use std::net::SocketAddr;

use bytes::Bytes;
use yingku::archive::images::store_attachment::{AttachmentOutcome, ReceiveAttachment};
use yingku::archive::images::store_instance::{Completeness, ReceiveInstance};
use yingku::archive::{Archive, LinkRules};
use yingku::dicom::render::RenderConfig;
use yingku::dicom::text::Charset;
use yingku::documents::DocumentsConfig;
use yingku::domain::attachment::{AttachmentKind, AttachmentType};
use yingku::domain::customer::{Customer, Secret};
use yingku::domain::organization::Organization;
use yingku::domain::token::sign;
use yingku::domain::{Actor, Clock};
use yingku::index::{Error, Index};
use yingku::integrations::report_registry::{self, RegistryConfig, SenderConfig, Settings};
use yingku::objects::{Kind, Objects};
use yingku::params;
use yingku::web::dicomweb::{DicomwebConfig, DicomwebState};
use yingku::web::operations::{self, OperationsClient, OperationsState, QualityPageConfig};
use yingku::web::pages::{PagesConfig, PagesState, router};
use yingku::web::{HttpConfig, app};

use crate::harness::{TestDatabase, TestStore, archive};

pub const GUID: &str = "11111111-2222-4333-8444-555555555555";
pub const SECRET: &str = "a-secret-for-these-tests";
pub const NOW_S: i64 = 1_790_000_000;
/// Of whoever looks after the archive.
pub const OPERATIONS_KEY: &str = "unit-test-key-0009";

pub struct World {
    pub address: SocketAddr,
    pub archive: Archive,
    pub index: Index,
    pub objects: Objects,
    pub clock: Clock,
    client: reqwest::Client,
    _database: TestDatabase,
    _store: TestStore,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }
}

pub fn customer() -> Customer {
    Customer {
        guid: GUID.to_owned(),
        secret: Secret(SECRET.to_owned()),
        organization: "ORG-T01".to_owned(),
        ..Customer::default()
    }
}

/// Who may register here.
fn laboratory() -> Settings {
    let sender = SenderConfig {
        name: "lis".to_owned(),
        addresses: vec!["127.0.0.1/32".to_owned()],
        organizations: vec!["ORG-T01".to_owned()],
        ..SenderConfig::default()
    };
    let name = "示例医院".to_owned();
    Settings {
        registry: RegistryConfig::default(),
        senders: vec![sender],
        clients: Vec::new(),
        organizations: vec![Organization { code: "ORG-T01".to_owned(), name }],
        public_url: "http://127.0.0.1:8080".to_owned(),
    }
}

impl World {
    pub async fn start() -> Self {
        Self::with(TestDatabase::sqlite(), customer(), PagesConfig::default()).await
    }

    pub async fn for_customer(customer: Customer) -> Self {
        Self::with(TestDatabase::sqlite(), customer, PagesConfig::default()).await
    }

    pub async fn with(database: TestDatabase, customer: Customer, config: PagesConfig) -> Self {
        Self::with_documents(database, customer, config, DocumentsConfig::default()).await
    }

    /// The same with these limits of documents.
    pub async fn with_documents(
        database: TestDatabase,
        customer: Customer,
        config: PagesConfig,
        documents: DocumentsConfig,
    ) -> Self {
        Self::build(database, customer, config, documents, DicomwebConfig::default(), "示例医院").await
    }

    /// The same with these limits of DICOMweb.
    pub async fn with_dicomweb(web: DicomwebConfig) -> Self {
        let (pages, documents) = (PagesConfig::default(), DocumentsConfig::default());
        Self::build(TestDatabase::sqlite(), customer(), pages, documents, web, "示例医院").await
    }

    /// The same with a hospital of this name.
    pub async fn named(database: TestDatabase, customer: Customer, config: PagesConfig, name: &str) -> Self {
        let (documents, web) = (DocumentsConfig::default(), DicomwebConfig::default());
        Self::build(database, customer, config, documents, web, name).await
    }

    async fn build(
        database: TestDatabase,
        customer: Customer,
        config: PagesConfig,
        documents: DocumentsConfig,
        web: DicomwebConfig,
        name: &str,
    ) -> Self {
        let store = TestStore::folder();
        let (index, ids) = database.open_with_ids().await;
        let objects = store.open();
        let clock = Clock::fixed(NOW_S * 1000);
        let names = [("ORG-T01", name), ("ORG-T02", "示例二院")].map(|(code, name)| (code.to_owned(), name.to_owned()));
        let parts = (index.clone(), objects.clone(), clock.clone(), ids);
        let archive = archive::build_with(parts, LinkRules::default(), documents).naming(names.into());
        let http = HttpConfig::default();
        let render = RenderConfig::default();
        let state = PagesState::new(archive.clone(), &http, config, render, vec![customer]);
        let web = DicomwebState::new(archive.clone(), &http, web, Charset::default(), Vec::new(), state.clone());
        let registry = report_registry::router(archive.clone(), laboratory()).unwrap();
        let watcher = OperationsClient {
            id: "quality".to_owned(),
            key: OPERATIONS_KEY.to_owned(),
            certificate: Vec::new(),
            networks: Vec::new(),
            organizations: Vec::new(),
        };
        let url = "http://127.0.0.1:8080";
        let watched = OperationsState::new(archive.clone(), QualityPageConfig::default(), vec![watcher], url);
        let routers = [router(state), yingku::web::dicomweb::router(web), registry, operations::router(watched)];
        let service = app(&http, routers).into_make_service_with_connect_info::<SocketAddr>();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, service).await });
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        Self { address, archive, index, objects, clock, client, _database: database, _store: store }
    }

    pub async fn get(&self, path: &str) -> Answer {
        let request = self.client.get(format!("http://{}{path}", self.address)).header("accept", "text/html,*/*");
        answer(request).await
    }

    /// Registers a document as a laboratory does; gives the acknowledgement.
    pub async fn register(&self, document: &str) -> String {
        self.post_as("/sehr.service.auto/IAutoReport.asmx", "text/xml", document.to_owned()).await.text()
    }

    pub async fn get_as_program(&self, path: &str) -> Answer {
        answer(self.client.get(format!("http://{}{path}", self.address))).await
    }

    pub async fn head(&self, path: &str) -> Answer {
        answer(self.client.head(format!("http://{}{path}", self.address))).await
    }

    pub async fn post(&self, path: &str, form: &str) -> Answer {
        let request = self.client.post(format!("http://{}{path}", self.address));
        answer(request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned())).await
    }

    pub async fn post_as(&self, path: &str, content_type: &str, body: String) -> Answer {
        let request = self.client.post(format!("http://{}{path}", self.address));
        answer(request.header("content-type", content_type).body(body)).await
    }

    /// Sends a list's query form; gives the list that it leads to.
    pub async fn search(&self, list: &str, form: &str) -> Answer {
        let answer = self.post(list, form).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        self.get(answer.header("location")).await
    }

    /// Opens a page with a good link; gives the address that it leads to.
    pub async fn open(&self, page: &str, parameters: &[(&str, &str)]) -> String {
        self.open_as("测试医生甲", page, parameters).await
    }

    /// The same for a user of this name.
    pub async fn open_as(&self, user: &str, page: &str, parameters: &[(&str, &str)]) -> String {
        let answer = self.get(&signed(NOW_S, user, page, parameters)).await;
        assert_eq!(answer.status, 302, "{}", answer.text());
        answer.header("location").to_owned()
    }

    pub async fn execute(&self, sql: &'static str, values: Vec<yingku::index::Value>) {
        let done = self.index.write(move |tx| Box::pin(async move { tx.execute(sql, values).await }));
        done.await.map_err(|e: Error| e.to_string()).unwrap();
    }

    pub async fn count(&self, sql: &'static str) -> i64 {
        self.index.query_opt(sql, params![]).await.unwrap().unwrap().int("n").unwrap()
    }

    /// Keeps a file of the exam A0001.
    pub async fn attachment(
        &self,
        kind: AttachmentKind,
        media_type: AttachmentType,
        title: &str,
        bytes: &[u8],
    ) -> AttachmentOutcome {
        let command = ReceiveAttachment {
            org_code: "ORG-T01".to_owned(),
            kind,
            media_type,
            title: title.to_owned(),
            accession_number: "A0001".to_owned(),
            patient_id: String::new(),
            study_instance_uid: String::new(),
            source_name: "扫描.jpg".to_owned(),
            actor: Actor::system("test"),
        };
        let mut writer = self.archive.receive_attachment(command).unwrap();
        writer.write(bytes).await.unwrap();
        writer.commit().await.unwrap()
    }

    pub async fn exam(&self, exam: Exam) {
        let sql = "INSERT INTO exam_report (id, observation_uid, version, content_hash, sender, reviewed, vip, \
                   restricted, withdrawn, identity_conflict, modality, retrieve_at, observed_at, received_at, updated_at, \
                   org_code, report_form_no, patient_id, event_type, event_no, patient_local_id, pacs_id, id_no, name, \
                   sex_code, birth_date, class_code, body_part_name, exam_item_name, state, image_descr, conclusion, \
                   participant_dept, participant_name, author_name, authenticator_name) \
                   VALUES ($1, $2, 1, '', 'ris', $3, $4, 0, $5, 0, 'CT', $6, $7, 0, 0, $8, $9, 'P0001', '1', 'E0001', \
                   'L0001', $10, $11, $12, '1', '1990-01-01', 'CT', $13, $14, $15, $16, $17, $18, $19, $20, $21)";
        let text = |own: &'static str| exam.text.clone().unwrap_or_else(|| own.to_owned());
        let values = params![
            exam.id,
            exam.uid(),
            exam.reviewed,
            exam.vip,
            exam.withdrawn,
            &exam.observed_at,
            &exam.observed_at,
            exam.organization,
            format!("EX{:04}", exam.id),
            &exam.pacs_id,
            exam.id_no,
            text("测试甲"),
            text("胸部"),
            text("胸部CT平扫"),
            if exam.reviewed { "3" } else { "2" },
            text("1、双肺纹理清晰。    2、右肺上叶见小结节，直径约4mm。    3、心影不大。"),
            text("1、右肺上叶小结节，建议随访。    2、余未见明显异常。"),
            text("呼吸内科"),
            text("测试医生乙"),
            text("测试医生甲"),
            text("测试医生丙"),
        ];
        self.execute(sql, values).await;
    }

    pub async fn lab(&self, id: i64, items: &[(&'static str, &'static str, &'static str, &'static str)]) -> String {
        let uid = uid(id);
        let sql = "INSERT INTO lab_report (id, observation_uid, version, content_hash, sender, withdrawn, \
                   identity_conflict, retrieve_at, observed_at, received_at, updated_at, org_code, report_form_no, \
                   patient_id, event_type, event_no, id_no, name, sex_code, report_title) VALUES ($1, $2, 1, '', 'lis', 0, \
                   0, '2026-09-20 09:00:00', '2026-09-20 09:00:00', 0, 0, 'ORG-T01', $3, 'P0001', '1', 'E0001', $4, \
                   '测试甲', '1', '血常规')";
        self.execute(sql, params![id, &uid, format!("LAB{id}"), "990101199001010019"]).await;
        for (number, (name, value, low, high)) in items.iter().enumerate() {
            let sql = "INSERT INTO lab_item (id, lab_report_pk, owner, version, content_hash, sender, withdrawn, received_at, \
                       updated_at, org_code, event_no, report_form_no, serial_no, class_local_name, result_value, \
                       result_unit, norm_lower_limit, norm_upper_limit) VALUES ($1, $2, $2, 1, '', 'lis', 0, 0, 0, 'ORG-T01', \
                       'E0001', $3, $4, $5, $6, 'g/L', $7, $8)";
            let key = id * 1000 + number as i64;
            let serial = number.to_string();
            self.execute(sql, params![key, id, format!("LAB{id}"), serial, *name, *value, *low, *high]).await;
        }
        uid
    }

    /// Stores an object as a PACS would and, when an exam is given, links its study.
    pub async fn store(&self, object: &yingku::demo::DemoObject, exam: Option<i64>) {
        let command = ReceiveInstance {
            org_code: "ORG-T01".to_owned(),
            calling_ae_title: "PACS01".to_owned(),
            default_charset: Charset::default(),
            sop_class_uid: object.sop_class_uid.clone(),
            sop_instance_uid: object.sop_instance_uid.clone(),
            transfer_syntax_uid: object.transfer_syntax_uid.to_owned(),
            completeness: Completeness::AsSent,
            actor: Actor::system("test"),
        };
        self.archive.store_part10(command, Bytes::from(object.to_file())).await.unwrap();
        if let Some(exam) = exam {
            let sql = "INSERT INTO exam_study (exam_report_pk, study_pk, rule, linked_at) \
                       SELECT CAST($1 AS BIGINT), s.study_pk, 'manual', CAST(0 AS BIGINT) FROM instance i \
                       JOIN series s ON s.id = i.series_pk WHERE i.sop_instance_uid = $2 ON CONFLICT DO NOTHING";
            self.execute(sql, params![exam, &object.sop_instance_uid]).await;
        }
    }

    /// Stores a file as a PACS would and, when an exam is given, links its study.
    pub async fn store_file(&self, file: Vec<u8>, exam: i64) {
        let meta = yingku::dicom::part10::read_meta(&file).unwrap();
        let command = ReceiveInstance {
            org_code: "ORG-T01".to_owned(),
            calling_ae_title: "PACS01".to_owned(),
            default_charset: Charset::default(),
            sop_class_uid: meta.media_storage_sop_class_uid.clone(),
            sop_instance_uid: meta.media_storage_sop_instance_uid.clone(),
            transfer_syntax_uid: meta.transfer_syntax_uid.clone(),
            completeness: Completeness::AsSent,
            actor: Actor::system("test"),
        };
        self.archive.store_part10(command, Bytes::from(file)).await.unwrap();
        let sql = "INSERT INTO exam_study (exam_report_pk, study_pk, rule, linked_at) \
                   SELECT CAST($1 AS BIGINT), s.study_pk, 'manual', CAST(0 AS BIGINT) FROM instance i \
                   JOIN series s ON s.id = i.series_pk WHERE i.sop_instance_uid = $2 ON CONFLICT DO NOTHING";
        self.execute(sql, params![exam, &meta.media_storage_sop_instance_uid]).await;
    }

    /// One request with one more header.
    pub async fn get_with(&self, path: &str, name: &str, value: &str) -> Answer {
        answer(self.client.get(format!("http://{}{path}", self.address)).header(name, value)).await
    }

    /// Gives an exam a report file that was never stamped.
    pub async fn report_file(&self, exam: i64, media_type: &'static str, bytes: Vec<u8>, pages: i64) {
        let length = bytes.len() as i64;
        let place = self.objects.put(Kind::ReportOriginal, Bytes::from(bytes)).await.unwrap();
        let sql = "INSERT INTO report_file (id, exam_report_pk, revision, is_current, source, media_type, original_key, \
                   original_length, original_hash, stamp_state, stamp_reason, page_count, fetched_at) \
                   VALUES ($1, $2, 1, 1, 'http://rpt.example.test/1', $3, $4, $5, '', 'not_applicable', '', $6, 0)";
        self.execute(sql, params![exam + 500_000, exam, media_type, &place.key, length, pages]).await;
    }
}

/// One exam report, as far as tests care.
#[derive(Debug, Clone)]
pub struct Exam {
    pub id: i64,
    pub organization: &'static str,
    pub reviewed: bool,
    pub vip: bool,
    pub withdrawn: bool,
    pub observed_at: String,
    pub pacs_id: String,
    pub id_no: &'static str,
    /// Put in every text field instead of its own text.
    pub text: Option<String>,
}

impl Exam {
    pub fn new(id: i64) -> Self {
        Exam {
            id,
            organization: "ORG-T01",
            reviewed: true,
            vip: false,
            withdrawn: false,
            observed_at: format!("2026-09-{:02} 08:30:00", id % 28 + 1),
            pacs_id: format!("A{id:04}"),
            id_no: "990101199001010019",
            text: None,
        }
    }

    pub fn uid(&self) -> String {
        uid(self.id)
    }
}

pub fn uid(id: i64) -> String {
    format!("00000000-0000-5000-8000-{id:012}")
}

/// The address of a page, signed now.
pub fn link(page: &str, parameters: &[(&str, &str)]) -> String {
    link_at(NOW_S, page, parameters)
}

pub fn link_at(at: i64, page: &str, parameters: &[(&str, &str)]) -> String {
    signed(at, "测试医生甲", page, parameters)
}

fn signed(at: i64, user: &str, page: &str, parameters: &[(&str, &str)]) -> String {
    let at = at.to_string();
    let mut all = vec![("CustomerGuid", GUID), ("UserID", "u01"), ("UserName", user)];
    all.extend_from_slice(parameters);
    all.push(("Timestamp", &at));
    format!("/IDCAS/Interface/{page}?{}", sign(&all, SECRET))
}

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, body: response.bytes().await.unwrap() }
}
