//! Decoding one compressed frame: RLE by ourselves (PS3.5 annex G), the rest by the codecs of the registry.
//!
//! A codec sees one frame whose size was read from its own codestream and held against the limits. A codec that
//! panics over damaged bytes gives an error.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;

use dicom_encoding::adapters::{PixelDataObject, RawPixelData};
use dicom_encoding::transfer_syntax::TransferSyntaxIndex;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;

use super::codestream::{self, Codestream, Kind};
use super::header::{ImageHeader, inflate};
use super::raster::{ColorSpace, Raster};
use super::{Error, RenderConfig, color, extended_jpeg, jpeg_xl};

const RLE_LOSSLESS: &str = "1.2.840.10008.1.2.5";
const ENCAPSULATED_UNCOMPRESSED: &str = "1.2.840.10008.1.2.1.98";
const DEFLATED_IMAGE_FRAME: &str = "1.2.840.10008.1.2.8.1";
const SPECTRAL_SELECTION: &str = "1.2.840.10008.1.2.4.53";
const FULL_PROGRESSION: &str = "1.2.840.10008.1.2.4.55";

/// Most tiles, precincts and code-blocks of a JPEG 2000 frame: its decoder allocates for each of them.
const MOST_PARTS: u64 = 1 << 20;
/// Bytes that one byte of run lengths can stand for.
const MOST_RLE_GAIN: usize = 64;
/// Pixels that one byte of a JPEG with losses can stand for: a bit for each block of 64, in its scan of averages.
const MOST_DCT_GAIN: u64 = 512;
/// Scans of a JPEG of 8 bits: each is a walk over all of its blocks, however few bytes it has.
const MOST_SCANS: usize = 256;
/// Bytes behind the end of a frame, as fragments are padded.
const MOST_PADDING: usize = 64;
/// Samples that one byte of JPEG Lossless can stand for: a bit for each.
const MOST_LOSSLESS_GAIN: u64 = 8;

/// Whether there is a decoder for frames of this transfer syntax; not all kinds of its frames need be known to it.
pub fn is_decodable(uid: &str) -> bool {
    let own = [RLE_LOSSLESS, ENCAPSULATED_UNCOMPRESSED, DEFLATED_IMAGE_FRAME, SPECTRAL_SELECTION, FULL_PROGRESSION];
    own.contains(&uid)
        || jpeg_xl::is_transfer_syntax(uid)
        || TransferSyntaxRegistry.get(uid).is_some_and(|syntax| syntax.pixel_data_reader().is_some())
}

/// Decodes the bytes of one frame.
pub(super) fn decode(header: &ImageHeader, frame: Vec<u8>, config: &RenderConfig) -> Result<Raster<'static>, Error> {
    let frame = match header.transfer_syntax.as_str() {
        RLE_LOSSLESS => run_lengths(header, &frame)?,
        ENCAPSULATED_UNCOMPRESSED => frame,
        DEFLATED_IMAGE_FRAME => inflate(&frame, header.native_frame_bits().div_ceil(8)),
        uid if jpeg_xl::is_transfer_syntax(uid) => return jpeg_xl::decode(header, &frame, config),
        _ => return by_codec(header, frame, config),
    };
    let mut plain = header.clone();
    if header.transfer_syntax == RLE_LOSSLESS {
        plain.planar = false;
        if plain.photometric == "YBR_FULL_422" {
            plain.photometric = "YBR_FULL".to_owned();
        }
    }
    let raster = Raster::native(&plain, &frame, 0)?;
    let bytes = Cow::Owned(raster.bytes.into_owned());
    Ok(Raster { bytes, ..raster })
}

