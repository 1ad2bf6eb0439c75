//! How fast queries are answered from a large index: `cargo bench --bench find`; with `-- load` it is only loaded.
//!
//! Loads a synthetic index once (kept in `target/bench` and used again), then asks as C-FIND and QIDO-RS do and prints
//! the 50th and 99th percentile and the slowest, each beside its target. Server side: from the query to the whole answer as values,
//! counts included; `+ audit` adds the commit of the audit record, which is the disk's time. Then the program itself is
//! started over the index and asked by HTTP.
//!
//! `YINGKU_BENCH_STUDIES` (1000000; ten instances each), `YINGKU_BENCH_ROUNDS` (300), `YINGKU_BENCH_ENGINES`
//! (`sqlite,postgres`), `YINGKU_BENCH_POSTGRES` (URL of an empty or loaded database; without it a cluster is started in
//! `target/bench`).

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on should say where")]

#[path = "../peers/cluster.rs"]
#[expect(dead_code, reason = "others begin with an empty database")]
mod cluster;
mod lists;
mod load;
mod names;
#[path = "../peers/processes.rs"]
#[expect(dead_code, reason = "nothing but our own program is started")]
mod processes;
mod serve;
#[path = "../peers/yingku.rs"]
mod yingku_process;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use yingku::domain::query::attribute::tag::*;
use yingku::domain::query::{Level, NameMatching, Query};
use yingku::index::find::{Confidentiality, Readable, Walk};
use yingku::index::{DatabaseConfig, Ids, Index, audit};

/// Rows of a first page, as a workstation's list asks for.
const PAGE_ROWS: u32 = 100;

/// A database engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Engine {
    Sqlite,
    Postgres,
}

/// A kind of question: its name, target in milliseconds (p99), how to ask it for a study's number, and how many
/// matches are passed over first.
struct Question {
    name: &'static str,
    target_ms: Option<f64>,
    ask: fn(u64) -> Query,
    skip: u64,
}

const fn question(name: &'static str, target_ms: f64, ask: fn(u64) -> Query) -> Question {
    Question { name, target_ms: Some(target_ms), ask, skip: 0 }
}

const fn behind(name: &'static str, target_ms: f64, skip: u64, ask: fn(u64) -> Query) -> Question {
    Question { name, target_ms: Some(target_ms), ask, skip }
}

const fn without_target(name: &'static str, ask: fn(u64) -> Query) -> Question {
    Question { name, target_ms: None, ask, skip: 0 }
}

