//! Reports that came as pictures, wrapped into PDFs (D-I12): seen by readers of codes, judged by qpdf and PDFium.

use image::{DynamicImage, GrayImage, ImageFormat, Luma, LumaA, Rgb, RgbImage};
use yingku::documents::DocumentsConfig;
use yingku::documents::picture::{PictureFormat, wrap_picture};
use yingku::documents::raster::render_page;
use yingku::documents::stamp::{Corner, StampPolicy, StampRefusal, StampedPages};

use super::judges::{assert_sound, pdfium};
use super::pdf::{self, MM, codes_on};
use crate::harness::python_script;

const LINK: &str = "https://reports.example.test/q/abcdefghijklmnopqrstuvwxyz";
const GREEN: Rgb<u8> = Rgb([20, 160, 60]);

fn wrap(bytes: &[u8], format: PictureFormat, policy: &StampPolicy) -> Vec<u8> {
    let wrapped = wrap_picture(bytes, format, Some(policy), &DocumentsConfig::default()).unwrap();
    assert_sound(&wrapped.bytes);
    assert_eq!(pdfium(&wrapped.bytes).len(), wrapped.page_count);
    wrapped.bytes
}

fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn page(bytes: &[u8], number: usize, width: u32) -> RgbImage {
    let png = render_page(bytes, number, width, &DocumentsConfig::default()).unwrap();
    image::load_from_memory(&png).unwrap().into_rgb8()
}

fn near(a: Rgb<u8>, b: Rgb<u8>) -> bool {
    a.0.iter().zip(b.0).all(|(a, b)| a.abs_diff(b) < 24)
}

/// How much of the page has that colour.
fn share(page: &RgbImage, color: Rgb<u8>) -> f64 {
    page.pixels().filter(|dot| near(**dot, color)).count() as f64 / f64::from(page.width() * page.height())
}

#[test]
fn the_code_is_beside_the_picture_and_never_over_it() {
    for (width, height, page_mm) in [(1240, 1754, 595.276), (1754, 1240, 841.89)] {
        let picture = encoded(RgbImage::from_pixel(width, height, GREEN), ImageFormat::Jpeg);
        for corner in [Corner::TopLeft, Corner::TopRight, Corner::BottomLeft, Corner::BottomRight] {
            let policy = StampPolicy { corner, caption: "扫码查看报告".to_owned(), ..StampPolicy::new(LINK) };
            let wrapped = wrap(&picture, PictureFormat::Jpeg, &policy);
            let seen = codes_on(&wrapped, 1, page_mm * MM);
            assert_eq!((seen.len(), seen[0].text.as_str()), (1, LINK));
            // The strip of the code is white and black only: no row has both the picture and the code.
            let drawn = page(&wrapped, 1, 1200);
            let rows: Vec<(bool, bool)> = drawn
                .rows()
                .map(|row| {
                    row.fold((false, false), |(green, dark), dot| {
                        (green || near(*dot, GREEN), dark || dot.0.iter().all(|value| *value < 60))
                    })
                })
                .collect();
            assert!(rows.iter().any(|(green, _)| *green) && rows.iter().any(|(_, dark)| *dark));
            assert!(rows.iter().all(|(green, dark)| !(*green && *dark)), "{corner:?}");
            let shown = share(&drawn, GREEN);
            assert!(shown > 0.45, "the picture fills the page: {shown}");
        }
    }
}

#[test]
fn a_jpeg_stays_as_it_is_inside_and_the_same_picture_gives_the_same_bytes() {
    let picture = pdf::jpeg(300, 400);
    let policy = StampPolicy::new(LINK);
    let wrapped = wrap(&picture, PictureFormat::Jpeg, &policy);
    assert!(wrapped.windows(picture.len()).any(|window| window == picture));
    assert_eq!(wrap(&picture, PictureFormat::Jpeg, &policy), wrapped);
}

