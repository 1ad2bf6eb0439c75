//! Forgets entries of the audit trail that have been kept long enough, where somebody has said how long that is (RD-28).
//!
//! One process of all does it, a batch at a time, and each batch is told in the trail itself. While somebody reads the trail
//! nothing is forgotten: an export of years would otherwise miss its end.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::read_audit::READERS;
use crate::archive::{Archive, Error};
use crate::domain::Actor;
use crate::index::audit::{self, AuditRecord};
use crate::index::{self, work_leases};

const DAY_MS: i64 = 24 * 3600 * 1000;
/// Entries of one transaction.
const AT_ONCE: u32 = 1000;
const LEASE: &str = "purge_audit";
const LEASE_MS: u64 = 60_000;
/// Logs of who used a system are kept for six months at the least.
const LEAST_DAYS: u32 = 180;

/// Section `[audit]`: how long it is known who did what to which data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuditConfig {
    /// Days that entries of the audit trail are kept, at least 180; 0 keeps them for ever. Default 0.
    pub keep_days: u32,
}

impl AuditConfig {
    /// What must be mended before a start.
    pub fn fault(&self) -> Option<String> {
        let is_short = self.keep_days > 0 && self.keep_days < LEAST_DAYS;
        is_short.then(|| format!("must be at least {LEAST_DAYS}, or 0 to keep the audit trail for ever"))
    }
}

impl Archive {
    /// Forgets some entries that are due and tells how many; none while another process than `holder` does it, or somebody
    /// reads the trail.
    pub async fn purge_audit(&self, config: &AuditConfig, holder: &str) -> Result<u64, Error> {
        let now = self.clock.now_ms();
        let before = now - i64::from(config.keep_days) * DAY_MS;
        if config.keep_days == 0 || !audit::is_any_before(&self.index, before).await? {
            return Ok(0);
        }
        if !self.hold_lease(LEASE, holder, LEASE_MS).await? {
            return Ok(0);
        }
        let (audit_id, keep_days) = (self.ids.next(), config.keep_days);
        let forgotten = self.index.write(move |tx| {
            Box::pin(async move {
                // Who begins to read at this very moment reads what this batch leaves.
                if work_leases::is_any_held(tx, READERS, now).await? {
                    return Ok(0);
                }
                let entries = audit::forget(tx, before, AT_ONCE).await?;
                if entries > 0 {
                    let record = AuditRecord {
                        action: "purge_audit",
                        actor: Actor::system("purge_audit"),
                        org_code: String::new(),
                        target: String::new(),
                        outcome: "ok",
                        detail: json!({ "entries": entries, "before": before, "keep_days": keep_days }),
                    };
                    audit::record(tx, audit_id, now, &record).await?;
                }
                Ok::<_, index::Error>(entries)
            })
        });
        let forgotten = forgotten.await?;
        metrics::counter!("yingku_audit_forgotten_total").increment(forgotten);
        Ok(forgotten)
    }
}
