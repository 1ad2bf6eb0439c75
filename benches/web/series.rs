//! One CT series: forty slices of 512 × 512 with the noise of a scanner, so that no compression has it easier than with a
//! patient.

use std::path::Path;

use yingku::dicom::part10;

use super::elements::element;

/// Study Instance UID.
pub const STUDY: &str = "2.25.7003";
/// Accession Number.
pub const ACCESSION: &str = "WEB0001";
const SERIES: &str = "2.25.7003.1";
const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const EXPLICIT_LITTLE: &str = "1.2.840.10008.1.2.1";
const SLICES: u32 = 40;
const EDGE: u16 = 512;

/// Writes the series into a folder.
pub fn write(folder: &Path) {
    for slice in 0..SLICES {
        let uid = format!("{SERIES}.{}", slice + 1);
        let mut file = part10::meta(CT, &uid, EXPLICIT_LITTLE, "BENCH");
        file.extend(data_set(&uid, slice));
        std::fs::write(folder.join(format!("{slice:02}.dcm")), file).expect("the folder takes a file");
    }
}

fn data_set(uid: &str, slice: u32) -> Vec<u8> {
    let short = |value: u16| value.to_le_bytes();
    let number = (slice + 1).to_string();
    let position = format!("-180\\-180\\{}", f64::from(slice) * 5.0);
    let mut set = [
        element(0x0008, 0x0005, "CS", b"ISO_IR 192"),
        element(0x0008, 0x0008, "CS", b"ORIGINAL\\PRIMARY\\AXIAL"),
        element(0x0008, 0x0016, "UI", CT.as_bytes()),
        element(0x0008, 0x0018, "UI", uid.as_bytes()),
        element(0x0008, 0x0020, "DA", b"20260918"),
        element(0x0008, 0x0030, "TM", b"080000"),
        element(0x0008, 0x0050, "SH", ACCESSION.as_bytes()),
        element(0x0008, 0x0060, "CS", b"CT"),
        element(0x0008, 0x103E, "LO", b"Synthetic axial"),
        element(0x0010, 0x0010, "PN", b"Bench^Synthetic"),
        element(0x0010, 0x0020, "LO", b"L0001"),
        element(0x0010, 0x0030, "DA", b"19900101"),
        element(0x0010, 0x0040, "CS", b"F"),
        element(0x0018, 0x0050, "DS", b"5"),
        element(0x0020, 0x000D, "UI", STUDY.as_bytes()),
        element(0x0020, 0x000E, "UI", SERIES.as_bytes()),
        element(0x0020, 0x0010, "SH", b"1"),
        element(0x0020, 0x0011, "IS", b"1"),
        element(0x0020, 0x0013, "IS", number.as_bytes()),
        element(0x0020, 0x0032, "DS", position.as_bytes()),
        element(0x0020, 0x0037, "DS", b"1\\0\\0\\0\\1\\0"),
        element(0x0020, 0x0052, "UI", b"2.25.7003.9"),
        element(0x0028, 0x0002, "US", &short(1)),
        element(0x0028, 0x0004, "CS", b"MONOCHROME2"),
        element(0x0028, 0x0010, "US", &short(EDGE)),
        element(0x0028, 0x0011, "US", &short(EDGE)),
        element(0x0028, 0x0030, "DS", b"0.703125\\0.703125"),
        element(0x0028, 0x0100, "US", &short(16)),
        element(0x0028, 0x0101, "US", &short(12)),
        element(0x0028, 0x0102, "US", &short(11)),
        element(0x0028, 0x0103, "US", &short(0)),
        element(0x0028, 0x1050, "DS", b"40"),
        element(0x0028, 0x1051, "DS", b"400"),
        element(0x0028, 0x1052, "DS", b"-1024"),
        element(0x0028, 0x1053, "DS", b"1"),
        element(0x0028, 0x1054, "LO", b"HU"),
    ]
    .concat();
    let pixels = pixels(slice);
    set.extend([0xE0, 0x7F, 0x10, 0x00, b'O', b'W', 0, 0]);
    set.extend((pixels.len() as u32).to_le_bytes());
    set.extend(pixels);
    set
}

/// A body with two lungs and a spine, each with its density, and noise of some twenty Hounsfield units.
fn pixels(slice: u32) -> Vec<u8> {
    let mut state = slice.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let mut noise = || {
        // Two throws together are nearer to a bell than one.
        let mut sum = 0;
        for _ in 0..2 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            sum += (state >> 16 & 0x1F) as i32;
        }
        sum - 31
    };
    let inside = |x: f64, y: f64, center: (f64, f64), axes: (f64, f64)| {
        ((x - center.0) / axes.0).powi(2) + ((y - center.1) / axes.1).powi(2) < 1.0
    };
    let grown = f64::from(slice) * 0.8;
    let mut bytes = Vec::with_capacity(usize::from(EDGE) * usize::from(EDGE) * 2);
    for row in 0..EDGE {
        for column in 0..EDGE {
            let (x, y) = (f64::from(column), f64::from(row));
            let density = match (x, y) {
                _ if inside(x, y, (256.0, 360.0), (26.0, 24.0)) => 420,
                _ if inside(x, y, (170.0, 250.0), (60.0 + grown, 85.0)) => -820,
                _ if inside(x, y, (342.0, 250.0), (60.0 + grown, 85.0)) => -820,
                _ if inside(x, y, (256.0, 256.0), (205.0, 150.0)) => 45,
                _ => -1000,
            };
            let stored = (density + 1024 + noise()).clamp(0, 4095) as u16;
            bytes.extend(stored.to_le_bytes());
        }
    }
    bytes
}
