//! Any text is read as a result of a laboratory, a date, a number of a person, a name, without a panic; what is read is what
//! can be counted with.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yingku::dicom::text::{Charset, decode};
use yingku::domain::date_time;
use yingku::domain::dictionary;
use yingku::domain::identity::{IdNo, Identity, mask_id_no, mask_name};
use yingku::domain::lab_result::{Severity, flag, is_critical};
use yingku::domain::trend::{self, ResultText};

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    let mut parts = text.split('\n');
    let [value, low, high, word] = [(); 4].map(|()| parts.next().unwrap_or_default());
    if let Some(reading) = trend::read(value) {
        assert!(reading.value.is_finite());
    }
    let shown = flag(value, low, high, [word, ""]);
    assert!(["", "↑", "↓", "异常"].contains(&shown));
    let _ = (is_critical([word, value]), Severity::parse(value));
    let results = text.lines().take(8).map(|line| ResultText {
        value: line.to_owned(),
        unit: word.to_owned(),
        low: low.to_owned(),
        high: high.to_owned(),
        ..ResultText::default()
    });
    let results: Vec<ResultText> = results.collect();
    let count = results.len();
    let found = trend::trend(word, results);
    assert_eq!(found.unread + found.series.iter().map(|series| series.points.len()).sum::<usize>(), count);

    if let Ok(Some(moment)) = date_time::parse(value) {
        let _ = (moment.epoch_ms(), moment.compact_date(), moment.start_of_day(), moment.as_range_end());
        let _ = (moment.plus_months(-3), moment.days_since(moment));
    }
    if let Some(id) = IdNo::parse(value) {
        assert_eq!(IdNo::parse(id.as_str()), Some(id));
    }
    if let Some(identity) = Identity::classify(value) {
        assert!(!identity.spellings().is_empty());
    }
    let _ = (mask_id_no(value), mask_name(value), dictionary::folded(value), dictionary::listed(value));

    // A value as it stands in a data set, under whatever declaration.
    let (terms, bytes) = input.split_at(input.iter().position(|byte| *byte == b'\n').unwrap_or(0));
    let terms = String::from_utf8_lossy(terms);
    let terms: Vec<&str> = terms.split('\\').collect();
    assert!(!decode(bytes, &terms, &Charset::gb18030()).chars().any(char::is_control));
});
