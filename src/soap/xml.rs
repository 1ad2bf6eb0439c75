//! A tolerant reader and a strict writer of XML.
//!
//! Tolerant: repeated attributes are all kept for the caller to judge (D-R5), line breaks in attributes stay (D-R31),
//! characters that XML 1.0 forbids are left out and reported (D-R4), an entity that is none of the five predefined or a
//! character reference stays as it is written. Refused: document type declarations, and whatever exceeds the limits.
//! Names are local names; prefixes only serve to find the namespace.

use std::borrow::Cow;

use quick_xml::events::{BytesStart, Event};

/// How large a document may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XmlLimits {
    /// Elements within elements.
    pub depth: usize,
    /// Attributes of one element.
    pub attributes: usize,
    /// Elements in all.
    pub elements: usize,
}

impl Default for XmlLimits {
    fn default() -> Self {
        Self { depth: 32, attributes: 256, elements: 1_000_000 }
    }
}

/// Why a text is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// It has a document type declaration (D-X5).
    #[error("document type declarations are not accepted")]
    DocumentType,
    /// It exceeds a limit.
    #[error("more than {limit} {what}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// It is not well-formed in a way that cannot be overlooked.
    #[error("not well-formed near byte {0}")]
    Malformed(u64),
    /// It has no element.
    #[error("no element")]
    Empty,
}

/// An element with everything in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Element {
    /// The name without prefix.
    pub name: String,
    /// The namespace's name, empty when none.
    pub namespace: String,
    /// Attributes in order, also repeated ones, without namespace declarations.
    pub attributes: Vec<(String, String)>,
    /// Elements within, in order.
    pub children: Vec<Element>,
    /// Text within, without that of the elements within.
    pub text: String,
}

impl Element {
    /// Whether the name is `name`, whatever its case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The first element within of that name, whatever its case.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.is(name))
    }

    /// The last attribute of that name, whatever its case, that is not empty.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().rev().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let mut values = found.map(|(_, value)| value.as_str());
        values.find(|value| !value.trim().is_empty())
    }

    /// The named values: attributes, then elements within that hold text alone.
    pub fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        let attributes = self.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let leaves = self.children.iter().filter(|child| child.children.is_empty());
        attributes.chain(leaves.map(|child| (child.name.as_str(), child.text.as_str())))
    }
}

/// A document that has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its outermost element.
    pub root: Element,
    /// Whether characters that XML forbids have been left out.
    pub stripped: bool,
}

/// Whether XML 1.0 allows the character.
pub fn is_legal(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}

/// Reads a document.
pub fn parse(text: &str, limits: &XmlLimits) -> Result<Document, XmlError> {
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{FEFF}');
    let mut stripped = false;
    let clean: Cow<'_, str> = if text.chars().all(is_legal) {
        Cow::Borrowed(text)
    } else {
        stripped = true;
        Cow::Owned(text.chars().filter(|&c| is_legal(c)).collect())
    };
    let mut reader = quick_xml::Reader::from_str(&clean);
    reader.config_mut().allow_dangling_amp = true;
    let mut tree = Tree { limits, stripped, open: Vec::new(), prefixes: Vec::new(), elements: 0, root: None };
    loop {
        let event = reader.read_event().map_err(|_| XmlError::Malformed(reader.buffer_position()))?;
        let outside = tree.open.is_empty();
        match event {
            Event::Start(start) => tree.start(&start, reader.buffer_position())?,
            Event::Empty(start) => {
                tree.start(&start, reader.buffer_position())?;
                tree.end();
            }
            Event::End(_) => tree.end(),
            Event::DocType(_) => return Err(XmlError::DocumentType),
            Event::Text(text) if !outside => tree.text(&text.xml10_content()),
            Event::CData(data) if !outside => tree.text(&data.xml10_content()),
            Event::GeneralRef(reference) if !outside => {
                let written = format!("&{};", reference.into_inner());
                let text = tree.unescape(&written);
                tree.text(&text);
            }
            Event::Text(text) if text.xml10_content().trim().is_empty() => {}
            Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => {
                return Err(XmlError::Malformed(reader.buffer_position()));
            }
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    if !tree.open.is_empty() {
        return Err(XmlError::Malformed(reader.buffer_position()));
    }
    let stripped = tree.stripped;
    tree.root.map(|root| Document { root, stripped }).ok_or(XmlError::Empty)
}

struct Tree<'l> {
    limits: &'l XmlLimits,
    stripped: bool,
    open: Vec<Element>,
    /// Depth, prefix, namespace.
    prefixes: Vec<(usize, String, String)>,
    elements: usize,
    root: Option<Element>,
}

