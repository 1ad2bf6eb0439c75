//! The last steps of a picture: pixel aspect, size, rotation, inversion, encoding.

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{DynamicImage, RgbImage};

use super::{Error, PictureFormat, RenderOptions, RenderedFrame, Rotation, Window};

/// A part of a frame, in pixels of the frame as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// First column, from 0.
    pub left: u32,
    /// First row, from 0.
    pub top: u32,
    /// Number of columns; what lies beyond the frame is left out.
    pub width: u32,
    /// Number of rows.
    pub height: u32,
    /// Whether left and right change places.
    pub mirrored: bool,
    /// Whether top and bottom change places.
    pub upside_down: bool,
}

/// Aspects closer to 1 than this are left alone: nobody sees them.
const ASPECT_TOLERANCE: f64 = 0.01;
const MAX_STRETCHED: f64 = 4096.0;

/// Encodes a picture; `aspect` is the height of a pixel divided by its width.
pub(super) fn encode(
    picture: RgbImage,
    monochrome: bool,
    aspect: f64,
    options: &RenderOptions,
    window: Option<Window>,
) -> Result<RenderedFrame, Error> {
    let picture = match options.region {
        Some(region) => cut_out(picture, region)?,
        None => picture,
    };
    let (width, height) = target_size(picture.dimensions(), aspect, options);
    let mut picture = if monochrome {
        DynamicImage::ImageLuma8(imageops::grayscale(&picture))
    } else {
        DynamicImage::ImageRgb8(picture)
    };
    if (width, height) != (picture.width(), picture.height()) {
        picture = picture.resize_exact(width, height, FilterType::Triangle);
    }
    picture = match options.rotate {
        Rotation::None => picture,
        Rotation::Quarter => picture.rotate90(),
        Rotation::Half => picture.rotate180(),
        Rotation::ThreeQuarters => picture.rotate270(),
    };
    if options.invert {
        picture.invert();
    }
    let mut bytes = Vec::new();
    let media_type = match options.format {
        PictureFormat::Jpeg { quality } => {
            picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, quality.clamp(1, 100)))?;
            "image/jpeg"
        }
        PictureFormat::Png => {
            picture.write_with_encoder(image::codecs::png::PngEncoder::new(&mut bytes))?;
            "image/png"
        }
        PictureFormat::Gif => {
            write_gif(&mut bytes, &picture)?;
            "image/gif"
        }
    };
    Ok(RenderedFrame { bytes, media_type, width: picture.width(), height: picture.height(), window })
}

fn cut_out(picture: RgbImage, region: Region) -> Result<RgbImage, Error> {
    let (width, height) = picture.dimensions();
    let columns = region.width.min(width.saturating_sub(region.left));
    let rows = region.height.min(height.saturating_sub(region.top));
    if columns == 0 || rows == 0 {
        return Err(Error::NoRegion);
    }
    let mut part = imageops::crop_imm(&picture, region.left, region.top, columns, rows).to_image();
    if region.mirrored {
        imageops::flip_horizontal_in_place(&mut part);
    }
    if region.upside_down {
        imageops::flip_vertical_in_place(&mut part);
    }
    Ok(part)
}

/// Grey pictures keep their 256 levels; colours are brought to as many.
fn write_gif(out: &mut Vec<u8>, picture: &DynamicImage) -> Result<(), Error> {
    let side = |edge: u32| u16::try_from(edge).map_err(|_| Error::TooLarge { what: "pixels", limit: u16::MAX.into() });
    let (width, height) = (side(picture.width())?, side(picture.height())?);
    let frame = match picture {
        DynamicImage::ImageLuma8(grey) => {
            let levels: Vec<u8> = (0..=u8::MAX).flat_map(|level| [level; 3]).collect();
            gif::Frame::from_palette_pixels(width, height, grey.as_raw().as_slice(), levels, None)
        }
        other => gif::Frame::from_rgb(width, height, other.to_rgb8().as_raw()),
    };
    let mut encoder = gif::Encoder::new(out, width, height, &[])?;
    Ok(encoder.write_frame(&frame)?)
}

/// Pixels that are not square are made so by stretching, unless the picture would grow beyond [`MAX_STRETCHED`].
fn target_size((width, height): (u32, u32), aspect: f64, options: &RenderOptions) -> (u32, u32) {
    let (mut w, mut h) = (f64::from(width), f64::from(height));
    if (aspect - 1.0).abs() > ASPECT_TOLERANCE {
        let (stretched_w, stretched_h) = if aspect > 1.0 { (w, h * aspect) } else { (w / aspect, h) };
        (w, h) = match stretched_w.max(stretched_h) {
            longest if longest <= MAX_STRETCHED => (stretched_w, stretched_h),
            _ if aspect > 1.0 => (w / aspect, h),
            _ => (w, h * aspect),
        };
    }
    if let Some((viewport_w, viewport_h)) = options.viewport {
        let scale = (f64::from(viewport_w.max(1)) / w).min(f64::from(viewport_h.max(1)) / h);
        (w, h) = (w * scale, h * scale);
    }
    let longest = w.max(h);
    if let Some(edge) = options.max_edge.map(|edge| f64::from(edge.max(1))).filter(|edge| longest > *edge) {
        (w, h) = (w * edge / longest, h * edge / longest);
    }
    ((w.round() as u32).max(1), (h.round() as u32).max(1))
}
