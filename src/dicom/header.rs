//! Reads the header of a data set while it streams by (PS3.5 sections 7.1, 7.5 and A.5).
//!
//! The scanner keeps the few values that the index needs and skips everything else by its length, so its memory
//! does not depend on the object. It never allocates by a declared length, never panics, and never refuses an object:
//! what does not parse becomes a [`HeaderState`]. It takes chunks cut anywhere. Values at the top level are kept,
//! and the items of one sequence (Request Attributes Sequence); other
//! sequences of defined length are skipped whole, those of undefined length are walked with a depth limit, and a UN of
//! undefined length is read as Implicit VR Little Endian (CP-246).

mod inflate;
mod scan;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::transfer_syntax::{ElementEncoding, is_deflated};
use inflate::Inflater;
use scan::Scan;
pub(super) use scan::{believable_encoding, has_short_length};

/// Bounds of the header scan.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HeaderLimits {
    /// Longest value that is kept, in bytes; a longer one is skipped. Default 65536.
    pub max_value_bytes: u32,
    /// All kept values together, in bytes. Default 262144.
    pub max_total_value_bytes: u32,
    /// Nesting of sequences and items of undefined length. Default 64.
    pub max_depth: u16,
    /// Items of Request Attributes Sequence (0040,0275) that are kept, the first ones. Default 16.
    pub max_request_items: u16,
    /// Bytes inflated from a deflated data set before the scan gives up. Default 16777216.
    pub max_inflated_bytes: u64,
}

impl Default for HeaderLimits {
    fn default() -> Self {
        Self {
            max_value_bytes: 64 * 1024,
            max_total_value_bytes: 256 * 1024,
            max_depth: 64,
            max_request_items: 16,
            max_inflated_bytes: 16 * 1024 * 1024,
        }
    }
}

/// How far the header could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderState {
    /// Up to the pixel data, the end, or past every attribute that the index keeps.
    Complete,
    /// The data set ended inside an element or a sequence.
    Truncated,
    /// Something that is no data element; says what.
    Malformed(&'static str),
    /// A limit stopped the scan or dropped a value; says which.
    LimitReached(&'static str),
}

impl HeaderState {
    /// The text of the index column `header_state`.
    pub fn as_str(self) -> &'static str {
        match self {
            HeaderState::Complete => "complete",
            HeaderState::Truncated => "truncated",
            HeaderState::Malformed(what) | HeaderState::LimitReached(what) => what,
        }
    }
}

/// Values as they came, by tag (`0xGGGGEEEE`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawAttributes {
    values: BTreeMap<u32, Vec<u8>>,
    items: Vec<BTreeMap<u32, Vec<u8>>>,
    big_endian: bool,
}

impl RawAttributes {
    /// The bytes of a value; `None` when the element was absent.
    pub fn get(&self, tag: u32) -> Option<&[u8]> {
        self.values.get(&tag).map(Vec::as_slice)
    }

    /// The wanted values of each item of Request Attributes Sequence, in order.
    pub(super) fn items(&self) -> &[BTreeMap<u32, Vec<u8>>] {
        &self.items
    }

    /// The first value of a US element.
    pub fn unsigned_short(&self, tag: u32) -> Option<u16> {
        let bytes: [u8; 2] = self.get(tag)?.get(..2)?.try_into().ok()?;
        Some(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }
}

/// What the scan found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The kept values.
    pub attributes: RawAttributes,
    /// How far the scan came.
    pub state: HeaderState,
    /// Where the (Float, Double Float) Pixel Data element begins, counted from the start of the data set;
    /// `None` when there is none, or the data set is deflated.
    pub pixel_data_offset: Option<u64>,
    /// Where the pixel data must end by its own length, counted likewise; a data set that ends before it was cut off.
    pub declared_end: Option<u64>,
}

/// The streaming scanner; see the module's words.
#[derive(Debug)]
pub struct HeaderScanner {
    scan: Scan,
    inflater: Option<Inflater>,
}

impl HeaderScanner {
    /// Starts at the first byte of a data set in this transfer syntax.
    pub fn new(transfer_syntax_uid: &str, limits: HeaderLimits) -> Self {
        let inflater = is_deflated(transfer_syntax_uid).then(|| Inflater::new(limits.max_inflated_bytes));
        Self { scan: Scan::new(ElementEncoding::of(transfer_syntax_uid), limits), inflater }
    }

    /// Takes the next bytes; returns at once when nothing more is wanted.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.scan.is_done() {
            return;
        }
        match &mut self.inflater {
            None => self.scan.push(bytes),
            Some(inflater) => inflater.push(bytes, &mut self.scan),
        }
    }

    /// Whether further bytes are of no interest.
    pub fn is_done(&self) -> bool {
        self.scan.is_done()
    }

    /// The data set has ended.
    pub fn finish(self) -> Header {
        let deflated = self.inflater.is_some();
        let mut header = self.scan.finish();
        if deflated {
            header.pixel_data_offset = None;
            header.declared_end = None;
        }
        header
    }
}

#[cfg(test)]
mod tests;
