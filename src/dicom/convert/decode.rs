//! Compressed pixel data becomes uncompressed, frame by frame (PS3.5 sections 8.2 and A.4).
//!
//! The first frame tells what the header must say: colours that a decoder turned into RGB, samples side by side, bits.
//! Whether the image was ever compressed with losses stays written down as it is.

use std::io::{Read, Write};

use super::element::{Head, ITEM, SEQUENCE_DELIMITATION, put_head, recode, swap};
use super::source::Source;
use super::{Conversion, Error};
use crate::dicom::part10;
use crate::dicom::render::{DecodedFrame, ImageHeader, RenderConfig, uncompressed_frame};
use crate::dicom::transfer_syntax::ElementEncoding;

const SAMPLES_PER_PIXEL: u32 = 0x0028_0002;
const PHOTOMETRIC_INTERPRETATION: u32 = 0x0028_0004;
const PLANAR_CONFIGURATION: u32 = 0x0028_0006;
const BITS_ALLOCATED: u32 = 0x0028_0100;
const BITS_STORED: u32 = 0x0028_0101;
const HIGH_BIT: u32 = 0x0028_0102;
const EXTENDED_OFFSETS: [u32; 3] = [0x7FE0_0001, 0x7FE0_0002, 0x7FE0_0003];
const PIXEL_DATA: u32 = 0x7FE0_0010;

/// Transfer syntaxes in which each fragment is a frame, whatever it begins with.
const FRAGMENT_IS_FRAME: [&str; 6] = [
    super::RLE_LOSSLESS,
    super::ENCAPSULATED_UNCOMPRESSED,
    super::DEFLATED_IMAGE_FRAME,
    "1.2.840.10008.1.2.4.110",
    "1.2.840.10008.1.2.4.111",
    "1.2.840.10008.1.2.4.112",
];

/// Writes the header `explicit` (Explicit VR Little Endian), changed to fit, and all frames.
pub(super) fn frames<R: Read, W: Write>(conversion: &mut Conversion<'_, R, W>, explicit: &[u8]) -> Result<(), Error> {
    let header = image_header(conversion.from, explicit)?;
    let config = RenderConfig { max_pixels: conversion.limits.max_frame_pixels, ..RenderConfig::default() };
    let count = header.frames;
    let mut fragments = Fragments::new(&mut conversion.source, &header, conversion.limits.max_frame_bytes)?;
    let first = fragments.next_frame(&mut conversion.source, count == 1)?.ok_or(Error::Truncated)?;
    let first = uncompressed_frame(&header, first, &config)?;
    let frame_bytes = first.bytes.len() as u64;
    if count > 1 && first.bits_allocated == 1 && !header.frame_bits().is_multiple_of(8) {
        return Err(Error::Pixels("frames of single bits that do not end with a byte"));
    }
    let length = frame_bytes.checked_mul(u64::from(count)).and_then(|length| u32::try_from(length).ok());
    let length = length.filter(|length| *length < u32::MAX - 1).ok_or(Error::Pixels("longer than a value can be"))?;

    let output = conversion.output;
    let patched = patched(explicit, &first)?;
    let mut head = recode(&patched, ElementEncoding::EXPLICIT_LITTLE, output)?;
    let wide = first.bits_allocated > 8;
    put_head(&mut head, output, PIXEL_DATA, if wide { *b"OW" } else { *b"OB" }, length + length % 2);
    conversion.put(&head)?;
    drop(head);

    let shape = |frame: &DecodedFrame| (frame.bytes.len(), frame.bits_allocated, frame.photometric);
    let expected = shape(&first);
    let mut frame = first;
    for number in 1..=count {
        if number > 1 {
            let last = number == count;
            let bytes = fragments.next_frame(&mut conversion.source, last)?.ok_or(Error::Truncated)?;
            frame = uncompressed_frame(&header, bytes, &config)?;
            if shape(&frame) != expected {
                return Err(Error::Pixels("frames that differ in kind"));
            }
        }
        if output.big_endian && wide {
            swap(&mut frame.bytes, usize::from(frame.bits_allocated / 8));
        }
        conversion.put(&frame.bytes)?;
    }
    conversion.put(&[0][..(length % 2) as usize])
}

/// The header as the decoder reads it: of a file whose pixel data is about to begin.
fn image_header(transfer_syntax_uid: &str, explicit: &[u8]) -> Result<ImageHeader, Error> {
    let mut file = part10::meta("1.2", "1.2", transfer_syntax_uid, "");
    // The elements are explicit whatever is declared; a plain syntax with fragments is read as that one.
    if transfer_syntax_uid == super::IMPLICIT_VR_LITTLE_ENDIAN || transfer_syntax_uid == super::EXPLICIT_VR_BIG_ENDIAN {
        file = part10::meta("1.2", "1.2", super::EXPLICIT_VR_LITTLE_ENDIAN, "");
    }
    file.extend_from_slice(explicit);
    put_head(&mut file, ElementEncoding::EXPLICIT_LITTLE, PIXEL_DATA, *b"OB", u32::MAX);
    Ok(ImageHeader::parse(&file)?)
}

