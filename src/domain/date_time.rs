//! Dates as senders write them, and the one form in which they are kept (D-R12).
//!
//! Kept form: `yyyy-MM-dd HH:mm:ss` in Asia/Shanghai, which sorts as text. Read forms: `y-M-d`, `y/M/d`, `y.M.d`,
//! `y年M月d日`, `yyyyMMdd`; a time after a blank, `T` or nothing as `H:m[:s[.f]]` or `HHmm[ss]`; 上午, 下午, AM, PM; an
//! offset. No offset means Asia/Shanghai; daylight saving of 1986 to 1991 is ignored.

use std::fmt;

use time::macros::format_description;
use time::{Date, Duration, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

/// How much of a moment was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// The day only.
    Day,
    /// A time of day as well.
    Second,
}

/// A moment in Asia/Shanghai.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    at: PrimitiveDateTime,
    precision: Precision,
}

/// The text is no date in any form that we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is no date")]
pub struct NotADate;

impl Moment {
    /// From milliseconds since 1970 UTC.
    pub fn from_epoch_ms(ms: i64) -> Self {
        let utc = OffsetDateTime::from_unix_timestamp(ms.div_euclid(1000)).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let local = utc.to_offset(shanghai());
        Self { at: PrimitiveDateTime::new(local.date(), local.time()), precision: Precision::Second }
    }

    /// Milliseconds since 1970 UTC.
    pub fn epoch_ms(self) -> i64 {
        self.at.assume_offset(shanghai()).unix_timestamp() * 1000
    }

    /// How much was written.
    pub fn precision(self) -> Precision {
        self.precision
    }

    /// `yyyyMMdd`.
    pub fn compact_date(self) -> String {
        let (year, month, day) = self.at.to_calendar_date();
        format!("{year:04}{:02}{day:02}", u8::from(month))
    }

    /// The first second of the day.
    pub fn start_of_day(self) -> Self {
        Self { at: self.at.replace_time(Time::MIDNIGHT), precision: Precision::Second }
    }

    /// The last second of the day.
    pub fn end_of_day(self) -> Self {
        let last = Time::from_hms(23, 59, 59).unwrap_or(Time::MIDNIGHT);
        Self { at: self.at.replace_time(last), precision: Precision::Second }
    }

    /// As the end of a range: a day without a time means its last second (D-P9).
    pub fn as_range_end(self) -> Self {
        match self.precision {
            Precision::Day => self.end_of_day(),
            Precision::Second => self,
        }
    }

    /// So many calendar months later (earlier when negative); the day is clipped to the month's last.
    pub fn plus_months(self, months: i32) -> Self {
        let (year, month, day) = self.at.to_calendar_date();
        let count = year * 12 + i32::from(u8::from(month)) - 1 + months;
        let month = Month::try_from((count.rem_euclid(12) + 1) as u8).unwrap_or(Month::January);
        let year = count.div_euclid(12).clamp(1, 9999);
        let date = Date::from_calendar_date(year, month, day.min(month.length(year))).unwrap_or(self.at.date());
        Self { at: self.at.replace_date(date), precision: self.precision }
    }

    /// Whole days from `earlier` to this moment.
    pub fn days_since(self, earlier: Self) -> i64 {
        (self.at - earlier.at).whole_days()
    }
}

/// The kept form.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
        f.write_str(&self.at.format(form).map_err(|_| fmt::Error)?)
    }
}

fn shanghai() -> UtcOffset {
    UtcOffset::from_whole_seconds(8 * 3600).unwrap_or(UtcOffset::UTC)
}

/// The kept form of milliseconds since 1970 UTC.
pub fn local_text(ms: i64) -> String {
    Moment::from_epoch_ms(ms).to_string()
}

/// The kept form of a text; `None` for nothing, `0001-01-01` and `1900-01-01`.
pub fn normalise(text: &str) -> Result<Option<String>, NotADate> {
    Ok(parse(text)?.map(|moment| moment.to_string()))
}