fn by_codec(header: &ImageHeader, frame: Vec<u8>, config: &RenderConfig) -> Result<Raster<'static>, Error> {
    let stream = Codestream::read(&frame);
    let uid = match (header.transfer_syntax.as_str(), stream) {
        // Retired processes of JPEG; the codec of the sequential one reads them too.
        (SPECTRAL_SELECTION | FULL_PROGRESSION, Some(stream)) => stream.kind.transfer_syntax(),
        // Fragments under a transfer syntax without compression: some converters forget to change it.
        ("1.2.840.10008.1.2" | "1.2.840.10008.1.2.1", Some(stream)) => stream.kind.transfer_syntax(),
        (uid, _) => uid,
    };
    let unsupported = || Error::UnsupportedTransferSyntax { uid: uid.to_owned() };
    let codec =
        TransferSyntaxRegistry.get(uid).and_then(|syntax| syntax.pixel_data_reader()).ok_or_else(unsupported)?;
    let failed = |reason: String| Error::Codec { transfer_syntax: uid.to_owned(), reason };
    let stream = stream.ok_or_else(|| failed("no codestream".to_owned()))?;
    let pixels = u64::from(stream.width) * u64::from(stream.height);
    config.check_pixels(pixels)?;
    let gain = match stream.kind {
        Kind::JpegDct => MOST_DCT_GAIN,
        Kind::JpegLossless => MOST_LOSSLESS_GAIN,
        Kind::JpegLs { .. } | Kind::Jpeg2000 { .. } => u64::MAX,
    };
    if pixels > (frame.len() as u64).saturating_mul(gain) {
        return Err(failed("the codestream is too short for its size".to_owned()));
    }
    if stream.parts > MOST_PARTS {
        return Err(Error::TooLarge { what: "tiles, precincts and code-blocks", limit: MOST_PARTS });
    }
    let is_rgb = match stream.adobe {
        Some(transform) => transform == 0,
        None => header.photometric == "RGB",
    };
    let is_twelve_bits = stream.kind == Kind::JpegDct && stream.precision == extended_jpeg::PRECISION;
    if is_twelve_bits && [1, 3].contains(&stream.components) {
        return extended(header, &stream, &frame, is_rgb, config);
    }
    let deep = stream.kind == Kind::JpegDct && stream.precision != 8;
    if deep || stream.precision > 16 || stream.subsampled || ![1, 3].contains(&stream.components) {
        return Err(unsupported());
    }
    if stream.kind == Kind::JpegDct && codestream::scans(&frame).take(MOST_SCANS + 1).count() > MOST_SCANS {
        return Err(Error::TooLarge { what: "scans", limit: MOST_SCANS as u64 });
    }
    let recolored = stream.kind == Kind::JpegDct && stream.components == 3;
    let frame = match stream.kind {
        _ if recolored => stream.with_color_names(&frame, is_rgb),
        Kind::JpegLs { .. } => with_end(frame),
        _ => frame,
    };
    // The decoder of JPEG Lossless gives bytes for exactly 8 bits, words for fewer as for more.
    let wide = stream.precision > 8 || (stream.kind == Kind::JpegLossless && stream.precision != 8);
    let source = OneFrame { header, stream, wide, frame };
    let mut bytes = Vec::new();
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| codec.decode_frame(&source, 0, &mut bytes)));
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(failed(error.to_string())),
        Err(_) => return Err(failed("the decoder gave up".to_owned())),
    }
    let samples = usize::from(stream.components);
    let pixels = stream.width as usize * stream.height as usize;
    if bytes.len() < pixels * samples * (1 + usize::from(wide)) {
        return Err(failed("the codestream is incomplete".to_owned()));
    }
    Ok(Raster {
        width: stream.width,
        height: stream.height,
        samples,
        bits_allocated: if wide { 16 } else { 8 },
        bits_stored: stream.precision,
        high_bit: stream.precision - 1,
        signed: header.signed && samples == 1,
        float: false,
        planar: stream.kind == Kind::JpegLs { planar: true },
        space: space(header, &stream),
        bytes: Cow::Owned(bytes),
        first_bit: 0,
    })
}

/// A frame of JPEG-LS that was cut off gets its end back: the decoder stops there and says so. Without one it goes on for
/// thousands of times as long as a whole frame takes.
fn with_end(mut frame: Vec<u8>) -> Vec<u8> {
    const END: [u8; 2] = [0xFF, 0xD9];
    let tail = &frame[frame.len().saturating_sub(MOST_PADDING)..];
    if !tail.windows(2).any(|pair| pair == END) {
        frame.extend(END);
    }
    frame
}

/// JPEG with losses and 12 bits. Its colours come out as the header declares them, whichever the codestream holds.
fn extended(
    header: &ImageHeader,
    stream: &Codestream,
    frame: &[u8],
    is_rgb: bool,
    config: &RenderConfig,
) -> Result<Raster<'static>, Error> {
    let coefficient_bytes = u64::from(stream.width) * u64::from(stream.height) * u64::from(stream.components) * 2;
    if coefficient_bytes > config.max_object_bytes {
        return Err(Error::TooLarge { what: "bytes of coefficients", limit: config.max_object_bytes });
    }
    let failed = |reason: &str| {
        let (transfer_syntax, reason) = (header.transfer_syntax.clone(), reason.to_owned());
        Error::Codec { transfer_syntax, reason }
    };
    let shape = (stream.width, stream.height, stream.components);
    let bytes = extended_jpeg::decode(frame, shape).map_err(failed)?;
    let declares_ybr = header.photometric.starts_with("YBR_FULL");
    let (space, bytes) = match stream.components {
        1 => (ColorSpace::Single, bytes),
        _ if is_rgb && declares_ybr => {
            (ColorSpace::Ybr, color::convert_words(bytes, extended_jpeg::PRECISION, color::ybr))
        }
        _ if is_rgb => (ColorSpace::Rgb, bytes),
        _ if declares_ybr => (ColorSpace::Ybr, bytes),
        _ => (ColorSpace::Rgb, color::convert_words(bytes, extended_jpeg::PRECISION, color::rgb)),
    };
    Ok(Raster {
        width: stream.width,
        height: stream.height,
        samples: usize::from(stream.components),
        bits_allocated: 16,
        bits_stored: extended_jpeg::PRECISION,
        high_bit: extended_jpeg::PRECISION - 1,
        signed: header.signed && stream.components == 1,
        float: false,
        planar: false,
        space,
        bytes: Cow::Owned(bytes),
        first_bit: 0,
    })
}

