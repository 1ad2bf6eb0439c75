//! From elements to the tree of attributes.

use std::ops::Range;

use super::{Attribute, DataSet, Number, Value};
use crate::dicom::dictionary::{self, StandardVr};
use crate::dicom::elements::{Element, Elements, PixelStart, Tag};
use crate::dicom::text::{self, Charset};

/// Most attributes of one object, those in sequences counted in.
pub const MOST_ATTRIBUTES: usize = 1_000_000;
/// Most values of one attribute that stand in the tree; more are a long value, whatever they are.
pub const MOST_VALUES: usize = 1 << 18;
/// Most values of one object that stand in the tree.
const MOST_VALUES_IN_ALL: usize = 4_000_000;
const MOST_LEVELS: usize = 16;
const SPECIFIC_CHARACTER_SET: Tag = (0x0008, 0x0005);
const PIXEL_REPRESENTATION: Tag = (0x0028, 0x0103);

/// How a data set is read.
#[derive(Debug, Clone)]
pub struct ReadOptions<'a> {
    /// Charset of texts that declare none, or a wrong one (D-I17).
    pub default_charset: &'a Charset,
    /// Longest binary value that stands in the tree itself, in bytes.
    pub inline_bytes: usize,
}

/// The object has more than [`MOST_ATTRIBUTES`] attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {MOST_ATTRIBUTES} attributes")]
pub struct TooManyAttributes;

/// Where the bytes of a long value are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkValue {
    /// Within the data set; for undefined length only the start counts.
    pub range: Range<usize>,
    /// Whether the value is encapsulated pixel data, whose end is not known yet.
    pub encapsulated: bool,
}

/// Reads all attributes; pixel data is named by its path.
pub fn read(elements: &Elements<'_>, options: &ReadOptions<'_>) -> Result<DataSet, TooManyAttributes> {
    let mut reader = Reader { options, left: MOST_ATTRIBUTES, values: MOST_VALUES_IN_ALL, beyond_ascii: false };
    let mut set = reader.data_set(elements, &Context { terms: Vec::new(), signed: false }, "", 0)?;
    if reader.beyond_ascii || set.get(SPECIFIC_CHARACTER_SET).is_some() {
        set.put_text(SPECIFIC_CHARACTER_SET, b"CS", "ISO_IR 192");
    }
    Ok(set)
}

/// The bytes of the value under a path of [`Value::Bulk`].
pub fn find_bulk(elements: &Elements<'_>, data_set: &[u8], path: &str) -> Option<BulkValue> {
    let mut steps = path.split('/');
    let mut level = elements.clone();
    for _ in 0..=MOST_LEVELS {
        let tag = steps.next().and_then(tag_of_step)?;
        let Some(number) = steps.next() else { return bulk_in(&level, data_set, tag) };
        let index = number.parse::<usize>().ok()?.checked_sub(1)?;
        level = level.items(tag).nth(index)?;
    }
    None
}

fn tag_of_step(step: &str) -> Option<Tag> {
    let all_hex = step.len() == 8 && step.bytes().all(|b| b.is_ascii_hexdigit());
    all_hex.then(|| dictionary::tag_of(step)).flatten()
}

fn bulk_in(level: &Elements<'_>, data_set: &[u8], tag: Tag) -> Option<BulkValue> {
    // Values borrow from the data set, so their place in it is the distance of their addresses.
    let offset = |bytes: &[u8]| (bytes.as_ptr() as usize).checked_sub(data_set.as_ptr() as usize);
    if let Some(pixels) = level.pixels.filter(|pixels| pixels.tag == tag) {
        let start = level.start_in(data_set)? + pixels.value_offset;
        let length = pixels.length.map_or(0, |length| length as usize);
        return Some(BulkValue { range: start..start.checked_add(length)?, encapsulated: pixels.length.is_none() });
    }
    let element = level.get(tag)?;
    let start = offset(element.value)?;
    Some(BulkValue { range: start..start + element.value.len(), encapsulated: false })
}

/// What items inherit from the data set around them.
#[derive(Clone)]
struct Context {
    terms: Vec<String>,
    signed: bool,
}

struct Reader<'o> {
    options: &'o ReadOptions<'o>,
    left: usize,
    /// Values that may still stand in the tree.
    values: usize,
    /// Whether a text was more than ASCII, so that the reader of the model has to know that they are UTF-8 now.
    beyond_ascii: bool,
}

