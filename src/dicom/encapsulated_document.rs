//! Encapsulated documents (PS3.3 A.45, C.24.2): a PDF or a CDA, or something else, inside a DICOM object.

use std::ops::Range;

use super::elements::{Elements, Encoding, Part10};
use super::encapsulated_pdf::document_in;
use super::text::{self, Charset};
use crate::domain::pdf;

/// Where the document lies in the file, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncapsulatedDocument {
    /// MIME Type of Encapsulated Document, lower case; empty when it is not said.
    pub media_type: String,
    /// Document Title.
    pub title: String,
    /// The document's bytes within the file, without the padding.
    pub range: Range<usize>,
}

impl EncapsulatedDocument {
    /// Finds the document in a Part 10 file; `None` when there is none. Deflated data sets have to be inflated before.
    pub fn read(file: &[u8], charset: &Charset) -> Option<Self> {
        let part10 = Part10::read(file);
        let data_set = file.get(part10.dataset_offset..)?;
        let elements = Elements::read(data_set, Encoding::of_transfer_syntax(part10.transfer_syntax));
        let found = document_in(data_set, &elements).ok()?;
        let terms = elements.text((0x0008, 0x0005)).unwrap_or_default();
        let terms: Vec<&str> = terms.split('\\').map(str::trim).filter(|term| !term.is_empty()).collect();
        let title = elements.get((0x0042, 0x0010)).map_or(&[][..], |element| element.value);
        Some(Self {
            media_type: elements.text((0x0042, 0x0012)).unwrap_or_default().to_ascii_lowercase(),
            title: text::decode(title, &terms, charset).trim().to_owned(),
            range: found.start + part10.dataset_offset..found.end + part10.dataset_offset,
        })
    }

    /// Whether the document is a PDF, by what it says or begins with.
    pub fn is_pdf(&self, file: &[u8]) -> bool {
        let begins = file.get(self.range.clone()).is_some_and(|bytes| bytes.starts_with(pdf::HEADER));
        begins || self.media_type == "application/pdf"
    }

    /// Whether the document is XML such as a CDA.
    pub fn is_xml(&self) -> bool {
        matches!(self.media_type.split(';').next().unwrap_or_default().trim(), "text/xml" | "application/xml")
            || self.media_type.contains("cda")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_found_without_its_padding() {
        let mut file = [vec![0; 128], b"DICM".to_vec()].concat();
        file.extend([2, 0, 0x10, 0, b'U', b'I', 20, 0]);
        file.extend(b"1.2.840.10008.1.2.1\0");
        file.extend([0x42, 0, 0x10, 0, b'S', b'T', 6, 0]);
        file.extend("报告".as_bytes());
        file.extend([0x42, 0, 0x11, 0, b'O', b'B', 0, 0, 8, 0, 0, 0]);
        file.extend(b"%PDF-1.\0");
        file.extend([0x42, 0, 0x12, 0, b'L', b'O', 16, 0]);
        file.extend(b"application/pdf ");
        file.extend([0x42, 0, 0x15, 0, b'U', b'L', 4, 0, 7, 0, 0, 0]);
        let document = EncapsulatedDocument::read(&file, &Charset::default()).unwrap();
        assert_eq!(&file[document.range.clone()], b"%PDF-1.");
        assert!(document.is_pdf(&file) && !document.is_xml());
        assert_eq!(document.title, "报告");
        assert_eq!(EncapsulatedDocument::read(&file[..150], &Charset::default()), None);
    }
}
