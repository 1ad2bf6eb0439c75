//! Reports that came as pictures: wrapped into PDF pages with the QR code beside the picture, never over it (D-I12).
//!
//! A JPEG is embedded as it is; PNG and TIFF are decoded and packed without loss. Each page is A4, turned to the
//! picture's shape; a strip along the edge of the code's corner is kept free for the code and its caption. The same
//! picture always gives the same bytes.

mod decode;
mod fax;
mod palette;
mod tiff_pages;

use lopdf::{Dictionary, Document, Object, Stream, StringFormat, dictionary};

use super::page::VisibleArea;
use super::stamp::{StampPolicy, StampRefusal, Stamped, operators};
use super::{DocumentsConfig, guarded};

const POINTS_PER_MM: f64 = 72.0 / 25.4;
/// A4, upright, in points.
const A4: (f64, f64) = (595.276, 841.89);
/// White around the picture, in points.
const BORDER: f64 = 14.0;
/// White between the picture and the strip of the code, in points.
const GAP: f64 = 6.0;

/// What a report picture is encoded as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureFormat {
    /// `image/jpeg`.
    Jpeg,
    /// `image/png`.
    Png,
    /// `image/tiff`, of one or more pages.
    Tiff,
}

/// One picture, packed for a PDF.
#[derive(Debug)]
struct Picture {
    width: u32,
    height: u32,
    colors: Colors,
    bits: u8,
    /// The PDF's name of the packing.
    filter: &'static str,
    data: Vec<u8>,
    /// How it is to be turned, as EXIF and TIFF count: 1 to 8.
    orientation: u8,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Colors {
    Gray,
    /// Numbers of these colours, red, green and blue one after the other.
    Palette(Vec<u8>),
    Rgb,
    Cmyk,
    /// CMYK of which all values mean their opposite, as Adobe's programs write it.
    CmykInverted,
}

impl Picture {
    /// Width and height as it is seen.
    fn seen(&self) -> (f64, f64) {
        let (width, height) = (f64::from(self.width), f64::from(self.height));
        if self.orientation > 4 { (height, width) } else { (width, height) }
    }

    /// Operands of `cm` that put the unit square into the unit square as it is seen.
    fn turn(&self) -> [i32; 6] {
        match self.orientation {
            2 => [-1, 0, 0, 1, 1, 0],
            3 => [-1, 0, 0, -1, 1, 1],
            4 => [1, 0, 0, -1, 0, 1],
            5 => [0, -1, -1, 0, 1, 1],
            6 => [0, -1, 1, 0, 0, 1],
            7 => [0, 1, 1, 0, 0, 0],
            8 => [0, 1, -1, 0, 1, 0],
            _ => [1, 0, 0, 1, 0, 0],
        }
    }

    fn into_stream(self) -> Stream {
        let is_inverted = self.colors == Colors::CmykInverted;
        let colors = match self.colors {
            Colors::Gray => Object::from("DeviceGray"),
            Colors::Palette(colors) => {
                let last = (colors.len() / 3).saturating_sub(1) as i64;
                let colors = Object::String(colors, StringFormat::Hexadecimal);
                Object::Array(vec!["Indexed".into(), "DeviceRGB".into(), last.into(), colors])
            }
            Colors::Rgb => Object::from("DeviceRGB"),
            Colors::Cmyk | Colors::CmykInverted => Object::from("DeviceCMYK"),
        };
        let mut dict = dictionary! {
            "Type" => "XObject", "Subtype" => "Image",
            "Width" => i64::from(self.width), "Height" => i64::from(self.height),
            "ColorSpace" => colors, "BitsPerComponent" => i64::from(self.bits), "Filter" => self.filter,
        };
        if is_inverted {
            dict.set("Decode", Object::Array([1, 0, 1, 0, 1, 0, 1, 0].map(Object::Integer).to_vec()));
        }
        Stream::new(dict, self.data).with_compression(false)
    }
}

/// Makes a PDF of a picture. With a policy it is stamped; without one it is only made readable. The caller runs it on a
/// blocking thread.
pub fn wrap_picture(
    bytes: &[u8],
    format: PictureFormat,
    policy: Option<&StampPolicy>,
    limits: &DocumentsConfig,
) -> Result<Stamped, StampRefusal> {
    decoded(|| wrap(bytes, format, policy, limits))
}

/// Makes a PDF of one page (1 is the first) of a TIFF, without a stamp; [`StampRefusal::NoPages`] when there is no such page.
/// The caller runs it on a blocking thread.
pub fn wrap_tiff_page(bytes: &[u8], page: usize, limits: &DocumentsConfig) -> Result<Stamped, StampRefusal> {
    decoded(|| {
        check_length(bytes, limits)?;
        let number = page.checked_sub(1).ok_or(StampRefusal::NoPages)?;
        let picture = tiff_pages::one(bytes, limits, number)?.ok_or(StampRefusal::NoPages)?;
        let mut sheets = Sheets::new();
        sheets.add(picture, None, 0, 1)?;
        sheets.finish()
    })
}

/// Counts the pages of a TIFF without unpacking them. The caller runs it on a blocking thread.
pub fn count_tiff_pages(bytes: &[u8], limits: &DocumentsConfig) -> Result<usize, StampRefusal> {
    decoded(|| {
        check_length(bytes, limits)?;
        tiff_pages::count(bytes, limits)
    })
}

/// What a decoder of foreign bytes says; one that panics gives an error.
fn decoded<T>(work: impl FnOnce() -> Result<T, StampRefusal>) -> Result<T, StampRefusal> {
    guarded(work).unwrap_or_else(|| Err(StampRefusal::Damaged("the decoder gave up".to_owned())))
}

fn check_length(bytes: &[u8], limits: &DocumentsConfig) -> Result<(), StampRefusal> {
    if bytes.len() > limits.max_bytes {
        return Err(StampRefusal::TooLarge("documents.max_bytes"));
    }
    Ok(())
}

fn wrap(
    bytes: &[u8],
    format: PictureFormat,
    policy: Option<&StampPolicy>,
    limits: &DocumentsConfig,
) -> Result<Stamped, StampRefusal> {
    check_length(bytes, limits)?;
    let mut sheets = Sheets::new();
    match format {
        PictureFormat::Jpeg => sheets.add(decode::jpeg(bytes, limits)?, policy, 0, 1)?,
        PictureFormat::Png => sheets.add(decode::png(bytes, limits)?, policy, 0, 1)?,
        PictureFormat::Tiff => {
            let page_count = tiff_pages::count(bytes, limits)?;
            let mut page = 0;
            tiff_pages::each(bytes, limits, |picture| {
                sheets.add(picture, policy, page, page_count)?;
                page += 1;
                Ok(())
            })?;
        }
    }
    sheets.finish()
}

/// The document that is being made.
struct Sheets {
    document: Document,
    tree: lopdf::ObjectId,
    kids: Vec<Object>,
}

impl Sheets {
    fn new() -> Self {
        let mut document = Document::with_version("1.5");
        let tree = document.new_object_id();
        Self { document, tree, kids: Vec::new() }
    }

