//! What the header says about the pixels: Image Pixel (PS3.3 C.7.6.3), Modality and VOI LUT (C.11), Palette Color
//! (C.7.9), Overlay Plane (C.9), and the functional groups of enhanced multi-frame objects (C.7.6.16).

use std::ops::Range;

use dicom_encoding::transfer_syntax::{Codec, TransferSyntaxIndex};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;

use super::lut::{Palette, Table, VoiFunction};
use super::overlay::Overlay;
use super::shutter::Shutter;
use super::{Error, Window};
use crate::dicom::attributes::MOST_FRAMES;
use crate::dicom::elements::{Elements, Encoding, Part10, PixelStart, Tag};

const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
/// Inflated bytes that are looked at for the header; the pixels come later.
const MAX_INFLATED_HEADER: u64 = 64 << 20;

/// How pixel values become what the modality measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rescale {
    pub(super) slope: f64,
    pub(super) intercept: f64,
}

/// What may differ from frame to frame.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct FrameGroup {
    pub(super) rescale: Option<Rescale>,
    pub(super) window: Option<Window>,
    pub(super) function: Option<VoiFunction>,
    pub(super) aspect: Option<f64>,
}

/// The attributes of one image object that a picture needs; the pixels stay where they are.
#[derive(Debug, Clone)]
pub struct ImageHeader {
    /// Transfer Syntax UID.
    pub transfer_syntax: String,
    /// Modality, empty when absent.
    pub modality: String,
    /// Number of Frames, at least 1.
    pub frames: u32,
    /// Rows.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
    pub(super) samples: u16,
    pub(super) photometric: String,
    pub(super) planar: bool,
    pub(super) bits_allocated: u16,
    pub(super) bits_stored: u16,
    pub(super) high_bit: u16,
    pub(super) signed: bool,
    pub(super) padding: Option<(f64, f64)>,
    pub(super) modality_lut: Option<Table>,
    pub(super) voi_lut: Option<Table>,
    pub(super) base: FrameGroup,
    pub(super) per_frame: Vec<FrameGroup>,
    pub(super) inverse_presentation: bool,
    pub(super) palette: Option<Palette>,
    pub(super) overlays: Vec<Overlay>,
    pub(super) shutter: Option<Shutter>,
    pub(super) pixels: PixelStart,
    pub(super) dataset_offset: usize,
    /// Where the offsets of frames are kept when the basic offset table is too small (PS3.3 C.7.6.3.1.8).
    pub(super) extended_offsets: Vec<u64>,
}

impl ImageHeader {
    /// Reads the header from the first bytes of a Part 10 file, up to Pixel Data or a bit past it.
    ///
    /// When `header` ends exactly where an element ends, Pixel Data is taken to begin there. Nothing is allocated from
    /// declared lengths. Objects without Rows and Columns have no picture: [`Error::NoImage`].
    pub fn parse(header: &[u8]) -> Result<Self, Error> {
        let part10 = Part10::read(header);
        let data_set = header.get(part10.dataset_offset..).unwrap_or_default();
        if part10.transfer_syntax == DEFLATED {
            let inflated = inflate(data_set, MAX_INFLATED_HEADER);
            return Self::from_elements(&inflated, &part10, Encoding::ExplicitLittle);
        }
        Self::from_elements(data_set, &part10, Encoding::of_transfer_syntax(part10.transfer_syntax))
    }

    /// The bytes of a frame (1 is the first) within the file, for uncompressed transfer syntaxes.
    ///
    /// `None` when the whole file is needed (compressed or deflated), or when there is no such frame.
    pub fn native_frame_range(&self, frame: u32) -> Option<Range<u64>> {
        if self.is_deflated() || self.pixels.length.is_none() || frame == 0 || frame > self.frames {
            return None;
        }
        frame_range(self.pixels_offset(), self.native_frame_bits(), frame)
    }

    /// About how many bytes of memory it takes.
    pub fn weight(&self) -> usize {
        let tables = [&self.modality_lut, &self.voi_lut].into_iter().flatten().map(Table::weight).sum::<usize>();
        let texts = self.transfer_syntax.len() + self.modality.len() + self.photometric.len();
        let shapes = self.overlays.iter().map(Overlay::weight).sum::<usize>()
            + self.shutter.as_ref().map_or(0, Shutter::weight)
            + self.palette.as_ref().map_or(0, Palette::weight);
        let of_frames = size_of_val(self.per_frame.as_slice()) + size_of_val(self.extended_offsets.as_slice());
        size_of::<Self>() + texts + tables + shapes + of_frames
    }

    /// Where the value of Pixel Data begins in the file.
    pub fn pixels_offset(&self) -> u64 {
        (self.dataset_offset + self.pixels.value_offset) as u64
    }

    /// Offsets of the frames from the first fragment's item, of the extended offset table; empty when there is none.
    pub fn extended_offsets(&self) -> &[u64] {
        &self.extended_offsets
    }

    /// Bits of one uncompressed frame.
    pub fn frame_bits(&self) -> u64 {
        self.native_frame_bits()
    }

