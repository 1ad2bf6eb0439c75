//! Associations over which requests came and which are open: a report goes there first.

use std::collections::HashMap;
use std::sync::Mutex;

use tokio::sync::mpsc;

use super::{PendingReport, locked};

/// Transactions of one association that wait for a report. What is asked beyond it is reported over an association of our own.
const MOST_OF_ONE: usize = 256;

/// By AE title and Transaction UID.
#[derive(Debug, Default)]
pub(super) struct OpenAssociations(Mutex<HashMap<(String, String), mpsc::Sender<PendingReport>>>);

impl OpenAssociations {
    pub(super) fn remember(&self, ae_title: &str, transaction_uid: &str, reports: mpsc::Sender<PendingReport>) {
        let mut open = locked(&self.0);
        if open.values().filter(|other| other.same_channel(&reports)).count() < MOST_OF_ONE {
            open.insert((ae_title.to_owned(), transaction_uid.to_owned()), reports);
        }
    }

    /// Where the one report of the transaction goes.
    pub(super) fn take(&self, ae_title: &str, transaction_uid: &str) -> Option<mpsc::Sender<PendingReport>> {
        locked(&self.0).remove(&(ae_title.to_owned(), transaction_uid.to_owned()))
    }

    /// The association has ended.
    pub(super) fn forget(&self, reports: &mpsc::Sender<PendingReport>) {
        locked(&self.0).retain(|_, open| !open.same_channel(reports));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_association_that_asks_and_asks_keeps_its_own_places_only() {
        let open = OpenAssociations::default();
        let ((greedy, _greedy_end), (other, _other_end)) = (mpsc::channel(1), mpsc::channel(1));
        for transaction in 0..MOST_OF_ONE + 10 {
            open.remember("PACS01", &format!("2.25.{transaction}"), greedy.clone());
        }
        open.remember("PACS02", "2.25.1", other.clone());
        assert_eq!(locked(&open.0).len(), MOST_OF_ONE + 1);
        assert!(open.take("PACS01", &format!("2.25.{MOST_OF_ONE}")).is_none(), "it is told over another association");
        assert!(open.take("PACS02", "2.25.1").is_some_and(|found| found.same_channel(&other)));

        assert!(open.take("PACS01", "2.25.0").is_some() && open.take("PACS01", "2.25.0").is_none(), "once");
        open.remember("PACS01", "2.25.9999", greedy.clone());
        assert!(open.take("PACS01", "2.25.9999").is_some(), "a report makes room");
        open.forget(&greedy);
        assert!(locked(&open.0).is_empty());
    }
}
