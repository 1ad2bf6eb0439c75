//! The demonstration's scanners: CT slices of an abdomen and MR slices of a head (PS3.3 A.3, A.4).

use super::data_set::{Charset, DataSet, DemoObject, EXPLICIT_VR_LITTLE_ENDIAN, uid};
use super::hospital::{Exam, ORGANIZATION_NAME, dicom_date, dicom_time};
use super::phantom::{Ellipse, ellipse, grain, lumps, paint};

const CT_IMAGE_STORAGE: &str = "1.2.840.10008.5.1.4.1.1.2";
const MR_IMAGE_STORAGE: &str = "1.2.840.10008.5.1.4.1.1.4";
/// Slices of the CT.
pub(super) const CT_SLICES: u32 = 24;
/// Slices of the MR.
pub(super) const MR_SLICES: u32 = 16;
/// Rows and columns of a CT slice.
pub(super) const CT_SIZE: usize = 512;
const CT_SPACING: f32 = 0.74;
const MR_SIZE: usize = 256;
const MR_SPACING: f32 = 0.9;

/// A series of an examination.
#[derive(Debug, Clone, Copy)]
pub(super) struct Series {
    pub(super) number: u32,
    pub(super) modality: &'static str,
    pub(super) description: &'static str,
}

/// Groups 0008 and 0010 of every object.
pub(super) fn start(exam: &Exam, series: Series, sop_class: &str, instance: u32, image_type: &str) -> DataSet {
    let mut data = DataSet::new(exam.charset);
    let (date, time) = (dicom_date(exam.performed), dicom_time(exam.performed));
    let charset = if exam.charset == Charset::Utf8 { "ISO_IR 192" } else { "GB18030" };
    let patient = &exam.patient;
    let name = match exam.charset {
        Charset::Utf8 => format!("{}={}", patient.pinyin, patient.name),
        Charset::Gb18030 => patient.name.to_owned(),
    };
    data.text((0x0008, 0x0005), b"CS", charset);
    if !image_type.is_empty() {
        data.text((0x0008, 0x0008), b"CS", image_type);
    }
    data.text((0x0008, 0x0016), b"UI", sop_class);
    data.text((0x0008, 0x0018), b"UI", &instance_uid(exam, series, instance));
    data.text((0x0008, 0x0020), b"DA", &date).text((0x0008, 0x0021), b"DA", &date);
    data.text((0x0008, 0x0023), b"DA", &date);
    if series.modality == "ECG" {
        data.text((0x0008, 0x002A), b"DT", &format!("{date}{time}"));
    }
    data.text((0x0008, 0x0030), b"TM", &time).text((0x0008, 0x0031), b"TM", &time);
    data.text((0x0008, 0x0033), b"TM", &time);
    data.text((0x0008, 0x0050), b"SH", exam.accession_number);
    data.text((0x0008, 0x0060), b"CS", series.modality);
    if series.modality == "EFILM" {
        data.text((0x0008, 0x0064), b"CS", "WSD");
    }
    if series.modality == "DX" {
        data.text((0x0008, 0x0068), b"CS", "FOR PRESENTATION");
    }
    data.text((0x0008, 0x0070), b"LO", "YINGKU DEMO").text((0x0008, 0x0080), b"LO", ORGANIZATION_NAME);
    data.text((0x0008, 0x0090), b"PN", "").text((0x0008, 0x1030), b"LO", exam.item);
    data.text((0x0008, 0x103E), b"LO", series.description).text((0x0008, 0x1090), b"LO", exam.device);
    data.text((0x0010, 0x0010), b"PN", &name).text((0x0010, 0x0020), b"LO", patient.patient_local_id);
    data.text((0x0010, 0x0030), b"DA", patient.birth_date);
    data.text((0x0010, 0x0040), b"CS", if patient.sex_code == "1" { "M" } else { "F" });
    data
}

/// Group 0020 of every object.
pub(super) fn relate(data: &mut DataSet, exam: &Exam, series: Series, instance: u32) {
    data.text((0x0020, 0x000D), b"UI", &exam.study_instance_uid);
    data.text((0x0020, 0x000E), b"UI", &uid(&format!("series {} {}", exam.accession_number, series.number)));
    data.text((0x0020, 0x0010), b"SH", exam.accession_number);
    data.text((0x0020, 0x0011), b"IS", &series.number.to_string());
    data.text((0x0020, 0x0013), b"IS", &instance.to_string());
}

