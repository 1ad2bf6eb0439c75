//! Texts written with ISO 2022 code extensions (PS3.5 sections 6.1.2.4 and 6.1.2.5), the counterpart of `iso2022.rs`.
//!
//! Only one set is in use at a time: before what is not of a two-byte set of the lower half, the first set is put back
//! there, also where ISO 2022 would let the upper half be used beside it: readers take a text apart at each escape
//! sequence. A character goes to the set in use when that has it, else to the first declared one.

use std::collections::HashMap;
use std::sync::LazyLock;

use encoding_rs::{EUC_JP, EUC_KR, GBK};

use super::iso2022::{ESCAPE, EUC_SUPPLEMENTARY, Half, designation_of, is_delimiter};
use super::repertoire::Repertoire;
use super::whole;

/// A first set and what escape sequences put in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CodeExtensions {
    /// The upper half at the beginning of each value and component; ASCII when there is none.
    initial: Repertoire,
    others: Vec<Repertoire>,
}

impl CodeExtensions {
    /// Extensions in the order in which they are tried; none for a set that stands alone.
    pub(super) fn of(initial: Repertoire, extensions: &[Repertoire]) -> Self {
        let mut others: Vec<Repertoire> = Vec::new();
        for set in extensions {
            if *set != initial && !others.contains(set) {
                others.push(*set);
            }
        }
        Self { initial, others }
    }

    /// The values of Specific Character Set (0008,0005).
    pub(super) fn terms(&self) -> Vec<String> {
        let term = |set: &Repertoire| match set {
            Repertoire::Ascii => String::new(),
            set => set.number().map(|number| format!("ISO 2022 IR {number}")).unwrap_or_default(),
        };
        [self.initial].iter().chain(&self.others).map(term).collect()
    }

    /// The text's bytes; `None` when no set has all of its characters.
    pub(super) fn encode(&self, text: &str) -> Option<Vec<u8>> {
        let bytes = Vec::with_capacity(text.len() + 16);
        let mut writer = Writer { sets: self, lower: Repertoire::Ascii, upper: self.initial, bytes };
        for c in text.chars() {
            match u8::try_from(c) {
                Ok(byte) if byte.is_ascii() => writer.put_ascii(byte),
                _ => writer.put(c)?,
            }
        }
        writer.put_back();
        Some(writer.bytes)
    }
}

struct Writer<'a> {
    sets: &'a CodeExtensions,
    /// ASCII, or a two-byte set.
    lower: Repertoire,
    /// ASCII when nothing is designated, or it has to be said again.
    upper: Repertoire,
    bytes: Vec<u8>,
}

impl Writer<'_> {
    fn put_ascii(&mut self, byte: u8) {
        if is_delimiter(byte) {
            self.put_back();
        } else {
            self.put_lower_back();
        }
        self.bytes.push(byte);
    }

    fn put(&mut self, c: char) -> Option<()> {
        let in_use = [self.lower, self.upper, self.sets.initial];
        let mut sets = in_use.into_iter().chain(self.sets.others.iter().copied());
        let (set, code) = sets.find_map(|set| Some((set, code_of(set, c)?)))?;
        let (sequence, half) = designation_of(set)?;
        match half {
            Half::G0 if self.lower != set => {
                self.escape(sequence);
                self.lower = set;
            }
            Half::G0 => {}
            Half::G1 => {
                self.put_lower_back();
                if self.upper != set {
                    self.escape(sequence);
                    self.upper = set;
                }
            }
        }
        self.bytes.extend_from_slice(&code);
        Some(())
    }

    /// Everything as at the beginning. An upper half that was empty then has no sequence, and needs none.
    fn put_back(&mut self) {
        self.put_lower_back();
        if self.upper != self.sets.initial {
            self.upper = self.sets.initial;
            if let Some((sequence, Half::G1)) = designation_of(self.upper) {
                self.escape(sequence);
            }
        }
    }

    fn put_lower_back(&mut self) {
        if self.lower == Repertoire::Ascii {
            return;
        }
        self.lower = Repertoire::Ascii;
        // The lower half of ISO_IR 13 is the Roman set of JIS X 0201.
        self.escape(if self.sets.initial == Repertoire::Katakana { b"(J" } else { b"(B" });
        if self.upper != self.sets.initial {
            self.upper = Repertoire::Ascii;
        }
    }

    fn escape(&mut self, sequence: &[u8]) {
        self.bytes.push(ESCAPE);
        self.bytes.extend_from_slice(sequence);
    }
}

