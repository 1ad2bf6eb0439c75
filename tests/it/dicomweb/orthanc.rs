//! Orthanc's DICOMweb client against the server as it is configured.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::harness::{Package, TestServer, data_set_of, eventually, free_port, http_get, small_instance, tool};

const PLUGIN: &str = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so";
const KEY: &str = "synthetic-key-of-the-client";

struct Orthanc {
    process: Child,
    url: String,
    http: reqwest::Client,
    folder: tempfile::TempDir,
}

impl Drop for Orthanc {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Orthanc {
    async fn start(server: &str) -> Self {
        let program = tool("Orthanc", Package::Debian("orthanc orthanc-dicomweb"));
        assert!(
            Path::new(PLUGIN).exists(),
            "{PLUGIN} is missing; install it with: apt-get install -y orthanc-dicomweb"
        );
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let config = serde_json::json!({
            "StorageDirectory": folder.path(), "IndexDirectory": folder.path(), "HttpPort": port, "HttpProxy": "",
            "AuthenticationEnabled": false, "DicomServerEnabled": false, "Plugins": [PLUGIN],
            "DicomWeb": { "Servers": { "yingku": { "Url": server, "HttpHeaders": { "Authorization": format!("Bearer {KEY}") } } } },
        });
        let file = folder.path().join("orthanc.json");
        std::fs::write(&file, config.to_string()).unwrap();
        let mut command = Command::new(program);
        for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env_remove(name);
        }
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let process = command.arg(file).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let orthanc = Self { process, url: format!("http://127.0.0.1:{port}"), http, folder };
        let address = ([127, 0, 0, 1], port).into();
        eventually(Duration::from_secs(120), "Orthanc answers", || async move { http_get(address, "/system") }).await;
        orthanc
    }

    async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> serde_json::Value {
        let answer = self.http.post(format!("{}{path}", self.url)).body(body).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        assert_eq!(status, 200, "{path}: {text}\n{}", log());
        serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text))
    }

    async fn ask_server(&self, what: &str, body: serde_json::Value) -> serde_json::Value {
        self.post(&format!("/dicom-web/servers/yingku/{what}"), body.to_string()).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orthanc_stores_searches_and_retrieves() {
    let port = free_port();
    let server = TestServer::start_with(|config| {
        config.http.listen.set_port(port);
        config.http.public_url = format!("http://127.0.0.1:{port}");
        let text = format!("id = 'web'\nkey = '{KEY}'\ndicomweb = 'read_and_store'\norganizations = ['ORG-T01']");
        config.client.push(toml::from_str(&text).unwrap());
    })
    .await;
    let orthanc = Orthanc::start(&format!("http://127.0.0.1:{port}/dicom-web/")).await;
    let written: Vec<_> = (0..4).map(|number| small_instance(number, 64 << 10)).collect();
    let mut ids = Vec::new();
    for instance in &written {
        ids.push(orthanc.post("/instances", instance.bytes()).await["ID"].as_str().unwrap().to_owned());
    }

    orthanc.ask_server("stow", serde_json::json!({ "Resources": ids, "Synchronous": true })).await;
    let found = orthanc
        .ask_server("qido", serde_json::json!({ "Uri": "/studies", "Arguments": { "PatientID": "L0001" } }))
        .await;
    assert_eq!(found.as_array().map(Vec::len), Some(1), "{found}");
    assert!(found.to_string().contains("2.25.7001"), "{found}");
    for id in &ids {
        let gone = orthanc.http.delete(format!("{}/instances/{id}", orthanc.url)).send().await.unwrap();
        assert_eq!(gone.status(), 200);
    }
    let wanted = serde_json::json!({ "Resources": [{ "Study": "2.25.7001" }], "Synchronous": true });
    orthanc.ask_server("retrieve", wanted).await;
    for (id, instance) in ids.iter().zip(&written) {
        let file = orthanc.http.get(format!("{}/instances/{id}/file", orthanc.url)).send().await.unwrap();
        assert_eq!(file.status(), 200);
        assert!(data_set_of(&file.bytes().await.unwrap()) == instance.data_set, "{id} has changed on its way");
    }
    server.stop().await;
}
