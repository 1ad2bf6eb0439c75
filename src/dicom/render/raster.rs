//! One frame as numbers: interleaved samples in little endian order, whatever the file had.

use std::borrow::Cow;

use super::Error;
use super::header::ImageHeader;
use crate::dicom::elements::Encoding;

/// What three samples mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColorSpace {
    /// One sample: grey or an index.
    Single,
    Rgb,
    /// YBR_FULL: luminance and chrominance over the full range.
    Ybr,
    /// YBR_FULL_422 uncompressed: Y Y Cb Cr for two pixels.
    Ybr422,
}

/// The samples of one frame.
#[derive(Debug)]
pub(super) struct Raster<'a> {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) samples: usize,
    pub(super) bits_allocated: u16,
    pub(super) bits_stored: u16,
    pub(super) high_bit: u16,
    pub(super) signed: bool,
    pub(super) float: bool,
    pub(super) planar: bool,
    pub(super) space: ColorSpace,
    pub(super) bytes: Cow<'a, [u8]>,
    /// Bits before the first sample, for frames of one bit a pixel that do not begin at a byte.
    pub(super) first_bit: usize,
}

impl<'a> Raster<'a> {
    /// A frame as it lies in an uncompressed file (or behind a codec that gives the same bytes).
    pub(super) fn native(header: &ImageHeader, bytes: &'a [u8], first_bit: usize) -> Result<Self, Error> {
        let space = match (header.samples, header.photometric.as_str()) {
            (1, _) => ColorSpace::Single,
            (_, "YBR_FULL") => ColorSpace::Ybr,
            (_, "YBR_FULL_422") if header.planar => ColorSpace::Ybr,
            (_, "YBR_FULL_422") => ColorSpace::Ybr422,
            (_, "RGB" | "YBR_ICT" | "YBR_RCT") => ColorSpace::Rgb,
            _ => return Err(Error::Unsupported("Photometric Interpretation")),
        };
        let float = header.pixels.tag.1 != 0x0010;
        if float && header.samples > 1 {
            return Err(Error::Unsupported("floating point colour"));
        }
        if space == ColorSpace::Ybr422 && !header.columns.is_multiple_of(2) {
            return Err(Error::Unsupported("YBR_FULL_422 with an odd number of Columns"));
        }
        let raster = Self {
            width: header.columns.into(),
            height: header.rows.into(),
            samples: header.samples.into(),
            bits_allocated: header.bits_allocated,
            bits_stored: header.bits_stored,
            high_bit: header.high_bit,
            signed: header.signed,
            float,
            planar: header.planar && header.samples > 1,
            space,
            bytes: in_little_endian(header, bytes),
            first_bit,
        };
        let needed = (first_bit as u64 + header.native_frame_bits()).div_ceil(8);
        if (raster.bytes.len() as u64) < needed {
            return Err(Error::Truncated);
        }
        Ok(raster)
    }

    /// Number of pixels.
    pub(super) fn pixels(&self) -> usize {
        self.width as usize * self.height as usize
    }

    /// The allocated bits of a sample; for floating point, their pattern.
    pub(super) fn raw(&self, index: usize) -> u64 {
        let b = &self.bytes;
        match self.bits_allocated {
            1 => {
                let bit = self.first_bit + index;
                u64::from(b[bit / 8] >> (bit % 8) & 1)
            }
            8 => u64::from(b[index]),
            16 => u64::from(u16::from_le_bytes([b[2 * index], b[2 * index + 1]])),
            32 => {
                let at = 4 * index;
                u64::from(u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]]))
            }
            _ => {
                let at = 8 * index;
                let quads = [b[at], b[at + 1], b[at + 2], b[at + 3], b[at + 4], b[at + 5], b[at + 6], b[at + 7]];
                u64::from_le_bytes(quads)
            }
        }
    }

    /// The stored value behind the allocated bits.
    pub(super) fn stored(&self, raw: u64) -> f64 {
        if self.float {
            return if self.bits_allocated == 32 { f64::from(f32::from_bits(raw as u32)) } else { f64::from_bits(raw) };
        }
        let bits = u32::from(self.bits_stored);
        let value = (raw >> (u32::from(self.high_bit) + 1 - bits)) & ((1u64 << bits) - 1);
        if self.signed && value >> (bits - 1) == 1 { value as f64 - (1u64 << bits) as f64 } else { value as f64 }
    }

    /// A sample of a colour image, 8 bits.
    pub(super) fn color_sample(&self, index: usize) -> u8 {
        let bits = u32::from(self.bits_stored);
        let value = (self.raw(index) >> (u32::from(self.high_bit) + 1 - bits)) & ((1u64 << bits) - 1);
        if bits >= 8 { (value >> (bits - 8)) as u8 } else { (value * 255 / ((1 << bits) - 1)) as u8 }
    }

    /// Whether a bit of a pixel is set, for overlays kept in unused bits.
    pub(super) fn is_bit_set(&self, index: usize, bit: u16) -> bool {
        index < self.pixels() && bit < self.bits_allocated && self.raw(index) >> bit & 1 == 1
    }
}

fn in_little_endian<'a>(header: &ImageHeader, bytes: &'a [u8]) -> Cow<'a, [u8]> {
    if Encoding::of_transfer_syntax(&header.transfer_syntax) != Encoding::ExplicitBig {
        return Cow::Borrowed(bytes);
    }
    let unit = match header.bits_allocated {
        1 | 8 if &header.pixels.vr == b"OB" => return Cow::Borrowed(bytes),
        1 | 8 | 16 => 2,
        32 => 4,
        _ => 8,
    };
    let mut swapped = bytes.to_vec();
    for chunk in swapped.chunks_exact_mut(unit) {
        chunk.reverse();
    }
    Cow::Owned(swapped)
}
