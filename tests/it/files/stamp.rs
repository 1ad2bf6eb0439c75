//! The QR stamp, seen as a reader sees it: pages are drawn and their codes read; qpdf and poppler judge the files.

use yingku::documents::DocumentsConfig;
use yingku::documents::qr::{QUIET_ZONE, QrCode};
use yingku::documents::stamp::{Corner, SignedFiles, StampPolicy, StampRefusal, Stamped, StampedPages, stamp_pdf};

use super::judges::{assert_sound, fonts_of, pdfium, qpdf, text_of};
use super::pdf::{self, MM, codes_on};

const LINK: &str = "https://reports.example.test/q/abcdefghijklmnopqrstuvwxyz";

fn policy() -> StampPolicy {
    StampPolicy::new(LINK)
}

fn stamp(original: &[u8]) -> Result<Stamped, StampRefusal> {
    stamp_pdf(original, &policy(), &DocumentsConfig::default())
}

/// The margin and the code's own quiet zone lie between its dark part and the page's edges.
fn expected_distance_mm() -> f64 {
    8.0 + 22.0 * QUIET_ZONE as f64 / QrCode::encode(LINK).unwrap().side as f64
}

fn assert_stamped_top_right(bytes: &[u8], width_mm: f64) {
    let seen = codes_on(bytes, 1, width_mm);
    assert_eq!(seen.len(), 1, "one code is seen");
    let seen = &seen[0];
    assert_eq!(seen.text, LINK);
    assert!(seen.upright, "{seen:?}");
    assert!((seen.right_mm - expected_distance_mm()).abs() < 0.7, "{seen:?}");
    assert!((seen.top_mm - expected_distance_mm()).abs() < 0.7, "{seen:?}");
}

#[test]
fn the_code_is_upright_at_the_visible_top_right_whatever_the_rotation() {
    for (rotate, width) in [(0, 595.0), (90, 842.0), (180, 595.0), (270, 842.0), (-90, 842.0), (450, 842.0)] {
        let original = pdf::report_with("", &format!("/MediaBox [0 0 595 842] /Rotate {rotate}"), "0 0 m");
        let stamped = stamp(&original).unwrap();
        assert_stamped_top_right(&stamped.bytes, width * MM);
        assert_sound(&stamped.bytes);
    }
}

#[test]
fn the_crop_box_is_what_is_visible() {
    for (rotate, width) in [(0, 400.0), (90, 500.0), (180, 400.0), (270, 500.0)] {
        let boxes = "/MediaBox [-50 -20 700 900] /CropBox [100 150 500 650]";
        let original = pdf::report_with("", &format!("{boxes} /Rotate {rotate}"), "0 0 m");
        assert_stamped_top_right(&stamp(&original).unwrap().bytes, width * MM);
    }
}

#[test]
fn a_crop_box_that_reaches_out_of_the_media_box_is_cut() {
    let original = pdf::report_with("", "/MediaBox [0 0 595 842] /CropBox [-100 -100 2000 2000]", "0 0 m");
    assert_stamped_top_right(&stamp(&original).unwrap().bytes, 595.0 * MM);
}

#[test]
fn boxes_and_rotation_are_inherited_and_may_be_written_backwards() {
    let original = pdf::report_with("/MediaBox [595 842 0 0] /Rotate 90", "", "0 0 m");
    assert_stamped_top_right(&stamp(&original).unwrap().bytes, 842.0 * MM);
}

#[test]
fn the_corner_is_a_choice() {
    let original = pdf::report();
    for corner in [Corner::TopLeft, Corner::BottomLeft, Corner::BottomRight] {
        let policy = StampPolicy { corner, ..policy() };
        let stamped = stamp_pdf(&original, &policy, &DocumentsConfig::default()).unwrap();
        let seen = codes_on(&stamped.bytes, 1, 595.0 * MM).remove(0);
        let near = |distance: f64| (distance - expected_distance_mm()).abs() < 0.7;
        match corner {
            Corner::TopLeft => assert!(near(seen.left_mm) && near(seen.top_mm), "{seen:?}"),
            Corner::BottomLeft => assert!(near(seen.left_mm) && near(seen.bottom_mm), "{seen:?}"),
            _ => assert!(near(seen.right_mm) && near(seen.bottom_mm), "{seen:?}"),
        }
        assert!(seen.upright);
    }
}

