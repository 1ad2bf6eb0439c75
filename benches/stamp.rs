//! How long it takes to put a QR code on a one-page PDF report of about 200 KB (target: 20 ms).
//!
//! Run by `cargo bench --bench stamp`; prints the median, the 99th percentile and the slowest of many runs.

use std::time::{Duration, Instant};

use lopdf::content::{Content, Operation};
use lopdf::{Document, Object, Stream, dictionary};
use yingku::documents::DocumentsConfig;
use yingku::documents::stamp::{StampPolicy, stamp_pdf};

const RUNS: usize = 500;
/// The 99th percentile is to be within this.
const TARGET_MS: f64 = 20.0;
const PICTURE_SIDE: i64 = 256;

fn main() {
    let original = report();
    let policy = StampPolicy::new("https://archive.example.test/q/ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    let limits = DocumentsConfig::default();
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let began = Instant::now();
            let stamped = stamp_pdf(&original, &policy, &limits).expect("a sound PDF is stamped");
            assert!(stamped.bytes.len() > original.len());
            began.elapsed()
        })
        .collect();
    times.sort();
    let at = |part: f64| times[((RUNS - 1) as f64 * part) as usize].as_secs_f64() * 1000.0;
    println!("PDF of {} KB, {RUNS} runs", original.len() / 1024);
    let verdict = if at(0.99) <= TARGET_MS { "≤ 20" } else { "> 20 !" };
    println!("ms a stamped page: median {:.2}, p99 {:.2}, slowest {:.2}; aim {verdict}", at(0.5), at(0.99), at(1.0));
}

/// One page with lines of text and an RGB picture that does not compress.
fn report() -> Vec<u8> {
    let mut document = Document::with_version("1.5");
    let pages = document.new_object_id();
    let font = document.add_object(dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica" });
    let mut state = 1_u32;
    let noise = (0..PICTURE_SIDE * PICTURE_SIDE * 3)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    let picture = document.add_object(Stream::new(
        dictionary! {
            "Type" => "XObject", "Subtype" => "Image", "Width" => PICTURE_SIDE, "Height" => PICTURE_SIDE,
            "ColorSpace" => "DeviceRGB", "BitsPerComponent" => 8,
        },
        noise,
    ));
    let mut operations = Vec::new();
    for line in 0..50 {
        operations.extend([
            Operation::new("BT", vec![]),
            Operation::new("Tf", vec!["F1".into(), 10.into()]),
            Operation::new("Td", vec![60.into(), (780 - line * 12).into()]),
            Operation::new("Tj", vec![Object::string_literal(format!("Findings, line {line} of a synthetic report"))]),
            Operation::new("ET", vec![]),
        ]);
    }
    operations.extend([
        Operation::new("q", vec![]),
        Operation::new("cm", vec![200.into(), 0.into(), 0.into(), 120.into(), 60.into(), 40.into()]),
        Operation::new("Do", vec!["P1".into()]),
        Operation::new("Q", vec![]),
    ]);
    let content = Content { operations }.encode().expect("operations are sound");
    let content = document.add_object(Stream::new(dictionary! {}, content));
    let page = document.add_object(dictionary! {
        "Type" => "Page", "Parent" => pages, "Contents" => content,
        "MediaBox" => vec![0.into(), 0.into(), 595.into(), 842.into()],
        "Resources" => dictionary! {
            "Font" => dictionary! { "F1" => font }, "XObject" => dictionary! { "P1" => picture },
        },
    });
    let tree = dictionary! { "Type" => "Pages", "Kids" => vec![page.into()], "Count" => 1 };
    document.objects.insert(pages, Object::Dictionary(tree));
    let catalog = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => pages });
    document.trailer.set("Root", catalog);
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).expect("memory takes it");
    bytes
}
