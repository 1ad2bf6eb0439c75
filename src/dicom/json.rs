//! The DICOM JSON model (PS3.18 annex F).
//!
//! Written straight into bytes: metadata of a thousand instances is asked for at once. Values that a number cannot hold
//! stand as texts (F.2.3.1), missing values among several as `null`, long values as BulkDataURI below an address that the
//! caller gives.

use super::model::{Attribute, DataSet, Number, Value};

/// The media type.
pub const MEDIA_TYPE: &str = "application/dicom+json";

/// Appends a data set as a JSON object. Long values get addresses below `bulk_root`, which ends without a slash.
pub fn write(out: &mut Vec<u8>, set: &DataSet, bulk_root: &str) {
    out.push(b'{');
    for (index, attribute) in set.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_attribute(out, attribute, bulk_root);
    }
    out.push(b'}');
}

/// A list of data sets.
pub fn list(sets: &[DataSet], bulk_root: &str) -> Vec<u8> {
    let mut out = vec![b'['];
    for (index, set) in sets.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(&mut out, set, bulk_root);
    }
    out.push(b']');
    out
}

fn write_attribute(out: &mut Vec<u8>, attribute: &Attribute, bulk_root: &str) {
    let (group, element) = attribute.tag;
    out.extend_from_slice(format!("\"{group:04X}{element:04X}\":{{\"vr\":\"").as_bytes());
    out.extend_from_slice(&attribute.vr);
    out.push(b'"');
    match &attribute.value {
        Value::Empty => {}
        Value::Texts(texts) => list_of(out, texts, |out, text| write_text_or_null(out, text)),
        Value::Names(names) => list_of(out, names, write_name),
        Value::Numbers(numbers) => list_of(out, numbers, write_number),
        Value::Items(items) => list_of(out, items, |out, item| write(out, item, bulk_root)),
        Value::Bulk(path) => {
            out.extend_from_slice(b",\"BulkDataURI\":");
            write_text(out, &format!("{bulk_root}/{path}"));
        }
        Value::Bytes(bytes) => {
            use base64::Engine as _;
            out.extend_from_slice(b",\"InlineBinary\":\"");
            out.extend_from_slice(base64::engine::general_purpose::STANDARD.encode(bytes).as_bytes());
            out.push(b'"');
        }
    }
    out.push(b'}');
}

fn list_of<T>(out: &mut Vec<u8>, values: &[T], mut write_one: impl FnMut(&mut Vec<u8>, &T)) {
    out.extend_from_slice(b",\"Value\":[");
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_one(out, value);
    }
    out.push(b']');
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    // Writing into a vector does not fail, nor does a text.
    let _ = serde_json::to_writer(out, text);
}

fn write_text_or_null(out: &mut Vec<u8>, text: &str) {
    if text.is_empty() { out.extend_from_slice(b"null") } else { write_text(out, text) }
}

fn write_name(out: &mut Vec<u8>, name: &[String; 3]) {
    if name.iter().all(String::is_empty) {
        out.extend_from_slice(b"null");
        return;
    }
    out.push(b'{');
    let mut first = true;
    for (group, text) in ["Alphabetic", "Ideographic", "Phonetic"].iter().zip(name).filter(|(_, text)| !text.is_empty())
    {
        if !first {
            out.push(b',');
        }
        first = false;
        out.extend_from_slice(format!("\"{group}\":").as_bytes());
        write_text(out, text);
    }
    out.push(b'}');
}

fn write_number(out: &mut Vec<u8>, number: &Number) {
    match number {
        Number::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Number::Unsigned(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Number::Float(number) => write_float(out, *number),
        Number::Decimal(text) if text.is_empty() => out.extend_from_slice(b"null"),
        Number::Decimal(text) if is_json_number(text) => out.extend_from_slice(text.as_bytes()),
        Number::Decimal(text) => match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(number), _) => out.extend_from_slice(number.to_string().as_bytes()),
            (_, Ok(number)) if number.is_finite() => write_float(out, number),
            _ => write_text(out, text),
        },
    }
}

fn write_float(out: &mut Vec<u8>, number: f64) {
    if number.is_nan() {
        out.extend_from_slice(b"\"NaN\"");
    } else if number.is_infinite() {
        out.extend_from_slice(if number > 0.0 { b"\"inf\"" } else { b"\"-inf\"" });
    } else {
        let _ = serde_json::to_writer(out, &number);
    }
}

