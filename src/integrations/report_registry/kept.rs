//! What is kept of a request beside its body, and what is left out of both: keys and passwords (D-X2, D-X4).

use axum::body::Bytes;
use axum::http::HeaderMap;
use memchr::memmem;
use percent_encoding::NON_ALPHANUMERIC;
use serde_json::{Map, Value};

use crate::soap::encoding;
use crate::soap::xml::escape;

/// What stands for a secret.
const MASK: &str = "***";
/// The parameter that holds a key.
const KEY: &str = "strkey";
/// Longest credential of a bus header, in bytes: room for a token, and none for a message.
const LONGEST_CREDENTIAL: usize = 4096;
const CDATA: &str = "<![CDATA[";
const CDATA_END: &str = "]]>";

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

/// Whether it is a credential that a bus header may say.
pub(super) fn may_be_credential(text: &str) -> bool {
    (1..=LONGEST_CREDENTIAL).contains(&text.len())
}

/// A body without the credential that its bus header says; as it came when there is none.
pub(super) async fn body_without(body: Bytes, credential: &str) -> Bytes {
    match may_be_credential(credential) {
        false if credential.is_empty() => body,
        // Whatever it is, it is nothing to keep.
        false => Bytes::new(),
        true => {
            let credential = credential.to_owned();
            let masked = tokio::task::spawn_blocking(move || without(&body, &credential)).await;
            // Better nothing than a key.
            masked.unwrap_or_default()
        }
    }
}

fn without(body: &[u8], credential: &str) -> Bytes {
    let in_form = |text: &String| percent_encoding::utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let plain = [escape(&escape(credential)).into_owned(), escape(credential).into_owned(), credential.to_owned()];
    // Those that are escaped most come first: what they are made of may stand at their beginning.
    let written: Vec<String> = plain.iter().map(in_form).chain(plain.iter().cloned()).collect();
    let mut secrets: Vec<Secret<'_>> = Vec::new();
    for text in &written {
        if secrets.iter().all(|known| known.finder.needle() != text.as_bytes()) {
            secrets.push(Secret::new(text, body));
        }
    }
    let mut kept = Vec::with_capacity(body.len());
    let mut done = 0;
    while let Some((at, length)) = Secret::first(&secrets) {
        kept.extend_from_slice(&body[done..at]);
        kept.extend_from_slice(MASK.as_bytes());
        done = at + length;
        secrets.iter_mut().for_each(|secret| secret.pass(body, done));
    }
    // It stands there in a coding in which we do not find it: better nothing than a key.
    if done == 0 {
        return Bytes::new();
    }
    kept.extend_from_slice(&body[done..]);
    Bytes::from(kept)
}

/// One way to write a credential, and where it stands next; each looks through a body once.
struct Secret<'t> {
    finder: memmem::Finder<'t>,
    next: Option<usize>,
}

impl<'t> Secret<'t> {
    fn new(text: &'t str, body: &[u8]) -> Self {
        let finder = memmem::Finder::new(text.as_bytes());
        let next = finder.find(body);
        Self { finder, next }
    }

    /// Where the first one stands, and how long it is; of two at one place the one that comes first.
    fn first(secrets: &[Self]) -> Option<(usize, usize)> {
        let places = secrets.iter().filter_map(|secret| Some((secret.next?, secret.finder.needle().len())));
        places.min_by_key(|(at, _)| *at)
    }

    fn pass(&mut self, body: &[u8], done: usize) {
        if self.next.is_some_and(|next| next < done) {
            self.next = self.finder.find(&body[done..]).map(|at| done + at);
        }
    }
}

