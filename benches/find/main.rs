//! How fast queries are answered from a large index: `cargo bench --bench find`.
//!
//! Loads a synthetic index once (kept in `target/bench` and used again), then asks as C-FIND and QIDO-RS do and prints
//! the 50th and 99th percentile and the slowest, each beside its target. Server side: from the query to the whole answer as values,
//! counts included; `+ audit` adds the commit of the audit record, which is the disk's time.
//!
//! `YINGKU_BENCH_STUDIES` (1000000; ten instances each), `YINGKU_BENCH_ROUNDS` (300), `YINGKU_BENCH_ENGINES`
//! (`sqlite,postgres`), `YINGKU_BENCH_POSTGRES` (URL of an empty or loaded database; without it a cluster is started in
//! `target/bench`).

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on should say where")]

mod cluster;
mod load;
mod names;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use yingku::domain::query::attribute::tag::*;
use yingku::domain::query::{Level, Query};
use yingku::index::find::{Confidentiality, Readable, Walk};
use yingku::index::{DatabaseConfig, Ids, Index, audit};

/// Rows of a first page, as a workstation's list asks for.
const PAGE_ROWS: u32 = 100;

/// A kind of question: its name, target in milliseconds (p99), and how to ask it for a study's number.
struct Question {
    name: &'static str,
    target_ms: Option<f64>,
    ask: fn(u64) -> Query,
}

const QUESTIONS: &[Question] = &[
    Question { name: "PatientID", target_ms: Some(5.0), ask: |n| study(&[(PATIENT_ID, &names::patient_id(n))]) },
    Question {
        name: "AccessionNumber",
        target_ms: Some(5.0),
        ask: |n| study(&[(ACCESSION_NUMBER, &names::accession_number(n))]),
    },
    Question {
        name: "StudyInstanceUID",
        target_ms: Some(5.0),
        ask: |n| study(&[(STUDY_INSTANCE_UID, &names::study_uid(n))]),
    },
    Question { name: "absent PatientID", target_ms: Some(5.0), ask: |n| study(&[(PATIENT_ID, &format!("X{n}"))]) },
    Question {
        name: "week, CT",
        target_ms: Some(50.0),
        ask: |n| study(&[(STUDY_DATE, &names::dates_from(n, 7)), (MODALITIES_IN_STUDY, "CT")]),
    },
    Question {
        name: "year, CT",
        target_ms: Some(50.0),
        ask: |n| study(&[(STUDY_DATE, &names::dates_from(n, 365)), (MODALITIES_IN_STUDY, "CT")]),
    },
    Question {
        name: "year, rare OPT",
        target_ms: Some(50.0),
        ask: |n| study(&[(STUDY_DATE, &names::dates_from(n, 365)), (MODALITIES_IN_STUDY, "OPT")]),
    },
    Question {
        name: "month, CT or MR",
        target_ms: Some(50.0),
        ask: |n| study(&[(STUDY_DATE, &names::dates_from(n, 30)), (MODALITIES_IN_STUDY, "CT\\MR")]),
    },
    Question { name: "no key, newest", target_ms: Some(50.0), ask: |_| study(&[]) },
    Question {
        name: "name prefix wang*",
        target_ms: Some(100.0),
        ask: |n| study(&[(PATIENT_NAME, &format!("{}*", names::surname(n).0))]),
    },
    Question {
        name: "name prefix 王*",
        target_ms: Some(100.0),
        ask: |n| study(&[(PATIENT_NAME, &format!("{}*", names::surname(n).1))]),
    },
    Question {
        name: "whole name",
        target_ms: Some(100.0),
        ask: |n| study(&[(PATIENT_NAME, &names::name(n).replace('=', "*="))]),
    },
    Question {
        name: "name prefix, year",
        target_ms: Some(100.0),
        ask: |n| {
            let prefix = format!("{}*", names::surname(n).1);
            study(&[(PATIENT_NAME, &prefix), (STUDY_DATE, &names::dates_from(n, 365))])
        },
    },
    Question {
        name: "name prefix, day",
        target_ms: Some(100.0),
        ask: |n| {
            let prefix = format!("{}*", names::surname(n).1);
            study(&[(PATIENT_NAME, &prefix), (STUDY_DATE, &names::dates_from(n, 1))])
        },
    },
    Question {
        name: "patients, prefix",
        target_ms: Some(100.0),
        ask: |n| asked(Level::Patient, &[(PATIENT_NAME, &format!("{}*", names::surname(n).0))]),
    },
    Question {
        name: "series of a study",
        target_ms: Some(5.0),
        ask: |n| asked(Level::Series, &[(STUDY_INSTANCE_UID, &names::study_uid(n))]),
    },
    Question {
        name: "instances of a study",
        target_ms: Some(5.0),
        ask: |n| asked(Level::Instance, &[(STUDY_INSTANCE_UID, &names::study_uid(n))]),
    },
    Question {
        name: "name with *part* ¹",
        target_ms: None,
        ask: |n| study(&[(PATIENT_NAME, &format!("*{}", names::given(n).1))]),
    },
    Question { name: "StudyID, no index ¹", target_ms: None, ask: |n| study(&[(STUDY_ID, &format!("S{n}"))]) },
];