impl Tree<'_> {
    fn start(&mut self, start: &BytesStart<'_>, position: u64) -> Result<(), XmlError> {
        if self.open.is_empty() && self.root.is_some() {
            return Err(XmlError::Malformed(position));
        }
        let depth = self.open.len() + 1;
        if depth > self.limits.depth {
            return Err(XmlError::TooLarge { what: "levels of elements", limit: self.limits.depth });
        }
        self.elements += 1;
        if self.elements > self.limits.elements {
            return Err(XmlError::TooLarge { what: "elements", limit: self.limits.elements });
        }
        let mut element = Element { name: start.local_name().into_inner().to_owned(), ..Element::default() };
        let mut attributes = start.attributes();
        attributes.with_checks(false);
        for (count, attribute) in attributes.enumerate() {
            if count >= self.limits.attributes {
                return Err(XmlError::TooLarge { what: "attributes of one element", limit: self.limits.attributes });
            }
            let attribute = attribute.map_err(|_| XmlError::Malformed(position))?;
            let value = self.unescape(&attribute.value);
            let key = attribute.key.into_inner();
            match key.strip_prefix("xmlns") {
                Some("") => self.prefixes.push((depth, String::new(), value)),
                Some(prefix) if prefix.starts_with(':') => self.prefixes.push((depth, prefix[1..].to_owned(), value)),
                _ => {
                    let local = key.rsplit_once(':').map_or(key, |(_, local)| local);
                    element.attributes.push((local.to_owned(), value));
                }
            }
        }
        let name = start.name().into_inner();
        let prefix = name.split_once(':').map_or("", |(prefix, _)| prefix);
        let namespace = self.prefixes.iter().rev().find(|(_, known, _)| known == prefix);
        element.namespace = namespace.map(|(_, _, namespace)| namespace.clone()).unwrap_or_default();
        self.open.push(element);
        Ok(())
    }

    fn end(&mut self) {
        let depth = self.open.len();
        self.prefixes.retain(|(at, _, _)| *at < depth);
        let Some(element) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(element) = self.open.last_mut() {
            element.text.push_str(text);
        }
    }

    /// The five entities and character references; anything else stays as written.
    fn unescape(&mut self, raw: &str) -> String {
        let raw =
            if raw.contains('\r') { Cow::Owned(raw.replace("\r\n", "\n").replace('\r', "\n")) } else { raw.into() };
        let mut out = String::with_capacity(raw.len());
        let mut rest = raw.as_ref();
        while let Some(at) = rest.find('&') {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            let Some(end) = rest.bytes().take(14).position(|b| b == b';') else {
                out.push('&');
                rest = &rest[1..];
                continue;
            };
            match resolve(&rest[1..end]) {
                Some(c) if is_legal(c) => out.push(c),
                Some(_) => self.stripped = true,
                None => out.push_str(&rest[..=end]),
            }
            rest = &rest[end + 1..];
        }
        out.push_str(rest);
        out
    }
}

fn resolve(name: &str) -> Option<char> {
    let number = match name {
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "amp" => return Some('&'),
        "quot" => return Some('"'),
        "apos" => return Some('\''),
        _ => name.strip_prefix('#')?,
    };
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => number.parse().ok()?,
    };
    // A surrogate half is no character; as the others that XML forbids it is left out.
    Some(char::from_u32(code).unwrap_or('\0'))
}

