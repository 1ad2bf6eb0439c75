//! The font inside the program: Noto Sans SC Regular, under the SIL Open Font License 1.1 (`fonts/OFL.txt`).
//!
//! It draws the text of composed lab reports, of captions and of the demonstration's reports, and stands in for fonts that a
//! sender's PDF names but does not embed, when page pictures are made.

/// Noto Sans SC Regular (TrueType), with the Chinese characters of everyday reports.
pub static CJK: &[u8] = include_bytes!("fonts/NotoSansSC-Regular.ttf");
