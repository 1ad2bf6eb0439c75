//! Any file is read as curves, a structured report, an encapsulated or clinical document and as attributes, without a panic,
//! and what is written of it keeps its form.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yingku::dicom::elements::{Elements, Encoding, Part10};
use yingku::dicom::encapsulated_document::EncapsulatedDocument;
use yingku::dicom::model::{ReadOptions, find_bulk, read};
use yingku::dicom::structured_report::{Meanings, StructuredReport};
use yingku::dicom::text::Charset;
use yingku::dicom::waveform::{EcgOptions, Layout, ecg_svg, outline};
use yingku::dicom::{json, native_xml};
use yingku::documents::clinical_document::{self, ClinicalDocumentLimits};

const CHARSETS: [&str; 4] = ["GB18030", "ISO_IR 100", "EUC-KR", "UTF-8"];
const LAYOUTS: [Layout; 3] = [Layout::Usual, Layout::SixByTwo, Layout::Rows];

fuzz_target!(|input: &[u8]| {
    let [choice, file @ ..] = input else { return };
    let choice = usize::from(*choice);
    let charset = Charset::parse(CHARSETS[choice % 4]).expect("a known name");
    let meanings = if choice & 0x80 == 0 { Meanings::Chinese } else { Meanings::AsWritten };
    let options = EcgOptions {
        max_samples: 1 << 16,
        layout: LAYOUTS[choice / 4 % 3],
        group: (choice & 0x40 != 0).then_some(choice & 1),
        start_seconds: f64::from(choice as u8 / 32),
        ..EcgOptions::default()
    };
    if let Ok(found) = outline(file, &charset) {
        assert!(found.groups.iter().all(|group| group.channels > 0 && group.seconds.is_finite()));
    }
    if let Ok(svg) = ecg_svg(file, &charset, &options) {
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
    }
    if let Ok(report) = StructuredReport::read(file, &charset, meanings) {
        let _ = (report.description(), report.images().len());
    }
    if let Some(document) = EncapsulatedDocument::read(file, &charset) {
        let inner = &file[document.range.clone()];
        let _ = clinical_document::read(inner, &ClinicalDocumentLimits::default());
    }
    let _ = clinical_document::read(file, &ClinicalDocumentLimits::default());

    let part10 = Part10::read(file);
    let data_set = file.get(part10.dataset_offset..).unwrap_or_default();
    let elements = Elements::read(data_set, Encoding::of_transfer_syntax(part10.transfer_syntax));
    let Ok(set) = read(&elements, &ReadOptions { default_charset: &charset, inline_bytes: 64 }) else { return };
    let (mut text, document) = (Vec::new(), native_xml::document(&set, "/bulkdata"));
    json::write(&mut text, &set, "/bulkdata");
    assert!(std::str::from_utf8(&text).is_ok_and(|text| text.starts_with('{') && text.ends_with('}')));
    assert!(document.trim_end().ends_with("</NativeDicomModel>"));
    for path in ["7FE00010", "00420011", "54000100/1/54001010"] {
        if let Some(bulk) = find_bulk(&elements, data_set, path) {
            assert!(bulk.range.start <= data_set.len());
        }
    }
});
