//! Reading the audit trail (RD-21, RD-28): who looked at what. Reading it is an access too, and recorded.

use serde_json::json;

use crate::archive::{Archive, Error};
use crate::domain::Actor;
use crate::index::audit::{self, AuditRecord};

pub use crate::index::audit::{AuditSearch, KeptAudit};

/// Entries that are read from the index at a time.
const PAGE: u32 = 1000;
/// How the names of the leases of all who read the trail begin: while one is held, nothing of it is forgotten.
pub(super) const READERS: &str = "read_audit:";
/// How long a reader may stand still between two pages, e.g. in front of an operator who looks at the first one.
const READER_MS: u64 = 3600 * 1000;

impl Archive {
    /// Gives entries to `take`, the newest first and at most `limit`, a page at a time: a trail of years is not held in
    /// memory.
    pub async fn read_audit(
        &self,
        actor: Actor,
        search: &AuditSearch,
        limit: u64,
        mut take: impl FnMut(&KeptAudit),
    ) -> Result<u64, Error> {
        let (id, now) = (self.ids.next(), self.clock.now_ms());
        // What was asked for is no target: who looks up a row would find the looks among what happened to it.
        let detail = json!({
            "since": search.since, "until": search.until, "action": search.action, "organization": search.org_code,
            "target": search.target,
        });
        let record = AuditRecord {
            action: "read_audit",
            actor,
            org_code: String::new(),
            target: String::new(),
            outcome: "ok",
            detail,
        };
        self.index.write(move |tx| Box::pin(async move { audit::record(tx, id, now, &record).await })).await?;
        let holder = self.worker_name();
        let lease = format!("{READERS}{holder}");
        let (mut after, mut given) = (None, 0);
        loop {
            self.hold_lease(&lease, &holder, READER_MS).await?;
            let wanted = u32::try_from(limit - given).unwrap_or(u32::MAX).min(PAGE);
            let page = audit::find(&self.index, search, after, wanted).await?;
            page.iter().for_each(&mut take);
            given += page.len() as u64;
            after = page.last().map(|entry| (entry.at, entry.id));
            if page.len() < wanted as usize || given == limit {
                self.release_lease(&lease, &holder).await?;
                return Ok(given);
            }
        }
    }
}
