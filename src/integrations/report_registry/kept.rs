//! What is kept of a request beside its body, and what is left out of both: keys and passwords (D-X2, D-X4).

use axum::body::Bytes;
use axum::http::HeaderMap;
use percent_encoding::NON_ALPHANUMERIC;
use serde_json::{Map, Value};

use crate::soap::encoding;
use crate::soap::xml::escape;

/// What stands for a secret.
const MASK: &str = "***";
/// The parameter that holds a key.
const KEY: &str = "strkey";

/// The headers as JSON, at most so many bytes of names and values, without the values that prove who calls.
pub(super) fn headers_without_secrets(headers: &HeaderMap, limit: usize) -> String {
    let mut kept = Map::new();
    let mut room = limit;
    for (name, value) in headers {
        let name = name.as_str();
        let text = if is_secret(name) { MASK.into() } else { String::from_utf8_lossy(value.as_bytes()) };
        let Some(left) = room.checked_sub(name.len() + text.len()) else { break };
        room = left;
        match kept.get_mut(name) {
            Some(Value::String(known)) => {
                known.push_str(", ");
                known.push_str(&text);
            }
            _ => {
                kept.insert(name.to_owned(), text.into());
            }
        }
    }
    Value::Object(kept).to_string()
}

fn is_secret(name: &str) -> bool {
    ["auth", "cookie", "app-id", "token", "secret", "key", "password", "credential"]
        .iter()
        .any(|word| name.to_ascii_lowercase().contains(word))
}

/// A body that could not be understood, without the key that a query among them may hold. As it came when it holds none.
pub(super) async fn body_without_key(body: Bytes, content_type: &str) -> Bytes {
    let (kept, content_type) = (body.clone(), content_type.to_owned());
    let mask = move || masked(&encoding::decode(&body, encoding::charset_of(&content_type)));
    let masked = tokio::task::spawn_blocking(mask).await;
    match masked {
        Ok(Some(text)) => Bytes::from(text),
        Ok(None) => kept,
        // Better nothing than a key.
        Err(_) => Bytes::new(),
    }
}

/// A body without the credential that its bus header says; as it came when there is none.
pub(super) fn body_without(body: Bytes, credential: &str) -> Bytes {
    if credential.is_empty() {
        return body;
    }
    let in_form = |text: &str| percent_encoding::utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let plain = [escape(&escape(credential)).into_owned(), escape(credential).into_owned(), credential.to_owned()];
    let escaped = [plain.each_ref().map(|text| in_form(text)), plain].concat();
    let mut kept = Vec::with_capacity(body.len());
    let mut rest = &body[..];
    let mut found = false;
    while let Some(first) = rest.first() {
        match escaped.iter().find(|secret| rest.starts_with(secret.as_bytes())) {
            Some(secret) => {
                found = true;
                kept.extend(MASK.as_bytes());
                rest = &rest[secret.len()..];
            }
            None => {
                kept.push(*first);
                rest = &rest[1..];
            }
        }
    }
    // It stands there in a coding in which we do not find it: better nothing than a key.
    if found { Bytes::from(kept) } else { Bytes::new() }
}

fn masked(text: &str) -> Option<String> {
    // Only ASCII changes, so that places are the same in both.
    let lower = text.to_ascii_lowercase();
    let mut out = String::new();
    let mut done = 0;
    while let Some(at) = lower[done..].find(KEY).map(|at| done + at) {
        let after = at + KEY.len();
        let begin = if text[..at].ends_with('/') { after } else { value_begins(text, after) };
        let end = if begin == after { after } else { value_ends(text, begin) };
        out.push_str(&text[done..begin]);
        if end > begin {
            out.push_str(MASK);
        }
        done = end;
    }
    if done == 0 {
        return None;
    }
    out.push_str(&text[done..]);
    Some(out)
}

