//! Writing the demonstration's data sets in Explicit VR Little Endian (PS3.5 section 7.1.2).

use uuid::Uuid;

/// One made-up SOP instance.
#[derive(Debug, Clone)]
pub struct DemoObject {
    /// SOP Class UID.
    pub sop_class_uid: String,
    /// SOP Instance UID.
    pub sop_instance_uid: String,
    /// Transfer Syntax UID of `data_set`.
    pub transfer_syntax_uid: &'static str,
    /// The data set, without File Meta Information.
    pub data_set: Vec<u8>,
}

impl DemoObject {
    /// The object as a Part 10 file.
    pub fn to_file(&self) -> Vec<u8> {
        let calling_ae_title = "DEMO";
        let mut file = crate::dicom::part10::meta(
            &self.sop_class_uid,
            &self.sop_instance_uid,
            self.transfer_syntax_uid,
            calling_ae_title,
        );
        file.extend_from_slice(&self.data_set);
        file
    }
}

/// Explicit VR Little Endian, as the data sets are written.
pub(super) const EXPLICIT_VR_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";
/// JPEG Baseline (Process 1).
pub(super) const JPEG_BASELINE: &str = "1.2.840.10008.1.2.4.50";

/// A UID under 2.25 that depends on nothing but the name.
pub(super) fn uid(name: &str) -> String {
    let root = Uuid::new_v5(&Uuid::NAMESPACE_OID, b"yingku demonstration");
    format!("2.25.{}", Uuid::new_v5(&root, name.as_bytes()).as_u128())
}

/// How a data set's texts are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// `GB18030`.
    Gb18030,
    /// `ISO_IR 192`.
    Utf8,
}

/// Elements in the order in which they are put; the caller keeps tags ascending.
#[derive(Debug, Clone)]
pub(super) struct DataSet {
    bytes: Vec<u8>,
    charset: Charset,
}

impl DataSet {
    pub(super) fn new(charset: Charset) -> Self {
        Self { bytes: Vec::new(), charset }
    }

    pub(super) fn text(&mut self, tag: (u16, u16), vr: &[u8; 2], text: &str) -> &mut Self {
        let mut value = match self.charset {
            Charset::Utf8 => text.as_bytes().to_vec(),
            Charset::Gb18030 => encoding_rs::GB18030.encode(text).0.into_owned(),
        };
        if !value.len().is_multiple_of(2) {
            value.push(if vr == b"UI" { 0 } else { b' ' });
        }
        self.put(tag, vr, &value)
    }

    pub(super) fn number(&mut self, tag: (u16, u16), value: u16) -> &mut Self {
        self.put(tag, b"US", &value.to_le_bytes())
    }

    pub(super) fn long(&mut self, tag: (u16, u16), value: u32) -> &mut Self {
        self.put(tag, b"UL", &value.to_le_bytes())
    }

    pub(super) fn words(&mut self, tag: (u16, u16), words: &[u16]) -> &mut Self {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(tag, b"OW", &bytes)
    }

    pub(super) fn bytes(&mut self, tag: (u16, u16), bytes: &[u8]) -> &mut Self {
        self.put(tag, b"OB", bytes)
    }

    /// An element of VR AT with one tag, given in wire order.
    pub(super) fn tag_value(&mut self, tag: (u16, u16), value: &[u8; 4]) -> &mut Self {
        self.put(tag, b"AT", value)
    }

    pub(super) fn items(&mut self, tag: (u16, u16), items: &[DataSet]) -> &mut Self {
        let mut value = Vec::new();
        for item in items {
            value.extend_from_slice(&[0xFE, 0xFF, 0x00, 0xE0]);
            value.extend_from_slice(&(item.bytes.len() as u32).to_le_bytes());
            value.extend_from_slice(&item.bytes);
        }
        self.put(tag, b"SQ", &value)
    }

    /// Encapsulated pixel data, one fragment a frame, behind a basic offset table (PS3.5 annex A.4).
    pub(super) fn encapsulated(&mut self, frames: &[Vec<u8>]) -> &mut Self {
        let item = |out: &mut Vec<u8>, value: &[u8]| {
            out.extend_from_slice(&[0xFE, 0xFF, 0x00, 0xE0]);
            out.extend_from_slice(&(value.len().next_multiple_of(2) as u32).to_le_bytes());
            out.extend_from_slice(value);
            out.resize(out.len().next_multiple_of(2), 0);
        };
        let (mut offsets, mut fragments) = (Vec::new(), Vec::new());
        for frame in frames {
            offsets.extend_from_slice(&(fragments.len() as u32).to_le_bytes());
            item(&mut fragments, frame);
        }
        self.bytes.extend_from_slice(&[0xE0, 0x7F, 0x10, 0x00, b'O', b'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
        let mut table = Vec::new();
        item(&mut table, &offsets);
        self.bytes.extend_from_slice(&table);
        self.bytes.extend_from_slice(&fragments);
        self.bytes.extend_from_slice(&[0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
        self
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn put(&mut self, tag: (u16, u16), vr: &[u8; 2], value: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(&tag.0.to_le_bytes());
        self.bytes.extend_from_slice(&tag.1.to_le_bytes());
        self.bytes.extend_from_slice(vr);
        let length = value.len().next_multiple_of(2) as u32;
        if [b"OB", b"OW", b"SQ", b"UT"].contains(&vr) {
            self.bytes.extend_from_slice(&[0, 0]);
            self.bytes.extend_from_slice(&length.to_le_bytes());
        } else {
            self.bytes.extend_from_slice(&(length as u16).to_le_bytes());
        }
        self.bytes.extend_from_slice(value);
        if !value.len().is_multiple_of(2) {
            self.bytes.push(0);
        }
        self
    }
}
