//! Identifiers of queries (PS3.4 section C.4.1.1.3): a data set of keys, read and written.
//!
//! Reading borrows from the bytes and never allocates by a declared length. A sequence is opened when queries
//! know attributes in its items, which have no sequences in them; any other is noticed only. Values are decoded whole and then split, since the second byte of a
//! Chinese character may look like the delimiter.

use super::elements::{Element, Elements, Encoding};
use super::text::{Charset, decode};
use super::transfer_syntax::ElementEncoding;
use crate::domain::query::attribute::{Attribute, tag};

/// A key that is a sequence has one item; of more it is enough to know that they are there.
const MAX_ITEMS: usize = 2;

/// One attribute of an identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// `0xGGGGEEEE`.
    pub tag: u32,
    /// The value representation as sent; `UN` where the encoding does not say.
    pub vr: [u8; 2],
    /// The value as UTF-8, several separated by `\`; a binary number as digits; empty for sequences.
    pub text: String,
    /// The keys in each item of a sequence that queries know.
    pub items: Vec<Vec<Key>>,
}

/// A request's identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifier {
    keys: Vec<Key>,
    character_set: Vec<String>,
}

/// The bytes are no data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("identifier does not parse")]
pub struct IdentifierError;

impl Identifier {
    /// Reads a data set in one of the uncompressed transfer syntaxes; `default_charset` reads texts whose character
    /// set is missing or wrong (D-I17).
    pub fn parse(bytes: &[u8], transfer_syntax_uid: &str, default_charset: &Charset) -> Result<Self, IdentifierError> {
        let elements = Elements::read(bytes, Encoding::of_transfer_syntax(transfer_syntax_uid));
        if elements.end != bytes.len() {
            return Err(IdentifierError);
        }
        let declared = elements.text((0x0008, 0x0005)).unwrap_or_default();
        let mut character_set: Vec<String> = declared.split('\\').map(|term| term.trim().to_owned()).collect();
        if character_set.iter().all(String::is_empty) {
            character_set.clear();
        }
        let keys = Reader { character_set: &character_set, default_charset }.keys(&elements, None)?;
        Ok(Self { keys, character_set })
    }

    /// The keys in the order in which they came.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The text of a key, trimmed; `None` when it is not there.
    pub fn text(&self, tag: u32) -> Option<&str> {
        self.keys.iter().find(|key| key.tag == tag).map(|key| key.text.trim_matches([' ', '\0']))
    }

    /// The values of Specific Character Set (0008,0005), none when nothing is declared.
    pub fn character_set(&self) -> &[String] {
        &self.character_set
    }
}

struct Reader<'a> {
    character_set: &'a [String],
    default_charset: &'a Charset,
}

impl Reader<'_> {
    /// The keys of the identifier, or of an item of one of its sequences.
    fn keys(&self, elements: &Elements<'_>, sequence: Option<u32>) -> Result<Vec<Key>, IdentifierError> {
        let mut keys: Vec<Key> = Vec::new();
        for element in elements.iter() {
            let number = u32::from(element.tag.0) << 16 | u32::from(element.tag.1);
            let attribute = match sequence {
                None => Attribute::of(number),
                Some(sequence) => Attribute::in_sequence(sequence, number),
            };
            let mut items = Vec::new();
            let text = match attribute.map(|attribute| attribute.vr) {
                Some("US") => element.words().first().map(u16::to_string).unwrap_or_default(),
                _ if &element.vr == b"SQ" || is_known_sequence(number) => {
                    if sequence.is_none() && is_known_sequence(number) {
                        items = self.items(element, number)?;
                    }
                    String::new()
                }
                Some(_) => decode(element.value, self.character_set, self.default_charset),
                // Only the level and what we answer to it; a value that nobody reads is not decoded.
                None if number == tag::QUERY_RETRIEVE_LEVEL => String::from_utf8_lossy(element.value).into_owned(),
                None => String::new(),
            };
            keys.retain(|key| key.tag != number);
            keys.push(Key { tag: number, vr: element.vr, text, items });
        }
        Ok(keys)
    }

    fn items(&self, element: &Element<'_>, sequence: u32) -> Result<Vec<Vec<Key>>, IdentifierError> {
        let items: Vec<Elements<'_>> = element.items().take(MAX_ITEMS).collect();
        // What is there but cannot be read is no universal matching.
        if items.is_empty() && !element.value.is_empty() {
            return Err(IdentifierError);
        }
        items.iter().map(|item| self.keys(item, Some(sequence))).collect()
    }
}

fn is_known_sequence(tag: u32) -> bool {
    Attribute::all_in_sequence(tag).next().is_some()
}

/// Writes the identifier of a response; elements are given in the order of their tags.
#[derive(Debug)]
pub struct IdentifierWriter {
    encoding: ElementEncoding,
    bytes: Vec<u8>,
}

impl IdentifierWriter {
    /// Begins an identifier in one of the uncompressed transfer syntaxes.
    pub fn new(transfer_syntax_uid: &str) -> Self {
        Self { encoding: ElementEncoding::of(transfer_syntax_uid), bytes: Vec::with_capacity(512) }
    }

    /// Appends an element of a text VR, padded to even length.
    pub fn put_text(&mut self, tag: u32, vr: [u8; 2], value: &[u8]) {
        let padding = if &vr == b"UI" { 0 } else { b' ' };
        self.put_header(tag, vr, value.len() + value.len() % 2);
        self.bytes.extend_from_slice(value);
        if !value.len().is_multiple_of(2) {
            self.bytes.push(padding);
        }
    }

