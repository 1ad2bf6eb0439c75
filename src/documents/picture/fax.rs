//! Pages of a TIFF as fax machines and document scanners pack them: ITU-T T.4 and T.6 (TIFF 6.0 sections 10 and 11).
//!
//! Each strip is packed for itself. All rows must be there: a report whose lower part is missing is not shown as whole.

use std::io::Cursor;

use hayro_ccitt::{DecodeSettings, DecoderContext, EncodingMode};
use tiff::decoder::Decoder;
use tiff::tags::Tag;

use super::decode::{damaged, packed};
use super::{Colors, Picture};
use crate::documents::stamp::StampRefusal;

const HUFFMAN: u16 = 2;
const GROUP_3: u16 = 3;
const GROUP_4: u16 = 4;
const T4_OPTIONS: Tag = Tag::Unknown(292);

/// Whether a page with this Compression is read here.
pub(super) fn is_fax(compression: u16) -> bool {
    matches!(compression, HUFFMAN | GROUP_3 | GROUP_4)
}

/// Unpacks the page at which the decoder stands; its size has been checked.
pub(super) fn page(
    bytes: &[u8],
    pages: &mut Decoder<Cursor<&[u8]>>,
    compression: u16,
    (width, height): (u32, u32),
    orientation: u8,
) -> Result<Picture, StampRefusal> {
    let mut number = |tag, usual: u32| match pages.find_tag_unsigned::<u32>(tag) {
        Ok(found) => Ok(found.unwrap_or(usual)),
        Err(error) => Err(damaged(error)),
    };
    if number(Tag::BitsPerSample, 1)? != 1 || number(Tag::SamplesPerPixel, 1)? != 1 {
        return Err(damaged("a fax page of more than two colours"));
    }
    let rows_per_strip = number(Tag::RowsPerStrip, height)?.clamp(1, height);
    let is_reversed = number(Tag::FillOrder, 1)? == 2;
    let is_two_dimensional = number(T4_OPTIONS, 0)? & 1 == 1;
    // Zero is white unless the file says otherwise, and PDF has it the other way round.
    let black_is_zero = number(Tag::PhotometricInterpretation, 0)? == 1;
    let offsets = pages.get_tag_u64_vec(Tag::StripOffsets).map_err(damaged)?;
    let lengths = pages.get_tag_u64_vec(Tag::StripByteCounts).map_err(damaged)?;
    let strips = height.div_ceil(rows_per_strip) as usize;
    if offsets.len() < strips || lengths.len() < strips {
        return Err(damaged("a page with too few strips"));
    }
    let row_bytes = (width as usize).div_ceil(8);
    let mut rows = Rows { bytes: Vec::with_capacity(row_bytes * height as usize), width, row_bytes };
    for strip in 0..strips {
        let settings = DecodeSettings {
            columns: width,
            rows: rows_per_strip.min(height - strip as u32 * rows_per_strip),
            end_of_block: compression != HUFFMAN,
            end_of_line: compression == GROUP_3,
            rows_are_byte_aligned: compression == HUFFMAN,
            encoding: match (compression, is_two_dimensional) {
                (GROUP_4, _) => EncodingMode::Group4,
                (GROUP_3, true) => EncodingMode::Group3_2D,
                _ => EncodingMode::Group3_1D,
            },
            strict: false,
        };
        let from = usize::try_from(offsets[strip]).unwrap_or(usize::MAX);
        let to = from.saturating_add(usize::try_from(lengths[strip]).unwrap_or(usize::MAX));
        let data = bytes.get(from..to.min(bytes.len())).ok_or_else(|| damaged("a strip outside of the file"))?;
        let reversed: Vec<u8>;
        let data = match is_reversed {
            true => {
                reversed = data.iter().map(|byte| byte.reverse_bits()).collect();
                &reversed
            }
            false => data,
        };
        let wanted = rows.bytes.len() + row_bytes * settings.rows as usize;
        let decoded = hayro_ccitt::decode(data, &mut rows, &mut DecoderContext::new(settings));
        if rows.bytes.len() < wanted {
            return Err(damaged(decoded.map_or_else(|error| error.to_string(), |_| "rows are missing".to_owned())));
        }
        rows.bytes.truncate(wanted);
    }
    let mut bytes = rows.bytes;
    if black_is_zero {
        bytes.iter_mut().for_each(|byte| *byte = !*byte);
    }
    let data = packed(&bytes)?;
    Ok(Picture { width, height, colors: Colors::Gray, bits: 1, filter: "FlateDecode", data, orientation })
}

/// Rows of one bit a pixel, white ones set.
struct Rows {
    bytes: Vec<u8>,
    width: u32,
    row_bytes: usize,
}

impl hayro_ccitt::Decoder for Rows {
    fn push_row(&mut self, changes: &[u32]) {
        let begin = self.bytes.len();
        self.bytes.resize(begin + self.row_bytes, 0xFF);
        let row = &mut self.bytes[begin..];
        for run in changes.chunks(2) {
            let from = run[0].min(self.width) as usize;
            let to = run.get(1).copied().unwrap_or(self.width).min(self.width) as usize;
            let mut at = from;
            while at < to {
                if at.is_multiple_of(8) && to - at >= 8 {
                    row[at / 8] = 0;
                    at += 8;
                } else {
                    row[at / 8] &= !(0x80 >> (at % 8));
                    at += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use hayro_ccitt::Decoder as _;

    use super::*;

    #[test]
    fn runs_are_black_up_to_the_next_change_or_the_edge() {
        let mut rows = Rows { bytes: Vec::new(), width: 20, row_bytes: 3 };
        rows.push_row(&[]);
        rows.push_row(&[2, 17]);
        rows.push_row(&[0, 1, 19]);
        assert_eq!(rows.bytes[..3], [0xFF, 0xFF, 0xFF]);
        assert_eq!(rows.bytes[3..6], [0b1100_0000, 0, 0b0111_1111]);
        assert_eq!(rows.bytes[6..], [0b0111_1111, 0xFF, 0b1110_1111]);
    }
}
