//! The last steps of a picture: pixel aspect, size, rotation, inversion, encoding.

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{DynamicImage, RgbImage};

use super::{Error, PictureFormat, RenderOptions, RenderedFrame, Rotation, Window};

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
    let (width, height) = target_size(picture.dimensions(), aspect, options.max_edge);
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
    };
    Ok(RenderedFrame { bytes, media_type, width: picture.width(), height: picture.height(), window })
}

/// Pixels that are not square are made so by stretching, unless the picture would grow beyond [`MAX_STRETCHED`].
fn target_size((width, height): (u32, u32), aspect: f64, max_edge: Option<u32>) -> (u32, u32) {
    let (mut w, mut h) = (f64::from(width), f64::from(height));
    if (aspect - 1.0).abs() > ASPECT_TOLERANCE {
        let (stretched_w, stretched_h) = if aspect > 1.0 { (w, h * aspect) } else { (w / aspect, h) };
        (w, h) = match stretched_w.max(stretched_h) {
            longest if longest <= MAX_STRETCHED => (stretched_w, stretched_h),
            _ if aspect > 1.0 => (w / aspect, h),
            _ => (w, h * aspect),
        };
    }
    let longest = w.max(h);
    if let Some(edge) = max_edge.map(|edge| f64::from(edge.max(1))).filter(|edge| longest > *edge) {
        (w, h) = (w * edge / longest, h * edge / longest);
    }
    ((w.round() as u32).max(1), (h.round() as u32).max(1))
}
