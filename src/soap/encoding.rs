//! From bytes to text: byte order mark, then XML declaration, then HTTP charset, then UTF-8 (D-R4).
//!
//! GB2312 and GBK are read as GB18030, which contains them. Bytes that are not what they claim to be are read as GB18030
//! when that fits, since a wrong declaration is the usual mistake; nothing is refused for its encoding.

use encoding_rs::{Encoding, GB18030, UTF_8, UTF_16BE, UTF_16LE};

/// Decodes a body; `charset` is the one of the HTTP header, if any.
pub fn decode(bytes: &[u8], charset: Option<&str>) -> String {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return encoding.decode_without_bom_handling(&bytes[mark..]).0.into_owned();
    }
    match bytes {
        [b'<', 0, ..] => return UTF_16LE.decode_without_bom_handling(bytes).0.into_owned(),
        [0, b'<', ..] => return UTF_16BE.decode_without_bom_handling(bytes).0.into_owned(),
        _ => {}
    }
    let declared = declared_in_xml(bytes).and_then(|name| known(&name)).or_else(|| charset.and_then(known));
    let encoding = declared.unwrap_or(UTF_8);
    let (text, had_errors) = encoding.decode_without_bom_handling(bytes);
    if !had_errors {
        return text.into_owned();
    }
    let other = if encoding == UTF_8 { GB18030 } else { UTF_8 };
    match other.decode_without_bom_handling(bytes) {
        (text, false) => text.into_owned(),
        _ => text.into_owned(),
    }
}

/// The charset parameter of a Content-Type.
pub fn charset_of(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches(['"', '\'']))
    })
}

fn known(name: &str) -> Option<&'static Encoding> {
    let encoding = Encoding::for_label(name.trim().as_bytes())?;
    // An 8-bit document cannot be UTF-16, whatever it says of itself: it was decoded once already on its way.
    match encoding {
        e if e == UTF_16LE || e == UTF_16BE => None,
        e if e.name() == "GBK" => Some(GB18030),
        e => Some(e),
    }
}

fn declared_in_xml(bytes: &[u8]) -> Option<String> {
    let start = bytes.iter().position(|b| !b.is_ascii_whitespace())?;
    let head = &bytes[start..bytes.len().min(start + 200)];
    if !head.starts_with(b"<?xml") {
        return None;
    }
    let end = head.windows(2).position(|w| w == b"?>")?;
    let head = String::from_utf8_lossy(&head[..end]);
    let (_, after) = head.split_once("encoding")?;
    let value = after.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    value[1..].split(quote).next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d_r4_byte_order_mark_beats_declaration_beats_http_charset() {
        let text = "<?xml version=\"1.0\" encoding=\"GBK\"?><root a=\"测试甲\"/>";
        let gbk = GB18030.encode(text).0.into_owned();
        assert_eq!(decode(&gbk, Some("utf-8")), text);
        assert_eq!(decode(&[b"\xEF\xBB\xBF", text.as_bytes()].concat(), Some("gbk")), text);
        let utf16: Vec<u8> = "\u{FEFF}<r>测</r>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(decode(&utf16, None), "<r>测</r>");
        let bare: Vec<u8> = "<r>测</r>".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(decode(&bare, None), "<r>测</r>");
        assert_eq!(decode(&GB18030.encode("<r>测试</r>").0, Some("GB2312")), "<r>测试</r>");
    }

    #[test]
    fn d_r4_a_wrong_declaration_does_not_lose_the_text() {
        let lies = GB18030.encode("<?xml version='1.0' encoding='utf-8'?><r>测试甲</r>").0.into_owned();
        assert!(decode(&lies, None).contains("测试甲"));
        let utf8 = "<?xml version='1.0' encoding='utf-16'?><r>测试甲</r>";
        assert_eq!(decode(utf8.as_bytes(), None), utf8);
    }

    #[test]
    fn the_charset_of_a_content_type_is_found() {
        assert_eq!(charset_of("text/xml; charset=\"gb2312\"; x=1"), Some("gb2312"));
        assert_eq!(charset_of("text/xml"), None);
    }
}