/// Reads a text in any of the known forms; `None` for nothing, `0001-01-01` and `1900-01-01`.
pub fn parse(text: &str) -> Result<Option<Moment>, NotADate> {
    // The longest known form has fewer than 64 characters; more is no date, and need not be looked at.
    if text.len() > 256 {
        return Err(NotADate);
    }
    let (text, half) = plain(text);
    if text.is_empty() {
        return Ok(None);
    }
    let mut scan = Scan { rest: &text };
    let date = scan.date()?;
    scan.rest = scan.rest.trim_start_matches([' ', 'T', 't', ',']);
    let clock = scan.time()?;
    scan.rest = scan.rest.trim_start();
    let offset = scan.offset()?;
    if !scan.rest.trim().is_empty() {
        return Err(NotADate);
    }
    if (date.year(), date.ordinal()) == (1, 1) || (date.year(), date.ordinal()) == (1900, 1) {
        return Ok(None);
    }
    let Some((hour, minute, second)) = clock else {
        return Ok(Some(Moment { at: PrimitiveDateTime::new(date, Time::MIDNIGHT), precision: Precision::Day }));
    };
    let hour = match half {
        Some(Half::Morning) if hour == 12 => 0,
        Some(Half::Afternoon) if hour < 12 => hour + 12,
        _ => hour,
    };
    let (hour, days) = if (hour, minute, second) == (24, 0, 0) { (0, 1) } else { (hour, 0) };
    // A leap second is the last second that the kept form can say.
    let time = Time::from_hms(hour, minute, second.min(59)).map_err(|_| NotADate)?;
    let mut at = PrimitiveDateTime::new(date, time).checked_add(Duration::days(days)).ok_or(NotADate)?;
    if let Some(seconds) = offset {
        at = at.checked_add(Duration::seconds(8 * 3600 - seconds)).ok_or(NotADate)?;
    }
    if !(1..=9999).contains(&at.year()) {
        return Err(NotADate);
    }
    Ok(Some(Moment { at, precision: Precision::Second }))
}

#[derive(Clone, Copy)]
enum Half {
    Morning,
    Afternoon,
}

/// Full-width characters made narrow, Chinese units made signs, the half of the day taken out.
fn plain(text: &str) -> (String, Option<Half>) {
    let narrow = |c: char| match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        '\u{3000}' | '\u{A0}' | '\t' | '\n' | '\r' => ' ',
        '年' | '月' => '-',
        '日' | '秒' => ' ',
        '时' | '点' | '分' => ':',
        _ => c,
    };
    let mut text: String = text.trim().chars().map(narrow).collect();
    let mut half = None;
    for (word, meaning) in [
        ("上午", Half::Morning),
        ("凌晨", Half::Morning),
        ("下午", Half::Afternoon),
        ("晚上", Half::Afternoon),
        ("AM", Half::Morning),
        ("PM", Half::Afternoon),
        ("am", Half::Morning),
        ("pm", Half::Afternoon),
    ] {
        if let Some(at) = text.find(word) {
            text.replace_range(at..at + word.len(), " ");
            half = Some(meaning);
            break;
        }
    }
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (text.trim_end_matches(':').to_owned(), half)
}

struct Scan<'t> {
    rest: &'t str,
}

