//! DICOMweb: what goes in, what comes out, who may, and what hostile peers get.

mod access;
mod frames;
mod hostile;
mod metadata;
mod orthanc;
mod peers;
mod rendered;
mod retrieve;
mod search;
mod store;
mod world;
