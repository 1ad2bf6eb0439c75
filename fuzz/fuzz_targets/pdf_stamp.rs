//! Whatever is stamped: no crash, no endless work, and a stamped file is a PDF again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use yingku::documents::DocumentsConfig;
use yingku::documents::stamp::{StampPolicy, stamp_pdf};

fuzz_target!(|original: &[u8]| {
    let policy = StampPolicy {
        owner_locked: true,
        ..StampPolicy::new("https://reports.example.test/q/abcdefghijklmnopqrstuvwxyz")
    };
    let limits = DocumentsConfig {
        max_stream_bytes: 1024 * 1024,
        max_unpacked_bytes: 8 * 1024 * 1024,
        ..DocumentsConfig::default()
    };
    if let Ok(stamped) = stamp_pdf(original, &policy, &limits) {
        assert!(stamped.bytes.starts_with(b"%PDF-"));
        assert!(stamped.page_count > 0);
    }
});
