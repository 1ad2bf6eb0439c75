//! Command sets of C-MOVE and C-GET (PS3.7 sections 9.3.3 and 9.3.4): responses with counts of sub-operations, and
//! C-STORE sub-operations with the move's originator.

use super::{COMMAND_DATA_SET_TYPE, Command, DATA_SET_FOLLOWS};
use crate::dimse::status::Status;

const MOVE_DESTINATION: u16 = 0x0600;
const REMAINING: u16 = 0x1020;
const COMPLETED: u16 = 0x1021;
const FAILED: u16 = 0x1022;
const WARNING: u16 = 0x1023;
const MOVE_ORIGINATOR_AE_TITLE: u16 = 0x1030;
const MOVE_ORIGINATOR_MESSAGE_ID: u16 = 0x1031;

/// How far the sub-operations of a C-MOVE or C-GET have come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SubOperationCounts {
    /// Objects that are still to go.
    pub remaining: u64,
    /// Objects that went well.
    pub completed: u64,
    /// Objects that did not.
    pub failed: u64,
    /// Objects that went well with a warning.
    pub warning: u64,
}

impl SubOperationCounts {
    /// Objects that were sent.
    pub fn sent(self) -> u64 {
        self.completed.saturating_add(self.warning)
    }
}

impl Command {
    pub(crate) fn move_destination(&self) -> String {
        self.text(MOVE_DESTINATION)
    }

    /// The response to this C-MOVE-RQ or C-GET-RQ; counts beyond 65535 are given as 65535.
    pub(crate) fn retrieve_response(
        &self,
        status: Status,
        comment: &str,
        counts: SubOperationCounts,
        has_identifier: bool,
    ) -> Self {
        let mut response = self.response(status, comment);
        if has_identifier {
            response.set_number(COMMAND_DATA_SET_TYPE, DATA_SET_FOLLOWS);
        }
        let number = |count: u64| u16::try_from(count).unwrap_or(u16::MAX);
        // Remaining is there only while there may be more: pending and cancelled (PS3.7 section 9.1.4.1.6).
        if status == Status::PENDING || status == Status::CANCELLED {
            response.set_number(REMAINING, number(counts.remaining));
        }
        response.set_number(COMPLETED, number(counts.completed));
        response.set_number(FAILED, number(counts.failed));
        response.set_number(WARNING, number(counts.warning));
        response
    }

    /// The counts of this response; those that it leaves out are as they were before.
    pub(crate) fn sub_operations(&self, before: SubOperationCounts) -> SubOperationCounts {
        let count = |element, before| self.number(element).map_or(before, u64::from);
        SubOperationCounts {
            remaining: count(REMAINING, 0),
            completed: count(COMPLETED, before.completed),
            failed: count(FAILED, before.failed),
            warning: count(WARNING, before.warning),
        }
    }

    /// This C-STORE-RQ as a sub-operation of a C-MOVE.
    pub(crate) fn moved_for(mut self, originator_ae_title: &str, originator_message_id: u16) -> Self {
        self.set_text(MOVE_ORIGINATOR_AE_TITLE, originator_ae_title, b' ');
        self.set_number(MOVE_ORIGINATOR_MESSAGE_ID, originator_message_id);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::CommandField;
    use super::*;

    #[test]
    fn counts_are_told_and_remaining_only_while_more_may_come() {
        let request = Command::request(CommandField::MoveRequest, 3, DATA_SET_FOLLOWS);
        let counts = SubOperationCounts { remaining: 70_000, completed: 2, failed: 1, warning: 0 };
        let pending = request.retrieve_response(Status::PENDING, "", counts, false);
        assert_eq!(pending.number(REMAINING), Some(u16::MAX));
        assert_eq!(
            (pending.number(COMPLETED), pending.number(FAILED), pending.number(WARNING)),
            (Some(2), Some(1), Some(0))
        );
        let last = request.retrieve_response(Status::SUCCESS, "", counts, true);
        assert_eq!(last.number(REMAINING), None);
        assert!(last.has_data_set() && !pending.has_data_set());
        assert_eq!(last.field(), CommandField::MoveResponse);
    }

    #[test]
    fn counts_that_a_response_leaves_out_stay() {
        let request = Command::request(CommandField::MoveRequest, 3, DATA_SET_FOLLOWS);
        let counts = SubOperationCounts { remaining: 4, completed: 2, failed: 1, warning: 3 };
        let read = request.retrieve_response(Status::PENDING, "", counts, false).sub_operations(Default::default());
        assert_eq!((read, read.sent()), (counts, 5));
        let silent = request.response(Status::SUCCESS, "").sub_operations(counts);
        assert_eq!(silent, SubOperationCounts { remaining: 0, ..counts });
    }

    #[test]
    fn a_sub_operation_names_who_asked_for_the_move() {
        let command = Command::store_request(9, "1.2.840.10008.5.1.4.1.1.2", "1.2.3").moved_for("WORKSTATION", 77);
        assert_eq!(command.text(MOVE_ORIGINATOR_AE_TITLE), "WORKSTATION");
        assert_eq!(command.number(MOVE_ORIGINATOR_MESSAGE_ID), Some(77));
    }
}
