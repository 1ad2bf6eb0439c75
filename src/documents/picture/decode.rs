//! JPEG and PNG, packed for a PDF.

use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::PngDecoder;
use image::{DynamicImage, ImageDecoder};

use super::{Colors, Picture};
use crate::documents::DocumentsConfig;
use crate::documents::stamp::StampRefusal;

/// Most bytes that stand before a JPEG's frame header; thumbnails and colour profiles do.
const SEGMENTS: usize = 4096;

pub(super) fn damaged(error: impl std::fmt::Display) -> StampRefusal {
    StampRefusal::Damaged(error.to_string())
}

pub(super) fn check_size(width: u32, height: u32, limits: &DocumentsConfig) -> Result<(), StampRefusal> {
    let pixels = u64::from(width) * u64::from(height);
    match pixels {
        0 => Err(damaged("the picture is empty")),
        pixels if pixels > limits.max_image_pixels => Err(StampRefusal::TooLarge("documents.max_image_pixels")),
        _ => Ok(()),
    }
}

/// Packs rows as PDF's `FlateDecode` wants them.
pub(super) fn packed(rows: &[u8]) -> Result<Vec<u8>, StampRefusal> {
    let mut packer = ZlibEncoder::new(Vec::with_capacity(rows.len() / 8), Compression::new(6));
    packer.write_all(rows).map_err(damaged)?;
    packer.finish().map_err(damaged)
}

/// The bytes stay as they are.
pub(super) fn jpeg(bytes: &[u8], limits: &DocumentsConfig) -> Result<Picture, StampRefusal> {
    let mut decoder = JpegDecoder::new(Cursor::new(bytes)).map_err(damaged)?;
    let orientation = decoder.orientation().map_or(1, image::metadata::Orientation::to_exif);
    let frame = jpeg_frame(bytes).ok_or_else(|| damaged("no frame header"))?;
    check_size(frame.width, frame.height, limits)?;
    let colors = match (frame.components, frame.adobe) {
        (1, _) => Colors::Gray,
        (3, _) => Colors::Rgb,
        (4, false) => Colors::Cmyk,
        (4, true) => Colors::CmykInverted,
        _ => return Err(damaged("an unknown number of colours")),
    };
    if frame.bits != 8 {
        return Err(damaged("a JPEG of more than eight bits"));
    }
    Ok(Picture {
        width: frame.width,
        height: frame.height,
        colors,
        bits: 8,
        filter: "DCTDecode",
        data: bytes.to_vec(),
        orientation,
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Frame {
    width: u32,
    height: u32,
    bits: u8,
    components: u8,
    adobe: bool,
}

/// Walks the marker segments (ITU-T T.81 annex B) to the frame header.
fn jpeg_frame(bytes: &[u8]) -> Option<Frame> {
    let mut at = 2;
    let mut adobe = false;
    for _ in 0..SEGMENTS {
        while *bytes.get(at)? == 0xFF {
            at += 1;
        }
        let marker = *bytes.get(at)?;
        let length = usize::from(u16::from_be_bytes([*bytes.get(at + 1)?, *bytes.get(at + 2)?]));
        let body = bytes.get(at + 3..at + 1 + length)?;
        match marker {
            // Arithmetic and lossless frames are no `DCTDecode`.
            0xC0..=0xC2 => {
                let &[bits, h1, h2, w1, w2, components, ..] = body else { return None };
                let (width, height) = (u16::from_be_bytes([w1, w2]).into(), u16::from_be_bytes([h1, h2]).into());
                return Some(Frame { width, height, bits, components, adobe });
            }
            0xDA | 0xD9 => return None,
            0xEE => adobe |= body.starts_with(b"Adobe"),
            _ => {}
        }
        at += 1 + length;
    }
    None
}

/// Transparent parts become white, deep colours become eight bits.
pub(super) fn png(bytes: &[u8], limits: &DocumentsConfig) -> Result<Picture, StampRefusal> {
    let mut bounds = image::Limits::default();
    bounds.max_alloc = Some(limits.max_image_pixels.saturating_mul(8));
    let decoder = PngDecoder::with_limits(Cursor::new(bytes), bounds).map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height, limits)?;
    let image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    let gray = !image.color().has_color();
    let (colors, rows) = if image.color().has_alpha() {
        let flat = image.into_rgba8().into_raw();
        let over =
            |value: u8, alpha: u8| ((u16::from(value) * u16::from(alpha) + 255 * (255 - u16::from(alpha))) / 255) as u8;
        let rows: Vec<u8> = match gray {
            true => flat.chunks_exact(4).map(|p| over(p[0], p[3])).collect(),
            false => {
                flat.chunks_exact(4).flat_map(|p| [over(p[0], p[3]), over(p[1], p[3]), over(p[2], p[3])]).collect()
            }
        };
        (if gray { Colors::Gray } else { Colors::Rgb }, rows)
    } else if gray {
        (Colors::Gray, image.into_luma8().into_raw())
    } else {
        (Colors::Rgb, image.into_rgb8().into_raw())
    };
    Ok(Picture { width, height, colors, bits: 8, filter: "FlateDecode", data: packed(&rows)?, orientation: 1 })
}