impl Reader<'_> {
    fn data_set(
        &mut self,
        elements: &Elements<'_>,
        around: &Context,
        path: &str,
        level: usize,
    ) -> Result<DataSet, TooManyAttributes> {
        let mut context = around.clone();
        if let Some(declared) = elements.get(SPECIFIC_CHARACTER_SET) {
            let text = String::from_utf8_lossy(declared.value);
            context.terms = text.split('\\').map(|term| term.trim_matches([' ', '\0']).to_owned()).collect();
        }
        if let Some(signed) = elements.unsigned(PIXEL_REPRESENTATION) {
            context.signed = signed == 1;
        }
        let mut set = DataSet::new();
        let mut creators: Vec<(Tag, String)> = Vec::new();
        for element in elements.iter().filter(|e| e.tag.1 != 0 && e.tag.0 > 2) {
            self.left = self.left.checked_sub(1).ok_or(TooManyAttributes)?;
            let vr = resolve(element, &context);
            let value = self.value(element, vr, &context, path, level)?;
            if element.tag.0 % 2 == 1
                && (0x10..=0xFF).contains(&element.tag.1)
                && let Value::Texts(texts) = &value
            {
                creators.push((element.tag, texts.join("\\")));
            }
            set.attributes.push(Attribute { tag: element.tag, vr, value, private_creator: None });
        }
        if let Some(pixels) = elements.pixels {
            let value = Value::Bulk(joined(path, pixels.tag));
            set.attributes.push(Attribute { tag: pixels.tag, vr: pixel_vr(&pixels), value, private_creator: None });
        }
        // Devices write elements out of order and twice; the first one counts.
        set.attributes.sort_by_key(|attribute| attribute.tag);
        set.attributes.dedup_by_key(|attribute| attribute.tag);
        for attribute in set.attributes.iter_mut().filter(|a| a.tag.0 % 2 == 1 && a.tag.1 > 0xFF) {
            let block = (attribute.tag.0, attribute.tag.1 >> 8);
            attribute.private_creator = creators.iter().find(|(tag, _)| *tag == block).map(|(_, name)| name.clone());
        }
        Ok(set)
    }

    fn value(
        &mut self,
        element: &Element<'_>,
        vr: [u8; 2],
        context: &Context,
        path: &str,
        level: usize,
    ) -> Result<Value, TooManyAttributes> {
        let bytes = element.value;
        if bytes.is_empty() {
            return Ok(Value::Empty);
        }
        if &vr == b"SQ" {
            if level >= MOST_LEVELS {
                return Ok(Value::Empty);
            }
            let here = joined(path, element.tag);
            let mut items = Vec::new();
            for (index, item) in element.items().enumerate() {
                self.left = self.left.checked_sub(1).ok_or(TooManyAttributes)?;
                items.push(self.data_set(&item, context, &format!("{here}/{}", index + 1), level + 1)?);
            }
            return Ok(if items.is_empty() { Value::Empty } else { Value::Items(items) });
        }
        let count = count_of_values(bytes, vr);
        if count > self.values.min(MOST_VALUES) {
            return Ok(Value::Bulk(joined(path, element.tag)));
        }
        self.values -= count;
        Ok(match &vr {
            b"OB" | b"OD" | b"OF" | b"OL" | b"OV" | b"OW" | b"UN" if bytes.len() > self.options.inline_bytes => {
                Value::Bulk(joined(path, element.tag))
            }
            b"OB" | b"OD" | b"OF" | b"OL" | b"OV" | b"OW" | b"UN" => Value::Bytes(in_little_endian(element, vr)),
            b"LT" | b"ST" | b"UT" => texts(vec![self.text(bytes, context).trim_end_matches([' ', '\0']).to_owned()]),
            b"UR" => texts(vec![self.text(bytes, context).trim().to_owned()]),
            b"PN" => names(&self.text(bytes, context)),
            b"IS" | b"DS" => decimals(&self.text(bytes, context)),
            b"AT" => texts(tags(element)),
            b"US" | b"SS" | b"UL" | b"SL" | b"UV" | b"SV" | b"FL" | b"FD" => numbers(element, vr),
            _ => {
                let text = self.text(bytes, context);
                texts(text.split('\\').map(|part| part.trim_matches([' ', '\0']).to_owned()).collect())
            }
        })
    }

    /// Lines are decoded one by one, because the decoder takes control characters out.
    fn text(&mut self, bytes: &[u8], context: &Context) -> String {
        self.beyond_ascii |= !bytes.is_ascii() || bytes.contains(&0x1B);
        let charset = self.options.default_charset;
        let ends_line = |byte: &u8| matches!(byte, b'\n' | b'\r' | b'\t' | 0x0C);
        if !bytes.iter().any(ends_line) {
            return text::decode(bytes, &context.terms, charset);
        }
        let mut whole = String::with_capacity(bytes.len());
        for line in bytes.split_inclusive(ends_line) {
            let (line, end) = match line.split_last() {
                Some((end, before)) if ends_line(end) => (before, Some(char::from(*end))),
                _ => (line, None),
            };
            whole.push_str(&text::decode(line, &context.terms, charset));
            whole.extend(end.filter(|end| *end != '\u{C}'));
        }
        whole
    }
}