fn masked(text: &str) -> Option<String> {
    // Only ASCII changes, so that places are the same in both.
    let lower = text.to_ascii_lowercase();
    let signs = Signs { text, last_less: text.rfind('<'), last_cdata_end: text.rfind(CDATA_END) };
    let mut next_sign = 0;
    let mut out = String::new();
    let mut done = 0;
    while let Some(at) = lower[done..].find(KEY).map(|at| done + at) {
        let after = at + KEY.len();
        if next_sign < after {
            next_sign = text[after..].find(['<', '&', '>']).map_or(text.len(), |sign| after + sign);
        }
        let begin = if text[..at].ends_with('/') { after } else { value_begins(text, after, next_sign) };
        let end = if begin == after { after } else { signs.value_ends(begin) };
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
/// `sign` is where the first `<`, `&` or `>` stands from there on.
fn value_begins(text: &str, after: usize, sign: usize) -> usize {
    let rest = &text[after..];
    // A member or an attribute is no tag, whatever ends later on.
    let is_named = rest.trim_start().starts_with(['"', '\'', '=', ':']);
    // A tag may be escaped, as within a parameter.
    let tag_ends = ["&gt;", ">"].iter().find(|end| !is_named && text[sign..].starts_with(**end));
    match tag_ends {
        Some(end) => {
            let begin = sign + end.len();
            begin + if text[begin..].starts_with(CDATA) { CDATA.len() } else { 0 }
        }
        None => after + rest.len() - rest.trim_start_matches(|c: char| "\"'=: \t\r\n".contains(c)).len(),
    }
}

/// Where signs stand last, so that nobody looks again and again for one that does not come any more.
struct Signs<'t> {
    text: &'t str,
    last_less: Option<usize>,
    last_cdata_end: Option<usize>,
}

impl Signs<'_> {
    fn value_ends(&self, begin: usize) -> usize {
        let rest = &self.text[begin..];
        let before = &self.text[..begin];
        if before.ends_with("&gt;") {
            let mut signs = rest.match_indices(['<', '&']);
            let end = signs.find(|(at, sign)| *sign == "<" || rest[*at..].starts_with("&lt;"));
            return begin + end.map_or(rest.len(), |(at, _)| at);
        }
        let less = || if self.last_less >= Some(begin) { rest.find('<') } else { None };
        let cdata_end = || if self.last_cdata_end >= Some(begin) { rest.find(CDATA_END) } else { None };
        let end = match before.as_bytes().last() {
            Some(b'[') => cdata_end().or_else(less),
            // A key in a tag may hold entities.
            Some(b'>') => less().or_else(cdata_end),
            _ => rest.find(['&', '"', '\'', '<', '\r', '\n']),
        };
        begin + end.unwrap_or(rest.len())
    }
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
        let kept = without(body.as_bytes(), "k&y");
        assert_eq!(kept, Bytes::from("<a>***</a>&lt;b&gt;***&lt;/b&gt;<![CDATA[***]]>"));
        assert_eq!(without(b"h=%3Ca%3Ek%2Dy&b=1", "k-y"), Bytes::from("h=%3Ca%3E***&b=1"));
        assert_eq!(without(b"a*b", "*"), Bytes::from("a***b"));
        assert_eq!(without(b"&amp;amp;-&amp;-&-%26amp%3B-%26", "&"), Bytes::from("***-***-***-***-***"));
        assert_eq!(without(b"aaaaa", "aa"), Bytes::from("******a"));
        assert_eq!(without(b"<a/>", "key"), Bytes::new());
    }

    #[tokio::test]
    async fn d_x2_with_what_is_no_credential_nothing_is_kept_and_without_one_everything() {
        let body = Bytes::from("<a>key</a>");
        assert_eq!(body_without(body.clone(), "").await, body);
        assert_eq!(body_without(body.clone(), "key").await, Bytes::from("<a>***</a>"));
        let long = "k".repeat(LONGEST_CREDENTIAL + 1);
        assert_eq!(body_without(Bytes::from(format!("<a>{long}</a>")), &long).await, Bytes::new());
        assert!(may_be_credential(&long[1..]) && !may_be_credential(&long) && !may_be_credential(""));
    }

    #[test]
    fn a_long_credential_that_nearly_stands_everywhere_is_looked_for_once() {
        let body = "k".repeat(16_000_000);
        let credential = format!("{}&", "k".repeat(LONGEST_CREDENTIAL - 1));
        assert_eq!(without(body.as_bytes(), &credential), Bytes::new());
        assert_eq!(without(&body.as_bytes()[..1_000_000], "kk").len(), 1_500_000);
    }

    #[test]
    fn keys_without_an_end_are_looked_for_once() {
        for piece in [
            "strkey",
            "strkey>",
            "strkey>]]>",
            "strkey><![CDATA[<",
            "strkey&gt;<",
            "strkey&gt;&",
            "strkey <",
            "strkey=\"",
        ] {
            assert!(masked(&piece.repeat(200_000)).is_some(), "{piece}");
        }
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
            ("{\"strKey\":\"abc\",\"x\":\"1>2\"}", "{\"strKey\":\"***\",\"x\":\"1>2\"}"),
            ("<GetLabInfo strKey='abc' x='1'>y", "<GetLabInfo strKey='***' x='1'>y"),
            (
                "<strKey xsi:type='xsd:string' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'>abc</strKey>",
                "<strKey xsi:type='xsd:string' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'>***</strKey>",
            ),
            ("<![CDATA[<strKey>a]]>b</strKey>", "<![CDATA[<strKey>***</strKey>"),
            ("&lt;strKey&gt;a<b", "&lt;strKey&gt;***<b"),
            ("<strKey", "<strKey"),
        ] {
            assert_eq!(masked(body).as_deref(), Some(kept));
        }
        assert_eq!(masked("<strIDNO>1</strIDNO>"), None);
    }
}
