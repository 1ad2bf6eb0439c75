//! What a signed link opens: the session, its list and its exams.

pub mod list_exams;
pub mod open_link;
pub mod view_exam;
pub mod view_trend;
