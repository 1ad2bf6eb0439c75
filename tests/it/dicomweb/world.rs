//! A server with DICOMweb over a database and an object store of its own, and a plain HTTP client.

use std::net::SocketAddr;

use bytes::Bytes;
use reqwest::Method;
use yingku::archive::Archive;
use yingku::archive::peers::find::{Confidentiality, Readable, Reads};
use yingku::dicom::render::RenderConfig;
use yingku::dicom::text::Charset;
use yingku::domain::Clock;
use yingku::index::{Error, Index};
use yingku::params;
use yingku::web::dicomweb::{DicomwebClient, DicomwebConfig, DicomwebState, router};
use yingku::web::pages::{PagesConfig, PagesState};
use yingku::web::{HttpConfig, app};

use crate::harness::{TestDatabase, TestStore, archive};

/// Reads and stores for ORG-T01.
pub const OWN: &str = "synthetic-web-key-0001";
/// Reads and stores for ORG-T02.
pub const OTHER: &str = "synthetic-web-key-0002";
/// Reads what all organisations share.
pub const REGION: &str = "synthetic-web-key-0003";
/// Reads what all organisations share, VIPs' and restricted studies included.
pub const VIP: &str = "synthetic-web-key-0004";

pub const STUDIES: &str = "/dicom-web/studies";
pub const DICOM: &str = "multipart/related; type=\"application/dicom\"";
pub const JSON: &str = "application/dicom+json";

pub struct World {
    pub address: SocketAddr,
    pub index: Index,
    pub archive: Archive,
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
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Head and content of each part.
    pub fn parts(&self) -> Vec<(String, Vec<u8>)> {
        let kind = self.header("content-type");
        assert!(kind.starts_with("multipart/related; type=\""), "{kind}");
        let boundary = kind.split("boundary=").nth(1).unwrap();
        let mut rest: &[u8] = &self.body;
        let (first, between) = (format!("--{boundary}\r\n"), format!("\r\n--{boundary}"));
        rest = rest.strip_prefix(first.as_bytes()).expect("the first boundary");
        let mut parts = Vec::new();
        loop {
            let head = find(rest, b"\r\n\r\n").expect("a head");
            let text = String::from_utf8(rest[..head].to_vec()).unwrap();
            rest = &rest[head + 4..];
            let end = find(rest, between.as_bytes()).expect("a boundary behind the part");
            parts.push((text, rest[..end].to_vec()));
            rest = &rest[end + between.len()..];
            if rest.starts_with(b"--") {
                assert_eq!(rest, b"--\r\n");
                return parts;
            }
            rest = rest.strip_prefix(b"\r\n").unwrap();
        }
    }
}

pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

impl World {
    pub async fn start() -> Self {
        Self::with(TestDatabase::sqlite(), DicomwebConfig::default()).await
    }

    pub async fn with(database: TestDatabase, config: DicomwebConfig) -> Self {
        let store = TestStore::folder();
        let (index, ids) = database.open_with_ids().await;
        let archive = archive::build(index.clone(), store.open(), Clock::fixed(1_790_000_000_000), ids);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let http = HttpConfig { public_url: format!("http://{address}"), ..HttpConfig::default() };
        let pages = PagesConfig::default();
        let pages = PagesState::new(archive.clone(), &http, pages, RenderConfig::default(), Vec::new());
        let readable = |codes: &[&str], confidentiality| {
            codes.iter().map(|code| Readable { org_code: (*code).to_owned(), confidentiality }).collect::<Vec<_>>()
        };
        let client = |id: &str, key: &str, readable: Vec<Readable>, stores_for: Option<&str>| DicomwebClient {
            id: id.to_owned(),
            key: key.to_owned(),
            certificate: Vec::new(),
            networks: Vec::new(),
            reads: Reads::only(readable),
            stores_for: stores_for.map(str::to_owned),
        };
        let clients = vec![
            client("own", OWN, readable(&["ORG-T01"], Confidentiality::Everything), Some("ORG-T01")),
            client("other", OTHER, readable(&["ORG-T02"], Confidentiality::Everything), Some("ORG-T02")),
            client("region", REGION, readable(&["ORG-T01", "ORG-T02"], Confidentiality::SharedOnly), None),
            client("vip", VIP, readable(&["ORG-T01", "ORG-T02"], Confidentiality::Privileged), None),
        ];
        let state = DicomwebState::new(archive.clone(), &http, config, Charset::default(), clients, pages);
        let service = app(&http, [router(state)]).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { address, index, archive, client, _database: database, _store: store }
    }

