//! What other nodes ask of us and we of them: queries, retrieval, commitment, forwarding of images and reports.

pub mod commit_storage;
pub mod find;
pub mod forward;
pub mod forward_reports;
pub mod notify_availability;
pub mod retrieve;
pub mod retrieve_exam;
pub mod send_data_set;
