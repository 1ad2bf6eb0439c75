//! The kinds of matching (PS3.4 section C.2.2.2) and how a key's text becomes one.

use super::attribute::{Attribute, Kind};
use super::{
    EmptyValueMatching, FuzzyName, MultipleValueMatching, NameMatching, NamePattern, Pattern, QueryError, Reading,
};
use crate::domain::Uid;

/// Longest text of one value; nothing that is stored as a short text is longer.
const MAX_VALUE_CHARS: usize = 1024;
/// Most values of a list.
const MAX_VALUES: usize = 100_000;
/// Most values of a list whose values are compared one by one.
const MAX_WAYS: usize = 100;
/// The value of a key that asks for no value.
const EMPTY_VALUE: &str = "\"\"";

/// One end of a range of dates or times; `None` is open.
pub type Bound = Option<String>;

/// What a value must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matching {
    /// This text exactly (single value matching).
    Exactly(String),
    /// One of these texts (list of UID matching; for other attributes values separated by `\`), sorted.
    OneOf(Vec<String>),
    /// A whole number.
    Number(i64),
    /// Wildcard matching, case-sensitive.
    Wildcard(Pattern),
    /// A person's name, single value or wildcard, without regard to case.
    Name(NamePattern),
    /// A person's name by its words (fuzzy semantic matching).
    Fuzzy(FuzzyName),
    /// Range matching of dates in the form yyyyMMdd, both ends included.
    DateRange(Bound, Bound),
    /// Range matching of times; the ends are HHmmss.ffffff, both included.
    TimeRange(Bound, Bound),
    /// No value (empty value matching).
    Empty,
    /// One of these at least (multiple value matching).
    AnyOf(Vec<Matching>),
}

impl Matching {
    /// Reads the text of a key; `None` is universal matching.
    pub(super) fn read(attribute: &Attribute, text: &str, reading: Reading) -> Result<Option<Self>, QueryError> {
        let tag = attribute.tag;
        let values: Vec<&str> = text.split('\\').map(trimmed).filter(|value| !value.is_empty()).collect();
        if values.is_empty() {
            return Ok(None);
        }
        if values.len() > MAX_VALUES || values.iter().any(|value| value.chars().count() > MAX_VALUE_CHARS) {
            return Err(QueryError::TooLong(tag));
        }
        if values.iter().all(|value| value.bytes().all(|b| b == b'*')) {
            return Ok(None);
        }
        let invalid = || QueryError::InvalidValue(tag);
        let asks_empty = |value: &str| reading.empty_values == EmptyValueMatching::Empty && value == EMPTY_VALUE;
        if values.iter().any(|value| asks_empty(value)) && (attribute.kind != Kind::Stored || attribute.vr == "UI") {
            // A UID is always there; what is found from other rows has no row that says so.
            return Err(invalid());
        }
        if values.len() == 1 && asks_empty(values[0]) {
            return Ok(Some(Matching::Empty));
        }
        let is_text = !matches!(attribute.vr, "DA" | "TM" | "IS" | "US" | "PN");
        let is_plain = |value: &&str| is_text && !asks_empty(value) && !Pattern::has_wildcard(value);
        // A list of plain texts has an index, and needs not be asked for.
        if values.len() > 1 && reading.multiple_values == MultipleValueMatching::Any && !values.iter().all(is_plain) {
            if values.len() > MAX_WAYS {
                return Err(QueryError::TooLong(tag));
            }
            let ways: Result<Vec<_>, _> = values.iter().map(|value| Self::read(attribute, value, reading)).collect();
            // Where everything fits one of them, everything fits the list.
            return Ok(ways?.into_iter().collect::<Option<Vec<_>>>().map(Matching::AnyOf));
        }
        // A list of these is no kind of matching, and one value of it alone would be another question.
        if values.len() > 1 && matches!(attribute.vr, "DA" | "TM" | "IS" | "US" | "PN") {
            return Err(invalid());
        }
        match attribute.vr {
            "UI" => {
                if values.iter().any(|value| Uid::parse(value).is_err()) {
                    return Err(invalid());
                }
                Ok(Some(Self::texts(values)))
            }
            "DA" => date_range(values[0]).map(Some).ok_or_else(invalid),
            "TM" => time_range(values[0]).map(Some).ok_or_else(invalid),
            "PN" if reading.names == NameMatching::Fuzzy => {
                let read = FuzzyName::read(values[0]).map_err(|_| QueryError::TooLong(tag))?;
                Ok(read.map(Matching::Fuzzy))
            }
            "PN" => Ok(NamePattern::read(values[0]).map(Matching::Name)),
            "IS" | "US" => values[0].parse().map(|number| Some(Matching::Number(number))).map_err(|_| invalid()),
            _ if values.len() > 1 && !values.iter().any(|value| Pattern::has_wildcard(value)) => {
                Ok(Some(Self::texts(values)))
            }
            _ if values.len() > 1 && attribute.kind != Kind::Collected => Err(invalid()),
            _ if Pattern::has_wildcard(values[0]) => Ok(Some(Matching::Wildcard(Pattern::new(values[0])))),
            _ => Ok(Some(Self::texts(values))),
        }
    }