#[test]
fn a_page_smaller_than_the_stamp_gets_a_smaller_stamp() {
    let original = pdf::report_with("", "/MediaBox [0 0 50 60]", "0 0 m");
    let stamped = stamp(&original).unwrap();
    let seen = codes_on(&stamped.bytes, 1, 50.0 * MM);
    assert_eq!(seen[0].text, LINK);
}

#[test]
fn a_sound_file_stays_a_prefix_of_the_stamped_one() {
    let original = pdf::report();
    let stamped = stamp(&original).unwrap();
    assert!(stamped.bytes.starts_with(&original));
    assert_eq!(stamped.page_count, 1);
    assert_sound(&stamped.bytes);
    assert!(text_of(&stamped.bytes).contains("Synthetic report ORG-T01"));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let original = pdf::report_of_pages(3);
    assert_eq!(stamp(&original).unwrap(), stamp(&original).unwrap());
    let broken = with_broken_xref(&original);
    assert_eq!(stamp(&broken).unwrap(), stamp(&broken).unwrap());
}

#[test]
fn only_the_first_page_is_stamped() {
    let stamped = stamp(&pdf::report_of_pages(3)).unwrap();
    assert_eq!(stamped.page_count, 3);
    assert_stamped_top_right(&stamped.bytes, 595.0 * MM);
    for page in [2, 3] {
        assert!(codes_on(&stamped.bytes, page, 595.0 * MM).is_empty());
    }
    let text = text_of(&stamped.bytes);
    assert!(["Page 1", "Page 2", "Page 3"].iter().all(|page| text.contains(page)), "{text}");
}

#[test]
fn what_the_page_leaves_open_does_not_move_the_code() {
    for content in [
        "q 0.2 0 0 0.2 300 300 cm q 1 0 0 rg",
        "Q Q 0.3 0 0 0.3 0 0 cm",
        "q 0 0 10 10 re W n BT /F1 12 Tf 3 Tr (x) Tj",
        "% q q q\n(q) pop 0.5 0 0 0.5 0 0 cm 0 0 5 5 re W n",
    ] {
        let original = pdf::report_with("", "/MediaBox [0 0 595 842]", content);
        assert_stamped_top_right(&stamp(&original).unwrap().bytes, 595.0 * MM);
    }
}

#[test]
fn contents_may_be_missing_or_an_array_that_is_referred_to() {
    let page = |contents: &str| {
        pdf::file(&[
            "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
            "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
            format!("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] {contents} >>"),
            "[5 0 R 6 0 R]".to_owned(),
            pdf::stream("q 0.1 0 0 0.1 0 0 cm"),
            pdf::stream("0 0 9 9 re f Q"),
        ])
    };
    for contents in ["", "/Contents 4 0 R", "/Contents [5 0 R 6 0 R]", "/Contents 99 0 R"] {
        assert_stamped_top_right(&stamp(&page(contents)).unwrap().bytes, 595.0 * MM);
    }
}

#[test]
fn object_streams_and_linearised_files_are_updated_in_place() {
    for arguments in
        [&["--object-streams=generate"][..], &["--linearize"], &["--linearize", "--object-streams=generate"]]
    {
        let original = qpdf(&pdf::report_of_pages(3), arguments);
        let stamped = stamp(&original).unwrap();
        assert!(stamped.bytes.starts_with(&original), "{arguments:?}");
        assert_stamped_top_right(&stamped.bytes, 595.0 * MM);
        assert_sound(&stamped.bytes);
        assert!(text_of(&stamped.bytes).contains("Page 3"));
    }
}

