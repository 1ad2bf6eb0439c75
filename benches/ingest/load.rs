//! The load: our own asynchronous sender, one object after another on each association.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use yingku::dimse::scu::{Association, Proposal, ScuTarget, StoreRequest};
use yingku::domain::AeTitle;

use super::objects::{ObjectKind, Template, large_head, large_storage, storage};
use super::servers::Server;

/// A measurement ends when it has stored this, however little time that took: so `make bench` fits a disk.
const MOST_BYTES: u64 = 2_000_000_000;

/// What came of one measurement.
#[derive(Debug, Default)]
pub struct Measured {
    /// Objects that were answered with success.
    pub stored: u64,
    /// Objects that were not.
    pub failed: u64,
    /// Bytes of the former.
    pub bytes: u64,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// 99 of 100 were answered within this.
    pub p99: Duration,
}

/// Each measurement has UIDs of its own.
fn next_run() -> u64 {
    static RUN: AtomicU64 = AtomicU64::new(1);
    u64::from(std::process::id()) * 1000 + RUN.fetch_add(1, Ordering::Relaxed)
}

/// When a sender has done enough.
#[derive(Debug, Clone, Copy)]
struct Enough {
    time: Duration,
    bytes: u64,
    objects: u64,
    /// After so many objects a new study begins.
    study_objects: u64,
}

/// Sends for so long on so many associations.
pub async fn measure(server: &Server, kind: ObjectKind, associations: usize, time: Duration) -> Measured {
    // What is stored stays until the end, because deleting it would slow the next server down.
    let bytes = MOST_BYTES / associations as u64;
    run(server, kind, associations, Enough { time, bytes, objects: u64::MAX, study_objects: u64::MAX }).await
}

/// Sends so many objects, as far as all associations can have the same number.
pub async fn measure_number(server: &Server, kind: ObjectKind, associations: usize, objects: u64) -> Measured {
    let objects = objects / associations as u64;
    let enough = Enough { time: Duration::from_secs(3600), bytes: u64::MAX, objects, study_objects: 500 };
    run(server, kind, associations, enough).await
}

async fn run(server: &Server, kind: ObjectKind, associations: usize, enough: Enough) -> Measured {
    let run = next_run();
    let mut open = Vec::new();
    for _ in 0..associations {
        open.push(connect(server, storage()).await.expect("the server takes the association"));
    }
    let began = Instant::now();
    let senders = open
        .into_iter()
        .enumerate()
        .map(|(sender, association)| tokio::spawn(send(association, kind, run, sender, began + enough.time, enough)));
    let mut all = Measured::default();
    let mut times = Vec::new();
    for sender in senders.collect::<Vec<_>>() {
        let (measured, its_times) = sender.await.expect("a sender does not panic");
        all.stored += measured.stored;
        all.failed += measured.failed;
        all.bytes += measured.bytes;
        times.extend(its_times);
    }
    all.elapsed = began.elapsed();
    times.sort();
    all.p99 = times.get(times.len() * 99 / 100).copied().unwrap_or_default();
    all
}

async fn send(
    mut association: Association,
    kind: ObjectKind,
    run: u64,
    sender: usize,
    until: Instant,
    enough: Enough,
) -> (Measured, Vec<Duration>) {
    let mut measured = Measured::default();
    let mut times = Vec::new();
    let mut number = 0;
    let mut template = Template::new(kind, run, sender, 0);
    while Instant::now() < until && measured.bytes < enough.bytes && number < enough.objects {
        number += 1;
        if number % enough.study_objects == 0 {
            template = Template::new(kind, run, sender, number / enough.study_objects);
        }
        let file = template.next(run, sender, number);
        let began = Instant::now();
        match association.store(file).await {
            Ok(answer) if answer.status.is_done() => {
                times.push(began.elapsed());
                measured.stored += 1;
                measured.bytes += file.len() as u64;
            }
            Ok(_) => measured.failed += 1,
            Err(_) => {
                measured.failed += 1;
                return (measured, times);
            }
        }
    }
    // The peer may have gone; what counts is measured.
    let _ = association.release().await;
    (measured, times)
}

/// Sends one multi-frame object that is never in memory here.
pub async fn store_large(server: &Server, bytes: u64) -> Result<Duration, String> {
    let (sop_class, transfer_syntax) = large_storage();
    let mut association = connect(server, large_storage()).await?;
    let uid = format!("2.25.6{}", next_run());
    let pixels = u32::try_from(bytes.min(u64::from(u32::MAX - 1)) & !1).map_err(|e| e.to_string())?;
    let head = large_head(&uid, pixels);
    let request = StoreRequest {
        sop_class_uid: sop_class.to_owned(),
        sop_instance_uid: uid,
        transfer_syntax_uid: transfer_syntax.to_owned(),
    };
    let data_set = std::io::Cursor::new(head).chain(tokio::io::repeat(0x2A).take(u64::from(pixels)));
    let began = Instant::now();
    let answer = association.store_stream(&request, data_set).await.map_err(|e| e.to_string())?;
    if !answer.status.is_done() {
        return Err(format!("status {}", answer.status));
    }
    let elapsed = began.elapsed();
    let _ = association.release().await;
    Ok(elapsed)
}

async fn connect(server: &Server, (sop_class, syntax): (&str, &str)) -> Result<Association, String> {
    let title = |text: &str| AeTitle::parse(text).map_err(|e| e.to_string());
    let mut target = ScuTarget::new("127.0.0.1", server.port, title("BENCH")?, title(server.ae_title)?);
    target.timeout = Duration::from_secs(300);
    Association::connect(&target, &[Proposal::storage(sop_class, syntax)]).await.map_err(|e| e.to_string())
}
