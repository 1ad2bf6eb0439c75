//! How many reports a second are registered, durably, and how many a follower of the change feed reads.
//!
//! `cargo bench --bench registry` starts the program itself over an empty index, on SQLite and on PostgreSQL, and sends
//! SOAP messages by HTTP as a hospital does: one caller, then eight, for a while each. Then a follower reads everything
//! from the beginning, and the feed is measured without HTTP. With `-- city`, fourteen hospitals register at the same
//! time, each in a dialect of its own, while a region follows and the server is killed again and again; both sides must
//! have the same reports at the end.
//!
//! `YINGKU_BENCH_SECONDS` (10 for each line), `YINGKU_BENCH_ENGINES` (`sqlite,postgres`), `YINGKU_BENCH_CITY` (100,002
//! reports in all), `YINGKU_BENCH_KILLS` (6), `YINGKU_BENCH_FOLDER` (`target/bench-registry`).

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on should say where")]

mod city;
#[path = "../peers/cluster.rs"]
mod cluster;
#[path = "../../tests/it/api/containers.rs"]
mod containers;
#[path = "../../tests/it/api/dialects.rs"]
mod dialects;
mod feed;
#[path = "../../tests/it/api/hospitals.rs"]
mod hospitals;
mod messages;
#[path = "../peers/processes.rs"]
#[expect(dead_code, reason = "nothing but our own program is started")]
mod processes;
#[path = "../peers/times.rs"]
#[expect(dead_code, reason = "this one counts by time alone")]
mod times;
#[path = "../peers/yingku.rs"]
mod yingku_process;

use std::path::{Path, PathBuf};
use std::time::Duration;

use cluster::Cluster;
use messages::Kind;
use times::Times;
use yingku::index::{DatabaseConfig, Index};
use yingku_process::Yingku;

/// Reports that eight callers register, at least.
const REPORTS_A_SECOND: f64 = 1000.0;

#[tokio::main]
async fn main() {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let folder = std::env::var_os("YINGKU_BENCH_FOLDER").map_or_else(|| "target/bench-registry".into(), PathBuf::from);
    let folder = processes::fresh(&folder);
    let engines = std::env::var("YINGKU_BENCH_ENGINES").unwrap_or_else(|_| "sqlite,postgres".to_owned());
    let engines: Vec<&str> = engines.split(',').map(str::trim).collect();
    let is_city = std::env::args().any(|argument| argument == "city");
    if !is_city {
        println!(
            "{:<10} {:<22} {:>7} {:>9} {:>10} {:>10} {:>9} {:>9} {:>9}",
            "index", "message", "callers", "calls/s", "reports/s", "records/s", "p50 ms", "p99 ms", "aim"
        );
    }
    if engines.contains(&"sqlite") {
        let sqlite = folder.join("sqlite");
        std::fs::create_dir_all(&sqlite).unwrap();
        let database = |name: &str| format!("sqlite://{}/{name}.db", sqlite.display());
        if is_city {
            city::run("SQLite", &sqlite, &database("yingku")).await;
        } else {
            measure("SQLite", &sqlite, &database("yingku")).await;
            feed::alone("SQLite", &database("feed")).await;
        }
    }
    if engines.contains(&"postgres") {
        let cluster = Cluster::start(&folder);
        let data = folder.join("on-postgres");
        if is_city {
            city::run("PostgreSQL", &data, &cluster.fresh_database("city")).await;
        } else {
            measure("PostgreSQL", &data, &cluster.fresh_database("registry")).await;
            feed::alone("PostgreSQL", &cluster.fresh_database("feed")).await;
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Registers with one caller and eight, follows the feed to its end, and counts what is there.
async fn measure(engine: &str, folder: &Path, database: &str) {
    let server = Yingku::start(folder, database, "");
    let url = format!("http://{}/sehr.service.auto/IAutoReport.asmx", server.http());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let time = Duration::from_secs(number("YINGKU_BENCH_SECONDS", 10));
    let (mut run, mut reports) = (0, 0);
    for kind in Kind::ALL {
        for callers in [1, 8] {
            run += 1;
            let times = Times::during(callers, time, async |call| {
                let message = messages::soap(kind, run, call);
                let request = http.post(&url).header("content-type", "text/xml; charset=utf-8");
                let request = request.header("soapaction", "\"http://tempuri.org/ArchiveAutoReport\"");
                let answer = request.body(message).send().await.unwrap().text().await.unwrap();
                assert!(answer.contains("result&gt;1&lt;"), "{answer}");
            })
            .await;
            reports += times.calls() * kind.reports();
            let records = times.pace() * kind.records() as f64;
            let (median, high) = (times.ms(0.5), times.ms(0.99));
            let (name, pace) = (kind.name(), times.pace());
            let a_second = pace * kind.reports() as f64;
            // The aim is for eight callers; one waits for a sync each time, which is the disk's.
            let verdict = match callers {
                1 => String::new(),
                _ if a_second >= REPORTS_A_SECOND => format!("≥ {REPORTS_A_SECOND}"),
                _ => format!("< {REPORTS_A_SECOND} !"),
            };
            println!(
                "{engine:<10} {name:<22} {callers:>7} {pace:>9.0} {a_second:>10.0} {records:>10.0} {median:>9.2} {high:>9.2} \
                 {verdict:>9}"
            );
        }
    }
    println!("{engine}: {:.0} MB resident after {reports} reports", server.memory_mb());
    feed::follow(engine, &server, &http, reports).await;
    drop(server);
    let config = DatabaseConfig { url: database.to_owned(), ..DatabaseConfig::default() };
    let index = Index::open(&config).await.unwrap();
    let sql = "SELECT (SELECT COUNT(*) FROM exam_report) + (SELECT COUNT(*) FROM lab_report) AS reports";
    let kept = index.query_opt(sql, Vec::new()).await.unwrap().unwrap().int("reports").unwrap();
    assert_eq!(kept as u64, reports, "what was acknowledged is there");
    index.close().await;
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.trim().parse().expect(variable))
}
