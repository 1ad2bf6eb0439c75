//! An ultrasound loop of a liver (PS3.3 A.7): a sector of speckle that breathes, JPEG Baseline, in colour.

use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};

use super::data_set::{DemoObject, JPEG_BASELINE};
use super::hospital::Exam;
use super::phantom::{Noise, lumps};
use super::scanners::{Series, finish, relate, start};

const US_MULTIFRAME: &str = "1.2.840.10008.5.1.4.1.1.3.1";
/// Frames of the loop.
pub(super) const FRAMES: u32 = 24;
const COLUMNS: u32 = 640;
const ROWS: u32 = 480;
const FRAME_TIME_MS: u32 = 42;

/// The loop. Frames that cannot be encoded would be missing from it; none is.
pub(super) fn image(exam: &Exam) -> DemoObject {
    let series = Series { number: 1, modality: "US", description: "肝右叶动态" };
    let mut data = start(exam, series, US_MULTIFRAME, 1, "ORIGINAL\\PRIMARY\\ABDOMINAL\\0001");
    data.text((0x0018, 0x1063), b"DS", &FRAME_TIME_MS.to_string());
    relate(&mut data, exam, series, 1);
    data.text((0x0020, 0x0020), b"CS", "");
    data.number((0x0028, 0x0002), 3).text((0x0028, 0x0004), b"CS", "YBR_FULL_422").number((0x0028, 0x0006), 0);
    data.text((0x0028, 0x0008), b"IS", &FRAMES.to_string());
    // Frame Increment Pointer: Frame Time.
    data.tag_value((0x0028, 0x0009), &[0x18, 0x00, 0x63, 0x10]);
    data.number((0x0028, 0x0010), ROWS as u16).number((0x0028, 0x0011), COLUMNS as u16);
    data.number((0x0028, 0x0100), 8).number((0x0028, 0x0101), 8);
    data.number((0x0028, 0x0102), 7).number((0x0028, 0x0103), 0);
    data.text((0x0028, 0x2110), b"CS", "01").text((0x0028, 0x2112), b"DS", "12");
    data.text((0x0028, 0x2114), b"CS", "ISO_10918_1");
    let frames: Vec<Vec<u8>> = (0..FRAMES).map(|frame| jpeg(&picture(frame))).collect();
    data.encapsulated(&frames);
    finish(data, exam, series, US_MULTIFRAME, 1, JPEG_BASELINE)
}

fn jpeg(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing into memory does not fail, and the size is constant.
    let _ = picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, 88));
    bytes
}

fn picture(frame: u32) -> RgbImage {
    let phase = frame as f32 / FRAMES as f32 * std::f32::consts::TAU;
    let (sway, beat) = (phase.sin() * 7.0, (2.0 * phase).sin());
    let mut noise = Noise::new(500 + u64::from(frame));
    let mut picture = RgbImage::new(COLUMNS, ROWS);
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        // A curved probe above the picture; lines run from its centre.
        let (dx, dy) = (x as f32 - 310.0, y as f32 + 90.0);
        let (radius, angle) = ((dx * dx + dy * dy).sqrt(), dx.atan2(dy));
        let level = if angle.abs() > 0.62 || !(120.0..545.0).contains(&radius) {
            0.0
        } else {
            echo(x as f32, y as f32 - sway, radius, angle, beat) * (0.55 + 0.9 * noise.even() * noise.even())
        };
        let gray = level.clamp(0.0, 255.0) as u8;
        *pixel = Rgb([gray, gray, gray.saturating_add(gray / 24)]);
    }
    marks(&mut picture);
    picture
}

/// Brightness before speckle.
fn echo(x: f32, y: f32, radius: f32, angle: f32, beat: f32) -> f32 {
    let depth = radius - 120.0;
    if depth < 34.0 {
        return 120.0 + 60.0 * (depth * 0.55 + 2.0 * angle).sin();
    }
    let inside = |cx: f32, cy: f32, rx: f32, ry: f32| (((x - cx) / rx).powi(2) + ((y - cy) / ry).powi(2)).sqrt();
    let cyst = inside(372.0, 205.0, 34.0, 30.0);
    if cyst < 1.0 {
        return 7.0;
    }
    let gallbladder = inside(214.0, 262.0, 30.0, 62.0);
    if gallbladder < 1.0 {
        return 9.0;
    }
    let vessel = inside(300.0, 300.0 + 2.0 * beat, 74.0, 9.0 + beat);
    if vessel < 1.0 {
        return 14.0;
    }
    let diaphragm = (radius - 455.0 - 26.0 * (angle * 2.3).cos()).abs();
    if diaphragm < 5.0 {
        return 245.0;
    }
    let mut level = 92.0 + 22.0 * lumps(x * 0.33, y * 0.33, 2.0) - 0.06 * depth;
    if radius > 480.0 {
        level *= 0.45;
    }
    if cyst < 1.12 || gallbladder < 1.1 || vessel < 1.35 {
        level += 62.0;
    }
    // Sound passes fluid without loss: it is brighter behind.
    let behind = |cx: f32, cy: f32, half: f32| {
        let ray = (cx - 310.0).atan2(cy + 90.0);
        (angle - ray).abs() < half / cy && y > cy
    };
    if behind(372.0, 225.0, 22.0) || behind(214.0, 300.0, 22.0) {
        level *= 1.45;
    }
    level
}

/// A grey bar and a depth scale, as on every device.
fn marks(picture: &mut RgbImage) {
    for y in 60..260 {
        for x in 606..620 {
            let level = 255 - ((y - 60) * 255 / 200) as u8;
            picture.put_pixel(x, y, Rgb([level; 3]));
        }
    }
    for tick in 0..9 {
        for x in 0..if tick % 5 == 0 { 12 } else { 7 } {
            picture.put_pixel(590 - x, 40 + tick * 50, Rgb([220, 220, 120]));
        }
    }
}
