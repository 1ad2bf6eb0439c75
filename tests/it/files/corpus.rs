//! Odd PDFs, made here: each is stamped so that qpdf, poppler and PDFium still read it, a search finds what it found before,
//! and what else is in the file stays as it was.

use std::process::Command;

use yingku::documents::DocumentsConfig;
use yingku::documents::stamp::{StampPolicy, StampedPages, stamp_pdf};

use super::judges::{assert_sound, fonts_of, pdfium, qpdf, text_of};
use super::pdf::{self, MM, codes_on};
use crate::harness::{python_script, run};

const LINK: &str = "https://reports.example.test/q/abcdefghijklmnopqrstuvwxyz";

/// Stamps a file and has it judged; gives the stamped one.
fn stamped(name: &str, original: &[u8], width_mm: f64) -> Vec<u8> {
    let stamped = stamp_pdf(original, &StampPolicy::new(LINK), &DocumentsConfig::default());
    let stamped = stamped.unwrap_or_else(|refusal| panic!("{name}: {refusal}")).bytes;
    assert_sound(&stamped);
    assert_eq!(text_of(&stamped), text_of(original), "{name}: poppler's text");
    assert_eq!(fonts_of(&stamped), fonts_of(original), "{name}: fonts");
    assert_eq!(pdfium(&stamped), pdfium(original), "{name}: PDFium's text");
    let seen = codes_on(&stamped, 1, width_mm);
    assert_eq!(seen.len(), 1, "{name}");
    assert_eq!(seen[0].text, LINK, "{name}");
    assert!(seen[0].upright && seen[0].top_mm < 15.0 && seen[0].right_mm < 15.0, "{name}: {:?}", seen[0]);
    stamped
}

fn page_with(page: &str) -> Vec<u8> {
    pdf::report_with("", page, "BT /F1 18 Tf 300 400 Td (Synthetic report ORG-T01) Tj ET")
}

#[test]
fn every_rotation_with_every_kind_of_box() {
    for rotate in [0, 90, 180, 270] {
        for (boxes, across, up) in [
            ("/MediaBox [0 0 595 842]", 595.0, 842.0),
            ("/MediaBox [-100 -50 495 792]", 595.0, 842.0),
            ("/MediaBox [0 0 900 1200] /CropBox [150 200 745 1042]", 595.0, 842.0),
            ("/MediaBox [0 0 595 842] /UserUnit 1.5", 595.0, 842.0),
        ] {
            let original = page_with(&format!("{boxes} /Rotate {rotate}"));
            let width = if rotate % 180 == 0 { across } else { up };
            let stamped = stamp_pdf(&original, &StampPolicy::new(LINK), &DocumentsConfig::default()).unwrap().bytes;
            let unit = if boxes.contains("UserUnit") { 1.5 } else { 1.0 };
            let seen = codes_on(&stamped, 1, width * MM * unit);
            assert!(seen.len() == 1 && seen[0].upright && seen[0].top_mm < 15.0, "{rotate} {boxes}: {seen:?}");
            assert_sound(&stamped);
            assert_eq!(text_of(&stamped), text_of(&original), "{rotate} {boxes}");
        }
    }
}

#[test]
fn files_that_tools_have_rewritten() {
    let plain = pdf::report_of_pages(4);
    for arguments in [
        &["--object-streams=generate"][..],
        &["--linearize"],
        &["--linearize", "--object-streams=generate", "--compress-streams=y"],
        &["--qdf", "--object-streams=disable"],
        &["--force-version=1.3"],
        &["--newline-before-endstream", "--recompress-flate"],
    ] {
        let original = qpdf(&plain, arguments);
        let stamped = stamped(&arguments.join(" "), &original, 595.0 * MM);
        assert!(stamped.starts_with(&original), "{arguments:?}");
    }
    // One that has been updated twice already.
    let once =
        stamp_pdf(&plain, &StampPolicy { pages: StampedPages::Last, ..StampPolicy::new("x") }, &Default::default());
    stamped("updated before", &once.unwrap().bytes, 595.0 * MM);
}

