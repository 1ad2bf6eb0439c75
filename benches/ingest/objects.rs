//! Synthetic objects: a template whose UIDs are written over before each send.

use super::elements::element;

const CT_IMAGE_STORAGE: &str = "1.2.840.10008.5.1.4.1.1.2";
const MULTI_FRAME_STORAGE: &str = "1.2.840.10008.5.1.4.1.1.7.3";
const EXPLICIT_VR_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";
/// Stands for the SOP Instance UID; all have the same length.
const PLACE: &str = "2.25.9000000000000000000000001";

const STUDY: &str = "2.25.7002";

/// The two sizes that the targets speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// 512 × 512 × 16 bit.
    Ct,
    /// 2 KB.
    Small,
}

impl ObjectKind {
    /// For the table.
    pub fn name(self) -> &'static str {
        match self {
            ObjectKind::Ct => "CT, 525 KB",
            ObjectKind::Small => "small, 2 KB",
        }
    }

    fn rows(self) -> u16 {
        match self {
            ObjectKind::Ct => 512,
            ObjectKind::Small => 1,
        }
    }
}

/// The SOP class and transfer syntax of [`Template`]s.
pub fn storage() -> (&'static str, &'static str) {
    (CT_IMAGE_STORAGE, EXPLICIT_VR_LITTLE_ENDIAN)
}

/// The series that a sender has in a study.
pub fn series_uid(run: u64, sender: usize, study: u64) -> String {
    format!("2.25.8{run:012}.{sender}.{study}")
}

/// The SOP class and transfer syntax of [`large_head`].
pub fn large_storage() -> (&'static str, &'static str) {
    (MULTI_FRAME_STORAGE, EXPLICIT_VR_LITTLE_ENDIAN)
}

/// A Part 10 file in memory that becomes another object each time.
pub struct Template {
    file: Vec<u8>,
    places: Vec<usize>,
}

impl Template {
    /// Objects of one sender, which has a series of its own in each study. All senders have the first study in common.
    pub fn new(kind: ObjectKind, run: u64, sender: usize, study: u64) -> Self {
        let series = series_uid(run, sender, study);
        let study = if study == 0 { STUDY.to_owned() } else { format!("2.25.7{run:012}.{sender}.{study}") };
        let pixels = vec![0x2A; usize::from(kind.rows()) * 512 * 2];
        let data_set = data_set(CT_IMAGE_STORAGE, PLACE, (&study, &series), kind.rows(), 1, pixels.len() as u32);
        let mut group = element(2, 1, "OB", &[0, 1]);
        group.extend(element(2, 2, "UI", CT_IMAGE_STORAGE.as_bytes()));
        group.extend(element(2, 3, "UI", PLACE.as_bytes()));
        group.extend(element(2, 0x10, "UI", EXPLICIT_VR_LITTLE_ENDIAN.as_bytes()));
        let mut file = vec![0; 128];
        file.extend_from_slice(b"DICM");
        file.extend(element(2, 0, "UL", &(group.len() as u32).to_le_bytes()));
        file.extend(group);
        file.extend(data_set);
        file.extend(pixels);
        let places = file.windows(PLACE.len()).enumerate().filter(|(_, w)| *w == PLACE.as_bytes()).map(|(i, _)| i);
        let places = places.collect();
        Self { file, places }
    }

    /// The next object, under a UID that is nobody else's.
    pub fn next(&mut self, run: u64, sender: usize, number: u64) -> &[u8] {
        let uid = format!("2.25.9{run:012}{sender:03}{number:09}");
        for place in &self.places {
            self.file[*place..place + PLACE.len()].copy_from_slice(uid.as_bytes());
        }
        &self.file
    }
}

/// Everything before the pixels of a multi-frame object of so many bytes.
pub fn large_head(uid: &str, bytes: u32) -> Vec<u8> {
    let frames = bytes / (512 * 512 * 2);
    data_set(MULTI_FRAME_STORAGE, uid, (STUDY, &format!("{uid}.1")), 512, frames, bytes)
}

fn data_set(
    sop_class: &str,
    uid: &str,
    (study, series): (&str, &str),
    rows: u16,
    frames: u32,
    pixel_bytes: u32,
) -> Vec<u8> {
    let short = |value: u16| value.to_le_bytes();
    let mut head = [
        element(0x0008, 0x0016, "UI", sop_class.as_bytes()),
        element(0x0008, 0x0018, "UI", uid.as_bytes()),
        element(0x0008, 0x0020, "DA", b"20240322"),
        element(0x0008, 0x0030, "TM", b"144606"),
        element(0x0008, 0x0050, "SH", b"A0001"),
        element(0x0008, 0x0060, "CS", if frames == 1 { b"CT" } else { b"OT" }),
        element(0x0010, 0x0010, "PN", b"Bench^Synthetic"),
        element(0x0010, 0x0020, "LO", b"L0001"),
        element(0x0010, 0x0030, "DA", b"19900101"),
        element(0x0010, 0x0040, "CS", b"F"),
        element(0x0020, 0x000D, "UI", study.as_bytes()),
        element(0x0020, 0x000E, "UI", series.as_bytes()),
        element(0x0020, 0x0010, "SH", b"1"),
        element(0x0020, 0x0011, "IS", b"1"),
        element(0x0020, 0x0013, "IS", b"1"),
        element(0x0028, 0x0002, "US", &short(1)),
        element(0x0028, 0x0004, "CS", b"MONOCHROME2"),
        element(0x0028, 0x0008, "IS", frames.to_string().as_bytes()),
        element(0x0028, 0x0010, "US", &short(rows)),
        element(0x0028, 0x0011, "US", &short(512)),
        element(0x0028, 0x0100, "US", &short(16)),
        element(0x0028, 0x0101, "US", &short(16)),
        element(0x0028, 0x0102, "US", &short(15)),
        element(0x0028, 0x0103, "US", &short(0)),
    ]
    .concat();
    head.extend([0xE0, 0x7F, 0x10, 0x00, b'O', b'W', 0, 0]);
    head.extend(pixel_bytes.to_le_bytes());
    head
}
