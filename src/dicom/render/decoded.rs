//! One compressed frame as the uncompressed pixel data that would stand in its place (PS3.5 section 8.2): for receivers
//! that cannot decompress. What the samples mean may change with it; the header must follow.

use super::header::ImageHeader;
use super::raster::ColorSpace;
use super::{Error, RenderConfig, color, compressed};

/// An uncompressed frame: little endian, samples of a pixel side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodedFrame {
    /// The pixels.
    pub bytes: Vec<u8>,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Samples per Pixel.
    pub samples: u16,
    /// Bits Allocated.
    pub bits_allocated: u16,
    /// Bits Stored.
    pub bits_stored: u16,
    /// High Bit.
    pub high_bit: u16,
    /// Photometric Interpretation, where decoding changed it.
    pub photometric: Option<&'static str>,
}

impl DecodedFrame {
    /// The pixels as the header says of them, for a reader that has the header beside them (PS3.18 section 8.7.3.3.2).
    ///
    /// Decoders of JPEG give RGB, of 8 bits: it becomes what is declared again. That JPEG 2000 gives RGB where YBR_RCT or YBR_ICT
    /// is declared is what readers expect. Any other change of colours is [`Error::Unsupported`].
    pub fn as_described(self, header: &ImageHeader) -> Result<Vec<u8>, Error> {
        if self.bits_allocated != header.bits_allocated {
            return Err(Error::Unsupported("Bits Allocated"));
        }
        let declared = header.photometric.as_str();
        let (samples, unit) = (usize::from(self.samples), usize::from(self.bits_allocated / 8));
        let in_bytes = self.bits_allocated == 8 && samples == 3;
        let in_words = self.bits_allocated == 16 && samples == 3;
        let bytes = match (self.photometric, declared) {
            (None, _) | (Some("RGB"), "RGB" | "YBR_RCT" | "YBR_ICT") => self.bytes,
            (Some(now), declared) if now == declared => self.bytes,
            (Some("RGB"), "YBR_FULL") if in_bytes => color::ybr_full(self.bytes),
            (Some("RGB"), "YBR_FULL_422") if in_bytes && self.width.is_multiple_of(2) => {
                return Ok(color::halved(&color::ybr_full(self.bytes)));
            }
            (Some("YBR_FULL"), "YBR_FULL_422") if in_bytes && self.width.is_multiple_of(2) => {
                return Ok(color::halved(&self.bytes));
            }
            (Some("YBR_FULL"), "YBR_FULL_422") if in_words && self.width.is_multiple_of(2) => {
                return Ok(color::halved_words(&self.bytes));
            }
            _ => return Err(Error::Unsupported("Photometric Interpretation")),
        };
        if !header.planar || samples < 2 || declared == "YBR_FULL_422" {
            return Ok(bytes);
        }
        let pixels = self.width as usize * self.height as usize;
        let mut planes = Vec::with_capacity(bytes.len());
        for sample in 0..samples {
            for pixel in 0..pixels {
                let at = (pixel * samples + sample) * unit;
                planes.extend_from_slice(&bytes[at..at + unit]);
            }
        }
        Ok(planes)
    }
}

/// Decodes the bytes of one frame of an object with this header.
pub fn uncompressed_frame(header: &ImageHeader, frame: Vec<u8>, config: &RenderConfig) -> Result<DecodedFrame, Error> {
    config.check_pixels(u64::from(header.rows) * u64::from(header.columns))?;
    let raster = compressed::decode(header, frame, config)?;
    if raster.width != u32::from(header.columns) || raster.height != u32::from(header.rows) {
        return Err(Error::Unsupported("Rows and Columns, unlike its compressed frame,"));
    }
    if raster.samples != usize::from(header.samples) {
        return Err(Error::Unsupported("Samples per Pixel, unlike its compressed frame,"));
    }
    let photometric = match raster.space {
        ColorSpace::Single => None,
        ColorSpace::Rgb => Some("RGB"),
        ColorSpace::Ybr => Some("YBR_FULL"),
        ColorSpace::Ybr422 => Some("YBR_FULL_422"),
    };
    let (bits_allocated, bits_stored, high_bit) = match (header.bits_allocated, raster.bits_allocated) {
        (declared, decoded) if declared == decoded => (declared, header.bits_stored, header.high_bit),
        (16, 8) => (16, header.bits_stored, header.high_bit),
        (8, 16) if raster.bits_stored <= 8 => (8, header.bits_stored, header.high_bit),
        (8, 16) => (16, raster.bits_stored, raster.high_bit),
        _ => return Err(Error::Unsupported("Bits Allocated")),
    };
    let pixels = raster.width as usize * raster.height as usize;
    let plain = raster.bytes.into_owned();
    let plain = if raster.planar && raster.samples > 1 {
        interleaved(&plain, pixels, raster.samples, usize::from(raster.bits_allocated / 8))
    } else {
        plain
    };
    let mut bytes = match (raster.bits_allocated, bits_allocated) {
        (8, 16) => plain.iter().flat_map(|byte| [*byte, 0]).collect(),
        (16, 8) => plain.iter().copied().step_by(2).collect(),
        _ => plain,
    };
    if raster.signed && bits_allocated <= 16 && raster.bits_stored < bits_allocated {
        extend_sign(&mut bytes, raster.bits_stored, bits_allocated);
    }
    Ok(DecodedFrame {
        bytes,
        width: raster.width,
        height: raster.height,
        samples: header.samples,
        bits_allocated,
        bits_stored,
        high_bit,
        photometric,
    })
}

/// Planes of samples as pixels; the trailing bytes of a longer input are left out.
fn interleaved(planes: &[u8], pixels: usize, samples: usize, sample_bytes: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(pixels * samples * sample_bytes);
    for pixel in 0..pixels {
        for sample in 0..samples {
            let at = (sample * pixels + pixel) * sample_bytes;
            out.extend_from_slice(&planes[at..at + sample_bytes]);
        }
    }
    out
}

/// Decoders give the bits of a negative number; as a number of all allocated bits its sign is repeated.
fn extend_sign(bytes: &mut [u8], bits: u16, allocated: u16) {
    let sign = 1_u16 << (bits - 1);
    let above = !((1_u32 << bits) - 1) as u16;
    if allocated == 8 {
        bytes.iter_mut().filter(|byte| u16::from(**byte) & sign != 0).for_each(|byte| *byte |= above as u8);
        return;
    }
    for pair in bytes.chunks_exact_mut(2) {
        let value = u16::from_le_bytes([pair[0], pair[1]]);
        if value & sign != 0 {
            pair.copy_from_slice(&(value | above).to_le_bytes());
        }
    }
}
