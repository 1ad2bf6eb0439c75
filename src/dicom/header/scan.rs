//! The state machine of the scan: element header, kept value, skipped value.

use std::collections::BTreeMap;

use super::{Header, HeaderLimits, HeaderState, RawAttributes};
use crate::dicom::attributes::{is_wanted, is_wanted_in_items, is_wanted_sequence};
use crate::dicom::elements::{Element as Sequence, Elements};
use crate::dicom::transfer_syntax::ElementEncoding;

const ITEM: u32 = 0xFFFE_E000;
const ITEM_DELIMITATION: u32 = 0xFFFE_E00D;
const SEQUENCE_DELIMITATION: u32 = 0xFFFE_E0DD;
const UNDEFINED_LENGTH: u32 = 0xFFFF_FFFF;
/// Nothing that the index keeps comes after this group; a bad tail beyond it is not worth a word.
const LAST_WANTED_GROUP: u32 = 0x0040;
const PIXEL_DATA_GROUP: u32 = 0x7FE0;

/// An open sequence or item of undefined length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frame {
    Sequence(ElementEncoding),
    Item(ElementEncoding),
}

#[derive(Debug)]
enum Step {
    Header { bytes: [u8; 12], have: usize },
    Keep { tag: u32, remaining: u32, value: Vec<u8> },
    Skip { remaining: u64 },
    Done,
}

const NEXT_HEADER: Step = Step::Header { bytes: [0; 12], have: 0 };

/// One element's header, decoded.
struct Element {
    tag: u32,
    length: u32,
    /// The VR is UN, whose undefined length means implicit contents.
    unknown: bool,
}

#[derive(Debug)]
pub(super) struct Scan {
    limits: HeaderLimits,
    encoding: ElementEncoding,
    stack: Vec<Frame>,
    step: Step,
    first: bool,
    /// Bytes consumed so far, and where the current element began.
    position: u64,
    element_start: u64,
    value_start: u64,
    kept_bytes: u32,
    past_wanted: bool,
    /// The wanted sequence and how its items are encoded.
    sequence: Option<(u32, ElementEncoding)>,
    /// Its bytes, while it is walked because its length is undefined.
    walked: Option<Vec<u8>>,
    attributes: RawAttributes,
    state: HeaderState,
    pixel_data_offset: Option<u64>,
    declared_end: Option<u64>,
}

