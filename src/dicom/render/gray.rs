//! From stored values to grey: modality, values of interest, presentation (PS3.4 N.2, PS3.3 C.11).

use image::RgbImage;

use super::Window;
use super::header::{FrameGroup, ImageHeader, Rescale};
use super::lut::VoiFunction;
use super::raster::Raster;

/// Values up to this many bits are drawn through one table.
const TABLE_BITS: u16 = 16;

/// Draws a monochrome frame; also tells which window was applied, when it was one.
pub(super) fn draw(
    header: &ImageHeader,
    raster: &Raster<'_>,
    group: &FrameGroup,
    (asked, asked_function): (Option<Window>, Option<VoiFunction>),
) -> (RgbImage, Option<Window>) {
    let modality = Modality { header, rescale: group.rescale };
    let table = (!raster.float && raster.bits_stored <= TABLE_BITS).then(|| modality_table(raster, &modality));
    let value = |raw: u64| match &table {
        Some(table) => table[table_index(raster, raw)],
        None => modality.apply(raster.stored(raw)),
    };
    let function = match asked_function.or(group.function) {
        // LINEAR counts in whole steps; floating point has none.
        None | Some(VoiFunction::Linear) if raster.float => VoiFunction::LinearExact,
        function => function.unwrap_or(VoiFunction::Linear),
    };
    let (window, function) = match (asked.or(group.window), &header.voi_lut) {
        (Some(window), _) => (Some(window), function),
        (None, Some(_)) => (None, function),
        (None, None) => {
            let (window, function) = automatic(header, raster, value);
            (Some(window), function)
        }
    };
    let brightness = |value: f64| match (window, &header.voi_lut) {
        (Some(window), _) => function.apply(window, value),
        (None, Some(lut)) => lut.share(value),
        (None, None) => 0.0,
    };
    let inverse = header.photometric == "MONOCHROME1" || header.inverse_presentation;
    let gray = |value: f64| {
        let level = (brightness(value) * 255.0).round() as u8;
        if inverse { 255 - level } else { level }
    };
    let levels: Option<Vec<u8>> = table.as_ref().map(|table| table.iter().map(|value| gray(*value)).collect());
    let mut picture = RgbImage::new(raster.width, raster.height);
    for (index, pixel) in picture.pixels_mut().enumerate() {
        let raw = raster.raw(index);
        let level = match &levels {
            Some(levels) => levels[table_index(raster, raw)],
            None => gray(modality.apply(raster.stored(raw))),
        };
        *pixel = image::Rgb([level; 3]);
    }
    (picture, window)
}

struct Modality<'a> {
    header: &'a ImageHeader,
    rescale: Option<Rescale>,
}

impl Modality<'_> {
    fn apply(&self, stored: f64) -> f64 {
        match (&self.header.modality_lut, self.rescale) {
            (Some(lut), _) => lut.look_up(stored),
            (None, Some(Rescale { slope, intercept })) => stored * slope + intercept,
            (None, None) => stored,
        }
    }
}

fn table_index(raster: &Raster<'_>, raw: u64) -> usize {
    (raw >> (raster.high_bit + 1 - raster.bits_stored)) as usize & ((1 << raster.bits_stored) - 1)
}

fn modality_table(raster: &Raster<'_>, modality: &Modality<'_>) -> Vec<f64> {
    let shift = raster.high_bit + 1 - raster.bits_stored;
    (0..1u64 << raster.bits_stored).map(|value| modality.apply(raster.stored(value << shift))).collect()
}

/// The window from the lowest to the highest value, pixel padding left out.
fn automatic(header: &ImageHeader, raster: &Raster<'_>, value: impl Fn(u64) -> f64) -> (Window, VoiFunction) {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for index in 0..raster.pixels() {
        let raw = raster.raw(index);
        let stored = raster.stored(raw);
        if header.padding.is_some_and(|(first, last)| (first..=last).contains(&stored)) {
            continue;
        }
        let value = value(raw);
        if value.is_finite() {
            low = low.min(value);
            high = high.max(value);
        }
    }
    if low > high {
        (low, high) = (0.0, 0.0);
    }
    if raster.float {
        let width = if high > low { high - low } else { 1.0 };
        return (Window { center: low.midpoint(high), width }, VoiFunction::LinearExact);
    }
    (Window { center: low.midpoint(high) + 0.5, width: high - low + 1.0 }, VoiFunction::Linear)
}