/// Where the value begins whose name ends at `after`: behind the tag, or behind signs that part a name and its value.
fn value_begins(text: &str, after: usize) -> usize {
    let rest = &text[after..];
    // A tag may be escaped, as within a parameter.
    let tag_ends = ["&gt;", ">"].iter().find_map(|sign| {
        let at = rest.find(sign)?;
        rest.find(['<', '&', '>']).is_none_or(|first| first >= at).then_some(at + sign.len())
    });
    match tag_ends {
        Some(end) => {
            let begin = after + end;
            let cdata = "<![CDATA[";
            begin + if text[begin..].starts_with(cdata) { cdata.len() } else { 0 }
        }
        None => after + rest.len() - rest.trim_start_matches(|c: char| "\"'=: \t\r\n".contains(c)).len(),
    }
}

fn value_ends(text: &str, begin: usize) -> usize {
    let rest = &text[begin..];
    if text[..begin].ends_with("&gt;") {
        let ends = [rest.find("&lt;"), rest.find('<')].into_iter().flatten().min();
        return begin + ends.unwrap_or(rest.len());
    }
    let end = match text[..begin].ends_with(['>', '[']) {
        // A key in a tag may hold entities.
        true => rest.find('<').or_else(|| rest.find("]]>")),
        false => rest.find(['&', '"', '\'', '<', '\r', '\n']),
    };
    let cdata_ends = rest.find("]]>").filter(|_| text[..begin].ends_with('['));
    begin + cdata_ends.or(end).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d_x2_headers_are_kept_without_what_proves_who_calls() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Basic cmlzOnNlY3JldA=="),
            ("x-app-id", "unit-test-app-01"),
            ("cookie", "a=b"),
            ("soapaction", "\"http://tempuri.org/ArchiveAutoReport\""),
        ] {
            headers.append(name, value.parse().unwrap());
        }
        let kept: Value = serde_json::from_str(&headers_without_secrets(&headers, 8192)).unwrap();
        assert_eq!(kept["soapaction"], "\"http://tempuri.org/ArchiveAutoReport\"");
        assert_eq!([&kept["authorization"], &kept["x-app-id"], &kept["cookie"]], ["***"; 3]);
        assert_eq!(headers_without_secrets(&headers, 10), "{}");
    }

    #[test]
    fn d_x2_the_credential_of_a_bus_is_left_out_however_it_is_escaped() {
        let body = "<a>k&amp;y</a>&lt;b&gt;k&amp;amp;y&lt;/b&gt;<![CDATA[k&y]]>";
        let kept = body_without(Bytes::from(body), "k&y");
        assert_eq!(kept, Bytes::from("<a>***</a>&lt;b&gt;***&lt;/b&gt;<![CDATA[***]]>"));
        assert_eq!(body_without(Bytes::from("h=%3Ca%3Ek%2Dy&b=1"), "k-y"), Bytes::from("h=%3Ca%3E***&b=1"));
        assert_eq!(body_without(Bytes::from("a*b"), "*"), Bytes::from("a***b"));
        assert_eq!(body_without(Bytes::from("<a/>"), "key"), Bytes::new());
        assert_eq!(body_without(Bytes::from("<a/>"), ""), Bytes::from("<a/>"));
    }

    #[test]
    fn d_x2_a_key_is_left_out_of_a_body_in_every_form() {
        for (body, kept) in [
            ("<strKey>a&amp;b</strKey><x>", "<strKey>***</strKey><x>"),
            ("<n:STRKEY xmlns:n='u'><![CDATA[a<b]]></n:STRKEY>", "<n:STRKEY xmlns:n='u'><![CDATA[***]]></n:STRKEY>"),
            ("&lt;strKey&gt;abc", "&lt;strKey&gt;***"),
            ("&lt;strKey&gt;a&amp;amp;b&lt;/strKey&gt;x", "&lt;strKey&gt;***&lt;/strKey&gt;x"),
            ("strIDNO=1&strKey=abc&x=y", "strIDNO=1&strKey=***&x=y"),
            ("{\"strKey\": \"abc\", \"x\": 1", "{\"strKey\": \"***\", \"x\": 1"),
            ("name=\"strKey\"\r\n\r\nabc\r\n--", "name=\"strKey\"\r\n\r\n***\r\n--"),
            ("<strKey>abc", "<strKey>***"),
            ("<strKey", "<strKey"),
        ] {
            assert_eq!(masked(body).as_deref(), Some(kept));
        }
        assert_eq!(masked("<strIDNO>1</strIDNO>"), None);
    }
}
