//! An exam whose every pixel is known: a CT in two directions, a radiograph, a picture without a scale, a coloured one.

use yingku::archive::images::store_instance::{Completeness, ReceiveInstance};
use yingku::dicom::part10;
use yingku::dicom::text::Charset;
use yingku::domain::Actor;
use yingku::params;

use crate::harness::dataset::{DataSet, EXPLICIT_LE};
use crate::pages::world::World;

const STUDY: &str = "2.25.7000";
pub const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const DX: &str = "1.2.840.10008.5.1.4.1.1.1.1";
const SECONDARY_CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";
pub const EDGE: u16 = 256;
pub const SLICES: u32 = 12;

/// Stores everything and links it with an exam.
pub async fn store(world: &World, exam: i64) {
    for n in 0..SLICES {
        keep(world, exam, &axial(n)).await;
    }
    for n in 0..3 {
        keep(world, exam, &sagittal(n)).await;
    }
    keep(world, exam, &radiograph()).await;
    keep(world, exam, &capture()).await;
    keep(world, exam, &colored()).await;
}

/// A data set on its way to the archive.
pub struct Object {
    pub sop_class: &'static str,
    pub uid: String,
    pub set: DataSet,
}

pub async fn keep(world: &World, exam: i64, object: &Object) {
    keep_file(world, exam, object.sop_class, &object.uid, EXPLICIT_LE, &object.set.encode()).await;
}

pub async fn keep_file(world: &World, exam: i64, sop_class: &str, uid: &str, syntax: &str, data_set: &[u8]) {
    let mut file = part10::meta(sop_class, uid, syntax, "PACS01");
    file.extend_from_slice(data_set);
    let command = ReceiveInstance {
        org_code: "ORG-T01".to_owned(),
        calling_ae_title: "PACS01".to_owned(),
        default_charset: Charset::default(),
        sop_class_uid: sop_class.to_owned(),
        sop_instance_uid: uid.to_owned(),
        transfer_syntax_uid: syntax.to_owned(),
        completeness: Completeness::AsSent,
        actor: Actor::system("test"),
    };
    world.archive.store_part10(command, file.into()).await.unwrap();
    let sql = "INSERT INTO exam_study (exam_report_pk, study_pk, rule, linked_at) \
               SELECT CAST($1 AS BIGINT), s.study_pk, 'manual', CAST(0 AS BIGINT) FROM instance i \
               JOIN series s ON s.id = i.series_pk WHERE i.sop_instance_uid = $2 ON CONFLICT DO NOTHING";
    world.execute(sql, params![exam, uid]).await;
}

pub fn base(sop_class: &'static str, series: u32, number: u32, description: &str, modality: &str) -> Object {
    let uid = format!("{STUDY}.{series}.{number}");
    let mut set = DataSet::ct(&uid);
    set.text(0x0008_0016, "UI", sop_class);
    set.text(0x0008_0005, "CS", "ISO_IR 192");
    set.text(0x0008_0060, "CS", modality);
    set.text(0x0008_103E, "LO", description);
    set.text(0x0020_000D, "UI", STUDY);
    set.text(0x0020_000E, "UI", &format!("{STUDY}.{series}"));
    set.text(0x0020_0011, "IS", &series.to_string());
    set.text(0x0020_0013, "IS", &number.to_string());
    Object { sop_class, uid, set }
}

pub fn gray(set: &mut DataSet, edge: u16, bits: u16, photometric: &str, pixel: impl Fn(u16, u16) -> u16) {
    let mut bytes = Vec::new();
    for row in 0..edge {
        for column in 0..edge {
            let value = pixel(column, row);
            bytes.extend_from_slice(&value.to_le_bytes()[..usize::from(bits / 8)]);
        }
    }
    for (tag, value) in
        [(0x0028_0002, 1), (0x0028_0010, edge), (0x0028_0011, edge), (0x0028_0100, bits), (0x0028_0103, 0)]
    {
        set.bytes(tag, "US", &value.to_le_bytes());
    }
    let stored = if bits == 16 { 12u16 } else { 8 };
    set.bytes(0x0028_0101, "US", &stored.to_le_bytes());
    set.bytes(0x0028_0102, "US", &(stored - 1).to_le_bytes());
    set.text(0x0028_0004, "CS", photometric);
    set.bytes(0x7FE0_0010, if bits == 16 { "OW" } else { "OB" }, &bytes);
}

