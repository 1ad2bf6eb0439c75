//! How an incoming record stands to the stored one with the same key (D-R8).

use super::register_reports::Status;

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

pub(super) fn standing(
    (stamp, stamped, content_hash): (&str, bool, &str),
    stored_stamp: &str,
    stored_hash: &str,
) -> Standing {
    let same = content_hash == stored_hash;
    match stamp.cmp(stored_stamp) {
        _ if !stamped && same => Standing::Duplicate,
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
        let stored = ("2024-03-23 00:00:00", "hash");
        let stands = |stamp, stamped, hash| standing((stamp, stamped, hash), stored.0, stored.1);
        assert_eq!(stands("2024-03-24 00:00:00", true, "hash"), Standing::Newer);
        assert_eq!(stands("2024-03-23 00:00:00", true, "other"), Standing::Changed);
        assert_eq!(stands("2024-03-23 00:00:00", true, "hash"), Standing::Duplicate);
        assert_eq!(stands("2024-03-22 00:00:00", true, "other"), Standing::Stale);
        assert_eq!(stands("2026-01-01 00:00:00", false, "hash"), Standing::Duplicate);
        assert_eq!(stands("2026-01-01 00:00:00", false, "other"), Standing::Newer);
    }
}