impl Scan {
    pub(super) fn new(encoding: ElementEncoding, limits: HeaderLimits) -> Self {
        Self {
            limits,
            encoding,
            stack: Vec::new(),
            step: NEXT_HEADER,
            first: true,
            position: 0,
            element_start: 0,
            value_start: 0,
            kept_bytes: 0,
            past_wanted: false,
            sequence: None,
            walked: None,
            attributes: RawAttributes { big_endian: encoding.big_endian, ..RawAttributes::default() },
            state: HeaderState::Complete,
            pixel_data_offset: None,
            declared_end: None,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.step, Step::Done)
    }

    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let is_walked = self.walked.is_some();
            let taken = match &mut self.step {
                Step::Done => return,
                Step::Skip { remaining } => {
                    let taken = usize::try_from(*remaining).unwrap_or(usize::MAX).min(bytes.len());
                    *remaining -= taken as u64;
                    if *remaining == 0 {
                        self.step = NEXT_HEADER;
                    }
                    taken
                }
                Step::Keep { tag, remaining, value } => {
                    let taken = (*remaining as usize).min(bytes.len());
                    value.extend_from_slice(&bytes[..taken]);
                    *remaining -= taken as u32;
                    if *remaining == 0 {
                        let (tag, value) = (*tag, std::mem::take(value));
                        self.attributes.values.entry(tag).or_insert(value);
                        self.step = NEXT_HEADER;
                    }
                    taken
                }
                Step::Header { .. } => self.take_header(bytes),
            };
            if is_walked {
                self.keep_walked(&bytes[..taken]);
            }
            self.position += taken as u64;
            bytes = &bytes[taken..];
        }
    }

    pub(super) fn finish(mut self) -> Header {
        let between_elements = matches!(self.step, Step::Header { have: 0, .. }) && self.stack.is_empty();
        self.attributes.items = self.read_items();
        if !self.is_done() && !between_elements && !self.past_wanted && self.state == HeaderState::Complete {
            self.state = HeaderState::Truncated;
        }
        Header {
            attributes: self.attributes,
            state: self.state,
            pixel_data_offset: self.pixel_data_offset,
            declared_end: self.declared_end,
        }
    }

    pub(super) fn fail_malformed(&mut self, what: &'static str) {
        self.stop(HeaderState::Malformed(what));
    }

    pub(super) fn fail_limit(&mut self, what: &'static str) {
        self.stop(HeaderState::LimitReached(what));
    }

    fn stop(&mut self, state: HeaderState) {
        if !self.past_wanted && self.state == HeaderState::Complete {
            self.state = state;
        }
        self.step = Step::Done;
    }

    /// Collects the 8 or 12 bytes of an element's header and acts on them; returns how many bytes it took.
    fn take_header(&mut self, input: &[u8]) -> usize {
        let encoding = self.current_encoding();
        let Step::Header { bytes, have } = &mut self.step else { return 0 };
        if *have == 0 {
            self.element_start = self.position;
        }
        let needed = if *have < 8 { 8 } else { 12 };
        let taken = (needed - *have).min(input.len());
        bytes[*have..*have + taken].copy_from_slice(&input[..taken]);
        *have += taken;
        if *have < needed {
            return taken;
        }
        let (bytes, have) = (*bytes, *have);
        if self.first && have == 8 {
            self.first = false;
            self.encoding = believable_encoding(self.encoding, &bytes);
        }
        let encoding = if self.stack.is_empty() { self.encoding } else { encoding };
        match decode_header(encoding, &bytes, have) {
            Decoded::NeedsLongLength => {}
            Decoded::NoValueRepresentation => self.fail_malformed("malformed: value representation"),
            Decoded::Element(element) => {
                self.step = NEXT_HEADER;
                self.value_start = self.element_start + have as u64;
                self.enter(element);
            }
        }
        taken
    }

    fn current_encoding(&self) -> ElementEncoding {
        match self.stack.last() {
            Some(Frame::Sequence(encoding) | Frame::Item(encoding)) => *encoding,
            None => self.encoding,
        }
    }

    fn enter(&mut self, element: Element) {
        match self.stack.last().copied() {
            Some(Frame::Sequence(encoding)) => self.enter_in_sequence(&element, encoding),
            Some(Frame::Item(_)) if element.tag == ITEM_DELIMITATION => {
                self.stack.pop();
                self.skip(element.length);
            }
            // Seen from devices that forget the item's delimiter.
            Some(Frame::Item(_)) if element.tag == SEQUENCE_DELIMITATION => {
                self.stack.truncate(self.stack.len().saturating_sub(2));
                self.skip(element.length);
            }
            Some(Frame::Item(_)) => self.enter_unwanted(&element),
            None => self.enter_at_top(&element),
        }
    }

    fn enter_in_sequence(&mut self, element: &Element, encoding: ElementEncoding) {
        match element.tag {
            ITEM if element.length == UNDEFINED_LENGTH => self.descend(Frame::Item(encoding)),
            ITEM => self.skip(element.length),
            SEQUENCE_DELIMITATION => {
                self.stack.pop();
                self.skip(element.length);
            }
            _ => self.fail_malformed("malformed: sequence without items"),
        }
    }

    fn enter_at_top(&mut self, element: &Element) {
        let group = element.tag >> 16;
        match element.tag {
            0x7FE0_0008 | 0x7FE0_0009 | 0x7FE0_0010 => {
                self.pixel_data_offset = Some(self.element_start);
                // An undefined length says nothing of the end.
                self.declared_end =
                    (element.length != UNDEFINED_LENGTH).then(|| self.value_start + u64::from(element.length));
                self.step = Step::Done;
                return;
            }
            // A delimiter too many does no harm.
            ITEM_DELIMITATION | SEQUENCE_DELIMITATION => return self.skip(element.length),
            _ => {}
        }
        self.past_wanted |= group > LAST_WANTED_GROUP;
        if group > PIXEL_DATA_GROUP {
            self.step = Step::Done;
        } else if element.length != UNDEFINED_LENGTH && is_wanted(element.tag) {
            self.keep(element.tag, element.length);
        } else if is_wanted_sequence(element.tag) && self.sequence.is_none() {
            self.enter_wanted_sequence(element);
        } else {
            self.enter_unwanted(element);
        }
    }

    fn enter_unwanted(&mut self, element: &Element) {
        if element.length != UNDEFINED_LENGTH {
            return self.skip(element.length);
        }
        let contents = if element.unknown { ElementEncoding::IMPLICIT_LITTLE } else { self.current_encoding() };
        self.descend(Frame::Sequence(contents));
    }

    fn enter_wanted_sequence(&mut self, element: &Element) {
        let contents = if element.unknown { ElementEncoding::IMPLICIT_LITTLE } else { self.encoding };
        self.sequence = Some((element.tag, contents));
        if element.length != UNDEFINED_LENGTH {
            return self.keep(element.tag, element.length);
        }
        self.walked = Some(Vec::new());
        self.descend(Frame::Sequence(contents));
    }

    /// The next bytes of the wanted sequence, its closing delimiter included.
    fn keep_walked(&mut self, bytes: &[u8]) {
        let (Some((tag, _)), Some(mut value)) = (self.sequence, self.walked.take()) else { return };
        let length = u32::try_from(value.len() + bytes.len()).unwrap_or(u32::MAX);
        if !self.fits(length) {
            return;
        }
        value.extend_from_slice(bytes);
        if self.stack.is_empty() {
            self.kept_bytes += length;
            self.attributes.values.insert(tag, value);
        } else {
            self.walked = Some(value);
        }
    }

    fn read_items(&mut self) -> Vec<BTreeMap<u32, Vec<u8>>> {
        let Some((tag, encoding)) = self.sequence else { return Vec::new() };
        let Some(value) = self.attributes.values.remove(&tag) else { return Vec::new() };
        let items = Sequence::of_items(tag, &value, encoding.into()).items();
        let wanted = |item: Elements<'_>| {
            let number = |element: &Sequence<'_>| u32::from(element.tag.0) << 16 | u32::from(element.tag.1);
            let wanted = item.iter().filter(|element| is_wanted_in_items(number(element)));
            wanted.map(|element| (number(element), element.value.to_vec())).collect()
        };
        items.take(self.limits.max_request_items.into()).map(wanted).collect()
    }

    fn descend(&mut self, frame: Frame) {
        if self.stack.len() >= usize::from(self.limits.max_depth) {
            return self.fail_limit("limit: depth");
        }
        self.stack.push(frame);
    }

    fn keep(&mut self, tag: u32, length: u32) {
        if !self.fits(length) {
            return self.skip(length);
        }
        if length == 0 {
            self.attributes.values.entry(tag).or_default();
            return;
        }
        self.kept_bytes += length;
        self.step = Step::Keep { tag, remaining: length, value: Vec::new() };
    }

    /// Whether a value of this length may be kept; notes it when not.
    fn fits(&mut self, length: u32) -> bool {
        let fits = length <= self.limits.max_value_bytes
            && self.kept_bytes.saturating_add(length) <= self.limits.max_total_value_bytes;
        if !fits && self.state == HeaderState::Complete {
            self.state = HeaderState::LimitReached("limit: value bytes");
        }
        fits
    }

    fn skip(&mut self, length: u32) {
        if length > 0 {
            self.step = Step::Skip { remaining: u64::from(length) };
        }
    }
}

