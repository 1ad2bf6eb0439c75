//! PDFs written by hand, so that a test says every byte that matters; and eyes that look at a drawn page.

use yingku::documents::{DocumentsConfig, raster};

/// Millimetres to a point.
pub const MM: f64 = 25.4 / 72.0;

/// Objects 1, 2, … in their order, with a cross-reference table; object 1 is the catalog.
pub fn file(objects: &[String]) -> Vec<u8> {
    let mut bytes = b"%PDF-1.4\n%\xE2\xE3\xCF\xD3\n".to_vec();
    let mut offsets = Vec::new();
    for (at, object) in objects.iter().enumerate() {
        offsets.push(bytes.len());
        bytes.extend_from_slice(format!("{} 0 obj\n{object}\nendobj\n", at + 1).as_bytes());
    }
    let start = bytes.len();
    let mut end = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for offset in offsets {
        end.push_str(&format!("{offset:010} 00000 n \n"));
    }
    end.push_str(&format!("trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n", objects.len() + 1));
    bytes.extend_from_slice(end.as_bytes());
    bytes
}

/// A stream object.
pub fn stream(content: &str) -> String {
    format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len())
}

/// One page; `node` goes into the page tree's root, `page` into the page, both as dictionary entries.
pub fn report_with(node: &str, page: &str, content: &str) -> Vec<u8> {
    file(&[
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Kids [3 0 R] /Count 1 {node} >>"),
        format!("<< /Type /Page /Parent 2 0 R {page} /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>"),
        stream(content),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ])
}

/// An A4 page with a line of text.
pub fn report() -> Vec<u8> {
    report_with("", "/MediaBox [0 0 595 842]", "BT /F1 18 Tf 72 720 Td (Synthetic report ORG-T01) Tj ET")
}

/// `count` pages with their numbers on them.
pub fn report_of_pages(count: usize) -> Vec<u8> {
    let kids: Vec<String> = (0..count).map(|page| format!("{} 0 R", 4 + 2 * page)).collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Kids [{}] /Count {count} /MediaBox [0 0 595 842] >>", kids.join(" ")),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    for page in 0..count {
        let contents = 5 + 2 * page;
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /Contents {contents} 0 R /Resources << /Font << /F1 3 0 R >> >> >>"
        ));
        objects.push(stream(&format!("BT /F1 18 Tf 72 720 Td (Page {}) Tj ET", page + 1)));
    }
    file(&objects)
}

/// A picture with a gradient, as JPEG.
pub fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let picture = image::RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([(x * 255 / width) as u8, (y * 255 / height) as u8, 128])
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}

/// One page with a line of text and `pictures` uncompressed pictures of `megabytes` each.
pub fn large_report(pictures: usize, megabytes: usize) -> Vec<u8> {
    let side = 1024;
    let mut bytes = b"%PDF-1.4\n%\xE2\xE3\xCF\xD3\n".to_vec();
    let mut offsets = Vec::new();
    let mut object = |bytes: &mut Vec<u8>, head: &str, body: Option<usize>| {
        offsets.push(bytes.len());
        bytes.extend_from_slice(format!("{} 0 obj\n{head}", offsets.len()).as_bytes());
        if let Some(length) = body {
            bytes.extend_from_slice(b"\nstream\n");
            let from = bytes.len();
            bytes.extend((0..length).map(|at| (at * 7 + from) as u8 | 0x80));
            bytes.extend_from_slice(b"\nendstream");
        }
        bytes.extend_from_slice(b"\nendobj\n");
    };
    let content = "BT /F1 18 Tf 72 720 Td (Synthetic report ORG-T01) Tj ET q 90 0 0 90 72 300 cm /P6 Do Q";
    let names: String = (0..pictures).map(|picture| format!("/P{0} {0} 0 R ", picture + 6)).collect();
    object(&mut bytes, "<< /Type /Catalog /Pages 2 0 R >>", None);
    object(&mut bytes, "<< /Type /Pages /Kids [3 0 R] /Count 1 >>", None);
    let resources = format!("/Resources << /Font << /F1 5 0 R >> /XObject << {names} >> >>");
    let page = format!("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R {resources} >>");
    object(&mut bytes, &page, None);
    object(&mut bytes, &stream(content), None);
    object(&mut bytes, "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>", None);
    for _ in 0..pictures {
        let length = side * side * megabytes;
        let head = format!(
            "<< /Type /XObject /Subtype /Image /Width {side} /Height {} /ColorSpace /DeviceGray /BitsPerComponent 8 \
             /Length {length} >>",
            side * megabytes
        );
        object(&mut bytes, &head, Some(length));
    }
    let start = bytes.len();
    let mut end = format!("xref\n0 {}\n0000000000 65535 f \n", offsets.len() + 1);
    for offset in &offsets {
        end.push_str(&format!("{offset:010} 00000 n \n"));
    }
    end.push_str(&format!("trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n", offsets.len() + 1));
    bytes.extend_from_slice(end.as_bytes());
    bytes
}

