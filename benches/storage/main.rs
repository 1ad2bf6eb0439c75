//! Storage engines against each other on one disk, without the rest of the archive (ADR 3):
//! `cargo bench --bench storage`, or `cargo bench --bench storage -- scrub` for reading alone, `-- requests` for the count of
//! requests to a bucket alone.
//!
//! A *file each* is what `objects::folder` does: create, write, sync the file, sync the folder. A *segment* is one
//! preallocated file with one writer that takes all waiting objects, writes them with one call and syncs once.
//! `YINGKU_BENCH_FOLDER` names the folder, `YINGKU_BENCH_SECONDS` the length of each measurement (default 2),
//! `YINGKU_BENCH_OBJECTS` how many small objects are read and backed up (default 100000).

mod disk;
mod engines;
mod requests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use disk::{Disk, SlowSync, cpu_seconds};
use engines::{Engine, FileEach, Preallocation, Segment};

const CT: usize = 525_000;
const SMALL: usize = 2_048;

fn main() {
    let base = std::env::var_os("YINGKU_BENCH_FOLDER").map_or_else(|| PathBuf::from("target/bench"), PathBuf::from);
    let seconds = std::env::var("YINGKU_BENCH_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(2.0);
    let folder = base.join(format!("storage-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the folder for the bench");
    let asked = |what: &str| std::env::args().any(|argument| argument == what);
    let (only_scrub, only_requests) = (asked("scrub"), asked("requests"));
    if !only_scrub && !only_requests {
        write_all_engines(&folder, Duration::from_secs_f64(seconds));
    }
    if !only_requests {
        read_all_engines(&folder);
    }
    if !only_scrub {
        requests::count(&folder);
    }
    std::fs::remove_dir_all(&folder).expect("the bench's folder can be removed");
}

fn write_all_engines(folder: &Path, time: Duration) {
    println!("| object | sync | engine | x1 /s | x4 /s | x16 /s | x16 p99 ms | CPU s/GB (x16) |");
    println!("|---|---|---|---|---|---|---|---|");
    for (name, size) in [("CT", CT), ("small", SMALL)] {
        for slow in [SlowSync::None, SlowSync::Parallel, SlowSync::OneAtATime] {
            for kind in ["file each", "segment, buffered", "segment, direct, fallocate", "segment, direct, zeroed"] {
                let figures: Vec<Figures> =
                    [1, 4, 16].map(|writers| run(folder, kind, slow, size, writers, time)).into();
                let last = &figures[2];
                println!(
                    "| {name} | {slow} | {kind} | {:.0} | {:.0} | {:.0} | {:.1} | {:.2} |",
                    figures[0].per_second, figures[1].per_second, last.per_second, last.p99_ms, last.cpu_per_gb
                );
            }
        }
    }
}

struct Figures {
    per_second: f64,
    p99_ms: f64,
    cpu_per_gb: f64,
}

fn run(folder: &Path, kind: &str, slow: SlowSync, size: usize, writers: usize, time: Duration) -> Figures {
    let folder = folder.join("run");
    std::fs::create_dir_all(&folder).expect("a folder for the run");
    let disk = Disk::new(slow);
    let engine: Arc<dyn Engine> = match kind {
        "file each" => Arc::new(FileEach::new(folder.clone(), disk)),
        "segment, buffered" => Arc::new(Segment::start(folder.clone(), disk, Preallocation::Buffered)),
        "segment, direct, fallocate" => Arc::new(Segment::start(folder.clone(), disk, Preallocation::Fallocate)),
        _ => Arc::new(Segment::start(folder.clone(), disk, Preallocation::Zeroed)),
    };
    let object: Arc<Vec<u8>> = Arc::new((0..size).map(|i| (i * 31 + i / 251) as u8).collect());
    // The first object pays for the first segment.
    engine.put(&object);
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let times = Arc::new(Mutex::new(Vec::new()));
    let (cpu, started) = (cpu_seconds(), Instant::now());
    let threads: Vec<_> = (0..writers)
        .map(|_| {
            let (engine, object, stop) = (Arc::clone(&engine), Arc::clone(&object), Arc::clone(&stop));
            let (done, times) = (Arc::clone(&done), Arc::clone(&times));
            std::thread::spawn(move || {
                let mut own = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    engine.put(&object);
                    own.push(began.elapsed());
                    done.fetch_add(1, Ordering::Relaxed);
                }
                times.lock().expect("no writer panicked").extend(own);
            })
        })
        .collect();
    std::thread::sleep(time);
    stop.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().expect("a writer");
    }
    let (elapsed, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let done = done.load(Ordering::Relaxed) as f64;
    let mut times = std::mem::take(&mut *times.lock().expect("no writer panicked"));
    times.sort();
    drop(engine);
    std::fs::remove_dir_all(&folder).expect("the run's folder can be removed");
    disk::settle();
    Figures {
        per_second: done / elapsed,
        p99_ms: times[times.len() * 99 / 100].as_secs_f64() * 1000.0,
        cpu_per_gb: cpu / (done * size as f64 / 1e9),
    }
}

/// Reading all that is there once, in the order of its writing, as a scrub does, and as a backup does, with tar.
fn read_all_engines(folder: &Path) {
    let small: usize =
        std::env::var("YINGKU_BENCH_OBJECTS").map_or(100_000, |text| text.parse().expect("a whole number"));
    println!("\n| object | count | engine | files | on disk MB | cold read s | MB/s | CPU s | cold tar s |");
    println!("|---|---|---|---|---|---|---|---|---|");
    for (name, size, count) in [("CT", CT, 4_000), ("small", SMALL, small)] {
        for kind in ["file each", "segment"] {
            let folder = folder.join("read");
            std::fs::create_dir_all(&folder).expect("a folder to read");
            let object: Vec<u8> = (0..size).map(|i| (i * 31 + i / 251) as u8).collect();
            let paths = engines::fill(&folder, kind == "segment", &object, count);
            let cold = disk::forget_cache();
            let (cpu, started) = (cpu_seconds(), Instant::now());
            let bytes = engines::read(&paths);
            let (elapsed, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds() - cpu);
            let warm = if cold { "" } else { " (cache not dropped: not root)" };
            let pace = bytes as f64 / 1e6 / elapsed;
            disk::forget_cache();
            let backup = disk::back_up(&folder).as_secs_f64();
            let (files, room) = (paths.len(), disk::room_mb(&paths));
            println!(
                "| {name} | {count} | {kind}{warm} | {files} | {room:.0} | {elapsed:.2} | {pace:.0} | {cpu:.2} | {backup:.2} |"
            );
            std::fs::remove_dir_all(&folder).expect("what was read can be removed");
        }
    }
}
