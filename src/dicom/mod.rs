//! To be written.

pub mod elements;
pub mod render;
pub mod waveform;