    /// Bytes of a number whose order is the other way round in the file than everywhere else; 1 when there is none.
    pub fn swapped_unit(&self) -> usize {
        if Encoding::of_transfer_syntax(&self.transfer_syntax) != Encoding::ExplicitBig || &self.pixels.vr == b"OB" {
            return 1;
        }
        usize::from(self.bits_allocated).div_ceil(8).max(2)
    }

    /// Whether frames lie in the file as they are.
    pub fn is_native(&self) -> bool {
        self.pixels.length.is_some() && !self.is_deflated()
    }

    /// Whether the data set has to be inflated before anything is found in it.
    pub fn is_deflated(&self) -> bool {
        self.transfer_syntax == DEFLATED
    }

    /// Bits of one uncompressed frame; YBR_FULL_422 shares one pair of chrominance samples between two pixels.
    pub(super) fn native_frame_bits(&self) -> u64 {
        let pixels = u64::from(self.rows) * u64::from(self.columns);
        let samples = if self.photometric == "YBR_FULL_422" && !self.planar { 2 } else { u64::from(self.samples) };
        pixels * samples * u64::from(self.bits_allocated)
    }

    /// The group of a frame: its own values over the shared ones.
    pub(super) fn group(&self, frame: u32) -> FrameGroup {
        let own = self.per_frame.get(frame as usize - 1).cloned().unwrap_or_default();
        FrameGroup {
            rescale: own.rescale.or(self.base.rescale),
            window: own.window.or(self.base.window),
            function: own.function.or(self.base.function),
            aspect: own.aspect.or(self.base.aspect),
        }
    }

    fn from_elements(data_set: &[u8], part10: &Part10<'_>, encoding: Encoding) -> Result<Self, Error> {
        let elements = Elements::read(data_set, encoding);
        let number = |element| elements.unsigned((0x0028, element));
        let (Some(rows), Some(columns)) = (number(0x0010), number(0x0011)) else { return Err(Error::NoImage) };
        if rows == 0 || columns == 0 {
            return Err(Error::NoImage);
        }
        let pixels = pixel_start(&elements, data_set.len(), part10.transfer_syntax)?;
        let float_bits = match pixels.tag.1 {
            0x0008 => Some(32),
            0x0009 => Some(64),
            _ => None,
        };
        let bits_allocated = float_bits.or(number(0x0100)).unwrap_or(8);
        if ![1, 8, 16, 32, 64].contains(&bits_allocated) || (bits_allocated == 64 && float_bits.is_none()) {
            return Err(Error::Unsupported("Bits Allocated"));
        }
        let bits_stored = number(0x0101).filter(|bits| (1..=bits_allocated).contains(bits)).unwrap_or(bits_allocated);
        let high_bit = number(0x0102).filter(|bit| (bits_stored - 1..bits_allocated).contains(bit));
        let samples = number(0x0002).unwrap_or(1);
        if ![1, 3].contains(&samples) {
            return Err(Error::Unsupported("Samples per Pixel"));
        }
        let signed = number(0x0103) == Some(1);
        let photometric = elements.text((0x0028, 0x0004)).unwrap_or(if samples == 3 { "RGB" } else { "MONOCHROME2" });
        let shared = elements.first_item((0x5200, 0x9229));
        let mut base = shared.as_ref().map(frame_group).unwrap_or_default();
        merge_plain(&mut base, &elements);
        let mut per_frame: Vec<FrameGroup> = elements.items((0x5200, 0x9230)).map(|item| frame_group(&item)).collect();
        // Tiles of slides have groups that say nothing of this, a hundred thousand of them.
        let last = per_frame.iter().rposition(|group| *group != FrameGroup::default());
        per_frame.truncate(last.map_or(0, |at| at + 1));
        per_frame.shrink_to_fit();
        Ok(Self {
            transfer_syntax: part10.transfer_syntax.to_owned(),
            modality: elements.text((0x0008, 0x0060)).unwrap_or_default().to_owned(),
            frames: elements.number((0x0028, 0x0008)).map_or(1, |n| (n as u32).clamp(1, MOST_FRAMES as u32)),
            rows,
            columns,
            samples,
            photometric: photometric.to_owned(),
            planar: number(0x0006) == Some(1),
            bits_allocated,
            bits_stored,
            high_bit: high_bit.unwrap_or(bits_stored - 1),
            signed,
            padding: padding(&elements, signed),
            modality_lut: elements.first_item((0x0028, 0x3000)).and_then(|item| Table::read(&item, signed)),
            voi_lut: elements.first_item((0x0028, 0x3010)).and_then(|item| Table::read(&item, signed)),
            base,
            per_frame,
            inverse_presentation: elements.text((0x2050, 0x0020)) == Some("INVERSE"),
            palette: Palette::read(&elements)?,
            overlays: Overlay::read_all(&elements),
            shutter: Shutter::read(&elements),
            pixels,
            dataset_offset: part10.dataset_offset,
            extended_offsets: extended_offsets(&elements),
        })
    }
}

