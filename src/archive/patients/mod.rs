//! People: patients as organisations know them, and which of them are one person.

pub(super) mod absorb_patient;
mod keep_people;