pub fn hounsfield(set: &mut DataSet) {
    set.text(0x0028_1050, "DS", "40");
    set.text(0x0028_1051, "DS", "400");
    set.text(0x0028_1052, "DS", "-1024");
    set.text(0x0028_1053, "DS", "1");
    set.text(0x0028_1054, "LO", "HU");
    set.text(0x0020_0052, "UI", "2.25.7000.99");
}

/// Air with a block of 100 HU and more from slice to slice, half a millimetre for a pixel.
fn axial(n: u32) -> Object {
    let mut object = base(CT, 1, n + 1, "平扫", "CT");
    let set = &mut object.set;
    hounsfield(set);
    set.text(0x0018_0050, "DS", "2");
    set.text(0x0028_0030, "DS", "0.5\\0.5");
    set.text(0x0020_0032, "DS", &format!("-64\\-64\\{}", n * 2));
    set.text(0x0020_0037, "DS", "1\\0\\0\\0\\1\\0");
    let inside = |at: u16| (64..192).contains(&at);
    gray(set, EDGE, 16, "MONOCHROME2", |column, row| if inside(column) && inside(row) { 1124 + n as u16 } else { 24 });
    object
}

fn sagittal(n: u32) -> Object {
    let mut object = base(CT, 2, n + 1, "矢状位", "CT");
    let set = &mut object.set;
    hounsfield(set);
    set.text(0x0028_0030, "DS", "0.5\\0.5");
    set.text(0x0020_0032, "DS", &format!("{}\\-64\\76", n * 5));
    set.text(0x0020_0037, "DS", "0\\1\\0\\0\\0\\-1");
    gray(set, EDGE, 16, "MONOCHROME2", |column, row| 900 + (column / 32 + row / 32) * 10);
    object
}

/// A detector of 0.2 mm without calibration, dark where much is stored.
fn radiograph() -> Object {
    let mut object = base(DX, 3, 1, "胸片", "DX");
    let set = &mut object.set;
    set.text(0x0018_1164, "DS", "0.2\\0.2");
    set.text(0x0020_0020, "CS", "L\\F");
    gray(set, EDGE, 16, "MONOCHROME1", |column, row| (column + row) * 7);
    object
}

fn capture() -> Object {
    let mut object = base(SECONDARY_CAPTURE, 4, 1, "截图", "OT");
    gray(&mut object.set, EDGE, 8, "MONOCHROME2", |column, _| column & 0xFF);
    object
}

/// Thirds of red, green and blue.
fn colored() -> Object {
    let mut object = base(SECONDARY_CAPTURE, 5, 1, "彩色", "XC");
    let set = &mut object.set;
    gray(set, EDGE, 8, "RGB", |_, _| 0);
    set.bytes(0x0028_0002, "US", &3u16.to_le_bytes());
    set.bytes(0x0028_0006, "US", &0u16.to_le_bytes());
    let mut bytes = Vec::new();
    for _ in 0..EDGE {
        for column in 0..EDGE {
            let third = usize::from(column * 3 / EDGE);
            bytes.extend_from_slice(&[[255, 0, 0], [0, 255, 0], [0, 0, 255]][third]);
        }
    }
    set.bytes(0x7FE0_0010, "OB", &bytes);
    object
}

/// A picture in which every error of a decoder shows: 128 × 128 of 12 bits that look like noise on a slope.
pub fn noisy(series: u32, description: &str) -> Object {
    let mut object = base(CT, series, 1, description, "CT");
    hounsfield(&mut object.set);
    object.set.text(0x0028_0030, "DS", "1\\1");
    gray(&mut object.set, 128, 16, "MONOCHROME2", |column, row| {
        let mixed = u32::from(column).wrapping_mul(2_654_435_761).wrapping_add(u32::from(row) * 40_503);
        if (column, row) == (60, 60) { 4095 } else { 300 + column * 6 + row * 4 + (mixed >> 16 & 63) as u16 }
    });
    object
}