/// Ends a data set and names its instance.
pub(super) fn finish(
    data: DataSet,
    exam: &Exam,
    series: Series,
    sop_class: &str,
    instance: u32,
    transfer_syntax_uid: &'static str,
) -> DemoObject {
    DemoObject {
        sop_class_uid: sop_class.to_owned(),
        sop_instance_uid: instance_uid(exam, series, instance),
        transfer_syntax_uid,
        data_set: data.finish(),
    }
}

fn instance_uid(exam: &Exam, series: Series, instance: u32) -> String {
    uid(&format!("instance {} {} {instance}", exam.accession_number, series.number))
}

/// Image Pixel attributes of a monochrome image, up to High Bit and Pixel Representation.
pub(super) fn gray_pixels(data: &mut DataSet, photometric: &str, rows: usize, columns: usize) {
    data.number((0x0028, 0x0002), 1).text((0x0028, 0x0004), b"CS", photometric);
    data.number((0x0028, 0x0010), rows as u16).number((0x0028, 0x0011), columns as u16);
}

/// Depth attributes, which follow the spacing.
pub(super) fn gray_depth(data: &mut DataSet, allocated: u16, stored: u16, signed: u16) {
    data.number((0x0028, 0x0100), allocated).number((0x0028, 0x0101), stored);
    data.number((0x0028, 0x0102), stored - 1).number((0x0028, 0x0103), signed);
}

/// Slice `slice` (1 is the first) of the CT.
pub(super) fn ct_slice(exam: &Exam, slice: u32) -> DemoObject {
    let series = Series { number: 1, modality: "CT", description: "上腹部平扫 5mm" };
    let location = 5.0 * (slice as f32 - 1.0);
    let mut data = start(exam, series, CT_IMAGE_STORAGE, slice, "ORIGINAL\\PRIMARY\\AXIAL");
    data.text((0x0018, 0x0015), b"CS", "ABDOMEN").text((0x0018, 0x0050), b"DS", "5");
    data.text((0x0018, 0x0060), b"DS", "120").text((0x0018, 0x1151), b"IS", "220");
    data.text((0x0018, 0x5100), b"CS", "FFS");
    relate(&mut data, exam, series, slice);
    let half = CT_SIZE as f32 * CT_SPACING / 2.0;
    place(&mut data, exam, half, location);
    gray_pixels(&mut data, "MONOCHROME2", CT_SIZE, CT_SIZE);
    data.text((0x0028, 0x0030), b"DS", &format!("{CT_SPACING}\\{CT_SPACING}"));
    gray_depth(&mut data, 16, 12, 0);
    data.text((0x0028, 0x1050), b"DS", "40\\-600").text((0x0028, 0x1051), b"DS", "400\\1500");
    data.text((0x0028, 0x1052), b"DS", "-1024").text((0x0028, 0x1053), b"DS", "1");
    let stored: Vec<u16> = ct_values(slice).iter().map(|hu| (hu + 1024.0).clamp(0.0, 4095.0) as u16).collect();
    data.words((0x7FE0, 0x0010), &stored);
    finish(data, exam, series, CT_IMAGE_STORAGE, slice, EXPLICIT_VR_LITTLE_ENDIAN)
}

/// Hounsfield units of a CT slice.
pub(super) fn ct_values(slice: u32) -> Vec<f32> {
    // 0 at the dome of the liver, 1 at the lower poles of the kidneys.
    let z = (slice as f32 - 1.0) / (CT_SLICES - 1) as f32;
    let mut shapes = Vec::new();
    abdomen_wall(&mut shapes, z);
    abdomen_organs(&mut shapes, z);
    let mut values = paint(CT_SIZE, CT_SIZE, CT_SPACING, -1000.0, &shapes);
    grain(&mut values, CT_SIZE, 14.0, u64::from(slice));
    values
}

