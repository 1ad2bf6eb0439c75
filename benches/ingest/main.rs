//! How fast objects are taken in by C-STORE: Yingku and its peers in turn, in one run, by the same sender.
//!
//! `cargo bench --bench ingest` prints the table, then the memory that one large object needs;
//! `cargo bench --bench ingest -- memory` prints only the latter, `-- slow` the table of a disk that takes ten
//! milliseconds for each sync, `-- grow` the pace while a million small instances come in, `-- replay` how soon the program
//! is ready after a crash. Yingku is measured over each engine of `YINGKU_BENCH_ENGINES`. Variables are described in
//! `docs/performance.md`. Only ratios of one run count.

#[path = "../peers/cluster.rs"]
#[expect(clippy::unwrap_used, reason = "a cluster that cannot be started should say where")]
mod cluster;
#[path = "../../tests/it/harness/element.rs"]
mod elements;
mod grow;
mod load;
mod memory;
mod objects;
#[path = "../peers/processes.rs"]
mod processes;
mod replay;
mod servers;
mod slow;

use std::time::Duration;

use load::{Measured, measure};
use objects::ObjectKind;
use servers::Server;

const ASSOCIATIONS: [usize; 3] = [1, 4, 16];

/// The ratio to reach for a peer, a kind of object and a number of associations.
type Aim = fn(&str, ObjectKind, usize) -> Option<f64>;

#[tokio::main]
async fn main() {
    let seconds = number("YINGKU_BENCH_SECONDS", 10);
    let large_mb = number("YINGKU_BENCH_LARGE_MB", 2048);
    let asked = |what: &str| std::env::args().any(|argument| argument == what);
    let only_memory = asked("memory");
    // A folder of its own in it: what other benches have loaded beside it stays.
    let folder = std::env::var_os("YINGKU_BENCH_FOLDER")
        .map_or_else(|| std::path::PathBuf::from("target/bench"), std::path::PathBuf::from)
        .join("ingest");
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    // PostgreSQL wants its whole path.
    let folder = folder.canonicalize().expect("it is there");
    if asked("replay") {
        replay::replay(&folder).await;
        std::fs::remove_dir_all(&folder).expect("the folder can be removed");
        return;
    }
    let slow_syncs = asked("slow").then(|| slow::SlowSyncs::compile(&folder, number("YINGKU_BENCH_SYNC_MS", 10)));
    let mut running = servers::start_all(&folder, slow_syncs.as_ref());
    let servers = &mut running.servers;
    for server in servers.iter() {
        println!("{:<20} idle {:>6.1} MB   {}", server.name, server.idle_mb(), server.promise);
    }
    if asked("grow") {
        for server in servers.iter() {
            grow::grow(server, number("YINGKU_BENCH_GROW", 1_000_000)).await;
        }
    } else if !only_memory {
        // They are for a fast disk.
        let aim: Aim = if asked("slow") { |_, _, _| None } else { aim };
        for kind in [ObjectKind::Ct, ObjectKind::Small] {
            for associations in ASSOCIATIONS {
                compare(servers, (kind, associations), Duration::from_secs(seconds), aim).await;
            }
        }
    }
    if !asked("grow") && !asked("slow") {
        large(servers, large_mb).await;
    }
    drop(running);
    std::fs::remove_dir_all(&folder).expect("the folder can be removed");
}

/// One line of the table for each server; the ratio is Yingku's pace over the peer's.
async fn compare(servers: &mut [Server], (kind, associations): (ObjectKind, usize), time: Duration, aim: Aim) {
    println!("\n{} × {associations}", kind.name());
    println!(
        "{:<20} {:>10} {:>8} {:>9} {:>9} {:>8} {:>7} {:>7}",
        "", "per s", "MB/s", "p99 ms", "peak MB", "failed", "ratio", "aim"
    );
    let mut own: Option<f64> = None;
    for server in servers {
        server.memory.reset();
        let measured: Measured = measure(server, kind, associations, time).await;
        let pace = measured.stored as f64 / measured.elapsed.as_secs_f64();
        let ratio = *own.get_or_insert(pace) / pace;
        let verdict = match aim(server.name, kind, associations) {
            Some(aim) if ratio >= aim => format!("≥ {aim}"),
            Some(aim) => format!("< {aim} !"),
            None => String::new(),
        };
        println!(
            "{:<20} {:>10.0} {:>8.1} {:>9.1} {:>9.1} {:>8} {:>6.1}× {verdict:>7}",
            server.name,
            pace,
            measured.bytes as f64 / 1e6 / measured.elapsed.as_secs_f64(),
            measured.p99.as_secs_f64() * 1000.0,
            server.memory.peak_mb(),
            measured.failed,
            ratio,
        );
    }
}

/// What the ratio to a peer should be; most promise less than Yingku and are beside it for what they cost.
fn aim(server: &str, kind: ObjectKind, associations: usize) -> Option<f64> {
    match (server, kind, associations) {
        ("orthanc", ObjectKind::Ct, 1) => Some(2.5),
        ("orthanc", ObjectKind::Ct, _) | ("orthanc", ObjectKind::Small, 1) => Some(3.0),
        ("orthanc", ObjectKind::Small, 4) => Some(4.0),
        ("orthanc", ObjectKind::Small, _) => Some(6.0),
        ("orthanc-as-installed", _, 1) => Some(25.0),
        ("dicom-storescp", ObjectKind::Ct, _) => Some(1.0),
        _ => None,
    }
}

async fn large(servers: &mut [Server], megabytes: u64) {
    println!("\none multi-frame object of {megabytes} MB");
    println!("{:<20} {:>8} {:>10} {:>12}", "", "s", "peak MB", "above before");
    for server in servers {
        let before = server.memory.now_mb();
        server.memory.reset();
        match load::store_large(server, megabytes * 1024 * 1024).await {
            Ok(time) => {
                let peak = server.memory.peak_mb();
                println!("{:<20} {:>8.1} {:>10.1} {:>12.1}", server.name, time.as_secs_f64(), peak, peak - before);
            }
            Err(why) => println!("{:<20} failed: {why}", server.name),
        }
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().map_or(default, |text| text.parse().expect("a whole number"))
}
