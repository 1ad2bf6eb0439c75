//! Lab reports composed to A4 pages in Chinese (R3.7.2-1, R3.7.2-2, D-S8).
//!
//! A report that came as data only gets a page like the laboratory's own: who, what, a table with result, flag, unit,
//! reference, method and instrument, who did and who reviewed it, the report number as a barcode, page numbers. Several
//! reports of one visit flow onto common pages. Layout and drawing are apart: the first makes strokes, the second a PDF.
//! The same reports always give the same bytes.

mod canvas;
mod layout;
mod metrics;

use super::guarded;
use super::stamp::Corner;

/// Bumped whenever the same report would look otherwise, so that what is kept is composed anew.
pub const LAYOUT_VERSION: u32 = 1;

/// What is printed of one lab report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabSheet {
    /// Its title, e.g. 血常规.
    pub title: String,
    /// Its number, printed as text and as barcode.
    pub report_form_no: String,
    /// Specimen, times and the like: label and value.
    pub facts: Vec<(&'static str, String)>,
    /// The results.
    pub rows: Vec<LabRow>,
    /// Who did it, who reviewed it and when: label and value.
    pub signatures: Vec<(&'static str, String)>,
}

/// One result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabRow {
    /// Its number in the report.
    pub number: String,
    /// The item.
    pub name: String,
    /// The result.
    pub value: String,
    /// ↑, ↓ or a word; empty when the result is as expected.
    pub flag: String,
    /// The unit.
    pub unit: String,
    /// What is expected.
    pub reference: String,
    /// Examine_Way.
    pub method: String,
    /// Playing_Device.
    pub instrument: String,
}

/// The reports of one patient at one organisation, as they go on paper together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabDocument {
    /// The organisation's name.
    pub organization: String,
    /// The patient: label and value.
    pub patient: Vec<(&'static str, String)>,
    /// The reports.
    pub reports: Vec<LabSheet>,
}

/// A corner of each page that is kept free, for the QR code.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reserved {
    /// Which corner.
    pub corner: Corner,
    /// Width and height that are kept free from the page's edges, in millimetres.
    pub side_mm: f64,
}

/// A composed document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    /// The PDF.
    pub bytes: Vec<u8>,
    /// Pages.
    pub page_count: usize,
}

/// Why a document was not composed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// There is nothing to print.
    #[error("there is no report to print")]
    Nothing,
    /// The document has more pages than `documents.max_pages`.
    #[error("the document exceeds documents.max_pages")]
    TooLarge,
    /// The PDF could not be written.
    #[error("the PDF could not be written: {0}")]
    Unwritten(String),
}

/// Composes a document. The caller runs it on a blocking thread.
pub fn compose(document: &LabDocument, reserved: Option<Reserved>, max_pages: usize) -> Result<Composed, ComposeError> {
    let composed = guarded(|| {
        let pages = layout::pages(document, reserved, max_pages)?;
        let page_count = pages.len();
        Ok(Composed { bytes: canvas::pdf(document, &pages)?, page_count })
    });
    composed.unwrap_or_else(|| Err(ComposeError::Unwritten("the composer gave up".to_owned())))
}
