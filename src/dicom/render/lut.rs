//! Look-up tables (PS3.3 C.11.1, C.11.2, C.7.6.3.1.5) and the window functions of C.11.2.1.3.

use super::{Error, Window};
use crate::dicom::elements::{Element, Elements};

/// A Modality LUT or VOI LUT.
#[derive(Debug, Clone)]
pub(super) struct Table {
    first: f64,
    /// Highest value that an entry may have.
    top: f64,
    entries: Vec<u16>,
}

impl Table {
    /// Reads LUT Descriptor and LUT Data of an item; `None` when they are absent or contradict each other.
    pub(super) fn read(item: &Elements<'_>, signed: bool) -> Option<Self> {
        let (count, first, bits) = descriptor(item.get((0x0028, 0x3002))?, signed)?;
        let entries = entries(item.get((0x0028, 0x3006))?, count)?;
        let highest = entries.iter().copied().max().unwrap_or(1);
        let top = u32::from(highest).max((1 << bits.clamp(1, 16)) - 1);
        Some(Self { first, top: f64::from(top), entries })
    }

    /// Bytes of memory behind it.
    pub(super) fn weight(&self) -> usize {
        size_of_val(self.entries.as_slice())
    }

    /// The entry for a value; values outside take the first or last.
    pub(super) fn look_up(&self, value: f64) -> f64 {
        let index = (value - self.first).clamp(0.0, (self.entries.len() - 1) as f64) as usize;
        f64::from(self.entries[index])
    }

    /// The entry for a value, as a share of the highest.
    pub(super) fn share(&self, value: f64) -> f64 {
        self.look_up(value) / self.top
    }
}

/// VOI LUT Function (0028,1056).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VoiFunction {
    /// LINEAR, which counts in whole steps.
    Linear,
    /// LINEAR_EXACT.
    LinearExact,
    /// SIGMOID.
    Sigmoid,
}

impl VoiFunction {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "LINEAR" => Some(VoiFunction::Linear),
            "LINEAR_EXACT" => Some(VoiFunction::LinearExact),
            "SIGMOID" => Some(VoiFunction::Sigmoid),
            _ => None,
        }
    }

    /// Brightness of a value, from 0 to 1.
    pub(super) fn apply(self, window: Window, value: f64) -> f64 {
        let Window { center, width } = window;
        let share = match self {
            VoiFunction::Linear if width > 1.0 => (value - (center - 0.5)) / (width - 1.0) + 0.5,
            // Width 1 is a threshold: C.11.2.1.2.1.
            VoiFunction::Linear if width == 1.0 => f64::from(value > center - 0.5),
            VoiFunction::Linear | VoiFunction::LinearExact => (value - center) / width + 0.5,
            VoiFunction::Sigmoid => 1.0 / (1.0 + (-4.0 * (value - center) / width).exp()),
        };
        share.clamp(0.0, 1.0)
    }
}

/// The three tables of a PALETTE COLOR image, 8 bits a colour.
#[derive(Debug, Clone)]
pub(super) struct Palette {
    first: f64,
    entries: Vec<[u8; 3]>,
}

impl Palette {
    /// Bytes of memory behind it.
    pub(super) fn weight(&self) -> usize {
        size_of_val(self.entries.as_slice())
    }

    /// Reads the tables, plain or segmented; `None` when there are none. Segments of 8 bits are refused.
    pub(super) fn read(elements: &Elements<'_>) -> Result<Option<Self>, Error> {
        if elements.text((0x0028, 0x0004)) != Some("PALETTE COLOR") {
            return Ok(None);
        }
        let missing = Error::Unsupported("PALETTE COLOR without its tables");
        let mut tables = Vec::new();
        let mut start = 0.0;
        for channel in 0..3 {
            let found = elements.get((0x0028, 0x1101 + channel)).and_then(|d| descriptor(d, false));
            let Some((count, first, bits)) = found else { return Err(missing) };
            let plain = elements.get((0x0028, 0x1201 + channel)).and_then(|data| entries(data, count));
            let entries = match (plain, elements.get((0x0028, 0x1221 + channel))) {
                (Some(plain), _) => plain,
                (None, Some(segments)) if bits == 16 => expand(&segments.words(), count),
                (None, Some(_)) => return Err(Error::Unsupported("Segmented Palette Color Lookup Table of 8 bits")),
                (None, None) => return Err(missing),
            };
            // Tables that promise 16 bits and hold 8 are common.
            let shift = if bits > 8 && entries.iter().any(|entry| *entry > 0xFF) { 8 } else { 0 };
            tables.push(entries.iter().map(|entry| (entry >> shift).min(0xFF) as u8).collect::<Vec<_>>());
            start = first;
        }
        let count = tables.iter().map(Vec::len).min().unwrap_or(0);
        let entries = (0..count).map(|i| [tables[0][i], tables[1][i], tables[2][i]]).collect();
        Ok(Some(Self { first: start, entries }))
    }

