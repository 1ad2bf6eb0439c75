//! `[dicomweb]`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::archive::images::image_access::ImageLimits;
use crate::archive::peers::find::{FindLimits, MAX_PAGE_ROWS};
use crate::archive::peers::send_data_set::SendConfig;
use crate::dicom::text::Charset;

/// Most that [`DicomwebConfig::max_results`] can be: an answer is written in memory.
const MOST_RESULTS: usize = 100_000;

/// DICOMweb: search, retrieval and storage over HTTP.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DicomwebConfig {
    /// Most matches of one search, 1 to 100000. Default 1000.
    pub max_results: usize,
    /// How much of the index one search may read; one that would read more is answered with 413.
    pub find: FindLimits,
    /// Most instances of one retrieval. Default 100000.
    pub max_instances: u32,
    /// Exams of a page session whose studies a search without a study looks at, the newest first. Default 500.
    pub session_exams: u32,
    /// Longest binary value that stands in metadata itself, in bytes; longer ones are given by address. Default 1024.
    pub inline_bulk_bytes: usize,
    /// Longest header of an object that is read into memory, in bytes. Default 67108864 (64 MiB).
    pub max_header_bytes: u64,
    /// Metadata and places of frames kept in memory, in bytes. Default 67108864 (64 MiB).
    pub cache_bytes: u64,
    /// Longest edge of a thumbnail, in pixels. Default 256.
    pub thumbnail_edge: u32,
    /// Longest edge of a rendered picture, in pixels. Default 4096.
    pub max_rendered_edge: u32,
    /// Retrievals that send at the same time; more wait. Default 64.
    pub max_concurrent_retrieves: usize,
    /// Store requests that are taken at the same time; more wait. Default 16.
    pub max_concurrent_stores: usize,
    /// Longest object that is stored, in bytes. Default 17179869184 (16 GiB).
    pub max_object_bytes: u64,
    /// Longest store request, in bytes. Default 68719476736 (64 GiB).
    pub max_store_bytes: u64,
    /// Most parts of a store request. Default 20000.
    pub max_store_parts: usize,
    /// Longest head of a part of a store request, in bytes. Default 8192.
    pub max_part_head_bytes: usize,
    /// How long a store request may pause, in milliseconds. Default 60000.
    pub store_idle_timeout_ms: u64,
    /// How long a store request may take, in milliseconds. Default 3600000 (1 hour).
    pub store_timeout_ms: u64,
    /// Whether private SOP classes are stored. Default true.
    pub accept_private_sop_classes: bool,
    /// Minutes in which the same reader's reading of a study is recorded once. Default 10.
    pub audit_minutes: u32,
    /// Conversion of objects that are wanted in another transfer syntax.
    pub send: SendConfig,
}

impl Default for DicomwebConfig {
    fn default() -> Self {
        Self {
            max_results: 1000,
            find: FindLimits::default(),
            max_instances: 100_000,
            session_exams: 500,
            inline_bulk_bytes: 1024,
            max_header_bytes: 64 << 20,
            cache_bytes: 64 << 20,
            thumbnail_edge: 256,
            max_rendered_edge: 4096,
            max_concurrent_retrieves: 64,
            max_concurrent_stores: 16,
            max_object_bytes: 16 << 30,
            max_store_bytes: 64 << 30,
            max_store_parts: 20_000,
            max_part_head_bytes: 8192,
            store_idle_timeout_ms: 60_000,
            store_timeout_ms: 3_600_000,
            accept_private_sop_classes: true,
            audit_minutes: 10,
            send: SendConfig::default(),
        }
    }
}

impl DicomwebConfig {
    /// What is wrong with the section, each with its key; empty when it is fit for use.
    pub fn faults(&self) -> Vec<(&'static str, &'static str)> {
        let at_least_one = "must be 1 at least";
        [
            ("dicomweb.max_results", !(1..=MOST_RESULTS).contains(&self.max_results), "must be 1 to 100000"),
            ("dicomweb.find.page_rows", !(1..=MAX_PAGE_ROWS).contains(&self.find.page_rows), "must be 1 to 5000"),
            ("dicomweb.find.max_examined_rows", self.find.max_examined_rows == 0, at_least_one),
            ("dicomweb.max_instances", self.max_instances == 0, at_least_one),
            ("dicomweb.thumbnail_edge", self.thumbnail_edge == 0, at_least_one),
            ("dicomweb.max_rendered_edge", self.max_rendered_edge == 0, at_least_one),
            ("dicomweb.max_store_parts", self.max_store_parts == 0, at_least_one),
            ("dicomweb.max_part_head_bytes", self.max_part_head_bytes == 0, at_least_one),
        ]
        .into_iter()
        .filter_map(|(key, is_wrong, message)| is_wrong.then_some((key, message)))
        .collect()
    }

    pub(super) fn limits(&self, default_charset: Charset) -> ImageLimits {
        ImageLimits {
            max_instances: self.max_instances,
            max_header_bytes: self.max_header_bytes,
            inline_bytes: self.inline_bulk_bytes,
            cache_bytes: self.cache_bytes,
            audit_span: Duration::from_secs(u64::from(self.audit_minutes) * 60),
            default_charset,
            session_exams: self.session_exams,
        }
    }
}
