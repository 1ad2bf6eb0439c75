//! A content stream's balance (ISO 32000-1 section 7.8.2): what it leaves open when it ends.
//!
//! Some producers save the graphics state without restoring it, or restore it more often than they saved it.
//! A stamp that is appended must begin in the page's initial state, so the balance is counted; nothing is interpreted.

/// What a content stream leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Balance {
    /// `Q` operators without a `q` before them.
    pub(super) missing_saves: usize,
    /// `q` operators without a `Q` after them.
    pub(super) missing_restores: usize,
    /// `BT` without `ET`.
    pub(super) text_open: bool,
}

/// Counts; never fails, since a damaged stream is painted as far as it goes by viewers too.
pub(super) fn balance(content: &[u8]) -> Balance {
    let mut found = Balance::default();
    let mut rest = content;
    while let Some((&first, after)) = rest.split_first() {
        rest = match first {
            b'(' => after_string(after),
            b'%' => after_line(after),
            b'/' => &after[token_length(after)..],
            byte if is_space(byte) || is_delimiter(byte) => after,
            _ => {
                let (token, after) = rest.split_at(token_length(rest).max(1));
                match token {
                    b"q" => found.missing_restores += 1,
                    b"Q" if found.missing_restores > 0 => found.missing_restores -= 1,
                    b"Q" => found.missing_saves += 1,
                    b"BT" => found.text_open = true,
                    b"ET" => found.text_open = false,
                    _ => {}
                }
                if token == b"ID" { after_inline_image(after) } else { after }
            }
        };
    }
    found
}

fn token_length(bytes: &[u8]) -> usize {
    bytes.iter().position(|&b| is_space(b) || is_delimiter(b)).unwrap_or(bytes.len())
}

fn after_string(bytes: &[u8]) -> &[u8] {
    let mut depth = 1;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return &bytes[at..];
        }
    }
    &[]
}

fn after_line(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|b| matches!(b, b'\r' | b'\n')).unwrap_or(bytes.len());
    &bytes[end..]
}

/// The data may contain anything; it ends at `EI` that stands alone.
fn after_inline_image(bytes: &[u8]) -> &[u8] {
    let end = bytes.windows(3).enumerate().position(|(at, window)| {
        is_space(window[0]) && &window[1..] == b"EI" && bytes.get(at + 3).is_none_or(|&b| is_space(b))
    });
    end.map_or(&[], |at| &bytes[at + 3..])
}

fn is_space(byte: u8) -> bool {
    matches!(byte, 0 | b'\t' | b'\n' | 0x0C | b'\r' | b' ')
}

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_content_leaves_nothing() {
        assert_eq!(balance(b"q 1 0 0 1 0 0 cm BT /q 12 Tf (q \\) Q (q)) Tj ET Q"), Balance::default());
    }

    #[test]
    fn what_is_left_open_is_counted() {
        let expected = Balance { missing_saves: 0, missing_restores: 2, text_open: true };
        assert_eq!(balance(b"q q q Q % Q Q\nBT (x) Tj"), expected);
        let expected = Balance { missing_saves: 1, missing_restores: 1, text_open: false };
        assert_eq!(balance(b"Q q"), expected);
    }

    #[test]
    fn the_data_of_an_inline_image_is_not_read() {
        assert_eq!(balance(b"q BI /W 1 /H 1 ID Q Q q EIq \nEI Q"), Balance::default());
    }

    #[test]
    fn strings_and_images_without_an_end_end_the_content() {
        assert_eq!(balance(b"(q q"), Balance::default());
        assert_eq!(balance(b"BI ID q q"), Balance::default());
    }
}
