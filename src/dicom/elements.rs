//! A reader of data elements over bytes in memory (PS3.5 section 7), for pictures and waveforms.
//!
//! It borrows: a declared length never allocates, and a value that runs past the end is not returned. What cannot be
//! read ends the list, it is no error: a picture must still come from an object with a bad private tail. Sequences
//! are opened only when asked for. Values of VR UN and undefined length hold Implicit VR Little Endian (CP-246).

use super::transfer_syntax::ElementEncoding;

/// A tag as (group, element).
pub type Tag = (u16, u16);

const PIXEL_DATA: [Tag; 3] = [(0x7FE0, 0x0008), (0x7FE0, 0x0009), (0x7FE0, 0x0010)];
const ITEM: Tag = (0xFFFE, 0xE000);
const ITEM_END: Tag = (0xFFFE, 0xE00D);
const SEQUENCE_END: Tag = (0xFFFE, 0xE0DD);
const UNDEFINED: u32 = u32::MAX;
const MAX_DEPTH: u32 = 16;
const MAX_ELEMENTS: usize = 65_536;

/// How the elements are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Implicit VR Little Endian.
    ImplicitLittle,
    /// Explicit VR Little Endian, also inside every encapsulated syntax.
    ExplicitLittle,
    /// Explicit VR Big Endian (retired, still met).
    ExplicitBig,
}

impl Encoding {
    /// The encoding that a transfer syntax uses for its data set (after inflation where it is deflated).
    pub fn of_transfer_syntax(uid: &str) -> Self {
        match uid {
            "1.2.840.10008.1.2" => Encoding::ImplicitLittle,
            "1.2.840.10008.1.2.2" => Encoding::ExplicitBig,
            _ => Encoding::ExplicitLittle,
        }
    }

    /// Whether numbers have their most significant byte first.
    pub fn is_big_endian(self) -> bool {
        self == Encoding::ExplicitBig
    }

    fn u16(self, b: &[u8]) -> u16 {
        let pair = [b[0], b[1]];
        if self == Encoding::ExplicitBig { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
    }

    fn u32(self, b: &[u8]) -> u32 {
        let quad = [b[0], b[1], b[2], b[3]];
        if self == Encoding::ExplicitBig { u32::from_be_bytes(quad) } else { u32::from_le_bytes(quad) }
    }
}

impl From<ElementEncoding> for Encoding {
    fn from(encoding: ElementEncoding) -> Self {
        match (encoding.explicit_vr, encoding.big_endian) {
            (false, _) => Encoding::ImplicitLittle,
            (true, false) => Encoding::ExplicitLittle,
            (true, true) => Encoding::ExplicitBig,
        }
    }
}

/// One element: its value borrowed from the data set.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    /// The tag.
    pub tag: Tag,
    /// The value representation; `UN` where the encoding does not say.
    pub vr: [u8; 2],
    /// The value without a closing delimiter.
    pub value: &'a [u8],
    encoding: Encoding,
}

/// Where the pixels of a data set begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelStart {
    /// Pixel Data, Float Pixel Data or Double Float Pixel Data.
    pub tag: Tag,
    /// First byte of the value, counted from the data set's start.
    pub value_offset: usize,
    /// The value representation.
    pub vr: [u8; 2],
    /// Declared length; `None` when undefined (encapsulated).
    pub length: Option<u32>,
}

/// A list of elements.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    list: Vec<Element<'a>>,
    encoding: Encoding,
    /// Address of the first byte; compared with others only.
    start: usize,
    /// Where reading ended: the pixels, the end, or what could not be read.
    pub end: usize,
    /// The pixels, when reading came to them.
    pub pixels: Option<PixelStart>,
}

struct Head {
    tag: Tag,
    vr: [u8; 2],
    length: u32,
    size: usize,
}

