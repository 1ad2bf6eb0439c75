//! Yingku, Orthanc with its DICOMweb plugin, and nginx over the same files, each with a folder and ports of its own.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::processes::{free_port, fresh, installed, without_delay};

/// The AE title to which C-MOVE sends.
pub const DESTINATION: &str = "DEST";
/// What Yingku's DICOMweb asks for; a synthetic key of this run only.
pub const KEY: &str = "bench-key-of-thirty-two-letters-x";

/// An archive that is compared.
pub struct Archive {
    /// For the table.
    pub name: &'static str,
    /// Its AE title.
    pub ae_title: &'static str,
    /// Its DICOM port on 127.0.0.1.
    pub dicom: u16,
    /// The base address of its DICOMweb services.
    pub dicomweb: String,
    _process: Process,
}

/// A server that is ended with the run.
pub struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Yingku with a client for DICOMweb and a destination for C-MOVE.
pub fn yingku(folder: &Path, destination: u16) -> Archive {
    let (dicom, http) = (free_port(), free_port());
    let folder = fresh(folder);
    let config = folder.join("yingku.toml");
    let text = format!(
        r#"
[http]
listen = "127.0.0.1:{http}"
public_url = "http://127.0.0.1:{http}"
[dicom]
listen = "127.0.0.1:{dicom}"
[database]
url = "sqlite://{folder}/yingku.db"
[objects]
url = "file://{folder}/objects"
[[organization]]
code = "ORG-T01"
name = "示例医院"
[[peer]]
ae_title = "BENCH"
host = "127.0.0.1"
port = 11113
organization = "ORG-T01"
[[peer]]
ae_title = "{DESTINATION}"
host = "127.0.0.1"
port = {destination}
organization = "ORG-T01"
[[client]]
id = "bench"
key = "{KEY}"
organizations = ["ORG-T01"]
dicomweb = "read"
"#,
        folder = folder.display()
    );
    std::fs::write(&config, text).expect("the folder takes a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_yingku"));
    command.arg("serve").arg("--config").arg(config);
    let dicomweb = format!("http://127.0.0.1:{http}/dicom-web");
    Archive { name: "yingku", ae_title: "YINGKU", dicom, dicomweb, _process: start("yingku", &[dicom, http], command) }
}

/// Orthanc as Debian has it, with the plugin of the package `orthanc-dicomweb`.
pub fn orthanc(folder: &Path, destination: u16) -> Archive {
    let (dicom, http) = (free_port(), free_port());
    let folder = fresh(folder);
    let config = folder.join("orthanc.json");
    let data = folder.join("data").display().to_string();
    let plugin = ["/usr/share/orthanc/plugins/libOrthancDicomWeb.so", "/usr/lib/orthanc/libOrthancDicomWeb.so"]
        .into_iter()
        .find(|file| Path::new(file).exists())
        .expect("Orthanc's DICOMweb is missing; install it with: apt-get install -y orthanc-dicomweb");
    let text = serde_json::json!({
        "Name": "bench", "StorageDirectory": data, "IndexDirectory": data, "Plugins": [plugin],
        "HttpServerEnabled": true, "HttpPort": http, "RemoteAccessAllowed": false, "AuthenticationEnabled": false,
        "DicomPort": dicom, "DicomAet": "ORTHANC", "DicomCheckCalledAet": false,
        "DicomAlwaysAllowStore": true, "DicomAlwaysAllowFind": true, "DicomAlwaysAllowGet": true,
        "DicomAlwaysAllowMove": true, "MaximumPduLength": 131_072,
        "DicomModalities": {
            "dest": [DESTINATION, "127.0.0.1", destination],
            "bench": ["BENCH", "127.0.0.1", 11113],
        },
    });
    std::fs::write(&config, text.to_string()).expect("the folder takes a file");
    let mut command = installed("Orthanc", "orthanc");
    command.arg(config);
    let process = start("orthanc", &[dicom, http], without_delay(command));
    let dicomweb = format!("http://127.0.0.1:{http}/dicom-web");
    Archive { name: "orthanc", ae_title: "ORTHANC", dicom, dicomweb, _process: process }
}

/// nginx over a folder, as fast as it is: `sendfile`, no log, one worker a core.
pub fn nginx(folder: &Path, files: &Path) -> (String, Process) {
    let port = free_port();
    let folder = fresh(folder);
    let config = folder.join("nginx.conf");
    let text = format!(
        "daemon off; worker_processes auto; pid {folder}/pid; error_log /dev/null;\n\
         events {{ worker_connections 64; }}\n\
         http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;\n\
         client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;\n\
         uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n\
         server {{ listen 127.0.0.1:{port}; root {files}; }} }}\n",
        folder = folder.display(),
        files = files.display(),
    );
    std::fs::write(&config, text).expect("the folder takes a file");
    let mut command = installed("nginx", "nginx-light");
    // The workers read the folder as whoever runs the bench.
    command.arg("-g").arg(format!("user {};", user())).arg("-c").arg(config);
    (format!("http://127.0.0.1:{port}"), start("nginx", &[port], command))
}

/// What C-MOVE sends to: `storescp`, which throws away what it gets.
pub fn destination() -> (u16, Process) {
    let port = free_port();
    let mut command = installed("storescp", "dcmtk");
    command.args(["--fork", "--ignore", "-pdu", "131072", "-aet", DESTINATION]).arg(port.to_string());
    (port, start("storescp", &[port], without_delay(command)))
}

fn start(name: &'static str, ports: &[u16], mut command: Command) -> Process {
    let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = silent.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
    let mut process = Process(child);
    let began = Instant::now();
    while !ports.iter().all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok()) {
        assert!(process.0.try_wait().expect("it is a child").is_none(), "{name} has ended");
        assert!(began.elapsed() < Duration::from_secs(30), "{name} does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    process
}

fn user() -> String {
    let told = Command::new("id").arg("-un").output().expect("id runs");
    String::from_utf8_lossy(&told.stdout).trim().to_owned()
}
