//! The program itself, as an operator runs it: to be killed, starved, asked by signals.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use yingku::index::DatabaseConfig;

use super::test_server::base_toml;
use super::wait::{eventually, free_port, http_get};
use super::{Package, StoredInstances, database, tool};

/// A running `yingku serve`, with a folder of its own. Dropping it kills it and removes the folder.
#[derive(Debug)]
pub struct ServerProcess {
    child: Option<Child>,
    folder: TempDir,
    http: SocketAddr,
    dicom: SocketAddr,
    environment: Vec<(String, PathBuf)>,
    disk: Option<TempDir>,
}

/// What the process may use.
#[derive(Debug, Clone, Copy)]
pub enum Limit {
    /// Whatever the machine has.
    None,
    /// No file may grow beyond so many bytes: what a full disk looks like to the program.
    FileBytes(u64),
    /// All files of the server together may take so many bytes more than they do now: the disk is full for each of them.
    DiskBytes(u64),
}

/// Bytes on the disk below a folder; the server's log counts for another one.
fn allocated_bytes(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => allocated_bytes(&entry.path()),
        Ok(meta) if entry.file_name() != "log" => meta.blocks() * 512,
        _ => 0,
    };
    entries.map(size).sum()
}

impl ServerProcess {
    /// Writes a configuration, starts the server with SQLite and a folder, and waits until it is ready.
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// The same with more lines of configuration.
    pub async fn start_with(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = format!("sqlite://{}/yingku.db", folder.path().display());
        let objects = format!("file://{}/objects", folder.path().display());
        Self::start_in(folder, &database, &objects, more).await
    }

