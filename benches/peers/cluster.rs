//! A PostgreSQL cluster in `target/bench`, kept for the next run; durable, as it would be in service.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running cluster, or somebody else's database.
pub struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    given: Option<String>,
    server: Option<Child>,
}

impl Cluster {
    /// Starts the cluster below `folder`, making it first when it is not there.
    pub fn start(folder: &Path) -> Self {
        let given = std::env::var("YINGKU_BENCH_POSTGRES").ok();
        let mut cluster = Self { folder: folder.join("postgres"), programs: programs(), given, server: None };
        if cluster.given.is_some() {
            return cluster;
        }
        let data = cluster.folder.join("data");
        std::fs::create_dir_all(&cluster.folder).unwrap();
        if is_root() {
            run(Command::new("chown").arg("-R").arg("postgres").arg(&cluster.folder));
        }
        if !data.join("PG_VERSION").is_file() {
            let arguments = ["-A", "trust", "-U", "yingku", "-E", "UTF8", "--locale=C", "-D"];
            run(cluster.program("initdb").args(arguments).arg(&data));
        }
        let settings = ["listen_addresses=", "shared_buffers=512MB", "max_wal_size=4GB", "logging_collector=off"];
        let mut server = cluster.program("postgres");
        server.arg("-D").arg(&data).arg("-k").arg(&cluster.folder).stdout(Stdio::null()).stderr(Stdio::null());
        for setting in settings {
            server.args(["-c", setting]);
        }
        cluster.server = Some(server.spawn().unwrap());
        for _ in 0..600 {
            if cluster.program("pg_isready").arg("-h").arg(&cluster.folder).output().unwrap().status.success() {
                return cluster;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("PostgreSQL does not start in {}", cluster.folder.display());
    }

    /// The URL of a database, which is made when it is not there.
    pub fn database(&self, name: &str) -> String {
        if let Some(url) = &self.given {
            return url.clone();
        }
        // Says no when it is there already, which is as well.
        let _ = self.program("createdb").args(["-U", "yingku", "-h"]).arg(&self.folder).arg(name).output();
        format!("postgres://yingku@localhost/{name}?host={}", self.folder.display())
    }

    /// The URL of an empty database of that name; what was in it before is gone.
    pub fn fresh_database(&self, name: &str) -> String {
        self.remove_database(name);
        self.database(name)
    }

    /// Gives the database's room back. Somebody else's is left alone.
    pub fn remove_database(&self, name: &str) {
        if self.given.is_none() {
            let options = ["--if-exists", "--force", "-U", "yingku", "-h"];
            run(self.program("dropdb").args(options).arg(&self.folder).arg(name));
        }
    }

    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        if !is_root() {
            return Command::new(program);
        }
        // PostgreSQL refuses to run as root; the package's own user runs it then.
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            // SIGINT is PostgreSQL's fast shutdown.
            let _ = Command::new("kill").args(["-INT", &server.id().to_string()]).status();
            let _ = server.wait();
        }
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Debian keeps the programs of each major version in a folder of its own; the newest is taken.
fn programs() -> PathBuf {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, programs): &(u32, PathBuf)| programs.join("initdb").is_file())
        .collect();
    found.sort();
    found.pop().map(|(_, programs)| programs).unwrap_or_default()
}
