//! Orthanc as a peer: started on free ports, asked by its REST interface.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::certificates::{Authority, Certificate};
use super::tool::{Package, tool};
use super::wait::{eventually, free_port, http_get};

const DICOMWEB_PLUGIN: &str = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so";

/// A running Orthanc with an empty store, which knows us as the modality `yingku`.
#[derive(Debug)]
pub struct Orthanc {
    child: Child,
    http: u16,
    dicom: u16,
    _folder: TempDir,
}

impl Orthanc {
    /// Starts it under an AE title; we are YINGKU at port `ours` of this machine.
    pub async fn start(ae_title: &str, ours: u16) -> Self {
        Self::start_with(ae_title, ours, json!({})).await
    }

    /// The same, speaking DICOM over TLS only, to us as well: it shows its certificate and wants to see ours.
    pub async fn start_over_tls(ae_title: &str, ours: u16, own: &Certificate, authority: &Authority) -> Self {
        let more = json!({
            "DicomTlsEnabled": true,
            "DicomTlsCertificate": own.certificate,
            "DicomTlsPrivateKey": own.key,
            "DicomTlsTrustedCertificates": authority.certificate(),
            "DicomTlsRemoteCertificateRequired": true,
            "DicomModalities": { "yingku": { "AET": "YINGKU", "Host": "127.0.0.1", "Port": ours, "UseDicomTls": true } },
        });
        Self::start_with(ae_title, ours, more).await
    }

    /// The same with its DICOMweb service.
    pub async fn start_with_dicomweb(ae_title: &str) -> Self {
        assert!(
            Path::new(DICOMWEB_PLUGIN).exists(),
            "{DICOMWEB_PLUGIN} is missing; install it with: apt-get install -y orthanc-dicomweb"
        );
        Self::start_with(ae_title, free_port(), json!({ "Plugins": [DICOMWEB_PLUGIN] })).await
    }

    /// Starts it with further settings.
    async fn start_with(ae_title: &str, ours: u16, more: Json) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (http, dicom) = (free_port(), free_port());
        let mut config = json!({
            "Name": "peer",
            "StorageDirectory": folder.path().join("storage"),
            "IndexDirectory": folder.path().join("index"),
            "HttpPort": http,
            "DicomPort": dicom,
            "DicomAet": ae_title,
            "DicomCheckCalledAet": true,
            "RemoteAccessAllowed": false,
            "AuthenticationEnabled": false,
            "DicomModalities": { "yingku": ["YINGKU", "127.0.0.1", ours] },
            "Plugins": [],
        });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let path = folder.path().join("orthanc.json");
        std::fs::write(&path, config.to_string()).unwrap();
        let program = tool("Orthanc", Package::Debian("orthanc"));
        let child = Command::new(program).arg(&path).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let address = ([127, 0, 0, 1], http).into();
        eventually(Duration::from_secs(120), "Orthanc answers", || async move {
            http_get(address, "/system").filter(|(status, _)| *status == 200)
        })
        .await;
        Self { child, http, dicom, _folder: folder }
    }

    /// Where it takes DICOM.
    pub fn dicom(&self) -> u16 {
        self.dicom
    }

    /// Its DICOMweb service.
    pub fn dicomweb(&self) -> String {
        format!("http://127.0.0.1:{}/dicom-web", self.http)
    }

    /// Asks it by GET; nothing when it does not answer with success.
    pub fn get(&self, path: &str) -> Option<Json> {
        let (status, text) = http_get(([127, 0, 0, 1], self.http).into(), path)?;
        (status == 200).then(|| serde_json::from_str(&text).unwrap())
    }

    /// Asks it by POST; anything but success fails the test.
    pub async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Json {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://127.0.0.1:{}{path}", self.http);
        let answer = client.post(url).body(body).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Has it forget something.
    pub async fn delete(&self, path: &str) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.delete(format!("http://127.0.0.1:{}{path}", self.http)).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }

    /// How many instances it has.
    pub fn count(&self) -> usize {
        let (_, text) = http_get(([127, 0, 0, 1], self.http).into(), "/instances").unwrap();
        serde_json::from_str::<Vec<String>>(&text).unwrap().len()
    }

    /// The Part 10 file of an instance, as Orthanc keeps it.
    pub async fn file(&self, sop_instance_uid: &str) -> Vec<u8> {
        let found = self.post("/tools/lookup", sop_instance_uid.to_owned()).await;
        let id = found[0]["ID"].as_str().unwrap_or_else(|| panic!("{sop_instance_uid} is not there")).to_owned();
        let url = format!("http://127.0.0.1:{}/instances/{id}/file", self.http);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        client.get(url).send().await.unwrap().bytes().await.unwrap().to_vec()
    }
}

impl Drop for Orthanc {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
