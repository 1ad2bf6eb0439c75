//! `[api]`: limits of the interfaces by which systems pull reports.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `/api/v1` and `/fhir`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApiConfig {
    /// Reports or changes in an answer when the caller does not say. Default 100.
    pub page_size: u32,
    /// Most reports or changes in an answer. Default 1000.
    pub max_page_size: u32,
    /// Longest wait for a change, in milliseconds. Default 30000; must be shorter than `http.request_timeout_ms`.
    pub max_wait_ms: u64,
    /// How often changes are looked for while a follower waits, in milliseconds. Default 250.
    pub look_every_ms: u64,
    /// Followers that wait at the same time; more are answered at once. Default 64.
    pub max_waiting: usize,
    /// Requests that are worked on at the same time; more wait. Default 32.
    pub max_concurrent: usize,
    /// Exports that run at the same time; more are refused. Default 4.
    pub max_exports: usize,
    /// Most reports in one zip archive; it says where the next one begins. Default 20000.
    pub max_zip_reports: usize,
    /// Longest window of an export and of a list that names no patient, in days. Default 1096.
    pub max_span_days: i64,
    /// Largest request body, in bytes. Default 64 KiB.
    pub max_body_bytes: usize,
    /// How often changes get their positions when nobody follows, in milliseconds. Default 1000.
    pub sequence_every_ms: u64,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            page_size: 100,
            max_page_size: 1000,
            max_wait_ms: 30_000,
            look_every_ms: 250,
            max_waiting: 64,
            max_concurrent: 32,
            max_exports: 4,
            max_zip_reports: 20_000,
            max_span_days: 1096,
            max_body_bytes: 64 * 1024,
            sequence_every_ms: 1000,
        }
    }
}

impl ApiConfig {
    /// What is wrong with the section, each with its key; empty when it is fit for use.
    pub fn faults(&self) -> Vec<(&'static str, &'static str)> {
        let zeros = [
            ("api.page_size", self.page_size == 0),
            ("api.max_page_size", self.max_page_size == 0 || self.max_page_size > 10_000),
            ("api.max_body_bytes", self.max_body_bytes == 0),
            ("api.look_every_ms", self.look_every_ms == 0),
            ("api.max_concurrent", self.max_concurrent == 0),
            ("api.max_zip_reports", self.max_zip_reports == 0),
            ("api.sequence_every_ms", self.sequence_every_ms == 0),
        ];
        zeros
            .into_iter()
            .filter(|(_, zero)| *zero)
            .map(|(key, _)| (key, "must be 1 at least, pages 10000 at most"))
            .collect()
    }
}