    /// Begins an item of a sequence of this identifier.
    pub fn item(&self) -> Self {
        Self { encoding: self.encoding, bytes: Vec::new() }
    }

    /// Appends a sequence of items that were begun by [`IdentifierWriter::item`].
    pub fn put_sequence(&mut self, tag: u32, items: Vec<Self>) {
        let length = items.iter().map(|item| 8 + item.bytes.len()).sum();
        self.put_header(tag, *b"SQ", length);
        for item in items {
            self.put_u16(0xFFFE);
            self.put_u16(0xE000);
            self.put_u32(item.bytes.len() as u32);
            self.bytes.extend_from_slice(&item.bytes);
        }
    }

    /// Appends a US element.
    pub fn put_unsigned_short(&mut self, tag: u32, value: u16) {
        self.put_header(tag, *b"US", 2);
        self.put_u16(value);
    }

    /// The bytes.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn put_header(&mut self, tag: u32, vr: [u8; 2], length: usize) {
        self.put_u16((tag >> 16) as u16);
        self.put_u16(tag as u16);
        if !self.encoding.explicit_vr {
            return self.put_u32(length as u32);
        }
        self.bytes.extend_from_slice(&vr);
        match &vr {
            b"OB" | b"OD" | b"OF" | b"OL" | b"OV" | b"OW" | b"SQ" | b"SV" | b"UC" | b"UN" | b"UR" | b"UT" | b"UV" => {
                self.put_u16(0);
                self.put_u32(length as u32);
            }
            _ => self.put_u16(length as u16),
        }
    }

    fn put_u16(&mut self, number: u16) {
        let bytes = if self.encoding.big_endian { number.to_be_bytes() } else { number.to_le_bytes() };
        self.bytes.extend_from_slice(&bytes);
    }

    fn put_u32(&mut self, number: u32) {
        let bytes = if self.encoding.big_endian { number.to_be_bytes() } else { number.to_le_bytes() };
        self.bytes.extend_from_slice(&bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYNTAXES: [&str; 3] = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"];

    #[test]
    fn an_identifier_is_read_as_it_was_written_in_every_syntax() {
        for syntax in SYNTAXES {
            let mut writer = IdentifierWriter::new(syntax);
            writer.put_text(tag::SPECIFIC_CHARACTER_SET, *b"CS", b"GB18030");
            writer.put_text(tag::QUERY_RETRIEVE_LEVEL, *b"CS", b"IMAGE");
            // 稜 ends in 5CH, the delimiter's byte.
            writer.put_text(tag::PATIENT_NAME, *b"PN", &[0xB6, 0x5C]);
            writer.put_text(tag::STUDY_INSTANCE_UID, *b"UI", b"2.25.1");
            writer.put_unsigned_short(tag::ROWS, 512);

            let identifier = Identifier::parse(&writer.finish(), syntax, &Charset::gb18030()).unwrap();

            assert_eq!(identifier.text(tag::QUERY_RETRIEVE_LEVEL), Some("IMAGE"));
            assert_eq!(identifier.text(tag::PATIENT_NAME), Some("禱"), "{syntax}");
            assert_eq!(identifier.text(tag::STUDY_INSTANCE_UID), Some("2.25.1"));
            assert_eq!(identifier.text(tag::ROWS), Some("512"));
            assert_eq!(identifier.character_set(), ["GB18030"]);
        }
    }

    #[test]
    fn a_known_sequence_is_opened_and_others_are_noticed() {
        for syntax in SYNTAXES {
            let mut writer = IdentifierWriter::new(syntax);
            let mut item = writer.item();
            item.put_text(tag::SCHEDULED_PROCEDURE_STEP_ID, *b"SH", b"S1 ");
            writer.put_sequence(0x0008_1110, vec![writer.item()]);
            writer.put_sequence(tag::REQUEST_ATTRIBUTES_SEQUENCE, vec![item]);

            let identifier = Identifier::parse(&writer.finish(), syntax, &Charset::gb18030()).unwrap();

            let [other, requests] = identifier.keys() else { panic!("two keys") };
            assert_eq!((other.tag, other.items.len()), (0x0008_1110, 0));
            assert_eq!(requests.items.len(), 1, "{syntax}");
            assert_eq!(requests.items[0][0].text.trim(), "S1");
            assert_eq!(identifier.text(tag::SCHEDULED_PROCEDURE_STEP_ID), None, "it is not the data set's own");
        }
        // Not an item, and an item that runs past its sequence.
        for value in [[0x40, 0, 0x09, 0, 4, 0, 0, 0], [0xFE, 0xFF, 0x00, 0xE0, 4, 0, 0, 0]] {
            let bytes = [&[0x40, 0, 0x75, 0x02, 8, 0, 0, 0], value.as_slice()].concat();
            assert_eq!(Identifier::parse(&bytes, SYNTAXES[0], &Charset::gb18030()), Err(IdentifierError));
        }
    }

    #[test]
    fn what_is_cut_off_or_endless_is_refused() {
        let mut nested = vec![0x08, 0, 0x05, 0, 0xFF, 0xFF, 0xFF, 0xFF];
        for _ in 0..100_000 {
            nested.extend_from_slice(&[0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF]);
        }
        let long = [0x10, 0, 0x10, 0, 0xFF, 0xFF, 0xFF, 0x7F, b'A', b'B'];
        for bytes in [nested.as_slice(), &long, &[1, 2, 3]] {
            assert_eq!(Identifier::parse(bytes, SYNTAXES[0], &Charset::gb18030()), Err(IdentifierError));
        }
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, syntax in 0..3_usize) {
            let _ = Identifier::parse(&bytes, SYNTAXES[syntax], &Charset::gb18030());
        }
    }
}
