//! JPEG XL (ISO/IEC 18181; 1.2.840.10008.1.2.4.110 to .112), which the registry's codecs do not read here.
//!
//! The size is read and compared before anything is allocated for it, and the decoder works within a limit of memory.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;

use jxl_oxide::{AllocTracker, InitializeResult, JxlImage, JxlThreadPool};

use super::header::ImageHeader;
use super::raster::{ColorSpace, Raster};
use super::{Error, RenderConfig};

/// Bytes of working memory for each sample, and what a small image needs in any case.
const BYTES_PER_SAMPLE: usize = 24;
const LEAST_BYTES: usize = 64 << 20;

/// Whether the transfer syntax is one of JPEG XL.
pub(super) fn is_transfer_syntax(uid: &str) -> bool {
    matches!(uid, "1.2.840.10008.1.2.4.110" | "1.2.840.10008.1.2.4.111" | "1.2.840.10008.1.2.4.112")
}

/// Decodes a frame; its size must be the header's.
pub(super) fn decode(header: &ImageHeader, frame: &[u8], config: &RenderConfig) -> Result<Raster<'static>, Error> {
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| samples(header, frame, config)));
    outcome.unwrap_or_else(|_| Err(failed(header, "the decoder gave up".to_owned())))
}

fn failed(header: &ImageHeader, reason: String) -> Error {
    Error::Codec { transfer_syntax: header.transfer_syntax.clone(), reason }
}

fn samples(header: &ImageHeader, frame: &[u8], config: &RenderConfig) -> Result<Raster<'static>, Error> {
    let damaged = |error: &dyn std::fmt::Display| failed(header, error.to_string());
    let pixels = usize::from(header.rows) * usize::from(header.columns);
    config.check_pixels(pixels as u64)?;
    let limit = (pixels * usize::from(header.samples)).saturating_mul(BYTES_PER_SAMPLE).saturating_add(LEAST_BYTES);
    let builder = JxlImage::builder().pool(JxlThreadPool::none()).alloc_tracker(AllocTracker::with_limit(limit));
    let mut opened = builder.build_uninit();
    opened.feed_bytes(frame).map_err(|error| damaged(&error))?;
    let InitializeResult::Initialized(image) = opened.try_init().map_err(|error| damaged(&error))? else {
        return Err(failed(header, "the codestream ends too early".to_owned()));
    };
    if (image.width(), image.height()) != (u32::from(header.columns), u32::from(header.rows)) {
        return Err(failed(header, "its size is not that of the image".to_owned()));
    }
    let bits = image.image_header().metadata.bit_depth.bits_per_sample();
    let drawn = image.render_frame(0).map_err(|error| damaged(&error))?;
    let mut stream = drawn.stream_no_alpha();
    let channels = stream.channels();
    if ![1, 3].contains(&channels) || channels != u32::from(header.samples) || !(1..=16).contains(&bits) {
        return Err(Error::UnsupportedTransferSyntax { uid: header.transfer_syntax.clone() });
    }
    let mut levels = vec![0.0_f32; pixels * channels as usize];
    if stream.write_to_buffer(&mut levels) != levels.len() {
        return Err(failed(header, "the codestream is incomplete".to_owned()));
    }
    let highest = ((1_u32 << bits) - 1) as f32;
    let whole = |level: &f32| (level * highest).round().clamp(0.0, highest) as u16;
    let bytes = if bits > 8 {
        levels.iter().flat_map(|level| whole(level).to_le_bytes()).collect()
    } else {
        levels.iter().map(|level| whole(level) as u8).collect()
    };
    Ok(Raster {
        width: header.columns.into(),
        height: header.rows.into(),
        samples: channels as usize,
        bits_allocated: if bits > 8 { 16 } else { 8 },
        bits_stored: bits as u16,
        high_bit: bits as u16 - 1,
        signed: header.signed && channels == 1,
        float: false,
        planar: false,
        space: if channels == 1 { ColorSpace::Single } else { ColorSpace::Rgb },
        bytes: Cow::Owned(bytes),
        first_bit: 0,
    })
}
