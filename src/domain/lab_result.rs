//! How the result of a laboratory line reads beside its limits (D-R40).

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
            _ if word.contains("危急") => Severity::Critical,
            "2" | "HH" | "LL" | "AA" => Severity::Critical,
            "1" | "Y" | "YES" | "T" | "TRUE" | "A" | "H" | "L" => Severity::Abnormal,
            "是" | "有" | "异常" | "阳性" | "重大阳性" => Severity::Abnormal,
            _ => Severity::None,
        }
    }
}

/// Whether the laboratory calls a result critical; `words` as for [`flag`].
pub fn is_critical(words: [&str; 2]) -> bool {
    let says = |word: &str| matches!(word, "HH" | "LL" | "AA") || word.contains("危急");
    words.iter().any(|text| text.to_uppercase().split_whitespace().any(says))
}

/// ↑, ↓, 异常 or nothing: the laboratory's own word first; else the value against its limits, when all are plain numbers.
///
/// `words` are what the laboratory says of the result, as code or as text.
pub fn flag(value: &str, low: &str, high: &str, words: [&str; 2]) -> &'static str {
    let word = words.join(" ").to_uppercase();
    let says = |words: &[&str]| word.split_whitespace().any(|part| words.contains(&part));
    if says(&["H", "HH", "↑", "偏高", "高"]) {
        return "↑";
    }
    if says(&["L", "LL", "↓", "偏低", "低"]) {
        return "↓";
    }
    if says(&["A", "AA", "异常", "阳性"]) {
        return "异常";
    }
    if says(&["N", "M", "正常"]) {
        return "";
    }
    let number = |text: &str| text.trim().parse::<f64>().ok();
    match (number(value), number(low), number(high)) {
        (Some(value), _, Some(high)) if value > high => "↑",
        (Some(value), Some(low), _) if value < low => "↓",
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
        assert_eq!(flag("3/HP", "", "2/HP", ["", ""]), "", "limits with units are not numbers");
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
