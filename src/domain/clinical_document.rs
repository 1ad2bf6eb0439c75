//! What a reader is shown of a clinical document (HL7 CDA R2): plain text in headings, paragraphs and tables.

/// What is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClinicalDocument {
    /// Its title.
    pub title: String,
    /// When it was written, as digits.
    pub written_at: String,
    /// Who wrote it.
    pub authors: Vec<String>,
    /// The organisation that keeps it.
    pub custodian: String,
    /// The body from top to bottom.
    pub blocks: Vec<Block>,
    /// A body that is not XML.
    pub other_body: Option<OtherBody>,
}

/// A body that is a file of another kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OtherBody {
    /// What it is said to be.
    pub media_type: String,
    /// The file; empty when it does not stand in the document.
    pub bytes: Vec<u8>,
}

/// A part of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A section's title, and how deep the section lies, from 1.
    Heading(usize, String),
    /// A paragraph, its lines.
    Paragraph(Vec<String>),
    /// An item of a list.
    Item(String),
    /// What is said of something, from a coded entry.
    Pair(String, String),
    /// Rows of cells.
    Table(Vec<Vec<Cell>>),
}

/// A cell of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell {
    /// Whether it heads a row or a column.
    pub is_heading: bool,
    /// Columns that it spans.
    pub span: usize,
    /// The text.
    pub text: String,
}