const QUESTIONS: &[Question] = &[
    question("PatientID", 5.0, |n| study(&[(PATIENT_ID, &names::patient_id(n))])),
    question("AccessionNumber", 5.0, |n| study(&[(ACCESSION_NUMBER, &names::accession_number(n))])),
    question("StudyInstanceUID", 5.0, |n| study(&[(STUDY_INSTANCE_UID, &names::study_uid(n))])),
    question("absent PatientID", 5.0, |n| study(&[(PATIENT_ID, &format!("X{n}"))])),
    question("patient, PatientID", 5.0, |n| asked(Level::Patient, &[(PATIENT_ID, &names::patient_id(n))])),
    question("series of a study", 5.0, |n| asked(Level::Series, &[(STUDY_INSTANCE_UID, &names::study_uid(n))])),
    question("instances of a study", 5.0, |n| asked(Level::Instance, &[(STUDY_INSTANCE_UID, &names::study_uid(n))])),
    question("week, CT", 50.0, |n| study(&[(STUDY_DATE, &names::dates_from(n, 7)), (MODALITIES_IN_STUDY, "CT")])),
    question("year, CT", 50.0, year_ct),
    question("year, CT, usual keys", 50.0, |n| {
        usual(&[(STUDY_DATE, &names::dates_from(n, 365)), (MODALITIES_IN_STUDY, "CT")])
    }),
    behind("year, CT, page 2", 50.0, PAGE_ROWS as u64, year_ct),
    behind("year, CT, offset 10000", 50.0, 10_000, year_ct),
    question("year, rare OPT", 50.0, |n| {
        study(&[(STUDY_DATE, &names::dates_from(n, 365)), (MODALITIES_IN_STUDY, "OPT")])
    }),
    question("year, absent modality", 50.0, |n| {
        study(&[(STUDY_DATE, &names::dates_from(n, 365)), (MODALITIES_IN_STUDY, "ES")])
    }),
    question("month, CT or MR", 50.0, |n| {
        study(&[(STUDY_DATE, &names::dates_from(n, 30)), (MODALITIES_IN_STUDY, "CT\\MR")])
    }),
    question("series, day, CT", 50.0, |n| {
        asked(Level::Series, &[(STUDY_DATE, &names::dates_from(n, 1)), (MODALITY, "CT")])
    }),
    question("no key, newest", 50.0, |_| study(&[])),
    question("name prefix wang*", 100.0, |n| study(&[(PATIENT_NAME, &format!("{}*", names::surname(n).0))])),
    question("name prefix 王*", 100.0, |n| study(&[(PATIENT_NAME, &format!("{}*", names::surname(n).1))])),
    question("whole name", 100.0, |n| study(&[(PATIENT_NAME, &names::name(n).replace('=', "*="))])),
    question("name prefix, year", 100.0, |n| {
        let prefix = format!("{}*", names::surname(n).1);
        study(&[(PATIENT_NAME, &prefix), (STUDY_DATE, &names::dates_from(n, 365))])
    }),
    question("name prefix, day", 100.0, |n| {
        let prefix = format!("{}*", names::surname(n).1);
        study(&[(PATIENT_NAME, &prefix), (STUDY_DATE, &names::dates_from(n, 1))])
    }),
    question("fuzzy, 小明 wang", 100.0, |n| {
        fuzzy(&[(PATIENT_NAME, &format!("{} {}", names::given(n).1, names::surname(n).0))])
    }),
    question("fuzzy, 王小明", 100.0, |n| {
        fuzzy(&[(PATIENT_NAME, &format!("{}{}", names::surname(n).1, names::given(n).1))])
    }),
    question("fuzzy, wang", 100.0, |n| fuzzy(&[(PATIENT_NAME, names::surname(n).0)])),
    question("patients, prefix", 100.0, |n| {
        asked(Level::Patient, &[(PATIENT_NAME, &format!("{}*", names::surname(n).0))])
    }),
    without_target("name with *part ¹", |n| study(&[(PATIENT_NAME, &format!("*{}", names::given(n).1))])),
    question("StudyID", 5.0, |n| study(&[(STUDY_ID, &format!("S{n}"))])),
    without_target("StudyTime, no index ¹", |_| study(&[(STUDY_TIME, "0000-0001")])),
];

fn year_ct(number: u64) -> Query {
    study(&[(STUDY_DATE, &names::dates_from(number, 365)), (MODALITIES_IN_STUDY, "CT")])
}

fn study(keys: &[(u32, &str)]) -> Query {
    asked(Level::Study, keys)
}

fn fuzzy(keys: &[(u32, &str)]) -> Query {
    with_keys(Query::new(Level::Study).with_names(NameMatching::Fuzzy), keys)
}

/// What a workstation's list shows, and no more.
fn usual(keys: &[(u32, &str)]) -> Query {
    let mut query = Query::new(Level::Study);
    for tag in [PATIENT_NAME, PATIENT_ID, PATIENT_SEX, STUDY_DATE, STUDY_TIME, ACCESSION_NUMBER, STUDY_DESCRIPTION] {
        query.add_return(tag);
    }
    for tag in [MODALITIES_IN_STUDY, NUMBER_OF_STUDY_RELATED_SERIES, NUMBER_OF_STUDY_RELATED_INSTANCES] {
        query.add_return(tag);
    }
    for (tag, value) in keys {
        query.add_key(*tag, value).unwrap();
    }
    query
}

fn asked(level: Level, keys: &[(u32, &str)]) -> Query {
    with_keys(Query::new(level), keys)
}