/// Whether a text is a number as JSON writes it (RFC 8259 section 6); `+1`, `.5` and `007` are not.
fn is_json_number(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole.len() == 1 || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
        && text.len() <= 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::elements::{Elements, Encoding};
    use crate::dicom::model::{ReadOptions, find_bulk, person_name, read};
    use crate::dicom::text::Charset;

    fn element(tag: u32, vr: &str, value: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(((tag >> 16) as u16).to_le_bytes());
        bytes.extend((tag as u16).to_le_bytes());
        bytes.extend(vr.as_bytes());
        if ["OB", "OW", "SQ", "UN", "UT"].contains(&vr) {
            bytes.extend([0, 0]);
            bytes.extend((value.len() as u32).to_le_bytes());
        } else {
            bytes.extend((value.len() as u16).to_le_bytes());
        }
        bytes.extend(value);
        bytes
    }

    fn item(content: &[u8]) -> Vec<u8> {
        [&[0xFE, 0xFF, 0x00, 0xE0], &(content.len() as u32).to_le_bytes()[..], content].concat()
    }

    fn json(bytes: &[u8], encoding: Encoding) -> serde_json::Value {
        let charset = Charset::gb18030();
        let options = ReadOptions { default_charset: &charset, inline_bytes: 4 };
        let set = read(&Elements::read(bytes, encoding), &options).unwrap();
        let mut out = Vec::new();
        write(&mut out, &set, "http://h/bulkdata");
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn every_kind_of_value_is_written_as_annex_f_says() {
        let nested = element(0x7FE0_0010, "OW", &[9; 8]);
        let bytes = [
            element(0x0008_0005, "CS", b"GB18030 "),
            element(0x0008_0008, "CS", b"ORIGINAL\\\\AXIAL "),
            element(0x0008_0050, "SH", b""),
            element(0x0009_0010, "LO", b"SYNTHETIC "),
            element(0x0009_1001, "UN", &[1, 2]),
            element(0x0010_0010, "PN", b"Ceshi^Jia=\xB2\xE2\xCA\xD4^\xBC\xD7 "),
            element(0x0018_0050, "DS", b"+1.50\\0.1\\x "),
            element(0x0020_0013, "IS", b"007 "),
            element(0x0020_4000, "LT", b"a\r\nb "),
            element(0x0028_0009, "AT", &[0x18, 0, 0x63, 0x10]),
            element(0x0028_0106, "SS", &(-5_i16).to_le_bytes()),
            element(0x0028_9001, "UL", &7_u32.to_le_bytes()),
            element(0x0040_9225, "FD", &f64::NAN.to_le_bytes()),
            element(0x0088_0200, "SQ", &item(&nested)),
            element(0x7FE0_0010, "OW", &[1; 8]),
        ]
        .concat();
        let json = json(&bytes, Encoding::ExplicitLittle);
        assert_eq!(json["00080005"]["Value"][0], "ISO_IR 192");
        assert_eq!(json["00080008"]["Value"], serde_json::json!(["ORIGINAL", null, "AXIAL"]));
        assert_eq!(json["00080050"], serde_json::json!({ "vr": "SH" }));
        assert_eq!(json["00091001"], serde_json::json!({ "vr": "UN", "InlineBinary": "AQI=" }));
        let name = serde_json::json!([{ "Alphabetic": "Ceshi^Jia", "Ideographic": "测试^甲" }]);
        assert_eq!(json["00100010"]["Value"], name);
        assert_eq!(json["00180050"]["Value"], serde_json::json!([1.5, 0.1, "x"]));
        assert_eq!(json["00200013"]["Value"], serde_json::json!([7]));
        assert_eq!(json["00204000"]["Value"][0], "a\r\nb");
        assert_eq!(json["00280009"]["Value"][0], "00181063");
        assert_eq!(json["00280106"]["Value"][0], -5);
        assert_eq!(json["00289001"]["Value"][0], 7);
        assert_eq!(json["00409225"]["Value"][0], "NaN");
        let icon = &json["00880200"]["Value"][0]["7FE00010"];
        assert_eq!(icon["BulkDataURI"], "http://h/bulkdata/00880200/1/7FE00010");
        assert_eq!(json["7FE00010"]["BulkDataURI"], "http://h/bulkdata/7FE00010");
        let elements = Elements::read(&bytes, Encoding::ExplicitLittle);
        let icon = find_bulk(&elements, &bytes, "00880200/1/7FE00010").unwrap();
        assert_eq!(&bytes[icon.range], &[9; 8]);
        let pixels = find_bulk(&elements, &bytes, "7FE00010").unwrap();
        assert_eq!(&bytes[pixels.range], &[1; 8]);
        for path in ["", "7FE00011", "00880200/0/7FE00010", "00880200/2/7FE00010", "../etc", "0088020"] {
            assert_eq!(find_bulk(&elements, &bytes, path), None, "{path}");
        }
    }

    #[test]
    fn implicit_elements_get_the_value_representation_of_the_dictionary() {
        let mut bytes = Vec::new();
        for (tag, value) in [(0x0008_0060_u32, b"CT".as_slice()), (0x0028_0010, &[2, 0]), (0x0009_1001, &[5, 6])] {
            bytes.extend(((tag >> 16) as u16).to_le_bytes());
            bytes.extend((tag as u16).to_le_bytes());
            bytes.extend((value.len() as u32).to_le_bytes());
            bytes.extend(value);
        }
        let json = json(&bytes, Encoding::ImplicitLittle);
        assert_eq!(json["00080060"], serde_json::json!({ "vr": "CS", "Value": ["CT"] }));
        assert_eq!(json["00280010"], serde_json::json!({ "vr": "US", "Value": [2] }));
        assert_eq!(json["00091001"]["vr"], "UN");
        assert!(json.get("00080005").is_none(), "nothing but ASCII was there");
    }

    #[test]
    fn numbers_of_json_are_told_from_numbers_of_dicom() {
        for good in ["0", "-1", "1.25", "-0.5e-3", "10E2"] {
            assert!(is_json_number(good), "{good}");
        }
        for bad in ["", "+1", ".5", "1.", "007", "1e", "0x1", "NaN", "1 "] {
            assert!(!is_json_number(bad), "{bad}");
        }
    }

    #[test]
    fn names_lose_empty_ends() {
        assert_eq!(person_name("A^B^^^ =X="), ["A^B".to_owned(), "X".to_owned(), String::new()]);
    }
}
