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

/// The inverse of the equations of C.7.6.3.1.2, YBR_FULL.
fn rgb_from_ybr([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
    let byte = |value: f32| value.round().clamp(0.0, 255.0) as u8;
    [byte(y + 1.402 * cr), byte(y - 0.344_136 * cb - 0.714_136 * cr), byte(y + 1.772 * cb)]
}

/// The equations of C.7.6.3.1.2, YBR_FULL: pixels of three bytes.
pub(super) fn ybr_full(mut rgb: Vec<u8>) -> Vec<u8> {
    let byte = |value: f32| value.round().clamp(0.0, 255.0) as u8;
    for pixel in rgb.chunks_exact_mut(3) {
        let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(f32::from);
        let y = 0.299 * r + 0.587 * g + 0.114 * b;
        pixel.copy_from_slice(&[byte(y), byte((b - y) / 1.772 + 128.0), byte((r - y) / 1.402 + 128.0)]);
    }
    rgb
}

/// YBR_FULL as YBR_FULL_422: two pixels share their mean chrominance. Rows have an even number of pixels.
pub(super) fn halved(ybr: &[u8]) -> Vec<u8> {
    let mean = |a: u8, b: u8| (u16::from(a) + u16::from(b)).div_ceil(2) as u8;
    ybr.chunks_exact(6).flat_map(|p| [p[0], p[3], mean(p[1], p[4]), mean(p[2], p[5])]).collect()
}