    /// The same with variables of the environment, at each start.
    pub async fn start_with_environment(more: &str, environment: &[(&str, &Path)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = format!("sqlite://{}/yingku.db", folder.path().display());
        let objects = format!("file://{}/objects", folder.path().display());
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), value.to_path_buf()));
        Self::start_as(folder, (&database, &objects), more, environment.collect()).await
    }

    /// Starts one of several servers that share a database and an object store.
    pub async fn start_sharing(database: &DatabaseConfig, objects: &Path, more: &str) -> Self {
        let objects = format!("file://{}", objects.display());
        Self::start_in(tempfile::tempdir().unwrap(), &database.url, &objects, more).await
    }

    async fn start_in(folder: TempDir, database: &str, objects: &str, more: &str) -> Self {
        Self::start_as(folder, (database, objects), more, Vec::new()).await
    }

    async fn start_as(
        folder: TempDir,
        (database, objects): (&str, &str),
        more: &str,
        environment: Vec<(String, PathBuf)>,
    ) -> Self {
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let (http, dicom) = (local(free_port()), local(free_port()));
        let text = base_toml(http, dicom, database, objects) + more;
        std::fs::write(folder.path().join("yingku.toml"), text).unwrap();
        let mut server = Self { child: None, folder, http, dicom, environment, disk: None };
        server.start_again(Limit::None).await;
        server
    }

    /// Starts the stopped server again on what it left, and waits until it is ready.
    pub async fn start_again(&mut self, limit: Limit) {
        self.spawn(limit, &[]);
        let (address, log) = (self.http, self.log_path());
        let child = self.child.as_mut().unwrap();
        eventually(Duration::from_secs(120), "the server is ready", || {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "the server ended: {ended:?}\n{}", read(&log));
            async move { http_get(address, "/readyz").filter(|(status, _)| *status == 200) }
        })
        .await;
    }

    /// Starts the stopped server with a library that is loaded before the C library, and waits until it ends.
    pub async fn run_to_its_end_with(&mut self, library: &Path) -> ExitStatus {
        self.spawn(Limit::None, &[("LD_PRELOAD", library)]);
        let mut child = self.child.take().unwrap();
        eventually(Duration::from_secs(120), "the server ends", || {
            let ended = child.try_wait().unwrap();
            async move { ended }
        })
        .await
    }

    /// Takes the limit of files or of the disk from the running server.
    pub fn give_room(&mut self) {
        if let Some(disk) = &self.disk {
            std::fs::write(disk.path().join("room"), i64::MAX.to_string()).unwrap();
            return;
        }
        let child = self.child.as_ref().expect("it runs");
        let mut prlimit = Command::new(tool("prlimit", Package::Debian("util-linux")));
        super::run(prlimit.arg("--pid").arg(child.id().to_string()).arg("--fsize=unlimited:"));
    }

    fn spawn(&mut self, limit: Limit, environment: &[(&str, &Path)]) {
        assert!(self.child.is_none(), "it runs");
        let log = File::options().create(true).append(true).open(self.log_path()).unwrap();
        let program = env!("CARGO_BIN_EXE_yingku");
        self.disk = None;
        let mut command = match limit {
            Limit::None => Command::new(program),
            Limit::DiskBytes(bytes) => {
                let disk = self.disk.insert(tempfile::tempdir().unwrap());
                let (library, room) = (disk.path().join("disk_bytes.so"), disk.path().join("room"));
                let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/harness/disk_bytes.c");
                let mut compile = Command::new(tool("cc", Package::Debian("gcc")));
                super::run(compile.args(["-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(source).arg("-ldl"));
                std::fs::write(&room, (allocated_bytes(self.folder.path()) + bytes).to_string()).unwrap();
                let mut command = Command::new(program);
                command.env("LD_PRELOAD", library).env("YINGKU_TEST_ROOM", room);
                command.env("YINGKU_TEST_DISK", self.folder.path());
                command
            }
            Limit::FileBytes(bytes) => {
                let prlimit = tool("prlimit", Package::Debian("util-linux"));
                let mut command = Command::new("/bin/sh");
                // The signal is ignored, so that the write fails as it does on a full disk.
                command.arg("-c").arg("trap '' XFSZ; exec \"$@\"").arg("sh").arg(prlimit);
                command.arg(format!("--fsize={bytes}:")).arg("--").arg(program);
                command
            }
        };
        command.arg("serve").arg("--config").arg(self.config_path()).current_dir(self.folder.path());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.envs(environment.iter().copied());
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().unwrap());
    }

    /// Where its pages are.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Where it takes DICOM.
    pub fn dicom(&self) -> SocketAddr {
        self.dicom
    }

    /// Most memory that the process ever had, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let process = self.child.as_ref().expect("it runs").id();
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Ends it at once, as a crash would (SIGKILL).
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks it to end (SIGTERM), waits for it, and tells how it ended.
    pub async fn terminate(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        super::run(Command::new("kill").arg("-TERM").arg(child.id().to_string()));
        eventually(Duration::from_secs(120), "the server ends", || {
            let ended = child.try_wait().unwrap();
            async move { ended }
        })
        .await
    }

    /// Asks it to read its configuration again (SIGHUP).
    pub fn hang_up(&self) {
        let child = self.child.as_ref().expect("it runs");
        super::run(Command::new("kill").arg("-HUP").arg(child.id().to_string()));
    }

    /// Runs another command of the program with the same configuration, e.g. `verify`.
    pub fn command(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_yingku"));
        command.args(arguments).arg("--config").arg(self.config_path()).current_dir(self.folder.path());
        command.output().unwrap()
    }

    /// Its folder, with `yingku.db` and `objects`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where its index is.
    pub fn database(&self) -> DatabaseConfig {
        database::at(format!("sqlite://{}/yingku.db", self.folder.path().display()))
    }

    /// What the index and the folder hold right now.
    pub async fn stored(&self) -> StoredInstances {
        let database = format!("sqlite://{}/yingku.db", self.folder.path().display());
        StoredInstances::read(&database, &self.folder.path().join("objects")).await
    }

    /// Adds lines to the configuration; the running server does not see them.
    pub fn append_config(&self, more: &str) {
        let mut text = std::fs::read_to_string(self.config_path()).unwrap();
        text.push_str(more);
        std::fs::write(self.config_path(), text).unwrap();
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        read(&self.log_path())
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn config_path(&self) -> PathBuf {
        self.folder.path().join("yingku.toml")
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("log of the server:\n{}", self.log());
        }
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
