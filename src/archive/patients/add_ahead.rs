//! On PostgreSQL a patient's row is there before the transaction of its first report begins.
//!
//! Whoever adds a row that another transaction has just added waits there until that one has ended, its sync included:
//! the reports of a new patient that come at the same time, as they do from one visit, would be stored one after the
//! other. So the row is added by a statement of its own that waits for no sync; the log has one order, and the report's
//! commit takes it to the disk. A report that is not stored after all leaves a patient who is known to the organisation
//! and has no report, as the patients of images are (D-R29). SQLite has one writer, and nothing to wait for.

use std::sync::Arc;

use moka::future::Cache;

use super::absorb_patient::Said;
use crate::archive::Archive;
use crate::index::{self, patients};

/// Patients of whom it need not be asked again whether they have a row.
const REMEMBERED: u64 = 20_000;

/// Patients that have a row, by organisation and number.
#[derive(Debug, Clone)]
pub(in crate::archive) struct KnownPatients(Cache<(String, String), ()>);

impl Default for KnownPatients {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

impl Archive {
    /// Adds a patient who has no row; tells nothing of a failure, which the report's transaction meets too.
    pub(in crate::archive) async fn add_patient_ahead(&self, said: Said) {
        if self.index.is_embedded() {
            return;
        }
        let key = (said.org_code.clone(), said.patient_id.clone());
        let (id, now) = (self.ids.next(), self.clock.now_ms());
        let added = async { patients::add_ahead(&self.index, id, now, &said).await };
        let _: Result<(), Arc<index::Error>> = self.known_patients.0.try_get_with(key, added).await;
    }
}
