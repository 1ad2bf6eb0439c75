//! One step of the work that keeps people in order, by one process of all.

use crate::archive::{Archive, Error};

const LEASE: &str = "people";
const LEASE_MS: u64 = 30_000;

impl Archive {
    /// Deals with at most `batch` patients that have come or changed; `false` when there are none, or another process
    /// than `holder` deals with them.
    pub async fn keep_people(&self, holder: &str, batch: usize) -> Result<bool, Error> {
        let unfilled = self.has_unfilled_patients().await?;
        if !unfilled && !self.has_unsettled_patients().await? {
            return Ok(false);
        }
        if !self.hold_lease(LEASE, holder, LEASE_MS).await? {
            return Ok(false);
        }
        if unfilled { self.fill_patients(batch).await } else { self.settle_patients(batch).await }
    }
}
