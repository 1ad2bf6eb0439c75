//! A chest radiograph as the demonstration's detector sees it (PS3.3 A.26): attenuation, stored as MONOCHROME1.

use super::data_set::{DemoObject, EXPLICIT_VR_LITTLE_ENDIAN};
use super::hospital::Exam;
use super::phantom::{Ellipse, ellipse, grain, lumps, paint};
use super::scanners::{Series, finish, gray_depth, gray_pixels, relate, start};

const DX_FOR_PRESENTATION: &str = "1.2.840.10008.5.1.4.1.1.1.1";
const COLUMNS: usize = 2048;
const ROWS: usize = 2048;
const SPACING: f32 = 0.175;
/// Highest stored value of 12 bits.
const TOP: f32 = 4095.0;

/// The one image of the examination.
pub(super) fn image(exam: &Exam) -> DemoObject {
    let series = Series { number: 1, modality: "DX", description: "胸部后前位" };
    let mut data = start(exam, series, DX_FOR_PRESENTATION, 1, "ORIGINAL\\PRIMARY");
    data.text((0x0018, 0x0015), b"CS", "CHEST").text((0x0018, 0x0060), b"DS", "120");
    data.text((0x0018, 0x1164), b"DS", &format!("{SPACING}\\{SPACING}"));
    data.text((0x0018, 0x5101), b"CS", "PA");
    relate(&mut data, exam, series, 1);
    data.text((0x0020, 0x0020), b"CS", "L\\F").text((0x0020, 0x0062), b"CS", "U");
    gray_pixels(&mut data, "MONOCHROME1", ROWS, COLUMNS);
    gray_depth(&mut data, 16, 12, 0);
    data.text((0x0028, 0x0301), b"CS", "NO");
    data.text((0x0028, 0x1050), b"DS", "2048").text((0x0028, 0x1051), b"DS", "3600");
    data.text((0x0028, 0x1052), b"DS", "0").text((0x0028, 0x1053), b"DS", "1");
    data.text((0x0028, 0x1054), b"LO", "US").text((0x2050, 0x0020), b"CS", "INVERSE");
    let stored: Vec<u16> = attenuation().iter().map(|value| (TOP - value).clamp(0.0, TOP) as u16).collect();
    data.words((0x7FE0, 0x0010), &stored);
    finish(data, exam, series, DX_FOR_PRESENTATION, 1, EXPLICIT_VR_LITTLE_ENDIAN)
}

/// Bright where much is absorbed.
fn attenuation() -> Vec<f32> {
    let mut values = paint(COLUMNS, ROWS, SPACING, 120.0, &soft_tissue());
    // Bones and vessels lie over what is behind them: they add, they do not replace.
    for (index, bone) in paint(COLUMNS, ROWS, SPACING, 0.0, &bones()).iter().enumerate() {
        values[index] += bone;
    }
    let half = COLUMNS as f32 * SPACING / 2.0;
    for (index, value) in values.iter_mut().enumerate() {
        let x = (index % COLUMNS) as f32 * SPACING - half;
        let y = (index / COLUMNS) as f32 * SPACING - half;
        let hilum = (-((x.abs() - 42.0) / 46.0).powi(2) - ((y + 5.0) / 62.0).powi(2)).exp();
        *value += hilum * 170.0 * (lumps(x * 1.1, y * 0.7, 3.0) + 0.35).max(0.0);
        *value += 45.0 * lumps(x * 0.2, y * 0.2, 1.0);
    }
    grain(&mut values, COLUMNS, 26.0, 77);
    values
}

fn soft_tissue() -> Vec<Ellipse> {
    let mut shapes =
        vec![ellipse(0.0, 70.0, 168.0, 250.0, 2050.0).soft(14.0), ellipse(0.0, -150.0, 44.0, 90.0, 2200.0).soft(18.0)];
    for side in [-1.0, 1.0] {
        shapes.push(ellipse(side * 150.0, -60.0, 46.0, 80.0, 1900.0).turned(side * 30.0).soft(20.0));
        shapes.push(ellipse(side * 72.0, 2.0, 56.0, 112.0, 900.0).turned(side * -4.0).soft(16.0));
        shapes.push(ellipse(side * 58.0, -78.0, 40.0, 52.0, 960.0).soft(18.0));
    }
    shapes.push(ellipse(0.0, -30.0, 26.0, 130.0, 2150.0).soft(14.0));
    shapes.push(ellipse(0.0, -140.0, 7.5, 55.0, 1500.0).soft(5.0));
    shapes.push(ellipse(16.0, 46.0, 52.0, 46.0, 2350.0).turned(28.0).soft(8.0));
    shapes.push(ellipse(20.0, -38.0, 20.0, 18.0, 2250.0).soft(8.0));
    shapes.push(ellipse(-78.0, 142.0, 72.0, 52.0, 2750.0).soft(5.0));
    shapes.push(ellipse(74.0, 152.0, 72.0, 52.0, 2650.0).soft(5.0));
    shapes.push(ellipse(78.0, 122.0, 20.0, 11.0, 1250.0).soft(4.0));
    shapes.push(ellipse(-74.0, 8.0, 6.2, 6.0, 1560.0).soft(3.0));
    shapes
}

fn bones() -> Vec<Ellipse> {
    let mut shapes = Vec::new();
    for vertebra in 0..16 {
        let y = -176.0 + 23.0 * vertebra as f32;
        shapes.push(ellipse(0.0, y, 15.0, 9.5, 330.0).soft(4.0));
    }
    for side in [-1.0_f32, 1.0] {
        for rib in 0..9 {
            let top = -112.0 + 24.0 * rib as f32;
            let reach = 92.0 + 5.0 * rib as f32 - 0.35 * (rib * rib) as f32;
            // Behind: from the spine outwards and down; in front: fainter and steeper.
            arc(&mut shapes, side, [16.0, reach], top, [0.10, 0.0030], 4.6, 210.0);
            arc(&mut shapes, side, [38.0, reach], top + 62.0, [-0.34, 0.0], 4.2, 95.0);
        }
        arc(&mut shapes, side, [10.0, 128.0], -116.0, [-0.16, 0.0], 6.2, 330.0);
        shapes.push(ellipse(side * 132.0, -72.0, 10.0, 62.0, 190.0).turned(side * 12.0).soft(6.0));
    }
    shapes
}

/// A curved rod as a chain of short ellipses.
fn arc(shapes: &mut Vec<Ellipse>, side: f32, [from, to]: [f32; 2], y: f32, bend: [f32; 2], half: f32, value: f32) {
    let mut x = from;
    while x < to {
        let (run, slope) = (x - from, bend[0] + 2.0 * bend[1] * (x - from));
        let rod = ellipse(side * x, y + bend[0] * run + bend[1] * run * run, 7.0, half, value);
        shapes.push(rod.turned((side * slope).atan().to_degrees()).soft(3.0));
        x += 3.0;
    }
}
