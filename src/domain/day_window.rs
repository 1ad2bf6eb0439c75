//! When others may be sent to or asked: spans of the day in Asia/Shanghai.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const MINUTE_MS: i64 = 60_000;
const DAY_MINUTES: i64 = 24 * 60;
/// Asia/Shanghai is eight hours ahead of UTC, all year.
const SHANGHAI_MINUTES: i64 = 8 * 60;

/// A span of the day such as `19:00-07:00`; one that ends before it begins goes over midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Window {
    from: i64,
    to: i64,
}

/// The text is no span of the day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no span of the day such as 19:00-07:00")]
pub struct NotAWindow(String);

impl TryFrom<String> for Window {
    type Error = NotAWindow;

    fn try_from(text: String) -> Result<Self, NotAWindow> {
        let parsed = text.split_once('-').and_then(|(from, to)| Some((minute(from)?, minute(to)?)));
        match parsed {
            Some((from, to)) if from != to && from < DAY_MINUTES => Ok(Self { from, to }),
            _ => Err(NotAWindow(text)),
        }
    }
}

impl From<Window> for String {
    fn from(window: Window) -> String {
        window.to_string()
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}-{:02}:{:02}", self.from / 60, self.from % 60, self.to / 60, self.to % 60)
    }
}

fn minute(text: &str) -> Option<i64> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let (hours, minutes) = (hours.parse::<i64>().ok()?, minutes.parse::<i64>().ok()?);
    let known = (0..=24).contains(&hours) && (0..60).contains(&minutes) && hours * 60 + minutes <= DAY_MINUTES;
    known.then_some(hours * 60 + minutes)
}

/// Whether a time (milliseconds since 1970 UTC) lies in one of the windows; without windows it always does.
pub fn is_open(windows: &[Window], now_ms: i64) -> bool {
    let at = (now_ms.div_euclid(MINUTE_MS) + SHANGHAI_MINUTES).rem_euclid(DAY_MINUTES);
    let lies_in = |window: &Window| match window.from < window.to {
        true => (window.from..window.to).contains(&at),
        false => at >= window.from || at < window.to,
    };
    windows.is_empty() || windows.iter().any(lies_in)
}

/// How long it is until one of the windows opens, in milliseconds; 0 when one is open.
pub fn opens_in_ms(windows: &[Window], now_ms: i64) -> u64 {
    if is_open(windows, now_ms) {
        return 0;
    }
    let day = DAY_MINUTES * MINUTE_MS;
    let at = (now_ms + SHANGHAI_MINUTES * MINUTE_MS).rem_euclid(day);
    let until = |window: &Window| (window.from * MINUTE_MS - at).rem_euclid(day);
    windows.iter().map(until).min().unwrap_or(0).unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(text: &str) -> Result<Window, NotAWindow> {
        Window::try_from(text.to_owned())
    }

    /// Milliseconds since 1970 UTC of a time of day in Asia/Shanghai.
    fn at(hour: i64, minute: i64) -> i64 {
        (hour * 60 + minute - 480 + 20 * DAY_MINUTES) * MINUTE_MS
    }

    #[test]
    fn a_window_may_go_over_midnight() {
        let night = [window("19:00-07:00").unwrap()];
        for (hour, minute, open) in [(18, 59, false), (19, 0, true), (0, 0, true), (6, 59, true), (7, 0, false)] {
            assert_eq!(is_open(&night, at(hour, minute)), open, "{hour}:{minute}");
        }
        let noon = [window("12:00-13:30").unwrap()];
        assert!(is_open(&noon, at(13, 29)) && !is_open(&noon, at(13, 30)) && !is_open(&noon, at(3, 0)));
        assert!(is_open(&[window("00:00-24:00").unwrap()], at(23, 59)));
        assert!(is_open(&[], 0));
    }

    #[test]
    fn the_wait_ends_when_the_next_window_opens() {
        let windows = [window("19:00-07:00").unwrap(), window("12:00-13:00").unwrap()];
        assert_eq!(opens_in_ms(&windows, at(20, 0)), 0);
        assert_eq!(opens_in_ms(&windows, at(11, 0)), 3_600_000);
        assert_eq!(opens_in_ms(&windows, at(13, 30)), 5 * 3_600_000 + 1_800_000);
        assert!(is_open(&windows, at(13, 30) + opens_in_ms(&windows, at(13, 30)) as i64));
        assert_eq!(opens_in_ms(&[], 0), 0);
    }

    #[test]
    fn what_is_no_span_of_the_day_is_refused() {
        for text in ["", "19:00", "7-8", "25:00-26:00", "12:60-13:00", "08:00-08:00", "24:00-01:00"] {
            assert!(window(text).is_err(), "{text}");
        }
        assert_eq!(String::from(window("9:05-17:00").unwrap()), "09:05-17:00");
    }
}
