//! What goes on beside the doors while the server runs: the node's lease, figures, the feed's order, uploads.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::archive::Archive;
use crate::archive::upkeep::free_space::DiskWatch;
use crate::archive::upkeep::purge_audit::AuditConfig;
use crate::index;
use crate::jobs::rounds::Rounds;
use crate::web::health::Readiness;

/// How often the journal is looked through for finished segments.
const SHIP_EVERY: Duration = Duration::from_secs(5);
/// How often last successes are written down.
const WRITE_SUCCESSES_EVERY: Duration = Duration::from_secs(30);
/// How often tables are looked for that have outgrown their statistics.
const KEEP_STATISTICS_EVERY: Duration = Duration::from_secs(10);
/// How often entries of the audit trail are looked for whose time is over.
const PURGE_AUDIT_EVERY: Duration = Duration::from_secs(600);
/// Rest between two batches of them, so that what comes in is not held up.
const PURGE_AUDIT_REST: Duration = Duration::from_millis(50);
/// How often messages and lines that wait are counted.
const COUNT_BACKLOG_EVERY: Duration = Duration::from_secs(30);

/// Keeps the node's lease; removes, once, what a crash left behind.
pub(super) async fn keep_up(archive: Archive, shutdown: CancellationToken) {
    if let Some(crashed) = archive.crashed() {
        let archive = archive.clone();
        tokio::spawn(async move { remove_leftovers(&archive, crashed).await });
    }
    let deleting = archive.clone();
    tokio::spawn(async move {
        if let Err(error) = deleting.finish_deletions().await {
            tracing::warn!(%error, "a deletion of images waits for the next start or compaction");
        }
    });
    if let Err(error) = archive.recall_successes().await {
        tracing::warn!(%error, "what succeeded before the start is not known");
    }
    let mut renew = tokio::time::interval(index::RENEW);
    let mut write_down = tokio::time::interval(WRITE_SUCCESSES_EVERY);
    let mut count = tokio::time::interval(COUNT_BACKLOG_EVERY);
    count.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return write_successes(&archive).await,
            _ = write_down.tick() => write_successes(&archive).await,
            _ = count.tick() => {
                if let Err(error) = archive.show_backlog().await {
                    tracing::warn!(%error, "what waits could not be counted");
                }
            }
            _ = renew.tick() => {
                if let Err(error) = archive.renew_lease().await {
                    tracing::error!(%error, "the node's lease could not be renewed");
                }
            }
        }
    }
}

/// What is noted after the upkeep has ended is written by nobody; requests have mostly ended by then.
async fn write_successes(archive: &Archive) {
    if let Err(error) = archive.write_successes().await {
        tracing::warn!(%error, "last successes could not be written down");
    }
}

/// Gives changes their positions in the feed also when nobody follows, so that few wait.
pub(super) async fn sequence_changes(archive: Archive, every: Duration, shutdown: CancellationToken) {
    let mut rounds = Rounds::every(every, shutdown);
    while rounds.next().await {
        if let Err(error) = archive.sequence_changes().await {
            tracing::warn!(%error, "changes wait for their place in the feed");
        }
    }
}

/// Has the database look again at tables that have grown much, so that it goes on to choose good plans.
pub(super) async fn keep_statistics(archive: Archive, shutdown: CancellationToken) {
    let mut rounds = Rounds::every(KEEP_STATISTICS_EVERY, shutdown);
    while rounds.next().await {
        match archive.keep_statistics().await {
            Ok(0) => {}
            Ok(analysed) => tracing::debug!(tables = analysed, "tables analysed that had outgrown their statistics"),
            Err(error) => tracing::warn!(%error, "the database's statistics are behind its tables"),
        }
    }
}

/// Forgets entries of the audit trail whose time is over.
pub(super) async fn purge_audit(archive: Archive, config: AuditConfig, shutdown: CancellationToken) {
    let holder = archive.worker_name();
    let mut rounds = Rounds::every(PURGE_AUDIT_EVERY, shutdown);
    while rounds.next().await {
        let mut forgotten = 0;
        while !rounds.are_over() {
            match archive.purge_audit(&config, &holder).await {
                Ok(0) => break,
                Ok(entries) => forgotten += entries,
                Err(error) => {
                    tracing::warn!(%error, "the audit trail keeps entries whose time is over");
                    break;
                }
            }
            tokio::time::sleep(PURGE_AUDIT_REST).await;
        }
        if forgotten > 0 {
            tracing::info!(audit.entries = forgotten, "entries of the audit trail forgotten whose time was over");
        }
    }
}

/// Brings finished segments from the journal into the bucket, as they come.
pub(super) async fn ship_segments(archive: Archive, shutdown: CancellationToken) {
    if !archive.has_journal() {
        return;
    }
    let mut rounds = Rounds::every(SHIP_EVERY, shutdown);
    while rounds.next().await {
        match archive.ship_segments().await {
            Ok(shipped) if shipped.segments > 0 => {
                tracing::info!(shipped.segments, shipped.bytes, "segments uploaded");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "segments wait in the journal; they could not be uploaded"),
        }
    }
}

/// Tells how much room is left, and when it is little.
pub(super) async fn watch_disks(
    mut watch: DiskWatch,
    every: Duration,
    readiness: Arc<Readiness>,
    shutdown: CancellationToken,
) {
    let mut rounds = Rounds::every(every, shutdown);
    while rounds.next().await {
        readiness.set_little_room(!watch.look().await);
    }
}

async fn remove_leftovers(archive: &Archive, crashed: Range<i64>) {
    match archive.sweep(crashed).await {
        Ok(swept) if swept.removed > 0 => {
            tracing::info!(swept.removed, swept.removed_bytes, "removed objects that no row names");
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "leftovers could not be removed; the next crash's start tries again"),
    }
}
