//! How the result of a laboratory line reads beside its limits (D-R40).
//!
//! What a laboratory says of a result is read word by word. The words stand here once, as macros, because the index asks
//! for them too.

use super::trend::{self, Scale};

/// Words for a result that somebody has to act on at once; whatever holds 危急 is one too.
macro_rules! critical_words {
    ($with:ident) => {
        $with!("HH", "LL", "AA")
    };
}

/// Words for a result that is too high.
macro_rules! high_words {
    ($with:ident) => {
        $with!("H", "HH", "↑", "偏高", "高")
    };
}

/// Words for a result that is too low.
macro_rules! low_words {
    ($with:ident) => {
        $with!("L", "LL", "↓", "偏低", "低")
    };
}

/// Words for a result that is abnormal in no direction.
macro_rules! abnormal_words {
    ($with:ident) => {
        $with!("A", "AA", "异常", "阳性")
    };
}

/// Words for a result that is as it should be.
macro_rules! normal_words {
    ($with:ident) => {
        $with!("N", "M", "正常")
    };
}

pub(crate) use {abnormal_words, critical_words, high_words, low_words, normal_words};

macro_rules! list {
    ($($word:literal),*) => {
        &[$($word),*]
    };
}

const CRITICAL: &[&str] = critical_words!(list);
const HIGH: &[&str] = high_words!(list);
const LOW: &[&str] = low_words!(list);
const ABNORMAL: &[&str] = abnormal_words!(list);
const NORMAL: &[&str] = normal_words!(list);

/// How far from normal something is, as the hospital says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Normal, or nobody says.
    #[default]
    None,
    /// Abnormal.
    Abnormal,
    /// 危急值: somebody has to act at once.
    Critical,
}

impl Severity {
    /// Reads `Is_Abnormal` of an exam report, whose values nobody has fixed, or the level of a lab report's results.
    pub fn parse(text: &str) -> Self {
        let word = text.trim().to_uppercase();
        match word.as_str() {
            _ if word.contains("危急") || CRITICAL.contains(&word.as_str()) => Severity::Critical,
            "2" => Severity::Critical,
            "1" | "Y" | "YES" | "T" | "TRUE" | "A" | "H" | "L" => Severity::Abnormal,
            "是" | "有" | "异常" | "阳性" | "重大阳性" => Severity::Abnormal,
            _ => Severity::None,
        }
    }
}

/// Whether the laboratory calls a result critical; `words` as for [`flag`].
pub fn is_critical(words: [&str; 2]) -> bool {
    let says = |word: &str| CRITICAL.contains(&word) || word.contains("危急");
    words.iter().any(|text| text.to_uppercase().split_whitespace().any(says))
}

/// ↑, ↓, 异常 or nothing: the laboratory's own word first; else the number in the value against those in its limits.
///
/// `words` are what the laboratory says of the result, as code or as text.
pub fn flag(value: &str, low: &str, high: &str, words: [&str; 2]) -> &'static str {
    let word = words.join(" ").to_uppercase();
    let says = |words: &[&str]| word.split_whitespace().any(|part| words.contains(&part));
    if says(HIGH) {
        return "↑";
    }
    if says(LOW) {
        return "↓";
    }
    if says(ABNORMAL) {
        return "异常";
    }
    if says(NORMAL) {
        return "";
    }
    let Some(reading) = trend::read(value).filter(|reading| reading.scale == Scale::Number) else { return "" };
    // `<0.5` is somewhere below: never above a limit, and below one from there on.
    match (reading.limit, trend::limit(low), trend::limit(high)) {
        (' ', _, Some(high)) if reading.value > high => "↑",
        ('>', _, Some(high)) if reading.value >= high => "↑",
        (' ', Some(low), _) if reading.value < low => "↓",
        ('<', Some(low), _) if reading.value <= low => "↓",
        _ => "",
    }
}

/// What is expected: the laboratory's notes, else its limits.
pub fn reference(low: &str, high: &str, notes: &str) -> String {
    match (low.is_empty(), high.is_empty()) {
        _ if !notes.is_empty() => notes.to_owned(),
        (false, false) => format!("{low} – {high}"),
        (false, true) => format!("≥ {low}"),
        (true, false) => format!("≤ {high}"),
        (true, true) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_laboratorys_word_counts_before_the_limits() {
        assert_eq!(flag("5", "1", "10", ["H", ""]), "↑");
        assert_eq!(flag("50", "1", "10", ["N", ""]), "");
        assert_eq!(flag("50", "1", "10", ["", ""]), "↑");
        assert_eq!(flag("0.5", "1", "10", ["", ""]), "↓");
        assert_eq!(flag("阳性", "", "", ["", "阳性"]), "异常");
    }

    #[test]
    fn d_r40_the_number_in_a_text_counts_and_the_limit_of_a_method_as_far_as_it_says_something() {
        assert_eq!(flag("3/HP", "", "2/HP", ["", ""]), "↑");
        assert_eq!(flag("1/HP", "", "2/HP", ["", ""]), "");
        assert_eq!(flag("3-5/HP", "0", "3", ["", ""]), "↑");
        assert_eq!(flag(">50000", "", "14", ["", ""]), "↑");
        assert_eq!(flag("＜0.5", "1", "10", ["", ""]), "↓");
        assert_eq!(flag("<0.5", "", "0.3", ["", ""]), "", "it may be less");
        assert_eq!(flag(">5", "10", "20", ["", ""]), "", "it may be more");
        assert_eq!(flag("1:40", "", "20", ["", ""]), "", "a titre is no number beside a limit");
        assert_eq!(flag("++", "", "1", ["", ""]), "");
    }

    #[test]
    fn critical_and_abnormal_are_told_apart() {
        assert_eq!(["2", "危急值", "hh"].map(Severity::parse), [Severity::Critical; 3]);
        assert_eq!(["1", "阳性", "是"].map(Severity::parse), [Severity::Abnormal; 3]);
        assert_eq!(["", "0", "否", "阴性", "正常"].map(Severity::parse), [Severity::None; 5]);
        assert!(is_critical(["HH", ""]) && is_critical(["", "危急值"]) && !is_critical(["H", "偏高"]));
    }

    #[test]
    fn notes_count_before_limits() {
        assert_eq!(reference("1", "10", "阴性"), "阴性");
        assert_eq!(reference("1", "10", ""), "1 – 10");
        assert_eq!(reference("", "10", ""), "≤ 10");
        assert_eq!(reference("1", "", ""), "≥ 1");
    }
}
