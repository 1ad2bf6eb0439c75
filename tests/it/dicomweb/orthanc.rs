//! Orthanc's DICOMweb client against the server as it is configured.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use yingku::dicom::part10;
use yingku::dimse::Status;
use yingku::dimse::scu::{Association, Proposal, ScuTarget};
use yingku::domain::AeTitle;

use crate::harness::dataset::CT_IMAGE;
use crate::harness::{
    Package, TestServer, data_set_of, eventually, free_port, http_get, run, small_instance, texts, tool,
};

const PLUGIN: &str = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so";
const KEY: &str = "synthetic-key-of-the-client";
/// JPEG Lossless, Non-Hierarchical, First-Order Prediction.
const JPEG_LOSSLESS: &str = "1.2.840.10008.1.2.4.70";

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

    /// The Part 10 file of an instance, by Orthanc's own id.
    async fn file(&self, id: &str) -> Vec<u8> {
        let file = self.http.get(format!("{}/instances/{id}/file", self.url)).send().await.unwrap();
        assert_eq!(file.status(), 200, "{id}");
        file.bytes().await.unwrap().to_vec()
    }

    async fn ask_server(&self, what: &str, body: serde_json::Value) -> serde_json::Value {
        self.post(&format!("/dicom-web/servers/yingku/{what}"), body.to_string()).await
    }
}

/// A server that Orthanc may ask and give, and its port.
async fn server() -> (TestServer, u16) {
    let port = free_port();
    let server = TestServer::start_with(|config| {
        config.http.listen.set_port(port);
        config.http.public_url = format!("http://127.0.0.1:{port}");
        let text = format!("id = 'web'\nkey = '{KEY}'\ndicomweb = 'read_and_store'\norganizations = ['ORG-T01']");
        config.client.push(toml::from_str(&text).unwrap());
    })
    .await;
    (server, port)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orthanc_stores_searches_and_retrieves() {
    let (server, port) = server().await;
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
        assert!(data_set_of(&orthanc.file(id).await) == instance.data_set, "{id} has changed on its way");
    }
    server.stop().await;
}

/// A CT image in JPEG Lossless (Process 14, Selection Value 1), made by DCMTK.
fn compressed(folder: &Path, number: u32) -> Vec<u8> {
    let exams = yingku::demo::exams(1_790_000_000_000);
    let ct = exams.iter().find(|exam| exam.kind == yingku::demo::Kind::CtWithFilm).unwrap();
    let (plain, lossless) = (folder.join("plain.dcm"), folder.join("lossless.dcm"));
    std::fs::write(&plain, yingku::demo::object(ct, number).unwrap().to_file()).unwrap();
    run(Command::new(tool("dcmcjpeg", Package::Debian("dcmtk"))).args(["+e1", "+un"]).args([&plain, &lossless]));
    std::fs::read(lossless).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orthanc_searches_each_level_and_retrieves_a_compressed_study_that_came_by_c_store() {
    let (server, port) = server().await;
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<Vec<u8>> = (1..=3).map(|number| compressed(folder.path(), number)).collect();
    let to = ScuTarget::new(
        "127.0.0.1",
        server.dicom().port(),
        AeTitle::parse("PACS01").unwrap(),
        AeTitle::parse("YINGKU").unwrap(),
    );
    let mut association = Association::connect(&to, &[Proposal::storage(CT_IMAGE, JPEG_LOSSLESS)]).await.unwrap();
    for file in &files {
        assert_eq!(association.store(file).await.unwrap().status, Status::SUCCESS);
    }
    association.release().await.unwrap();
    let orthanc = Orthanc::start(&format!("http://127.0.0.1:{port}/dicom-web/")).await;
    let text = "SELECT study_instance_uid AS t FROM study";
    let [study] = <[String; 1]>::try_from(texts(&server.database(), text).await).unwrap();
    let text = "SELECT series_instance_uid AS t FROM series";
    let [series] = <[String; 1]>::try_from(texts(&server.database(), text).await).unwrap();
    let text = "SELECT sop_instance_uid AS t FROM instance ORDER BY t";
    let instances = texts(&server.database(), text).await;

    // Orthanc tells what it was told, single values as themselves.
    let found = async |path: String, arguments: serde_json::Value, tag: &str| -> Vec<String> {
        let found = orthanc.ask_server("qido", serde_json::json!({ "Uri": path, "Arguments": arguments })).await;
        let uid = |one: &serde_json::Value| {
            let value = &one[tag]["Value"];
            value.as_str().or(value[0].as_str()).unwrap_or_else(|| panic!("{one}")).to_owned()
        };
        let mut uids: Vec<String> = found.as_array().unwrap_or_else(|| panic!("{found}")).iter().map(uid).collect();
        uids.sort();
        uids
    };
    let none = || serde_json::json!({});
    let of_study = format!("/studies/{study}");
    assert_eq!(found("/studies".to_owned(), none(), "0020000D").await, [study.as_str()]);
    assert_eq!(found(format!("{of_study}/series"), none(), "0020000E").await, [series.as_str()]);
    let ct = serde_json::json!({ "Modality": "CT", "StudyInstanceUID": study });
    assert_eq!(found("/series".to_owned(), ct, "0020000E").await, [series.as_str()]);
    let below = format!("{of_study}/series/{series}/instances");
    assert_eq!(found(below, none(), "00080018").await, instances);
    let one = serde_json::json!({ "SOPInstanceUID": instances[1] });
    assert_eq!(found(format!("{of_study}/instances"), one, "00080018").await, [instances[1].as_str()]);

    let wanted = serde_json::json!({ "Resources": [{ "Study": study }], "Synchronous": true });
    orthanc.ask_server("retrieve", wanted).await;

    // Whether it takes them as they are stored is its own affair; the pixels are the same either way.
    for (uid, stored) in instances.iter().zip(sorted_by_uid(&files)) {
        let lookup = orthanc.post("/tools/lookup", uid.clone()).await;
        let id = lookup[0]["ID"].as_str().unwrap_or_else(|| panic!("{uid} is not there: {lookup}")).to_owned();
        let got = orthanc.file(&id).await;
        assert!(pixels(folder.path(), &got) == pixels(folder.path(), stored), "{uid}: other pixels");
    }
    server.stop().await;
}

/// The files in the order of their SOP Instance UIDs.
fn sorted_by_uid(files: &[Vec<u8>]) -> Vec<&Vec<u8>> {
    let mut sorted: Vec<&Vec<u8>> = files.iter().collect();
    sorted.sort_by_key(|file| part10::read_meta(file).unwrap().media_storage_sop_instance_uid);
    sorted
}

/// What DCMTK decodes of a file, from Pixel Data on.
fn pixels(folder: &Path, file: &[u8]) -> Vec<u8> {
    let (from, to) = (folder.join("from.dcm"), folder.join("to.dcm"));
    std::fs::write(&from, file).unwrap();
    run(Command::new(tool("dcmdjpeg", Package::Debian("dcmtk"))).args([&from, &to]));
    let decoded = std::fs::read(to).unwrap();
    let head = [0xE0, 0x7F, 0x10, 0x00, b'O', b'W'];
    let at = decoded.windows(head.len()).position(|window| window == head).expect("Pixel Data");
    decoded[at..].to_vec()
}
