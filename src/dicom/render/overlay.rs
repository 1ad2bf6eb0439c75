//! Overlay planes 60xx (PS3.3 C.9.2): one bit a pixel beside the image, or (retired) in unused bits of its pixels.

use image::RgbImage;

use super::raster::Raster;
use crate::dicom::elements::Elements;

const MAX_PLANES: u16 = 16;

/// One plane.
#[derive(Debug, Clone)]
pub(super) struct Overlay {
    rows: u32,
    columns: u32,
    /// Row and column of the image on which the plane's first pixel lies, from 1.
    origin: (i64, i64),
    /// Packed bits, the first pixel in the lowest bit; empty when the plane is in the pixels.
    bits: Vec<u8>,
    bit_position: u16,
}

impl Overlay {
    /// Bytes of memory that it takes.
    pub(super) fn weight(&self) -> usize {
        size_of::<Self>() + self.bits.len()
    }

    /// Reads all planes of a data set; those without a size or data are left out.
    pub(super) fn read_all(elements: &Elements<'_>) -> Vec<Self> {
        (0..MAX_PLANES).filter_map(|plane| Self::read(elements, 0x6000 + 2 * plane)).collect()
    }

    fn read(elements: &Elements<'_>, group: u16) -> Option<Self> {
        let (rows, columns) = (elements.unsigned((group, 0x0010))?, elements.unsigned((group, 0x0011))?);
        let origin = elements.get((group, 0x0050)).map(|e| e.words()).unwrap_or_default();
        let place = |i: usize| origin.get(i).map_or(1, |word| i64::from(*word as i16));
        let data = elements.get((group, 0x3000));
        let bits = data.map(|e| e.words().iter().flat_map(|word| word.to_le_bytes()).collect()).unwrap_or_default();
        let bit_position = elements.unsigned((group, 0x0102)).unwrap_or(0);
        if data.is_none() && bit_position == 0 {
            return None;
        }
        Some(Self { rows: rows.into(), columns: columns.into(), origin: (place(0), place(1)), bits, bit_position })
    }

    /// Draws the plane in white.
    pub(super) fn draw(&self, raster: &Raster<'_>, picture: &mut RgbImage) {
        let (width, height) = picture.dimensions();
        for row in 0..self.rows.min(height) {
            for column in 0..self.columns.min(width) {
                if !self.is_set(raster, row, column) {
                    continue;
                }
                let (y, x) = (i64::from(row) + self.origin.0 - 1, i64::from(column) + self.origin.1 - 1);
                if (0..i64::from(height)).contains(&y) && (0..i64::from(width)).contains(&x) {
                    picture.put_pixel(x as u32, y as u32, image::Rgb([255, 255, 255]));
                }
            }
        }
    }

    fn is_set(&self, raster: &Raster<'_>, row: u32, column: u32) -> bool {
        let index = row as usize * self.columns as usize + column as usize;
        if self.bits.is_empty() {
            let outside = self.columns != raster.width || raster.samples != 1;
            return !outside && raster.is_bit_set(index, self.bit_position);
        }
        self.bits.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
    }
}
