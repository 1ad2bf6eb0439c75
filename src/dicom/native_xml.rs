//! The Native DICOM Model in XML (PS3.19 annex A.1).

use std::fmt::Write as _;

use super::dictionary;
use super::model::{Attribute, DataSet, Number, Value};

/// The media type.
pub const MEDIA_TYPE: &str = "application/dicom+xml";

/// A data set as a document. Long values get addresses below `bulk_root`, which ends without a slash.
pub fn document(set: &DataSet, bulk_root: &str) -> String {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <NativeDicomModel xml:space=\"preserve\" xmlns=\"http://dicom.nema.org/PS3.19/models/NativeDICOM\">",
    );
    write(&mut out, set, bulk_root);
    out.push_str("</NativeDicomModel>\n");
    out
}

fn write(out: &mut String, set: &DataSet, bulk_root: &str) {
    for attribute in set.iter() {
        write_attribute(out, attribute, bulk_root);
    }
}

fn write_attribute(out: &mut String, attribute: &Attribute, bulk_root: &str) {
    let (group, element) = attribute.tag;
    let vr = String::from_utf8_lossy(&attribute.vr);
    let _ = write!(out, "<DicomAttribute tag=\"{group:04X}{element:04X}\" vr=\"{vr}\"");
    if let Some(keyword) = dictionary::keyword_of(attribute.tag) {
        let _ = write!(out, " keyword=\"{keyword}\"");
    }
    if let Some(creator) = &attribute.private_creator {
        let _ = write!(out, " privateCreator=\"{}\"", escaped(creator));
    }
    out.push('>');
    match &attribute.value {
        Value::Empty => {}
        Value::Texts(texts) => {
            for (number, text) in numbered(texts).filter(|(_, text)| !text.is_empty()) {
                let _ = write!(out, "<Value number=\"{number}\">{}</Value>", escaped(text));
            }
        }
        Value::Names(names) => {
            for (number, name) in numbered(names).filter(|(_, name)| !name.iter().all(String::is_empty)) {
                write_name(out, number, name);
            }
        }
        Value::Numbers(numbers) => {
            for (number, value) in numbered(numbers) {
                let _ = match value {
                    Number::Integer(value) => write!(out, "<Value number=\"{number}\">{value}</Value>"),
                    Number::Unsigned(value) => write!(out, "<Value number=\"{number}\">{value}</Value>"),
                    Number::Float(value) => write!(out, "<Value number=\"{number}\">{value}</Value>"),
                    Number::Decimal(text) if text.is_empty() => Ok(()),
                    Number::Decimal(text) => write!(out, "<Value number=\"{number}\">{}</Value>", escaped(text)),
                };
            }
        }
        Value::Items(items) => {
            for (number, item) in numbered(items) {
                let _ = write!(out, "<Item number=\"{number}\">");
                write(out, item, bulk_root);
                out.push_str("</Item>");
            }
        }
        Value::Bulk(path) => {
            let _ = write!(out, "<BulkData uri=\"{}/{path}\"/>", escaped(bulk_root));
        }
        Value::Bytes(bytes) => {
            use base64::Engine as _;
            let text = base64::engine::general_purpose::STANDARD.encode(bytes);
            let _ = write!(out, "<InlineBinary>{text}</InlineBinary>");
        }
    }
    out.push_str("</DicomAttribute>");
}

fn numbered<T>(values: &[T]) -> impl Iterator<Item = (usize, &T)> {
    values.iter().enumerate().map(|(index, value)| (index + 1, value))
}

fn write_name(out: &mut String, number: usize, name: &[String; 3]) {
    let _ = write!(out, "<PersonName number=\"{number}\">");
    for (group, text) in ["Alphabetic", "Ideographic", "Phonetic"].iter().zip(name).filter(|(_, text)| !text.is_empty())
    {
        let _ = write!(out, "<{group}>");
        let parts = ["FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix"];
        for (part, text) in parts.iter().zip(text.splitn(5, '^')).filter(|(_, text)| !text.is_empty()) {
            let _ = write!(out, "<{part}>{}</{part}>", escaped(text));
        }
        let _ = write!(out, "</{group}>");
    }
    out.push_str("</PersonName>");
}

/// Characters that XML 1.0 cannot hold are left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}') => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_holds_names_items_and_nothing_that_xml_forbids() {
        let mut item = DataSet::new();
        item.put_text((0x0008, 0x1150), b"UI", "1.2.3");
        let mut set = DataSet::new();
        set.put(
            (0x0010, 0x0010),
            b"PN",
            Value::Names(vec![["Ce<shi^Jia".to_owned(), "测试^甲".to_owned(), String::new()]]),
        )
        .put_text((0x0008, 0x1030), b"LO", "a\u{1}&b")
        .put((0x7FE0, 0x0010), b"OW", Value::Bulk("7FE00010".to_owned()))
        .put_items((0x0008, 0x1199), vec![item])
        .put_number((0x0020, 0x0013), b"IS", 3);
        let text = document(&set, "/dicom-web/x?a=1&b=2");
        assert_eq!(open_elements(&text), 0, "every element is closed");
        assert!(text.contains("<FamilyName>Ce&lt;shi</FamilyName><GivenName>Jia</GivenName>"), "{text}");
        assert!(text.contains("vr=\"LO\" keyword=\"StudyDescription\"><Value number=\"1\">a&amp;b</Value>"), "{text}");
        assert!(text.contains("<BulkData uri=\"/dicom-web/x?a=1&amp;b=2/7FE00010\"/>"), "{text}");
        assert!(text.contains("<Item number=\"1\"><DicomAttribute tag=\"00081150\""), "{text}");
    }

    /// Opened minus closed elements, by the reader that the SOAP side uses.
    fn open_elements(text: &str) -> i32 {
        let mut reader = quick_xml::Reader::from_str(text);
        let mut depth = 0;
        loop {
            match reader.read_event().unwrap() {
                quick_xml::events::Event::Start(_) => depth += 1,
                quick_xml::events::Event::End(_) => depth -= 1,
                quick_xml::events::Event::Eof => return depth,
                _ => {}
            }
        }
    }
}
