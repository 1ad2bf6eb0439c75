//! Elements from one encoding into another (PS3.5 sections 6.2, 7.1 and 7.5).

use std::io::Read;

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry, VirtualVr};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::StandardDataDictionary;

use super::Error;
use super::source::Source;
use crate::dicom::transfer_syntax::ElementEncoding;

pub(super) const UNDEFINED_LENGTH: u32 = u32::MAX;
pub(super) const ITEM: u32 = 0xFFFE_E000;
pub(super) const ITEM_DELIMITATION: u32 = 0xFFFE_E00D;
pub(super) const SEQUENCE_DELIMITATION: u32 = 0xFFFE_E0DD;
const PIXEL_DATA: u32 = 0x7FE0_0010;
const PIXEL_REPRESENTATION: u32 = 0x0028_0103;
/// For items and delimiters.
const NO_VR: [u8; 2] = [0, 0];
const MAX_DEPTH: u32 = 32;
const MAX_SHORT_LENGTH: u32 = 0xFFFE;

/// The beginning of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) tag: u32,
    /// As it stands there; none where the encoding does not say.
    pub(super) vr: Option<[u8; 2]>,
    pub(super) length: u32,
}

impl Head {
    fn read(source: &mut Source<impl Read>, encoding: ElementEncoding) -> Result<Self, Error> {
        let head = source.take::<8>()?;
        let tag = u32::from(encoding.u16([head[0], head[1]])) << 16 | u32::from(encoding.u16([head[2], head[3]]));
        if !encoding.explicit_vr || tag >> 16 == 0xFFFE {
            let length = encoding.u32([head[4], head[5], head[6], head[7]]);
            return Ok(Self { tag, vr: None, length });
        }
        let vr = [head[4], head[5]];
        if !vr.iter().all(u8::is_ascii_uppercase) {
            return Err(Error::Malformed("value representation"));
        }
        let length = if has_short_length(vr) {
            u32::from(encoding.u16([head[6], head[7]]))
        } else {
            encoding.u32(source.take::<4>()?)
        };
        Ok(Self { tag, vr: Some(vr), length })
    }

    /// The head of an item among fragments, which are little endian.
    pub(super) fn of_item(source: &mut Source<impl Read>) -> Result<Self, Error> {
        Self::read(source, ElementEncoding::EXPLICIT_LITTLE)
    }

    /// The VR to write. Pixel values that are signed have a say in some of them.
    pub(super) fn vr_for_output(&self, signed: bool) -> [u8; 2] {
        self.vr.unwrap_or_else(|| implied_vr(self.tag, signed))
    }

    fn is_pixel_data(&self) -> bool {
        matches!(self.tag, 0x7FE0_0008 | 0x7FE0_0009 | PIXEL_DATA)
    }
}

/// The elements of a data set outside sequences, each encoded for the output.
pub(super) struct RootElements {
    input: ElementEncoding,
    output: ElementEncoding,
    elements: Vec<(u32, Vec<u8>)>,
    room: usize,
    signed: bool,
    /// An item holds compressed pixel data (an icon), which cannot stay in an uncompressed data set.
    has_compressed_icon: bool,
}

impl RootElements {
    pub(super) fn new(input: ElementEncoding, output: ElementEncoding, max_bytes: usize) -> Self {
        Self { input, output, elements: Vec::new(), room: max_bytes, signed: false, has_compressed_icon: false }
    }

    /// Reads up to the pixel data, whose head is returned, or to the end.
    pub(super) fn read(&mut self, source: &mut Source<impl Read>) -> Result<Option<Head>, Error> {
        while !source.is_at_end()? {
            let head = Head::read(source, self.input)?;
            if head.is_pixel_data() {
                return Ok(Some(head));
            }
            // A delimiter too many does no harm.
            if matches!(head.tag, ITEM_DELIMITATION | SEQUENCE_DELIMITATION) && head.length == 0 {
                continue;
            }
            let mut bytes = Vec::new();
            self.has_compressed_icon = false;
            self.element(source, self.input, head, &mut bytes, 0)?;
            if !self.has_compressed_icon && !bytes.is_empty() {
                self.elements.push((head.tag, bytes));
            }
        }
        Ok(None)
    }

