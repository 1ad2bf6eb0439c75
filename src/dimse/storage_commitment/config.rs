//! `[dicom.commitment]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Storage commitment, as provider and as user.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CommitmentConfig {
    /// Instances of one request that is taken; one with more is refused as a resource limitation. Default 20000.
    pub max_instances: usize,
    /// Longest data set of a request that is taken, in bytes. Default 8388608.
    pub max_request_bytes: usize,
    /// Requests that are checked and reported at the same time. Default 2.
    pub concurrency: u32,
    /// Instances of one request that we send; for more there are several. Default 1000.
    pub max_requested_instances: usize,
    /// Time that our association stays open for the peer's report, in milliseconds. Default 5000.
    pub wait_on_association_ms: u64,
    /// Time for the peer's report to come over an association of its own, in milliseconds. Default 300000.
    pub report_timeout_ms: u64,
}

impl Default for CommitmentConfig {
    fn default() -> Self {
        Self {
            max_instances: 20_000,
            max_request_bytes: 8 * 1024 * 1024,
            concurrency: 2,
            max_requested_instances: 1_000,
            wait_on_association_ms: 5_000,
            report_timeout_ms: 300_000,
        }
    }
}
