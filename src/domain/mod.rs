//! The words of the archive, pure: no I/O, no async, no SQL, no HTTP, no DICOM library.

pub mod actor;
pub mod ae_title;
pub mod attachment;
pub mod availability;
pub mod clock;
pub mod commitment;
pub mod criteria;
pub mod cursor;
pub mod customer;
pub mod date_time;
pub mod day_window;
pub mod dictionary;
pub mod exam_report;
pub mod identity;
pub mod lab_report;
pub mod lab_result;
pub mod organization;
pub mod page;
pub mod patient;
pub mod patient_key;
pub mod place;
pub mod query;
pub mod record;
pub mod scope;
pub mod sharing;
pub mod token;
pub mod trend;
pub mod uid;

pub use actor::{Actor, ActorKind};
pub use ae_title::AeTitle;
pub use clock::Clock;
pub use uid::Uid;
