//! Pictures of single frames for the pages: pixels to JPEG or PNG (PS3.3 C.7.6.3, C.11; PS3.4 annex N).
//!
//! [`ImageHeader::parse`] reads the part of a file in front of the pixels; [`ImageHeader::native_frame_range`] tells
//! which bytes to fetch, so that one frame of a long uncompressed run never loads the rest. [`render_frame`] is CPU
//! work for a blocking thread. Sizes are held against [`RenderConfig`] before anything is allocated for them, and a
//! picture that would be wrong is an error instead.

mod codestream;
mod color;
mod compressed;
mod decoded;
mod extended_jpeg;
mod fragments;
mod geometry;
mod gray;
mod header;
mod jpeg_xl;
mod lut;
mod overlay;
mod presets;
mod raster;
mod shutter;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use compressed::is_decodable;
pub use decoded::{DecodedFrame, uncompressed_frame};
pub use geometry::Region;
pub(in crate::dicom) use header::frame_range;
pub use header::{ImageHeader, inflate};
pub use lut::VoiFunction;
pub use presets::{Preset, presets};

use raster::Raster;

/// `[render]`: limits and quality of the pictures that the server draws.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RenderConfig {
    /// Largest object in bytes that is read whole to draw a compressed frame. Default 536870912 (512 MiB).
    pub max_object_bytes: u64,
    /// Most pixels of one frame, as declared and as decoded. Default 67108864 (64 Mi).
    pub max_pixels: u64,
    /// Frames drawn at the same time; more wait. Default 2.
    pub concurrency: usize,
    /// Quality of JPEG pictures, 1 to 100. Default 90.
    pub jpeg_quality: u8,
}

impl Default for RenderConfig {
    fn default() -> Self {
        Self { max_object_bytes: 512 << 20, max_pixels: 64 << 20, concurrency: 2, jpeg_quality: 90 }
    }
}

impl RenderConfig {
    fn check_pixels(&self, pixels: u64) -> Result<(), Error> {
        if pixels > self.max_pixels {
            return Err(Error::TooLarge { what: "pixels", limit: self.max_pixels });
        }
        Ok(())
    }
}

/// Window Center and Window Width (窗位, 窗宽).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Window Center.
    pub center: f64,
    /// Window Width, above 0.
    pub width: f64,
}

/// The format of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureFormat {
    /// JPEG with a quality of 1 to 100.
    Jpeg {
        /// The quality.
        quality: u8,
    },
    /// PNG, without losses.
    Png,
    /// GIF; without losses where the picture is grey.
    Gif,
}

/// Clockwise rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rotation {
    /// As stored.
    #[default]
    None,
    /// A quarter turn clockwise.
    Quarter,
    /// Upside down.
    Half,
    /// A quarter turn counter-clockwise.
    ThreeQuarters,
}

/// How a frame shall look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RenderOptions {
    /// Window in place of the object's own; colour ignores it.
    pub window: Option<Window>,
    /// How the window is applied, in place of the object's own way.
    pub function: Option<VoiFunction>,
    /// The part of the frame that is drawn.
    pub region: Option<Region>,
    /// Width and height that the picture fills as far as its shape allows, whether it was larger or smaller.
    pub viewport: Option<(u32, u32)>,
    /// Longest edge of the picture; larger pictures are scaled down.
    pub max_edge: Option<u32>,
    /// Black for white.
    pub invert: bool,
    /// Rotation.
    pub rotate: Rotation,
    /// Format of the picture.
    pub format: PictureFormat,
}

impl Default for RenderOptions {
    fn default() -> Self {
        let format = PictureFormat::Jpeg { quality: 90 };
        Self {
            window: None,
            function: None,
            region: None,
            viewport: None,
            max_edge: None,
            invert: false,
            rotate: Rotation::None,
            format,
        }
    }
}

