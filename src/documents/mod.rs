//! PDF and picture work: the QR stamp on reports, pictures wrapped into PDFs, lab reports composed, pictures of pages.
//!
//! Everything here is a pure function of bytes: the same input gives the same output, nothing is fetched or stored.
//! All of it may take long or panic inside a parser on a hostile file, so callers run it with
//! `tokio::task::spawn_blocking` behind a semaphore; panics are caught here and become errors.

pub mod clinical_document;
pub mod code128;
mod content;
pub mod fonts;
pub mod lab_sheet;
mod outline;
mod page;
pub mod picture;
pub mod qr;
pub mod raster;
pub mod stamp;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Section `[documents]`: limits of the work on report files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DocumentsConfig {
    /// Largest PDF that is stamped or shown as pictures, in bytes. Default 100 MiB.
    pub max_bytes: usize,
    /// Most pages of a PDF that is stamped or shown as pictures. Default 2000.
    pub max_pages: usize,
    /// Most bytes that one compressed stream of a PDF may unpack to, in bytes. Default 64 MiB.
    pub max_stream_bytes: usize,
    /// Most bytes that all object streams of a PDF together may unpack to, in bytes. Default 512 MiB.
    pub max_unpacked_bytes: usize,
    /// Most pixels of a page's picture. Default 16 million.
    pub max_pixels: u64,
    /// Most pixels of a picture inside a PDF that is drawn. Default 120 million, an A3 scan at 600 dpi.
    pub max_image_pixels: u64,
    /// Most pixels of all pages of a TIFF together. Default 3000 million, 85 A4 pages at 600 dpi.
    pub max_total_pixels: u64,
    /// How long a request waits for its turn, and as long again until a document is read or a page of it drawn, in
    /// milliseconds. A content that takes longer is not read or drawn again until the program starts again. Default 20 s.
    pub render_timeout_ms: u64,
    /// Documents stamped and composed at the same time; as many are read and as many drawn beside them, so that none of
    /// the three waits for the others. Default 2.
    pub concurrency: usize,
    /// Memory for page pictures that were made lately, in bytes. Default 64 MiB.
    pub picture_cache_bytes: u64,
    /// When lab reports are composed as documents: `on_request` (default), when somebody first looks, or
    /// `on_registration`, after each registration, so that printing machines never wait.
    pub compose_lab: ComposeLab,
}

/// When lab reports are composed as documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ComposeLab {
    /// When somebody first looks.
    #[default]
    OnRequest,
    /// After each registration.
    OnRegistration,
}

impl Default for DocumentsConfig {
    fn default() -> Self {
        Self {
            max_bytes: 100 * 1024 * 1024,
            max_pages: 2000,
            max_stream_bytes: 64 * 1024 * 1024,
            max_unpacked_bytes: 512 * 1024 * 1024,
            max_pixels: 16_000_000,
            max_image_pixels: 120_000_000,
            max_total_pixels: 3_000_000_000,
            render_timeout_ms: 20_000,
            concurrency: 2,
            picture_cache_bytes: 64 * 1024 * 1024,
            compose_lab: ComposeLab::OnRequest,
        }
    }
}

/// Runs a parser of foreign bytes; a panic inside becomes `None`.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).ok()
}
