//! The PDF of a report inside a DICOM object (PS3.3 section C.24.2, Encapsulated Document Module).
//!
//! What becomes a report's file must be whole and a PDF, and the object's own words about its length and kind are not believed:
//! a value that runs past the end is no value. [`super::encapsulated_document`] finds documents of other kinds by the same rule.

use std::ops::Range;

use super::elements::{Elements, Encoding, Tag};
use crate::domain::pdf;

/// Encapsulated PDF Storage.
pub const ENCAPSULATED_PDF: &str = "1.2.840.10008.5.1.4.1.1.104.1";

const ENCAPSULATED_DOCUMENT: Tag = (0x0042, 0x0011);
const ENCAPSULATED_DOCUMENT_LENGTH: Tag = (0x0042, 0x0015);

/// Why an object yields no document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DocumentRefusal {
    /// There is no Encapsulated Document, or the object ends within it.
    #[error("the object holds no document, or ends within it")]
    Missing,
    /// The value is empty.
    #[error("the document is empty")]
    Empty,
    /// It is something else than a PDF.
    #[error("the document is no PDF")]
    NotAPdf,
}

/// Where the PDF is within a data set that is in memory whole.
pub fn pdf_in(data_set: &[u8], encoding: Encoding) -> Result<Range<usize>, DocumentRefusal> {
    let range = document_in(data_set, &Elements::read(data_set, encoding))?;
    let head = &data_set[range.start..range.end.min(range.start + 1024)];
    let markup = head.trim_ascii_start().first() == Some(&b'<');
    if markup || !pdf::has_header(head) {
        return Err(DocumentRefusal::NotAPdf);
    }
    Ok(range)
}

/// Where the document, whatever it is, lies within the data set that these elements are of.
pub(super) fn document_in(data_set: &[u8], elements: &Elements<'_>) -> Result<Range<usize>, DocumentRefusal> {
    let value = elements.get(ENCAPSULATED_DOCUMENT).ok_or(DocumentRefusal::Missing)?.value;
    let start = (value.as_ptr() as usize).checked_sub(data_set.as_ptr() as usize).ok_or(DocumentRefusal::Missing)?;
    let length = document_length(value, elements.number(ENCAPSULATED_DOCUMENT_LENGTH));
    if length == 0 {
        return Err(DocumentRefusal::Empty);
    }
    Ok(start..start + length)
}

/// Values have an even number of bytes: the last one may be padding. The declared length counts where it can be true.
fn document_length(value: &[u8], declared: Option<f64>) -> usize {
    let padded = value.len();
    let unpadded = if value.last() == Some(&0) { padded - 1 } else { padded };
    match declared {
        Some(declared) if declared == padded as f64 => padded,
        _ => unpadded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PDF: &[u8] = b"%PDF-1.4\n%%EOF\n";

    fn element(tag: (u16, u16), vr: &[u8; 2], value: &[u8]) -> Vec<u8> {
        let mut bytes = [tag.0.to_le_bytes(), tag.1.to_le_bytes()].concat();
        bytes.extend(vr);
        if vr == b"OB" {
            bytes.extend([0, 0]);
            bytes.extend((value.len() as u32).to_le_bytes());
        } else {
            bytes.extend((value.len() as u16).to_le_bytes());
        }
        bytes.extend(value);
        bytes
    }

    fn object(document: &[u8], length: Option<u32>) -> Vec<u8> {
        let mut value = document.to_vec();
        value.resize(value.len().next_multiple_of(2), 0);
        let mut bytes = element((0x0008, 0x0060), b"CS", b"DOC ");
        bytes.extend(element(ENCAPSULATED_DOCUMENT, b"OB", &value));
        if let Some(length) = length {
            bytes.extend(element(ENCAPSULATED_DOCUMENT_LENGTH, b"UL", &length.to_le_bytes()));
        }
        bytes
    }

    fn found(bytes: &[u8]) -> Result<&[u8], DocumentRefusal> {
        pdf_in(bytes, Encoding::ExplicitLittle).map(|range| &bytes[range])
    }

    #[test]
    fn the_padding_is_no_part_of_the_document() {
        for length in [None, Some(PDF.len() as u32), Some(7), Some(u32::MAX)] {
            assert_eq!(found(&object(PDF, length)), Ok(PDF), "{length:?}");
        }
        let even = [PDF, b"\0"].concat();
        assert_eq!(found(&object(&even, Some(even.len() as u32))), Ok(even.as_slice()), "a byte that belongs to it");
    }

    #[test]
    fn what_is_no_whole_pdf_is_none() {
        let whole = object(PDF, None);
        assert_eq!(found(&whole[..whole.len() - 3]), Err(DocumentRefusal::Missing), "cut off");
        let mut lying = whole.clone();
        let at = whole.len() - PDF.len() - 1 - 4;
        lying[at..at + 4].copy_from_slice(&0xFFFF_FFF0_u32.to_le_bytes());
        assert_eq!(found(&lying), Err(DocumentRefusal::Missing), "a length of four gigabytes");
        lying[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(found(&lying).is_err(), "an undefined length");
        assert_eq!(found(&object(b"", None)), Err(DocumentRefusal::Empty));
        assert_eq!(found(&object(b"<html>%PDF-1.4</html>", None)), Err(DocumentRefusal::NotAPdf));
        assert_eq!(found(&object(b"MZ\x90\0", None)), Err(DocumentRefusal::NotAPdf));
        assert_eq!(found(b""), Err(DocumentRefusal::Missing));
    }
}
