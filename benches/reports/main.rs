//! How fast GetExamInfo and GetLabInfo are answered among millions of reports: `cargo bench --bench reports`.
//!
//! Loads a synthetic index once (kept in `target/bench` and used again), starts the program over it, and asks by HTTP and
//! SOAP as a region does: each answer has been found, audited, kept (one commit) and written out. Half of the reports are
//! of exams, half of laboratories with two lines each; a person has twenty in two years, in two hospitals of fourteen. Also
//! printed: how long the program takes to start over such an index, and how long the page of data quality takes.
//!
//! `YINGKU_BENCH_REPORTS` (10000000), `YINGKU_BENCH_ROUNDS` (1000), `YINGKU_BENCH_ENGINES` (`sqlite,postgres`),
//! `YINGKU_BENCH_POSTGRES` (URL of a database of the bench's own), `YINGKU_BENCH_FOLDER` (`target/bench`). With `-- load`
//! it is only loaded.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on should say where")]

mod ask;
#[path = "../peers/cluster.rs"]
mod cluster;
mod load;
mod people;
#[path = "../peers/processes.rs"]
#[expect(dead_code, reason = "nothing but our own program is started")]
mod processes;
#[path = "../peers/times.rs"]
#[expect(dead_code, reason = "this one counts by calls alone")]
mod times;
#[path = "../peers/yingku.rs"]
mod yingku_process;

use std::path::PathBuf;

use cluster::Cluster;
use yingku::index::{DatabaseConfig, Index};
use yingku_process::Yingku;

/// Hospitals of the region.
const HOSPITALS: u64 = 14;

#[tokio::main]
async fn main() {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let engines = std::env::var("YINGKU_BENCH_ENGINES").unwrap_or_else(|_| "sqlite,postgres".to_owned());
    let engines: Vec<&str> = engines.split(',').map(str::trim).collect();
    let reports = number("YINGKU_BENCH_REPORTS", 10_000_000).max(1000);
    let only_load = std::env::args().any(|argument| argument == "load");
    let folder = std::env::var_os("YINGKU_BENCH_FOLDER").map_or_else(|| "target/bench".into(), PathBuf::from);
    std::fs::create_dir_all(&folder).unwrap();
    let folder = folder.canonicalize().unwrap();
    let name = format!("reports_{reports}");
    if engines.contains(&"sqlite") {
        let file = folder.join(format!("{name}.db"));
        let url = format!("sqlite://{}", file.display());
        if !is_loaded(&url, reports).await {
            for end in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(folder.join(format!("{name}.db{end}")));
            }
            load_into(&url, load::Engine::Sqlite, reports).await;
        }
        if !only_load {
            measure("SQLite", &folder, &url, reports).await;
        }
    }
    if engines.contains(&"postgres") {
        let cluster = Cluster::start(&folder);
        let mut url = cluster.database(&name);
        if !is_loaded(&url, reports).await {
            url = cluster.fresh_database(&name);
            load_into(&url, load::Engine::Postgres, reports).await;
        }
        if !only_load {
            measure("PostgreSQL", &folder, &url, reports).await;
        }
    }
}

async fn open(url: &str) -> Index {
    let config = DatabaseConfig { url: url.to_owned(), acquire_timeout_ms: 600_000, ..DatabaseConfig::default() };
    Index::open(&config).await.unwrap()
}

async fn is_loaded(url: &str, reports: u64) -> bool {
    let index = open(url).await;
    let loaded = index.query_opt("SELECT reports FROM bench_loaded", Vec::new()).await;
    let is_loaded = matches!(loaded, Ok(Some(row)) if row.int("reports").unwrap() as u64 == reports);
    index.close().await;
    is_loaded
}

async fn load_into(url: &str, engine: load::Engine, reports: u64) {
    let index = open(url).await;
    load::load(engine, &index, reports).await;
    index.close().await;
}

async fn measure(engine: &str, folder: &std::path::Path, database: &str, reports: u64) {
    let hospital = |n| format!("[[organization]]\ncode = \"{}\"\nname = \"示例{n}医院\"\n", people::hospital(n));
    let hospitals: String = (0..HOSPITALS).map(hospital).collect();
    let mut server = Yingku::start(&folder.join("reports"), database, &hospitals);
    server.kill();
    let ready = server.start_again();
    println!("\n{engine}: {reports} reports; ready {} ms after the start (aim 1000)", ready.as_millis());
    ask::ask(&server, reports).await;
    println!("{:.0} MB resident", server.memory_mb());
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.trim().parse().expect(variable))
}
