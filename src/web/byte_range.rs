//! One range of bytes of an answer (RFC 9110 section 14).

use std::ops::Range;

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// No range that we serve: several, other units, or not understood; all of it is right then.
    Everything,
    /// One part.
    Part(Range<u64>),
    /// A range that does not overlap the file.
    Nothing,
}

/// Reads the header for a representation of that length.
pub(super) fn range_of(text: &str, length: u64) -> Wanted {
    let Some((first, last)) = text.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Wanted::Everything;
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let (start, end) = match (first.trim(), last.trim()) {
        ("", last) => match number(last) {
            Some(count) => (length.saturating_sub(count), length),
            None => return Wanted::Everything,
        },
        (first, "") => match number(first) {
            Some(start) => (start, length),
            None => return Wanted::Everything,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(start), Some(last)) if last >= start => (start, last.saturating_add(1).min(length)),
            _ => return Wanted::Everything,
        },
    };
    if start < end { Wanted::Part(start..end) } else { Wanted::Nothing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        let cases = [
            ("bytes=0-9", Wanted::Part(0..10)),
            ("bytes=90-", Wanted::Part(90..100)),
            ("bytes=-10", Wanted::Part(90..100)),
            ("bytes=-1000", Wanted::Part(0..100)),
            ("bytes=95-1000", Wanted::Part(95..100)),
            ("bytes=100-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=9-0", Wanted::Everything),
            ("bytes=0-1,5-6", Wanted::Everything),
            ("items=0-1", Wanted::Everything),
            ("bytes=x-", Wanted::Everything),
        ];
        for (text, expected) in cases {
            assert_eq!(range_of(text, 100), expected, "{text}");
        }
    }
}
