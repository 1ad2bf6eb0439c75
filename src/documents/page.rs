//! A page's visible area (ISO 32000-1 section 7.7.3): boxes and rotation, inherited from the page tree's nodes.

use lopdf::{Dictionary, Document, Object, ObjectId};

/// Deeper page trees are not followed; a tree that loops ends here too.
const MAX_TREE_DEPTH: usize = 64;
/// Points to a millimetre.
const POINTS_PER_MM: f64 = 72.0 / 25.4;

/// A rectangle in the page's own coordinates, left and bottom first.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Area {
    left: f64,
    bottom: f64,
    right: f64,
    top: f64,
}

impl Area {
    fn intersect(self, other: Area) -> Option<Area> {
        let area = Area {
            left: self.left.max(other.left),
            bottom: self.bottom.max(other.bottom),
            right: self.right.min(other.right),
            top: self.top.min(other.top),
        };
        (area.right > area.left && area.top > area.bottom).then_some(area)
    }
}

/// How a reader sees a page: an upright area whose origin is at its bottom left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct VisibleArea {
    /// Width as seen, in the page's units.
    pub(super) width: f64,
    /// Height as seen, in the page's units.
    pub(super) height: f64,
    /// Units to a millimetre on paper.
    pub(super) units_per_mm: f64,
    /// Operands of `cm` that lead from the area's coordinates to the page's.
    pub(super) matrix: [f64; 6],
}

/// Finds what is visible of a page and which way it is turned.
pub(super) fn visible_area(document: &Document, page: ObjectId) -> VisibleArea {
    // Letter is what viewers take when nothing usable is said.
    let letter = Area { left: 0.0, bottom: 0.0, right: 612.0, top: 792.0 };
    let media = inherited(document, page, b"MediaBox").and_then(|o| area(document, o)).unwrap_or(letter);
    let crop = inherited(document, page, b"CropBox").and_then(|o| area(document, o));
    let Area { left, bottom, right, top } = crop.and_then(|crop| crop.intersect(media)).unwrap_or(media);
    let rotate = inherited(document, page, b"Rotate").and_then(number).unwrap_or(0.0) as i64;
    let user_unit = document.get_dictionary(page).ok().and_then(|p| p.get(b"UserUnit").ok()).and_then(number);
    let units_per_mm = POINTS_PER_MM / user_unit.filter(|unit| *unit > 0.0).unwrap_or(1.0);
    let (across, up) = (right - left, top - bottom);
    let (width, height, matrix) = match rotate.rem_euclid(360) {
        90 => (up, across, [0.0, 1.0, -1.0, 0.0, right, bottom]),
        180 => (across, up, [-1.0, 0.0, 0.0, -1.0, right, top]),
        270 => (up, across, [0.0, -1.0, 1.0, 0.0, left, top]),
        _ => (across, up, [1.0, 0.0, 0.0, 1.0, left, bottom]),
    };
    VisibleArea { width, height, units_per_mm, matrix }
}

fn inherited<'d>(document: &'d Document, page: ObjectId, key: &[u8]) -> Option<&'d Object> {
    let mut node: &Dictionary = document.get_dictionary(page).ok()?;
    for _ in 0..MAX_TREE_DEPTH {
        if let Some(value) = node.get(key).ok().and_then(|o| resolved(document, o)) {
            return Some(value);
        }
        node = resolved(document, node.get(b"Parent").ok()?)?.as_dict().ok()?;
    }
    None
}

fn resolved<'d>(document: &'d Document, object: &'d Object) -> Option<&'d Object> {
    let value = document.dereference(object).ok()?.1;
    (!matches!(value, Object::Null)).then_some(value)
}

fn area(document: &Document, object: &Object) -> Option<Area> {
    let mut edges = [0.0; 4];
    let array = object.as_array().ok()?;
    for (edge, item) in edges.iter_mut().zip(array.get(..4)?) {
        *edge = resolved(document, item).and_then(number)?;
    }
    let [x1, y1, x2, y2] = edges;
    let area = Area { left: x1.min(x2), bottom: y1.min(y2), right: x1.max(x2), top: y1.max(y2) };
    area.intersect(area)
}

fn number(object: &Object) -> Option<f64> {
    let value = match object {
        Object::Integer(value) => *value as f64,
        Object::Real(value) => f64::from(*value),
        _ => return None,
    };
    (value.is_finite() && value.abs() < 1e7).then_some(value)
}