/// The bytes that a frame is drawn from.
#[derive(Debug, Clone, Copy)]
pub enum FrameBytes<'a> {
    /// The bytes of [`ImageHeader::native_frame_range`].
    Native(&'a [u8]),
    /// The whole Part 10 file.
    WholeFile(&'a [u8]),
    /// The compressed bytes of the frame.
    Compressed(&'a [u8]),
}

/// A drawn frame.
#[derive(Debug, Clone)]
pub struct RenderedFrame {
    /// The encoded picture.
    pub bytes: Vec<u8>,
    /// `image/jpeg`, `image/png` or `image/gif`.
    pub media_type: &'static str,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The window that was applied; `None` for colour and for a VOI LUT.
    pub window: Option<Window>,
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The object has no Rows and Columns.
    #[error("the object holds no image")]
    NoImage,
    /// The bytes end before the pixels do.
    #[error("the object ends before its pixel data does")]
    Truncated,
    /// There is no such frame.
    #[error("there is no frame {frame} among {frames}")]
    NoFrame {
        /// The frame that was asked for.
        frame: u32,
        /// Number of Frames.
        frames: u32,
    },
    /// A limit of the configuration.
    #[error("more {what} than the limit of {limit}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// No decoder for the transfer syntax, or for this use of it (such as JPEG with four components).
    #[error("pixel data in transfer syntax {uid} cannot be drawn")]
    UnsupportedTransferSyntax {
        /// Transfer Syntax UID.
        uid: String,
    },
    /// An attribute has a value that cannot be drawn.
    #[error("{0} has a value that cannot be drawn")]
    Unsupported(&'static str),
    /// The decoder refused the bytes.
    #[error("pixel data in transfer syntax {transfer_syntax} cannot be decoded: {reason}")]
    Codec {
        /// Transfer Syntax UID.
        transfer_syntax: String,
        /// What the decoder said.
        reason: String,
    },
    /// The picture could not be written.
    #[error("the picture cannot be encoded")]
    Encode(#[from] image::ImageError),
    /// The picture could not be written as GIF.
    #[error("the picture cannot be encoded as GIF")]
    EncodeGif(#[from] gif::EncodingError),
    /// The region lies outside of the frame.
    #[error("the region lies outside of the frame")]
    NoRegion,
}

/// Draws frame `frame` (1 is the first).
pub fn render_frame(
    header: &ImageHeader,
    bytes: FrameBytes<'_>,
    frame: u32,
    options: &RenderOptions,
    config: &RenderConfig,
) -> Result<RenderedFrame, Error> {
    if frame == 0 || frame > header.frames {
        return Err(Error::NoFrame { frame, frames: header.frames });
    }
    config.check_pixels(u64::from(header.rows) * u64::from(header.columns))?;
    let first_bit = (u64::from(frame - 1) * header.native_frame_bits() % 8) as usize;
    match bytes {
        FrameBytes::Native(native) => finish(header, &Raster::native(header, native, first_bit)?, frame, options),
        FrameBytes::Compressed(frame_bytes) => {
            finish(header, &compressed::decode(header, frame_bytes.to_vec(), config)?, frame, options)
        }
        FrameBytes::WholeFile(file) if file.len() as u64 > config.max_object_bytes => {
            Err(Error::TooLarge { what: "bytes", limit: config.max_object_bytes })
        }
        FrameBytes::WholeFile(file) => {
            let data_set = file.get(header.dataset_offset..).ok_or(Error::Truncated)?;
            if header.is_deflated() {
                let end = (u64::from(frame) * header.native_frame_bits()).div_ceil(8);
                let end = end.saturating_add(header.pixels.value_offset as u64);
                let inflated = header::inflate(data_set, end.min(config.max_object_bytes));
                let native = native_frame(header, &inflated, frame)?;
                return finish(header, &Raster::native(header, native, first_bit)?, frame, options);
            }
            if header.is_native() {
                let native = native_frame(header, data_set, frame)?;
                return finish(header, &Raster::native(header, native, first_bit)?, frame, options);
            }
            let compressed = fragments::of_frame(header, data_set, frame)?;
            finish(header, &compressed::decode(header, compressed, config)?, frame, options)
        }
    }
}

fn native_frame<'a>(header: &ImageHeader, data_set: &'a [u8], frame: u32) -> Result<&'a [u8], Error> {
    let first_bit = u64::from(frame - 1) * header.native_frame_bits();
    let start = header.pixels.value_offset as u64 + first_bit / 8;
    let end = header.pixels.value_offset as u64 + (first_bit + header.native_frame_bits()).div_ceil(8);
    data_set.get(start as usize..end as usize).ok_or(Error::Truncated)
}

fn finish(
    header: &ImageHeader,
    raster: &Raster<'_>,
    frame: u32,
    options: &RenderOptions,
) -> Result<RenderedFrame, Error> {
    let group = header.group(frame);
    let (mut picture, window) = match (&header.palette, raster.samples) {
        (_, 3) => (color::draw(raster), None),
        (Some(palette), _) => (color::draw_palette(raster, palette), None),
        (None, _) => gray::draw(header, raster, &group, (options.window, options.function)),
    };
    if let Some(shutter) = &header.shutter {
        shutter.draw(&mut picture);
    }
    for overlay in &header.overlays {
        overlay.draw(raster, &mut picture);
    }
    let monochrome = header.palette.is_none() && raster.samples == 1;
    geometry::encode(picture, monochrome, group.aspect.unwrap_or(1.0), options, window)
}
