//! Colour frames (PS3.3 C.7.6.3.1.2): RGB, YBR and palettes, drawn as they are; windows do not apply to them.

use image::{Rgb, RgbImage};

use super::lut::Palette;
use super::raster::{ColorSpace, Raster};

/// Draws a frame of three samples a pixel.
pub(super) fn draw(raster: &Raster<'_>) -> RgbImage {
    let pixels = raster.pixels();
    let mut picture = RgbImage::new(raster.width, raster.height);
    for (index, pixel) in picture.pixels_mut().enumerate() {
        let [a, b, c] = match raster.space {
            ColorSpace::Ybr422 => {
                let pair = index / 2 * 4;
                [pair + index % 2, pair + 2, pair + 3]
            }
            _ if raster.planar => [index, pixels + index, 2 * pixels + index],
            _ => [3 * index, 3 * index + 1, 3 * index + 2],
        };
        let samples = [raster.color_sample(a), raster.color_sample(b), raster.color_sample(c)];
        *pixel = Rgb(if raster.space == ColorSpace::Rgb { samples } else { rgb_from_ybr(samples) });
    }
    picture
}

/// Draws a frame of indexes into a palette.
pub(super) fn draw_palette(raster: &Raster<'_>, palette: &Palette) -> RgbImage {
    let mut picture = RgbImage::new(raster.width, raster.height);
    for (index, pixel) in picture.pixels_mut().enumerate() {
        *pixel = Rgb(palette.color(raster.stored(raster.raw(index))));
    }
    picture
}

fn rgb_from_ybr(samples: [u8; 3]) -> [u8; 3] {
    rgb(samples.map(f32::from), 128.0).map(|value| value.round().clamp(0.0, 255.0) as u8)
}

/// The equations of C.7.6.3.1.2, YBR_FULL: pixels of three bytes.
pub(super) fn ybr_full(mut pixels: Vec<u8>) -> Vec<u8> {
    for pixel in pixels.chunks_exact_mut(3) {
        let converted = ybr([pixel[0], pixel[1], pixel[2]].map(f32::from), 128.0);
        pixel.copy_from_slice(&converted.map(|value| value.round().clamp(0.0, 255.0) as u8));
    }
    pixels
}

/// Pixels of three words, of so many bits each, by the equations of [`rgb`] or [`ybr`].
pub(super) fn convert_words(mut pixels: Vec<u8>, bits: u16, equations: fn([f32; 3], f32) -> [f32; 3]) -> Vec<u8> {
    let range = (1_u32 << bits) as f32;
    for pixel in pixels.chunks_exact_mut(6) {
        let sample = |at: usize| f32::from(u16::from_le_bytes([pixel[at], pixel[at + 1]]));
        let converted = equations([sample(0), sample(2), sample(4)], range / 2.0);
        for (place, value) in pixel.chunks_exact_mut(2).zip(converted) {
            place.copy_from_slice(&(value.round().clamp(0.0, range - 1.0) as u16).to_le_bytes());
        }
    }
    pixels
}

/// The inverse of the equations of C.7.6.3.1.2, YBR_FULL; `middle` is no chrominance.
pub(super) fn rgb([y, cb, cr]: [f32; 3], middle: f32) -> [f32; 3] {
    let (cb, cr) = (cb - middle, cr - middle);
    [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb]
}

/// The equations of C.7.6.3.1.2, YBR_FULL; `middle` is no chrominance.
pub(super) fn ybr([r, g, b]: [f32; 3], middle: f32) -> [f32; 3] {
    let y = 0.299 * r + 0.587 * g + 0.114 * b;
    [y, (b - y) / 1.772 + middle, (r - y) / 1.402 + middle]
}

/// YBR_FULL as YBR_FULL_422: two pixels share their mean chrominance. Rows have an even number of pixels.
pub(super) fn halved(ybr: &[u8]) -> Vec<u8> {
    let mean = |a: u8, b: u8| (u16::from(a) + u16::from(b)).div_ceil(2) as u8;
    ybr.chunks_exact(6).flat_map(|p| [p[0], p[3], mean(p[1], p[4]), mean(p[2], p[5])]).collect()
}

/// The same of samples in words.
pub(super) fn halved_words(ybr: &[u8]) -> Vec<u8> {
    let mean = |a: u16, b: u16| (u32::from(a) + u32::from(b)).div_ceil(2) as u16;
    let pair = |pixels: &[u8]| {
        let word = |at: usize| u16::from_le_bytes([pixels[2 * at], pixels[2 * at + 1]]);
        [word(0), word(3), mean(word(1), word(4)), mean(word(2), word(5))]
    };
    ybr.chunks_exact(12).flat_map(pair).flat_map(u16::to_le_bytes).collect()
}
