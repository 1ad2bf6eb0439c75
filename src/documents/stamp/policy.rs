//! What is stamped where, and why a file is left as it is (D-I9, D-I10).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A corner of the page as it is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Corner {
    /// Top left.
    TopLeft,
    /// Top right.
    #[default]
    TopRight,
    /// Bottom left.
    BottomLeft,
    /// Bottom right.
    BottomRight,
}

impl Corner {
    /// Whether it is at the page's left edge.
    pub fn is_left(self) -> bool {
        matches!(self, Corner::TopLeft | Corner::BottomLeft)
    }

    /// Whether it is at the page's upper edge.
    pub fn is_top(self) -> bool {
        matches!(self, Corner::TopLeft | Corner::TopRight)
    }
}

/// Which pages carry the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StampedPages {
    /// The first.
    #[default]
    First,
    /// The last.
    Last,
    /// Every one.
    All,
}

impl StampedPages {
    /// Whether a page, counted from 0, carries the code.
    pub fn include(self, page: usize, page_count: usize) -> bool {
        match self {
            StampedPages::First => page == 0,
            StampedPages::Last => page + 1 == page_count,
            StampedPages::All => true,
        }
    }
}

/// What becomes of files that carry a digital signature (D-I9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignedFiles {
    /// They are archived without a code.
    #[default]
    Skip,
    /// The code is appended as an incremental update: the signed bytes stay as they are, and readers say that the file was
    /// changed after it was signed.
    Append,
}

/// What to stamp and where.
#[derive(Debug, Clone, PartialEq)]
pub struct StampPolicy {
    /// The text of the QR code: an opaque link.
    pub content: String,
    /// Side of the printed square, quiet zone included, in millimetres.
    pub size_mm: f64,
    /// Distance from the page's visible edges, in millimetres.
    pub margin_mm: f64,
    /// The corner of each stamped page.
    pub corner: Corner,
    /// The pages that are stamped.
    pub pages: StampedPages,
    /// Lines of text beside the code; empty for none.
    pub caption: String,
    /// Height of that text, in millimetres.
    pub caption_mm: f64,
    /// Stamp files that open without a password although they are encrypted.
    pub owner_locked: bool,
    /// What becomes of signed files.
    pub signed: SignedFiles,
}

impl StampPolicy {
    /// 22 mm at the top right of the first page, 8 mm from the edges, without a caption (D-I10).
    pub fn new(content: impl Into<String>) -> Self {
        Self {
            content: content.into(),
            size_mm: 22.0,
            margin_mm: 8.0,
            corner: Corner::TopRight,
            pages: StampedPages::First,
            caption: String::new(),
            caption_mm: 2.8,
            owner_locked: false,
            signed: SignedFiles::Skip,
        }
    }
}

/// Why a file is archived without a stamp.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StampRefusal {
    /// The file is encrypted; also when it opens without a password (D-I9).
    #[error("the PDF is encrypted")]
    Encrypted,
    /// The file carries a signature that a change would break.
    #[error("the PDF is signed")]
    Signed,
    /// The file cannot be read, or reading it failed badly.
    #[error("the file is damaged: {0}")]
    Damaged(String),
    /// There is no PDF header.
    #[error("this is no PDF")]
    NotAPdf,
    /// There is no page to stamp.
    #[error("the file has no pages")]
    NoPages,
    /// The file, its pages or what it unpacks to exceed a limit of `[documents]`.
    #[error("the file exceeds {0}")]
    TooLarge(&'static str),
}

impl StampRefusal {
    /// The word kept with the report file.
    pub fn as_str(&self) -> &'static str {
        match self {
            StampRefusal::Encrypted => "encrypted",
            StampRefusal::Signed => "signed",
            StampRefusal::Damaged(_) => "damaged",
            StampRefusal::NotAPdf => "not_a_pdf",
            StampRefusal::NoPages => "no_pages",
            StampRefusal::TooLarge(_) => "too_large",
        }
    }
}

impl From<lopdf::Error> for StampRefusal {
    fn from(error: lopdf::Error) -> Self {
        match error {
            lopdf::Error::Decryption(_)
            | lopdf::Error::InvalidPassword
            | lopdf::Error::UnsupportedSecurityHandler(_) => StampRefusal::Encrypted,
            lopdf::Error::Decompress(lopdf::DecompressError::MemoryLimitExceeded { .. }) => {
                StampRefusal::TooLarge("documents.max_stream_bytes")
            }
            other => StampRefusal::Damaged(other.to_string()),
        }
    }
}
