//! What planes and windows are told by: a block of known size beside the middle of a volume of air, slices that a tilted gantry
//! has moved sideways, and a series whose images each bring windows of their own.

use super::phantom::{CT, Object, base, gray, hounsfield, keep};
use crate::pages::world::World;

const MR: &str = "1.2.840.10008.5.1.4.1.1.4";
const EDGE: u16 = 96;

/// Stores all three series and links them with an exam.
pub async fn store(world: &World, exam: i64) {
    for n in 0..40 {
        keep(world, exam, &slice_with_block(n)).await;
    }
    for n in 0..12 {
        keep(world, exam, &tilted(n)).await;
    }
    for n in 0..3 {
        keep(world, exam, &resonance(n)).await;
    }
}

fn lies(object: &mut Object, n: u32, orientation: &str) {
    let set = &mut object.set;
    set.text(0x0018_0050, "DS", "3");
    set.text(0x0028_0030, "DS", "1.5\\1.5");
    set.text(0x0020_0032, "DS", &format!("-70\\-70\\{}", n as i32 * 3 - 60));
    set.text(0x0020_0037, "DS", orientation);
}

/// Of 48 mm from right to left, 30 mm from front to back and 36 mm from feet to head, towards L, P and H.
fn slice_with_block(n: u32) -> Object {
    let mut object = base(CT, 8, n + 1, "方块", "CT");
    hounsfield(&mut object.set);
    lies(&mut object, n, "1\\0\\0\\0\\1\\0");
    let is_inside = |column, row| (54..86).contains(&column) && (60..80).contains(&row) && (24..36).contains(&n);
    gray(&mut object.set, EDGE, 16, "MONOCHROME2", |column, row| if is_inside(column, row) { 1124 } else { 24 });
    object
}

/// By twenty degrees, while the table went straight on.
fn tilted(n: u32) -> Object {
    let mut object = base(CT, 9, n + 1, "倾斜", "CT");
    hounsfield(&mut object.set);
    lies(&mut object, n, "1\\0\\0\\0\\0.939693\\0.342020");
    gray(&mut object.set, EDGE, 16, "MONOCHROME2", |_, _| 500);
    object
}

/// Each image has another window of its own, and a harder one by its maker.
fn resonance(n: u32) -> Object {
    let mut object = base(MR, 10, n + 1, "磁共振", "MR");
    lies(&mut object, n, "1\\0\\0\\0\\1\\0");
    object.set.text(0x0028_1050, "DS", &format!("{}\\500", 300 + n * 100));
    object.set.text(0x0028_1051, "DS", &format!("{}\\200", 600 + n * 200));
    object.set.text(0x0028_1055, "LO", "NORMAL\\HARDER");
    gray(&mut object.set, EDGE, 16, "MONOCHROME2", |column, row| (column + row) * 5);
    object
}
