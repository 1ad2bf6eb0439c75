//! Exam and lab reports: registered, found again, their files fetched, stamped and handed out, lab reports composed.

pub mod batch_outcome;
pub mod compose_lab_report;
pub mod fetch_report_file;
pub mod find_reports;
pub mod follow_changes;
pub mod inbox;
pub mod keep_message;
pub mod measure_quality;
mod plan_batch;
pub mod prepare_report;
pub mod pull_person;
pub mod pull_reports;
pub mod push_report_file;
pub mod qr_link;
pub mod read_report_file;
pub mod recognitions;
pub mod record_recognition;
mod register_exam;
mod register_lab;
pub mod register_reports;
pub mod report_codes;
pub mod restamp_reports;
pub mod restrict_reports;
pub mod stamp_rules;
mod stamped_copy;
mod standing;
pub mod take_encapsulated_report;