enum Decoded {
    NeedsLongLength,
    NoValueRepresentation,
    Element(Element),
}

fn decode_header(encoding: ElementEncoding, bytes: &[u8; 12], have: usize) -> Decoded {
    let group = encoding.u16([bytes[0], bytes[1]]);
    let tag = u32::from(group) << 16 | u32::from(encoding.u16([bytes[2], bytes[3]]));
    let short = [bytes[4], bytes[5], bytes[6], bytes[7]];
    if !encoding.explicit_vr || group == 0xFFFE {
        return Decoded::Element(Element { tag, length: encoding.u32(short), unknown: false });
    }
    let vr = [bytes[4], bytes[5]];
    if has_short_length(vr) {
        let length = u32::from(encoding.u16([bytes[6], bytes[7]]));
        return Decoded::Element(Element { tag, length, unknown: false });
    }
    if !vr.iter().all(u8::is_ascii_uppercase) {
        return Decoded::NoValueRepresentation;
    }
    if have < 12 {
        return Decoded::NeedsLongLength;
    }
    let length = encoding.u32([bytes[8], bytes[9], bytes[10], bytes[11]]);
    Decoded::Element(Element { tag, length, unknown: vr == *b"UN" })
}

/// VRs with a 16-bit length (PS3.5 table 7.1-2); every other one, future ones included, has 32 bits (table 7.1-1).
pub(crate) fn has_short_length(vr: [u8; 2]) -> bool {
    matches!(
        &vr,
        b"AE"
            | b"AS"
            | b"AT"
            | b"CS"
            | b"DA"
            | b"DS"
            | b"DT"
            | b"FL"
            | b"FD"
            | b"IS"
            | b"LO"
            | b"LT"
            | b"PN"
            | b"SH"
            | b"SL"
            | b"SS"
            | b"ST"
            | b"TM"
            | b"UI"
            | b"UL"
            | b"US"
    )
}

/// Devices label implicit data sets as explicit ones and the other way round; the first element tells.
pub(crate) fn believable_encoding(declared: ElementEncoding, bytes: &[u8; 12]) -> ElementEncoding {
    let vr = [bytes[4], bytes[5]];
    if declared.explicit_vr {
        let letters = vr.iter().all(u8::is_ascii_uppercase);
        return if letters || declared.big_endian { declared } else { ElementEncoding::IMPLICIT_LITTLE };
    }
    // Read as implicit, such a first element would claim more than 64 KiB.
    let claims_much = bytes[6] != 0 || bytes[7] != 0;
    if has_short_length(vr) && claims_much { ElementEncoding::EXPLICIT_LITTLE } else { declared }
}