/// Text made safe for element content and attributes of either quote; forbidden characters are left out.
pub fn escape(text: &str) -> Cow<'_, str> {
    let safe = |c: char| is_legal(c) && !matches!(c, '<' | '>' | '&' | '"' | '\'' | '\r');
    if text.chars().all(safe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars().filter(|&c| is_legal(c)) {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\r' => out.push_str("&#13;"),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// As [`escape`], with line breaks and tabs that an attribute would lose.
pub fn escape_attribute(text: &str) -> String {
    escape(text).replace('\n', "&#10;").replace('\t', "&#9;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Element {
        parse(text, &XmlLimits::default()).unwrap().root
    }

    #[test]
    fn d_r5_a_repeated_attribute_is_kept_twice_and_the_last_non_empty_is_found() {
        let item = read("<item pacs_id='' name='x' pacs_id='A0001'/>");
        assert_eq!(item.attributes.len(), 3);
        assert_eq!(item.attribute("PACS_ID"), Some("A0001"));
        assert_eq!(read("<item pacs_id='A0001' pacs_id=''/>").attribute("pacs_id"), Some("A0001"));
    }

    #[test]
    fn d_r31_line_breaks_in_attributes_stay() {
        let item = read("<item a='one\r\ntwo\tthree&#10;four&#xA;five'/>");
        assert_eq!(item.attribute("a"), Some("one\ntwo\tthree\nfour\nfive"));
    }

    #[test]
    fn d_r4_forbidden_characters_are_left_out_and_reported() {
        let document = parse("<item a='x\u{1}y&#2;z'>\u{B}t</item>", &XmlLimits::default()).unwrap();
        assert_eq!((document.root.attribute("a"), document.root.text.as_str()), (Some("xyz"), "t"));
        assert!(document.stripped);
    }

    #[test]
    fn d_x5_document_types_are_refused_and_entities_stay_as_written() {
        let bomb = "<!DOCTYPE r [<!ENTITY a 'aaaa'>]><r>&a;</r>";
        assert_eq!(parse(bomb, &XmlLimits::default()), Err(XmlError::DocumentType));
        assert_eq!(read("<r a='&nbsp; & b'>&foo; A&B &lt;&amp;</r>").text, "&foo; A&B <&");
        assert_eq!(read("<r a='&nbsp; & b'/>").attribute("a"), Some("&nbsp; & b"));
    }

    #[test]
    fn d_r33_depth_attributes_and_elements_are_limited() {
        let limits = XmlLimits { depth: 3, attributes: 2, elements: 4 };
        assert!(parse("<a><b><c/></b></a>", &limits).is_ok());
        assert!(matches!(parse("<a><b><c><d/></c></b></a>", &limits), Err(XmlError::TooLarge { .. })));
        assert!(matches!(parse("<a x='' y='' z=''/>", &limits), Err(XmlError::TooLarge { .. })));
        assert!(matches!(parse("<a><b/><b/><b/><b/></a>", &limits), Err(XmlError::TooLarge { .. })));
    }

    #[test]
    fn what_is_cut_off_or_no_xml_is_an_error_and_not_a_panic() {
        for text in ["", "x", "<a>", "<a></b>", "<a/><b/>", "<a b=>", "<a", "</a>", "<a/>tail", "&amp;"] {
            assert!(parse(text, &XmlLimits::default()).is_err(), "{text}");
        }
    }

    #[test]
    fn namespaces_are_found_by_prefix_and_by_default() {
        let root = read("<s:a xmlns:s='urn:s'><b xmlns='urn:b'/><c/></s:a>");
        let namespaces: Vec<&str> = root.children.iter().map(|c| c.namespace.as_str()).collect();
        assert_eq!((root.namespace.as_str(), namespaces), ("urn:s", vec!["urn:b", ""]));
    }

    #[test]
    fn what_is_escaped_reads_back_the_same() {
        let text = "a<b>&\"'\r\n\tc";
        let root = read(&format!("<r a=\"{}\">{}</r>", escape_attribute(text), escape(text)));
        assert_eq!(root.attribute("a"), Some(text));
        assert_eq!(root.text, text);
    }
}
