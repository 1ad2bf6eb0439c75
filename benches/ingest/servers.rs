//! The servers that are compared, each with a folder and a port of its own.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::cluster::Cluster;
use super::memory::Memory;
use super::processes::{free_port, fresh, installed, without_delay};
use super::slow::SlowSyncs;

/// A running server.
pub struct Server {
    /// For the table.
    pub name: &'static str,
    /// What a success means there.
    pub promise: &'static str,
    /// Its AE title.
    pub ae_title: &'static str,
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// Its memory.
    pub memory: Memory,
    idle_mb: f64,
    child: Child,
}

impl Server {
    /// Its memory before any load.
    pub fn idle_mb(&self) -> f64 {
        self.idle_mb
    }

    /// Ends it as an operator would, and waits until it has ended.
    pub fn stop(mut self) {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(told.is_ok_and(|status| status.success()), "{} cannot be told to stop", self.name);
        let ended = self.child.wait().expect("it is a child");
        assert!(ended.success(), "{} ends with {ended}", self.name);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The peers that are measured unless others are asked for.
const PEERS: &str = "storescp,dicom-storescp,dcmqrscp,orthanc";

/// All that runs: servers are ended before the database that one of them uses.
pub struct Running {
    /// Yingku first, once for each engine, then the peers.
    pub servers: Vec<Server>,
    _cluster: Option<Cluster>,
}

/// Yingku over each engine of `YINGKU_BENCH_ENGINES`, then the peers of `YINGKU_BENCH_PEERS`.
pub fn start_all(folder: &Path, slow: Option<&SlowSyncs>) -> Running {
    let engines = std::env::var("YINGKU_BENCH_ENGINES").unwrap_or_else(|_| "sqlite,postgres".to_owned());
    let (mut servers, mut cluster) = (Vec::new(), None);
    for engine in engines.split(',').map(str::trim) {
        match engine {
            "sqlite" => servers.push(yingku_on_sqlite(&folder.join("yingku"), slow)),
            // PostgreSQL syncs in processes of its own, which nothing slows down: the row would flatter.
            "postgres" if slow.is_some() => println!("slow syncs are measured with SQLite only"),
            "postgres" => {
                let started = cluster.insert(Cluster::start(folder));
                servers.push(yingku_on_postgres(&folder.join("on-postgres"), &started.fresh_database("ingest")));
            }
            other => panic!("YINGKU_BENCH_ENGINES: {other} is neither sqlite nor postgres"),
        }
    }
    assert!(!servers.is_empty(), "none of YINGKU_BENCH_ENGINES can be measured so");
    let peers = std::env::var("YINGKU_BENCH_PEERS").unwrap_or_else(|_| PEERS.to_owned());
    for peer in peers.split(',').map(str::trim).filter(|peer| *peer != "yingku") {
        let folder = folder.join(peer);
        servers.push(match peer {
            "storescp" => storescp(&folder, slow),
            "dicom-storescp" => dicom_storescp(&folder, slow),
            "dcmqrscp" => dcmqrscp(&folder, slow),
            "orthanc" => orthanc(&folder, slow),
            "orthanc-as-installed" => orthanc_as_installed(&folder, slow),
            other => panic!("YINGKU_BENCH_PEERS: {other} is no peer that can be measured"),
        });
    }
    Running { servers, _cluster: cluster }
}

fn yingku_on_sqlite(folder: &Path, slow: Option<&SlowSyncs>) -> Server {
    let folder = fresh(folder);
    let (dicom, http) = (free_port(), free_port());
    let config = configure(&folder, (dicom, http), &format!("url = \"sqlite://{}/yingku.db\"", folder.display()), "");
    yingku("yingku", &config, dicom, slow)
}

fn yingku_on_postgres(folder: &Path, database: &str) -> Server {
    let folder = fresh(folder);
    let (dicom, http) = (free_port(), free_port());
    let config = configure(&folder, (dicom, http), &format!("url = \"{database}\""), "");
    yingku("yingku, PostgreSQL", &config, dicom, None)
}

/// Writes a configuration that takes objects from the load generator; `database` and `objects` are lines of those tables.
pub fn configure(folder: &Path, (dicom, http): (u16, u16), database: &str, objects: &str) -> PathBuf {
    let config = folder.join("yingku.toml");
    let text = format!(
        r#"
[http]
listen = "127.0.0.1:{http}"
public_url = "http://127.0.0.1:{http}"
[dicom]
listen = "127.0.0.1:{dicom}"
[database]
{database}
[objects]
url = "file://{folder}/objects"
{objects}
[[organization]]
code = "ORG-T01"
name = "示例医院"
[[peer]]
ae_title = "BENCH"
host = "127.0.0.1"
port = 11113
organization = "ORG-T01"
"#,
        folder = folder.display()
    );
    std::fs::write(&config, text).expect("the folder takes a file");
    config
}

/// Starts the program with a configuration, on what an earlier one may have left.
pub fn yingku(name: &'static str, config: &Path, dicom: u16, slow: Option<&SlowSyncs>) -> Server {
    let program = std::env::var_os("YINGKU_BENCH_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_yingku").into());
    let mut command = Command::new(program);
    command.arg("serve").arg("--config").arg(config);
    start(name, "object and rows synced", "YINGKU", dicom, command, slow)
}

fn storescp(folder: &Path, slow: Option<&SlowSyncs>) -> Server {
    let port = free_port();
    let folder = fresh(folder);
    let mut command = installed("storescp", "dcmtk");
    command.arg("--fork").args(["-pdu", "131072", "-od"]).arg(folder).arg(port.to_string());
    start("storescp", "no sync, no index", "STORESCP", port, without_delay(command), slow)
}

/// The tool of dicom-rs, which `make packages-bench` installs; its answers are one segment, so that nothing need be forced.
fn dicom_storescp(folder: &Path, slow: Option<&SlowSyncs>) -> Server {
    let port = free_port();
    let folder = fresh(folder);
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let own = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("tools").join("bin");
    let mut found = std::env::split_paths(&folders).chain([own]).map(|folder| folder.join("dicom-storescp"));
    let program = found.find(|file| file.is_file());
    let mut command = Command::new(program.expect("dicom-storescp is missing; install it with: make packages-bench"));
    command.args(["--non-blocking", "-m", "131072", "-p", &port.to_string(), "-o"]).arg(folder);
    start("dicom-storescp", "no sync, no index", "STORE-SCP", port, command, slow)
}

fn dcmqrscp(folder: &Path, slow: Option<&SlowSyncs>) -> Server {
    let port = free_port();
    let folder = fresh(folder);
    let data = fresh(&folder.join("data"));
    let config = folder.join("dcmqrscp.cfg");
    let text = format!(
        "NetworkTCPPort = {port}\nMaxPDUSize = 131072\nMaxAssociations = 64\nHostTable BEGIN\nHostTable END\n\
         VendorTable BEGIN\nVendorTable END\nAETable BEGIN\nDCMQRSCP {} RW (100000, 1000000mb) ANY\nAETable END\n",
        data.display()
    );
    std::fs::write(&config, text).expect("the folder takes a file");
    let mut command = installed("dcmqrscp", "dcmtk");
    command.arg("-c").arg(config);
    start("dcmqrscp", "no sync, file index", "DCMQRSCP", port, without_delay(command), slow)
}

fn orthanc(folder: &Path, slow: Option<&SlowSyncs>) -> Server {
    let port = free_port();
    let folder = fresh(folder);
    let config = folder.join("orthanc.json");
    let data = folder.join("data").display().to_string();
    let text = serde_json::json!({
        "Name": "bench", "StorageDirectory": data, "IndexDirectory": data, "Plugins": [],
        "HttpServerEnabled": false, "DicomPort": port, "DicomAet": "ORTHANC", "DicomCheckCalledAet": false,
        "DicomAlwaysAllowStore": true, "SyncStorageArea": true, "MaximumPduLength": 131_072,
    });
    std::fs::write(&config, text.to_string()).expect("the folder takes a file");
    let mut command = installed("Orthanc", "orthanc");
    command.arg(config);
    start("orthanc", "file synced, rows not", "ORTHANC", port, without_delay(command), slow)
}

/// Orthanc as its package configures and starts it, but for folder, ports and plugins, which would only take time from it.
fn orthanc_as_installed(folder: &Path, slow: Option<&SlowSyncs>) -> Server {
    let (port, http) = (free_port(), free_port());
    let folder = fresh(folder);
    let config = folder.join("orthanc.json");
    let data = folder.join("data").display().to_string();
    let text = serde_json::json!({
        "StorageDirectory": data, "IndexDirectory": data, "DicomPort": port, "HttpPort": http,
    });
    std::fs::write(&config, text.to_string()).expect("the folder takes a file");
    let mut command = installed("Orthanc", "orthanc");
    // Whoever runs the bench may have it set.
    command.arg(config).env_remove("TCP_NODELAY");
    start("orthanc-as-installed", "file synced, rows not; Nagle's algorithm on", "ORTHANC", port, command, slow)
}

fn start(
    name: &'static str,
    promise: &'static str,
    ae_title: &'static str,
    port: u16,
    mut command: Command,
    slow: Option<&SlowSyncs>,
) -> Server {
    if let Some(slow) = slow {
        slow.slow_down(&mut command);
    }
    let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = silent.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(child.try_wait().expect("it is a child").is_none(), "{name} has ended");
        assert!(began.elapsed() < Duration::from_secs(30), "{name} does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    let memory = Memory::watch(child.id());
    let idle_mb = memory.now_mb();
    Server { name, promise, ae_title, port, memory, idle_mb, child }
}
