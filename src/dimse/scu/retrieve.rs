//! What C-MOVE and C-GET have in common: limits, and how they end.

use std::time::Duration;

use crate::dimse::message::SubOperationCounts;
use crate::dimse::status::Status;

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

/// How a retrieval ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retrieved {
    /// The last status: success, B000H when some sub-operations failed, or why nothing was done.
    pub status: Status,
    /// The peer's Error Comment, often empty.
    pub comment: String,
    /// What it says of its sub-operations.
    pub counts: SubOperationCounts,
}
