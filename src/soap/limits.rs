//! How large a document may be, and the account that is kept while one is read: who sends it is not known yet.
//!
//! A few bytes of a document may ask for many in memory, a name that every item of a list repeats for any number. So what
//! is kept is counted before it is kept, against a bound that grows with the length of the document.

use super::xml::{Element, XmlError};

/// Longest name of an element or attribute, in bytes; those of the specification have less than 40.
const LONGEST_NAME: usize = 256;
/// Longest name of a namespace, in bytes; they are addresses.
const LONGEST_NAMESPACE: usize = 1024;
/// Most declarations of namespaces that hold at one place; generated clients write ten or so.
const MOST_NAMESPACES: usize = 64;
/// Bytes kept for each byte of a document. Empty elements with names as short as the specified ones take 17, text one.
const KEPT_FOR_A_BYTE: usize = 24;
/// Bytes kept of any document, however short.
const KEPT_OF_ANY: usize = 1024 * 1024;

/// How large a document may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XmlLimits {
    /// Elements within elements.
    pub depth: usize,
    /// Attributes of one element, or parameters of a form.
    pub attributes: usize,
    /// Elements in all.
    pub elements: usize,
    /// Bytes of memory that the document takes once it is read.
    pub bytes: usize,
}

impl Default for XmlLimits {
    fn default() -> Self {
        Self { depth: 32, attributes: 256, elements: 1_000_000, bytes: 128 * 1024 * 1024 }
    }
}

impl XmlLimits {
    /// Bytes of memory that a document of that length may take at most.
    pub fn room_for(&self, length: usize) -> usize {
        self.bytes.min(length.saturating_mul(KEPT_FOR_A_BYTE).saturating_add(KEPT_OF_ANY))
    }
}

/// What has been kept of a document.
#[derive(Debug)]
pub(super) struct Account<'l> {
    limits: &'l XmlLimits,
    most_bytes: usize,
    bytes: usize,
    elements: usize,
}

impl<'l> Account<'l> {
    pub(super) fn new(limits: &'l XmlLimits, length: usize) -> Self {
        Self { limits, most_bytes: limits.room_for(length), bytes: 0, elements: 0 }
    }

    /// An element of that name, with nothing in it yet.
    pub(super) fn element(&mut self, name: &str) -> Result<Element, XmlError> {
        self.elements += 1;
        within(self.elements, self.limits.elements, "elements")?;
        within(name.len(), LONGEST_NAME, "bytes of a name")?;
        self.keep(size_of::<Element>() + name.len())?;
        Ok(Element { name: name.to_owned(), ..Element::default() })
    }

    pub(super) fn attribute(&mut self, name: &str, value: String) -> Result<(String, String), XmlError> {
        within(name.len(), LONGEST_NAME, "bytes of a name")?;
        self.keep(size_of::<(String, String)>() + name.len() + value.len())?;
        Ok((name.to_owned(), value))
    }

    pub(super) fn text(&mut self, text: &str) -> Result<(), XmlError> {
        self.keep(text.len())
    }

    fn keep(&mut self, bytes: usize) -> Result<(), XmlError> {
        self.bytes = self.bytes.saturating_add(bytes);
        within(self.bytes, self.most_bytes, "bytes of memory")
    }
}

/// Whether one more declaration may join those that hold already.
pub(super) fn check_namespace(known: usize, prefix: &str, namespace: &str) -> Result<(), XmlError> {
    within(known + 1, MOST_NAMESPACES, "namespaces")?;
    within(prefix.len(), LONGEST_NAME, "bytes of a prefix")?;
    within(namespace.len(), LONGEST_NAMESPACE, "bytes of a namespace")
}

pub(super) fn within(count: usize, limit: usize, what: &'static str) -> Result<(), XmlError> {
    if count > limit { Err(XmlError::TooLarge { what, limit }) } else { Ok(()) }
}
