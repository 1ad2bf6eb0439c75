//! Words of storage commitment (PS3.4 annex J).

use serde::{Deserialize, Serialize};

/// An instance that commitment is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReferencedInstance {
    /// (0008,1150).
    pub sop_class_uid: String,
    /// (0008,1155).
    pub sop_instance_uid: String,
}

/// Why an instance is not committed; the number is the Failure Reason (0008,1197) of PS3.3 section C.14.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitmentFailure {
    /// Its content cannot be read, or is not what was acknowledged.
    ProcessingFailure,
    /// It is not here.
    NoSuchInstance,
    /// It is here, but of another SOP class.
    ClassInstanceConflict,
}

impl CommitmentFailure {
    /// The Failure Reason.
    pub fn reason(self) -> u16 {
        match self {
            CommitmentFailure::ProcessingFailure => 0x0110,
            CommitmentFailure::NoSuchInstance => 0x0112,
            CommitmentFailure::ClassInstanceConflict => 0x0119,
        }
    }
}