#[test]
fn a_photograph_is_turned_as_the_camera_says() {
    // Upper half green, lower half white; the camera lay on its side.
    const EXIF: &str = "import sys, io, base64\n\
        from PIL import Image\n\
        image = Image.new('RGB', (400, 200), (255, 255, 255))\n\
        image.paste((20, 160, 60), (0, 0, 200, 200))\n\
        exif = Image.Exif()\n\
        exif[0x0112] = int(sys.argv[1])\n\
        out = io.BytesIO()\n\
        image.save(out, 'JPEG', quality=95, exif=exif)\n\
        print(base64.b64encode(out.getvalue()).decode())\n";
    use base64::Engine;
    // Where the green half is seen: left, right, top, bottom.
    for (orientation, place) in [("1", 0), ("2", 1), ("3", 1), ("4", 0), ("5", 2), ("6", 2), ("7", 3), ("8", 3)] {
        let printed = python_script(EXIF, &[orientation]);
        let picture = base64::engine::general_purpose::STANDARD.decode(printed.trim()).unwrap();
        let wrapped = wrap(&picture, PictureFormat::Jpeg, &StampPolicy::new(LINK));
        let drawn = page(&wrapped, 1, 1000);
        let green: Vec<(u32, u32)> =
            drawn.enumerate_pixels().filter(|(_, _, dot)| near(**dot, GREEN)).map(|(x, y, _)| (x, y)).collect();
        let (min_x, max_x) = (green.iter().map(|p| p.0).min().unwrap(), green.iter().map(|p| p.0).max().unwrap());
        let (min_y, max_y) = (green.iter().map(|p| p.1).min().unwrap(), green.iter().map(|p| p.1).max().unwrap());
        let centre = |low: u32, high: u32| (low + high) as f64 / 2.0;
        let is_upright = drawn.height() > drawn.width();
        assert_eq!(is_upright, orientation > "4", "orientation {orientation}");
        // The picture is in the middle of the page's width; its own middle divides green from white.
        let middle = f64::from(drawn.width()) / 2.0;
        match place {
            0 => assert!(centre(min_x, max_x) < middle - 50.0, "{orientation}"),
            1 => assert!(centre(min_x, max_x) > middle + 50.0, "{orientation}"),
            _ => {
                let wide = f64::from(max_x - min_x);
                assert!((centre(min_x, max_x) - middle).abs() < 5.0 && wide > 100.0, "{orientation}");
                // Below a stamp at the top, the picture begins right under the strip: the green half first or last.
                let strip = f64::from(drawn.height()) * 33.0 / 297.0;
                let begins = f64::from(min_y) - strip < f64::from(max_y - min_y) * 0.5;
                assert_eq!(begins, place == 2, "{orientation}: {min_y}..{max_y}");
            }
        }
    }
}

#[test]
fn png_of_every_kind_becomes_a_page() {
    let transparent = image::GrayAlphaImage::from_fn(200, 300, |x, _| LumaA([0, if x < 100 { 255 } else { 0 }]));
    let deep = image::ImageBuffer::<Luma<u16>, Vec<u16>>::from_pixel(200, 300, Luma([0]));
    for (picture, dark) in [
        (encoded(GrayImage::from_pixel(200, 300, Luma([0])), ImageFormat::Png), 1.0),
        (encoded(deep, ImageFormat::Png), 1.0),
        (encoded(transparent, ImageFormat::Png), 0.5),
    ] {
        let wrapped = wrap_picture(&picture, PictureFormat::Png, None, &DocumentsConfig::default()).unwrap();
        assert_sound(&wrapped.bytes);
        let drawn = page(&wrapped.bytes, 1, 595);
        let whole = 200.0 * 300.0 / (595.276 * 841.89);
        let shown = share(&drawn, Rgb([0, 0, 0]));
        assert!((shown - whole * dark).abs() < 0.01, "{shown} of {whole}");
    }
}

/// TIFF as scanners, fax machines and programs write it, by Pillow's libtiff.
const TIFF: &str = "import sys, io, base64\n\
    from PIL import Image, ImageDraw\n\
    mode, compression, count = sys.argv[1], sys.argv[2], int(sys.argv[3])\n\
    pages = []\n\
    for number in range(count):\n\
    \x20   page = Image.new('RGB', (620, 877), (255, 255, 255))\n\
    \x20   ImageDraw.Draw(page).rectangle((100, 100 + 60 * number, 300, 500), fill=(0, 0, 0))\n\
    \x20   pages.append(page.convert(mode))\n\
    out = io.BytesIO()\n\
    pages[0].save(out, 'TIFF', save_all=True, append_images=pages[1:], compression=compression)\n\
    print(base64.b64encode(out.getvalue()).decode())\n";

