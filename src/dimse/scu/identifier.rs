//! Identifiers of C-FIND, C-MOVE and C-GET (PS3.4 section C.4): flat lists of attributes, written and read.
//!
//! What a peer answers is read by [`Elements`], which never allocates by a declared length; sequences are skipped.

use std::collections::BTreeMap;

use crate::dicom::elements::{Elements, Encoding};
use crate::dicom::text::{Charset, TextEncoder, decode};
use crate::dicom::transfer_syntax::ElementEncoding;
use crate::domain::Uid;

const SPECIFIC_CHARACTER_SET: u32 = 0x0008_0005;
const QUERY_RETRIEVE_LEVEL: u32 = 0x0008_0052;

/// The level of a query (0008,0052).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryLevel {
    /// STUDY
    Study,
    /// SERIES
    Series,
    /// IMAGE
    Image,
}

impl QueryLevel {
    /// The text on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            QueryLevel::Study => "STUDY",
            QueryLevel::Series => "SERIES",
            QueryLevel::Image => "IMAGE",
        }
    }
}

/// A text cannot be written in the character set of the peer, or is longer than its VR allows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{tag:08X}: the value cannot be sent to this peer")]
pub struct IdentifierError {
    tag: u32,
}

/// An identifier that we send: keys to match and attributes to return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifier {
    values: BTreeMap<u32, (&'static [u8; 2], Vec<u8>)>,
    charset: Charset,
}

impl Identifier {
    /// An identifier of this level without keys.
    pub fn new(level: QueryLevel, charset: &Charset) -> Self {
        let mut values = BTreeMap::new();
        values.insert(QUERY_RETRIEVE_LEVEL, (b"CS", level.as_str().as_bytes().to_vec()));
        Self { values, charset: charset.clone() }
    }

    /// A UID to match.
    pub fn uid(mut self, tag: u32, uid: &str) -> Self {
        self.values.insert(tag, (b"UI", uid.as_bytes().to_vec()));
        self
    }

    /// A text to match exactly. What would be a wildcard or a list is refused: it would match somebody else.
    pub fn text(mut self, tag: u32, vr: &'static [u8; 2], text: &str) -> Result<Self, IdentifierError> {
        let fail = || IdentifierError { tag };
        if text.chars().any(|c| matches!(c, '*' | '?' | '\\') || c.is_control()) || text.chars().count() > 64 {
            return Err(fail());
        }
        if text.is_ascii() {
            self.values.insert(tag, (vr, text.as_bytes().to_vec()));
            return Ok(self);
        }
        let encoder = TextEncoder::of_charset(&self.charset).ok_or_else(fail)?;
        let bytes = encoder.encode(text).ok_or_else(fail)?;
        self.values.insert(SPECIFIC_CHARACTER_SET, (b"CS", encoder.terms().into_bytes()));
        self.values.insert(tag, (vr, bytes));
        Ok(self)
    }

    /// An attribute to return.
    pub fn returning(mut self, tag: u32, vr: &'static [u8; 2]) -> Self {
        self.values.entry(tag).or_insert((vr, Vec::new()));
        self
    }

    /// The bytes in Implicit or Explicit VR Little Endian.
    pub(super) fn encode(&self, transfer_syntax_uid: &str) -> Vec<u8> {
        let encoding = ElementEncoding::of(transfer_syntax_uid);
        let mut bytes = Vec::with_capacity(256);
        for (tag, (vr, value)) in &self.values {
            let padding = if *vr == b"UI" { 0 } else { b' ' };
            let length = value.len() + value.len() % 2;
            bytes.extend_from_slice(&((tag >> 16) as u16).to_le_bytes());
            bytes.extend_from_slice(&(*tag as u16).to_le_bytes());
            if encoding.explicit_vr {
                bytes.extend_from_slice(*vr);
                bytes.extend_from_slice(&(length as u16).to_le_bytes());
            } else {
                bytes.extend_from_slice(&(length as u32).to_le_bytes());
            }
            bytes.extend_from_slice(value);
            bytes.resize(bytes.len() + value.len() % 2, padding);
        }
        bytes
    }
}

/// What a peer answered to a C-FIND, one match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    values: BTreeMap<u32, Vec<u8>>,
    terms: Vec<String>,
    charset: Charset,
}

