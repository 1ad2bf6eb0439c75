//! People: patients as organisations know them, and which of them are one person.

pub(super) mod absorb_patient;
pub(super) mod add_ahead;
pub mod decide_person;
pub mod find_person;
mod keep_people;
mod settle_person;