fn abdomen_wall(shapes: &mut Vec<Ellipse>, z: f32) {
    shapes.push(ellipse(0.0, 8.0, 168.0, 122.0 - 6.0 * z, -102.0));
    shapes.push(ellipse(0.0, 8.0, 152.0 - 4.0 * z, 105.0 - 4.0 * z, 52.0));
    shapes.push(ellipse(0.0, 5.0, 140.0 - 4.0 * z, 93.0 - 4.0 * z, -88.0));
    for side in [-1.0, 1.0] {
        for rib in 0..6 {
            let angle = (28.0 + 26.0 * rib as f32 + 20.0 * (z - 0.5)).to_radians();
            let (x, y) = (side * 146.0 * angle.sin(), 6.0 + 99.0 * angle.cos());
            if z < 0.85 - 0.12 * (5 - rib) as f32 || rib < 3 {
                let turn = side * (-angle.to_degrees());
                shapes.push(ellipse(x, y, 11.0, 4.6, 460.0).turned(turn));
                shapes.push(ellipse(x, y, 8.5, 2.6, 180.0).turned(turn));
            }
        }
        shapes.push(ellipse(side * 30.0, 84.0, 26.0, 19.0, 56.0));
        shapes.push(ellipse(side * 17.0, 62.0, 9.0 + 6.0 * z, 13.0, if z > 0.45 { 54.0 } else { -90.0 }));
    }
    shapes.push(ellipse(0.0, 57.0, 22.0, 17.0, 520.0));
    shapes.push(ellipse(0.0, 57.0, 19.0, 14.0, 190.0).soft(3.0));
    shapes.push(ellipse(0.0, 83.0, 10.0, 9.0, 480.0));
    shapes.push(ellipse(0.0, 81.0, 7.5, 7.0, 28.0));
    shapes.push(ellipse(0.0, 100.0, 3.5, 12.0, 430.0));
}

fn abdomen_organs(shapes: &mut Vec<Ellipse>, z: f32) {
    let lung = 1.0 - z * 4.0;
    if lung > 0.0 {
        for side in [-1.0, 1.0] {
            shapes.push(ellipse(side * 88.0, 30.0, 46.0 * lung.sqrt(), 52.0 * lung.sqrt(), -860.0).soft(4.0));
        }
        shapes.push(ellipse(18.0, -32.0, 46.0 * lung, 34.0 * lung, 42.0));
    }
    let liver = ((z + 0.25) * 3.4).sin().max(0.0).sqrt() * (1.0 - 0.35 * z);
    shapes.push(ellipse(-70.0, 0.0, 68.0 * liver, 72.0 * liver, 62.0).turned(-18.0).soft(2.5));
    shapes.push(ellipse(-12.0, -38.0, 56.0 * liver * (1.0 - 0.7 * z), 32.0 * liver, 61.0).turned(14.0));
    for (x, y, size) in [(-82.0, 8.0, 4.5), (-58.0, -18.0, 4.0), (-64.0, 26.0, 3.6), (-40.0, -30.0, 3.2)] {
        shapes.push(ellipse(x + 12.0 * z, y - 8.0 * z, size * liver, size * 0.7 * liver, 44.0).turned(35.0).soft(3.0));
    }
    let cyst = 1.0 - ((z - 0.42) / 0.11).powi(2);
    if cyst > 0.0 {
        shapes.push(ellipse(-92.0, -14.0, 11.0 * cyst.sqrt(), 11.0 * cyst.sqrt(), 6.0));
    }
    let spleen = (1.0 - ((z - 0.3) / 0.38).powi(2)).max(0.0).sqrt();
    shapes.push(ellipse(100.0, 34.0, 24.0 * spleen, 50.0 * spleen, 50.0).turned(18.0));
    if z > 0.1 && z < 0.7 {
        shapes.push(ellipse(52.0, -42.0, 48.0, 30.0, 38.0).turned(-20.0));
        shapes.push(ellipse(54.0, -54.0, 36.0, 14.0, -940.0));
        shapes.push(ellipse(50.0, -32.0, 34.0, 12.0, 14.0));
    }
    if z > 0.35 && z < 0.75 {
        shapes.push(ellipse(-38.0, -44.0, 12.0, 17.0, 12.0));
        shapes.push(ellipse(16.0, -6.0, 42.0, 9.0, 44.0).turned(-16.0));
        shapes.push(ellipse(-24.0, 6.0, 14.0, 12.0, 43.0));
    }
    kidneys_and_bowel(shapes, z);
    shapes.push(ellipse(9.0, 32.0, 10.5, 10.5, 46.0));
    shapes.push(ellipse(19.0, 32.0, 2.0, 4.0, if z > 0.6 { 420.0 } else { 46.0 }));
    shapes.push(ellipse(-22.0, 30.0, 11.5, 9.0, 44.0));
}

