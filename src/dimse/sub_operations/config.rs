//! `[dicom.retrieve]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::archive::peers::send_data_set::SendConfig;

/// Giving objects out by C-MOVE and C-GET.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SubOperationConfig {
    /// Instances of one retrieval; one that means more is refused (A701H). Default 100000.
    pub max_instances: usize,
    /// Longest identifier of a request, in bytes. Default 1048576.
    pub max_identifier_bytes: usize,
    /// Associations to the destination that one C-MOVE opens at the same time. Default 4.
    pub associations_per_move: usize,
    /// Instances for each further association of a C-MOVE; few instances go over one. Default 8.
    pub instances_per_association: usize,
    /// Times that a broken association of a C-MOVE is opened again; the instance that was on its way goes once more. Default 2.
    pub reconnects: u32,
    /// How often the caller hears how far it is (pending responses), in milliseconds. Default 1000.
    pub pending_interval_ms: u64,
    /// Objects of a C-GET that are read or converted ahead. Default 4.
    pub read_ahead: usize,
    /// Longest silence of the caller's side while a sub-operation of a C-GET is answered, in milliseconds. Default 120000.
    pub answer_timeout_ms: u64,
    /// How objects are read and converted.
    pub send: SendConfig,
}

impl Default for SubOperationConfig {
    fn default() -> Self {
        Self {
            max_instances: 100_000,
            max_identifier_bytes: 1024 * 1024,
            associations_per_move: 4,
            instances_per_association: 8,
            reconnects: 2,
            pending_interval_ms: 1_000,
            read_ahead: 4,
            answer_timeout_ms: 120_000,
            send: SendConfig::default(),
        }
    }
}
