//! Bytes of the DICOM standard ⇄ words of the domain.
//!
//! Pure work on bytes: nothing here waits, stores or listens. [`header`] reads a data set while it streams by,
//! [`text`] turns its texts into UTF-8, [`attributes`] names what the index keeps, [`part10`] writes and reads the
//! file meta information (PS3.10 section 7). [`render`] and [`waveform`] make pictures, from what [`elements`] reads.

pub mod attributes;
pub mod availability;
pub mod content_hash;
pub mod convert;
pub mod data_set_writer;
pub mod dictionary;
pub mod elements;
pub mod encapsulated_document;
pub mod encapsulated_pdf;
pub mod film;
pub mod frames;
pub mod header;
pub mod identifier;
pub mod json;
pub mod model;
pub mod native_xml;
pub mod part10;
pub mod render;
pub mod sop_class;
pub mod storage_commitment;
pub mod structured_report;
pub mod text;
pub mod transfer_syntax;
pub mod waveform;
