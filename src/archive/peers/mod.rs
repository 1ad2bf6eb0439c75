//! What other DICOM nodes ask of us and we of them: queries, retrieval, commitment, forwarding.

pub mod commit_storage;
pub mod find;
pub mod forward;
pub mod notify_availability;
pub mod retrieve;
pub mod retrieve_exam;
pub mod send_data_set;