fn kidneys_and_bowel(shapes: &mut Vec<Ellipse>, z: f32) {
    for (side, top) in [(1.0, 0.66), (-1.0, 0.74)] {
        let kidney = (1.0_f32 - ((z - top) / 0.34).powi(2)).max(0.0).sqrt();
        shapes.push(ellipse(side * 62.0, 50.0, 25.0 * kidney, 30.0 * kidney, 34.0).turned(side * 24.0));
        if kidney > 0.7 {
            shapes.push(ellipse(side * 52.0, 46.0, 11.0 * kidney, 13.0 * kidney, -78.0).turned(side * 24.0));
            shapes.push(ellipse(side * 50.0, 46.0, 5.0, 7.0, 8.0));
        }
    }
    if z > 0.55 {
        for loop_number in 0..9 {
            let number = loop_number as f32;
            let x = -72.0 + 18.0 * number;
            let y = -44.0 + 15.0 * (number * 1.9 + z * 5.0).sin();
            shapes.push(ellipse(x, y, 12.0, 11.0, 36.0).turned(20.0 * number));
            shapes.push(ellipse(x, y - 2.0, 7.0, 5.5, if loop_number % 3 == 0 { -820.0 } else { 18.0 }));
        }
        for side in [-1.0, 1.0] {
            shapes.push(ellipse(side * 108.0, 8.0, 19.0, 21.0, 30.0));
            shapes.push(ellipse(side * 108.0, 4.0, 14.0, 13.0, -880.0));
        }
    }
}

/// Slice `slice` (1 is the first) of the MR.
pub(super) fn mr_slice(exam: &Exam, slice: u32) -> DemoObject {
    let series = Series { number: 1, modality: "MR", description: "T2WI 轴位" };
    let mut data = start(exam, series, MR_IMAGE_STORAGE, slice, "ORIGINAL\\PRIMARY\\M");
    data.text((0x0018, 0x0015), b"CS", "HEAD").text((0x0018, 0x0020), b"CS", "SE");
    data.text((0x0018, 0x0021), b"CS", "NONE").text((0x0018, 0x0022), b"CS", "");
    data.text((0x0018, 0x0023), b"CS", "2D").text((0x0018, 0x0050), b"DS", "6");
    data.text((0x0018, 0x0080), b"DS", "4200").text((0x0018, 0x0081), b"DS", "98");
    data.text((0x0018, 0x5100), b"CS", "HFS");
    relate(&mut data, exam, series, slice);
    place(&mut data, exam, MR_SIZE as f32 * MR_SPACING / 2.0, 7.0 * (slice as f32 - 1.0));
    gray_pixels(&mut data, "MONOCHROME2", MR_SIZE, MR_SIZE);
    data.text((0x0028, 0x0030), b"DS", &format!("{MR_SPACING}\\{MR_SPACING}"));
    gray_depth(&mut data, 16, 12, 0);
    data.text((0x0028, 0x1050), b"DS", "480").text((0x0028, 0x1051), b"DS", "960");
    let stored: Vec<u16> = mr_values(slice).iter().map(|value| value.clamp(0.0, 4095.0) as u16).collect();
    data.words((0x7FE0, 0x0010), &stored);
    finish(data, exam, series, MR_IMAGE_STORAGE, slice, EXPLICIT_VR_LITTLE_ENDIAN)
}

