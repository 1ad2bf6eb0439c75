//! Putting a QR code on a PDF report (R2.5.1.5-5, D-I9, D-I10, D-I11).
//!
//! A sound file gets an incremental update (ISO 32000-1 section 7.5.6): its bytes stay a prefix of the result, and no
//! second copy of them is made. A file whose cross-reference data had to be recovered is written anew. A page's own content
//! is wrapped in `q … Q` and its resources are not touched. The result depends on nothing but the input: no dates, no
//! random identifiers. Encrypted and signed files are refused unless the policy says otherwise, since the hospital meant
//! them to stay as they are.

mod placement;
mod policy;

use std::collections::HashMap;
use std::io::Write;

use lopdf::{Dictionary, Document, IncrementalDocument, LoadOptions, Object, ObjectId, Stream};

use super::content::balance;
use super::page::visible_area;
use super::{DocumentsConfig, guarded};
use crate::domain::pdf;

pub(super) use placement::operators;
pub use policy::{Corner, SignedFiles, StampPolicy, StampRefusal, StampedPages};

/// Where a reader looks for the header; what stands before it makes an incremental update impossible.
const HEADER_WITHIN: usize = 1024;
/// Highest object number that is believed; a file of 100 MiB cannot hold as many.
const MAX_OBJECT_NUMBER: u32 = 10_000_000;
const MAX_NESTING: usize = 32;

/// A stamped PDF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamped {
    /// The new file.
    pub bytes: Vec<u8>,
    /// Pages.
    pub page_count: usize,
}

/// Stamps a file in memory. The caller runs it on a blocking thread; a panic of the parser becomes a refusal.
pub fn stamp_pdf(original: &[u8], policy: &StampPolicy, limits: &DocumentsConfig) -> Result<Stamped, StampRefusal> {
    let mut bytes = Vec::with_capacity(original.len().min(limits.max_bytes) + 16 * 1024);
    let page_count = stamp_pdf_into(original.to_vec(), policy, limits, &mut bytes)?;
    Ok(Stamped { bytes, page_count })
}

/// Stamps a file and writes the result out while it is made; gives the number of pages.
///
/// Nothing is written before it is certain that the file can be stamped. Besides `original` only what is not a picture
/// is held in memory.
pub fn stamp_pdf_into(
    original: Vec<u8>,
    policy: &StampPolicy,
    limits: &DocumentsConfig,
    target: &mut dyn Write,
) -> Result<usize, StampRefusal> {
    guarded(|| stamp(original, policy, limits, target))
        .unwrap_or_else(|| Err(StampRefusal::Damaged("the parser gave up".to_owned())))
}

fn stamp(
    original: Vec<u8>,
    policy: &StampPolicy,
    limits: &DocumentsConfig,
    target: &mut dyn Write,
) -> Result<usize, StampRefusal> {
    let mut document = load(&original, policy, limits, Pictures::LeftOut)?;
    let is_sound = |document: &Document| {
        original.starts_with(pdf::HEADER) && document.xref_recovery.is_none() && document.xref_start > 0
    };
    // Only without a filter does the parser mend a page tree that it cannot read.
    if !is_sound(&document) || document.page_iter().next().is_none() {
        drop(document);
        document = load(&original, policy, limits, Pictures::Kept)?;
    }
    let appended = is_sound(&document);
    if !appended && is_signed(&document) {
        return Err(StampRefusal::Signed);
    }
    let pages: Vec<ObjectId> = document.page_iter().take(limits.max_pages.saturating_add(1)).collect();
    if pages.len() > limits.max_pages {
        return Err(StampRefusal::TooLarge("documents.max_pages"));
    }
    let page_count = pages.len();
    let chosen: Vec<ObjectId> =
        (0..page_count).filter(|page| policy.pages.include(*page, page_count)).map(|page| pages[page]).collect();
    if chosen.is_empty() {
        return Err(StampRefusal::NoPages);
    }
    let changes =
        chosen.iter().map(|page| change_of(&document, *page, policy, limits)).collect::<Result<Vec<_>, _>>()?;
    if appended {
        append(original, document, changes, target)?;
    } else {
        drop(original);
        rewrite(document, changes, page_count, target)?;
    }
    Ok(page_count)
}

/// Whether the bytes of pictures are kept while a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pictures {
    Kept,
    LeftOut,
}

fn load(
    original: &[u8],
    policy: &StampPolicy,
    limits: &DocumentsConfig,
    pictures: Pictures,
) -> Result<Document, StampRefusal> {
    if original.len() > limits.max_bytes {
        return Err(StampRefusal::TooLarge("documents.max_bytes"));
    }
    let head = &original[..original.len().min(HEADER_WITHIN)];
    if !pdf::has_header(head) {
        return Err(StampRefusal::NotAPdf);
    }
    let mut options = load_options(original, limits);
    if pictures == Pictures::LeftOut {
        options.filter = Some(without_picture);
    }
    let document = Document::load_mem_with_options(original, options)?;
    let locked = document.is_encrypted() || (document.was_encrypted() && !policy.owner_locked);
    if locked || document.trailer.has(b"Encrypt") {
        return Err(StampRefusal::Encrypted);
    }
    if document.max_id > MAX_OBJECT_NUMBER {
        return Err(StampRefusal::Damaged("an object number is absurd".to_owned()));
    }
    if policy.signed == SignedFiles::Skip && is_signed(&document) {
        return Err(StampRefusal::Signed);
    }
    Ok(document)
}

