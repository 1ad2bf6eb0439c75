//! Display shutters (PS3.3 C.7.6.11): what lies outside of the exposed field is covered.

use image::{Rgb, RgbImage};

use crate::dicom::elements::Elements;

/// Corners of a polygon that are looked at.
const MOST_VERTICES: usize = 256;

/// No corner lies farther away; no image is as large.
const FARTHEST: f64 = 1e6;

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
            let corners = corners.chunks_exact(2).take(MOST_VERTICES).map(|pair| (pair[0], pair[1]));
            let corners = corners.filter(|(row, column)| row.is_finite() && column.is_finite());
            shutter.polygon = corners
                .map(|(row, column)| (row.clamp(-FARTHEST, FARTHEST), column.clamp(-FARTHEST, FARTHEST)))
                .collect();
        }
        let says_something = shutter.rectangle.is_some() || shutter.circle.is_some() || shutter.polygon.len() > 2;
        says_something.then_some(shutter)
    }

    /// Bytes of memory behind it.
    pub(super) fn weight(&self) -> usize {
        size_of_val(self.polygon.as_slice())
    }

    /// Covers what is not seen.
    pub(super) fn draw(&self, picture: &mut RgbImage) {
        for (at, pixels) in (1_u32..).zip(picture.rows_mut()) {
            let row = f64::from(at);
            let edges = Edges::of_row(&self.polygon, row);
            let mut crossed = 0;
            for (at, pixel) in (1_u32..).zip(pixels) {
                let column = f64::from(at);
                let in_polygon = self.polygon.len() < 3 || edges.contain(column, &mut crossed);
                if !in_polygon || !self.shows(row, column) {
                    *pixel = Rgb([self.level; 3]);
                }
            }
        }
    }

    /// Whether rectangle and circle show it.
    fn shows(&self, row: f64, column: f64) -> bool {
        let in_rectangle = self
            .rectangle
            .is_none_or(|[top, bottom, left, right]| (top..=bottom).contains(&row) && (left..=right).contains(&column));
        let in_circle = self.circle.is_none_or(|[y, x, radius]| (row - y).hypot(column - x) <= radius);
        in_rectangle && in_circle
    }
}

/// Where a row meets the outline of a polygon: looked for once, because a picture has many pixels and the outline may have
/// many corners.
struct Edges {
    /// Columns at which the row goes in or out, in order.
    crossings: Vec<f64>,
    /// First and last columns of what lies on the outline itself, which is inside.
    outline: Vec<(f64, f64)>,
}

impl Edges {
    fn of_row(polygon: &[(f64, f64)], row: f64) -> Self {
        let mut edges = Self { crossings: Vec::new(), outline: Vec::new() };
        let before = polygon.iter().cycle().skip(polygon.len().saturating_sub(1));
        for (&(y1, x1), &(y2, x2)) in before.zip(polygon) {
            if !(y1.min(y2)..=y1.max(y2)).contains(&row) {
                continue;
            }
            if y1 == y2 {
                edges.outline.push((x1.min(x2), x1.max(x2)));
                continue;
            }
            let column = (x2 - x1) * (row - y1) / (y2 - y1) + x1;
            edges.outline.push((column, column));
            if (y1 > row) != (y2 > row) {
                edges.crossings.push(column);
            }
        }
        edges.crossings.sort_by(f64::total_cmp);
        edges.outline.sort_by(|one, other| one.0.total_cmp(&other.0));
        edges.outline.dedup_by(|next, kept| {
            let joins = next.0 <= kept.1;
            if joins {
                kept.1 = kept.1.max(next.1);
            }
            joins
        });
        edges
    }

    /// Whether a column is inside; columns are asked for in order, and `crossed` counts the crossings left of the last one.
    fn contain(&self, column: f64, crossed: &mut usize) -> bool {
        while self.crossings.get(*crossed).is_some_and(|crossing| *crossing <= column) {
            *crossed += 1;
        }
        let is_on_outline = || {
            let next = self.outline.partition_point(|(_, last)| *last < column);
            self.outline.get(next).is_some_and(|(first, _)| *first <= column)
        };
        *crossed % 2 == 1 || is_on_outline()
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

    /// Whether a line from here to the right crosses the outline an odd number of times; the outline itself is inside.
    fn is_inside(polygon: &[(f64, f64)], row: f64, column: f64) -> bool {
        let mut inside = false;
        let mut last = polygon[polygon.len() - 1];
        for &corner in polygon {
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

    proptest::proptest! {
        #[test]
        fn rows_of_a_polygon_show_what_each_of_their_pixels_would(
            corners in proptest::collection::vec((-1_i8..8, -1_i8..8), 3..12),
        ) {
            let polygon: Vec<_> = corners.into_iter().map(|(row, column)| (f64::from(row), f64::from(column))).collect();
            let row = |row: u8| {
                let mark = |column: u8| if is_inside(&polygon, f64::from(row), f64::from(column)) { '#' } else { '.' };
                (1_u8..=5).map(mark).collect::<String>()
            };
            let expected: Vec<String> = (1..=5).map(row).collect();
            proptest::prop_assert_eq!(seen(&Shutter { polygon, ..Shutter::default() }), expected);
        }
    }
}
