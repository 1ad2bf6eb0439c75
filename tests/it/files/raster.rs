//! Pictures of pages.

use yingku::documents::DocumentsConfig;
use yingku::documents::raster::{Error, page_count, render_page};

use super::pdf;

fn dark_pixels(png: &[u8]) -> usize {
    image::load_from_memory(png).unwrap().to_luma8().pixels().filter(|pixel| pixel.0[0] < 100).count()
}

/// A page whose Chinese text is in a font that the file only names.
fn chinese(encoding: &str, text_hex: &str) -> Vec<u8> {
    pdf::file(&[
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 100] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        pdf::stream(&format!("BT /F1 40 Tf 20 40 Td <{text_hex}> Tj ET")),
        format!("<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /{encoding} /DescendantFonts [6 0 R] >>"),
        "<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /DW 1000 \
         /CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 2 >> /FontDescriptor 7 0 R >>"
            .to_owned(),
        "<< /Type /FontDescriptor /FontName /STSong-Light /Flags 6 /FontBBox [-25 -254 1000 880] /ItalicAngle 0 \
         /Ascent 880 /Descent -120 /CapHeight 880 /StemV 93 >>"
            .to_owned(),
    ])
}

#[test]
fn a_page_is_drawn_at_the_width_asked_for() {
    let png = render_page(&pdf::report(), 1, 800, &DocumentsConfig::default()).unwrap();
    let picture = image::load_from_memory(&png).unwrap();
    assert_eq!((picture.width(), picture.height()), (800, 1132));
    assert!(dark_pixels(&png) > 200, "the text is drawn");
}

#[test]
fn chinese_text_in_a_font_that_is_not_embedded_is_drawn() {
    let limits = DocumentsConfig::default();
    // 检查报告 in UCS-2 and in GBK.
    let unicode = render_page(&chinese("UniGB-UCS2-H", "68C067E562A5544A"), 1, 600, &limits).unwrap();
    let gbk = render_page(&chinese("GBK-EUC-H", "BCECB2E9B1A8B8E6"), 1, 600, &limits).unwrap();
    let blank = render_page(&chinese("UniGB-UCS2-H", "3000300030003000"), 1, 600, &limits).unwrap();
    assert_eq!(dark_pixels(&blank), 0);
    assert!(dark_pixels(&unicode) > 3000, "{} dark pixels", dark_pixels(&unicode));
    assert_eq!(unicode, gbk, "the same characters in another encoding");
    if let Some(folder) = std::env::var_os("YINGKU_TEST_PICTURES") {
        std::fs::write(std::path::Path::new(&folder).join("chinese.png"), unicode).unwrap();
    }
}

#[test]
fn pages_are_counted_and_missing_ones_are_said_to_be_missing() {
    let limits = DocumentsConfig::default();
    let bytes = pdf::report_of_pages(3);
    assert_eq!(page_count(&bytes, &limits), Ok(3));
    assert_eq!(render_page(&bytes, 0, 100, &limits), Err(Error::NoSuchPage(0)));
    assert_eq!(render_page(&bytes, 4, 100, &limits), Err(Error::NoSuchPage(4)));
}

#[test]
fn pictures_stay_within_the_limit_of_pixels() {
    let limits = DocumentsConfig { max_pixels: 10_000, ..DocumentsConfig::default() };
    let png = render_page(&pdf::report(), 1, 4000, &limits).unwrap();
    let picture = image::load_from_memory(&png).unwrap();
    assert!(u64::from(picture.width()) * u64::from(picture.height()) <= 10_000);
}

#[test]
fn what_is_no_pdf_is_not_drawn() {
    let limits = DocumentsConfig::default();
    assert_eq!(page_count(b"<html></html>", &limits), Err(Error::Damaged));
    let limits = DocumentsConfig { max_bytes: 10, ..limits };
    assert_eq!(page_count(&pdf::report(), &limits), Err(Error::TooLarge("documents.max_bytes")));
}

#[test]
fn a_few_bytes_that_claim_to_be_a_huge_picture_are_not_unpacked() {
    let bytes = pdf::file(&[
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /XObject << /I 5 0 R >> >> >>"
            .to_owned(),
        pdf::stream("q 500 0 0 500 0 0 cm /I Do Q"),
        "<< /Type /XObject /Subtype /Image /Width 60000 /Height 60000 /BitsPerComponent 1 /ColorSpace /DeviceGray \
         /Filter /CCITTFaxDecode /DecodeParms << /K -1 /Columns 60000 /Rows 60000 >> /Length 4 >>\nstream\n0000\nendstream"
            .to_owned(),
    ]);
    let refused = Err(Error::TooLarge("documents.max_image_pixels"));
    assert_eq!(render_page(&bytes, 1, 400, &DocumentsConfig::default()), refused);
}
