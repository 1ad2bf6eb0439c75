//! Whatever stands behind the question mark: searches of DICOMweb and FHIR, cursors and keys are read without a panic, and
//! what we have written reads back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yingku::domain::cursor::{Cursor, FeedPosition};
use yingku::domain::patient_key::PatientKey;
use yingku::domain::query::Level;
use yingku::web::{dicomweb, fhir};

const LEVELS: [Level; 3] = [Level::Study, Level::Series, Level::Instance];
const RESOURCES: [&str; 5] = ["Patient", "DiagnosticReport", "Observation", "ImagingStudy", "DocumentReference"];

fuzz_target!(|input: &[u8]| {
    let [choice, rest @ ..] = input else { return };
    let text = String::from_utf8_lossy(rest);
    if let Ok(query) = dicomweb::search_query(LEVELS[usize::from(choice % 3)], &text) {
        query.accepts(|_| Some(&*text));
        query.accepts_item(|_| &*text);
    }
    for resource in RESOURCES {
        let _ = fhir::is_question(resource, &text);
    }
    for word in [&*text, text.trim()] {
        if let Some(cursor) = Cursor::decode(word) {
            assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
        }
        if let Some(key) = PatientKey::decode(word) {
            assert_eq!(PatientKey::decode(&key.encode()), Some(key));
        }
    }
    let numbers = rest.chunks_exact(8).filter_map(|bytes| bytes.try_into().ok()).map(i64::from_be_bytes);
    for at in numbers.take(4).filter(|at| *at >= 0) {
        let cursor = Cursor::Feed(FeedPosition { at, epoch: (choice & 1 == 0).then_some(at) });
        assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
    }
});