/// The code of a character that is not ASCII; `None` when the set proper has it not.
fn code_of(set: Repertoire, c: char) -> Option<Vec<u8>> {
    let in_encoding = |encoding| whole(encoding, c.encode_utf8(&mut [0; 4]));
    match set {
        Repertoire::Ascii | Repertoire::Gb18030 | Repertoire::Utf8 => None,
        // Rows 9 to 15 and those from 85 on are not of JIS X 0208, but of what vendors added to it.
        Repertoire::Kanji => match in_encoding(EUC_JP)?.as_slice() {
            [row @ (0xA1..=0xA8 | 0xB0..=0xF4), cell @ 0xA1..=0xFE] => Some(vec![row & 0x7F, cell & 0x7F]),
            _ => None,
        },
        Repertoire::SupplementaryKanji => SUPPLEMENTARY_KANJI.get(&c).map(|code| code.to_vec()),
        Repertoire::Korean => in_encoding(EUC_KR).filter(|code| matches!(code[..], [0xA1..=0xFE, 0xA1..=0xFE])),
        // Neither have devices that know GB 2312 what GBK added to it.
        Repertoire::Gb2312 => in_encoding(GBK).filter(|code| match code[..] {
            [row @ 0xA1..=0xF7, cell @ 0xA1..=0xFE] => {
                !matches!((row, cell), (0xA2, 0xA1..=0xAA) | (0xA6, 0xE0..=0xF5) | (0xA8, 0xBB..=0xC0))
            }
            _ => false,
        }),
        // One byte, without what Windows put in place of the C1 controls; of Shift_JIS only the katakana.
        single => in_encoding(single.encoding()).filter(|code| matches!(code[..], [0xA0..=0xFF])),
    }
}

/// JIS X 0212, which encoders of EUC-JP leave out, by what decoders make of it.
static SUPPLEMENTARY_KANJI: LazyLock<HashMap<char, [u8; 2]>> = LazyLock::new(|| {
    let mut codes = HashMap::with_capacity(6144);
    for row in 0xA1..=0xED_u8 {
        for cell in 0xA1..=0xFE_u8 {
            let decoded = super::strict(EUC_JP, &[EUC_SUPPLEMENTARY, row, cell]);
            if let Some(c) = decoded.and_then(|text| text.chars().next()) {
                codes.entry(c).or_insert([row & 0x7F, cell & 0x7F]);
            }
        }
    }
    codes
});

#[cfg(test)]
mod tests {
    use super::super::{Charset, TextEncoder, decode};

    fn encoder(terms: &[&str]) -> TextEncoder {
        TextEncoder::of_terms(terms).unwrap()
    }

    fn terms_of(encoder: &TextEncoder) -> Vec<String> {
        encoder.terms().split('\\').map(str::to_owned).collect()
    }

    #[test]
    fn the_japanese_and_korean_examples_of_the_standard_are_written_byte_for_byte() {
        let examples: [(&[&str], &str, &[u8]); 3] = [
            // Annex H.3.1
            (
                &["", "ISO 2022 IR 87"],
                "Yamada^Tarou=山田^太郎=やまだ^たろう",
                b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
            ),
            // Annex H.3.2
            (
                &["ISO 2022 IR 13", "ISO 2022 IR 87"],
                "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
                b"\xD4\xCF\xC0\xDE^\xC0\xDB\xB3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\
                  \x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
            ),
            // Annex I.2
            (
                &["", "ISO 2022 IR 149"],
                "Hong^Gildong=洪^吉洞=홍^길동",
                b"Hong^Gildong=\x1b$)C\xFB\xF3^\x1b$)C\xD1\xCE\xD4\xD7=\x1b$)C\xC8\xAB^\x1b$)C\xB1\xE6\xB5\xBF",
            ),
        ];
        for (terms, text, expected) in examples {
            let encoder = encoder(terms);
            assert_eq!(encoder.encode(text).unwrap(), expected, "{text}");
            assert_eq!(terms_of(&encoder), terms);
            assert_eq!(decode(expected, terms, &Charset::gb18030()), text);
        }
    }

