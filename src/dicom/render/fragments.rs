//! Finding the bytes of one frame among the fragments of encapsulated pixel data (PS3.5 annex A.4).

use std::ops::Range;

use super::Error;
use super::header::ImageHeader;

const MAX_FRAGMENTS: usize = 1 << 20;

/// The compressed bytes of a frame (1 is the first) in a whole data set.
pub(super) fn of_frame(header: &ImageHeader, data_set: &[u8], frame: u32) -> Result<Vec<u8>, Error> {
    let missing = Error::NoFrame { frame, frames: header.frames };
    let (offsets, fragments) = fragments(data_set, header.pixels.value_offset)?;
    let frames = header.frames as usize;
    let nth = frame as usize - 1;
    let chosen: &[Range<usize>] = if frames == 1 {
        &fragments
    } else if let Some(offsets) = starts(header, &offsets, frames) {
        let base = fragments.first().ok_or(Error::Truncated)?.start as u64 - 8;
        let first = base + offsets[nth];
        let next = offsets.get(nth + 1).map_or(u64::MAX, |offset| base + offset);
        between(&fragments, first, next)
    } else if fragments.len() == frames {
        fragments.get(nth..=nth).ok_or(missing)?
    } else {
        by_start_marker(&fragments, data_set, nth).ok_or(missing)?
    };
    if chosen.is_empty() {
        return Err(Error::NoFrame { frame, frames: header.frames });
    }
    Ok(chosen.iter().flat_map(|range| &data_set[range.clone()]).copied().collect())
}

/// The basic offset table and where the fragments lie.
fn fragments(data_set: &[u8], start: usize) -> Result<(Vec<u32>, Vec<Range<usize>>), Error> {
    let (mut at, mut table, mut found) = (start, None, Vec::new());
    while let Some(head) = data_set.get(at..at.saturating_add(8)) {
        if head[..4] != [0xFE, 0xFF, 0x00, 0xE0] {
            break;
        }
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        // A last fragment that was cut off is given to the decoder as far as it goes.
        let end = (at + 8).saturating_add(length).min(data_set.len());
        match table {
            None => table = Some(offset_table(&data_set[at + 8..end])),
            Some(_) if found.len() == MAX_FRAGMENTS => {
                return Err(Error::TooLarge { what: "fragments", limit: MAX_FRAGMENTS as u64 });
            }
            Some(_) => found.push(at + 8..end),
        }
        at = end;
    }
    if found.is_empty() {
        return Err(Error::Truncated);
    }
    Ok((table.unwrap_or_default(), found))
}

fn offset_table(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

fn starts(header: &ImageHeader, basic: &[u32], frames: usize) -> Option<Vec<u64>> {
    if header.extended_offsets.len() == frames {
        return Some(header.extended_offsets.clone());
    }
    (basic.len() == frames).then(|| basic.iter().map(|offset| u64::from(*offset)).collect())
}

/// The fragments whose items begin at `first` or after it, but before `next`.
fn between(fragments: &[Range<usize>], first: u64, next: u64) -> &[Range<usize>] {
    let from = fragments.partition_point(|range| (range.start as u64 - 8) < first);
    let to = fragments.partition_point(|range| (range.start as u64 - 8) < next);
    fragments.get(from..to).unwrap_or_default()
}

/// Without a table a frame begins where a fragment begins with the codestream's start marker.
fn by_start_marker<'a>(fragments: &'a [Range<usize>], data_set: &[u8], nth: usize) -> Option<&'a [Range<usize>]> {
    let begins = |range: &Range<usize>| matches!(data_set[range.clone()], [0xFF, 0xD8 | 0x4F, ..]);
    let mut starts = (0..fragments.len()).filter(|index| begins(&fragments[*index]));
    let first = starts.nth(nth)?;
    fragments.get(first..starts.next().unwrap_or(fragments.len()))
}
