//! Pages of a TIFF whose pixels are numbers of colours (TIFF 6.0 section 5), which the decoder does not read.
//!
//! In a copy of the file such pages say that they are grey: then the decoder gives the numbers as they are, and the PDF has
//! palettes of its own. Only the file's table of contents is looked at.

use std::borrow::Cow;
use std::io::Cursor;

use tiff::decoder::Decoder;
use tiff::tags::Tag;

use super::decode::damaged;
use crate::documents::stamp::StampRefusal;

const PHOTOMETRIC_INTERPRETATION: u16 = 262;
const SHORT: u16 = 3;
const PALETTE: u16 = 3;
const BLACK_IS_ZERO: u16 = 1;

/// A file that can be read, and which of its pages have palettes.
pub(super) struct Readable<'b> {
    pub(super) bytes: Cow<'b, [u8]>,
    pub(super) palettes: Vec<bool>,
}

/// Looks through the pages of a classic TIFF, so many at most.
pub(super) fn readable(bytes: &[u8], max_pages: usize) -> Readable<'_> {
    let mut found = Readable { bytes: Cow::Borrowed(bytes), palettes: Vec::new() };
    let is_little = bytes.starts_with(b"II*\0");
    if !is_little && !bytes.starts_with(b"MM\0*") {
        return found;
    }
    let short = |at: usize| {
        let pair: [u8; 2] = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if is_little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
    };
    let long = |at: usize| {
        let quad: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some((if is_little { u32::from_le_bytes(quad) } else { u32::from_be_bytes(quad) }) as usize)
    };
    let mut directory = long(4);
    while let Some(at) = directory.filter(|at| *at > 0 && found.palettes.len() < max_pages) {
        let Some(entries) = short(at) else { break };
        let entry = |number: usize| at + 2 + number * 12;
        let photometric = (0..usize::from(entries))
            .map(entry)
            .find(|entry| short(*entry) == Some(PHOTOMETRIC_INTERPRETATION) && short(*entry + 2) == Some(SHORT));
        let value = photometric.map(|entry| entry + 8).filter(|value| short(*value) == Some(PALETTE));
        if let Some(value) = value {
            let gray = if is_little { BLACK_IS_ZERO.to_le_bytes() } else { BLACK_IS_ZERO.to_be_bytes() };
            found.bytes.to_mut()[value..value + 2].copy_from_slice(&gray);
        }
        found.palettes.push(value.is_some());
        directory = long(entry(usize::from(entries)));
    }
    found
}

/// The colours of the page at which the decoder stands, three bytes each, for pixels of so many bits.
pub(super) fn colors(pages: &mut Decoder<Cursor<&[u8]>>, bits: u8) -> Result<Vec<u8>, StampRefusal> {
    let map = pages.get_tag_u16_vec(Tag::ColorMap).map_err(damaged)?;
    let count = 1_usize << bits;
    if map.len() != 3 * count {
        return Err(damaged("a palette of another length than its pixels need"));
    }
    // Colours have 16 bits; old programs wrote eight.
    let shift = if map.iter().any(|value| *value > 255) { 8 } else { 0 };
    Ok((0..count).flat_map(|at| [at, count + at, 2 * count + at]).map(|at| (map[at] >> shift) as u8).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_contents_that_loops_or_runs_out_ends_the_search() {
        let mut looping = b"II*\0\x08\0\0\0\x01\0".to_vec();
        looping.extend([6, 1, 3, 0, 1, 0, 0, 0, 3, 0, 0, 0]);
        looping.extend(8_u32.to_le_bytes());
        let found = readable(&looping, 5);
        assert!(found.palettes[0]);
        assert_eq!(found.palettes.len(), 5);
        assert_eq!(found.bytes[18], 1);
        for bytes in [&looping[..9], b"II*\0\xFF\xFF\xFF\xFF", b"MM\0*\0\0\0\x08\xFF\xFF", b""] {
            assert!(readable(bytes, 5).palettes.iter().all(|palette| !palette));
        }
    }
}
