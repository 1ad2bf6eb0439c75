//! Putting a QR code on a PDF report (R2.5.1.5-5, D-I9, D-I10, D-I11).
//!
//! A sound file gets an incremental update (ISO 32000-1 section 7.5.6): its bytes stay a prefix of the result. A file
//! whose cross-reference data had to be recovered is written anew. The page's own content is wrapped in `q … Q` and
//! its resources are not touched. The result depends on nothing but the input: no dates, no random identifiers.
//! Encrypted and signed files are refused, since the hospital meant them to stay as they are.

use std::io::Write;

use lopdf::{Dictionary, Document, IncrementalDocument, LoadOptions, Object, ObjectId, Stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::content::balance;
use super::page::{VisibleArea, visible_area};
use super::qr::QrCode;
use super::{DocumentsConfig, guarded};

/// Where a reader looks for the header; what stands before it makes an incremental update impossible.
const HEADER_WITHIN: usize = 1024;
/// Highest object number that is believed; a file of 100 MiB cannot hold as many.
const MAX_OBJECT_NUMBER: u32 = 10_000_000;
const MAX_NESTING: usize = 32;

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

/// What to stamp and where.
#[derive(Debug, Clone, PartialEq)]
pub struct StampPolicy {
    /// The text of the QR code: an opaque link.
    pub content: String,
    /// Side of the printed square, quiet zone included, in millimetres.
    pub size_mm: f64,
    /// Distance from the page's visible edges, in millimetres.
    pub margin_mm: f64,
    /// The corner of the first page.
    pub corner: Corner,
    /// Stamp files that open without a password although they are encrypted.
    pub owner_locked: bool,
}

/// A stamped PDF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamped {
    /// The new file.
    pub bytes: Vec<u8>,
    /// Pages.
    pub page_count: usize,
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
    #[error("the PDF is damaged: {0}")]
    Damaged(String),
    /// There is no PDF header.
    #[error("this is no PDF")]
    NotAPdf,
    /// There is no page to stamp.
    #[error("the PDF has no pages")]
    NoPages,
    /// The file, its pages or what it unpacks to exceed a limit of `[documents]`.
    #[error("the PDF exceeds {0}")]
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

/// Stamps the first page. The caller runs it on a blocking thread; a panic of the parser becomes a refusal.
pub fn stamp_pdf(original: &[u8], policy: &StampPolicy, limits: &DocumentsConfig) -> Result<Stamped, StampRefusal> {
    guarded(|| stamp(original, policy, limits))
        .unwrap_or_else(|| Err(StampRefusal::Damaged("the parser gave up".to_owned())))
}

fn stamp(original: &[u8], policy: &StampPolicy, limits: &DocumentsConfig) -> Result<Stamped, StampRefusal> {
    let document = load(original, policy, limits)?;
    let page_count = document.page_iter().take(limits.max_pages.saturating_add(1)).count();
    if page_count > limits.max_pages {
        return Err(StampRefusal::TooLarge("documents.max_pages"));
    }
    let page = document.page_iter().next().ok_or(StampRefusal::NoPages)?;
    let content = document.get_page_content_with_limit(page, limits.max_stream_bytes)?;
    let balance = balance(&content);
    drop(content);
    let before = "q\n".repeat(1 + balance.missing_saves);
    let mut after = String::from("\n");
    if balance.text_open {
        after.push_str("ET\n");
    }
    after.push_str(&"Q\n".repeat(1 + balance.missing_restores));
    after.push_str(&operators(&visible_area(&document, page), policy)?);

    let sound = original.starts_with(b"%PDF-") && document.xref_recovery.is_none() && document.xref_start > 0;
    let bytes = if sound {
        append(original, document, page, before, after)?
    } else {
        rewrite(document, page, before, after, page_count)?
    };
    Ok(Stamped { bytes, page_count })
}

fn load(original: &[u8], policy: &StampPolicy, limits: &DocumentsConfig) -> Result<Document, StampRefusal> {
    if original.len() > limits.max_bytes {
        return Err(StampRefusal::TooLarge("documents.max_bytes"));
    }
    let head = &original[..original.len().min(HEADER_WITHIN)];
    if !head.windows(5).any(|window| window == b"%PDF-") {
        return Err(StampRefusal::NotAPdf);
    }
    let document = Document::load_mem_with_options(original, load_options(original, limits))?;
    let locked = document.is_encrypted() || (document.was_encrypted() && !policy.owner_locked);
    if locked || document.trailer.has(b"Encrypt") {
        return Err(StampRefusal::Encrypted);
    }
    if document.max_id > MAX_OBJECT_NUMBER {
        return Err(StampRefusal::Damaged("an object number is absurd".to_owned()));
    }
    if document.objects.values().any(|object| is_signature(object, MAX_NESTING)) {
        return Err(StampRefusal::Signed);
    }
    Ok(document)
}

/// The parser's limit is for one stream, so many streams get a smaller one each.
fn load_options(original: &[u8], limits: &DocumentsConfig) -> LoadOptions {
    let object_streams = original.windows(7).filter(|window| window == b"/ObjStm").count().max(1);
    let each = (limits.max_unpacked_bytes / object_streams).clamp(64 * 1024, limits.max_stream_bytes.max(64 * 1024));
    LoadOptions::with_max_decompressed_size(each)
}

fn is_signature(object: &Object, depth: usize) -> bool {
    let within = |dictionary: &Dictionary| {
        dictionary.has(b"ByteRange") || dictionary.iter().any(|(_, value)| is_signature(value, depth - 1))
    };
    match object {
        _ if depth == 0 => false,
        Object::Dictionary(dictionary) => within(dictionary),
        Object::Array(items) => items.iter().any(|item| is_signature(item, depth - 1)),
        _ => false,
    }
}

fn operators(area: &VisibleArea, policy: &StampPolicy) -> Result<String, StampRefusal> {
    let code = QrCode::encode(&policy.content).map_err(|_| StampRefusal::TooLarge("the capacity of a QR code"))?;
    // A page smaller than the stamp gets a smaller stamp, never one that is cut off.
    let shortest = area.width.min(area.height);
    let size = (policy.size_mm * area.units_per_mm).min(shortest);
    let margin = |length: f64| (policy.margin_mm * area.units_per_mm).min((length - size) / 2.0).max(0.0);
    let (across, up) = (margin(area.width), margin(area.height));
    let (x, y) = match policy.corner {
        Corner::TopLeft => (across, area.height - up - size),
        Corner::TopRight => (area.width - across - size, area.height - up - size),
        Corner::BottomLeft => (across, up),
        Corner::BottomRight => (area.width - across - size, up),
    };
    let [a, b, c, d, e, f] = area.matrix;
    let module = size / code.side as f64;
    Ok(format!(
        "q\n{a} {b} {c} {d} {e:.4} {f:.4} cm\n{module:.6} 0 0 {module:.6} {x:.4} {y:.4} cm\n{}Q\n",
        code.operators()
    ))
}

fn append(
    original: &[u8],
    document: Document,
    page: ObjectId,
    before: String,
    after: String,
) -> Result<Vec<u8>, StampRefusal> {
    let dictionary = document.get_dictionary(page)?.clone();
    let old = contents(&document, &dictionary);
    let mut update = IncrementalDocument::create_from(original.to_vec(), document);
    wrap(&mut update.new_document, page, dictionary, old, before, after);
    // What described the old cross-reference section does not describe the new one.
    for key in [&b"XRefStm"[..], b"DecodeParms", b"Filter", b"Index", b"Length", b"W", b"Type"] {
        update.new_document.trailer.remove(key);
    }
    let mut bytes = Vec::with_capacity(original.len() + 16 * 1024);
    update.save_to(&mut bytes).map_err(|error| StampRefusal::Damaged(error.to_string()))?;
    ended(bytes)
}

fn rewrite(
    mut document: Document,
    page: ObjectId,
    before: String,
    after: String,
    page_count: usize,
) -> Result<Vec<u8>, StampRefusal> {
    let dictionary = document.get_dictionary(page)?.clone();
    let old = contents(&document, &dictionary);
    wrap(&mut document, page, dictionary, old, before, after);
    for key in [&b"Prev"[..], b"XRefStm", b"DecodeParms", b"Filter", b"Index", b"Length", b"W", b"Type"] {
        document.trailer.remove(key);
    }
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).map_err(|error| StampRefusal::Damaged(error.to_string()))?;
    drop(document);
    // A file that had to be recovered may come out broken; it is read once more before it is believed.
    let again = Document::load_mem(&bytes)?;
    if again.xref_recovery.is_some() || again.page_iter().take(page_count + 1).count() != page_count {
        return Err(StampRefusal::Damaged("the pages could not be written anew".to_owned()));
    }
    ended(bytes)
}