fn tiff(mode: &str, compression: &str, pages: usize) -> Vec<u8> {
    use base64::Engine;
    let printed = python_script(TIFF, &[mode, compression, &pages.to_string()]);
    base64::engine::general_purpose::STANDARD.decode(printed.trim()).unwrap()
}

#[test]
fn every_page_of_a_tiff_is_shown_whatever_its_compression() {
    for (mode, compression) in [
        ("1", "group4"),
        ("1", "raw"),
        ("L", "tiff_lzw"),
        ("L", "tiff_adobe_deflate"),
        ("RGB", "jpeg"),
        ("RGB", "packbits"),
        ("RGBA", "raw"),
        ("CMYK", "raw"),
    ] {
        let wrapped = wrap(&tiff(mode, compression, 3), PictureFormat::Tiff, &StampPolicy::new(LINK));
        let mut before = 1.0;
        for number in 1..=3 {
            let drawn = page(&wrapped, number, 310);
            let below = image::imageops::crop_imm(&drawn, 0, 50, 310, 388).to_image();
            // Black of four colours is not quite black.
            let dark = below.pixels().filter(|dot| dot.0.iter().all(|value| *value < 100)).count() as f64;
            let dark = dark / f64::from(310 * 388);
            // The box is smaller on each page; on the first one the whole picture is.
            assert!(
                dark > 0.03 && dark < 0.25 && (number == 2 || dark < before),
                "{mode} {compression} {number}: {dark}"
            );
            before = dark;
        }
    }
    let wrapped = wrap(&tiff("1", "group4", 2), PictureFormat::Tiff, &StampPolicy::new(LINK));
    assert_eq!(codes_on(&wrapped, 1, 595.276 * MM)[0].text, LINK);
    assert!(codes_on(&wrapped, 2, 595.276 * MM).is_empty());
    let all = StampPolicy { pages: StampedPages::All, ..StampPolicy::new(LINK) };
    let wrapped = wrap(&tiff("1", "group4", 2), PictureFormat::Tiff, &all);
    assert_eq!(codes_on(&wrapped, 2, 595.276 * MM)[0].text, LINK);
}

#[test]
fn pictures_that_are_damaged_or_too_large_are_refused() {
    let wrap = |bytes: &[u8], format| wrap_picture(bytes, format, None, &DocumentsConfig::default());
    for format in [PictureFormat::Jpeg, PictureFormat::Png, PictureFormat::Tiff] {
        for bytes in [&b""[..], b"II*\0\x08\0\0\0", &[0xFF, 0xD8, 0xFF, 0xE0, 0, 0, 0, 0], b"\x89PNG\r\n\x1a\n"] {
            assert!(matches!(wrap(bytes, format), Err(StampRefusal::Damaged(_))), "{format:?}");
        }
    }
    let limits = DocumentsConfig { max_image_pixels: 1000, ..DocumentsConfig::default() };
    let too_large = Err(StampRefusal::TooLarge("documents.max_image_pixels"));
    let picture = encoded(GrayImage::new(100, 100), ImageFormat::Png);
    assert_eq!(wrap_picture(&picture, PictureFormat::Png, None, &limits), too_large);
    assert_eq!(wrap_picture(&pdf::jpeg(100, 100), PictureFormat::Jpeg, None, &limits), too_large);
    let scan = tiff("1", "group4", 1);
    assert_eq!(wrap_picture(&scan, PictureFormat::Tiff, None, &limits), too_large);
    let limits = DocumentsConfig { max_total_pixels: 1_000_000, ..DocumentsConfig::default() };
    let too_many = Err(StampRefusal::TooLarge("documents.max_total_pixels"));
    assert_eq!(wrap_picture(&tiff("1", "group4", 2), PictureFormat::Tiff, None, &limits), too_many);
    // Scratches do no harm.
    for at in (8..scan.len()).step_by(7) {
        let mut scratched = scan.clone();
        scratched[at] ^= 0x41;
        let _ = wrap(&scratched, PictureFormat::Tiff);
        let _ = wrap(&scan[..at], PictureFormat::Tiff);
    }
}
