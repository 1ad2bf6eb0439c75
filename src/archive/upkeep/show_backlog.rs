//! What waits or failed of the reports, as figures for `/metrics` (D-X12, D-R10); the queue of jobs shows its own.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::archive::reports::keep_message::MessageState;
use crate::archive::{Archive, Error};
use crate::index::{inbox, quality};

/// Messages of so long are counted.
const DAY_MS: i64 = 24 * 3600 * 1000;

/// Organisations that were shown: one that no longer waits must be shown with nothing.
static SHOWN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

impl Archive {
    /// Counts anew: messages of the last day by their end, lines of lab reports without a head by organisation.
    pub async fn show_backlog(&self) -> Result<(), Error> {
        let counts = inbox::count_since(&self.index, self.clock.now_ms() - DAY_MS).await?;
        for state in MessageState::ALL {
            let count = counts.iter().find(|(known, _)| *known == state).map_or(0, |(_, count)| *count);
            metrics::gauge!("yingku_inbox_messages", "state" => state.as_str()).set(count as f64);
        }
        let pending = quality::pending_lines(&self.index, None).await?;
        let mut shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
        shown.extend(pending.iter().map(|lines| lines.org_code.clone()));
        for org in shown.iter() {
            let lines = pending.iter().find(|lines| lines.org_code == *org).map_or(0, |l| l.waiting + l.aside);
            metrics::gauge!("yingku_pending_lab_items", "org" => org.clone()).set(lines as f64);
        }
        Ok(())
    }
}
