//! Code 128 barcodes (ISO/IEC 15417) for the numbers of reports, with code sets B and C.

/// White modules on each side of a barcode.
pub const QUIET_ZONE: u32 = 10;

const START_B: u8 = 104;
const START_C: u8 = 105;
const TO_B: u8 = 100;
const TO_C: u8 = 99;
const STOP: usize = 106;

/// Widths of bar, space, bar, space, bar, space for each symbol; the last one is the stop with its final bar.
const PATTERNS: [&str; 107] = [
    "212222", "222122", "222221", "121223", "121322", "131222", "122213", "122312", "132212", "221213", "221312",
    "231212", "112232", "122132", "122231", "113222", "123122", "123221", "223211", "221132", "221231", "213212",
    "223112", "312131", "311222", "321122", "321221", "312212", "322112", "322211", "212123", "212321", "232121",
    "111323", "131123", "131321", "112313", "132113", "132311", "211313", "231113", "231311", "112133", "112331",
    "132131", "113123", "113321", "133121", "313121", "211331", "231131", "213113", "213311", "213131", "311123",
    "311321", "331121", "312113", "312311", "332111", "314111", "221411", "431111", "111224", "111422", "121124",
    "121421", "141122", "141221", "112214", "112412", "122114", "122411", "142112", "142211", "241211", "221114",
    "413111", "241112", "134111", "111242", "121142", "121241", "114212", "124112", "124211", "411212", "421112",
    "421211", "212141", "214121", "412121", "111143", "111341", "131141", "114113", "114311", "411113", "411311",
    "113141", "114131", "311141", "411131", "211412", "211214", "211232", "2331112",
];

/// A bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// Modules between the left edge of the quiet zone and the bar.
    pub start: u32,
    /// Modules.
    pub width: u32,
}

/// A barcode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Barcode {
    /// Modules, quiet zones included.
    pub width: u32,
    /// The bars from left to right.
    pub bars: Vec<Bar>,
}

impl Barcode {
    /// Encodes a text; `None` when it is empty or has other characters than those between blank and tilde.
    pub fn encode(text: &str) -> Option<Self> {
        let symbols = symbols(text)?;
        let weighted = symbols.iter().enumerate().map(|(at, symbol)| at.max(1) * usize::from(*symbol));
        let check = weighted.sum::<usize>() % 103;
        let mut bars = Vec::new();
        let mut at = QUIET_ZONE;
        for symbol in symbols.iter().map(|symbol| usize::from(*symbol)).chain([check, STOP]) {
            for (place, width) in PATTERNS[symbol].bytes().map(|digit| u32::from(digit - b'0')).enumerate() {
                if place % 2 == 0 {
                    bars.push(Bar { start: at, width });
                }
                at += width;
            }
        }
        Some(Self { width: at + QUIET_ZONE, bars })
    }
}

/// The start and the data symbols: pairs of digits where they make the code shorter.
fn symbols(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    if bytes.is_empty() || bytes.iter().any(|byte| !(b' '..=b'~').contains(byte)) {
        return None;
    }
    let mut symbols = Vec::with_capacity(bytes.len() + 2);
    let mut in_pairs = false;
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let at_an_end = symbols.is_empty() || at + digits == bytes.len();
        let worth = digits >= 6 || (digits >= 4 && at_an_end) || (in_pairs && digits >= 2);
        // An odd digit goes first as itself, unless the code begins here.
        let pairs = worth && (in_pairs || symbols.is_empty() || digits % 2 == 0);
        match (symbols.is_empty(), in_pairs, pairs) {
            (true, _, true) => symbols.push(START_C),
            (true, _, false) => symbols.push(START_B),
            (false, false, true) => symbols.push(TO_C),
            (false, true, false) => symbols.push(TO_B),
            _ => {}
        }
        in_pairs = pairs;
        if pairs {
            symbols.push((bytes[at] - b'0') * 10 + bytes[at + 1] - b'0');
            at += 2;
        } else {
            symbols.push(bytes[at] - b' ');
            at += 1;
        }
    }
    Some(symbols)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_go_in_pairs_and_letters_one_by_one() {
        assert_eq!(symbols("1234").unwrap(), [START_C, 12, 34]);
        assert_eq!(symbols("AB1234").unwrap(), [START_B, 33, 34, TO_C, 12, 34]);
        assert_eq!(symbols("A12B").unwrap(), [START_B, 33, 17, 18, 34]);
        assert_eq!(symbols("12345").unwrap(), [START_C, 12, 34, TO_B, 21]);
    }

    #[test]
    fn every_symbol_is_eleven_modules_wide_and_the_stop_thirteen() {
        let width = |pattern: &str| pattern.bytes().map(|digit| u32::from(digit - b'0')).sum::<u32>();
        assert!(PATTERNS[..STOP].iter().all(|pattern| width(pattern) == 11));
        assert_eq!(width(PATTERNS[STOP]), 13);
        let code = Barcode::encode("LAB-T01").unwrap();
        assert_eq!(code.width, 2 * QUIET_ZONE + 11 * 9 + 13);
    }

    #[test]
    fn what_the_code_cannot_say_is_refused() {
        assert_eq!(Barcode::encode(""), None);
        assert_eq!(Barcode::encode("报告1"), None);
    }
}
