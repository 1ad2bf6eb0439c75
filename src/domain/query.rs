//! Queries of the Query/Retrieve service and of QIDO-RS (PS3.4 section C.2.2, PS3.18 section 10.6), pure.
//!
//! A [`Query`] asks at one level with conditions on attributes and names the attributes to return. Adapters feed it key
//! by key as UTF-8 text with [`Query::add_key`], which finds the kind of matching (single value, list, universal,
//! wildcard, range) from the value and the attribute; [`Query::add_nested_key`] does so inside a sequence. [`Query::accepts`] decides exactly; a database may use the
//! conditions to find candidates. Attributes that the archive does not know are told, not refused.

pub mod attribute;
mod fuzzy;
mod matching;
mod name;
mod pattern;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub use attribute::{Attribute, Kind, Level};
pub use fuzzy::{FuzzyName, search_words};
pub use matching::{Bound, Matching};
pub use name::{NamePattern, search_keys};
pub use pattern::Pattern;

use attribute::tag;

/// One attribute and what its value must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The attribute.
    pub attribute: &'static Attribute,
    /// What its value must be.
    pub matching: Matching,
}

/// How a range of dates and a range of times go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DateTimeMatching {
    /// Each on its own (C-FIND without extended negotiation).
    #[default]
    Separate,
    /// As one range of moments (PS3.4 section C.2.2.2.5.1; QIDO-RS).
    Combined,
}

/// How names of persons are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NameMatching {
    /// Group by group, with wildcards (PS3.4 section C.2.2.2.1).
    #[default]
    Literal,
    /// By words in any order ([`FuzzyName`]): when C-FIND has negotiated it, or QIDO-RS asks for it.
    Fuzzy,
}

/// What `""` means as the value of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EmptyValueMatching {
    /// A text like others.
    #[default]
    Literal,
    /// No value (PS3.4 section C.2.2.2.7): when QIDO-RS asks for it.
    Empty,
}

/// Which values a key may list, separated by `\`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MultipleValueMatching {
    /// UIDs, and texts without wildcards.
    #[default]
    UidsAndTexts,
    /// Whatever one value may be, each by its own kind of matching (PS3.4 section C.2.2.2.8): when QIDO-RS asks for it.
    Any,
}

/// How the values of keys are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Reading {
    names: NameMatching,
    empty_values: EmptyValueMatching,
    multiple_values: MultipleValueMatching,
}

/// What a key means to the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySupport {
    /// It is matched and returned.
    Matched,
    /// It is returned; its value is not looked at.
    Returned,
    /// The archive does not know this attribute, or not at this level; it is returned without a value.
    Unsupported,
}

/// Why a query cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The value does not fit the attribute's value representation.
    #[error("value of ({:04X},{:04X}) is not valid", .0 >> 16, .0 & 0xFFFF)]
    InvalidValue(u32),
    /// The value is longer, or has more parts, than any value may.
    #[error("value of ({:04X},{:04X}) is too long", .0 >> 16, .0 & 0xFFFF)]
    TooLong(u32),
}

/// A question: which patients, studies, series or instances, and what of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    level: Level,
    conditions: Vec<Condition>,
    returned: BTreeSet<u32>,
    date_time: DateTimeMatching,
    reading: Reading,
}

impl Query {
    /// Asks for everything at this level; every match gives the unique keys down to the level.
    pub fn new(level: Level) -> Self {
        let unique = [
            (Level::Patient, tag::PATIENT_ID),
            (Level::Study, tag::STUDY_INSTANCE_UID),
            (Level::Series, tag::SERIES_INSTANCE_UID),
            (Level::Instance, tag::SOP_INSTANCE_UID),
        ];
        let returned = unique.into_iter().filter(|(of, _)| *of <= level).map(|(_, tag)| tag).collect();
        let (date_time, reading) = (DateTimeMatching::default(), Reading::default());
        Self { level, conditions: Vec::new(), returned, date_time, reading }
    }

    /// How ranges of dates and times go together.
    pub fn with_date_time(mut self, date_time: DateTimeMatching) -> Self {
        self.date_time = date_time;
        self
    }

    /// How the names of persons of keys that are added from here on are compared.
    pub fn with_names(mut self, names: NameMatching) -> Self {
        self.reading.names = names;
        self
    }

    /// What `""` means in keys that are added from here on.
    pub fn with_empty_values(mut self, empty_values: EmptyValueMatching) -> Self {
        self.reading.empty_values = empty_values;
        self
    }

    /// What keys that are added from here on may list.
    pub fn with_multiple_values(mut self, multiple_values: MultipleValueMatching) -> Self {
        self.reading.multiple_values = multiple_values;
        self
    }

    /// Adds a key with its value as text: UTF-8, several values separated by `\`. An empty value matches everything.
    /// The attribute is also returned.
    pub fn add_key(&mut self, tag: u32, value: &str) -> Result<KeySupport, QueryError> {
        self.add(Attribute::of(tag), value)
    }

