//! Whatever is sent as a picture of a report: no crash, no endless work, and what comes out is a PDF within the limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yingku::documents::DocumentsConfig;
use yingku::documents::picture::{PictureFormat, wrap_picture};
use yingku::documents::stamp::StampPolicy;

const FORMATS: [PictureFormat; 3] = [PictureFormat::Jpeg, PictureFormat::Png, PictureFormat::Tiff];

fuzz_target!(|input: &[u8]| {
    let [choice, picture @ ..] = input else { return };
    let policy = StampPolicy::new("https://reports.example.test/q/abcdefghijklmnopqrstuvwxyz");
    let limits = DocumentsConfig {
        max_pages: 4,
        max_stream_bytes: 1 << 20,
        max_unpacked_bytes: 8 << 20,
        max_image_pixels: 1 << 18,
        max_total_pixels: 1 << 19,
        ..DocumentsConfig::default()
    };
    let format = FORMATS[usize::from(choice % 3)];
    let policy = (choice & 0x80 == 0).then_some(&policy);
    if let Ok(wrapped) = wrap_picture(picture, format, policy, &limits) {
        assert!(wrapped.bytes.starts_with(b"%PDF-"));
        assert!((1..=limits.max_pages).contains(&wrapped.page_count));
    }
});