fn with_keys(mut query: Query, keys: &[(u32, &str)]) -> Query {
    query.add_every_return();
    for (tag, value) in keys {
        query.add_key(*tag, value).unwrap();
    }
    query
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn main() {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let only_load = std::env::args().any(|argument| argument == "load");
    runtime.block_on(async {
        let studies = number("YINGKU_BENCH_STUDIES", 1_000_000);
        let engines = std::env::var("YINGKU_BENCH_ENGINES").unwrap_or_else(|_| "sqlite,postgres".to_owned());
        let folder = folder();
        for name in engines.split(',') {
            let engine = if name == "postgres" { Engine::Postgres } else { Engine::Sqlite };
            let cluster = (engine == Engine::Postgres).then(|| cluster::Cluster::start(&folder));
            let url = match &cluster {
                Some(cluster) => cluster.database(&format!("find{studies}")),
                None => format!("sqlite://{}/find-{studies}.db", folder.display()),
            };
            let begun = Instant::now();
            let index = Index::open(&DatabaseConfig { url: url.clone(), ..DatabaseConfig::default() }).await.unwrap();
            let opened = begun.elapsed();
            load::load(engine, &index, studies).await;
            if !only_load {
                println!("\n{name}: opened in {:.0} ms", opened.as_secs_f64() * 1000.0);
                measure(name, &index, studies).await;
            }
            index.close().await;
            if !only_load {
                serve::measure(name, &folder, &url, studies, number("YINGKU_BENCH_ROUNDS", 300)).await;
            }
        }
    });
}

/// Where the data is kept: `YINGKU_BENCH_FOLDER`, or `target/bench` of this package. PostgreSQL wants its whole path.
fn folder() -> PathBuf {
    let own = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    let folder = std::env::var_os("YINGKU_BENCH_FOLDER").map_or_else(own, PathBuf::from);
    std::fs::create_dir_all(&folder).unwrap();
    folder.canonicalize().unwrap()
}

async fn measure(engine: &str, index: &Index, studies: u64) {
    let rounds = number("YINGKU_BENCH_ROUNDS", 300);
    println!("{engine}: {studies} studies, {} instances; first page of {PAGE_ROWS}, {rounds} rounds", studies * 10);
    println!("{:24} {:>8} {:>9} {:>9} {:>9} {:>9}", "question", "matches", "p50 ms", "p99 ms", "max ms", "target");
    for question in QUESTIONS {
        let ask = async |number| {
            let mut walk = Walk::new((question.ask)(number), readable(), PAGE_ROWS, u64::MAX);
            walk.skip(question.skip);
            walk.next_page(index).await.unwrap().unwrap_or_default().len()
        };
        time(question.name, question.target_ms, studies, rounds, ask).await;
    }
    lists::measure(index, studies, rounds).await;
    audited(index, rounds).await;
    println!("¹ reads a whole index of the organisation; no target.");
}

/// Asked before the times count: PostgreSQL plans a statement anew the first five times on each connection, and they take
/// turns. A server's connections are used for half an hour each.
pub(crate) const WARM_ROUNDS: u64 = 48;

/// Asks many times and prints how long it took; gives how many there were.
async fn time(name: &str, target_ms: Option<f64>, studies: u64, rounds: u64, ask: impl AsyncFn(u64) -> usize) {
    // What has no target reads whole tables, for seconds each time.
    let (rounds, warm) = if target_ms.is_some() { (rounds, WARM_ROUNDS) } else { (rounds.div_ceil(60), 0) };
    let (mut times, mut matches) = (Vec::new(), 0);
    for round in 0..rounds + warm {
        // Far apart and the same in every run.
        let number = (round * 7_919_317) % studies;
        let begun = Instant::now();
        let found = ask(number).await;
        if round >= warm {
            times.push(begun.elapsed());
            matches += found as u64;
        }
    }
    report(name, target_ms, &mut times, matches / rounds);
}

fn report(name: &str, target_ms: Option<f64>, times: &mut [Duration], matches: u64) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() as f64 * share) as usize).min(times.len() - 1)].as_secs_f64() * 1000.0;
    let (median, high, most) = (at(0.5), at(0.99), at(1.0));
    let verdict = match target_ms {
        Some(target) if high <= target => format!("≤ {target:.0}"),
        Some(target) => format!("> {target:.0} !"),
        None => String::new(),
    };
    println!("{name:24} {matches:>8} {median:>9.2} {high:>9.2} {most:>9.2} {verdict:>9}");
}

/// What the audit record adds to each query.
async fn audited(index: &Index, rounds: u64) {
    let ids = Ids::lease(index).await.unwrap();
    let mut times = Vec::new();
    for _ in 0..rounds {
        let entry = audit::AuditRecord {
            action: "find",
            actor: yingku::domain::Actor::system("bench"),
            org_code: names::ORGANIZATION.to_owned(),
            target: String::new(),
            outcome: "ok",
            detail: serde_json::json!({ "level": "STUDY" }),
        };
        let id = ids.next();
        let begun = Instant::now();
        let written: Result<(), yingku::index::Error> =
            index.write(move |tx| Box::pin(async move { audit::record(tx, id, 0, &entry).await })).await;
        written.unwrap();
        times.push(begun.elapsed());
    }
    report("+ audit record", None, &mut times, 0);
}

fn readable() -> Vec<Readable> {
    vec![Readable { org_code: names::ORGANIZATION.to_owned(), confidentiality: Confidentiality::Everything }]
}
