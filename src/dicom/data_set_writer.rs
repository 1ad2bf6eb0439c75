//! Writes small data sets of our own (PS3.5 section 7.1): identifiers and the information of events and actions.
//!
//! Elements are put in ascending order by the caller. Sequences and items have undefined lengths, so that nothing needs
//! to be measured beforehand.

use super::transfer_syntax::ElementEncoding;

const ITEM: u32 = 0xFFFE_E000;
const ITEM_DELIMITATION: u32 = 0xFFFE_E00D;
const SEQUENCE_DELIMITATION: u32 = 0xFFFE_E0DD;
const UNDEFINED_LENGTH: u32 = 0xFFFF_FFFF;
/// Longest value of a VR with a 16-bit length, even.
pub(crate) const MAX_SHORT_VALUE: usize = 0xFFFE;

/// A data set under construction.
#[derive(Debug)]
pub struct DataSetWriter {
    encoding: ElementEncoding,
    bytes: Vec<u8>,
}

impl DataSetWriter {
    /// An empty data set in the encoding of a transfer syntax; deflation is the caller's business.
    pub fn new(encoding: ElementEncoding) -> Self {
        Self { encoding, bytes: Vec::new() }
    }

    /// A text of a VR whose length has 16 bits (UI, CS, LO, …), cut where such a length ends.
    pub fn text(&mut self, tag: u32, vr: [u8; 2], text: &str) -> &mut Self {
        let mut value = text.as_bytes()[..text.len().min(MAX_SHORT_VALUE)].to_vec();
        if !value.len().is_multiple_of(2) {
            value.push(if &vr == b"UI" { 0 } else { b' ' });
        }
        self.head(tag, vr, value.len() as u32);
        self.bytes.extend_from_slice(&value);
        self
    }

    /// A US element with one value.
    pub fn unsigned_short(&mut self, tag: u32, value: u16) -> &mut Self {
        self.head(tag, *b"US", 2);
        self.bytes.extend_from_slice(&self.short(value));
        self
    }

    /// A sequence; `put` is called with each item to fill it.
    pub fn sequence<T>(
        &mut self,
        tag: u32,
        items: impl IntoIterator<Item = T>,
        mut put: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.head(tag, *b"SQ", UNDEFINED_LENGTH);
        for item in items {
            self.mark(ITEM, UNDEFINED_LENGTH);
            put(self, item);
            self.mark(ITEM_DELIMITATION, 0);
        }
        self.mark(SEQUENCE_DELIMITATION, 0);
        self
    }

    /// The bytes of the data set.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn head(&mut self, tag: u32, vr: [u8; 2], length: u32) {
        if !self.encoding.explicit_vr {
            return self.mark(tag, length);
        }
        self.tag(tag);
        self.bytes.extend_from_slice(&vr);
        if &vr == b"SQ" {
            self.bytes.extend_from_slice(&[0, 0]);
            self.bytes.extend_from_slice(&self.long(length));
        } else {
            self.bytes.extend_from_slice(&self.short(length as u16));
        }
    }

    fn mark(&mut self, tag: u32, length: u32) {
        self.tag(tag);
        self.bytes.extend_from_slice(&self.long(length));
    }

    fn tag(&mut self, tag: u32) {
        self.bytes.extend_from_slice(&self.short((tag >> 16) as u16));
        self.bytes.extend_from_slice(&self.short(tag as u16));
    }

    fn short(&self, value: u16) -> [u8; 2] {
        if self.encoding.big_endian { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn long(&self, value: u32) -> [u8; 4] {
        if self.encoding.big_endian { value.to_be_bytes() } else { value.to_le_bytes() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::elements::{Elements, Encoding};
    use super::*;

    #[test]
    fn what_is_written_is_read_back_in_every_encoding() {
        let table = [
            (ElementEncoding::IMPLICIT_LITTLE, Encoding::ImplicitLittle),
            (ElementEncoding::EXPLICIT_LITTLE, Encoding::ExplicitLittle),
            (ElementEncoding::EXPLICIT_BIG, Encoding::ExplicitBig),
        ];
        for (encoding, reading) in table {
            let mut writer = DataSetWriter::new(encoding);
            writer.text(0x0008_0052, *b"CS", "STUDY").text(0x0008_0058, *b"UI", "1.2.3");
            writer.sequence(0x0008_1198, [0x0112_u16, 0x0119], |item, reason| {
                item.unsigned_short(0x0008_1197, reason);
            });
            let bytes = writer.finish();

            let elements = Elements::read(&bytes, reading);

            assert_eq!(elements.text((0x0008, 0x0052)), Some("STUDY"));
            assert_eq!(elements.text((0x0008, 0x0058)), Some("1.2.3"));
            let reasons: Vec<_> =
                elements.items((0x0008, 0x1198)).map(|item| item.unsigned((0x0008, 0x1197)).unwrap()).collect();
            assert_eq!(reasons, [0x0112, 0x0119]);
            assert_eq!(elements.end, bytes.len());
        }
    }
}
