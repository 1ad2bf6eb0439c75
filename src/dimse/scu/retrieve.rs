//! What C-MOVE and C-GET have in common: limits and counts of sub-operations.

use std::time::Duration;

use crate::dimse::message::Command;
use crate::dimse::status::Status;

const COMPLETED: u16 = 0x1021;
const FAILED: u16 = 0x1022;
const WARNING: u16 = 0x1023;

/// What a retrieval may cost.
#[derive(Debug, Clone, Copy)]
pub struct RetrieveLimits {
    /// Longest silence of the peer.
    pub silence: Duration,
    /// The whole operation.
    pub whole: Duration,
    /// Messages from the peer: responses and objects.
    pub max_messages: usize,
    /// Bytes of an identifier that comes with a response.
    pub max_identifier_bytes: usize,
    /// Bytes of one object.
    pub max_object_bytes: u64,
}

/// What the peer says of its sub-operations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SubOperations {
    /// Objects that went well.
    pub completed: u64,
    /// Objects that did not.
    pub failed: u64,
    /// Objects that went well with a warning.
    pub warning: u64,
}

impl SubOperations {
    /// The counts of a response; those that it leaves out stay.
    pub(super) fn or(self, response: &Command) -> Self {
        let count = |element, before| response.number(element).map_or(before, u64::from);
        Self {
            completed: count(COMPLETED, self.completed),
            failed: count(FAILED, self.failed),
            warning: count(WARNING, self.warning),
        }
    }

    /// Objects that the peer says it has sent.
    pub fn sent(self) -> u64 {
        self.completed + self.warning
    }
}

/// How a retrieval ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retrieved {
    /// The last status: success, B000H when some sub-operations failed, or why nothing was done.
    pub status: Status,
    /// The peer's Error Comment, often empty.
    pub comment: String,
    /// What it says of its sub-operations.
    pub counts: SubOperations,
}
