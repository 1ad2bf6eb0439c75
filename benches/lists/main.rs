//! How fast the signed pages list exams among millions: `cargo bench --bench lists`.
//!
//! Loads one hospital's index once (kept in `target/bench` and used again): half of the reports are of exams, half of
//! laboratories; nine of ten exams have images, and every tenth study has no report. Then the program is started over it and
//! asked by HTTP as a browser does: links are opened, lists sorted, leafed and narrowed by the form. One request is the whole
//! of it, the session and the page's text included; a posted form is two.
//!
//! `YINGKU_BENCH_REPORTS` (2000000), `YINGKU_BENCH_ROUNDS` (200), `YINGKU_BENCH_ENGINES` (`sqlite,postgres`),
//! `YINGKU_BENCH_POSTGRES` (URL of a database of the bench's own), `YINGKU_BENCH_FOLDER` (`target/bench`). With `-- load`
//! it is only loaded.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on should say where")]

mod ask;
#[path = "../peers/cluster.rs"]
mod cluster;
#[path = "../reports/load.rs"]
mod load;
#[path = "../reports/people.rs"]
mod people;
#[path = "../peers/processes.rs"]
#[expect(dead_code, reason = "nothing but our own program is started")]
mod processes;
mod studies;
#[path = "../peers/yingku.rs"]
mod yingku_process;

use std::path::{Path, PathBuf};

use cluster::Cluster;
use yingku::index::{DatabaseConfig, Index};
use yingku_process::Yingku;

/// Everything is one hospital's: the longest list that there is.
const HOSPITALS: u64 = 1;

#[tokio::main]
async fn main() {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let engines = std::env::var("YINGKU_BENCH_ENGINES").unwrap_or_else(|_| "sqlite,postgres".to_owned());
    let engines: Vec<&str> = engines.split(',').map(str::trim).collect();
    let reports = number("YINGKU_BENCH_REPORTS", 2_000_000).max(2000);
    let rounds = number("YINGKU_BENCH_ROUNDS", 200).max(1);
    let only_load = std::env::args().any(|argument| argument == "load");
    let folder = std::env::var_os("YINGKU_BENCH_FOLDER").map_or_else(|| "target/bench".into(), PathBuf::from);
    std::fs::create_dir_all(&folder).unwrap();
    let folder = folder.canonicalize().unwrap();
    let name = format!("lists_{reports}");
    if engines.contains(&"sqlite") {
        let file = folder.join(format!("{name}.db"));
        let url = format!("sqlite://{}", file.display());
        if !is_loaded(&url).await {
            for end in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(folder.join(format!("{name}.db{end}")));
            }
            load_into(&url, load::Engine::Sqlite, reports).await;
        }
        if !only_load {
            measure("SQLite", &folder, &url, (reports, rounds)).await;
        }
    }
    if engines.contains(&"postgres") {
        let cluster = Cluster::start(&folder);
        let mut url = cluster.database(&name);
        if !is_loaded(&url).await {
            url = cluster.fresh_database(&name);
            load_into(&url, load::Engine::Postgres, reports).await;
        }
        if !only_load {
            measure("PostgreSQL", &folder, &url, (reports, rounds)).await;
        }
    }
}

async fn open(url: &str) -> Index {
    let config = DatabaseConfig { url: url.to_owned(), acquire_timeout_ms: 600_000, ..DatabaseConfig::default() };
    Index::open(&config).await.unwrap()
}

async fn is_loaded(url: &str) -> bool {
    let index = open(url).await;
    let loaded = index.query_opt("SELECT studies FROM bench_studies", Vec::new()).await;
    index.close().await;
    matches!(loaded, Ok(Some(_)))
}

async fn load_into(url: &str, engine: load::Engine, reports: u64) {
    let index = open(url).await;
    load::load(engine, &index, reports).await;
    studies::load(engine, &index, reports / 2).await;
    index.close().await;
}

async fn measure(engine: &str, folder: &Path, database: &str, (reports, rounds): (u64, u64)) {
    let mut server = Yingku::start(&folder.join("lists"), database, &ask::customer(&people::hospital(0)));
    server.kill();
    let ready = server.start_again();
    println!("\n{engine}: {reports} reports, half of exams; ready {} ms after the start (aim 1000)", ready.as_millis());
    ask::ask(&server, reports, rounds).await;
    println!("{:.0} MB resident", server.memory_mb());
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.trim().parse().expect(variable))
}
