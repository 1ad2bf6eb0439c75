//! Texts in the character set that a peer wants (PS3.3 section C.12.1.1.2, PS3.5 sections 6.1.2 and 6.1.3).
//!
//! What a set cannot hold is told, not replaced, so that the caller can fall back to UTF-8.

use encoding_rs::{self as rs, Encoding, UTF_8};

use super::code_extensions::CodeExtensions;
use super::repertoire::Repertoire;
use super::{Charset, whole};

/// Writes texts and says what Specific Character Set (0008,0005) must be for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextEncoder {
    terms: Vec<String>,
    form: Form,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    /// The set replaces everything.
    Whole(&'static Encoding),
    /// One set in the upper half, or several that take turns by escape sequences.
    Extended(CodeExtensions),
}

impl TextEncoder {
    /// UTF-8, `ISO_IR 192`.
    pub fn utf8() -> Self {
        Self { terms: vec!["ISO_IR 192".to_owned()], form: Form::Whole(UTF_8) }
    }

    /// The sets that values of (0008,0005) name; `None` when none is named.
    pub fn of_terms<S: AsRef<str>>(terms: &[S]) -> Option<Self> {
        let read = |term: &S| Repertoire::of_term(term.as_ref());
        let named: Vec<(&str, Repertoire)> = terms
            .iter()
            .filter_map(|term| Some((term.as_ref(), read(term)?)))
            .filter(|(_, repertoire)| *repertoire != Repertoire::Ascii)
            .collect();
        let &(term, repertoire) = named.first()?;
        // What replaces everything has no extensions; who names both is taken by the first word.
        if named.len() == 1 || named.iter().any(|(_, repertoire)| repertoire.stands_alone()) {
            return Self::of(repertoire, term);
        }
        let initial = terms.first().and_then(read).filter(|repertoire| repertoire.is_upper_half());
        let sets: Vec<Repertoire> = named.iter().map(|(_, repertoire)| *repertoire).collect();
        Some(Self::extended(CodeExtensions::of(initial.unwrap_or(Repertoire::Ascii), &sets)))
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
        let (terms, form) = match repertoire {
            Repertoire::Ascii => return None,
            Repertoire::Utf8 => (one("ISO_IR 192"), Form::Whole(UTF_8)),
            // A device that knows only GB 2312 reads GBK, not the four bytes of GB 18030.
            Repertoire::Gb18030 if ["GBK", "GB2312"].iter().any(|name| term.eq_ignore_ascii_case(name)) => {
                (one("GBK"), Form::Whole(rs::GBK))
            }
            Repertoire::Gb18030 => (one("GB18030"), Form::Whole(rs::GB18030)),
            single if single.is_upper_half() => (one(term), Form::Extended(CodeExtensions::of(single, &[]))),
            extension => return Some(Self::extended(CodeExtensions::of(Repertoire::Ascii, &[extension]))),
        };
        Some(Self { terms, form })
    }

    fn extended(sets: CodeExtensions) -> Self {
        Self { terms: sets.terms(), form: Form::Extended(sets) }
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
        match &self.form {
            Form::Whole(encoding) => whole(encoding, text),
            Form::Extended(sets) => sets.encode(text),
        }
    }
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
    fn the_terms_of_the_answer_are_those_of_the_request_in_their_proper_form() {
        for (asked, answered) in [
            (vec!["ISO_IR 100"], "ISO_IR 100"),
            (vec!["ISO_IR 13"], "ISO_IR 13"),
            (vec!["ISO 2022 IR 6", "ISO2022IR87"], "\\ISO 2022 IR 87"),
            (vec!["ISO_IR 13", "ISO 2022 IR 87"], "ISO 2022 IR 13\\ISO 2022 IR 87"),
            (vec!["ISO 2022 IR 87", "ISO 2022 IR 87", "ISO 2022 IR 13"], "\\ISO 2022 IR 87\\ISO 2022 IR 13"),
            (vec!["nonsense", "ISO 2022 IR 149"], "\\ISO 2022 IR 149"),
            (vec!["ISO_IR 100", "ISO_IR 192"], "ISO_IR 100"),
            (vec!["GB18030", "ISO 2022 IR 87"], "GB18030"),
        ] {
            assert_eq!(TextEncoder::of_terms(&asked).unwrap().terms(), answered, "{asked:?}");
        }
    }

    #[test]
    fn what_a_set_does_not_hold_is_not_written() {
        let encoder = |term: &str| TextEncoder::of_terms(&[term]).unwrap();
        assert_eq!(encoder("ISO_IR 100").encode("王"), None);
        assert_eq!(encoder("ISO_IR 100").encode("€"), None);
        assert_eq!(encoder("GBK").encode("𠀀"), None);
        assert_eq!(encoder("ISO 2022 IR 58").encode("镕"), None);
        assert_eq!(TextEncoder::of_terms(&["ISO_IR 6", "nonsense"]), None);
        assert_eq!(TextEncoder::of_charset(&Charset::parse("Big5").unwrap()), None);
        assert_eq!(TextEncoder::of_charset(&Charset::parse("gb2312").unwrap()).unwrap().terms(), "GBK");
    }
}
