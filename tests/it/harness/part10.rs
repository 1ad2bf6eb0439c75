//! Synthetic DICOM files, and a reading of Part 10 that shares no code with the archive's own.

use std::path::Path;

use super::element::element;

/// CT Image Storage.
pub const CT_IMAGE_STORAGE: &str = "1.2.840.10008.5.1.4.1.1.2";
/// Explicit VR Little Endian.
pub const EXPLICIT_VR_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";

/// A DICOM file to be.
#[derive(Debug, Clone)]
pub struct Part10 {
    /// (0008,0018)
    pub sop_instance_uid: String,
    /// The encoded data set.
    pub data_set: Vec<u8>,
}

impl Part10 {
    /// The whole file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut group = element(2, 1, "OB", &[0, 1]);
        group.extend(element(2, 2, "UI", CT_IMAGE_STORAGE.as_bytes()));
        group.extend(element(2, 3, "UI", self.sop_instance_uid.as_bytes()));
        group.extend(element(2, 0x10, "UI", EXPLICIT_VR_LITTLE_ENDIAN.as_bytes()));
        group.extend(element(2, 0x12, "UI", b"2.25.1"));
        let mut file = vec![0; 128];
        file.extend_from_slice(b"DICM");
        file.extend(element(2, 0, "UL", &(group.len() as u32).to_le_bytes()));
        file.extend(group);
        file.extend_from_slice(&self.data_set);
        file
    }

    /// Writes the file.
    pub fn write_to(&self, path: &Path) {
        std::fs::write(path, self.bytes()).unwrap();
    }
}

/// A CT image of a synthetic patient: number `number` of series `number / 16`, with so many bytes of pixels.
pub fn small_instance(number: u32, pixel_bytes: usize) -> Part10 {
    let study = "2.25.7001".to_owned();
    let series = format!("{study}.{}", number / 16 + 1);
    let sop_instance_uid = format!("{series}.{}", number + 1);
    let columns = 16_u16;
    let rows = (pixel_bytes / 2 / usize::from(columns)).clamp(1, usize::from(u16::MAX)) as u16;
    let pixels: Vec<u8> = (0..pixel_bytes).map(|i| (i as u32).wrapping_mul(31).wrapping_add(number) as u8).collect();
    let short = |value: u16| value.to_le_bytes();
    let data_set = [
        element(0x0008, 0x0005, "CS", b"ISO_IR 192"),
        element(0x0008, 0x0016, "UI", CT_IMAGE_STORAGE.as_bytes()),
        element(0x0008, 0x0018, "UI", sop_instance_uid.as_bytes()),
        element(0x0008, 0x0020, "DA", b"20240322"),
        element(0x0008, 0x0030, "TM", b"144606"),
        element(0x0008, 0x0050, "SH", b"A0001"),
        element(0x0008, 0x0060, "CS", b"CT"),
        element(0x0010, 0x0010, "PN", "Ceshi^Jia=测试^甲".as_bytes()),
        element(0x0010, 0x0020, "LO", b"L0001"),
        element(0x0010, 0x0030, "DA", b"19900101"),
        element(0x0010, 0x0040, "CS", b"F"),
        element(0x0020, 0x000D, "UI", study.as_bytes()),
        element(0x0020, 0x000E, "UI", series.as_bytes()),
        element(0x0020, 0x0013, "IS", (number + 1).to_string().as_bytes()),
        element(0x0028, 0x0002, "US", &short(1)),
        element(0x0028, 0x0004, "CS", b"MONOCHROME2"),
        element(0x0028, 0x0010, "US", &short(rows)),
        element(0x0028, 0x0011, "US", &short(columns)),
        element(0x0028, 0x0100, "US", &short(16)),
        element(0x0028, 0x0101, "US", &short(16)),
        element(0x0028, 0x0102, "US", &short(15)),
        element(0x0028, 0x0103, "US", &short(0)),
        element(0x7FE0, 0x0010, "OW", &pixels),
    ]
    .concat();
    Part10 { sop_instance_uid, data_set }
}

/// What is behind the file meta information, found by walking over group 0002.
pub fn data_set_of(file: &[u8]) -> &[u8] {
    assert_eq!(&file[128..132], b"DICM", "a Part 10 file");
    let mut at = 132;
    while file.len() >= at + 8 && file[at..at + 2] == [2, 0] {
        let long = matches!(&file[at + 4..at + 6], b"OB" | b"OW" | b"UN" | b"UT");
        at += if long {
            12 + u32::from_le_bytes(file[at + 8..at + 12].try_into().unwrap()) as usize
        } else {
            8 + usize::from(u16::from_le_bytes(file[at + 6..at + 8].try_into().unwrap()))
        };
    }
    &file[at..]
}