    /// One request; `key` is the bearer token, none when it is empty.
    pub async fn ask(&self, method: Method, path: &str, key: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("http://{}{path}", self.address) };
        let mut request = self.client.request(method, url).body(body);
        if !key.is_empty() {
            request = request.bearer_auth(key);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.bytes().await.unwrap() }
    }

    pub async fn get_as(&self, key: &str, path: &str, accept: &str) -> Answer {
        self.ask(Method::GET, path, key, &[("accept", accept)], Vec::new()).await
    }

    pub async fn get(&self, path: &str, accept: &str) -> Answer {
        self.get_as(OWN, path, accept).await
    }

    /// Stores files in one request.
    pub async fn store_as(&self, key: &str, path: &str, files: &[Vec<u8>]) -> Answer {
        let kind = "multipart/related; type=\"application/dicom\"; boundary=\"a-boundary\"";
        self.ask(Method::POST, path, key, &[("content-type", kind)], multipart(files)).await
    }

    /// Stores files for ORG-T01; all of them must be taken.
    pub async fn store(&self, files: &[Vec<u8>]) {
        let answer = self.store_as(OWN, STUDIES, files).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    pub async fn execute(&self, sql: &'static str, values: Vec<yingku::index::Value>) {
        let done = self.index.write(move |tx| Box::pin(async move { tx.execute(sql, values).await }));
        done.await.map_err(|e: Error| e.to_string()).unwrap();
    }

    pub async fn count(&self, sql: &'static str) -> i64 {
        self.index.query_opt(sql, params![]).await.unwrap().unwrap().int("n").unwrap()
    }
}

pub fn multipart(files: &[Vec<u8>]) -> Vec<u8> {
    let mut body = Vec::new();
    for file in files {
        body.extend_from_slice(b"\r\n--a-boundary\r\nContent-Type: application/dicom\r\n\r\n");
        body.extend_from_slice(file);
    }
    body.extend_from_slice(b"\r\n--a-boundary--\r\n");
    body
}

/// A Part 10 file of a data set.
pub fn file(sop_class: &str, sop_instance: &str, transfer_syntax: &str, data_set: &[u8]) -> Vec<u8> {
    let mut file = yingku::dicom::part10::meta(sop_class, sop_instance, transfer_syntax, "TEST");
    file.extend_from_slice(data_set);
    file
}

/// Encapsulated pixel data: a basic offset table and fragments.
pub fn encapsulated(table: &[u8], fragments: &[Vec<u8>]) -> Vec<u8> {
    let item =
        |content: &[u8]| [&[0xFE, 0xFF, 0x00, 0xE0], &(content.len() as u32).to_le_bytes()[..], content].concat();
    let mut bytes = [&[0xE0, 0x7F, 0x10, 0x00][..], b"OB\0\0", &[0xFF; 4]].concat();
    bytes.extend(item(table));
    fragments.iter().for_each(|fragment| bytes.extend(item(fragment)));
    bytes.extend([0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
    bytes
}

/// An RLE frame of so many 8-bit pixels, all of them `value` (PS3.5 annex G).
pub fn rle_frame(value: u8, pixels: usize) -> Vec<u8> {
    let mut frame = [1_u32.to_le_bytes(), 64_u32.to_le_bytes()].concat();
    frame.resize(64, 0);
    let mut left = pixels;
    while left > 0 {
        let run = left.min(128);
        if run == 1 {
            frame.extend([0, value]);
        } else {
            frame.extend([(257 - run) as u8, value]);
        }
        left -= run;
    }
    frame.resize(frame.len().next_multiple_of(2), 0);
    frame
}
