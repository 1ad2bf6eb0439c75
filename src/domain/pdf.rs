//! By what a PDF is known (ISO 32000-1 section 7.5.2).

/// The bytes with which a PDF begins.
pub const HEADER: &[u8] = b"%PDF-";

/// Whether a PDF may begin somewhere in these bytes: readers look for it within the first kilobyte.
pub fn has_header(head: &[u8]) -> bool {
    head.windows(HEADER.len()).any(|window| window == HEADER)
}
