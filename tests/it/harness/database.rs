//! A fresh database for each test, on either engine.
//!
//! PostgreSQL is a throw-away cluster of this test process: no password, a socket in a private folder, no sync to
//! the disk (the machine's loss of power is not what these tests are about), statistics only when a test asks for them
//! (plans are not to change while they are looked at).

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;
use yingku::index::{DatabaseConfig, Ids, Index};

use super::{keeper, run};

/// One empty database. Dropping it removes SQLite's file; PostgreSQL's goes with the cluster.
#[derive(Debug)]
pub struct TestDatabase {
    config: DatabaseConfig,
    _folder: Option<TempDir>,
}

impl TestDatabase {
    /// A file of its own.
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/yingku.db", folder.path().display());
        Self { config: at(url), _folder: Some(folder) }
    }

    /// A database of its own in the test run's cluster.
    pub fn postgres() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        let cluster = Cluster::running();
        let name = format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed));
        cluster.psql(&format!("CREATE DATABASE {name}"));
        let url = format!("postgres://yingku@localhost/{name}?host={}", cluster.folder.display());
        Self { config: at(url), _folder: None }
    }

    /// How a server reaches it.
    pub fn config(&self) -> DatabaseConfig {
        self.config.clone()
    }

    /// Opens it, with its schema.
    pub async fn open(&self) -> Index {
        Index::open(&self.config).await.unwrap()
    }

    /// Opens it and leases ids.
    pub async fn open_with_ids(&self) -> (Index, Ids) {
        let index = self.open().await;
        let ids = Ids::lease(&index).await.unwrap();
        (index, ids)
    }
}

/// Runs one test body on SQLite and on PostgreSQL: `each_database! { async fn name(database: TestDatabase) { … } }`
/// makes the tests `name::on_sqlite` and `name::on_postgres`.
#[macro_export]
macro_rules! each_database {
    ($(async fn $name:ident($database:ident: TestDatabase) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn body($database: $crate::harness::TestDatabase) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                body($crate::harness::TestDatabase::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                body($crate::harness::TestDatabase::postgres()).await;
            }
        }
    )*};
}

/// The database at an address, for callers that wait long for its locks: a loaded machine holds them long.
pub(super) fn at(url: String) -> DatabaseConfig {
    DatabaseConfig { url, acquire_timeout_ms: 60_000, ..DatabaseConfig::default() }
}

struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    _keeper: std::process::Child,
}

impl Cluster {
    fn running() -> &'static Cluster {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        CLUSTER.get_or_init(Cluster::start)
    }

    fn start() -> Cluster {
        let programs = programs();
        let folder = tempfile::Builder::new().prefix("yingku-pg-").tempdir().unwrap().keep();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o711)).unwrap();
        // PostgreSQL refuses to run as root; the package's own user runs it then.
        let start = r#"
as=""
if [ "$(id -u)" = 0 ]; then chown postgres "$0"; as="setpriv --reuid=postgres --regid=postgres --clear-groups"; fi
$as "$1/initdb" -D "$0/data" -A trust -U yingku -E UTF8 --locale=C --no-sync || exit 1
$as "$1/postgres" -D "$0/data" -k "$0" -c listen_addresses= -c max_connections=400 -c fsync=off \
    -c synchronous_commit=off -c shared_buffers=64MB -c autovacuum=off </dev/null &
child=$!
"#;
        let keeper = keeper::keep(&folder, start, &[programs.to_str().unwrap()]);
        let cluster = Cluster { folder, programs, _keeper: keeper };
        cluster.wait_until_it_answers();
        cluster
    }

    fn wait_until_it_answers(&self) {
        let started = std::time::Instant::now();
        loop {
            let asked = Command::new(self.programs.join("pg_isready")).arg("-h").arg(&self.folder).output().unwrap();
            if asked.status.success() {
                return;
            }
            let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(started.elapsed().as_secs() < 120, "PostgreSQL does not start: {log}");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    fn psql(&self, sql: &str) {
        run(Command::new(self.programs.join("psql"))
            .args(["-q", "-v", "ON_ERROR_STOP=1", "-U", "yingku", "-d", "postgres", "-c", sql, "-h"])
            .arg(&self.folder));
    }
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
    if let Some((_, programs)) = found.pop() {
        return programs;
    }
    let elsewhere = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path).find(|folder| folder.join("initdb").is_file() && folder.join("psql").is_file())
    });
    elsewhere
        .as_deref()
        .map(Path::to_owned)
        .unwrap_or_else(|| panic!("PostgreSQL is missing; install it with: apt-get install -y postgresql"))
}