impl<'a> Elements<'a> {
    /// Reads elements up to the pixels or the end of `bytes`.
    pub fn read(bytes: &'a [u8], encoding: Encoding) -> Self {
        let mut list = Vec::new();
        let (mut at, mut pixels) = (0, None);
        while list.len() < MAX_ELEMENTS {
            let Some(head) = head(&bytes[at..], encoding) else { break };
            if PIXEL_DATA.contains(&head.tag) {
                let length = (head.length != UNDEFINED).then_some(head.length);
                pixels = Some(PixelStart { tag: head.tag, value_offset: at + head.size, vr: head.vr, length });
                break;
            }
            let start = at + head.size;
            let inner = if &head.vr == b"UN" { Encoding::ImplicitLittle } else { encoding };
            let (value_end, next) = match extent(bytes, start, head.length, inner, 0) {
                Some(found) => found,
                None => break,
            };
            list.push(Element { tag: head.tag, vr: head.vr, value: &bytes[start..value_end], encoding: inner });
            at = next;
        }
        Self { list, encoding, start: bytes.as_ptr() as usize, end: at, pixels }
    }

    /// Where the list begins in the bytes that it was read from, or was read out of an item of.
    pub fn start_in(&self, outer: &[u8]) -> Option<usize> {
        self.start.checked_sub(outer.as_ptr() as usize).filter(|at| *at <= outer.len())
    }

    /// The element with this tag.
    pub fn get(&self, tag: Tag) -> Option<&Element<'a>> {
        self.list.iter().find(|element| element.tag == tag)
    }

    /// All elements in order.
    pub fn iter(&self) -> impl Iterator<Item = &Element<'a>> {
        self.list.iter()
    }

    /// The text of an element of a character VR with one byte a character; padding is taken off.
    pub fn text(&self, tag: Tag) -> Option<&'a str> {
        self.get(tag).and_then(Element::text).filter(|text| !text.is_empty())
    }

    /// Numbers of a US, SS, UL, SL, FL, FD, IS or DS element.
    pub fn numbers(&self, tag: Tag) -> Vec<f64> {
        self.get(tag).map(Element::numbers).unwrap_or_default()
    }

    /// The first of [`Elements::numbers`].
    pub fn number(&self, tag: Tag) -> Option<f64> {
        self.numbers(tag).first().copied()
    }

    /// The first value as an unsigned 16-bit number, whatever signedness the VR says.
    pub fn unsigned(&self, tag: Tag) -> Option<u16> {
        self.get(tag).filter(|e| e.value.len() >= 2).map(|e| self.encoding.u16(e.value))
    }

    /// The items of a sequence, each read when it is asked for; none when the sequence is absent.
    pub fn items(&self, tag: Tag) -> impl Iterator<Item = Elements<'a>> + use<'a> {
        self.get(tag).copied().into_iter().flat_map(Element::items)
    }

    /// The first item of a sequence.
    pub fn first_item(&self, tag: Tag) -> Option<Elements<'a>> {
        self.items(tag).next()
    }
}

impl<'a> Element<'a> {
    /// A sequence whose items are these bytes; its tag as `0xGGGGEEEE`.
    pub(super) fn of_items(tag: u32, value: &'a [u8], encoding: Encoding) -> Self {
        Self { tag: ((tag >> 16) as u16, tag as u16), vr: *b"SQ", value, encoding }
    }