fn joined(path: &str, tag: Tag) -> String {
    let slash = if path.is_empty() { "" } else { "/" };
    format!("{path}{slash}{:04X}{:04X}", tag.0, tag.1)
}

fn pixel_vr(pixels: &PixelStart) -> [u8; 2] {
    match (&pixels.vr, pixels.tag.1) {
        (b"OB" | b"OW" | b"OF" | b"OD" | b"OV", _) => pixels.vr,
        (_, 0x0008) => *b"OF",
        (_, 0x0009) => *b"OD",
        _ if pixels.length.is_none() => *b"OB",
        _ => *b"OW",
    }
}

/// What the object says, else the dictionary, else what the value looks like.
fn resolve(element: &Element<'_>, context: &Context) -> [u8; 2] {
    // The reader guesses a few VRs of implicit data sets; the dictionary knows more.
    let said = element.encoding() != crate::dicom::elements::Encoding::ImplicitLittle && &element.vr != b"UN";
    if said {
        return element.vr;
    }
    match dictionary::vr_of(element.tag) {
        Some(StandardVr::Exact(vr)) => vr,
        Some(StandardVr::UnsignedOrSigned) if context.signed => *b"SS",
        Some(StandardVr::UnsignedOrSigned) => *b"US",
        Some(StandardVr::OtherByteOrWord) => *b"OW",
        None if element.tag.0 % 2 == 1 && (0x10..=0xFF).contains(&element.tag.1) => *b"LO",
        None if element.value.starts_with(&[0xFE, 0xFF, 0x00, 0xE0]) => *b"SQ",
        None => *b"UN",
    }
}

/// How many values there are, before any of them is read; in texts of several bytes a character a few too many.
fn count_of_values(bytes: &[u8], vr: [u8; 2]) -> usize {
    match &vr {
        b"US" | b"SS" | b"UL" | b"SL" | b"UV" | b"SV" | b"FL" | b"FD" => bytes.len() / unit(vr),
        b"AT" => bytes.len() / 4,
        b"OB" | b"OD" | b"OF" | b"OL" | b"OV" | b"OW" | b"UN" | b"LT" | b"ST" | b"UT" | b"UR" => 1,
        _ => 1 + bytes.iter().filter(|byte| **byte == b'\\').count(),
    }
}

fn texts(values: Vec<String>) -> Value {
    if values.iter().all(String::is_empty) { Value::Empty } else { Value::Texts(values) }
}

fn names(text: &str) -> Value {
    let names: Vec<[String; 3]> = text.split('\\').map(super::person_name).collect();
    if names.iter().flatten().all(String::is_empty) { Value::Empty } else { Value::Names(names) }
}

fn decimals(text: &str) -> Value {
    let parts: Vec<&str> = text.split('\\').map(|part| part.trim_matches([' ', '\0'])).collect();
    if parts.iter().all(|part| part.is_empty()) {
        return Value::Empty;
    }
    Value::Numbers(parts.into_iter().map(|part| Number::Decimal(part.to_owned())).collect())
}

fn tags(element: &Element<'_>) -> Vec<String> {
    let big = element.encoding().is_big_endian();
    let word = |b: &[u8]| if big { u16::from_be_bytes([b[0], b[1]]) } else { u16::from_le_bytes([b[0], b[1]]) };
    element.value.chunks_exact(4).map(|b| format!("{:04X}{:04X}", word(b), word(&b[2..]))).collect()
}

