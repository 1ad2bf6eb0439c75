//! QR codes (ISO/IEC 18004) as vector rectangles, for a page's content stream.
//!
//! Error correction level M; a quiet zone of four modules belongs to the code (D-I10). Dark modules are joined to
//! runs row by row, so that no seams appear between neighbours and the content stays short.

use fast_qr::{ECL, QRBuilder};

/// White modules on each side of a code.
pub const QUIET_ZONE: usize = 4;

/// The text is too long for a QR code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text does not fit in a QR code")]
pub struct TooLong;

/// A run of dark modules in one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Modules between the left edge of the quiet zone and the run.
    pub column: usize,
    /// Rows between the top edge of the quiet zone and the run.
    pub row: usize,
    /// Modules.
    pub length: usize,
}

/// A QR code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QrCode {
    /// Modules on each side, quiet zone included.
    pub side: usize,
    /// All dark modules, top to bottom, left to right.
    pub runs: Vec<Run>,
}

impl QrCode {
    /// Encodes a text.
    pub fn encode(text: &str) -> Result<Self, TooLong> {
        let code = QRBuilder::new(text).ecl(ECL::M).build().map_err(|_| TooLong)?;
        let mut runs = Vec::new();
        for row in 0..code.size {
            let modules = &code[row];
            let mut column = 0;
            while column < code.size {
                let length = modules[column..].iter().take_while(|module| module.value()).count();
                if length > 0 {
                    runs.push(Run { column: column + QUIET_ZONE, row: row + QUIET_ZONE, length });
                }
                column += length.max(1);
            }
        }
        Ok(Self { side: code.size + 2 * QUIET_ZONE, runs })
    }

    /// PDF operators that paint the code in a square whose sides are [`QrCode::side`] units long, origin bottom left.
    pub(super) fn operators(&self) -> String {
        use std::fmt::Write;
        let side = self.side;
        let mut text = format!("1 g 0 0 {side} {side} re f 0 g\n");
        for run in &self.runs {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{} {} {} 1 re", run.column, side - 1 - run.row, run.length);
        }
        text.push_str("f\n");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_finds_the_text_again() {
        let text = "https://reports.example.test/q/abcdefghijklmnopqrstuvwxyz";
        let code = QrCode::encode(text).unwrap();
        let scale = 4;
        let mut picture =
            image::GrayImage::from_pixel((code.side * scale) as u32, (code.side * scale) as u32, image::Luma([255]));
        for run in &code.runs {
            for x in run.column * scale..(run.column + run.length) * scale {
                for y in run.row * scale..(run.row + 1) * scale {
                    picture.put_pixel(x as u32, y as u32, image::Luma([0]));
                }
            }
        }
        let (width, height) = picture.dimensions();
        let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(width as usize, height as usize, |x, y| {
            picture.get_pixel(x as u32, y as u32).0[0]
        });
        let grids = prepared.detect_grids();
        assert_eq!(grids.len(), 1);
        assert_eq!(grids[0].decode().unwrap().1, text);
    }

    #[test]
    fn runs_never_touch_the_quiet_zone() {
        let code = QrCode::encode("x").unwrap();
        let inside = QUIET_ZONE..code.side - QUIET_ZONE;
        assert!(code.runs.iter().all(|r| inside.contains(&r.column) && inside.contains(&(r.column + r.length - 1))));
        assert!(code.runs.iter().all(|r| inside.contains(&r.row)));
    }

    #[test]
    fn a_text_that_is_too_long_is_refused() {
        assert_eq!(QrCode::encode(&"x".repeat(5000)), Err(TooLong));
    }
}
