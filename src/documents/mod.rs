//! To be written.

pub mod fonts;
