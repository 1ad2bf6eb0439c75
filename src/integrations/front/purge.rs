//! Gives the front's disk back: removes the bytes of what every upstream keeps, after the time of retention.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::config::FrontConfig;
use crate::archive::Archive;

const LEASE: &str = "purge_forwarded";
const LEASE_MS: u64 = 120_000;
const DAY_MS: u64 = 24 * 3600 * 1000;

pub(super) async fn run(archive: Archive, config: FrontConfig, keep_days: u32, shutdown: CancellationToken) {
    let holder = archive.worker_name();
    let poll = Duration::from_millis(config.purge_poll_ms.max(100));
    let keep_ms = u64::from(keep_days) * DAY_MS;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = tokio::time::sleep(poll) => {}
        }
        let (mut instances, mut bytes) = (0, 0);
        while !shutdown.is_cancelled() {
            match archive.hold_lease(LEASE, &holder, LEASE_MS).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(%error, "the lease of the purge cannot be taken");
                    break;
                }
            }
            match archive.purge_forwarded(keep_ms, config.purge_batch.max(1)).await {
                Ok(purged) if purged.instances > 0 => {
                    instances += purged.instances;
                    bytes += purged.bytes;
                }
                Ok(_) => break,
                Err(error) => {
                    tracing::error!(%error, "forwarded instances could not be removed");
                    break;
                }
            }
        }
        if instances > 0 {
            metrics::counter!("yingku_forward_purged_total").increment(instances);
            tracing::info!(purged.instances = instances, purged.bytes = bytes, "removed what the upstream keeps");
        }
    }
    if let Err(error) = archive.release_lease(LEASE, &holder).await {
        tracing::warn!(%error, "the lease of the purge could not be given back");
    }
}
