//! Results of one laboratory item over time, as numbers that can be drawn (RD-23, D-S11, D-R40).
//!
//! Results are text. What can be read as a number is: `5.1`, `<0.5`, `>1000`, `1:40`, `3-5/HP`, `++`, 阴性. Numbers, titres and
//! grades never share an axis, nor do different units: each is a series of its own. What cannot be read is left out and
//! counted, never guessed.

use super::lab_result;

/// What kind of number a result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// A measured value.
    Number,
    /// The denominator of a dilution: 40 for `1:40`.
    Titre,
    /// 0 for negative, 0.5 for `±`, then the number of `+`.
    Grade,
}

/// A result that could be read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// The number.
    pub value: f64,
    /// What kind of number.
    pub scale: Scale,
    /// `<` or `>` when the number is a limit of the method, else a blank.
    pub limit: char,
}

/// One result as it was registered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResultText {
    /// The report's id in addresses.
    pub observation_uid: String,
    /// When, local time.
    pub observed_at: String,
    /// The organisation.
    pub org_code: String,
    /// The value.
    pub value: String,
    /// The unit.
    pub unit: String,
    /// Lower limit of the reference range.
    pub low: String,
    /// Upper limit of the reference range.
    pub high: String,
    /// What the laboratory says of it, as code and as text.
    pub words: [String; 2],
}

/// One point.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Point {
    /// When, local time.
    pub at: String,
    /// As registered.
    pub text: String,
    /// As a number.
    pub value: f64,
    /// `<` or `>`, or nothing.
    pub limit: String,
    /// Lower limit of the reference range.
    pub low: Option<f64>,
    /// Upper limit of the reference range.
    pub high: Option<f64>,
    /// The organisation.
    pub organization: String,
    /// The report's id in addresses.
    pub report: String,
    /// ↑, ↓, 异常 or nothing, as the result's report has it.
    #[serde(skip)]
    pub flag: &'static str,
}

/// Points of one unit and scale, the oldest first.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Series {
    /// The unit as first registered.
    pub unit: String,
    /// What kind of numbers.
    pub scale: Scale,
    /// The points.
    pub points: Vec<Point>,
}

/// An item over time.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct Trend {
    /// The item's name.
    pub item: String,
    /// The one with most points first.
    pub series: Vec<Series>,
    /// Results that are no numbers.
    pub unread: usize,
    /// Whether there are older results than these.
    pub truncated: bool,
}

/// Puts results into series.
pub fn trend(item: &str, mut results: Vec<ResultText>) -> Trend {
    results.sort_by(|a, b| (&a.observed_at, &a.observation_uid).cmp(&(&b.observed_at, &b.observation_uid)));
    let mut all = Trend { item: item.to_owned(), ..Trend::default() };
    for result in results {
        let Some(reading) = read(&result.value) else {
            all.unread += 1;
            continue;
        };
        let flag =
            lab_result::flag(&result.value, &result.low, &result.high, result.words.each_ref().map(String::as_str));
        let point = Point {
            flag,
            at: result.observed_at,
            text: result.value,
            value: reading.value,
            limit: reading.limit.to_string().trim().to_owned(),
            low: limit(&result.low),
            high: limit(&result.high),
            organization: result.org_code,
            report: result.observation_uid,
        };
        let same = |series: &&mut Series| series.scale == reading.scale && unit(&series.unit) == unit(&result.unit);
        match all.series.iter_mut().find(same) {
            Some(series) => series.points.push(point),
            None => all.series.push(Series { unit: result.unit, scale: reading.scale, points: vec![point] }),
        }
    }
    all.series.sort_by_key(|series| std::cmp::Reverse(series.points.len()));
    all
}

/// A limit of a reference range, without the unit that some write behind it (`2/HP`, D-R40).
pub(super) fn limit(text: &str) -> Option<f64> {
    read(text).filter(|reading| reading.scale == Scale::Number).map(|reading| reading.value)
}

/// Units that are written in different ways and are the same; nothing is converted.
fn unit(text: &str) -> String {
    let narrow = folded(text).to_lowercase().replace(['μ', 'µ'], "u").replace('*', "^");
    narrow.trim_start_matches(['×', '^']).to_owned()
}

fn folded(text: &str) -> String {
    let narrow = |c: char| match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
        '—' | '–' => '-',
        c => c,
    };
    text.chars().map(narrow).filter(|c| !c.is_whitespace()).collect()
}

/// Reads a result.
pub fn read(text: &str) -> Option<Reading> {
    if is_spaced(text) {
        return None;
    }
    let text = folded(text);
    if text.is_empty() || text.chars().count() > 64 {
        return None;
    }
    if let Some(value) = grade(&text) {
        return Some(Reading { value, scale: Scale::Grade, limit: ' ' });
    }
    let (limit, rest) = match text.chars().next() {
        Some('<' | '≤') => ('<', text.trim_start_matches(['<', '≤', '='])),
        Some('>' | '≥') => ('>', text.trim_start_matches(['>', '≥', '='])),
        _ => (' ', text.as_str()),
    };
    if let Some(titre) = rest.strip_prefix("1:") {
        let (value, rest) = number(titre)?;
        return rest.is_empty().then_some(Reading { value, scale: Scale::Titre, limit });
    }
    let (first, rest) = number(rest)?;
    let number_of = |value| Some(Reading { value, scale: Scale::Number, limit });
    if let Some((second, rest)) = rest.strip_prefix(['-', '~']).and_then(number) {
        // A range as counted under the microscope.
        return if second >= first && is_unit(rest) { number_of((first + second) / 2.0) } else { None };
    }
    if is_unit(rest) { number_of(first) } else { None }
}