    fn texts(values: Vec<&str>) -> Self {
        if let [value] = values.as_slice() {
            return Matching::Exactly((*value).to_owned());
        }
        let mut texts: Vec<String> = values.into_iter().map(str::to_owned).collect();
        texts.sort();
        texts.dedup();
        Matching::OneOf(texts)
    }

    /// Whether a stored value fits; an empty value fits no condition but the one that asks for it.
    pub fn accepts(&self, value: &str) -> bool {
        match self {
            Matching::Empty => value.is_empty(),
            Matching::AnyOf(ways) => ways.iter().any(|way| way.accepts(value)),
            _ if value.is_empty() => false,
            Matching::Exactly(text) => value == text,
            Matching::OneOf(texts) => texts.binary_search_by(|text| text.as_str().cmp(value)).is_ok(),
            Matching::Number(number) => value.parse() == Ok(*number),
            Matching::Wildcard(pattern) => pattern.matches(value),
            Matching::Name(pattern) => pattern.matches(value),
            Matching::Fuzzy(pattern) => pattern.matches(value),
            Matching::DateRange(from, to) => within(&whole_date(value), from, to),
            Matching::TimeRange(from, to) => normal_time(value, '0').is_some_and(|time| within(&time, from, to)),
        }
    }

    /// Whether a moment lies in the range from the first date's time to the last date's (C.2.2.2.5.1); `None` when
    /// the two conditions are not both ranges.
    pub(super) fn accepts_moment(dates: &Matching, times: &Matching, date: &str, time: &str) -> Option<bool> {
        let (Matching::DateRange(first_day, last_day), Matching::TimeRange(from, to)) = (dates, times) else {
            return None;
        };
        if date.is_empty() {
            return Some(false);
        }
        // A study without a time counts for its whole day.
        let time = normal_time(time, '0');
        let starts = match (first_day, &time) {
            (Some(day), Some(time)) if day == date => from.as_ref().is_none_or(|from| time >= from),
            (Some(day), _) => date >= day.as_str(),
            (None, _) => true,
        };
        let ends = match (last_day, &time) {
            (Some(day), Some(time)) if day == date => to.as_ref().is_none_or(|to| time <= to),
            (Some(day), _) => date <= day.as_str(),
            (None, _) => true,
        };
        Some(starts && ends)
    }
}

fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\0'])
}

fn within(value: &str, from: &Bound, to: &Bound) -> bool {
    from.as_deref().is_none_or(|from| value >= from) && to.as_deref().is_none_or(|to| value <= to)
}

/// Stored dates may have kept other characters of a bad device.
fn whole_date(value: &str) -> String {
    value.chars().filter(char::is_ascii_digit).collect()
}

fn date_range(text: &str) -> Option<Matching> {
    let (from, to) = ends_of_range(text, |end| {
        // yyyy.MM.dd of ACR-NEMA is still sent.
        let digits: String = end.chars().filter(|c| *c != '.').collect();
        let valid = digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_digit());
        valid.then_some((digits.clone(), digits))
    })?;
    Some(Matching::DateRange(from, to))
}

fn time_range(text: &str) -> Option<Matching> {
    let (from, to) = ends_of_range(text, |end| Some((normal_time(end, '0')?, normal_time(end, '9')?)))?;
    Some(Matching::TimeRange(from, to))
}

/// Reads `a`, `a-b`, `a-` and `-b`; `read` gives the first and the last moment that an end means.
fn ends_of_range(text: &str, read: impl Fn(&str) -> Option<(String, String)>) -> Option<(Bound, Bound)> {
    match text.split_once('-') {
        None => read(text).map(|(first, last)| (Some(first), Some(last))),
        Some((from, to)) => {
            let (from, to) = (trimmed(from), trimmed(to));
            if from.is_empty() && to.is_empty() {
                return None;
            }
            let from = if from.is_empty() { None } else { Some(read(from)?.0) };
            let to = if to.is_empty() { None } else { Some(read(to)?.1) };
            Some((from, to))
        }
    }
}

/// HHmmss.ffffff; what is not written is the unit's beginning (`fill` is `0`) or end (`9`).
fn normal_time(text: &str, fill: char) -> Option<String> {
    let text: String = text.chars().filter(|c| *c != ':').collect();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    if !matches!(whole.len(), 2 | 4 | 6) || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let ends = if fill == '9' { "235959" } else { "000000" };
    let mut normal = format!("{whole}{}.", &ends[whole.len()..]);
    normal.extend(fraction.chars().chain(std::iter::repeat(fill)).take(6));
    Some(normal)
}
