//! Texts in the character set that a peer wants (PS3.3 section C.12.1.1.2, PS3.5 sections 6.1.2 and 6.1.3).
//!
//! What a set cannot hold is told, not replaced, so that the caller can fall back to UTF-8. Of the code extensions
//! ISO 2022 IR 58 (Chinese) and ISO 2022 IR 149 (Korean) are written; the Japanese ones are read only.

use encoding_rs::{self as rs, Encoding, UTF_8};

use super::Charset;
use super::repertoire::Repertoire;

/// Writes texts and says what Specific Character Set (0008,0005) must be for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextEncoder {
    terms: Vec<String>,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The set fills the upper half, or replaces everything.
    Whole(&'static Encoding),
    /// Latin-1 proper, without what Windows put in place of the C1 controls.
    SingleByte(&'static Encoding),
    /// An escape sequence designates two-byte characters of the upper half.
    Escaped { encoding: &'static Encoding, escape: &'static [u8] },
}

impl TextEncoder {
    /// UTF-8, `ISO_IR 192`.
    pub fn utf8() -> Self {
        Self { terms: vec!["ISO_IR 192".to_owned()], form: Form::Whole(UTF_8) }
    }

    /// The set that values of (0008,0005) name; `None` when none is named or it cannot be written.
    pub fn of_terms<S: AsRef<str>>(terms: &[S]) -> Option<Self> {
        let (term, repertoire) = terms
            .iter()
            .filter_map(|term| Some((term.as_ref(), Repertoire::of_term(term.as_ref())?)))
            .find(|(_, repertoire)| *repertoire != Repertoire::Ascii)?;
        Self::of(repertoire, term)
    }

    /// The set that a configuration names; `None` when DICOM has no term for it.
    pub fn of_charset(charset: &Charset) -> Option<Self> {
        if let Some(repertoire) = Repertoire::of_term(charset.as_str()) {
            return Self::of(repertoire, charset.as_str());
        }
        let encoding = charset.encoding();
        let known = [
            (UTF_8, Repertoire::Utf8, "ISO_IR 192"),
            (rs::GBK, Repertoire::Gb18030, "GBK"),
            (rs::GB18030, Repertoire::Gb18030, "GB18030"),
            (rs::EUC_KR, Repertoire::Korean, ""),
            (rs::WINDOWS_1252, Repertoire::Latin1, "ISO_IR 100"),
            (rs::ISO_8859_2, Repertoire::Latin2, "ISO_IR 101"),
            (rs::ISO_8859_5, Repertoire::Cyrillic, "ISO_IR 144"),
        ];
        let (_, repertoire, term) = known.into_iter().find(|(of, ..)| *of == encoding)?;
        Self::of(repertoire, term)
    }

    fn of(repertoire: Repertoire, term: &str) -> Option<Self> {
        let one = |term: &str| vec![term.to_owned()];
        let extended = |term: &str| vec![String::new(), term.to_owned()];
        let (terms, form) = match repertoire {
            Repertoire::Ascii | Repertoire::Katakana | Repertoire::Kanji | Repertoire::SupplementaryKanji => {
                return None;
            }
            Repertoire::Utf8 => (one("ISO_IR 192"), Form::Whole(UTF_8)),
            // A device that knows only GB 2312 reads GBK, not the four bytes of GB 18030.
            Repertoire::Gb18030 if ["GBK", "GB2312"].iter().any(|name| term.eq_ignore_ascii_case(name)) => {
                (one("GBK"), Form::Whole(rs::GBK))
            }
            Repertoire::Gb18030 => (one("GB18030"), Form::Whole(rs::GB18030)),
            Repertoire::Gb2312 => (extended("ISO 2022 IR 58"), Form::Escaped { encoding: rs::GBK, escape: b"\x1B$)A" }),
            Repertoire::Korean => {
                (extended("ISO 2022 IR 149"), Form::Escaped { encoding: rs::EUC_KR, escape: b"\x1B$)C" })
            }
            single => (one(term), Form::SingleByte(single.encoding())),
        };
        Some(Self { terms, form })
    }

    /// The value of Specific Character Set (0008,0005).
    pub fn terms(&self) -> String {
        self.terms.join("\\")
    }

    /// The text's bytes; `None` when the set has not all of its characters.
    pub fn encode(&self, text: &str) -> Option<Vec<u8>> {
        if text.is_ascii() {
            return Some(text.as_bytes().to_vec());
        }
        match self.form {
            Form::Whole(encoding) => whole(encoding, text),
            Form::SingleByte(encoding) => {
                whole(encoding, text).filter(|bytes| !bytes.iter().any(|b| matches!(b, 0x80..=0x9F)))
            }
            Form::Escaped { encoding, escape } => escaped(encoding, escape, text),
        }
    }
}

fn whole(encoding: &'static Encoding, text: &str) -> Option<Vec<u8>> {
    let (bytes, used, unmappable) = encoding.encode(text);
    (!unmappable && used == encoding).then(|| bytes.into_owned())
}

/// Each delimiter puts the code table back to its beginning, so the sequence is repeated behind it.
fn escaped(encoding: &'static Encoding, escape: &[u8], text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() + 16);
    let mut designated = false;
    for c in text.chars() {
        if c.is_ascii() {
            bytes.push(c as u8);
            if matches!(c, '\\' | '^' | '=' | '\r' | '\n' | '\t' | '\u{0C}') {
                designated = false;
            }
            continue;
        }
        let pair = whole(encoding, c.encode_utf8(&mut [0; 4]))?;
        if !is_designated(encoding, &pair) {
            return None;
        }
        if !designated {
            bytes.extend_from_slice(escape);
            designated = true;
        }
        bytes.extend_from_slice(&pair);
    }
    Some(bytes)
}

/// Whether the bytes are of the 94×94 set that the escape sequence designates, and not of what GBK and UHC added to it.
fn is_designated(encoding: &'static Encoding, bytes: &[u8]) -> bool {
    let &[row, cell @ 0xA1..=0xFE] = bytes else { return false };
    if encoding == rs::EUC_KR {
        return matches!(row, 0xA1..=0xFE);
    }
    let added = matches!((row, cell), (0xA2, 0xA1..=0xAA) | (0xA6, 0xE0..=0xF5) | (0xA8, 0xBB..=0xC0));
    matches!(row, 0xA1..=0xF7) && !added
}

#[cfg(test)]
mod tests {
    use super::super::decode;
    use super::*;

    #[test]
    fn what_is_written_is_read_back_under_the_terms() {
        for (terms, text) in [
            (vec!["ISO_IR 192"], "Wang^Xiaoming=王^小明"),
            (vec!["GB18030"], "王^小𠀀"),
            (vec!["GBK"], "王^小镕"),
            (vec!["", "ISO 2022 IR 58"], "Wang^XiaoDong=王^小东="),
            (vec!["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
            (vec!["ISO_IR 100"], "Müller^Jürgen"),
            (vec!["ISO_IR 144"], "Люкceмбypг"),
        ] {
            let encoder = TextEncoder::of_terms(&terms).unwrap();
            let bytes = encoder.encode(text).unwrap();
            let declared: Vec<String> = encoder.terms().split('\\').map(str::to_owned).collect();
            assert_eq!(decode(&bytes, &declared, &Charset::gb18030()), text, "{terms:?}");
        }
    }

    #[test]
    fn the_example_of_the_standard_is_written_byte_for_byte() {
        let encoder = TextEncoder::of_terms(&["", "ISO 2022 IR 58"]).unwrap();
        let expected = b"Zhang^XiaoDong=\x1B$)A\xD5\xC5^\x1B$)A\xD0\xA1\xB6\xAB=";
        assert_eq!(encoder.encode("Zhang^XiaoDong=张^小东=").unwrap(), expected);
    }

    #[test]
    fn what_a_set_does_not_hold_is_not_written() {
        let encoder = |term: &str| TextEncoder::of_terms(&[term]).unwrap();
        assert_eq!(encoder("ISO_IR 100").encode("王"), None);
        assert_eq!(encoder("ISO_IR 100").encode("€"), None);
        assert_eq!(encoder("GBK").encode("𠀀"), None);
        assert_eq!(encoder("ISO 2022 IR 58").encode("镕"), None);
        assert_eq!(TextEncoder::of_terms(&["ISO 2022 IR 87"]), None);
        assert_eq!(TextEncoder::of_terms(&["ISO_IR 6", "nonsense"]), None);
        assert_eq!(TextEncoder::of_charset(&Charset::parse("Big5").unwrap()), None);
        assert_eq!(TextEncoder::of_charset(&Charset::parse("gb2312").unwrap()).unwrap().terms(), "GBK");
    }
}