/// The bytes of a frame (1 is the first) among frames of so many bits behind `start`; `None` when no file is that long.
pub(in crate::dicom) fn frame_range(start: u64, bits: u64, frame: u32) -> Option<Range<u64>> {
    let first_bit = u64::from(frame.checked_sub(1)?).checked_mul(bits)?;
    let end = start.checked_add(first_bit.checked_add(bits)?.div_ceil(8))?;
    Some(start + first_bit / 8..end)
}

/// Inflates a deflated data set, at most `limit` bytes; what comes after damage is missing.
pub fn inflate(deflated: &[u8], limit: u64) -> Vec<u8> {
    use std::io::Read as _;
    let mut inflated = Vec::new();
    if let Some(Codec::Dataset(Some(adapter))) = TransferSyntaxRegistry.get(DEFLATED).map(|syntax| syntax.codec()) {
        let reader = adapter.adapt_reader(Box::new(deflated));
        // An end in the midst of the stream is expected here: only the header's bytes were given.
        let _ = reader.take(limit).read_to_end(&mut inflated);
    }
    inflated
}

fn pixel_start(elements: &Elements<'_>, length: usize, transfer_syntax: &str) -> Result<PixelStart, Error> {
    if let Some(pixels) = elements.pixels {
        return Ok(pixels);
    }
    if elements.end != length || transfer_syntax == DEFLATED {
        return Err(Error::Truncated);
    }
    let native = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"].contains(&transfer_syntax);
    let head = if transfer_syntax == "1.2.840.10008.1.2" { 8 } else { 12 };
    Ok(PixelStart { tag: (0x7FE0, 0x0010), value_offset: length + head, vr: *b"OW", length: native.then_some(0) })
}

fn frame_group(item: &Elements<'_>) -> FrameGroup {
    let mut group = FrameGroup::default();
    if let Some(transformation) = item.first_item((0x0028, 0x9145)) {
        group.rescale = rescale(&transformation);
    }
    if let Some(voi) = item.first_item((0x0028, 0x9132)) {
        group.window = window(&voi);
        group.function = voi.text((0x0028, 0x1056)).and_then(VoiFunction::parse);
    }
    if let Some(measures) = item.first_item((0x0028, 0x9110)) {
        group.aspect = spacing_aspect(&measures, (0x0028, 0x0030));
    }
    group
}

fn merge_plain(base: &mut FrameGroup, elements: &Elements<'_>) {
    base.rescale = base.rescale.or_else(|| rescale(elements));
    base.window = base.window.or_else(|| window(elements));
    base.function = base.function.or_else(|| elements.text((0x0028, 0x1056)).and_then(VoiFunction::parse));
    // A ratio alone is for images without any spacing (PS3.3 C.7.6.3.1.7); the viewer has the same order (dicom/slice.ts).
    base.aspect = base
        .aspect
        .or_else(|| spacing_aspect(elements, (0x0028, 0x0030)))
        .or_else(|| spacing_aspect(elements, (0x0018, 0x1164)))
        .or_else(|| spacing_aspect(elements, (0x0018, 0x2010)))
        .or_else(|| spacing_aspect(elements, (0x0028, 0x0034)));
}

fn rescale(elements: &Elements<'_>) -> Option<Rescale> {
    let intercept = elements.number((0x0028, 0x1052));
    let slope = elements.number((0x0028, 0x1053)).filter(|slope| slope.is_finite() && *slope != 0.0);
    if intercept.is_none() && slope.is_none() {
        return None;
    }
    Some(Rescale { slope: slope.unwrap_or(1.0), intercept: intercept.filter(|i| i.is_finite()).unwrap_or(0.0) })
}

fn window(elements: &Elements<'_>) -> Option<Window> {
    let center = elements.number((0x0028, 0x1050)).filter(|center| center.is_finite())?;
    let width = elements.number((0x0028, 0x1051)).filter(|width| width.is_finite() && *width > 0.0)?;
    Some(Window { center, width })
}

/// Height of a pixel divided by its width.
fn spacing_aspect(elements: &Elements<'_>, tag: Tag) -> Option<f64> {
    let spacing = elements.numbers(tag);
    let (vertical, horizontal) = (*spacing.first()?, *spacing.get(1)?);
    let aspect = vertical / horizontal;
    aspect.is_finite().then_some(aspect).filter(|aspect| (0.05..=20.0).contains(aspect))
}

fn padding(elements: &Elements<'_>, signed: bool) -> Option<(f64, f64)> {
    let read = |element| {
        let value = elements.unsigned((0x0028, element))?;
        Some(if signed { f64::from(value as i16) } else { f64::from(value) })
    };
    let value = read(0x0120)?;
    let limit = read(0x0121).unwrap_or(value);
    Some((value.min(limit), value.max(limit)))
}

fn extended_offsets(elements: &Elements<'_>) -> Vec<u64> {
    let value = elements.get((0x7FE0, 0x0001)).map_or(&[][..], |element| element.value);
    value.chunks_exact(8).map(|b| u64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]])).collect()
}