/// An update writes no picture again, so its bytes need not be kept.
///
/// The parser keeps what is changed in place, but what is returned of objects in object streams, where no stream can be.
fn without_picture(id: (u32, u16), object: &mut Object) -> Option<((u32, u16), Object)> {
    let Object::Stream(stream) = object else { return Some((id, object.clone())) };
    if matches!(stream.dict.get(b"Subtype"), Ok(Object::Name(name)) if name == b"Image") {
        // An empty stream would be read once more.
        stream.content = vec![0];
    }
    Some((id, Object::Null))
}

/// The parser's limit is for one stream, so many streams get a smaller one each.
fn load_options(original: &[u8], limits: &DocumentsConfig) -> LoadOptions {
    let object_streams = memchr::memmem::find_iter(original, b"/ObjStm").count().max(1);
    let each = (limits.max_unpacked_bytes / object_streams).clamp(64 * 1024, limits.max_stream_bytes.max(64 * 1024));
    LoadOptions::with_max_decompressed_size(each)
}

fn is_signed(document: &Document) -> bool {
    document.objects.values().any(|object| is_signature(object, MAX_NESTING))
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

/// A page with what goes before and after its own content.
struct Change {
    page: ObjectId,
    dictionary: Dictionary,
    contents: Vec<Object>,
    before: String,
    after: String,
}

fn change_of(
    document: &Document,
    page: ObjectId,
    policy: &StampPolicy,
    limits: &DocumentsConfig,
) -> Result<Change, StampRefusal> {
    let content = document.get_page_content_with_limit(page, limits.max_stream_bytes)?;
    let balance = balance(&content);
    drop(content);
    let before = "q\n".repeat(1 + balance.missing_saves);
    let mut after = String::from("\n");
    if balance.text_open {
        after.push_str("ET\n");
    }
    after.push_str(&"Q\n".repeat(1 + balance.missing_restores));
    after.push_str(&operators(&visible_area(document, page), policy)?);
    let dictionary = document.get_dictionary(page)?.clone();
    let contents = contents(document, &dictionary);
    Ok(Change { page, dictionary, contents, before, after })
}

fn append(
    original: Vec<u8>,
    document: Document,
    changes: Vec<Change>,
    target: &mut dyn Write,
) -> Result<(), StampRefusal> {
    let mut update = IncrementalDocument::create_from(original, document);
    wrap(&mut update.new_document, changes)?;
    // What described the old cross-reference section does not describe the new one.
    for key in [&b"XRefStm"[..], b"DecodeParms", b"Filter", b"Index", b"Length", b"W", b"Type"] {
        update.new_document.trailer.remove(key);
    }
    let mut target = target;
    update.save_to(&mut target).map_err(unwritten)?;
    target.write_all(b"\n").map_err(unwritten)
}

fn rewrite(
    mut document: Document,
    changes: Vec<Change>,
    page_count: usize,
    target: &mut dyn Write,
) -> Result<(), StampRefusal> {
    wrap(&mut document, changes)?;
    for key in [&b"Prev"[..], b"XRefStm", b"DecodeParms", b"Filter", b"Index", b"Length", b"W", b"Type"] {
        document.trailer.remove(key);
    }
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).map_err(unwritten)?;
    drop(document);
    // A file that had to be recovered may come out broken; it is read once more before it is believed.
    let again = Document::load_mem(&bytes)?;
    if again.xref_recovery.is_some() || again.page_iter().take(page_count + 1).count() != page_count {
        return Err(StampRefusal::Damaged("the pages could not be written anew".to_owned()));
    }
    drop(again);
    bytes.push(b'\n');
    target.write_all(&bytes).map_err(unwritten)
}

fn unwritten(error: std::io::Error) -> StampRefusal {
    StampRefusal::Damaged(error.to_string())
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

fn wrap(target: &mut Document, changes: Vec<Change>) -> Result<(), StampRefusal> {
    // Pages of one size get the same stamp: it is written once.
    let mut written: HashMap<String, ObjectId> = HashMap::new();
    let mut stream = |target: &mut Document, text: String| -> Result<Object, StampRefusal> {
        if let Some(id) = written.get(&text) {
            return Ok(Object::Reference(*id));
        }
        let mut stream = Stream::new(Dictionary::new(), text.clone().into_bytes());
        if text.len() > 256 {
            stream.compress()?;
        }
        let id = target.add_object(stream);
        written.insert(text, id);
        Ok(Object::Reference(id))
    };
    for Change { page, mut dictionary, contents, before, after } in changes {
        let mut parts = vec![stream(target, before)?];
        parts.extend(contents);
        parts.push(stream(target, after)?);
        dictionary.set("Contents", Object::Array(parts));
        target.set_object(page, Object::Dictionary(dictionary));
    }
    Ok(())
}
