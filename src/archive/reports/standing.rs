//! How an incoming record stands to the stored one with the same key (D-R8).

use super::batch_outcome::Status;
use crate::index::exam_reports::KnownReport;
use crate::index::lab_reports::KnownItem;

/// What an incoming record does to the stored one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Later, or without a stamp of its own: replaces.
    Newer,
    /// As old but different: replaces, since senders often do not move the stamp.
    Changed,
    /// Earlier: ignored.
    Stale,
    /// As old and the same: nothing to do.
    Duplicate,
}

/// An incoming record, as far as it decides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Incoming<'r> {
    /// Its stamp, or the time of receipt.
    pub(super) stamp: &'r str,
    /// Whether the sender gave the stamp.
    pub(super) stamped: bool,
    pub(super) content_hash: &'r str,
    /// The message that is taken up again, when it is one.
    pub(super) replayed: Option<i64>,
}

/// The stored record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored<'r> {
    pub(super) stamp: &'r str,
    pub(super) content_hash: &'r str,
    /// The message that last changed it.
    pub(super) message_pk: Option<i64>,
}

impl<'r> Stored<'r> {
    pub(super) fn of(report: &'r KnownReport) -> Self {
        let KnownReport { last_update_dtime, content_hash, message_pk, .. } = report;
        Self { stamp: last_update_dtime, content_hash, message_pk: *message_pk }
    }

    pub(super) fn of_line(line: &'r KnownItem) -> Self {
        let KnownItem { last_update_dtime, content_hash, message_pk, .. } = line;
        Self { stamp: last_update_dtime, content_hash, message_pk: *message_pk }
    }
}

pub(super) fn standing(incoming: Incoming<'_>, stored: Stored<'_>) -> Standing {
    let Incoming { stamp, stamped, content_hash, replayed } = incoming;
    let same = content_hash == stored.content_hash;
    // Ids grow with time: what a later message has changed, an earlier one that is taken up again does not change back.
    let overtaken = replayed.zip(stored.message_pk).is_some_and(|(replayed, stored)| stored > replayed);
    match stamp.cmp(stored.stamp) {
        _ if !stamped && same => Standing::Duplicate,
        std::cmp::Ordering::Equal if overtaken && !same => Standing::Stale,
        std::cmp::Ordering::Less => Standing::Stale,
        std::cmp::Ordering::Equal if same => Standing::Duplicate,
        std::cmp::Ordering::Equal => Standing::Changed,
        std::cmp::Ordering::Greater => Standing::Newer,
    }
}

impl Standing {
    pub(super) fn status(self) -> Status {
        match self {
            Standing::Newer | Standing::Changed => Status::Updated,
            Standing::Stale => Status::Stale,
            Standing::Duplicate => Status::Duplicate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d_r8_newer_and_changed_replace_older_and_equal_do_not() {
        let stored = Stored { stamp: "2024-03-23 00:00:00", content_hash: "hash", message_pk: Some(7) };
        let stands =
            |stamp, stamped, content_hash| standing(Incoming { stamp, stamped, content_hash, replayed: None }, stored);
        assert_eq!(stands("2024-03-24 00:00:00", true, "hash"), Standing::Newer);
        assert_eq!(stands("2024-03-23 00:00:00", true, "other"), Standing::Changed);
        assert_eq!(stands("2024-03-23 00:00:00", true, "hash"), Standing::Duplicate);
        assert_eq!(stands("2024-03-22 00:00:00", true, "other"), Standing::Stale);
        assert_eq!(stands("2026-01-01 00:00:00", false, "hash"), Standing::Duplicate);
        assert_eq!(stands("2026-01-01 00:00:00", false, "other"), Standing::Newer);
    }

    #[test]
    fn d_x2_a_message_that_is_taken_up_again_does_not_undo_a_later_one() {
        let stands = |replayed, stored| {
            let incoming = Incoming { stamp: "2024-03-23 00:00:00", stamped: true, content_hash: "old", replayed };
            let stored = Stored { stamp: "2024-03-23 00:00:00", content_hash: "new", message_pk: stored };
            standing(incoming, stored)
        };
        assert_eq!(stands(Some(7), Some(8)), Standing::Stale);
        assert_eq!(stands(Some(7), Some(7)), Standing::Changed);
        assert_eq!(stands(None, Some(8)), Standing::Changed);
    }
}
