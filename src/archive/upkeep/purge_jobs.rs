//! Forgets jobs that are done, so that the queue does not grow with every report that ever came.
//!
//! Nothing depends on them: work that is wanted again is put in anew, and who asks after it finds what it made. Jobs that
//! wait, run or were given up stay.

use crate::archive::{Archive, Error};
use crate::index::jobs;

const DAY_MS: i64 = 24 * 3600 * 1000;
/// Jobs of one transaction.
const AT_ONCE: u32 = 1_000;
/// Jobs of one run; the next one goes on.
const MOST_AT_ONCE: u64 = 100_000;

impl Archive {
    /// Forgets jobs that have been done for so many days, a part of them when there are many; 0 keeps them for ever.
    pub async fn purge_done_jobs(&self, keep_days: u32) -> Result<u64, Error> {
        if keep_days == 0 {
            return Ok(0);
        }
        let before = self.clock.now_ms() - i64::from(keep_days) * DAY_MS;
        let mut purged = 0;
        while purged < MOST_AT_ONCE {
            let some = self
                .index
                .write(move |tx| Box::pin(async move { jobs::forget_done(tx, before, AT_ONCE).await }))
                .await?;
            purged += some;
            if some < u64::from(AT_ONCE) {
                break;
            }
        }
        if purged > 0 {
            tracing::info!(jobs = purged, "done jobs forgotten");
        }
        Ok(purged)
    }
}
