//! The header by which a service bus names the business of a call (D-B2): which service, who asks, with which credential, when,
//! for the how manieth time. Three dialects are in use, and some drop all but the name; one reader takes them all.

use super::envelope::Parameter;
use super::xml::{self, Element, XmlLimits};

/// Longest header that is read, in bytes; a longer one says nothing.
const LONGEST_HEADER: usize = 64 * 1024;

/// What a header says; absent parts are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceHeader {
    /// The service as it is written.
    pub service: String,
    /// Who asks (`callOperator`, `Operator`).
    pub operator: String,
    /// What proves it (`certificate`, `AppId`).
    pub credential: String,
    /// `xml` or `json`, where a dialect says it.
    pub format: String,
    /// When it was sent, as it is written.
    pub sent_at: String,
    /// 0 at first, 1 when it is sent again, and so on.
    pub attempt: u32,
    /// How it was written.
    pub shape: HeaderShape,
}

/// How a header was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HeaderShape {
    /// `<root><serverName/><format/><callOperator/><certificate/></root>`, as hospitals do.
    Root,
    /// `<MsgHeader><ServerName/><Operator/><AppId/></MsgHeader>`, as the region does.
    MsgHeader,
    /// A JSON object with the names of either.
    Json,
    /// Service, operator, credential, time and count, each on a line of its own, without names.
    Lines,
    /// The name of the service and nothing else.
    #[default]
    Bare,
}

impl ServiceHeader {
    /// Reads a header of any shape; `None` when it names no service.
    pub fn read(header: &Parameter, limits: &XmlLimits) -> Option<Self> {
        let read = match header {
            Parameter::Inline(element) => Self::of_element(element),
            Parameter::Text(text) => Self::of_text(text.trim_matches(is_blank), limits)?,
        };
        (!read.service.is_empty()).then_some(read)
    }

    fn of_text(text: &str, limits: &XmlLimits) -> Option<Self> {
        if text.len() > LONGEST_HEADER {
            return None;
        }
        match text.chars().next()? {
            '<' => xml::parse(text, limits).ok().map(|read| Self::of_element(&read.root)),
            '{' => {
                let members: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).ok()?;
                let plain = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                Some(Self::named(HeaderShape::Json, members.iter().map(|(name, value)| (name.as_str(), plain(value)))))
            }
            _ => Some(Self::of_lines(text)),
        }
    }

    fn of_element(element: &Element) -> Self {
        let inner = element.child("MsgHeader").unwrap_or(element);
        let shape = if inner.is("MsgHeader") { HeaderShape::MsgHeader } else { HeaderShape::Root };
        Self::named(shape, inner.values().map(|(name, value)| (name, value.to_owned())))
    }

    fn of_lines(text: &str) -> Self {
        let lines: Vec<&str> = text.lines().map(|line| line.trim_matches(is_blank)).collect();
        let line = |at: usize| lines.get(at).map(|line| (*line).to_owned()).unwrap_or_default();
        Self {
            service: line(0),
            operator: line(1),
            credential: line(2),
            format: String::new(),
            sent_at: line(3),
            attempt: line(4).parse().unwrap_or(0),
            shape: if lines.len() > 1 { HeaderShape::Lines } else { HeaderShape::Bare },
        }
    }

    fn named<'n>(shape: HeaderShape, values: impl Iterator<Item = (&'n str, String)>) -> Self {
        let mut header = Self { shape, ..Self::default() };
        for (name, value) in values {
            let value = value.trim_matches(is_blank).to_owned();
            match name.to_ascii_lowercase().as_str() {
                "servername" | "servicename" | "service" => header.service = value,
                "calloperator" | "operator" => header.operator = value,
                "certificate" | "appid" | "credential" => header.credential = value,
                "format" => header.format = value,
                "sendtime" => header.sent_at = value,
                "sendcount" => header.attempt = value.parse().unwrap_or(0),
                _ => {}
            }
        }
        header
    }
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || c == '\u{FEFF}'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<ServiceHeader> {
        ServiceHeader::read(&Parameter::Text(text.to_owned()), &XmlLimits::default())
    }

    #[test]
    fn d_b2_every_dialect_says_the_same() {
        let said = ServiceHeader {
            service: "GetExamInfo".into(),
            operator: "op01".into(),
            credential: "unit-test-key".into(),
            ..ServiceHeader::default()
        };
        let hospital = "<?xml version=\"1.0\" encoding=\"gbk\"?><root><serverName>GetExamInfo</serverName>\
                        <format>xml</format><callOperator>op01</callOperator><certificate>unit-test-key</certificate></root>";
        let hospital_said = ServiceHeader { format: "xml".into(), shape: HeaderShape::Root, ..said.clone() };
        assert_eq!(read(hospital), Some(hospital_said));
        let region = "<MsgHeader><SERVERNAME> GetExamInfo\n</SERVERNAME><Operator>op01</Operator>\
                      <AppId>unit-test-key</AppId></MsgHeader>";
        assert_eq!(read(region), Some(ServiceHeader { shape: HeaderShape::MsgHeader, ..said.clone() }));
        let json = r#"{"serverName":"GetExamInfo","Operator":"op01","appid":"unit-test-key"}"#;
        assert_eq!(read(json), Some(ServiceHeader { shape: HeaderShape::Json, ..said.clone() }));
        let lines = "GetExamInfo\r\nop01\r\nunit-test-key\r\n2024-03-24 14:40:00\r\n2";
        let sent_at = "2024-03-24 14:40:00".to_owned();
        assert_eq!(read(lines), Some(ServiceHeader { sent_at, attempt: 2, shape: HeaderShape::Lines, ..said }));
        assert_eq!(
            read(" GetExamInfo ").map(|header| (header.service, header.shape)),
            Some(("GetExamInfo".to_owned(), HeaderShape::Bare))
        );
    }

    #[test]
    fn d_b2_a_header_that_names_no_service_is_none() {
        for text in ["", " ", "<root/>", "<root", "{", "{\"Operator\":\"x\"}", "<MsgHeader><ServerName/></MsgHeader>"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn d_r33_a_header_without_an_end_is_none() {
        for text in [format!("GetExamInfo{}", "\na".repeat(1_000_000)), format!("{{{}}}", "\"a\":0,".repeat(100_000))] {
            assert_eq!(read(&text), None);
        }
    }
}
