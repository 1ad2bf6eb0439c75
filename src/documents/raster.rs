//! Pictures of the pages of PDF and TIFF files, for pages that are read without a viewer of such files.
//!
//! Drawn in pure Rust. Chinese fonts that a file names without embedding them (STSong-Light and its like) are
//! replaced by the program's own font; the predefined CMaps of ISO 32000-1 section 9.7.5.2 are built in.

use std::sync::Arc;

use hayro::hayro_interpret::InterpreterSettings;
use hayro::hayro_interpret::font::{FontData, FontQuery};
use hayro::hayro_interpret::hayro_cmap::CidFamily;
use hayro::hayro_syntax::Pdf;
use hayro::hayro_syntax::object::{Dict, Object};
use hayro::vello_cpu::color::palette::css::WHITE;
use hayro::{PixmapSettings, RenderCache, RenderSettings, render};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use super::stamp::StampRefusal;
use super::{DocumentsConfig, fonts, guarded, picture};

/// Why there is no picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file cannot be read, or drawing it failed badly.
    #[error("the document cannot be drawn")]
    Damaged,
    /// The file needs a password.
    #[error("the document needs a password")]
    Encrypted,
    /// There is no such page.
    #[error("the document has no page {0}")]
    NoSuchPage(usize),
    /// The file or its pages exceed a limit of `[documents]`.
    #[error("the document exceeds {0}")]
    TooLarge(&'static str),
}

/// Counts the pages of a PDF.
pub fn page_count(bytes: &[u8], limits: &DocumentsConfig) -> Result<usize, Error> {
    guarded(|| open(bytes, limits).map(|pdf| pdf.pages().len())).unwrap_or(Err(Error::Damaged))
}

/// Draws one page of a PDF, counted from 1, as a PNG picture that is `width` pixels wide (less when the page is too tall).
pub fn render_page(bytes: &[u8], page: usize, width: u32, limits: &DocumentsConfig) -> Result<Vec<u8>, Error> {
    guarded(|| draw(bytes, page, width, limits)).unwrap_or(Err(Error::Damaged))
}

/// Counts the pages of a TIFF.
pub fn tiff_page_count(bytes: &[u8], limits: &DocumentsConfig) -> Result<usize, Error> {
    picture::count_tiff_pages(bytes, limits).map_err(|refusal| of_picture(refusal, 1))
}

/// Draws one page of a TIFF as [`render_page`] does of a PDF: on white paper, A4.
pub fn render_tiff_page(bytes: &[u8], page: usize, width: u32, limits: &DocumentsConfig) -> Result<Vec<u8>, Error> {
    let wrapped = picture::wrap_tiff_page(bytes, page, limits).map_err(|refusal| of_picture(refusal, page))?;
    render_page(&wrapped.bytes, 1, width, limits)
}

fn of_picture(refusal: StampRefusal, page: usize) -> Error {
    match refusal {
        StampRefusal::NoPages => Error::NoSuchPage(page),
        StampRefusal::TooLarge(limit) => Error::TooLarge(limit),
        _ => Error::Damaged,
    }
}

fn open(bytes: &[u8], limits: &DocumentsConfig) -> Result<Pdf, Error> {
    use hayro::hayro_syntax::LoadPdfError;
    if bytes.len() > limits.max_bytes {
        return Err(Error::TooLarge("documents.max_bytes"));
    }
    let pdf = Pdf::new(bytes.to_vec()).map_err(|error| match error {
        LoadPdfError::Decryption(_) => Error::Encrypted,
        LoadPdfError::Invalid => Error::Damaged,
    })?;
    if pdf.pages().len() > limits.max_pages {
        return Err(Error::TooLarge("documents.max_pages"));
    }
    Ok(pdf)
}

fn draw(bytes: &[u8], page: usize, width: u32, limits: &DocumentsConfig) -> Result<Vec<u8>, Error> {
    let pdf = open(bytes, limits)?;
    let shown = page.checked_sub(1).and_then(|at| pdf.pages().get(at)).ok_or(Error::NoSuchPage(page))?;
    let (across, down) = shown.render_dimensions();
    let (across, down) = (f64::from(across).max(1.0), f64::from(down).max(1.0));
    // The drawing library counts pixels in 16 bits.
    let longest = f64::from(u16::MAX - 1);
    let scale = (f64::from(width) / across)
        .min((limits.max_pixels as f64 / (across * down)).sqrt())
        .min(longest / across.max(down));
    if across * scale < 1.0 || down * scale < 1.0 {
        return Err(Error::Damaged);
    }
    check_images(&pdf, limits)?;
    let settings = PixmapSettings { x_scale: scale as f32, y_scale: scale as f32, bg_color: WHITE };
    let pixmap = render(shown, &RenderCache::new(), &interpreter(), &RenderSettings::default(), &settings);
    let (width, height) = (u32::from(pixmap.width()), u32::from(pixmap.height()));
    // The background is opaque, so what lies on it is opaque too.
    let rgb: Vec<u8> = pixmap.data_as_u8_slice().chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect();
    let mut png = Vec::with_capacity(rgb.len() / 8);
    PngEncoder::new_with_quality(&mut png, CompressionType::Fast, FilterType::Adaptive)
        .write_image(&rgb, width, height, ExtendedColorType::Rgb8)
        .map_err(|_| Error::Damaged)?;
    Ok(png)
}

/// A few bytes can unpack to a picture of gigabytes, and a failed allocation ends the program.
fn check_images(pdf: &Pdf, limits: &DocumentsConfig) -> Result<(), Error> {
    let side = |dict: &Dict<'_>, key: &str| dict.get::<f64>(key).filter(|side| *side >= 0.0).unwrap_or(0.0);
    let huge = pdf.objects().into_iter().any(|object| match object {
        Object::Stream(stream) => {
            let dict = stream.dict();
            side(dict, "Width") * side(dict, "Height") > limits.max_image_pixels as f64
        }
        _ => false,
    });
    if huge { Err(Error::TooLarge("documents.max_image_pixels")) } else { Ok(()) }
}

fn interpreter() -> InterpreterSettings {
    InterpreterSettings { font_resolver: Arc::new(font), ..InterpreterSettings::default() }
}

fn font(query: &FontQuery) -> Option<(FontData, u32)> {
    let fallback = match query {
        FontQuery::Standard(standard) => return Some(standard.get_font_data()),
        FontQuery::Fallback(fallback) => fallback,
    };
    let names = [&fallback.post_script_name, &fallback.font_name, &fallback.font_family];
    let asian = fallback.character_collection.as_ref().is_some_and(|collection| {
        matches!(
            collection.family,
            CidFamily::AdobeGB1 | CidFamily::AdobeCNS1 | CidFamily::AdobeJapan1 | CidFamily::AdobeKorea1
        )
    });
    if asian || names.into_iter().flatten().any(|name| names_a_chinese_font(name)) {
        return Some((Arc::new(fonts::CJK), 0));
    }
    Some(fallback.pick_standard_font().get_font_data())
}

/// Windows font names as report writers' tools put them in files that do not embed them.
fn names_a_chinese_font(name: &str) -> bool {
    const MARKS: [&str; 12] = [
        "simsun",
        "simhei",
        "simkai",
        "simfang",
        "stsong",
        "stheiti",
        "stkaiti",
        "stfangsong",
        "fangsong",
        "kaiti",
        "yahei",
        "songti",
    ];
    let lower = name.to_lowercase();
    !name.is_ascii() || MARKS.iter().any(|mark| lower.contains(mark))
}