#[test]
fn a_stamped_file_can_be_stamped_again() {
    let once = stamp(&pdf::report()).unwrap();
    let twice = stamp(&once.bytes).unwrap();
    assert!(twice.bytes.starts_with(&once.bytes));
    assert_stamped_top_right(&twice.bytes, 595.0 * MM);
    assert_sound(&twice.bytes);
}

#[test]
fn the_samples_are_stamped_or_refused_for_what_they_are() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/pdf_stamp");
    let sample = |name: &str| std::fs::read(folder.join(name)).unwrap();
    // Turned a quarter, the 640 points from the lower to the upper edge of the crop box are the width that is seen.
    for (name, width_pt) in [
        ("plain.pdf", 595.0),
        ("rotated-cropped.pdf", 640.0),
        ("unbalanced.pdf", 595.0),
        ("object-streams.pdf", 595.0),
        ("linearised.pdf", 595.0),
    ] {
        let stamped = stamp(&sample(name)).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        assert_sound(&stamped.bytes);
        assert_stamped_top_right(&stamped.bytes, width_pt * MM);
    }
    for name in ["owner-locked.pdf", "locked.pdf"] {
        assert_eq!(stamp(&sample(name)).unwrap_err(), StampRefusal::Encrypted, "{name}");
    }
}

fn with_broken_xref(original: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(original).into_owned();
    let at = text.rfind("startxref").unwrap();
    let start = original.len() - (text.len() - at);
    let mut broken = original[..start].to_vec();
    broken.extend_from_slice(b"startxref\n7\n%%EOF\n");
    broken
}

#[test]
fn a_file_with_a_broken_table_is_written_anew() {
    let broken = with_broken_xref(&pdf::report_of_pages(3));
    let stamped = stamp(&broken).unwrap();
    assert_eq!(stamped.page_count, 3);
    assert_stamped_top_right(&stamped.bytes, 595.0 * MM);
    assert_sound(&stamped.bytes);
    assert!(text_of(&stamped.bytes).contains("Page 2"));
}

#[test]
fn bytes_before_the_header_do_not_spoil_the_result() {
    let mut original = b"\xEF\xBB\xBF\r\n".to_vec();
    original.extend_from_slice(&pdf::report());
    let stamped = stamp(&original).unwrap();
    assert_stamped_top_right(&stamped.bytes, 595.0 * MM);
    assert_sound(&stamped.bytes);
}

#[test]
fn a_header_that_only_begins_like_one_is_written_anew() {
    let mut original = b"%PDFx".to_vec();
    original.extend(pdf::report());
    let stamped = stamp(&original).unwrap();
    assert!(stamped.bytes.starts_with(b"%PDF-"));
    assert_sound(&stamped.bytes);
}

#[test]
fn d_i9_encrypted_files_are_refused_also_when_they_open_without_a_password() {
    for user in ["", "secret"] {
        for arguments in [
            &["--encrypt", user, "owner", "256", "--"][..],
            &["--encrypt", user, "owner", "128", "--use-aes=y", "--"],
            &["--allow-weak-crypto", "--encrypt", user, "owner", "40", "--"],
        ] {
            let locked = qpdf(&pdf::report(), arguments);
            assert_eq!(stamp(&locked), Err(StampRefusal::Encrypted), "{arguments:?}");
        }
    }
}

#[test]
fn d_i9_files_locked_by_their_owner_only_are_stamped_when_the_operator_says_so() {
    let locked = qpdf(&pdf::report(), &["--encrypt", "", "owner", "256", "--"]);
    let policy = StampPolicy { owner_locked: true, ..policy() };
    let stamped = stamp_pdf(&locked, &policy, &DocumentsConfig::default()).unwrap();
    assert!(stamped.bytes.starts_with(&locked));
    assert_stamped_top_right(&stamped.bytes, 595.0 * MM);
    let needs_password = qpdf(&pdf::report(), &["--encrypt", "secret", "owner", "256", "--"]);
    assert_eq!(stamp_pdf(&needs_password, &policy, &DocumentsConfig::default()), Err(StampRefusal::Encrypted));
}

