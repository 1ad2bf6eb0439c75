//! People: patients as organisations know them, and which of them are one person.

pub(super) mod absorb_patient;
pub(super) mod add_ahead;
pub mod decide_person;
pub mod find_person;
mod keep_people;
mod settle_person;

/// What a transaction holds that says who is whose person, so that it sees what was decided just before: a rule does
/// not move a patient whom somebody links in that moment, and nobody is moved to a person who has just been merged
/// away.
const PERSONS: &str = "persons";
