//! The operators that paint code and caption on a page, upright in the chosen corner of what is seen of it.

use std::fmt::Write;

use super::{StampPolicy, StampRefusal};
use crate::documents::outline;
use crate::documents::page::VisibleArea;
use crate::documents::qr::QrCode;

/// White between code and caption, in millimetres.
const GAP_MM: f64 = 1.5;
/// Distance from one line of the caption to the next, in heights of its text.
const LINE: f64 = 1.35;

/// Paints code and caption; begins and ends in the page's initial state.
pub(in crate::documents) fn operators(area: &VisibleArea, policy: &StampPolicy) -> Result<String, StampRefusal> {
    let code = QrCode::encode(&policy.content).map_err(|_| StampRefusal::TooLarge("the capacity of a QR code"))?;
    // A page smaller than the stamp gets a smaller stamp, never one that is cut off.
    let shortest = area.width.min(area.height);
    let size = (policy.size_mm * area.units_per_mm).min(shortest);
    let margin = |length: f64| (policy.margin_mm * area.units_per_mm).min((length - size) / 2.0).max(0.0);
    let (across, up) = (margin(area.width), margin(area.height));
    let x = if policy.corner.is_left() { across } else { area.width - across - size };
    let y = if policy.corner.is_top() { area.height - up - size } else { up };
    let [a, b, c, d, e, f] = area.matrix;
    let module = size / code.side as f64;
    let mut text = format!("q\n{a} {b} {c} {d} {e:.4} {f:.4} cm\n");
    if !policy.caption.trim().is_empty() {
        let square = Square { x, y, size, across };
        caption(&mut text, area, policy, &square);
    }
    // Writing to a String cannot fail.
    let _ = write!(text, "{module:.6} 0 0 {module:.6} {x:.4} {y:.4} cm\n{}Q\n", code.operators());
    Ok(text)
}

/// Where the code is.
struct Square {
    x: f64,
    y: f64,
    size: f64,
    across: f64,
}

/// Lines beside the code, centred on its height, on white like its quiet zone.
///
/// They are painted as outlines: the page's fonts are not touched, and a search finds what it found before.
fn caption(text: &mut String, area: &VisibleArea, policy: &StampPolicy, square: &Square) {
    let lines: Vec<outline::Line> = policy.caption.lines().map(|line| outline::line(line.trim())).collect();
    let widest = lines.iter().map(|line| line.width).fold(0.0, f64::max);
    let gap = GAP_MM * area.units_per_mm;
    let room = area.width - square.size - 2.0 * square.across - gap;
    if widest <= 0.0 || room <= 0.0 {
        return;
    }
    let wanted = policy.caption_mm * area.units_per_mm;
    let em = wanted.min(room / widest).min(square.size / (LINE * lines.len() as f64));
    let (width, height) = (widest * em, LINE * em * lines.len() as f64);
    let left = if policy.corner.is_left() { square.x + square.size + gap } else { square.x - gap - width };
    let bottom = square.y + (square.size - height) / 2.0;
    let _ = writeln!(text, "1 g {left:.3} {bottom:.3} {width:.3} {height:.3} re f 0 g");
    for (number, line) in lines.iter().enumerate() {
        let start = if policy.corner.is_left() { left } else { left + width - line.width * em };
        let base = bottom + height - LINE * em * number as f64 - em;
        let scale = em / outline::UNITS;
        let _ = write!(text, "q {scale:.6} 0 0 {scale:.6} {start:.3} {base:.3} cm\n{}f Q\n", line.path);
    }
}