#[test]
fn d_i9_signed_files_are_refused() {
    let field = "<< /FT /Sig /T (s) /V << /Type /Sig /Filter /Adobe.PPKLite /ByteRange [0 10 20 30] >> >>";
    let original = pdf::file(&[
        format!("<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [{field}] >> >>"),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>".to_owned(),
    ]);
    assert_eq!(stamp(&original), Err(StampRefusal::Signed));
}

#[test]
fn d_i9_signed_files_get_the_code_behind_their_signed_bytes_when_the_operator_says_so() {
    let field = "<< /FT /Sig /T (s) /V << /Type /Sig /Filter /Adobe.PPKLite /ByteRange [0 10 20 30] >> >>";
    let original = pdf::file(&[
        format!("<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [{field}] >> >>"),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>".to_owned(),
    ]);
    let policy = StampPolicy { signed: SignedFiles::Append, ..policy() };
    let stamped = stamp_pdf(&original, &policy, &DocumentsConfig::default()).unwrap();
    assert!(stamped.bytes.starts_with(&original));
    assert_stamped_top_right(&stamped.bytes, 595.0 * MM);
    // Writing it anew would break the signature, so a damaged one stays as it is.
    let broken = with_broken_xref(&original);
    assert_eq!(stamp_pdf(&broken, &policy, &DocumentsConfig::default()), Err(StampRefusal::Signed));
}

#[test]
fn the_last_page_or_every_page_can_be_stamped() {
    let original = pdf::report_of_pages(3);
    for (pages, stamped_pages) in [(StampedPages::Last, vec![3]), (StampedPages::All, vec![1, 2, 3])] {
        let policy = StampPolicy { pages, ..policy() };
        let stamped = stamp_pdf(&original, &policy, &DocumentsConfig::default()).unwrap();
        assert_sound(&stamped.bytes);
        for page in 1..=3 {
            assert_eq!(codes_on(&stamped.bytes, page, 595.0 * MM).len(), usize::from(stamped_pages.contains(&page)));
        }
    }
}

#[test]
fn a_caption_stands_beside_the_code_and_no_search_finds_it() {
    let original = pdf::report();
    let plain = stamp(&original).unwrap();
    for corner in [Corner::TopRight, Corner::BottomLeft] {
        let policy = StampPolicy { corner, caption: "扫码查看\n检查报告".to_owned(), ..policy() };
        let stamped = stamp_pdf(&original, &policy, &DocumentsConfig::default()).unwrap();
        assert_sound(&stamped.bytes);
        assert_eq!(text_of(&stamped.bytes), text_of(&original));
        assert_eq!(fonts_of(&stamped.bytes), fonts_of(&original));
        assert_eq!(pdfium(&stamped.bytes), pdfium(&original));
        let seen = codes_on(&stamped.bytes, 1, 595.0 * MM);
        assert_eq!(seen[0].text, LINK);
        // Beside the code there is ink now, between it and the page's middle, and there was none.
        let ink = |bytes: &[u8]| {
            let png = yingku::documents::raster::render_page(bytes, 1, 1190, &DocumentsConfig::default()).unwrap();
            let page = image::load_from_memory(&png).unwrap().into_luma8();
            let (left, top) = match corner {
                Corner::TopRight => (page.width() * 7 / 10, page.height() / 50),
                _ => (page.width() * 3 / 20, page.height() * 17 / 20),
            };
            let beside =
                image::imageops::crop_imm(&page, left, top, page.width() * 3 / 20, page.height() / 8).to_image();
            beside.pixels().filter(|dot| dot.0[0] < 100).count()
        };
        assert!(ink(&stamped.bytes) > 200, "{corner:?}");
        assert_eq!(ink(&plain.bytes), 0, "{corner:?}");
    }
}

#[test]
fn what_is_no_pdf_or_has_no_page_is_refused() {
    assert_eq!(stamp(b"<html>%not a report</html>"), Err(StampRefusal::NotAPdf));
    assert_eq!(stamp(b""), Err(StampRefusal::NotAPdf));
    let empty =
        pdf::file(&["<< /Type /Catalog /Pages 2 0 R >>".to_owned(), "<< /Type /Pages /Kids [] /Count 0 >>".to_owned()]);
    assert_eq!(stamp(&empty), Err(StampRefusal::NoPages));
    assert!(matches!(stamp(b"%PDF-1.4\nnothing follows"), Err(StampRefusal::Damaged(_))));
}