    /// How the value is encoded.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The text, when it is UTF-8.
    pub fn text(&self) -> Option<&'a str> {
        std::str::from_utf8(self.value).ok().map(|text| text.trim_matches([' ', '\0']))
    }

    /// 16-bit words in the machine's order.
    pub fn words(&self) -> Vec<u16> {
        self.value.chunks_exact(2).map(|b| self.encoding.u16(b)).collect()
    }

    fn numbers(&self) -> Vec<f64> {
        let e = self.encoding;
        match &self.vr {
            b"US" | b"OW" => self.value.chunks_exact(2).map(|b| f64::from(e.u16(b))).collect(),
            b"SS" => self.value.chunks_exact(2).map(|b| f64::from(e.u16(b) as i16)).collect(),
            b"UL" => self.value.chunks_exact(4).map(|b| f64::from(e.u32(b))).collect(),
            b"SL" => self.value.chunks_exact(4).map(|b| f64::from(e.u32(b) as i32)).collect(),
            b"FL" => self.value.chunks_exact(4).map(|b| f64::from(f32::from_bits(e.u32(b)))).collect(),
            b"FD" => self.value.chunks_exact(8).map(|b| double(e, b)).collect(),
            b"IS" | b"DS" => self.decimals(),
            // Without a VR the text form is tried first: DS and IS are what pictures need most.
            _ => match self.decimals() {
                found if !found.is_empty() => found,
                _ if self.value.len() == 4 => vec![f64::from(e.u32(self.value))],
                _ => self.value.chunks_exact(2).map(|b| f64::from(e.u16(b))).collect(),
            },
        }
    }

    fn decimals(&self) -> Vec<f64> {
        let Some(text) = self.text() else { return Vec::new() };
        text.split('\\').map_while(|part| part.trim_matches([' ', '\0']).parse::<f64>().ok()).collect()
    }

    /// The items of a sequence, each read when it is asked for.
    pub fn items(self) -> impl Iterator<Item = Elements<'a>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let head = head(&self.value[at..], self.encoding).filter(|head| head.tag == ITEM)?;
            let start = at + head.size;
            let (end, next) = extent(self.value, start, head.length, self.encoding, 1)?;
            at = next;
            Some(Elements::read(&self.value[start..end], self.encoding))
        })
        .take(MAX_ELEMENTS)
    }
}

fn double(encoding: Encoding, b: &[u8]) -> f64 {
    let all = [b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]];
    if encoding == Encoding::ExplicitBig { f64::from_be_bytes(all) } else { f64::from_le_bytes(all) }
}

/// End of the value and start of what follows, or `None` when the value runs past the end.
fn extent(bytes: &[u8], start: usize, length: u32, encoding: Encoding, depth: u32) -> Option<(usize, usize)> {
    if length != UNDEFINED {
        let end = start.checked_add(length as usize).filter(|end| *end <= bytes.len())?;
        return Some((end, end));
    }
    if depth > MAX_DEPTH {
        return None;
    }
    let mut at = start;
    loop {
        let head = head(bytes.get(at..)?, encoding)?;
        let next = at + head.size;
        match head.tag {
            ITEM_END | SEQUENCE_END => return Some((at, next)),
            _ => {
                let un = &head.vr == b"UN" && head.tag != ITEM;
                let inner = if un { Encoding::ImplicitLittle } else { encoding };
                at = extent(bytes, next, head.length, inner, depth + 1)?.1;
            }
        }
    }
}

fn head(bytes: &[u8], encoding: Encoding) -> Option<Head> {
    if bytes.len() < 8 {
        return None;
    }
    let tag = (encoding.u16(bytes), encoding.u16(&bytes[2..]));
    if tag.0 == 0xFFFE || encoding == Encoding::ImplicitLittle {
        return Some(Head { tag, vr: implied_vr(tag), length: encoding.u32(&bytes[4..]), size: 8 });
    }
    let vr = [bytes[4], bytes[5]];
    if !vr.iter().all(u8::is_ascii_uppercase) {
        return None;
    }
    match &vr {
        b"OB" | b"OD" | b"OF" | b"OL" | b"OV" | b"OW" | b"SQ" | b"SV" | b"UC" | b"UN" | b"UR" | b"UT" | b"UV" => {
            let length = encoding.u32(bytes.get(8..12)?);
            Some(Head { tag, vr, length, size: 12 })
        }
        _ => Some(Head { tag, vr, length: u32::from(encoding.u16(&bytes[6..])), size: 8 }),
    }
}