/// The header with the attributes of the decoded pixels, without the offsets of compressed ones.
fn patched(explicit: &[u8], frame: &DecodedFrame) -> Result<Vec<u8>, Error> {
    let encoding = ElementEncoding::EXPLICIT_LITTLE;
    let mut changes: Vec<(u32, Vec<u8>)> = Vec::new();
    let mut change = |tag: u32, vr: [u8; 2], value: &[u8]| {
        let mut bytes = Vec::new();
        put_head(&mut bytes, encoding, tag, vr, value.len() as u32);
        bytes.extend_from_slice(value);
        changes.push((tag, bytes));
    };
    change(SAMPLES_PER_PIXEL, *b"US", &frame.samples.to_le_bytes());
    if let Some(photometric) = frame.photometric {
        let mut value = photometric.as_bytes().to_vec();
        value.resize(value.len() + value.len() % 2, b' ');
        change(PHOTOMETRIC_INTERPRETATION, *b"CS", &value);
    }
    if frame.samples > 1 {
        change(PLANAR_CONFIGURATION, *b"US", &[0, 0]);
    }
    change(BITS_ALLOCATED, *b"US", &frame.bits_allocated.to_le_bytes());
    change(BITS_STORED, *b"US", &frame.bits_stored.to_le_bytes());
    change(HIGH_BIT, *b"US", &frame.high_bit.to_le_bytes());
    let mut out = Vec::with_capacity(explicit.len() + 64);
    let mut changes = changes.into_iter().peekable();
    for (tag, bytes) in super::element::split(explicit)? {
        while let Some((_, before)) = changes.next_if(|(changed, _)| *changed < tag) {
            out.extend_from_slice(&before);
        }
        match changes.next_if(|(changed, _)| *changed == tag) {
            Some((_, instead)) => out.extend_from_slice(&instead),
            None if EXTENDED_OFFSETS.contains(&tag) => {}
            None => out.extend_from_slice(bytes),
        }
    }
    changes.for_each(|(_, bytes)| out.extend_from_slice(&bytes));
    Ok(out)
}

/// The fragments of encapsulated pixel data, gathered to frames as they come.
struct Fragments {
    /// Where frames begin, counted from the first fragment's item; empty when no table says it.
    starts: Vec<u64>,
    fragment_is_frame: bool,
    max_frame_bytes: usize,
    /// Where the next item begins, counted likewise.
    position: u64,
    frames: usize,
    /// A fragment that begins the next frame.
    waiting: Option<Vec<u8>>,
    ended: bool,
}

impl Fragments {
    /// Reads the basic offset table.
    fn new(source: &mut Source<impl Read>, header: &ImageHeader, max_frame_bytes: usize) -> Result<Self, Error> {
        let table = item(source, max_frame_bytes)?.ok_or(Error::Truncated)?;
        let basic = table.chunks_exact(4).map(|b| u64::from(u32::from_le_bytes([b[0], b[1], b[2], b[3]])));
        let basic: Vec<u64> = basic.collect();
        let frames = header.frames as usize;
        let starts = [header.extended_offsets(), &basic]
            .into_iter()
            .find(|table| table.len() == frames && table.first() == Some(&0) && table.is_sorted_by(|a, b| a < b));
        Ok(Self {
            starts: starts.map(<[u64]>::to_vec).unwrap_or_default(),
            fragment_is_frame: FRAGMENT_IS_FRAME.contains(&header.transfer_syntax.as_str()),
            max_frame_bytes,
            position: 0,
            frames: 0,
            waiting: None,
            ended: false,
        })
    }

    /// The bytes of the next frame; `None` when there are no more. The last one takes all fragments that are left.
    fn next_frame(&mut self, source: &mut Source<impl Read>, is_last: bool) -> Result<Option<Vec<u8>>, Error> {
        let mut frame: Option<Vec<u8>> = self.waiting.take();
        while !self.ended {
            let begins_at = self.position;
            let room = self.max_frame_bytes.saturating_sub(frame.as_ref().map_or(0, Vec::len));
            let Some(fragment) = item(source, room)? else {
                self.ended = true;
                break;
            };
            self.position += 8 + fragment.len() as u64;
            match &mut frame {
                None => frame = Some(fragment),
                Some(_) if !is_last && self.begins_frame(begins_at, &fragment) => {
                    self.waiting = Some(fragment);
                    break;
                }
                Some(frame) => frame.extend_from_slice(&fragment),
            }
        }
        self.frames += 1;
        Ok(frame)
    }

    fn begins_frame(&self, begins_at: u64, fragment: &[u8]) -> bool {
        if let Some(start) = self.starts.get(self.frames + 1) {
            return begins_at >= *start;
        }
        // JPEG's and JPEG 2000's first markers, and the signature of JP2.
        self.fragment_is_frame || matches!(fragment, [0xFF, 0xD8 | 0x4F, ..] | [0, 0, 0, 12, b'j', b'P', ..])
    }
}

/// The next item's value; `None` at the sequence's end.
fn item(source: &mut Source<impl Read>, max_bytes: usize) -> Result<Option<Vec<u8>>, Error> {
    let head = Head::of_item(source)?;
    match head.tag {
        SEQUENCE_DELIMITATION => Ok(None),
        ITEM if head.length as usize > max_bytes => {
            Err(Error::TooLarge { what: "bytes of a compressed frame", limit: max_bytes as u64 })
        }
        ITEM => {
            let mut value = Vec::new();
            source.append(&mut value, head.length as usize)?;
            Ok(Some(value))
        }
        _ => Err(Error::Malformed("fragments of pixel data")),
    }
}
