//! Orthanc as Debian has it, with its DICOMweb (for OHIF) and its own web viewer.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::processes::{free_port, fresh, installed};

const PLUGINS: [(&str, &str); 2] =
    [("libOrthancDicomWeb.so", "orthanc-dicomweb"), ("libOrthancWebViewer.so", "orthanc-webviewer")];

/// A running server, ended with the run.
pub struct Orthanc {
    process: Child,
    http: u16,
}

impl Drop for Orthanc {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Orthanc {
    /// Starts it with an empty folder.
    pub fn start(folder: &Path) -> Self {
        let plugins = PLUGINS.map(|(file, package)| {
            let path = format!("/usr/share/orthanc/plugins/{file}");
            assert!(Path::new(&path).exists(), "{file} is missing; install it with: apt-get install -y {package}");
            path
        });
        let (folder, http) = (fresh(folder), free_port());
        let data = folder.join("data").display().to_string();
        let config = serde_json::json!({
            "Name": "bench", "StorageDirectory": data, "IndexDirectory": data, "Plugins": plugins,
            "HttpServerEnabled": true, "HttpPort": http, "RemoteAccessAllowed": false, "AuthenticationEnabled": false,
            "DicomServerEnabled": false, "HttpCompressionEnabled": true,
            "WebViewer": { "CachePath": folder.join("viewer-cache").display().to_string(), "CacheSize": 500 },
        });
        let file = folder.join("orthanc.json");
        std::fs::write(&file, config.to_string()).expect("the folder takes a file");
        let mut command = installed("Orthanc", "orthanc");
        let silent = command.arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = silent.spawn().unwrap_or_else(|error| panic!("Orthanc does not start: {error}"));
        let mut orthanc = Self { process, http };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", http)).is_err() {
            assert!(orthanc.process.try_wait().expect("it is a child").is_none(), "Orthanc has ended");
            assert!(began.elapsed() < Duration::from_secs(60), "Orthanc does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        orthanc
    }

    /// Where its HTTP services are.
    pub fn http(&self) -> String {
        format!("http://127.0.0.1:{}", self.http)
    }

    /// Stores a folder of files; its own name of their series.
    pub fn store(&self, files: &Path) -> String {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let mut series = String::new();
        for entry in std::fs::read_dir(files).expect("the folder is there") {
            let bytes = std::fs::read(entry.expect("an entry").path()).expect("a file");
            let stored: serde_json::Value = runtime.block_on(async {
                let answer = http.post(format!("{}/instances", self.http())).body(bytes).send().await;
                let text = answer.expect("Orthanc answers").text().await.expect("all of it");
                serde_json::from_str(&text).unwrap_or_else(|_| panic!("Orthanc says {text}"))
            });
            series = stored["ParentSeries"].as_str().unwrap_or_else(|| panic!("Orthanc says {stored}")).to_owned();
        }
        series
    }
}
