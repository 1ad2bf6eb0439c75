//! Display shutters (PS3.3 C.7.6.11): what lies outside of the exposed field is covered.

use image::{Rgb, RgbImage};

use crate::dicom::elements::Elements;

/// Corners of a polygon that are looked at.
const MOST_VERTICES: usize = 256;

/// What stays visible: the part that all shapes have in common.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Shutter {
    /// First and last row, first and last column that are seen, from 1.
    rectangle: Option<[f64; 4]>,
    /// Row and column of the centre, and the radius.
    circle: Option<[f64; 3]>,
    /// Rows and columns of the corners.
    polygon: Vec<(f64, f64)>,
    /// Level of what is covered.
    level: u8,
}

impl Shutter {
    /// Reads the module; `None` when there is no shutter, or none that says where it is.
    pub(super) fn read(elements: &Elements<'_>) -> Option<Self> {
        let shapes = elements.text((0x0018, 0x1600))?;
        let has = |shape: &str| shapes.split('\\').any(|one| one.trim() == shape);
        let number = |element| elements.number((0x0018, element));
        let mut shutter = Self {
            // A P-Value of 16 bits; 0 is black.
            level: elements.unsigned((0x0018, 0x1622)).map_or(0, |value| (value >> 8) as u8),
            ..Self::default()
        };
        if has("RECTANGULAR") {
            shutter.rectangle = Some([number(0x1606)?, number(0x1608)?, number(0x1602)?, number(0x1604)?]);
        }
        if has("CIRCULAR") {
            let center = elements.numbers((0x0018, 0x1610));
            shutter.circle = Some([*center.first()?, *center.get(1)?, number(0x1612)?]);
        }
        if has("POLYGONAL") {
            let corners = elements.numbers((0x0018, 0x1620));
            shutter.polygon = corners.chunks_exact(2).take(MOST_VERTICES).map(|pair| (pair[0], pair[1])).collect();
        }
        let says_something = shutter.rectangle.is_some() || shutter.circle.is_some() || shutter.polygon.len() > 2;
        says_something.then_some(shutter)
    }

    /// Covers what is not seen.
    pub(super) fn draw(&self, picture: &mut RgbImage) {
        for (column, row, pixel) in picture.enumerate_pixels_mut() {
            if !self.shows(f64::from(row) + 1.0, f64::from(column) + 1.0) {
                *pixel = Rgb([self.level; 3]);
            }
        }
    }

    fn shows(&self, row: f64, column: f64) -> bool {
        let in_rectangle = self
            .rectangle
            .is_none_or(|[top, bottom, left, right]| (top..=bottom).contains(&row) && (left..=right).contains(&column));
        let in_circle = self.circle.is_none_or(|[y, x, radius]| (row - y).hypot(column - x) <= radius);
        in_rectangle && in_circle && (self.polygon.len() < 3 || self.is_inside_polygon(row, column))
    }

    /// Whether a line from here to the right crosses the outline an odd number of times; the outline itself is inside.
    fn is_inside_polygon(&self, row: f64, column: f64) -> bool {
        let mut inside = false;
        let mut last = self.polygon[self.polygon.len() - 1];
        for &corner in &self.polygon {
            let ((y1, x1), (y2, x2)) = (last, corner);
            let cross = (x2 - x1) * (row - y1) - (y2 - y1) * (column - x1);
            let within = row >= y1.min(y2) && row <= y1.max(y2) && column >= x1.min(x2) && column <= x1.max(x2);
            if cross == 0.0 && within {
                return true;
            }
            if (y1 > row) != (y2 > row) && column < (x2 - x1) * (row - y1) / (y2 - y1) + x1 {
                inside = !inside;
            }
            last = corner;
        }
        inside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(shutter: &Shutter) -> Vec<String> {
        let mut picture = RgbImage::from_pixel(5, 5, Rgb([255; 3]));
        shutter.draw(&mut picture);
        let mark = |column, row| if picture.get_pixel(column, row)[0] == 255 { '#' } else { '.' };
        (0..5).map(|row| (0..5).map(|column| mark(column, row)).collect()).collect()
    }

    #[test]
    fn each_shape_shows_its_inside() {
        let rectangle = Shutter { rectangle: Some([2.0, 4.0, 3.0, 5.0]), ..Shutter::default() };
        assert_eq!(seen(&rectangle), [".....", "..###", "..###", "..###", "....."]);
        let circle = Shutter { circle: Some([3.0, 3.0, 2.0]), ..Shutter::default() };
        assert_eq!(seen(&circle), ["..#..", ".###.", "#####", ".###.", "..#.."]);
        let polygon = Shutter { polygon: vec![(1.0, 1.0), (5.0, 1.0), (5.0, 5.0)], ..Shutter::default() };
        assert_eq!(seen(&polygon), ["#....", "##...", "###..", "####.", "#####"]);
        let both = Shutter { rectangle: rectangle.rectangle, ..circle };
        assert_eq!(seen(&both), [".....", "..##.", "..###", "..##.", "....."]);
    }
}
