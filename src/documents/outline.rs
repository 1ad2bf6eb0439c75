//! Text as outlines of the bundled font: path operators that need no font in the file.

use std::fmt::Write;

use ttf_parser::{Face, GlyphId, OutlineBuilder};

use super::fonts;

/// Units of an outline to the height of the text.
pub(super) const UNITS: f64 = 1000.0;

/// A line of text.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Line {
    /// Width, in heights of the text.
    pub(super) width: f64,
    /// Path operators in [`UNITS`], origin at the beginning of the base line; the path is not painted yet.
    pub(super) path: String,
}

/// Outlines a line. A character that the font lacks becomes the font's sign for it.
pub(super) fn line(text: &str) -> Line {
    let Ok(face) = Face::parse(fonts::CJK, 0) else { return Line::default() };
    let scale = UNITS / f64::from(face.units_per_em());
    let mut pen = Pen { path: String::new(), scale, x: 0.0, at: (0.0, 0.0) };
    for character in text.chars().filter(|character| !character.is_control()) {
        let glyph = face.glyph_index(character).unwrap_or(GlyphId(0));
        face.outline_glyph(glyph, &mut pen);
        pen.x += f64::from(face.glyph_hor_advance(glyph).unwrap_or(face.units_per_em())) * scale;
    }
    Line { width: pen.x / UNITS, path: pen.path }
}

struct Pen {
    path: String,
    scale: f64,
    /// Where the glyph begins.
    x: f64,
    /// The current point, in units of the font.
    at: (f32, f32),
}

impl Pen {
    fn put(&mut self, points: &[(f32, f32)], operator: &str) {
        for &(x, y) in points {
            let (x, y) = (self.x + f64::from(x) * self.scale, f64::from(y) * self.scale);
            // Writing to a String cannot fail. A thousandth of the height is finer than any printer.
            let _ = write!(self.path, "{} {} ", x.round(), y.round());
        }
        self.path.push_str(operator);
        self.path.push('\n');
        if let Some(&last) = points.last() {
            self.at = last;
        }
    }
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.put(&[(x, y)], "m");
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.put(&[(x, y)], "l");
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        // PDF has cubic curves only.
        let (x0, y0) = self.at;
        let third = |from: f32, to: f32| from + (to - from) * 2.0 / 3.0;
        self.put(&[(third(x0, x1), third(y0, y1)), (third(x, x1), third(y, y1)), (x, y)], "c");
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.put(&[(x1, y1), (x2, y2), (x, y)], "c");
    }

    fn close(&mut self) {
        self.put(&[], "h");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_characters_are_as_wide_as_they_are_high() {
        let two = line("扫码");
        assert!((two.width - 2.0).abs() < 0.01, "{}", two.width);
        assert!(two.path.contains(" m\n") && two.path.ends_with("h\n"));
        assert!(line("ab").width < 1.4);
        assert_eq!(line("").path, "");
    }
}
