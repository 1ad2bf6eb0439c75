//! ISO 2022 code extensions as DICOM uses them (PS3.5 section 6.1.2.5): escape sequences designate G0 and G1, and
//! delimiters put back what the first value of Specific Character Set says.

use encoding_rs::EUC_JP;

use super::repertoire::Repertoire;

/// What begins an escape sequence.
pub(super) const ESCAPE: u8 = 0x1B;
/// Single shift three: the next two bytes are JIS X 0212 in EUC-JP.
pub(super) const EUC_SUPPLEMENTARY: u8 = 0x8F;

/// What the two halves of the code table hold.
#[derive(Debug, Clone, Copy)]
struct Designation {
    g0: Repertoire,
    /// `None` when nothing was ever designated.
    g1: Option<Repertoire>,
}

/// The designations of PS3.3 tables C.12-3 and C.12-4.
const ESCAPES: &[(&[u8], Half, Repertoire)] = &[
    (b"(B", Half::G0, Repertoire::Ascii),
    (b"(J", Half::G0, Repertoire::Ascii),
    (b")I", Half::G1, Repertoire::Katakana),
    (b"$B", Half::G0, Repertoire::Kanji),
    (b"$@", Half::G0, Repertoire::Kanji),
    (b"$(B", Half::G0, Repertoire::Kanji),
    (b"$(D", Half::G0, Repertoire::SupplementaryKanji),
    (b"$)C", Half::G1, Repertoire::Korean),
    (b"$)A", Half::G1, Repertoire::Gb2312),
    (b"-A", Half::G1, Repertoire::Latin1),
    (b"-B", Half::G1, Repertoire::Latin2),
    (b"-C", Half::G1, Repertoire::Latin3),
    (b"-D", Half::G1, Repertoire::Latin4),
    (b"-M", Half::G1, Repertoire::Latin5),
    (b"-b", Half::G1, Repertoire::Latin9),
    (b"-L", Half::G1, Repertoire::Cyrillic),
    (b"-G", Half::G1, Repertoire::Arabic),
    (b"-F", Half::G1, Repertoire::Greek),
    (b"-H", Half::G1, Repertoire::Hebrew),
    (b"-T", Half::G1, Repertoire::Thai),
];

/// A half of the code table.
#[derive(Debug, Clone, Copy)]
pub(super) enum Half {
    /// The lower one, 21H to 7EH.
    G0,
    /// The upper one, A0H to FFH.
    G1,
}

/// The sequence behind the escape character that designates a set, and the half that it fills.
pub(super) fn designation_of(set: Repertoire) -> Option<(&'static [u8], Half)> {
    ESCAPES.iter().find(|(.., repertoire)| *repertoire == set).map(|(sequence, half, _)| (*sequence, *half))
}

/// Decodes text that has escape sequences; `plain` decodes upper-half bytes that nothing designates.
pub(super) fn decode(bytes: &[u8], initial: Option<Repertoire>, plain: impl Fn(&[u8]) -> String) -> String {
    let initial = Designation { g0: Repertoire::Ascii, g1: initial.filter(|r| *r != Repertoire::Ascii) };
    let mut now = initial;
    let mut out = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(&byte) = rest.first() {
        if byte == ESCAPE {
            rest = designate(&rest[1..], &mut now);
        } else if now.g0 != Repertoire::Ascii && (0x21..=0x7E).contains(&byte) {
            let length = rest.iter().take_while(|b| (0x21..=0x7E).contains(*b)).count();
            out.push_str(&kanji(&rest[..length], now.g0));
            rest = &rest[length..];
        } else if byte.is_ascii() {
            out.push(char::from(byte));
            if is_delimiter(byte) {
                // Without an initial G1 the last one stays: devices forget to repeat the sequence.
                now = Designation { g0: initial.g0, g1: initial.g1.or(now.g1) };
            }
            rest = &rest[1..];
        } else {
            let length = rest.iter().take_while(|b| !b.is_ascii()).count();
            match now.g1 {
                Some(repertoire) => out.push_str(&super::lossy(repertoire.encoding(), &rest[..length])),
                None => out.push_str(&plain(&rest[..length])),
            }
            rest = &rest[length..];
        }
    }
    out
}

fn designate<'a>(rest: &'a [u8], now: &mut Designation) -> &'a [u8] {
    for (sequence, half, repertoire) in ESCAPES {
        if let Some(rest) = rest.strip_prefix(*sequence) {
            match half {
                Half::G0 => now.g0 = *repertoire,
                Half::G1 => now.g1 = Some(*repertoire),
            }
            return rest;
        }
    }
    rest
}

/// What puts the first set back (PS3.5 section 6.1.2.5.3).
pub(super) fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'\\' | b'^' | b'=' | b'\r' | b'\n' | 0x0C | b'\t')
}

/// Two-byte sets in G0 become EUC-JP by setting their upper bits.
fn kanji(run: &[u8], repertoire: Repertoire) -> String {
    let mut euc = Vec::with_capacity(run.len() * 2);
    for pair in run.chunks(2) {
        if repertoire == Repertoire::SupplementaryKanji {
            euc.push(EUC_SUPPLEMENTARY);
        }
        euc.extend(pair.iter().map(|b| b | 0x80));
    }
    super::lossy(EUC_JP, &euc)
}