/// Whether a blank stands between two figures: two numbers, not one.
fn is_spaced(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.windows(2).any(|pair| {
        pair[0].ends_with(|c: char| c.is_ascii_digit()) && pair[1].starts_with(|c: char| c.is_ascii_digit())
    })
}

/// Negative, trace, positive in words and signs.
fn grade(text: &str) -> Option<f64> {
    let word = text.trim_matches(['(', ')']).to_uppercase();
    match word.as_str() {
        "-" | "阴性" | "NEG" | "NEGATIVE" | "阴性(-)" => return Some(0.0),
        "±" | "+-" | "+/-" | "弱阳性" | "可疑" => return Some(0.5),
        "阳性" | "POS" | "POSITIVE" | "阳性(+" => return Some(1.0),
        _ => {}
    }
    let signs = word.bytes().filter(|b| *b == b'+').count();
    if signs > 0 && signs <= 5 && word.len() == signs {
        return Some(signs as f64);
    }
    let digit = word.strip_prefix('+').or_else(|| word.strip_suffix('+'))?;
    matches!(digit, "1" | "2" | "3" | "4" | "5").then(|| digit.parse().ok()).flatten()
}

/// A decimal number at the beginning, and what follows it.
fn number(text: &str) -> Option<(f64, &str)> {
    let sign = usize::from(text.starts_with(['-', '+']));
    let digits = text[sign..].bytes().take_while(|b| b.is_ascii_digit() || matches!(b, b'.' | b',')).count();
    let (figures, rest) = text.split_at(sign + digits);
    let groups: Vec<&str> = figures.split(',').collect();
    // A comma groups thousands or says nothing that is certain.
    if groups.iter().skip(1).any(|group| group.split('.').next().is_none_or(|part| part.len() != 3)) {
        return None;
    }
    let value: f64 = groups.concat().parse().ok()?;
    value.is_finite().then_some((value, rest))
}

/// What may follow a number: a unit, not another number; powers of ten belong to units.
fn is_unit(rest: &str) -> bool {
    let power = rest.starts_with(['×', '*', 'x']) && rest.contains("10");
    power || !rest.contains(|c: char| c.is_ascii_digit() || matches!(c, ':' | '<' | '>'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Option<(f64, Scale, char)> {
        read(text).map(|reading| (reading.value, reading.scale, reading.limit))
    }

    #[test]
    fn d_s11_results_are_read_as_they_are_written() {
        for (text, expected, scale, limit) in [
            ("5.1", 5.1, Scale::Number, ' '),
            (" 5.1 mmol/L", 5.1, Scale::Number, ' '),
            ("-0.3", -0.3, Scale::Number, ' '),
            ("<0.5", 0.5, Scale::Number, '<'),
            ("＞1000", 1000.0, Scale::Number, '>'),
            (">=1,200.5", 1200.5, Scale::Number, '>'),
            ("3-5/HP", 4.0, Scale::Number, ' '),
            ("0～2", 1.0, Scale::Number, ' '),
            ("1:40", 40.0, Scale::Titre, ' '),
            ("＜1：20", 20.0, Scale::Titre, '<'),
            ("++", 2.0, Scale::Grade, ' '),
            ("3+", 3.0, Scale::Grade, ' '),
            ("±", 0.5, Scale::Grade, ' '),
            ("阴性", 0.0, Scale::Grade, ' '),
            ("(-)", 0.0, Scale::Grade, ' '),
            ("POS", 1.0, Scale::Grade, ' '),
        ] {
            assert_eq!(value(text), Some((expected, scale, limit)), "{text}");
        }
    }

    #[test]
    fn what_is_not_certainly_a_number_is_not_read() {
        for text in ["", "溶血", "5.1.2", "12,34", "5-3", "1:40:80", "10 20", "NaN", "inf", "++++++", &"9".repeat(65)]
        {
            assert_eq!(value(text), None, "{text}");
        }
    }

    #[test]
    fn d_s11_units_and_scales_are_kept_apart_and_spellings_of_one_unit_are_not() {
        let result = |at: &str, value: &str, unit: &str| ResultText {
            observed_at: at.to_owned(),
            value: value.to_owned(),
            unit: unit.to_owned(),
            low: "3.5".to_owned(),
            high: "9.5/L".to_owned(),
            ..ResultText::default()
        };
        let all = trend(
            "白细胞",
            vec![
                result("2026-01-03", "6.1", "10*9/L"),
                result("2026-01-01", "5.1", "10^9/L"),
                result("2026-01-02", "5100", "/uL"),
                result("2026-01-04", "++", ""),
                result("2026-01-05", "凝固", ""),
            ],
        );
        assert_eq!((all.series.len(), all.unread), (3, 1));
        let values: Vec<f64> = all.series[0].points.iter().map(|point| point.value).collect();
        assert_eq!(values, [5.1, 6.1]);
        assert_eq!((all.series[0].points[0].low, all.series[0].points[0].high), (Some(3.5), Some(9.5)));
    }
}
