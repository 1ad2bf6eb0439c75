//! What a signed link opens: the session, its list and its exams; and the customers that sign.

pub mod customers;
pub mod exams_of_patient;
pub mod given_file;
mod legacy_login;
pub mod list_exams;
mod list_marks;
pub mod open_link;
pub mod report_versions;
pub mod session;
pub mod view_exam;
pub mod view_trend;
pub mod visit_qr_link;