/// A QR code as somebody sees it who looks at the page.
#[derive(Debug)]
pub struct Seen {
    pub text: String,
    /// Distance of the code's dark part from the page's edges, in millimetres.
    pub left_mm: f64,
    pub top_mm: f64,
    pub right_mm: f64,
    pub bottom_mm: f64,
    /// The code's first corner is at the top left.
    pub upright: bool,
}

/// Draws a page that is `width_mm` wide and reads the QR codes on it.
///
/// As somebody who holds a phone nearer or farther away: the reader misses about one code in two thousand at a given
/// scale, whatever the code says, and sees it at another.
pub fn codes_on(bytes: &[u8], page: usize, width_mm: f64) -> Vec<Seen> {
    let looks = [8.0, 10.0, 6.5].into_iter().map(|pixels_per_mm| codes_at(bytes, page, width_mm, pixels_per_mm));
    let mut unread = Vec::new();
    for look in looks {
        match look {
            Ok(seen) if seen.is_empty() => {}
            Ok(seen) => return seen,
            Err(error) => unread.push(error),
        }
    }
    assert!(unread.is_empty(), "a code is seen and cannot be read: {unread:?}");
    Vec::new()
}

fn codes_at(bytes: &[u8], page: usize, width_mm: f64, pixels_per_mm: f64) -> Result<Vec<Seen>, rqrr::DeQRError> {
    let width = (width_mm * pixels_per_mm).round() as u32;
    let png = raster::render_page(bytes, page, width, &DocumentsConfig::default()).unwrap();
    let picture = image::load_from_memory(&png).unwrap().to_luma8();
    let (columns, rows) = (picture.width() as usize, picture.height() as usize);
    let scale = f64::from(picture.width()) / width_mm;
    let mut prepared =
        rqrr::PreparedImage::prepare_from_greyscale(columns, rows, |x, y| picture.get_pixel(x as u32, y as u32).0[0]);
    let grids = prepared.detect_grids();
    grids
        .iter()
        .map(|grid| {
            let [first, second, third, fourth] = grid.bounds;
            let x = [first.x, second.x, third.x, fourth.x];
            let y = [first.y, second.y, third.y, fourth.y];
            let edge = |values: [i32; 4], far: bool| {
                f64::from(if far { *values.iter().max().unwrap() } else { *values.iter().min().unwrap() }) / scale
            };
            let middle_x = (edge(x, false) + edge(x, true)) / 2.0 * scale;
            let middle_y = (edge(y, false) + edge(y, true)) / 2.0 * scale;
            Ok(Seen {
                text: grid.decode()?.1,
                left_mm: edge(x, false),
                top_mm: edge(y, false),
                right_mm: columns as f64 / scale - edge(x, true),
                bottom_mm: rows as f64 / scale - edge(y, true),
                upright: f64::from(first.x) < middle_x
                    && f64::from(first.y) < middle_y
                    && f64::from(second.x) > middle_x
                    && f64::from(second.y) < middle_y,
            })
        })
        .collect()
}

/// Reads the QR code in the top right corner of a page's picture.
///
/// The reader wants few, large modules: on a whole page at the scale of a screen it misses codes that phones read. It is
/// shown the corner in more than one size, for the reason of [`codes_on`].
pub fn code_in_corner(picture: &[u8]) -> String {
    let picture = image::load_from_memory(picture).unwrap().to_luma8();
    let side = picture.width() / 4;
    let corner = image::imageops::crop_imm(&picture, picture.width() - side, 0, side, side).to_image();
    let read = |percent: u32| {
        let side = side * percent / 100;
        let sized = image::imageops::resize(&corner, side, side, image::imageops::FilterType::Triangle);
        let dot = |x: usize, y: usize| sized.get_pixel(x as u32, y as u32).0[0];
        let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(side as usize, side as usize, dot);
        let grids = prepared.detect_grids();
        assert!(grids.len() < 2, "one code is seen");
        grids.first()?.decode().ok().map(|(_, text)| text)
    };
    [200, 250, 160].into_iter().find_map(read).expect("one code is seen and can be read")
}
