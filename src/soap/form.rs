//! Parameters of an HTML form (`application/x-www-form-urlencoded`), as the ASMX HTTP POST binding sends them.

use super::encoding;
use super::limits::within;
use super::xml::{XmlError, XmlLimits};

/// The pairs in order; bytes are UTF-8 when they can be, else what the charset or GB18030 makes of them.
pub fn parse(body: &[u8], charset: Option<&str>, limits: &XmlLimits) -> Result<Vec<(String, String)>, XmlError> {
    let pairs = body.split(|&b| b == b'&').filter(|pair| !pair.is_empty());
    let mut found = Vec::new();
    for pair in pairs {
        within(found.len() + 1, limits.attributes, "parameters")?;
        let at = pair.iter().position(|&b| b == b'=').unwrap_or(pair.len());
        let value = pair.get(at + 1..).unwrap_or_default();
        found.push((text(&pair[..at], charset).trim().to_owned(), text(value, charset)));
    }
    Ok(found)
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

    fn of(body: &[u8], charset: Option<&str>) -> Vec<(String, String)> {
        parse(body, charset, &XmlLimits::default()).unwrap()
    }

    #[test]
    fn d_r2_form_fields_are_decoded_from_utf_8_and_gbk() {
        let utf8 = of(b"strReportInfo=%3Croot%2F%3E&x=a+b&y", None);
        let expected = [("strReportInfo", "<root/>"), ("x", "a b"), ("y", "")];
        assert_eq!(utf8, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
        assert_eq!(of(b"n=%B2%E2%CA%D4", Some("gbk"))[0].1, "测试");
        assert_eq!(of(b"n=%B2%E2%CA%D4", None)[0].1, "测试");
    }

    #[test]
    fn d_r33_parameters_are_limited() {
        let many = b"&a".repeat(1_000_000);
        let limit = XmlLimits::default().attributes;
        let expected = XmlError::TooLarge { what: "parameters", limit };
        assert_eq!(parse(&many, None, &XmlLimits::default()), Err(expected));
        assert_eq!(of(&many[..2 * limit], None).len(), limit);
    }
}