    /// Adds a key in the item of a sequence (sequence matching, PS3.4 section C.2.2.2.6): all such keys must fit one item.
    pub fn add_nested_key(&mut self, sequence: u32, tag: u32, value: &str) -> Result<KeySupport, QueryError> {
        self.add(Attribute::in_sequence(sequence, tag), value)
    }

    fn add(&mut self, attribute: Option<&'static Attribute>, value: &str) -> Result<KeySupport, QueryError> {
        let Some(attribute) = attribute.filter(|attribute| attribute.level <= self.level) else {
            return Ok(KeySupport::Unsupported);
        };
        let tag = attribute.tag;
        self.returned.insert(tag);
        if !attribute.is_matched() {
            return Ok(KeySupport::Returned);
        }
        if let Some(matching) = Matching::read(attribute, value, self.reading)? {
            self.conditions.retain(|condition| condition.attribute.tag != tag);
            self.conditions.push(Condition { attribute, matching });
        }
        Ok(KeySupport::Matched)
    }

    /// Returns an attribute without a condition on it; of a sequence all that is known in its items.
    pub fn add_return(&mut self, tag: u32) -> KeySupport {
        let in_items: Vec<u32> = Attribute::all_in_sequence(tag).map(|attribute| attribute.tag).collect();
        if in_items.is_empty() {
            return self.add_one_return(Attribute::of(tag));
        }
        let added = in_items.into_iter().map(|nested| self.add_nested_return(tag, nested));
        added.last().unwrap_or(KeySupport::Unsupported)
    }

    /// Returns an attribute in the items of a sequence without a condition on it.
    pub fn add_nested_return(&mut self, sequence: u32, tag: u32) -> KeySupport {
        self.add_one_return(Attribute::in_sequence(sequence, tag))
    }

    fn add_one_return(&mut self, attribute: Option<&'static Attribute>) -> KeySupport {
        match attribute.filter(|attribute| attribute.level <= self.level) {
            Some(attribute) => {
                self.returned.insert(attribute.tag);
                KeySupport::Returned
            }
            None => KeySupport::Unsupported,
        }
    }

    /// Returns every attribute of this level and those above it.
    pub fn add_every_return(&mut self) {
        self.returned.extend(Attribute::all().iter().filter(|a| a.level <= self.level).map(|a| a.tag));
    }

    /// The level.
    pub fn level(&self) -> Level {
        self.level
    }

    /// All conditions; every one must hold.
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// The condition on an attribute.
    pub fn condition(&self, tag: u32) -> Option<&Matching> {
        self.conditions.iter().find(|condition| condition.attribute.tag == tag).map(|condition| &condition.matching)
    }

    /// Tags to return, in order; those in the items of a sequence among them.
    pub fn returned(&self) -> &BTreeSet<u32> {
        &self.returned
    }

    /// Whether every condition on an attribute with a stored value holds. `value_of` gives the value, empty when there
    /// is none, and `None` for attributes that are matched elsewhere ([`Attribute::is_computed`]).
    pub fn accepts<'a>(&self, value_of: impl Fn(u32) -> Option<&'a str>) -> bool {
        let combined = if self.date_time == DateTimeMatching::Combined { combined_pairs() } else { &[] };
        for (date, time) in combined {
            let (Some(dates), Some(times)) = (self.condition(*date), self.condition(*time)) else { continue };
            let (Some(at_date), Some(at_time)) = (value_of(*date), value_of(*time)) else { continue };
            if let Some(accepted) = Matching::accepts_moment(dates, times, at_date, at_time) {
                if !accepted {
                    return false;
                }
                continue;
            }
            if !dates.accepts(at_date) || !times.accepts(at_time) {
                return false;
            }
        }
        self.conditions
            .iter()
            .filter(|condition| !self.is_in_combined_pair(condition.attribute.tag))
            .all(|condition| value_of(condition.attribute.tag).is_none_or(|value| condition.matching.accepts(value)))
    }

    /// Whether a condition is about the items of a sequence.
    pub fn asks_items(&self) -> bool {
        self.conditions.iter().any(|condition| condition.attribute.kind == Kind::Nested)
    }

    /// Whether one item of a sequence fits every condition about its items; `value_of` gives the item's values.
    pub fn accepts_item<'a>(&self, value_of: impl Fn(u32) -> &'a str) -> bool {
        let mut nested = self.conditions.iter().filter(|condition| condition.attribute.kind == Kind::Nested);
        nested.all(|condition| condition.matching.accepts(value_of(condition.attribute.tag)))
    }

    fn is_in_combined_pair(&self, tag: u32) -> bool {
        self.date_time == DateTimeMatching::Combined
            && combined_pairs().iter().any(|(date, time)| {
                (*date == tag || *time == tag) && self.condition(*date).is_some() && self.condition(*time).is_some()
            })
    }
}

/// Dates with the times that belong to them.
fn combined_pairs() -> &'static [(u32, u32)] {
    &[
        (tag::STUDY_DATE, tag::STUDY_TIME),
        (tag::SERIES_DATE, tag::SERIES_TIME),
        (tag::PERFORMED_PROCEDURE_STEP_START_DATE, tag::PERFORMED_PROCEDURE_STEP_START_TIME),
    ]
}
