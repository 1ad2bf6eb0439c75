//! Parameters of an HTML form (`application/x-www-form-urlencoded`), as the ASMX HTTP POST binding sends them.

use super::encoding;

/// The pairs in order; bytes are UTF-8 when they can be, else what the charset or GB18030 makes of them.
pub fn parse(body: &[u8], charset: Option<&str>) -> Vec<(String, String)> {
    let pairs = body.split(|&b| b == b'&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let at = pair.iter().position(|&b| b == b'=').unwrap_or(pair.len());
            let value = pair.get(at + 1..).unwrap_or_default();
            (text(&pair[..at], charset).trim().to_owned(), text(value, charset))
        })
        .collect()
}

fn text(bytes: &[u8], charset: Option<&str>) -> String {
    let spaced: Vec<u8> = bytes.iter().map(|&b| if b == b'+' { b' ' } else { b }).collect();
    let decoded: Vec<u8> = percent_encoding::percent_decode(&spaced).collect();
    match String::from_utf8(decoded) {
        Ok(text) => text.strip_prefix('\u{FEFF}').map(str::to_owned).unwrap_or(text),
        Err(error) => encoding::decode(error.as_bytes(), charset),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d_r2_form_fields_are_decoded_from_utf_8_and_gbk() {
        let utf8 = parse(b"strReportInfo=%3Croot%2F%3E&x=a+b&y", None);
        let expected = [("strReportInfo", "<root/>"), ("x", "a b"), ("y", "")];
        assert_eq!(utf8, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
        assert_eq!(parse(b"n=%B2%E2%CA%D4", Some("gbk"))[0].1, "测试");
        assert_eq!(parse(b"n=%B2%E2%CA%D4", None)[0].1, "测试");
    }
}
