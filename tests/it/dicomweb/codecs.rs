//! Every transfer syntax that the archive accepts, in every kind of pixels: frames without compression and pictures are
//! compared with what independent encoders put in and independent decoders take out (`codecs.py`).

use std::path::Path;

use serde_json::Value;

use super::world::{STUDIES, World};
use crate::harness::{Package, python_script, tool};

const SCRIPT: &str = include_str!("codecs.py");
const OCTETS: &str = "multipart/related; type=\"application/octet-stream\"; transfer-syntax=1.2.840.10008.1.2.1";

/// Lowest and highest sample, their sum, and the largest distance between two rows of samples.
#[derive(Debug, PartialEq)]
struct Compared {
    low: (i64, i64),
    high: (i64, i64),
    sums: (i64, i64),
    apart: i64,
}

fn compare(ours: &[i64], theirs: &[i64]) -> Compared {
    let low = |samples: &[i64]| samples.iter().copied().min().unwrap_or(0);
    let high = |samples: &[i64]| samples.iter().copied().max().unwrap_or(0);
    Compared {
        low: (low(ours), low(theirs)),
        high: (high(ours), high(theirs)),
        sums: (ours.iter().sum(), theirs.iter().sum()),
        apart: ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).max().unwrap_or(0),
    }
}

impl Compared {
    /// Lossless is equal in every sample; with losses each is close, and together they are neither brighter nor darker.
    fn is_within(&self, tolerance: i64, samples: usize) -> bool {
        if tolerance == 0 {
            return self.apart == 0 && self.sums.0 == self.sums.1;
        }
        self.apart <= tolerance && (self.sums.0 - self.sums.1).abs() * 2 <= samples as i64 * tolerance.min(3)
    }
}

fn samples(bytes: &[u8], size: usize, signed: bool) -> Vec<i64> {
    let number = |chunk: &[u8]| {
        let value = chunk.iter().rev().fold(0_i64, |value, byte| value << 8 | i64::from(*byte));
        let sign = 1_i64 << (8 * size - 1);
        if signed && value & sign != 0 { value - 2 * sign } else { value }
    };
    bytes.chunks_exact(size).map(number).collect()
}

fn bytes_as_samples(bytes: &[u8]) -> Vec<i64> {
    bytes.iter().map(|byte| i64::from(*byte)).collect()
}

async fn faults(world: &World, folder: &Path, case: &Value) -> Vec<String> {
    let name = case["name"].as_str().unwrap();
    let number = |field: &str| case[field].as_i64().unwrap();
    let at = format!("{STUDIES}/2.25.7700/series/2.25.7700.1/instances/{}", case["uid"].as_str().unwrap());
    let mut faults = Vec::new();
    if case["has_raw"].as_bool().unwrap() {
        let expected = std::fs::read(folder.join(format!("{name}.raw"))).unwrap();
        let answer = world.get(&format!("{at}/frames/1"), OCTETS).await;
        if answer.status == 200 {
            let (size, signed) = (number("sample_bytes") as usize, case["signed"].as_bool().unwrap());
            let found = &answer.parts()[0].1;
            let (ours, theirs) = (samples(found, size, signed), samples(&expected, size, signed));
            let compared = compare(&ours, &theirs);
            if ours.len() != theirs.len() || !compared.is_within(number("raw_tolerance"), ours.len()) {
                faults.push(format!("{name}: frame of {} for {} samples, {compared:?}", ours.len(), theirs.len()));
            }
        } else {
            faults.push(format!("{name}: frame {} {}", answer.status, answer.text()));
        }
    }
    let answer = world.get(&format!("{at}/rendered"), "image/png").await;
    if case["has_picture"].as_bool().unwrap() {
        if answer.status == 200 {
            let expected = std::fs::read(folder.join(format!("{name}.rgb"))).unwrap();
            let picture = image::load_from_memory(&answer.body).unwrap().to_rgb8();
            let (ours, theirs) = (bytes_as_samples(picture.as_raw()), bytes_as_samples(&expected));
            let compared = compare(&ours, &theirs);
            if ours.len() != theirs.len() || !compared.is_within(number("picture_tolerance"), ours.len()) {
                faults.push(format!("{name}: picture {:?}, {compared:?}", picture.dimensions()));
            }
        } else {
            faults.push(format!("{name}: picture {} {}", answer.status, answer.text()));
        }
        let small = world.get(&format!("{at}/thumbnail?viewport=16,16"), "image/jpeg").await;
        if small.status != 200 {
            faults.push(format!("{name}: thumbnail {} {}", small.status, small.text()));
        }
    } else if !(400..500).contains(&answer.status) {
        // What cannot be drawn is said to be so, in the form of the interface.
        faults.push(format!("{name}: {} for what is no picture", answer.status));
    } else if answer.header("content-type") != "application/problem+json" {
        faults.push(format!("{name}: refused as {}", answer.header("content-type")));
    }
    faults
}

#[tokio::test]
async fn every_transfer_syntax_is_decoded_and_drawn_as_independent_decoders_do() {
    tool("dcmcjpeg", Package::Debian("dcmtk"));
    let folder = tempfile::tempdir().unwrap();
    let printed = python_script(SCRIPT, &[folder.path().to_str().unwrap()]);
    let corpus: Value = serde_json::from_str(&printed).unwrap();
    let cases = corpus["cases"].as_array().unwrap();
    assert!(cases.len() > 150, "{} cases", cases.len());
    let world = World::start().await;
    let file = |case: &Value| std::fs::read(folder.path().join(format!("{}.dcm", case["name"].as_str().unwrap())));
    for some in cases.chunks(20) {
        world.store(&some.iter().map(|case| file(case).unwrap()).collect::<Vec<_>>()).await;
    }
    let mut found = Vec::new();
    for case in cases {
        found.extend(faults(&world, folder.path(), case).await);
    }
    assert!(found.is_empty(), "{} faults in {} cases:\n{}", found.len(), cases.len(), found.join("\n"));
}
