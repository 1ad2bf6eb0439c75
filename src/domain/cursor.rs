//! Opaque cursors: where a list or a feed goes on.
//!
//! A cursor gives no right: what may be seen is decided anew at each request. It is checked all the same, so that a
//! damaged one, or one of another question, is an error and not a silent gap.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

const CHECK: usize = 6;
const LONGEST: usize = 256;
/// Between two texts.
const SEPARATOR: u8 = b'|';

/// A position in the change feed, and which history of positions it is one of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FeedPosition {
    /// The position; 0 is before the first.
    pub at: i64,
    /// The epoch in which it was given (ADR 4). Cursors of earlier versions name none.
    pub epoch: Option<i64>,
}

/// What a cursor belongs to, and where it points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cursor {
    /// A position in the change feed.
    Feed(FeedPosition),
    /// After this report in a list, by its time and its row, with a fingerprint of what was asked for.
    List {
        /// Of the question.
        question: [u8; 8],
        /// The first moment of the list where the question left it to us: a later page must not begin at another; `""`
        /// where it did not.
        since: String,
        /// The time by which the list is ordered.
        at: String,
        /// The report's row.
        pk: i64,
    },
}

impl Cursor {
    /// The text that callers keep.
    pub fn encode(&self) -> String {
        let mut bytes = Vec::new();
        match self {
            Cursor::Feed(position) => {
                bytes.push(b'f');
                bytes.extend(position.at.to_be_bytes());
                bytes.extend(position.epoch.into_iter().flat_map(i64::to_be_bytes));
            }
            Cursor::List { question, since, at, pk } => {
                bytes.push(b'l');
                bytes.extend(question);
                bytes.extend(pk.to_be_bytes());
                bytes.extend(since.as_bytes());
                bytes.push(SEPARATOR);
                bytes.extend(at.as_bytes());
            }
        }
        let check = Sha256::digest(&bytes);
        bytes.extend(&check[..CHECK]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what [`Cursor::encode`] wrote; nothing else is taken for a cursor.
    pub fn decode(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (body, check) = bytes.split_at_checked(bytes.len().checked_sub(CHECK)?)?;
        if Sha256::digest(body)[..CHECK] != *check {
            return None;
        }
        let (kind, rest) = body.split_first()?;
        let number = |bytes: &[u8]| Some(i64::from_be_bytes(bytes.try_into().ok()?)).filter(|n| *n >= 0);
        match kind {
            b'f' => {
                let (at, epoch) = rest.split_at_checked(8)?;
                let epoch = if epoch.is_empty() { None } else { Some(number(epoch)?) };
                Some(Cursor::Feed(FeedPosition { at: number(at)?, epoch }))
            }
            b'l' => {
                let (since, at) = std::str::from_utf8(rest.get(16..)?).ok()?.split_once(char::from(SEPARATOR))?;
                Some(Cursor::List {
                    question: rest.get(..8)?.try_into().ok()?,
                    since: since.to_owned(),
                    at: at.to_owned(),
                    pk: number(rest.get(8..16)?)?,
                })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_as_what_it_was() {
        let list = |since: &str| Cursor::List {
            question: [7; 8],
            since: since.into(),
            at: "2024-03-22 21:01:07".into(),
            pk: 42,
        };
        let feed = |at, epoch| Cursor::Feed(FeedPosition { at, epoch });
        let feeds = [feed(0, None), feed(i64::MAX, None), feed(7, Some(i64::MAX))];
        for cursor in feeds.into_iter().chain([list(""), list("2023-12-22 00:00:00")]) {
            assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
        }
    }

    #[test]
    fn what_is_damaged_or_made_up_is_no_cursor() {
        let feed = |at| Cursor::Feed(FeedPosition { at, epoch: None });
        let good = feed(77).encode();
        let last = if good.ends_with('A') { 'B' } else { 'A' };
        let damaged = format!("{}{last}", &good[..good.len() - 2]);
        let negative = feed(-1).encode();
        let long = "A".repeat(LONGEST + 1);
        for text in ["", "77", "AAAA", damaged.as_str(), negative.as_str(), long.as_str(), "十"] {
            assert_eq!(Cursor::decode(text), None, "{text}");
        }
    }
}