impl Match {
    /// Reads what can be read.
    pub(super) fn read(bytes: &[u8], transfer_syntax_uid: &str, charset: &Charset) -> Self {
        let elements = Elements::read(bytes, Encoding::of_transfer_syntax(transfer_syntax_uid));
        let values: BTreeMap<u32, Vec<u8>> = elements
            .iter()
            .filter(|element| &element.vr != b"SQ")
            .map(|element| (u32::from(element.tag.0) << 16 | u32::from(element.tag.1), element.value.to_vec()))
            .collect();
        let declared = values.get(&SPECIFIC_CHARACTER_SET).map(Vec::as_slice).unwrap_or_default();
        let terms = String::from_utf8_lossy(declared).split('\\').map(|term| term.trim().to_owned()).collect();
        Self { values, terms, charset: charset.clone() }
    }

    /// A text, trimmed; empty when the attribute is absent or empty.
    pub fn text(&self, tag: u32) -> String {
        let bytes = self.values.get(&tag).map(Vec::as_slice).unwrap_or_default();
        decode(bytes, &self.terms, &self.charset).trim_matches([' ', '\0']).to_owned()
    }

    /// A UID; `None` when there is none or what stands there is no UID.
    pub fn uid(&self, tag: u32) -> Option<String> {
        let text = String::from_utf8_lossy(self.values.get(&tag)?);
        Uid::parse(&text).ok().map(String::from)
    }

    /// All UIDs of an attribute with several values; what is no UID is left out.
    pub fn uids(&self, tag: u32) -> Vec<String> {
        let bytes = self.values.get(&tag).map(Vec::as_slice).unwrap_or_default();
        let text = String::from_utf8_lossy(bytes);
        text.split('\\').filter_map(|uid| Uid::parse(uid).ok()).map(String::from).collect()
    }

    /// A count (IS); `None` when there is none, it is negative, or no number.
    pub fn count(&self, tag: u32) -> Option<u64> {
        let text = String::from_utf8_lossy(self.values.get(&tag)?);
        text.trim_matches([' ', '\0']).parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENT_ID: u32 = 0x0010_0020;
    const STUDY_UID: u32 = 0x0020_000D;

    #[test]
    fn an_identifier_is_written_in_both_syntaxes_and_read_back() {
        let identifier = Identifier::new(QueryLevel::Study, &Charset::gb18030())
            .text(PATIENT_ID, b"LO", "病案001")
            .unwrap()
            .uid(STUDY_UID, "2.25.1")
            .returning(0x0020_1208, b"IS");
        for syntax in ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"] {
            let read = Match::read(&identifier.encode(syntax), syntax, &Charset::parse("ISO_IR 100").unwrap());
            assert_eq!(read.text(PATIENT_ID), "病案001");
            assert_eq!(read.uid(STUDY_UID).as_deref(), Some("2.25.1"));
            assert_eq!(read.text(QUERY_RETRIEVE_LEVEL), "STUDY");
            assert_eq!(read.count(0x0020_1208), None);
        }
    }

    #[test]
    fn a_value_that_would_match_others_is_never_sent() {
        let identifier = || Identifier::new(QueryLevel::Study, &Charset::gb18030());
        for text in ["*", "A?1", "A\\B", "A\n", &"9".repeat(65)] {
            assert!(identifier().text(PATIENT_ID, b"LO", text).is_err(), "{text}");
        }
        let latin = Identifier::new(QueryLevel::Study, &Charset::parse("ISO_IR 100").unwrap());
        assert!(latin.text(PATIENT_ID, b"LO", "病案").is_err());
    }

    #[test]
    fn what_is_no_uid_or_no_count_is_not_taken_for_one() {
        let mut bytes = vec![0x20, 0, 0x0D, 0, 12, 0, 0, 0];
        bytes.extend_from_slice(b"../../../etc");
        bytes.extend_from_slice(&[0x20, 0, 0x08, 0x12, 4, 0, 0, 0]);
        bytes.extend_from_slice(b"-17 ");
        let read = Match::read(&bytes, "1.2.840.10008.1.2", &Charset::gb18030());
        assert_eq!((read.uid(STUDY_UID), read.count(0x0020_1208)), (None, None));
        let cut =
            Match::read(&[0x20, 0, 0x0D, 0, 0xFF, 0xFF, 0xFF, 0x7F, b'1'], "1.2.840.10008.1.2", &Charset::gb18030());
        assert_eq!(cut.uid(STUDY_UID), None);
    }
}
