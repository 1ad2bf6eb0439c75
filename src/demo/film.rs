//! The electronic film (电子胶片, R2.5.1.4): a sheet of CT slices as Secondary Capture with Modality EFILM (PS3.3 A.8).

use super::data_set::{DemoObject, EXPLICIT_VR_LITTLE_ENDIAN};
use super::hospital::Exam;
use super::scanners::{Series, ct_slice, finish, gray_depth, gray_pixels, relate, start};
use super::{Error, picture, report};
use crate::documents::{DocumentsConfig, raster};

const SECONDARY_CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";
const SLICES: [u32; 6] = [5, 9, 11, 14, 17, 21];
const COLUMNS: u32 = 2048;

/// The film of a CT.
pub(super) fn sheet(exam: &Exam) -> Result<DemoObject, Error> {
    let slices = SLICES.iter().map(|slice| Ok((*slice, picture(&ct_slice(exam, *slice), 1, 640)?)));
    let pdf = report::film(exam, slices.collect::<Result<Vec<_>, Error>>()?)?;
    let png = raster::render_page(&pdf, 1, COLUMNS, &DocumentsConfig::default());
    let png = png.map_err(|_| Error::Document("the film"))?;
    let gray = image::load_from_memory(&png).map_err(|_| Error::Document("the film"))?.to_luma8();
    let series = Series { number: 99, modality: "EFILM", description: "电子胶片" };
    let mut data = start(exam, series, SECONDARY_CAPTURE, 1, "DERIVED\\SECONDARY");
    relate(&mut data, exam, series, 1);
    gray_pixels(&mut data, "MONOCHROME2", gray.height() as usize, gray.width() as usize);
    gray_depth(&mut data, 8, 8, 0);
    data.text((0x0028, 0x1050), b"DS", "128").text((0x0028, 0x1051), b"DS", "256");
    data.bytes((0x7FE0, 0x0010), gray.as_raw());
    Ok(finish(data, exam, series, SECONDARY_CAPTURE, 1, EXPLICIT_VR_LITTLE_ENDIAN))
}
