//! Images whose pixels are not square: by a spacing, by a ratio alone, and by a ratio that a spacing contradicts. In each a
//! block of 64 columns and 64 rows lies in the middle of 128.

use super::phantom::{CT, Object, base, gray, hounsfield, keep};
use crate::pages::world::World;

const SECONDARY_CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";

/// Stores all of them and links them with an exam.
pub async fn store(world: &World, exam: i64) {
    let mut spaced = base(CT, 11, 1, "不等间距", "CT");
    spaced.set.text(0x0028_0030, "DS", "1.0\\0.5");
    let mut alone = base(SECONDARY_CAPTURE, 12, 1, "仅宽高比", "OT");
    alone.set.text(0x0028_0034, "IS", "2\\1");
    let mut both = base(CT, 13, 1, "间距优先", "CT");
    both.set.text(0x0028_0030, "DS", "0.5\\0.5").text(0x0028_0034, "IS", "2\\1");
    for object in [spaced, alone, both] {
        keep(world, exam, &with_block(object)).await;
    }
}

fn with_block(mut object: Object) -> Object {
    hounsfield(&mut object.set);
    let is_inside = |at: u16| (32..96).contains(&at);
    let pixel = |column: u16, row: u16| if is_inside(column) && is_inside(row) { 1124 } else { 24 };
    gray(&mut object.set, 128, 16, "MONOCHROME2", pixel);
    object
}