#[test]
fn files_whose_cross_references_are_broken() {
    let plain = pdf::report_of_pages(3);
    let text = String::from_utf8_lossy(&plain).into_owned();
    let tail = text.len() - text.rfind("xref\n0").unwrap();
    let cut = plain[..plain.len() - tail].to_vec();
    let root = b"trailer\n<< /Root 1 0 R /Size 10 >>\n".to_vec();
    let shifted = [b"\n\n\n\n\n".to_vec(), plain.clone()].concat();
    let garbage = [plain.clone(), vec![0; 3000]].concat();
    for (name, original) in [
        ("no table at all", [cut.clone(), root.clone()].concat()),
        (
            "a table of nonsense",
            [cut, b"xref\n0 2\nnonsense\n".to_vec(), root, b"startxref\n9\n%%EOF".to_vec()].concat(),
        ),
        ("offsets that are shifted", shifted),
        ("bytes behind the end", garbage),
    ] {
        let stamped = stamp_pdf(&original, &StampPolicy::new(LINK), &DocumentsConfig::default());
        let stamped = stamped.unwrap_or_else(|refusal| panic!("{name}: {refusal}")).bytes;
        assert_sound(&stamped);
        let text = text_of(&stamped);
        assert!(["Page 1", "Page 2", "Page 3"].iter().all(|page| text.contains(page)), "{name}: {text}");
        assert_eq!(pdfium(&stamped).len(), 3, "{name}");
        assert_eq!(codes_on(&stamped, 1, 595.0 * MM)[0].text, LINK, "{name}");
    }
}

#[test]
fn an_archival_file_keeps_its_metadata_and_output_intent() {
    let metadata = "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF \
                    xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description rdf:about='' \
                    xmlns:pdfaid='http://www.aiim.org/pdfa/ns/id/' pdfaid:part='2' pdfaid:conformance='B'/></rdf:RDF></x:xmpmeta>";
    let original = pdf::file(&[
        "<< /Type /Catalog /Pages 2 0 R /Metadata 6 0 R /OutputIntents [<< /Type /OutputIntent /S /GTS_PDFA1 \
         /OutputConditionIdentifier (sRGB) >>] /MarkInfo << /Marked true >> /StructTreeRoot 7 0 R /Lang (zh-CN) >>"
            .to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /StructParents 0 \
         /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        pdf::stream("/P << /MCID 0 >> BDC BT /F1 18 Tf 72 600 Td (Synthetic archival report) Tj ET EMC"),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
        format!("<< /Type /Metadata /Subtype /XML /Length {} >>\nstream\n{metadata}\nendstream", metadata.len()),
        "<< /Type /StructTreeRoot >>".to_owned(),
    ]);
    let stamped = stamped("PDF/A", &original, 595.0 * MM);
    assert!(stamped.starts_with(&original));
    let document = lopdf::Document::load_mem(&stamped).unwrap();
    let catalog = document.catalog().unwrap();
    for key in ["Metadata", "OutputIntents", "StructTreeRoot", "MarkInfo", "Lang"] {
        assert!(catalog.has(key.as_bytes()), "{key}");
    }
    // What is added is painted with the page's own colours and needs no font, picture or transparency.
    let page = document.get_dictionary(document.page_iter().next().unwrap()).unwrap();
    assert_eq!(page.get(b"StructParents").and_then(lopdf::Object::as_i64).unwrap(), 0);
}

