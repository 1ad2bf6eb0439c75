//! Orthanc as the upstream: C-STORE, and storage commitment reported over an association that Orthanc opens to us.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;

use super::{files, forward_to, in_state, upstream};
use crate::archive::sender::send_all;
use crate::harness::{
    Package, TestServer, count_rows, data_set_of, eventually, free_port, http_get, small_instance, tool,
};

struct Orthanc {
    child: Child,
    http: u16,
    dicom: u16,
    _folder: tempfile::TempDir,
}

impl Orthanc {
    async fn start(front: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (http, dicom) = (free_port(), free_port());
        let config = json!({
            "Name": "upstream",
            "StorageDirectory": folder.path().join("storage"),
            "IndexDirectory": folder.path().join("index"),
            "HttpPort": http,
            "DicomPort": dicom,
            "DicomAet": "UPSTREAM",
            "DicomCheckCalledAet": true,
            "RemoteAccessAllowed": false,
            "AuthenticationEnabled": false,
            "DicomModalities": { "front": ["YINGKU", "127.0.0.1", front] },
            "Plugins": [],
        });
        let path = folder.path().join("orthanc.json");
        std::fs::write(&path, config.to_string()).unwrap();
        let program = tool("Orthanc", Package::Debian("orthanc"));
        let child = Command::new(program).arg(&path).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let address = ([127, 0, 0, 1], http).into();
        eventually(Duration::from_secs(30), "Orthanc answers", || async move {
            http_get(address, "/system").filter(|(status, _)| *status == 200)
        })
        .await;
        Self { child, http, dicom, _folder: folder }
    }

    async fn file(&self, sop_instance_uid: &str) -> Vec<u8> {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let base = format!("http://127.0.0.1:{}", self.http);
        let found = client.post(format!("{base}/tools/lookup")).body(sop_instance_uid.to_owned()).send().await.unwrap();
        let found: serde_json::Value = serde_json::from_slice(&found.bytes().await.unwrap()).unwrap();
        let id = found[0]["ID"].as_str().unwrap().to_owned();
        client.get(format!("{base}/instances/{id}/file")).send().await.unwrap().bytes().await.unwrap().to_vec()
    }
}

impl Drop for Orthanc {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orthanc_keeps_everything_and_says_so() {
    let port = free_port();
    let orthanc = Orthanc::start(port).await;
    let address = ([127, 0, 0, 1], orthanc.dicom).into();
    let front = TestServer::start_with(|config| {
        config.dicom.listen = ([127, 0, 0, 1], port).into();
        forward_to(config, address, upstream());
        config.front.keep_days = Some(0);
        config.front.purge_poll_ms = 100;
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    assert!(send_all(front.dicom(), &files(folder.path(), 0..8, 4096)).iter().all(|answer| answer.is_acknowledged()));
    in_state(&front.database(), "purged", 8).await;
    for number in 0..8 {
        let sent = small_instance(number, 4096);
        assert!(data_set_of(&orthanc.file(&sent.sop_instance_uid).await) == data_set_of(&sent.bytes()), "{number}");
    }
    assert_eq!(count_rows(&front.database(), "SELECT COUNT(*) AS n FROM instance WHERE offline_at IS NULL").await, 0);
    front.stop().await;
}
