//! DICOMweb: what goes in, what comes out, who may, and what hostile peers get.

mod access;
mod capabilities;
mod charsets;
mod codecs;
mod crashes;
mod frames;
mod hostile;
mod https;
mod memory;
mod metadata;
mod orthanc;
mod peers;
mod rendered;
mod retrieve;
mod search;
mod spool;
mod store;
mod world;
mod zip;
