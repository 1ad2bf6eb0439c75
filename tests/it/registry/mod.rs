//! The report registry through HTTP, on both databases.

mod bus;
mod by_hand;
mod callers;
mod decisions;
mod decisions_on_fields;
mod dictionaries;
mod exams;
mod inbox;
mod labs;
mod limits;
mod links;
mod patients;
mod persons;
mod quality;
mod queries;
mod restrictions;
mod retrieves;
mod revisions;
mod samples;
mod soap_clients;
mod uploads;
mod wire;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use yingku::archive::{Archive, LinkRules};
use yingku::domain::Clock;
use yingku::domain::organization::Organization;
use yingku::index::{Index, Row, Value};
use yingku::integrations::report_registry::{ClientConfig, RegistryConfig, SenderConfig, Settings, router};
use yingku::objects::Objects;

use crate::api::containers::{self, item};
use crate::harness::{TestDatabase, TestStore, archive};

/// 2024-03-24 14:40:00 in Asia/Shanghai.
const NOW: i64 = 1_711_262_400_000;
const KEY: &str = "unit-test-key-0001";

/// The service on a port of its own.
struct Service {
    url: String,
    archive: Archive,
    settings: Settings,
    index: Index,
    clock: Clock,
    http: reqwest::Client,
    _database: TestDatabase,
    _store: TestStore,
}

struct Answer {
    status: u16,
    content_type: String,
    text: String,
}

fn settings() -> Settings {
    let organization = |code: &str| Organization { code: code.to_owned(), name: "示例医院".to_owned() };
    Settings {
        registry: RegistryConfig::default(),
        senders: vec![SenderConfig {
            name: "ris".to_owned(),
            addresses: vec!["127.0.0.1/32".to_owned()],
            organizations: vec!["ORG-T01".to_owned(), "ORG-T02".to_owned()],
            ..SenderConfig::default()
        }],
        clients: vec![ClientConfig { id: "region".to_owned(), key: KEY.to_owned(), ..ClientConfig::default() }],
        organizations: vec![organization("ORG-T01"), organization("ORG-T02"), organization("ORG-T03")],
        public_url: "http://127.0.0.1:8080".to_owned(),
    }
}

impl Service {
    async fn start(database: TestDatabase) -> Self {
        Self::start_with(database, |_| {}).await
    }

    async fn start_with(database: TestDatabase, change: impl FnOnce(&mut Settings)) -> Self {
        Self::start_linking(database, LinkRules::default(), change).await
    }

    async fn start_linking(database: TestDatabase, rules: LinkRules, change: impl FnOnce(&mut Settings)) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (index, ids) = database.open_with_ids().await;
        let store = TestStore::folder();
        let objects = Objects::open(&store.config()).unwrap();
        let clock = Clock::fixed(NOW);
        let archive = archive::build_linking(index.clone(), objects, clock.clone(), ids, rules);
        let archive = archive.fetching_for(BTreeSet::from(["ORG-T02".to_owned()]));
        let mut settings = settings();
        change(&mut settings);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        settings.public_url = format!("http://{address}");
        let routes = router(archive.clone(), settings.clone()).unwrap();
        let service = routes.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        let url = format!("http://{address}/sehr.service.auto/IAutoReport.asmx");
        Self { url, archive, settings, index, clock, http: reqwest::Client::new(), _database: database, _store: store }
    }

    async fn post(&self, path: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Answer {
        let request = self.http.post(format!("{}{path}", self.url)).header("content-type", content_type);
        Answer::of(request.body(body.into())).await
    }

    async fn get(&self, path: &str) -> Answer {
        Answer::of(self.http.get(format!("{}{path}", self.url))).await
    }

    /// Registers a document and gives the acknowledgement.
    async fn register(&self, document: &str) -> String {
        self.post("", "text/xml", document).await.text
    }

    /// Asks for a patient's reports with the region's credentials.
    async fn ask(&self, method: &str, parameters: &[(&str, &str)]) -> String {
        let credentials = [("strCredential", "region"), ("strKey", KEY)];
        let body = form(&[parameters, &credentials].concat());
        let answer = self.post(&format!("/{method}"), "application/x-www-form-urlencoded", body).await;
        let text = answer.text.split_once("<string").and_then(|(_, rest)| rest.split_once('>')).map(|(_, rest)| rest);
        let text = text.and_then(|text| text.strip_suffix("</string>")).unwrap_or(&answer.text);
        text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
    }

    async fn rows(&self, sql: &'static str, values: Vec<Value>) -> Vec<Row> {
        self.index.query(sql, values).await.unwrap()
    }

    async fn row(&self, sql: &'static str) -> Row {
        self.index.query_opt(sql, Vec::new()).await.unwrap().unwrap()
    }

    /// Changes rows behind the archive's back.
    async fn execute(&self, sql: &'static str, values: Vec<Value>) {
        let done = self.index.write(move |tx| Box::pin(async move { tx.execute(sql, values).await }));
        done.await.map_err(|error: yingku::index::Error| error.to_string()).unwrap();
    }

    async fn count(&self, sql: &'static str) -> usize {
        self.rows(sql, Vec::new()).await.len()
    }
}

impl Answer {
    async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let content_type = response.headers().get("content-type").map(|v| v.to_str().unwrap().to_owned());
        Self {
            status: response.status().as_u16(),
            content_type: content_type.unwrap_or_default(),
            text: response.text().await.unwrap(),
        }
    }
}

fn form(pairs: &[(&str, &str)]) -> String {
    let encode = |text| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC);
    pairs.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect::<Vec<_>>().join("&")
}

/// A document with one exam report; later attributes replace earlier ones of the same name.
fn exam(attributes: &[(&str, &str)]) -> String {
    let complete = [
        ("last_update_dtime", "2024/3/23 0:00:00"),
        ("org_code", "ORG-T01"),
        ("state", "3"),
        ("report_form_no", "EX0001"),
        ("patient_id", "P0001"),
        ("event_type", "1"),
        ("event_no", "E0001"),
        ("retrieve_date", "2024/3/22 21:01:07"),
        ("class_code", "MR"),
        ("body_part_name", "头部"),
        ("name", "测试甲"),
        ("sex_code", "1"),
        ("birth_date", "1990/1/1 0:00:00"),
        ("participant_dtime", "2024/3/22 9:00:00"),
        ("performer_dtime", "2024/3/22 14:46:06"),
        ("image_descr", "描述一&#10;描述二"),
        ("conclusion", "结论"),
        ("card_no", "C00000001"),
        ("id_no", "990101199001010019"),
        ("patient_local_id", "L0001"),
        ("pacs_id", "A0001"),
        ("study_instance_uid", "1.2.3.4.5.6"),
    ];
    format!("<root time=\"2024-03-24 14:40:00\"><exammaster>{}</exammaster></root>", item(&complete, attributes))
}

/// A container with one head of a lab report.
fn lab(attributes: &[(&str, &str)]) -> String {
    let own = [("retrieve_date", "2024/3/22 21:01:07"), ("class_name", ""), ("sex_code", ""), ("id_no", "")];
    containers::lab(&[&own[..], &[("recognition", "")], attributes].concat())
}

/// A container with one line of that report.
fn line(serial_no: &str, attributes: &[(&str, &str)]) -> String {
    let own = [("class_name", ""), ("result_unit", ""), ("norm_lower_limit", ""), ("norm_upper_limit", "2/HP")];
    containers::line(serial_no, &[&own[..], attributes].concat())
}

fn root(containers: &[String]) -> String {
    format!("<root time=\"2024-03-24 14:40:00\">{}</root>", containers.concat())
}