    pub(super) fn concatenated(&self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.elements.iter().map(|(_, bytes)| bytes.len()).sum());
        self.elements.iter().for_each(|(_, bytes)| all.extend_from_slice(bytes));
        all
    }

    /// The first value of a US element.
    pub(super) fn unsigned_short(&self, tag: u32) -> Option<u16> {
        let (_, bytes) = self.elements.iter().find(|(found, _)| *found == tag)?;
        let value: [u8; 2] = bytes.get(8..10)?.try_into().ok()?;
        Some(self.output.u16(value))
    }

    /// The same elements in another encoding.
    pub(super) fn encoded_as(&self, encoding: ElementEncoding) -> Result<Vec<u8>, Error> {
        let all = self.concatenated();
        if encoding == self.output {
            return Ok(all);
        }
        recode(&all, self.output, encoding)
    }

    /// Reads one element's value and writes the element; nothing is written for group lengths.
    fn element(
        &mut self,
        source: &mut Source<impl Read>,
        encoding: ElementEncoding,
        head: Head,
        out: &mut Vec<u8>,
        depth: u32,
    ) -> Result<(), Error> {
        if head.tag & 0xFFFF == 0 {
            if head.length == UNDEFINED_LENGTH {
                return Err(Error::Malformed("group length"));
            }
            return source.skip(u64::from(head.length));
        }
        if head.length == UNDEFINED_LENGTH && head.is_pixel_data() {
            self.has_compressed_icon = true;
            return skip_fragments(source, encoding);
        }
        let vr = head.vr_for_output(self.signed);
        let is_sequence = &vr == b"SQ" || head.length == UNDEFINED_LENGTH;
        if is_sequence {
            if depth >= MAX_DEPTH {
                return Err(Error::Malformed("sequences nested too deeply"));
            }
            // UN of undefined length holds Implicit VR Little Endian (PS3.5 section 6.2.2).
            let inner = if &vr == b"UN" && encoding.explicit_vr { ElementEncoding::IMPLICIT_LITTLE } else { encoding };
            put_head(out, self.output, head.tag, *b"SQ", UNDEFINED_LENGTH);
            self.items(source, inner, head.length, out, depth)?;
            put_head(out, self.output, SEQUENCE_DELIMITATION, NO_VR, 0);
            return Ok(());
        }
        self.spend(head.length as usize)?;
        let mut value = Vec::new();
        source.append(&mut value, head.length as usize)?;
        let unit = unit(vr);
        // A value that is no whole number of its VR cannot be turned round; nobody can read it as numbers either.
        let vr = if value.len().is_multiple_of(unit) { vr } else { *b"UN" };
        if head.tag == PIXEL_REPRESENTATION && value.len() >= 2 {
            self.signed = encoding.u16([value[0], value[1]]) == 1;
        }
        if encoding.big_endian != self.output.big_endian {
            swap(&mut value, if &vr == b"UN" { 1 } else { unit });
        }
        if !value.len().is_multiple_of(2) {
            value.push(if is_text(vr) { b' ' } else { 0 });
        }
        put_head(out, self.output, head.tag, vr, value.len() as u32);
        out.extend_from_slice(&value);
        Ok(())
    }

    fn items(
        &mut self,
        source: &mut Source<impl Read>,
        encoding: ElementEncoding,
        length: u32,
        out: &mut Vec<u8>,
        depth: u32,
    ) -> Result<(), Error> {
        let end = (length != UNDEFINED_LENGTH).then(|| source.position() + u64::from(length));
        while end.is_none_or(|end| source.position() < end) {
            let head = Head::read(source, encoding)?;
            match head.tag {
                SEQUENCE_DELIMITATION if end.is_none() => return Ok(()),
                ITEM => {}
                _ => return Err(Error::Malformed("sequence without items")),
            }
            self.spend(16)?;
            put_head(out, self.output, ITEM, NO_VR, UNDEFINED_LENGTH);
            let item_end = (head.length != UNDEFINED_LENGTH).then(|| source.position() + u64::from(head.length));
            while item_end.is_none_or(|end| source.position() < end) {
                let head = Head::read(source, encoding)?;
                if head.tag == ITEM_DELIMITATION && item_end.is_none() {
                    break;
                }
                self.element(source, encoding, head, out, depth + 1)?;
            }
            if item_end.is_some_and(|end| source.position() != end) {
                return Err(Error::Malformed("an element runs past its item"));
            }
            put_head(out, self.output, ITEM_DELIMITATION, NO_VR, 0);
        }
        match end {
            Some(end) if source.position() != end => Err(Error::Malformed("an item runs past its sequence")),
            _ => Ok(()),
        }
    }

    /// Takes bytes off the room that the header has.
    fn spend(&mut self, bytes: usize) -> Result<(), Error> {
        let what = "data set outside pixel data";
        self.room = self.room.checked_sub(bytes).ok_or(Error::TooLarge { what, limit: bytes as u64 })?;
        Ok(())
    }
}