#[test]
fn a_page_tree_that_loops_ends() {
    let looping = pdf::file(&[
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [2 0 R] /Count 1 /Parent 2 0 R >>".to_owned(),
    ]);
    assert!(stamp(&looping).is_err());
}

#[test]
fn limits_are_kept() {
    let original = pdf::report_of_pages(3);
    let limits = DocumentsConfig { max_pages: 2, ..DocumentsConfig::default() };
    assert_eq!(stamp_pdf(&original, &policy(), &limits), Err(StampRefusal::TooLarge("documents.max_pages")));
    let limits = DocumentsConfig { max_bytes: 100, ..DocumentsConfig::default() };
    assert_eq!(stamp_pdf(&original, &policy(), &limits), Err(StampRefusal::TooLarge("documents.max_bytes")));
}

#[test]
fn a_stream_that_unpacks_without_end_is_refused() {
    let mut document = lopdf::Document::load_mem(&pdf::report()).unwrap();
    let page = document.page_iter().next().unwrap();
    let mut bomb = lopdf::Stream::new(lopdf::Dictionary::new(), vec![b' '; 8 * 1024 * 1024]);
    bomb.compress().unwrap();
    assert!(bomb.content.len() < 100 * 1024);
    let bomb = document.add_object(bomb);
    document.get_dictionary_mut(page).unwrap().set("Contents", bomb);
    let mut original = Vec::new();
    document.save_to(&mut original).unwrap();
    let limits = DocumentsConfig { max_stream_bytes: 1024 * 1024, ..DocumentsConfig::default() };
    assert_eq!(stamp_pdf(&original, &policy(), &limits), Err(StampRefusal::TooLarge("documents.max_stream_bytes")));
}

#[test]
fn cut_and_scratched_files_are_stamped_or_refused_but_never_end_the_program() {
    let original = qpdf(&pdf::report_of_pages(2), &["--object-streams=generate"]);
    let mut kept = 0;
    for at in (0..original.len()).step_by(13) {
        let mut scratched = original.clone();
        scratched[at] ^= 0x15;
        kept += usize::from(stamp(&scratched).is_ok());
        let _ = stamp(&original[..at]);
    }
    assert!(kept > 0, "some scratches do no harm");
}

/// Three ways to nest without end: arrays, dictionaries, nodes of the page tree.
fn deep_files() -> Vec<Vec<u8>> {
    let depth = 100_000;
    let with_value = |value: String| {
        pdf::file(&[
            "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
            "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
            format!("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Deep {value} >>"),
            pdf::stream(&format!("{} 0 0 m", "[".repeat(depth))),
        ])
    };
    let mut chain = vec!["<< /Type /Catalog /Pages 2 0 R >>".to_owned()];
    for node in 0..20_000 {
        chain.push(format!("<< /Type /Pages /Kids [{} 0 R] /Count 1 /Parent {} 0 R >>", node + 3, node + 1));
    }
    chain.push("<< /Type /Page /Parent 20001 0 R /MediaBox [0 0 595 842] >>".to_owned());
    vec![
        with_value("[".repeat(depth) + &"]".repeat(depth)),
        with_value("<</A".repeat(depth) + " 1" + &">>".repeat(depth)),
        with_value("1".to_owned()),
        pdf::file(&chain),
    ]
}

#[tokio::test]
async fn files_that_nest_without_end_do_not_end_the_program() {
    for original in deep_files() {
        // The stack of the threads that do this work in the server.
        let work = tokio::task::spawn_blocking(move || {
            let _ = stamp(&original);
            let _ = yingku::documents::raster::page_count(&original, &DocumentsConfig::default());
            let _ = yingku::documents::raster::render_page(&original, 1, 100, &DocumentsConfig::default());
        });
        work.await.unwrap();
    }
}