#[test]
fn forms_and_annotations_stay_as_they_are() {
    let original = pdf::file(&[
        "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [6 0 R] /DA (/F1 12 Tf 0 g) /DR << /Font << /F1 5 0 R >> >> >> >>"
            .to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Annots [6 0 R 7 0 R 8 0 R] \
         /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        pdf::stream("BT /F1 18 Tf 72 600 Td (Synthetic form) Tj ET"),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
        "<< /Type /Annot /Subtype /Widget /FT /Tx /T (opinion) /V (unremarkable) /Rect [72 500 300 520] /P 3 0 R /F 4 >>"
            .to_owned(),
        "<< /Type /Annot /Subtype /Link /Rect [72 400 200 420] /Border [0 0 0] /A << /S /URI /URI (https://example.test/) >> >>"
            .to_owned(),
        "<< /Type /Annot /Subtype /Text /Rect [72 300 90 318] /Contents (a note) >>".to_owned(),
    ]);
    let stamped = stamped("a form", &original, 595.0 * MM);
    const SCRIPT: &str = "import sys, pypdfium2, pypdfium2.raw as raw\n\
        document = pypdfium2.PdfDocument(sys.argv[1])\n\
        document.init_forms()\n\
        page = document[0]\n\
        print(raw.FPDFPage_GetAnnotCount(page), document.get_formtype())\n";
    let ask = |bytes: &[u8]| {
        let (_folder, path) = super::judges::saved(bytes);
        python_script(SCRIPT, &[path.to_str().unwrap()])
    };
    assert_eq!(ask(&stamped), ask(&original));
    assert!(ask(&stamped).starts_with('3'));
}

#[test]
fn five_hundred_pages_are_stamped_on_each_and_hardly_grow() {
    let original = pdf::report_of_pages(500);
    let policy = StampPolicy { pages: StampedPages::All, caption: "扫码查看".to_owned(), ..StampPolicy::new(LINK) };
    let stamped = stamp_pdf(&original, &policy, &DocumentsConfig::default()).unwrap();
    assert_eq!(stamped.page_count, 500);
    assert_sound(&stamped.bytes);
    assert_eq!(text_of(&stamped.bytes), text_of(&original));
    assert_eq!(pdfium(&stamped.bytes).len(), 500);
    for page in [1, 250, 500] {
        assert_eq!(codes_on(&stamped.bytes, page, 595.0 * MM)[0].text, LINK);
    }
    // The code is in the file once; a page costs its dictionary.
    let grown = stamped.bytes.len() - original.len();
    assert!(grown < 500 * 250 + 20_000, "{grown}");
}

#[test]
fn two_hundred_megabytes_are_stamped_in_little_more_memory_than_that() {
    const SCRIPT: &str = "import resource, subprocess, sys\n\
        subprocess.run(sys.argv[1:], check=True)\n\
        print('kilobytes', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n";
    let folder = tempfile::tempdir().unwrap();
    let [config, from, to] = ["yingku.toml", "from.pdf", "to.pdf"].map(|name| folder.path().join(name));
    std::fs::write(&config, "[documents]\nmax_bytes = 300000000\n").unwrap();
    std::fs::write(&from, pdf::large_report(20, 10)).unwrap();
    let arguments = ["qr", "preview", "--config"];
    let program = env!("CARGO_BIN_EXE_yingku");
    let paths = [&config, &from, &to].map(|path| path.to_str().unwrap());
    let said = python_script(SCRIPT, &[&[program], &arguments[..], &paths[..]].concat());
    let kilobytes: u64 = said.rsplit_once("kilobytes ").unwrap().1.trim().parse().unwrap();
    assert!(kilobytes < 300 * 1024, "{kilobytes} KiB for 200 MiB");
    let length = std::fs::metadata(&from).unwrap().len();
    assert!(length > 200 << 20);
    run(Command::new("cmp").arg("-n").arg(length.to_string()).args([&from, &to]));
    let checked = run(Command::new(crate::harness::tool("qpdf", crate::harness::Package::Debian("qpdf")))
        .arg("--check")
        .arg(&to));
    assert!(String::from_utf8_lossy(&checked.stdout).contains("No syntax or stream encoding errors found"));
}
