//! Work that one process of all does at a time: who may do it now.

use crate::archive::{Archive, Error};
use crate::index::work_leases;

impl Archive {
    /// Takes or keeps the right to do the named work for so long; `false` when another process has it.
    pub async fn hold_lease(&self, name: &str, holder: &str, lease_ms: u64) -> Result<bool, Error> {
        let now = self.clock.now_ms();
        let until = now.saturating_add(i64::try_from(lease_ms).unwrap_or(i64::MAX / 4));
        Ok(work_leases::hold(&self.index, name, holder, now, until).await?)
    }

    /// Gives the right back.
    pub async fn release_lease(&self, name: &str, holder: &str) -> Result<(), Error> {
        Ok(work_leases::release(&self.index, name, holder).await?)
    }
}
