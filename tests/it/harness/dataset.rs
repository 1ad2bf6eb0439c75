//! Small data sets in Explicit VR Little Endian, written element by element, so that tests know every byte.

/// Explicit VR Little Endian.
pub const EXPLICIT_LE: &str = "1.2.840.10008.1.2.1";
/// CT Image Storage.
pub const CT_IMAGE: &str = "1.2.840.10008.5.1.4.1.1.2";

/// A data set under construction; elements are sorted when it is written.
#[derive(Debug, Clone)]
pub struct DataSet {
    elements: Vec<(u32, [u8; 2], Vec<u8>)>,
}

impl DataSet {
    /// A CT slice of a synthetic patient with all identifiers; small 2×2 pixels.
    pub fn ct(sop_instance_uid: &str) -> Self {
        let mut set = Self { elements: Vec::new() };
        set.text(0x0008_0016, "UI", CT_IMAGE);
        set.text(0x0008_0018, "UI", sop_instance_uid);
        set.text(0x0008_0020, "DA", "20240322");
        set.text(0x0008_0030, "TM", "144606");
        set.text(0x0008_0050, "SH", "A0001");
        set.text(0x0008_0060, "CS", "CT");
        set.bytes(0x0010_0010, "PN", b"Test^A");
        set.text(0x0010_0020, "LO", "L0001");
        set.text(0x0010_0030, "DA", "19900101");
        set.text(0x0010_0040, "CS", "F");
        set.text(0x0020_000D, "UI", "2.25.1000");
        set.text(0x0020_000E, "UI", "2.25.1000.1");
        set.text(0x0020_0011, "IS", "1");
        set.text(0x0020_0013, "IS", "1");
        set.bytes(0x0028_0010, "US", &2u16.to_le_bytes());
        set.bytes(0x0028_0011, "US", &2u16.to_le_bytes());
        set.bytes(0x7FE0_0010, "OW", &[1, 0, 2, 0, 3, 0, 4, 0]);
        set
    }

    /// Puts an element, replacing the one under the same tag.
    pub fn bytes(&mut self, tag: u32, vr: &str, value: &[u8]) -> &mut Self {
        self.elements.retain(|(t, ..)| *t != tag);
        self.elements.push((tag, vr.as_bytes().try_into().unwrap(), value.to_vec()));
        self
    }

    /// Puts a text element.
    pub fn text(&mut self, tag: u32, vr: &str, value: &str) -> &mut Self {
        self.bytes(tag, vr, value.as_bytes())
    }

    /// Puts a sequence of items of short texts.
    pub fn items(&mut self, tag: u32, items: &[&[(u32, &str, &str)]]) -> &mut Self {
        let mut value = Vec::new();
        for item in items {
            let mut set = Self { elements: Vec::new() };
            item.iter().for_each(|(tag, vr, text)| _ = set.text(*tag, vr, text));
            let bytes = set.encode();
            value.extend_from_slice(&[0xFE, 0xFF, 0x00, 0xE0]);
            value.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            value.extend_from_slice(&bytes);
        }
        self.bytes(tag, "SQ", &value)
    }

    /// The text of an element that is there.
    pub fn text_of(&self, tag: u32) -> String {
        let found = self.elements.iter().find(|(t, ..)| *t == tag);
        String::from_utf8(found.expect("it is there").2.clone()).unwrap()
    }

    /// Takes an element out.
    pub fn without(&mut self, tag: u32) -> &mut Self {
        self.elements.retain(|(t, ..)| *t != tag);
        self
    }

    /// The bytes of the data set in Explicit VR Big Endian.
    pub fn encode_big_endian(&self) -> Vec<u8> {
        let mut elements = self.elements.clone();
        elements.sort_by_key(|(tag, ..)| *tag);
        let mut bytes = Vec::new();
        for (tag, vr, mut value) in elements {
            if value.len() % 2 == 1 {
                value.push(if &vr == b"UI" { 0 } else { b' ' });
            }
            if [b"US", b"OW"].contains(&&vr) {
                value.chunks_exact_mut(2).for_each(<[u8]>::reverse);
            }
            bytes.extend_from_slice(&tag.to_be_bytes());
            bytes.extend_from_slice(&vr);
            if [b"OB", b"OW", b"UN", b"UT"].contains(&&vr) {
                bytes.extend_from_slice(&[0, 0]);
                bytes.extend_from_slice(&(value.len() as u32).to_be_bytes());
            } else {
                assert_ne!(&vr, b"SQ", "items are written in the other order only");
                bytes.extend_from_slice(&(value.len() as u16).to_be_bytes());
            }
            bytes.extend_from_slice(&value);
        }
        bytes
    }

    /// The bytes of the data set.
    pub fn encode(&self) -> Vec<u8> {
        let mut elements = self.elements.clone();
        elements.sort_by_key(|(tag, ..)| *tag);
        let mut bytes = Vec::new();
        for (tag, vr, mut value) in elements {
            if value.len() % 2 == 1 {
                value.push(if &vr == b"UI" { 0 } else { b' ' });
            }
            bytes.extend_from_slice(&((tag >> 16) as u16).to_le_bytes());
            bytes.extend_from_slice(&(tag as u16).to_le_bytes());
            bytes.extend_from_slice(&vr);
            if [b"OB", b"OW", b"SQ", b"UN", b"UT"].contains(&&vr) {
                bytes.extend_from_slice(&[0, 0]);
                bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
            } else {
                bytes.extend_from_slice(&(value.len() as u16).to_le_bytes());
            }
            bytes.extend_from_slice(&value);
        }
        bytes
    }
}
