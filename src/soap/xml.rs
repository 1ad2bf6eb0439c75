//! A tolerant reader and a strict writer of XML.
//!
//! Tolerant: repeated attributes are all kept for the caller to judge (D-R5), line breaks in attributes stay (D-R31),
//! characters that XML 1.0 forbids are left out and reported (D-R4), an entity that is none of the five predefined or a
//! character reference stays as it is written. Refused: document type declarations, and whatever exceeds the limits.
//! Names are local names; prefixes only serve to find the namespace.

use std::borrow::Cow;
use std::sync::Arc;

use quick_xml::events::{BytesStart, Event};

use super::limits::{Account, check_namespace, within};

pub use super::limits::XmlLimits;

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
    /// The namespace's name, empty when none; the elements of one share it.
    pub namespace: Arc<str>,
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
    let account = Account::new(limits, clean.len());
    let mut tree = Tree { limits, account, stripped, open: Vec::new(), prefixes: Vec::new(), root: None };
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
            Event::Text(text) if !outside => tree.text(&text.xml10_content())?,
            Event::CData(data) if !outside => tree.text(&data.xml10_content())?,
            Event::GeneralRef(reference) if !outside => {
                let written = format!("&{};", reference.into_inner());
                let text = tree.unescape(&written);
                tree.text(&text)?;
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
    account: Account<'l>,
    stripped: bool,
    open: Vec<Element>,
    /// Depth, prefix, namespace.
    prefixes: Vec<(usize, String, Arc<str>)>,
    root: Option<Element>,
}

impl Tree<'_> {
    fn start(&mut self, start: &BytesStart<'_>, position: u64) -> Result<(), XmlError> {
        if self.open.is_empty() && self.root.is_some() {
            return Err(XmlError::Malformed(position));
        }
        let depth = self.open.len() + 1;
        within(depth, self.limits.depth, "levels of elements")?;
        let mut element = self.account.element(start.local_name().into_inner())?;
        let mut attributes = start.attributes();
        attributes.with_checks(false);
        for (count, attribute) in attributes.enumerate() {
            within(count + 1, self.limits.attributes, "attributes of one element")?;
            let attribute = attribute.map_err(|_| XmlError::Malformed(position))?;
            let value = self.unescape(&attribute.value);
            let key = attribute.key.into_inner();
            let declared = key.strip_prefix("xmlns").filter(|prefix| prefix.is_empty() || prefix.starts_with(':'));
            match declared.map(|prefix| prefix.trim_start_matches(':')) {
                Some(prefix) => {
                    check_namespace(self.prefixes.len(), prefix, &value)?;
                    self.prefixes.push((depth, prefix.to_owned(), value.into()));
                }
                None => {
                    let local = key.rsplit_once(':').map_or(key, |(_, local)| local);
                    element.attributes.push(self.account.attribute(local, value)?);
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
        while self.prefixes.pop_if(|(at, _, _)| *at >= depth).is_some() {}
        let Some(element) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        self.account.text(text)?;
        if let Some(element) = self.open.last_mut() {
            element.text.push_str(text);
        }
        Ok(())
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
        let limits = XmlLimits { depth: 3, attributes: 2, elements: 4, ..XmlLimits::default() };
        assert!(parse("<a><b><c/></b></a>", &limits).is_ok());
        assert!(matches!(parse("<a><b><c><d/></c></b></a>", &limits), Err(XmlError::TooLarge { .. })));
        assert!(matches!(parse("<a x='' y='' z=''/>", &limits), Err(XmlError::TooLarge { .. })));
        assert!(matches!(parse("<a><b/><b/><b/><b/></a>", &limits), Err(XmlError::TooLarge { .. })));
    }

    #[test]
    fn d_r33_a_namespace_is_kept_once_and_names_and_declarations_are_limited() {
        let of = |text: &str| match parse(text, &XmlLimits::default()) {
            Err(XmlError::TooLarge { what, .. }) => what,
            other => panic!("{:?}", other.map(|document| document.root.name)),
        };
        let long = "n".repeat(1_000_000);
        assert_eq!(of(&format!("<r xmlns='{long}'>{}</r>", "<a/>".repeat(100_000))), "bytes of a namespace");
        assert_eq!(of(&format!("<r xmlns:{long}='u'/>")), "bytes of a prefix");
        assert_eq!(of(&format!("<{long}/>")), "bytes of a name");
        assert_eq!(of(&format!("<r {long}='1'/>")), "bytes of a name");
        let declared: String = (0..65).map(|n| format!(" xmlns:p{n}='u'")).collect();
        assert_eq!(of(&format!("<r{declared}/>")), "namespaces");
        // What an element declares ends with it, so any number of elements may.
        let root = read(&format!("<r>{}</r>", "<p:a xmlns:p='urn:p' xmlns='urn:q'><b/></p:a>".repeat(1000)));
        assert!(root.children.iter().all(|a| &*a.namespace == "urn:p" && &*a.children[0].namespace == "urn:q"));
        let shared = read(&format!("<r xmlns='{}'><a/><b/></r>", "n".repeat(1000)));
        assert!(Arc::ptr_eq(&shared.namespace, &shared.children[1].namespace));
    }

    #[test]
    fn d_r33_what_a_document_takes_in_memory_is_limited_by_its_length_and_in_all() {
        let of = |text: &str, bytes| parse(text, &XmlLimits { bytes, ..XmlLimits::default() }).map(|_| ());
        let memory = |limit| Err(XmlError::TooLarge { what: "bytes of memory", limit });
        let text = format!("<r>{}</r>", "x".repeat(9000));
        assert_eq!((of(&text, 10_000), of(&text, 9000)), (Ok(()), memory(9000)));
        let attributes = format!("<r>{}</r>", "<a b='' c='' d=''/>".repeat(100));
        assert_eq!(of(&attributes, 10_000), memory(10_000));
        // Elements of one letter are nobody's reports.
        let letters = format!("<r>{}</r>", "<a/>".repeat(500_000));
        assert_eq!(
            of(&letters, usize::MAX),
            memory(XmlLimits { bytes: usize::MAX, ..XmlLimits::default() }.room_for(letters.len()))
        );
        let fields = format!("<r>{}</r>", "<item><PACS_ID>1</PACS_ID><State/></item>".repeat(100_000));
        assert_eq!(of(&fields, usize::MAX), Ok(()));
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
        let namespaces: Vec<&str> = root.children.iter().map(|c| &*c.namespace).collect();
        assert_eq!((&*root.namespace, namespaces), ("urn:s", vec!["urn:b", ""]));
    }

    #[test]
    fn what_is_escaped_reads_back_the_same() {
        let text = "a<b>&\"'\r\n\tc";
        let root = read(&format!("<r a=\"{}\">{}</r>", escape_attribute(text), escape(text)));
        assert_eq!(root.attribute("a"), Some(text));
        assert_eq!(root.text, text);
    }
}