impl Scan<'_> {
    fn digits_ahead(&self) -> usize {
        self.rest.bytes().take_while(u8::is_ascii_digit).count()
    }

    fn number<T: std::str::FromStr>(&mut self, digits: usize) -> Result<T, NotADate> {
        if digits == 0 || self.digits_ahead() < digits {
            return Err(NotADate);
        }
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        number.parse().map_err(|_| NotADate)
    }

    fn sign(&mut self, signs: &[char]) -> bool {
        let rest = self.rest.trim_start();
        match rest.strip_prefix(signs) {
            Some(after) => {
                self.rest = after.trim_start();
                true
            }
            None => false,
        }
    }

    fn date(&mut self) -> Result<Date, NotADate> {
        let (year, month, day): (i32, u8, u8) = match self.digits_ahead() {
            8 | 10 | 12 | 14 => (self.number(4)?, self.number(2)?, self.number(2)?),
            4 => {
                let year = self.number(4)?;
                let month = self.sign(&['-', '/', '.']).then(|| self.number(self.digits_ahead().min(2)));
                let month = month.ok_or(NotADate)??;
                let day = self.sign(&['-', '/', '.']).then(|| self.number(self.digits_ahead().min(2)));
                (year, month, day.ok_or(NotADate)??)
            }
            _ => return Err(NotADate),
        };
        let month = Month::try_from(month).map_err(|_| NotADate)?;
        Date::from_calendar_date(year, month, day).map_err(|_| NotADate)
    }

    fn time(&mut self) -> Result<Option<(u8, u8, u8)>, NotADate> {
        let clock = match self.digits_ahead() {
            0 => return Ok(None),
            4 => (self.number(2)?, self.number(2)?, 0),
            6 => (self.number(2)?, self.number(2)?, self.number(2)?),
            digits @ (1 | 2) => {
                let hour = self.number(digits)?;
                let minute = if self.sign(&[':']) { self.number(self.digits_ahead().min(2))? } else { 0 };
                let second = if self.sign(&[':']) { self.number(self.digits_ahead().min(2))? } else { 0 };
                (hour, minute, second)
            }
            _ => return Err(NotADate),
        };
        if let Some(fraction) = self.rest.strip_prefix(['.', ',']) {
            self.rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
        }
        let (hour, minute, second) = clock;
        if hour > 24 || minute > 59 || second > 60 {
            return Err(NotADate);
        }
        Ok(Some(clock))
    }

    /// Seconds east of Greenwich.
    fn offset(&mut self) -> Result<Option<i64>, NotADate> {
        if let Some(rest) = self.rest.strip_prefix(['Z', 'z']) {
            self.rest = rest;
            return Ok(Some(0));
        }
        let Some(sign) = self.rest.chars().next().filter(|c| matches!(c, '+' | '-')) else { return Ok(None) };
        self.rest = &self.rest[1..];
        let hours: i64 = self.number(2)?;
        self.rest = self.rest.strip_prefix(':').unwrap_or(self.rest);
        let minutes: i64 = if self.digits_ahead() == 0 { 0 } else { self.number(2)? };
        if hours > 14 || minutes > 59 {
            return Err(NotADate);
        }
        let seconds = hours * 3600 + minutes * 60;
        Ok(Some(if sign == '-' { -seconds } else { seconds }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        normalise(text).unwrap().unwrap()
    }

    #[test]
    fn d_r12_every_known_form_becomes_the_kept_form() {
        assert_eq!(read("2013/9/2 0:50:34"), "2013-09-02 00:50:34");
        assert_eq!(read("2013-09-02 00:50:34"), "2013-09-02 00:50:34");
        assert_eq!(read("2013.9.2"), "2013-09-02 00:00:00");
        assert_eq!(read("20130902"), "2013-09-02 00:00:00");
        assert_eq!(read("2013090200:50:34"), "2013-09-02 00:50:34");
        assert_eq!(read("20130902005034"), "2013-09-02 00:50:34");
        assert_eq!(read("201309020050"), "2013-09-02 00:50:00");
        assert_eq!(read("2013-09-02T00:50:34.123"), "2013-09-02 00:50:34");
        assert_eq!(read("2013-09-02 005034"), "2013-09-02 00:50:34");
        assert_eq!(read("2013-09-02 9:05"), "2013-09-02 09:05:00");
        assert_eq!(read("2013年9月2日 9时5分3秒"), "2013-09-02 09:05:03");
        assert_eq!(read("２０１３／９／２　９：０５：０３"), "2013-09-02 09:05:03");
    }

    #[test]
    fn d_r12_offsets_are_moved_to_beijing() {
        assert_eq!(read("2013-09-01T16:50:34Z"), "2013-09-02 00:50:34");
        assert_eq!(read("2013-09-02T00:50:34+08:00"), "2013-09-02 00:50:34");
        assert_eq!(read("2013-09-02 00:50:34 -0100"), "2013-09-02 09:50:34");
    }

    #[test]
    fn d_r12_the_half_of_the_day_is_understood() {
        assert_eq!(read("2013/9/2 上午 12:50:34"), "2013-09-02 00:50:34");
        assert_eq!(read("2013/9/2 下午 1:50:34"), "2013-09-02 13:50:34");
        assert_eq!(read("2013/9/2 下午12:50:34"), "2013-09-02 12:50:34");
        assert_eq!(read("2013/9/2 1:50:34 PM"), "2013-09-02 13:50:34");
    }

    #[test]
    fn d_r12_nothing_and_placeholders_are_no_date() {
        for text in ["", "  ", "0001-01-01", "0001/1/1 0:00:00", "1900-01-01", "1900/1/1 0:00:00"] {
            assert_eq!(normalise(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn d_r12_what_is_no_date_is_refused() {
        for text in
            ["昨天", "2013-13-01", "2013-02-30", "2013-09-02 25:00", "13/9/2", "2013-09-02x", "2013", "9/2/2013"]
        {
            assert_eq!(normalise(text), Err(NotADate), "{text}");
        }
    }

    #[test]
    fn d_p9_a_day_at_the_end_of_a_range_means_its_last_second() {
        let day = parse("2024-01-31").unwrap().unwrap();
        assert_eq!(day.as_range_end().to_string(), "2024-01-31 23:59:59");
        let second = parse("2024-01-31 08:00").unwrap().unwrap();
        assert_eq!(second.as_range_end().to_string(), "2024-01-31 08:00:00");
    }

    #[test]
    fn d_q4_months_are_calendar_months() {
        let end = parse("2024-05-31 10:00:00").unwrap().unwrap();
        assert_eq!(end.plus_months(-3).to_string(), "2024-02-29 10:00:00");
        assert_eq!(end.plus_months(9).to_string(), "2025-02-28 10:00:00");
        assert_eq!(end.plus_months(-5).to_string(), "2023-12-31 10:00:00");
    }

    #[test]
    fn d_x1_local_text_is_beijing_time() {
        assert_eq!(local_text(1_478_793_600_000), "2016-11-11 00:00:00");
        assert_eq!(parse("2016-11-11").unwrap().unwrap().epoch_ms(), 1_478_793_600_000);
    }
}
