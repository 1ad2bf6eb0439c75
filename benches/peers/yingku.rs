//! A `yingku serve` with a configuration of its own, which can be killed and started again on what it left.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::processes::free_port;

/// What the client `bench` says; a synthetic key of this run only.
pub const KEY: &str = "bench-key-of-thirty-two-letters-x";

/// A running server.
pub struct Yingku {
    config: PathBuf,
    http: SocketAddr,
    child: Option<Child>,
}

impl Yingku {
    /// Writes a configuration into `folder` and starts with it. The sender of 127.0.0.1 registers for every
    /// organisation, the client `bench` may follow, search and look at operations; `more` is added to that.
    pub fn start(folder: &Path, database: &str, more: &str) -> Self {
        std::fs::create_dir_all(folder).expect("the folder can be made");
        let folder = folder.canonicalize().expect("it is there");
        let http = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let text = format!(
            r#"
[http]
listen = "{http}"
public_url = "http://{http}"
[dicom]
listen = "127.0.0.1:{dicom}"
[database]
url = "{database}"
[objects]
url = "file://{folder}/objects"
[[sender]]
name = "bench"
addresses = ["127.0.0.1/32"]
organizations = ["*"]
[[client]]
id = "bench"
key = "{KEY}"
api = "follow"
dicomweb = "read"
operations = true
[[customer]]
guid = "11111111-2222-4333-8444-555555555555"
secret = "only-for-benches-7Qm2"
organization = "ORG-T01"
free_search = true
[[organization]]
code = "ORG-T01"
name = "示例医院"
{more}
"#,
            dicom = free_port(),
            folder = folder.display(),
        );
        let config = folder.join("yingku.toml");
        std::fs::write(&config, text).expect("the folder takes a file");
        let mut server = Self { config, http, child: None };
        server.start_again();
        server
    }

    /// Where its HTTP services are.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Starts it again after [`Yingku::kill`], waits until it says that it is ready, and tells how long that took.
    pub fn start_again(&mut self) -> Duration {
        let log = std::fs::File::create(self.config.with_file_name("log")).expect("the folder takes a file");
        let mut command = self.command("serve");
        let began = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        self.child = Some(child.unwrap_or_else(|error| panic!("yingku does not start: {error}")));
        while !self.is_ready() {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().expect("it is a child"));
            assert!(ended.is_none(), "yingku has ended; see {}", self.config.with_file_name("log").display());
            assert!(began.elapsed() < Duration::from_secs(300), "yingku is not ready");
            std::thread::sleep(Duration::from_millis(2));
        }
        began.elapsed()
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Resident memory, in megabytes.
    pub fn memory_mb(&self) -> f64 {
        let Some(child) = &self.child else { return 0.0 };
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next());
        kilobytes.and_then(|text| text.parse::<f64>().ok()).unwrap_or_default() / 1024.0
    }

    /// Another command of the program with the same configuration.
    pub fn command(&self, name: &str) -> Command {
        let program = std::env::var_os("YINGKU_BENCH_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_yingku").into());
        let mut command = Command::new(program);
        command.arg(name).arg("--config").arg(&self.config);
        command
    }

    fn is_ready(&self) -> bool {
        let Ok(mut connection) = TcpStream::connect(self.http) else { return false };
        let mut answer = Vec::new();
        let asked = connection.write_all(b"GET /readyz HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n");
        asked.is_ok() && connection.read_to_end(&mut answer).is_ok() && answer.starts_with(b"HTTP/1.1 200")
    }
}

impl Drop for Yingku {
    fn drop(&mut self) {
        self.kill();
    }
}