/// Elements in memory in another encoding.
pub(super) fn recode(bytes: &[u8], from: ElementEncoding, to: ElementEncoding) -> Result<Vec<u8>, Error> {
    if from == to {
        return Ok(bytes.to_vec());
    }
    let mut root = RootElements::new(from, to, usize::MAX);
    match root.read(&mut Source::new(bytes))? {
        None => Ok(root.concatenated()),
        Some(_) => Err(Error::Malformed("pixel data among the header's elements")),
    }
}

/// The elements of a data set in Explicit VR Little Endian that this room wrote, each with its bytes.
pub(super) fn split(bytes: &[u8]) -> Result<Vec<(u32, &[u8])>, Error> {
    let encoding = ElementEncoding::EXPLICIT_LITTLE;
    let mut source = Source::new(bytes);
    let mut reading = RootElements::new(encoding, encoding, usize::MAX);
    let (mut found, mut at) = (Vec::new(), 0);
    while !source.is_at_end()? {
        let head = Head::read(&mut source, encoding)?;
        let mut scratch = Vec::new();
        reading.element(&mut source, encoding, head, &mut scratch, 0)?;
        let end = source.position() as usize;
        found.push((head.tag, &bytes[at..end]));
        at = end;
    }
    Ok(found)
}

fn skip_fragments(source: &mut Source<impl Read>, encoding: ElementEncoding) -> Result<(), Error> {
    loop {
        let head = Head::read(source, encoding)?;
        match head.tag {
            ITEM if head.length != UNDEFINED_LENGTH => source.skip(u64::from(head.length))?,
            SEQUENCE_DELIMITATION => return Ok(()),
            _ => return Err(Error::Malformed("fragments of pixel data")),
        }
    }
}

/// Appends the head of an element, an item or a delimiter.
pub(super) fn put_head(out: &mut Vec<u8>, encoding: ElementEncoding, tag: u32, vr: [u8; 2], length: u32) {
    let short = |value: u16| if encoding.big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
    let long = |value: u32| if encoding.big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
    out.extend_from_slice(&short((tag >> 16) as u16));
    out.extend_from_slice(&short(tag as u16));
    if !encoding.explicit_vr || tag >> 16 == 0xFFFE {
        out.extend_from_slice(&long(length));
        return;
    }
    // A value that is too long for its VR's length becomes unknown (PS3.5 section 6.2.2).
    let vr = if has_short_length(vr) && length > MAX_SHORT_LENGTH { *b"UN" } else { vr };
    out.extend_from_slice(&vr);
    if has_short_length(vr) {
        out.extend_from_slice(&short(length as u16));
    } else {
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&long(length));
    }
}

/// Reverses each group of `unit` bytes.
pub(super) fn swap(bytes: &mut [u8], unit: usize) {
    if unit > 1 {
        bytes.chunks_exact_mut(unit).for_each(<[u8]>::reverse);
    }
}

/// Bytes of one number of a VR.
fn unit(vr: [u8; 2]) -> usize {
    match &vr {
        b"US" | b"SS" | b"OW" | b"AT" => 2,
        b"UL" | b"SL" | b"FL" | b"OF" | b"OL" => 4,
        b"FD" | b"OD" | b"OV" | b"SV" | b"UV" => 8,
        _ => 1,
    }
}

fn is_text(vr: [u8; 2]) -> bool {
    matches!(
        &vr,
        b"AE"
            | b"AS"
            | b"CS"
            | b"DA"
            | b"DS"
            | b"DT"
            | b"IS"
            | b"LO"
            | b"LT"
            | b"PN"
            | b"SH"
            | b"ST"
            | b"TM"
            | b"UC"
            | b"UR"
            | b"UT"
    )
}

fn has_short_length(vr: [u8; 2]) -> bool {
    crate::dicom::header::has_short_length(vr)
}

/// The VR of an element that does not say it (PS3.6, and PS3.5 section A.1 for those that have a choice).
fn implied_vr(tag: u32, signed: bool) -> [u8; 2] {
    let (group, element) = ((tag >> 16) as u16, tag as u16);
    if group % 2 == 1 {
        return if (0x0010..=0x00FF).contains(&element) { *b"LO" } else { *b"UN" };
    }
    match StandardDataDictionary.by_tag(Tag(group, element)).map(|entry| entry.vr()) {
        Some(VirtualVr::Exact(vr)) => bytes_of(vr),
        Some(VirtualVr::Xs) if signed => *b"SS",
        Some(VirtualVr::Xs) => *b"US",
        Some(_) => *b"OW",
        None => *b"UN",
    }
}

fn bytes_of(vr: VR) -> [u8; 2] {
    vr.to_bytes()
}
