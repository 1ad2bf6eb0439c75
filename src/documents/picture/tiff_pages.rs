//! The pages of a TIFF, as scanners and fax machines write them, packed for a PDF.

use std::io::Cursor;

use tiff::ColorType;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;

use super::decode::{check_size, damaged, packed};
use super::{Colors, Picture};
use super::{fax, palette};
use crate::documents::DocumentsConfig;
use crate::documents::stamp::StampRefusal;

type Pages<'b> = Decoder<Cursor<&'b [u8]>>;

fn open<'b>(bytes: &'b [u8], limits: &DocumentsConfig) -> Result<Pages<'b>, StampRefusal> {
    let mut bounds = Limits::default();
    let most = usize::try_from(limits.max_image_pixels.saturating_mul(4)).unwrap_or(usize::MAX);
    bounds.decoding_buffer_size = most;
    bounds.intermediate_buffer_size = most;
    Ok(Decoder::new(Cursor::new(bytes)).map_err(damaged)?.with_limits(bounds))
}

/// Counts the pages without unpacking them.
pub(super) fn count(bytes: &[u8], limits: &DocumentsConfig) -> Result<usize, StampRefusal> {
    let mut pages = open(bytes, limits)?;
    let mut count = 1;
    while pages.more_images() {
        pages.next_image().map_err(damaged)?;
        count += 1;
        if count > limits.max_pages {
            return Err(StampRefusal::TooLarge("documents.max_pages"));
        }
    }
    Ok(count)
}

/// Hands over page after page; one of them is in memory at a time, beside what the caller keeps.
pub(super) fn each(
    bytes: &[u8],
    limits: &DocumentsConfig,
    mut take: impl FnMut(Picture) -> Result<(), StampRefusal>,
) -> Result<(), StampRefusal> {
    let readable = palette::readable(bytes, limits.max_pages);
    let mut pages = open(&readable.bytes, limits)?;
    let (mut pixels, mut number) = (0, 0);
    loop {
        let has_palette = readable.palettes.get(number).copied().unwrap_or(false);
        take(page(&readable.bytes, &mut pages, limits, &mut pixels, has_palette)?)?;
        number += 1;
        if !pages.more_images() {
            return Ok(());
        }
        pages.next_image().map_err(damaged)?;
    }
}

/// One page (0 is the first), without unpacking those in front of it; `None` when there is no such page.
pub(super) fn one(bytes: &[u8], limits: &DocumentsConfig, number: usize) -> Result<Option<Picture>, StampRefusal> {
    if number >= limits.max_pages {
        return Ok(None);
    }
    let readable = palette::readable(bytes, limits.max_pages);
    let mut pages = open(&readable.bytes, limits)?;
    for _ in 0..number {
        if !pages.more_images() {
            return Ok(None);
        }
        pages.next_image().map_err(damaged)?;
    }
    let has_palette = readable.palettes.get(number).copied().unwrap_or(false);
    page(&readable.bytes, &mut pages, limits, &mut 0, has_palette).map(Some)
}

fn page(
    bytes: &[u8],
    pages: &mut Pages<'_>,
    limits: &DocumentsConfig,
    pixels: &mut u64,
    has_palette: bool,
) -> Result<Picture, StampRefusal> {
    let (width, height) = pages.dimensions().map_err(damaged)?;
    check_size(width, height, limits)?;
    *pixels += u64::from(width) * u64::from(height);
    if *pixels > limits.max_total_pixels {
        return Err(StampRefusal::TooLarge("documents.max_total_pixels"));
    }
    let orientation = pages.find_tag_unsigned::<u8>(Tag::Orientation).ok().flatten().unwrap_or(1).clamp(1, 8);
    let compression = pages.find_tag_unsigned::<u16>(Tag::Compression).map_err(damaged)?.unwrap_or(1);
    if fax::is_fax(compression) {
        return fax::page(bytes, pages, compression, (width, height), orientation);
    }
    let colors = pages.colortype().map_err(damaged)?;
    let samples = match pages.read_image().map_err(damaged)? {
        DecodingResult::U8(samples) => samples,
        DecodingResult::U16(samples) => samples.into_iter().map(|sample| (sample >> 8) as u8).collect(),
        _ => return Err(damaged("samples that are no whole numbers")),
    };
    let (kind, bits, rows) = match colors {
        ColorType::Gray(bits @ (1 | 2 | 4 | 8)) if has_palette => {
            (Colors::Palette(palette::colors(pages, bits)?), bits, samples)
        }
        ColorType::Gray(bits @ (1 | 2 | 4 | 8)) => (Colors::Gray, bits, samples),
        ColorType::Gray(16) => (Colors::Gray, 8, samples),
        ColorType::GrayA(8 | 16) => {
            (Colors::Gray, 8, samples.chunks_exact(2).map(|p| over_white(p[0], p[1])).collect())
        }
        ColorType::RGB(8 | 16) => (Colors::Rgb, 8, samples),
        // The decoder of JPEG strips gives RGB although the file says YCbCr.
        ColorType::YCbCr(8) => (Colors::Rgb, 8, samples),
        ColorType::RGBA(8 | 16) => {
            let flat = samples.chunks_exact(4);
            let flat = flat.flat_map(|p| [over_white(p[0], p[3]), over_white(p[1], p[3]), over_white(p[2], p[3])]);
            (Colors::Rgb, 8, flat.collect())
        }
        ColorType::CMYK(8) => (Colors::Cmyk, 8, samples),
        other => return Err(damaged(format!("{other:?} is not read"))),
    };
    let channels = match kind {
        Colors::Gray | Colors::Palette(_) => 1,
        Colors::Rgb => 3,
        Colors::Cmyk | Colors::CmykInverted => 4,
    };
    let row = (width as usize * channels * usize::from(bits)).div_ceil(8);
    if rows.len() < row * height as usize {
        return Err(damaged("a page with fewer pixels than it says"));
    }
    let data = packed(&rows[..row * height as usize])?;
    Ok(Picture { width, height, colors: kind, bits, filter: "FlateDecode", data, orientation })
}

fn over_white(value: u8, alpha: u8) -> u8 {
    ((u16::from(value) * u16::from(alpha) + 255 * (255 - u16::from(alpha))) / 255) as u8
}