fn space(header: &ImageHeader, stream: &Codestream) -> ColorSpace {
    let ybr = header.photometric.starts_with("YBR_FULL");
    match stream.kind {
        _ if stream.components == 1 => ColorSpace::Single,
        Kind::JpegLossless | Kind::JpegLs { .. } | Kind::Jpeg2000 { color_transform: false } if ybr => ColorSpace::Ybr,
        _ => ColorSpace::Rgb,
    }
}

/// Undoes the run lengths of annex G; the result has interleaved samples in little endian order.
fn run_lengths(header: &ImageHeader, fragment: &[u8]) -> Result<Vec<u8>, Error> {
    let damaged = || Error::Codec { transfer_syntax: RLE_LOSSLESS.to_owned(), reason: "damaged segments".to_owned() };
    let word = |at: usize| {
        let b = fragment.get(at..at + 4)?;
        Some(u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize)
    };
    let samples = usize::from(header.samples);
    let sample_bytes = usize::from(header.bits_allocated).div_ceil(8);
    let count = word(0).ok_or_else(damaged)?;
    if count != samples * sample_bytes || count > 15 {
        return Err(damaged());
    }
    let pixels = usize::from(header.rows) * usize::from(header.columns);
    let plane = if header.bits_allocated == 1 { pixels.div_ceil(8) } else { pixels };
    // Two bytes give 128 at most, so a fragment that promises more is refused before anything is allocated for it.
    if fragment.len().saturating_mul(MOST_RLE_GAIN) < plane * count {
        return Err(damaged());
    }
    let mut bytes = vec![0; plane * count];
    for segment in 0..count {
        let start = word(4 + 4 * segment).ok_or_else(damaged)?;
        let end = if segment + 1 < count { word(8 + 4 * segment).ok_or_else(damaged)? } else { fragment.len() };
        let packed = fragment.get(start..end).ok_or_else(damaged)?;
        // Segments go from the highest byte of a sample to its lowest.
        let (sample, byte) = (segment / sample_bytes, sample_bytes - 1 - segment % sample_bytes);
        let places = bytes.iter_mut().skip(sample * sample_bytes + byte).step_by(count);
        if !unpack(packed, places) {
            return Err(damaged());
        }
    }
    Ok(bytes)
}

/// Fills all places; `false` when the packed bytes end too early.
fn unpack<'a>(packed: &[u8], mut places: impl ExactSizeIterator<Item = &'a mut u8>) -> bool {
    let mut at = 0;
    while places.len() > 0 {
        let Some(&control) = packed.get(at) else { return false };
        at += 1;
        match control {
            0..=127 => {
                let Some(run) = packed.get(at..at + usize::from(control) + 1) else { return false };
                at += run.len();
                run.iter().zip(places.by_ref()).for_each(|(byte, place)| *place = *byte);
            }
            128 => {}
            129..=255 => {
                let Some(&byte) = packed.get(at) else { return false };
                at += 1;
                places.by_ref().take(257 - usize::from(control)).for_each(|place| *place = byte);
            }
        }
    }
    true
}

/// One frame as the codecs want to see an object.
struct OneFrame<'a> {
    header: &'a ImageHeader,
    stream: Codestream,
    wide: bool,
    frame: Vec<u8>,
}

impl PixelDataObject for OneFrame<'_> {
    fn transfer_syntax_uid(&self) -> &str {
        &self.header.transfer_syntax
    }

    fn rows(&self) -> Option<u16> {
        u16::try_from(self.stream.height).ok()
    }

    fn cols(&self) -> Option<u16> {
        u16::try_from(self.stream.width).ok()
    }

    fn samples_per_pixel(&self) -> Option<u16> {
        Some(self.stream.components)
    }

    fn bits_allocated(&self) -> Option<u16> {
        Some(if self.wide { 16 } else { 8 })
    }

    fn bits_stored(&self) -> Option<u16> {
        Some(self.stream.precision)
    }

    fn photometric_interpretation(&self) -> Option<&str> {
        Some(&self.header.photometric)
    }

    fn number_of_frames(&self) -> Option<u32> {
        Some(1)
    }

    fn number_of_fragments(&self) -> Option<u32> {
        Some(1)
    }

    fn fragment(&self, fragment: usize) -> Option<Cow<'_, [u8]>> {
        (fragment == 0).then_some(Cow::Borrowed(&self.frame))
    }

    fn offset_table(&self) -> Option<Cow<'_, [u32]>> {
        None
    }

    fn raw_pixel_data(&self) -> Option<RawPixelData> {
        let fragments = std::iter::once(self.frame.clone()).collect();
        Some(RawPixelData { fragments, offset_table: std::iter::empty().collect() })
    }
}