    #[test]
    fn several_sets_take_turns_and_the_first_is_put_back_before_delimiters_and_the_end() {
        let cases: [(&[&str], &str, &[u8]); 9] = [
            (&["ISO_IR 13"], "ﾔﾏﾀﾞ^ﾀﾛｳ A", b"\xD4\xCF\xC0\xDE^\xC0\xDB\xB3 A"),
            (&["ISO 2022 IR 87"], "山A\\田", b"\x1b$B;3\x1b(BA\\\x1b$BED\x1b(B"),
            (&["", "ISO 2022 IR 159"], "丂 丄", b"\x1b$(D0!\x1b(B \x1b$(D0\"\x1b(B"),
            (
                &["ISO 2022 IR 6", "ISO 2022 IR 87", "ISO 2022 IR 159"],
                "山丂^A山",
                b"\x1b$B;3\x1b$(D0!\x1b(B^A\x1b$B;3\x1b(B",
            ),
            (&["ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔ山ﾔ", b"\xD4\x1b$B;3\x1b(J\xD4"),
            (&["", "ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔ山ﾔ^ﾔ", b"\x1b)I\xD4\x1b$B;3\x1b(B\x1b)I\xD4^\x1b)I\xD4"),
            (&["", "ISO 2022 IR 149", "ISO 2022 IR 87"], "홍ぁ홍", b"\x1b$)C\xC8\xAB\xAA\xA1\xC8\xAB"),
            (&["", "ISO 2022 IR 149", "ISO 2022 IR 58"], "홍\\张", b"\x1b$)C\xC8\xAB\\\x1b$)A\xD5\xC5"),
            (&["ISO 2022 IR 100", "ISO 2022 IR 149"], "é홍^é", b"\xE9\x1b$)C\xC8\xAB\x1b-A^\xE9"),
        ];
        for (terms, text, expected) in cases {
            let encoder = encoder(terms);
            let bytes = encoder.encode(text).unwrap();
            assert_eq!(bytes, expected, "{terms:?} {text} {bytes:02X?}");
            assert_eq!(decode(&bytes, &terms_of(&encoder), &Charset::gb18030()), text, "{terms:?}");
        }
    }

    #[test]
    fn what_a_set_proper_does_not_hold_is_not_written() {
        for (terms, text) in [
            (["ISO_IR 13", ""], "山"),
            (["", "ISO 2022 IR 87"], "ﾔ"),
            (["", "ISO 2022 IR 87"], "①"),
            (["", "ISO 2022 IR 87"], "髙"),
            (["", "ISO 2022 IR 87"], "丂"),
            (["", "ISO 2022 IR 87"], "¥"),
            (["", "ISO 2022 IR 159"], "山"),
            (["", "ISO 2022 IR 58"], "홍"),
        ] {
            assert_eq!(encoder(&terms).encode(text), None, "{terms:?} {text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_back(text in "[ -~ぁ-んァ-ヶｦ-ﾟ一-龥가-힣]{0,8}", pick in 0_usize..6) {
            let terms: [&[&str]; 6] = [
                &["", "ISO 2022 IR 87"],
                &["ISO 2022 IR 13", "ISO 2022 IR 87"],
                &["", "ISO 2022 IR 87", "ISO 2022 IR 159"],
                &["", "ISO 2022 IR 149", "ISO 2022 IR 87"],
                &["", "ISO 2022 IR 58", "ISO 2022 IR 13"],
                &["ISO 2022 IR 13", "ISO 2022 IR 149", "ISO 2022 IR 159", "ISO 2022 IR 58"],
            ];
            let encoder = encoder(terms[pick]);
            if let Some(bytes) = encoder.encode(&text) {
                proptest::prop_assert_eq!(decode(&bytes, &terms_of(&encoder), &Charset::gb18030()), text);
            }
        }
    }
}