    fn add(
        &mut self,
        picture: Picture,
        policy: Option<&StampPolicy>,
        page: usize,
        page_count: usize,
    ) -> Result<(), StampRefusal> {
        let (across, down) = picture.seen();
        let (width, height) = if across > down { (A4.1, A4.0) } else { A4 };
        let stamp = policy.filter(|policy| policy.pages.include(page, page_count));
        let strip = stamp.map_or(0.0, |policy| {
            let wanted = (policy.size_mm + policy.margin_mm) * POINTS_PER_MM + GAP;
            // A huge code must leave something of the page.
            wanted.min(height / 2.0)
        });
        let (room_across, room_down) = (width - 2.0 * BORDER, height - 2.0 * BORDER - (strip - BORDER).max(0.0));
        // A small picture is not blown up beyond a point for each of its own.
        let scale = (room_across / across).min(room_down / down).min(1.0);
        let (shown_across, shown_down) = (across * scale, down * scale);
        let x = (width - shown_across) / 2.0;
        let is_top = stamp.is_none_or(|policy| policy.corner.is_top());
        let y = if is_top { height - strip.max(BORDER) - shown_down } else { strip.max(BORDER) };
        let [a, b, c, d, e, f] = picture.turn();
        let mut content =
            format!("q {shown_across:.3} 0 0 {shown_down:.3} {x:.3} {y:.3} cm {a} {b} {c} {d} {e} {f} cm /P Do Q\n");
        if let Some(policy) = stamp {
            let area =
                VisibleArea { width, height, units_per_mm: POINTS_PER_MM, matrix: [1.0, 0.0, 0.0, 1.0, 0.0, 0.0] };
            content.push_str(&operators(&area, policy)?);
        }
        let mut content = Stream::new(Dictionary::new(), content.into_bytes());
        content.compress()?;
        let content = self.document.add_object(content);
        let image = self.document.add_object(picture.into_stream());
        let media_box = [0.0, 0.0, width, height].map(|edge| Object::Real(edge as f32)).to_vec();
        let page = self.document.add_object(dictionary! {
            "Type" => "Page", "Parent" => self.tree, "MediaBox" => media_box, "Contents" => content,
            "Resources" => dictionary! { "XObject" => dictionary! { "P" => image } },
        });
        self.kids.push(page.into());
        Ok(())
    }

    fn finish(mut self) -> Result<Stamped, StampRefusal> {
        let page_count = self.kids.len();
        if page_count == 0 {
            return Err(StampRefusal::NoPages);
        }
        let tree = dictionary! { "Type" => "Pages", "Kids" => self.kids, "Count" => page_count as i64 };
        self.document.objects.insert(self.tree, Object::Dictionary(tree));
        let catalog = self.document.add_object(dictionary! { "Type" => "Catalog", "Pages" => self.tree });
        self.document.trailer.set("Root", catalog);
        let mut bytes = Vec::new();
        self.document.save_to(&mut bytes).map_err(|error| StampRefusal::Damaged(error.to_string()))?;
        Ok(Stamped { bytes, page_count })
    }
}