fn study(keys: &[(u32, &str)]) -> Query {
    asked(Level::Study, keys)
}

fn asked(level: Level, keys: &[(u32, &str)]) -> Query {
    let mut query = Query::new(level);
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
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let studies = number("YINGKU_BENCH_STUDIES", 1_000_000);
        let engines = std::env::var("YINGKU_BENCH_ENGINES").unwrap_or_else(|_| "sqlite,postgres".to_owned());
        let folder = folder();
        for engine in engines.split(',') {
            let cluster = (engine == "postgres").then(|| cluster::Cluster::start(&folder));
            let url = match &cluster {
                Some(cluster) => cluster.database(&format!("find{studies}")),
                None => format!("sqlite://{}/find-{studies}.db", folder.display()),
            };
            let index = Index::open(&DatabaseConfig { url, ..DatabaseConfig::default() }).await.unwrap();
            load::load(&index, studies).await;
            measure(engine, &index, studies).await;
            index.close().await;
        }
    });
}

/// `target/bench` of this package.
fn folder() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

async fn measure(engine: &str, index: &Index, studies: u64) {
    let rounds = number("YINGKU_BENCH_ROUNDS", 300);
    println!("\n{engine}: {studies} studies, {} instances; first page of {PAGE_ROWS}, {rounds} rounds", studies * 10);
    println!("{:22} {:>8} {:>9} {:>9} {:>9} {:>9}", "question", "matches", "p50 ms", "p99 ms", "max ms", "target");
    for question in QUESTIONS {
        let rounds = if question.target_ms.is_some() { rounds } else { rounds.div_ceil(60) };
        let (mut times, mut matches) = (Vec::new(), 0);
        for round in 0..rounds + 3 {
            // Far apart and the same in every run.
            let number = (round * 7_919_317) % studies;
            let query = (question.ask)(number);
            let begun = Instant::now();
            let mut walk = Walk::new(query, readable(), PAGE_ROWS, u64::MAX);
            let found = walk.next_page(index).await.unwrap().unwrap_or_default();
            // The first rounds warm the caches.
            if round >= 3 {
                times.push(begun.elapsed());
                matches += found.len() as u64;
            }
        }
        report(question, &mut times, matches / rounds);
    }
    audited(index, rounds).await;
    println!("¹ reads a whole index of the organisation; no target.");
}

fn report(question: &Question, times: &mut [Duration], matches: u64) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() as f64 * share) as usize).min(times.len() - 1)].as_secs_f64() * 1000.0;
    let (median, high, most) = (at(0.5), at(0.99), at(1.0));
    let verdict = match question.target_ms {
        Some(target) if high <= target => format!("≤ {target:.0}"),
        Some(target) => format!("> {target:.0} !"),
        None => String::new(),
    };
    println!("{:22} {matches:>8} {median:>9.2} {high:>9.2} {most:>9.2} {verdict:>9}", question.name);
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
    report(&Question { name: "+ audit record", target_ms: None, ask: |_| study(&[]) }, &mut times, 0);
}

fn readable() -> Vec<Readable> {
    vec![Readable { org_code: names::ORGANIZATION.to_owned(), confidentiality: Confidentiality::Everything }]
}