fn numbers(element: &Element<'_>, vr: [u8; 2]) -> Value {
    let size = unit(vr);
    let big = element.encoding().is_big_endian();
    let all = element.value.chunks_exact(size).map(|chunk| {
        let mut bytes = [0_u8; 8];
        bytes[..size].copy_from_slice(chunk);
        if big {
            bytes[..size].reverse();
        }
        let number = u64::from_le_bytes(bytes);
        match &vr {
            b"US" | b"UL" => Number::Integer(number as i64),
            b"SS" => Number::Integer(i64::from(number as i16)),
            b"SL" => Number::Integer(i64::from(number as i32)),
            b"SV" => Number::Integer(number as i64),
            b"UV" => Number::Unsigned(number),
            b"FL" => Number::Float(shortest(f32::from_bits(number as u32))),
            _ => Number::Float(f64::from_bits(number)),
        }
    });
    let all: Vec<Number> = all.collect();
    if all.is_empty() { Value::Empty } else { Value::Numbers(all) }
}

/// The double that is written with as few digits as the single: 0.1, not 0.10000000149.
fn shortest(single: f32) -> f64 {
    single.to_string().parse().unwrap_or(f64::from(single))
}

fn unit(vr: [u8; 2]) -> usize {
    match &vr {
        b"US" | b"SS" | b"OW" => 2,
        b"UL" | b"SL" | b"FL" | b"OF" | b"OL" => 4,
        b"UV" | b"SV" | b"FD" | b"OD" | b"OV" => 8,
        _ => 1,
    }
}

/// Inline values are little endian whatever the object is (PS3.18 F.2.7).
fn in_little_endian(element: &Element<'_>, vr: [u8; 2]) -> Vec<u8> {
    let mut bytes = element.value.to_vec();
    if element.encoding().is_big_endian() && unit(vr) > 1 {
        bytes.chunks_exact_mut(unit(vr)).for_each(<[u8]>::reverse);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::elements::Encoding;

    fn element(tag: Tag, value: &[u8]) -> Vec<u8> {
        let head = [tag.0.to_le_bytes(), tag.1.to_le_bytes()].concat();
        [&head[..], &(value.len() as u32).to_le_bytes()[..], value].concat()
    }

    #[test]
    fn values_without_end_are_long_values_that_are_found_again() {
        let many = b"1\\".repeat(MOST_VALUES);
        // Pixel Spacing within an item of Referenced Image Sequence, and Rows as often.
        let item = element((0x0028, 0x0030), &many);
        let item = [&[0xFE, 0xFF, 0x00, 0xE0][..], &(item.len() as u32).to_le_bytes(), &item].concat();
        let rows = vec![7; 2 * MOST_VALUES];
        let bytes = [element((0x0008, 0x1140), &item), element((0x0028, 0x0010), &rows)].concat();
        let elements = Elements::read(&bytes, Encoding::ImplicitLittle);
        let options = ReadOptions { default_charset: &Charset::default(), inline_bytes: 1024 };
        let set = read(&elements, &options).unwrap();
        let Some(Value::Items(items)) = set.get((0x0008, 0x1140)).map(|a| &a.value) else {
            panic!("{:?}", set.weight())
        };
        let path = "00081140/1/00280030";
        assert_eq!(items[0].get((0x0028, 0x0030)).unwrap().value, Value::Bulk(path.to_owned()));
        assert_eq!(&bytes[find_bulk(&elements, &bytes, path).unwrap().range], many);
        let Some(Value::Numbers(numbers)) = set.get((0x0028, 0x0010)).map(|a| &a.value) else { panic!("no numbers") };
        assert_eq!(numbers.len(), MOST_VALUES, "as many as may be are there");
        assert!(set.weight() > MOST_VALUES * size_of::<Number>(), "what is kept is weighed with its values");

        let mut reader = Reader { options: &options, left: 10, values: MOST_VALUES - 1, beyond_ascii: false };
        let context = Context { terms: Vec::new(), signed: false };
        let set = reader.data_set(&elements, &context, "", 0).unwrap();
        let value = &set.get((0x0028, 0x0010)).unwrap().value;
        assert_eq!(*value, Value::Bulk("00280010".to_owned()), "fewer may be left for the whole object");
    }

    #[test]
    fn items_within_items_weigh_what_they_hold() {
        let text = "x".repeat(10_000);
        let mut inner = DataSet::new();
        inner.put_text((0x0040, 0xA160), b"UT", text);
        let mut outer = DataSet::new();
        outer.put_items((0x0040, 0xA730), vec![inner.clone(), inner]);
        assert!(outer.weight() > 20_000, "{}", outer.weight());
        assert!(DataSet::new().weight() < 1000);
    }
}
