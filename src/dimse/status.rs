//! Status codes (PS3.7 annex C, PS3.4 section B.2.3), and what an error of the archive is in them.

use crate::archive;

/// A status (0000,0900).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(pub u16);

impl Status {
    /// Success.
    pub const SUCCESS: Status = Status(0x0000);
    /// Failure: processing failure.
    pub const PROCESSING_FAILURE: Status = Status(0x0110);
    /// Failure: duplicate SOP Instance.
    pub const DUPLICATE_SOP_INSTANCE: Status = Status(0x0111);
    /// Failure: no such SOP Instance.
    pub const NO_SUCH_SOP_INSTANCE: Status = Status(0x0112);
    /// Failure: no such event type.
    pub const NO_SUCH_EVENT_TYPE: Status = Status(0x0113);
    /// Failure: invalid argument value.
    pub const INVALID_ARGUMENT_VALUE: Status = Status(0x0115);
    /// Failure: no such SOP class.
    pub const NO_SUCH_SOP_CLASS: Status = Status(0x0118);
    /// Failure: class-instance conflict.
    pub const CLASS_INSTANCE_CONFLICT: Status = Status(0x0119);
    /// Failure: no such action type.
    pub const NO_SUCH_ACTION_TYPE: Status = Status(0x0123);
    /// Failure: resource limitation.
    pub const RESOURCE_LIMITATION: Status = Status(0x0213);
    /// Retrieve, refused: the number of matches cannot be calculated.
    pub const UNABLE_TO_CALCULATE_MATCHES: Status = Status(0xA701);
    /// Retrieve, refused: sub-operations cannot be performed.
    pub const UNABLE_TO_PERFORM_SUB_OPERATIONS: Status = Status(0xA702);
    /// C-MOVE, refused: move destination unknown.
    pub const MOVE_DESTINATION_UNKNOWN: Status = Status(0xA801);
    /// Retrieve, warning: sub-operations complete, one or more failures or warnings.
    pub const SUB_OPERATIONS_WITH_FAILURES: Status = Status(0xB000);
    /// Cancelled by the requestor.
    pub const CANCELLED: Status = Status(0xFE00);
    /// More is to come.
    pub const PENDING: Status = Status(0xFF00);
    /// More is to come; some optional keys are not supported.
    pub const PENDING_WITH_UNSUPPORTED_KEYS: Status = Status(0xFF01);
    /// Failure: invalid SOP Instance.
    pub const INVALID_SOP_INSTANCE: Status = Status(0x0117);
    /// Refused: SOP class not supported.
    pub const SOP_CLASS_NOT_SUPPORTED: Status = Status(0x0122);
    /// Refused: not authorised.
    pub const NOT_AUTHORIZED: Status = Status(0x0124);
    /// Failure: unrecognised operation.
    pub const UNRECOGNIZED_OPERATION: Status = Status(0x0211);
    /// Refused: out of resources; the sender may try again.
    pub const OUT_OF_RESOURCES: Status = Status(0xA700);
    /// Error: data set does not match SOP class, or what was announced.
    pub const DATA_SET_DOES_NOT_MATCH: Status = Status(0xA900);
    /// Error: cannot understand.
    pub const CANNOT_UNDERSTAND: Status = Status(0xC000);

    /// Whether more responses follow.
    pub fn is_pending(self) -> bool {
        matches!(self.0, 0xFF00 | 0xFF01)
    }

    /// Whether the operation was done, perhaps with a warning.
    pub fn is_done(self) -> bool {
        self.0 == 0 || self.0 & 0xF000 == 0xB000 || self.0 == 0x0001 || self.0 == 0x0107 || self.0 == 0x0116
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04X}H", self.0)
    }
}

/// The status and comment of a C-STORE that the archive did not do. Comments tell nothing of the inside.
pub(crate) fn of_store_error(error: &archive::Error) -> (Status, &'static str) {
    match error {
        archive::Error::Index(_) => (Status::OUT_OF_RESOURCES, "index is not available"),
        archive::Error::Objects(_) => (Status::OUT_OF_RESOURCES, "storage is not available"),
        archive::Error::Busy => (Status::OUT_OF_RESOURCES, "busy"),
        archive::Error::TooLarge { .. } => (Status::OUT_OF_RESOURCES, "object is too large"),
        archive::Error::Mismatch(_) => (Status::DATA_SET_DOES_NOT_MATCH, "data set does not match the command"),
        archive::Error::Denied => (Status::NOT_AUTHORIZED, "not allowed"),
        archive::Error::Invalid(_) => (Status::CANNOT_UNDERSTAND, "object cannot be understood"),
        archive::Error::NotFound => (Status::CANNOT_UNDERSTAND, "object refers to something unknown"),
    }
}

/// The status and comment of a C-FIND that the archive did not do.
pub(crate) fn of_find_error(error: &archive::Error) -> (Status, &'static str) {
    match error {
        archive::Error::Index(_) => (Status::OUT_OF_RESOURCES, "index is not available"),
        archive::Error::Objects(_) => (Status::OUT_OF_RESOURCES, "storage is not available"),
        archive::Error::Busy => (Status::OUT_OF_RESOURCES, "busy"),
        archive::Error::TooLarge { .. } => (Status::OUT_OF_RESOURCES, "query looks at too much, narrow it"),
        archive::Error::Mismatch(_) => (Status::DATA_SET_DOES_NOT_MATCH, "identifier does not match SOP class"),
        archive::Error::Denied => (Status::NOT_AUTHORIZED, "not allowed"),
        archive::Error::Invalid(_) | archive::Error::NotFound => (Status::CANNOT_UNDERSTAND, "unable to process"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{index, objects};

    #[test]
    fn every_error_of_the_archive_has_its_status() {
        let table = [
            (archive::Error::Index(index::Error::Damaged("instance")), 0xA700),
            (archive::Error::Objects(objects::Error::Missing), 0xA700),
            (archive::Error::Busy, 0xA700),
            (archive::Error::TooLarge { what: "object", limit: "1 byte".to_owned() }, 0xA700),
            (archive::Error::Mismatch("x".to_owned()), 0xA900),
            (archive::Error::Denied, 0x0124),
            (archive::Error::Invalid("x".to_owned()), 0xC000),
            (archive::Error::NotFound, 0xC000),
        ];
        for (error, expected) in table {
            let (status, comment) = of_store_error(&error);
            assert_eq!(status, Status(expected), "{error}");
            assert!(comment.is_ascii() && comment.len() <= 64);
        }
    }

    #[test]
    fn every_error_of_the_archive_has_its_status_for_queries() {
        let table = [
            (archive::Error::Index(index::Error::Damaged("study")), 0xA700),
            (archive::Error::Objects(objects::Error::Missing), 0xA700),
            (archive::Error::Busy, 0xA700),
            (archive::Error::TooLarge { what: "search", limit: "1 row".to_owned() }, 0xA700),
            (archive::Error::Mismatch("x".to_owned()), 0xA900),
            (archive::Error::Denied, 0x0124),
            (archive::Error::Invalid("x".to_owned()), 0xC000),
            (archive::Error::NotFound, 0xC000),
        ];
        for (error, expected) in table {
            let (status, comment) = of_find_error(&error);
            assert_eq!(status, Status(expected), "{error}");
            assert!(comment.is_ascii() && comment.len() <= 64);
        }
    }

    #[test]
    fn warnings_are_done_and_failures_are_not() {
        assert!(Status::SUCCESS.is_done() && Status(0xB007).is_done());
        assert!(!Status::OUT_OF_RESOURCES.is_done() && !Status::CANNOT_UNDERSTAND.is_done());
    }
}
