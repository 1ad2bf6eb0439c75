//! Texts of a data set as UTF-8 (PS3.3 section C.12.1.1.2, PS3.5 section 6.1 and annexes H to K).
//!
//! What Specific Character Set (0008,0005) declares is honoured with all its values and ISO 2022 escape sequences, but
//! not believed blindly: Chinese devices often declare nothing, or Latin-1, and send GBK (D-I17). Undeclared text is
//! UTF-8 when it is that, else the peer's default. Control characters are removed; nothing else is normalised.

mod code_extensions;
mod encode;
mod iso2022;
mod repertoire;

use encoding_rs::{Encoding, GB18030, UTF_8};
use serde::{Deserialize, Serialize};

pub use encode::TextEncoder;
use repertoire::Repertoire;

/// The name of a character set, as in a configuration: `GB18030`, `UTF-8`, `ISO-8859-1`, or a DICOM term (`ISO_IR 192`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Charset(String);

/// The text names no character set that we know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown character set {0:?}; try GB18030, GBK, UTF-8, Big5, EUC-KR, Shift_JIS or ISO-8859-1")]
pub struct CharsetError(String);

impl Charset {
    /// Reads a name of the WHATWG encoding standard or a defined term of DICOM.
    pub fn parse(name: &str) -> Result<Self, CharsetError> {
        let name = name.trim();
        match encoding_named(name) {
            Some(_) => Ok(Self(name.to_owned())),
            None => Err(CharsetError(name.to_owned())),
        }
    }

    /// GB18030, which holds GBK and GB 2312.
    pub fn gb18030() -> Self {
        Self("GB18030".to_owned())
    }

    /// The name as it was configured.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn encoding(&self) -> &'static Encoding {
        encoding_named(&self.0).unwrap_or(GB18030)
    }
}

impl Default for Charset {
    fn default() -> Self {
        Self::gb18030()
    }
}

impl TryFrom<String> for Charset {
    type Error = CharsetError;

    fn try_from(name: String) -> Result<Self, CharsetError> {
        Self::parse(&name)
    }
}

impl From<Charset> for String {
    fn from(charset: Charset) -> String {
        charset.0
    }
}

fn encoding_named(name: &str) -> Option<&'static Encoding> {
    let known = Encoding::for_label(name.as_bytes()).filter(|encoding| encoding.is_ascii_compatible());
    known.or_else(|| Repertoire::of_term(name).map(Repertoire::encoding))
}

/// Decodes a value. `terms` are all values of (0008,0005), none when it is absent.
pub fn decode<S: AsRef<str>>(bytes: &[u8], terms: &[S], default_charset: &Charset) -> String {
    let text = if bytes.contains(&0x1B) {
        let initial = terms.first().and_then(|term| Repertoire::of_term(term.as_ref()));
        iso2022::decode(bytes, initial, |run| decode_plain(run, terms, default_charset))
    } else {
        decode_plain(bytes, terms, default_charset)
    };
    // A value cut to its maximum length by a device ends inside a character.
    let text = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
    text.chars().filter(|c| !c.is_control()).collect()
}

/// Bytes without escape sequences.
fn decode_plain<S: AsRef<str>>(bytes: &[u8], terms: &[S], default_charset: &Charset) -> String {
    if bytes.is_ascii() {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    // The first value that is more than ASCII: `\ISO 2022 IR 149` without escapes is common in practice.
    let declared = terms.iter().filter_map(|term| Repertoire::of_term(term.as_ref())).find(|r| *r != Repertoire::Ascii);
    let fallback = default_charset.encoding();
    match declared {
        None => undeclared(bytes, fallback),
        Some(Repertoire::Utf8) => {
            strict(UTF_8, bytes).or_else(|| mostly_utf8(bytes, 1)).unwrap_or_else(|| undeclared(bytes, fallback))
        }
        Some(repertoire) if repertoire.is_single_byte() => single_byte(bytes, repertoire, fallback),
        Some(repertoire) => {
            let encoding = repertoire.encoding();
            strict(encoding, bytes).or_else(|| strict(UTF_8, bytes)).unwrap_or_else(|| lossy(encoding, bytes))
        }
    }
}

/// Nothing was declared: UTF-8 when it is that and not rather the default's Chinese, else the default.
fn undeclared(bytes: &[u8], fallback: &'static Encoding) -> String {
    match strict(UTF_8, bytes) {
        // Two GB 2312 characters can look like Latin, Greek or Cyrillic letters of UTF-8.
        Some(text) if text.chars().all(|c| c < '\u{800}') => {
            strict(fallback, bytes).filter(|other| other.chars().any(is_han)).unwrap_or(text)
        }
        Some(text) => text,
        None => mostly_utf8(bytes, 2).unwrap_or_else(|| lossy(fallback, bytes)),
    }
}

/// Damaged UTF-8 whose Chinese characters outnumber the damage by more than `weight` to one; GBK never looks like that.
fn mostly_utf8(bytes: &[u8], weight: usize) -> Option<String> {
    let text = lossy(UTF_8, bytes);
    let damage = text.chars().filter(|c| *c == char::REPLACEMENT_CHARACTER).count();
    let good = text.chars().filter(|c| *c >= '\u{800}' && *c != char::REPLACEMENT_CHARACTER).count();
    (good > damage * weight).then_some(text)
}

/// A single-byte set was declared; Chinese under the label of Latin-1 is told by its look.
fn single_byte(bytes: &[u8], repertoire: Repertoire, fallback: &'static Encoding) -> String {
    if let Some(text) = strict(UTF_8, bytes) {
        return text;
    }
    let chinese = strict(fallback, bytes).filter(|text| text.chars().any(is_han) && !fallback.is_single_byte());
    match chinese {
        Some(text) if is_implausible_latin(bytes, repertoire) => text,
        _ => lossy(repertoire.encoding(), bytes),
    }
}

/// Accented letters stand alone among ASCII letters; double-byte text comes in even runs, or uses the C1 controls and
/// symbols that no name has.
fn is_implausible_latin(bytes: &[u8], repertoire: Repertoire) -> bool {
    if repertoire != Repertoire::Latin1 {
        return false;
    }
    let runs: Vec<&[u8]> = bytes.split(u8::is_ascii).filter(|run| !run.is_empty()).collect();
    let controls = bytes.iter().any(|b| matches!(b, 0x80..=0x9F));
    let symbols = runs.iter().any(|run| run.len() > 1 && run.iter().any(|b| matches!(b, 0xA1..=0xBF)));
    controls || symbols || runs.iter().all(|run| run.len() % 2 == 0)
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9FFF}' | '\u{20000}'..='\u{3FFFF}')
}

fn strict(encoding: &'static Encoding, bytes: &[u8]) -> Option<String> {
    encoding.decode_without_bom_handling_and_without_replacement(bytes).map(std::borrow::Cow::into_owned)
}

fn lossy(encoding: &'static Encoding, bytes: &[u8]) -> String {
    encoding.decode_without_bom_handling(bytes).0.into_owned()
}

/// The text in an encoding; `None` when that has not all of its characters.
fn whole(encoding: &'static Encoding, text: &str) -> Option<Vec<u8>> {
    let (bytes, used, unmappable) = encoding.encode(text);
    (!unmappable && used == encoding).then(|| bytes.into_owned())
}

#[cfg(test)]
mod tests;
