//! The defined terms of Specific Character Set (PS3.3 tables C.12-2 to C.12-5) and what decodes them.

use encoding_rs::{self as rs, Encoding};

/// A character set that a term or an escape sequence names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repertoire {
    Ascii,
    Latin1,
    Latin2,
    Latin3,
    Latin4,
    Latin5,
    Latin9,
    Cyrillic,
    Arabic,
    Greek,
    Hebrew,
    Thai,
    Katakana,
    Kanji,
    SupplementaryKanji,
    Korean,
    Gb2312,
    Gb18030,
    Utf8,
}

/// The registration numbers of ISO-IR.
const NUMBERS: &[(&str, Repertoire)] = &[
    ("6", Repertoire::Ascii),
    ("100", Repertoire::Latin1),
    ("101", Repertoire::Latin2),
    ("109", Repertoire::Latin3),
    ("110", Repertoire::Latin4),
    ("148", Repertoire::Latin5),
    ("203", Repertoire::Latin9),
    ("144", Repertoire::Cyrillic),
    ("127", Repertoire::Arabic),
    ("126", Repertoire::Greek),
    ("138", Repertoire::Hebrew),
    ("166", Repertoire::Thai),
    ("13", Repertoire::Katakana),
    ("87", Repertoire::Kanji),
    ("159", Repertoire::SupplementaryKanji),
    ("149", Repertoire::Korean),
    ("58", Repertoire::Gb2312),
    ("192", Repertoire::Utf8),
];

impl Repertoire {
    /// Reads a defined term with the liberties that devices take: `ISO-IR 100`, `ISO_IR_100`, `ISO2022IR149`, `UTF8`.
    pub(super) fn of_term(term: &str) -> Option<Self> {
        let squeezed: String =
            term.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
        let number = squeezed.strip_prefix("ISO2022IR").or_else(|| squeezed.strip_prefix("ISOIR"));
        let number = match number {
            Some(number) => number,
            None => {
                return match squeezed.as_str() {
                    "GB18030" | "GBK" | "GB2312" => Some(Repertoire::Gb18030),
                    "UTF8" => Some(Repertoire::Utf8),
                    _ => None,
                };
            }
        };
        NUMBERS.iter().find(|(of, _)| *of == number).map(|(_, repertoire)| *repertoire)
    }

    /// The number in its terms; `None` for the Chinese sets that have names.
    pub(super) fn number(self) -> Option<&'static str> {
        NUMBERS.iter().find(|(_, repertoire)| *repertoire == self).map(|(number, _)| *number)
    }

    /// What decodes whole texts of this set that have no escape sequences.
    pub(super) fn encoding(self) -> &'static Encoding {
        match self {
            Repertoire::Ascii | Repertoire::Latin1 => rs::WINDOWS_1252,
            Repertoire::Latin2 => rs::ISO_8859_2,
            Repertoire::Latin3 => rs::ISO_8859_3,
            Repertoire::Latin4 => rs::ISO_8859_4,
            Repertoire::Latin5 => rs::WINDOWS_1254,
            Repertoire::Latin9 => rs::ISO_8859_15,
            Repertoire::Cyrillic => rs::ISO_8859_5,
            Repertoire::Arabic => rs::ISO_8859_6,
            Repertoire::Greek => rs::ISO_8859_7,
            Repertoire::Hebrew => rs::ISO_8859_8,
            Repertoire::Thai => rs::WINDOWS_874,
            Repertoire::Katakana | Repertoire::Kanji | Repertoire::SupplementaryKanji => rs::SHIFT_JIS,
            Repertoire::Korean => rs::EUC_KR,
            Repertoire::Gb2312 | Repertoire::Gb18030 => rs::GB18030,
            Repertoire::Utf8 => rs::UTF_8,
        }
    }

    pub(super) fn is_single_byte(self) -> bool {
        self.encoding().is_single_byte()
    }

    /// Whether it may be the first of several sets and fill the upper half by itself.
    pub(super) fn is_upper_half(self) -> bool {
        self == Repertoire::Katakana || (self != Repertoire::Ascii && self.is_single_byte())
    }

    /// Whether it replaces everything and has no escape sequence (PS3.3 section C.12.1.1.2).
    pub(super) fn stands_alone(self) -> bool {
        matches!(self, Repertoire::Gb18030 | Repertoire::Utf8)
    }
}