/// The VR of the binary numbers that pictures and waveforms need; the rest tells itself apart by its bytes.
fn implied_vr(tag: Tag) -> [u8; 2] {
    match tag {
        (0x0028, 0x0002 | 0x0006 | 0x0010 | 0x0011 | 0x0100..=0x0103) => *b"US",
        (0x6000..=0x60FF, 0x0010 | 0x0011 | 0x0100 | 0x0102) => *b"US",
        (0x6000..=0x60FF, 0x0050) => *b"SS",
        (0x003A, 0x0005 | 0x0104 | 0x0300 | 0x0301) | (0x5400, 0x1004) => *b"US",
        (0x003A, 0x0010) => *b"UL",
        _ => *b"UN",
    }
}

/// The parts of a Part 10 file (PS3.10 section 7.1).
#[derive(Debug, Clone, Copy)]
pub struct Part10<'a> {
    /// Transfer syntax UID; Implicit VR Little Endian when nothing says otherwise.
    pub transfer_syntax: &'a str,
    /// Where the data set begins.
    pub dataset_offset: usize,
}

impl<'a> Part10<'a> {
    /// Finds the data set behind the preamble and the File Meta Information; bytes without them are taken as a bare
    /// data set in Implicit or Explicit VR Little Endian, as some devices write.
    pub fn read(file: &'a [u8]) -> Self {
        if file.get(128..132) != Some(b"DICM") {
            let explicit = file.get(4..6).is_some_and(|vr| vr.iter().all(u8::is_ascii_uppercase));
            let transfer_syntax = if explicit { "1.2.840.10008.1.2.1" } else { "1.2.840.10008.1.2" };
            return Self { transfer_syntax, dataset_offset: 0 };
        }
        let (mut at, mut transfer_syntax) = (132, "1.2.840.10008.1.2");
        while let Some(head) = head(&file[at..], Encoding::ExplicitLittle).filter(|head| head.tag.0 == 2) {
            let start = at + head.size;
            let Some(value) = file.get(start..start.saturating_add(head.length as usize)) else { break };
            if head.tag == (0x0002, 0x0010) {
                transfer_syntax = std::str::from_utf8(value).unwrap_or_default().trim_matches([' ', '\0']);
            }
            at = start + value.len();
        }
        Self { transfer_syntax, dataset_offset: at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_of_undefined_length_is_opened_and_left() {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&[0x28, 0, 0x00, 0x30, b'S', b'Q', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
        bytes.extend_from_slice(&[0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF]);
        bytes.extend_from_slice(&[0x28, 0, 0x10, 0x00, b'U', b'S', 2, 0, 7, 0]);
        bytes.extend_from_slice(&[0xFE, 0xFF, 0x0D, 0xE0, 0, 0, 0, 0]);
        bytes.extend_from_slice(&[0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
        bytes.extend_from_slice(&[0x28, 0, 0x10, 0x40, b'U', b'S', 2, 0, 9, 0]);

        let elements = Elements::read(&bytes, Encoding::ExplicitLittle);

        assert_eq!(elements.first_item((0x0028, 0x3000)).unwrap().unsigned((0x0028, 0x0010)), Some(7));
        assert_eq!(elements.unsigned((0x0028, 0x4010)), Some(9));
        assert_eq!(elements.end, bytes.len());
    }

    #[test]
    fn a_length_past_the_end_stops_reading_without_an_error() {
        let bytes = [0x28, 0, 0x10, 0, b'O', b'W', 0, 0, 0xF0, 0xFF, 0xFF, 0x7F, 1, 2];
        let elements = Elements::read(&bytes, Encoding::ExplicitLittle);
        assert!(elements.get((0x0028, 0x0010)).is_none());
        assert_eq!(elements.end, 0);
    }

    #[test]
    fn endless_nesting_is_given_up() {
        let mut bytes = vec![0x28, 0, 0x00, 0x30, b'S', b'Q', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF];
        for _ in 0..100_000 {
            bytes.extend_from_slice(&[0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF]);
        }
        assert!(Elements::read(&bytes, Encoding::ExplicitLittle).get((0x0028, 0x3000)).is_none());
    }
}