fn ended(mut bytes: Vec<u8>) -> Result<Vec<u8>, StampRefusal> {
    bytes.write_all(b"\n").map_err(|error| StampRefusal::Damaged(error.to_string()))?;
    Ok(bytes)
}

/// The references in `Contents`, which may be missing, one stream, or an array that may itself be referred to.
fn contents(document: &Document, page: &Dictionary) -> Vec<Object> {
    let Ok(entry) = page.get(b"Contents") else { return Vec::new() };
    match document.dereference(entry).map(|(_, value)| value) {
        Ok(Object::Array(items)) => items.iter().filter(|item| item.as_reference().is_ok()).cloned().collect(),
        Ok(Object::Stream(_)) => vec![entry.clone()],
        _ => Vec::new(),
    }
}

fn wrap(
    target: &mut Document,
    page: ObjectId,
    mut dictionary: Dictionary,
    old: Vec<Object>,
    before: String,
    after: String,
) {
    let before = target.add_object(Stream::new(Dictionary::new(), before.into_bytes()));
    let after = target.add_object(Stream::new(Dictionary::new(), after.into_bytes()));
    let mut parts = vec![Object::Reference(before)];
    parts.extend(old);
    parts.push(Object::Reference(after));
    dictionary.set("Contents", Object::Array(parts));
    target.set_object(page, Object::Dictionary(dictionary));
}