fn mr_values(slice: u32) -> Vec<f32> {
    // 0 at the base of the skull, 1 at the vertex.
    let z = (slice as f32 - 1.0) / (MR_SLICES - 1) as f32;
    let size = (1.0 - (0.82 * z - 0.12).max(0.0).powi(2) * 1.25).sqrt();
    let (w, h) = (72.0 * size, 90.0 * size);
    let mut shapes = vec![
        ellipse(0.0, 0.0, w + 7.0, h + 7.0, 520.0),
        ellipse(0.0, 0.0, w + 3.5, h + 3.5, 45.0),
        ellipse(0.0, 0.0, w, h, 900.0),
        ellipse(0.0, 0.0, w - 2.5, h - 2.5, 470.0).soft(3.0),
    ];
    for side in [-1.0, 1.0] {
        shapes.push(ellipse(side * w * 0.42, 0.0, w * 0.43, h * 0.78, 330.0).soft(9.0));
    }
    shapes.push(ellipse(0.0, -h * 0.5, 1.3, h * 0.48, 820.0));
    shapes.push(ellipse(0.0, h * 0.62, 1.3, h * 0.36, 820.0));
    if (0.3..0.75).contains(&z) {
        let open = 1.0 - ((z - 0.52) / 0.24).powi(2).min(1.0);
        for side in [-1.0, 1.0] {
            shapes.push(ellipse(side * 9.0, -20.0, 5.5 * open, 17.0, 930.0).turned(side * 16.0));
            shapes.push(ellipse(side * 15.0, 28.0, 6.0 * open, 16.0, 930.0).turned(side * -20.0));
            shapes.push(ellipse(side * 19.0, 4.0, 8.0, 13.0, 420.0).soft(3.0));
            shapes.push(ellipse(side * 25.0, -4.0, 5.0, 17.0, 300.0).turned(side * -14.0).soft(3.0));
        }
        shapes.push(ellipse(0.0, 6.0, 1.8, 10.0 * open, 900.0));
    }
    if z < 0.3 {
        shapes.push(ellipse(0.0, 36.0, 46.0, 34.0, 440.0).soft(4.0));
        shapes.push(ellipse(0.0, 8.0, 15.0, 14.0, 350.0));
        shapes.push(ellipse(0.0, 23.0, 5.0, 4.0, 930.0));
        for side in [-1.0, 1.0] {
            shapes.push(ellipse(side * 27.0, -62.0, 12.0, 13.0, if z < 0.12 { 1050.0 } else { 470.0 }));
        }
    }
    let lesion = 1.0 - ((z - 0.78) / 0.07).powi(2);
    if lesion > 0.0 {
        shapes.push(ellipse(24.0, -10.0, 4.2 * lesion, 4.0 * lesion, 860.0).soft(2.0));
    }
    let mut values = paint(MR_SIZE, MR_SIZE, MR_SPACING, 6.0, &shapes);
    gyri(&mut values, z, (w, h));
    grain(&mut values, MR_SIZE, 14.0, 1000 + u64::from(slice));
    values
}

/// Folds of the cortex: bright sulci that fade towards the middle.
fn gyri(values: &mut [f32], z: f32, (w, h): (f32, f32)) {
    let half = MR_SIZE as f32 * MR_SPACING / 2.0;
    for (index, value) in values.iter_mut().enumerate() {
        let x = (index % MR_SIZE) as f32 * MR_SPACING - half;
        let y = (index / MR_SIZE) as f32 * MR_SPACING - half;
        let radius = ((x / w).powi(2) + (y / h).powi(2)).sqrt();
        if !(0.5..0.97).contains(&radius) || *value > 700.0 {
            continue;
        }
        let fold = lumps(x * 1.25, y * 1.25, 9.0 * z);
        let near = ((radius - 0.5) / 0.47).powf(1.4);
        *value += near * if fold.abs() < 0.13 { 340.0 } else { 70.0 * fold };
    }
}

fn place(data: &mut DataSet, exam: &Exam, half: f32, location: f32) {
    data.text((0x0020, 0x0032), b"DS", &format!("-{half:.2}\\-{half:.2}\\{location:.1}"));
    data.text((0x0020, 0x0037), b"DS", "1\\0\\0\\0\\1\\0");
    data.text((0x0020, 0x0052), b"UI", &uid(&format!("frame of reference {}", exam.accession_number)));
    data.text((0x0020, 0x1040), b"LO", "");
    data.text((0x0020, 0x1041), b"DS", &format!("{location:.1}"));
}