    /// The colour of a stored value.
    pub(super) fn color(&self, value: f64) -> [u8; 3] {
        let index = (value - self.first).clamp(0.0, self.entries.len().saturating_sub(1) as f64) as usize;
        self.entries.get(index).copied().unwrap_or_default()
    }
}

/// Number of entries, first mapped value, bits of an entry.
fn descriptor(element: &Element<'_>, signed: bool) -> Option<(usize, f64, u16)> {
    let words = element.words();
    let (count, first, bits) = (*words.first()?, *words.get(1)?, *words.get(2)?);
    let signed = &element.vr == b"SS" || (signed && &element.vr != b"US");
    let first = if signed { f64::from(first as i16) } else { f64::from(first) };
    Some((if count == 0 { 65_536 } else { usize::from(count) }, first, bits))
}

fn entries(element: &Element<'_>, count: usize) -> Option<Vec<u16>> {
    let words = element.words();
    // Entries of 8 bits may be packed two to a word, the first in the low byte.
    let packed = element.value.len() < count * 2 && element.value.len() >= count;
    let mut entries: Vec<u16> =
        if packed { words.iter().flat_map(|word| [word & 0xFF, word >> 8]).collect() } else { words };
    entries.truncate(count);
    (!entries.is_empty()).then_some(entries)
}

/// Undoes the segments of C.7.9.2; damage ends the table early.
fn expand(words: &[u16], count: usize) -> Vec<u16> {
    let (mut table, mut at) = (Vec::new(), 0);
    while table.len() < count {
        let Some(next) = segment(words, at, &mut table).or_else(|| repeated(words, at, &mut table)) else { break };
        at = next;
    }
    table.truncate(count);
    table
}

/// A discrete (0) or linear (1) segment; returns where the next begins.
fn segment(words: &[u16], at: usize, table: &mut Vec<u16>) -> Option<usize> {
    let (kind, length) = (*words.get(at)?, usize::from(*words.get(at + 1)?));
    match kind {
        // Every segment must lengthen the table, or damage could keep us here for long.
        _ if length == 0 => None,
        0 => {
            table.extend_from_slice(words.get(at + 2..at + 2 + length)?);
            Some(at + 2 + length)
        }
        1 => {
            let (from, to) = (i64::from(*table.last()?), i64::from(*words.get(at + 2)?));
            let steps = length as i64;
            table.extend((1..=steps).map(|step| (from + (to - from) * step / steps) as u16));
            Some(at + 3)
        }
        _ => None,
    }
}

/// An indirect (2) segment: so many earlier segments again, from a byte offset on.
fn repeated(words: &[u16], at: usize, table: &mut Vec<u16>) -> Option<usize> {
    let parts = words.get(at..at + 4).filter(|parts| parts[0] == 2)?;
    let mut from = (usize::from(parts[3]) << 16 | usize::from(parts[2])) / 2;
    for _ in 0..parts[1] {
        // More than a full table is never looked at.
        if table.len() > usize::from(u16::MAX) {
            break;
        }
        from = segment(words, from, table)?;
    }
    Some(at + 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_listed_ramps_and_repetitions() {
        let words = [0, 2, 5, 10, 1, 2, 20, 2, 1, 0, 0];
        assert_eq!(expand(&words, 6), [5, 10, 15, 20, 5, 10]);
        assert_eq!(expand(&words[..5], 6), [5, 10], "damage ends the table");
        assert_eq!(expand(&[0, 0, 0, 0], 6), Vec::<u16>::new(), "segments without entries are damage");
    }

    #[test]
    fn linear_takes_half_a_step_off_and_linear_exact_does_not() {
        let window = Window { center: 50.0, width: 100.0 };
        assert_eq!(VoiFunction::Linear.apply(window, 0.0), 0.0);
        assert_eq!(VoiFunction::Linear.apply(window, 99.0), 1.0);
        assert_eq!(VoiFunction::LinearExact.apply(window, 0.0), 0.0);
        assert_eq!(VoiFunction::LinearExact.apply(window, 100.0), 1.0);
        assert_eq!(VoiFunction::LinearExact.apply(window, 50.0), 0.5);
    }

    #[test]
    fn a_linear_window_of_width_one_is_a_threshold() {
        let window = Window { center: 10.0, width: 1.0 };
        assert_eq!([9.0, 9.5, 10.0].map(|value| VoiFunction::Linear.apply(window, value)), [0.0, 0.0, 1.0]);
    }

    #[test]
    fn a_sigmoid_is_a_half_at_its_centre_and_never_flat() {
        let window = Window { center: 100.0, width: 50.0 };
        assert_eq!(VoiFunction::Sigmoid.apply(window, 100.0), 0.5);
        assert!((VoiFunction::Sigmoid.apply(window, 125.0) - 0.880_797).abs() < 1e-6);
    }
}
