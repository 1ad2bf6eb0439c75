//! The PACS that are drained, as processes: each has a port of its own and ends with the test.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::harness::{Certificate, Package, free_port, python, run, tool};

/// A PACS at work.
#[derive(Debug)]
pub struct Pacs {
    pub port: u16,
    folder: TempDir,
    child: Option<Child>,
}

impl Pacs {
    /// A port and a folder; nothing runs yet, because a PACS wants to know our port first.
    pub fn to_be() -> Self {
        Self { port: free_port(), folder: tempfile::tempdir().unwrap(), child: None }
    }

    /// DCMTK's dcmqrscp with these images; it knows us at `ours`.
    pub fn start_dcmqrscp(&mut self, ours: u16, images: &Path) {
        let at = self.folder.path();
        std::fs::create_dir(at.join("db")).unwrap();
        let text = format!(
            "NetworkTCPPort = {}\nMaxPDUSize = 131072\nMaxAssociations = 16\nHostTable BEGIN\n\
             yingku = (YINGKU, 127.0.0.1, {ours})\nHostTable END\nVendorTable BEGIN\nVendorTable END\n\
             AETable BEGIN\nQRSCP {}/db RW (1000, 1024mb) ANY\nAETable END\n",
            self.port,
            at.display()
        );
        std::fs::write(at.join("qrscp.cfg"), text).unwrap();
        let mut command = Command::new(tool("dcmqrscp", Package::Debian("dcmtk")));
        self.start(command.arg("-c").arg(at.join("qrscp.cfg")));
        self.load(images);
    }

    /// Orthanc with these images; it knows us at `ours`.
    pub fn start_orthanc(&mut self, ours: u16, images: &Path) {
        let at = self.folder.path();
        let text = format!(
            r#"{{"Name": "pacs", "StorageDirectory": "{0}/db", "IndexDirectory": "{0}/db", "HttpServerEnabled": false,
                 "DicomAet": "QRSCP", "DicomPort": {1}, "DicomCheckCalledAet": false, "RemoteAccessAllowed": false,
                 "DicomModalities": {{"yingku": ["YINGKU", "127.0.0.1", {ours}]}}, "DicomAlwaysAllowStore": true,
                 "DicomAlwaysAllowGet": true, "DicomAlwaysAllowFind": true, "DicomAlwaysAllowMove": true, "Plugins": []}}"#,
            at.display(),
            self.port
        );
        std::fs::write(at.join("orthanc.json"), text).unwrap();
        let mut command = Command::new(tool("Orthanc", Package::Debian("orthanc")));
        self.start(command.arg(at.join("orthanc.json")));
        self.load(images);
    }

    /// A pynetdicom program that has these images and behaves as told.
    pub fn start_python(&mut self, ours: u16, images: &Path, behaviour: &str) {
        let mut command = Command::new(python());
        command.arg("-c").arg(include_str!("pacs.py")).arg(self.port.to_string()).arg(ours.to_string());
        self.start(command.arg(images).arg(behaviour).arg(self.folder.path().join("calls")));
    }

    /// An honest one that speaks TLS only.
    pub fn start_python_over_tls(&mut self, ours: u16, images: &Path, certificate: &Certificate) {
        let mut command = Command::new(python());
        command.arg("-c").arg(include_str!("pacs.py")).arg(self.port.to_string()).arg(ours.to_string());
        command.arg(images).arg("honest").arg(self.folder.path().join("calls"));
        self.start(command.arg(&certificate.certificate).arg(&certificate.key));
    }

    /// Lines that the pynetdicom program has written about what it was asked.
    pub fn calls(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Lets one that is halting go on, now and later.
    pub fn go_on(&self) {
        std::fs::write(self.folder.path().join("calls.go"), "").unwrap();
    }

    /// Sends images to it as a modality does.
    pub fn load(&self, images: &Path) {
        let mut command = Command::new(tool("storescu", Package::Debian("dcmtk")));
        command.args(["+sd", "-xe", "-aec", "QRSCP", "127.0.0.1", &self.port.to_string()]).arg(images);
        run(&mut command);
    }

    fn start(&mut self, command: &Command) {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        // It ends with this process, however that ends: the shell waits on a pipe that only we hold open.
        let mut keeper = Command::new("/bin/sh");
        keeper.args(["-c", "\"$@\" & child=$!; read -r _; kill -9 $child; wait $child", "pacs"]);
        keeper.arg(command.get_program()).args(command.get_args()).current_dir(self.folder.path());
        keeper.stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(keeper.spawn().unwrap());
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(started.elapsed() < Duration::from_secs(120), "the PACS does not start: {}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Pacs {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.stdin.take());
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            eprintln!("log of the PACS:\n{}", &log[log.len().saturating_sub(6000)..]);
        }
    }
}
