//! What a C-FIND identifier asks (PS3.4 sections C.4.1.2 and C.4.1.3).

use crate::dicom::identifier::{Identifier, Key};
use crate::dicom::sop_class::{self, FindClass};
use crate::dimse::association::Association;
use crate::dimse::message::Command;
use crate::dimse::status::Status;
use crate::domain::query::attribute::tag;
use crate::domain::query::{Attribute, DateTimeMatching, KeySupport, Level, Matching, NameMatching, Query, QueryError};

/// Query/Retrieve View (0008,0053); only the classic view is there.
const QUERY_RETRIEVE_VIEW: u32 = 0x0008_0053;
/// Positions in the answer of extended negotiation.
const RELATIONAL: usize = 0;
const COMBINED_DATE_TIME: usize = 1;
const FUZZY_NAMES: usize = 2;

/// Why a query is not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: Status,
    pub(super) comment: &'static str,
    offending: Option<u32>,
}

impl Refusal {
    pub(super) fn new(status: Status, comment: &'static str) -> Self {
        Self { status, comment, offending: None }
    }

    fn mismatch(tag: u32, comment: &'static str) -> Self {
        Self { status: Status::DATA_SET_DOES_NOT_MATCH, comment, offending: Some(tag) }
    }

    pub(super) fn response(self, request: &Command) -> Command {
        let response = request.response(self.status, self.comment);
        match self.offending {
            Some(tag) => response.with_offending_element(tag),
            None => response,
        }
    }
}

/// A query and what its answers need of the request.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) query: Query,
    /// Attributes of the answers, by tag.
    pub(super) attributes: Vec<Answered>,
    /// The values of the request's Specific Character Set.
    pub(super) character_set: Vec<String>,
    pub(super) has_unsupported_keys: bool,
}

/// An attribute of the answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) tag: u32,
    /// As asked.
    pub(super) vr: [u8; 2],
    /// The attributes of its items, when it is a sequence that queries know.
    pub(super) in_items: Option<Vec<(u32, [u8; 2])>>,
}

impl Answered {
    fn plain(tag: u32, vr: [u8; 2]) -> Self {
        Self { tag, vr, in_items: None }
    }
}

/// Reads an identifier that came over this context.
pub(super) fn read(association: &Association, context_id: u8, bytes: &[u8]) -> Result<Asked, Refusal> {
    let context = association.context(context_id);
    let class = sop_class::find_class(&context.abstract_syntax)
        .ok_or(Refusal::new(Status::SOP_CLASS_NOT_SUPPORTED, "SOP class is not one of queries"))?;
    if association.caller.reads.is_nothing() {
        return Err(Refusal::new(Status::NOT_AUTHORIZED, "not allowed"));
    }
    let identifier = Identifier::parse(bytes, &context.transfer_syntax, &association.caller.charset)
        .map_err(|_| Refusal::new(Status::CANNOT_UNDERSTAND, "identifier does not parse"))?;
    let extended = association.extended(&context.abstract_syntax);
    let negotiated = |position: usize| extended.get(position) == Some(&1);
    let is_relational = association.find.relational_always || negotiated(RELATIONAL);
    let date_time =
        if negotiated(COMBINED_DATE_TIME) { DateTimeMatching::Combined } else { DateTimeMatching::Separate };
    let names = if negotiated(FUZZY_NAMES) { NameMatching::Fuzzy } else { NameMatching::Literal };
    of_identifier(class, &identifier, is_relational, date_time, names)
}

fn of_identifier(
    class: FindClass,
    identifier: &Identifier,
    is_relational: bool,
    date_time: DateTimeMatching,
    names: NameMatching,
) -> Result<Asked, Refusal> {
    let level = identifier
        .text(tag::QUERY_RETRIEVE_LEVEL)
        .and_then(Level::parse)
        .filter(|level| (class.top..=class.bottom).contains(level))
        .ok_or(Refusal::mismatch(tag::QUERY_RETRIEVE_LEVEL, "level is not one of this SOP class"))?;
    let mut query = Query::new(level).with_date_time(date_time).with_names(names);
    let mut attributes = Vec::new();
    let mut has_unsupported_keys = false;
    for key in identifier.keys().iter().filter(|key| is_attribute(key)) {
        if Attribute::all_in_sequence(key.tag).any(|attribute| attribute.level <= level) {
            let (answered, is_supported) = add_sequence(&mut query, key)?;
            has_unsupported_keys |= !is_supported;
            attributes.push(answered);
            continue;
        }
        let support = query.add_key(key.tag, &key.text).map_err(refusal_of)?;
        has_unsupported_keys |= support == KeySupport::Unsupported;
        attributes.push(Answered::plain(key.tag, key.vr));
    }
    if !is_relational {
        check_hierarchy(class, level, &query)?;
    }
    query.add_return(tag::RETRIEVE_AE_TITLE);
    for (tag, vr) in [(level.unique_key(), b"UI"), (tag::RETRIEVE_AE_TITLE, b"AE")] {
        if attributes.iter().all(|known| known.tag != tag) {
            attributes.push(Answered::plain(tag, *vr));
        }
    }
    attributes.sort_by_key(|answered| answered.tag);
    Ok(Asked { query, attributes, character_set: identifier.character_set().to_vec(), has_unsupported_keys })
}

/// Adds the keys in the one item of a sequence; without an item, or with an empty one, all that is known in it is asked
/// for (C.2.2.2.6). The second is whether all of them are known.
fn add_sequence(query: &mut Query, key: &Key) -> Result<(Answered, bool), Refusal> {
    if key.items.len() > 1 {
        return Err(Refusal::mismatch(key.tag, "key is a sequence of more than one item"));
    }
    let mut in_items = Vec::new();
    let mut is_supported = true;
    for nested in key.items.iter().flatten().filter(|nested| nested.tag & 0xFFFF != 0) {
        let support = query.add_nested_key(key.tag, nested.tag, &nested.text).map_err(refusal_of)?;
        is_supported &= support != KeySupport::Unsupported;
        in_items.push((nested.tag, nested.vr));
    }
    if in_items.is_empty() {
        query.add_return(key.tag);
        let all = Attribute::all_in_sequence(key.tag);
        in_items.extend(all.map(|attribute| (attribute.tag, *b"SH")));
    }
    in_items.sort_unstable();
    Ok((Answered { tag: key.tag, vr: *b"SQ", in_items: Some(in_items) }, is_supported))
}

fn refusal_of(error: QueryError) -> Refusal {
    match error {
        QueryError::InvalidValue(tag) => Refusal::mismatch(tag, "value does not fit the attribute"),
        QueryError::TooLong(_) => Refusal::new(Status::CANNOT_UNDERSTAND, "value is too long"),
    }
}

/// Group lengths, level, view and character set say how to read the others.
fn is_attribute(key: &Key) -> bool {
    let about_others = [tag::SPECIFIC_CHARACTER_SET, tag::QUERY_RETRIEVE_LEVEL, QUERY_RETRIEVE_VIEW];
    key.tag & 0xFFFF != 0 && !about_others.contains(&key.tag)
}

/// Without relational queries each level above is named by one value of its unique key (C.4.1.3.1).
fn check_hierarchy(class: FindClass, level: Level, query: &Query) -> Result<(), Refusal> {
    let above = [Level::Patient, Level::Study, Level::Series].into_iter().filter(|of| class.top <= *of && *of < level);
    for of in above {
        if !matches!(query.condition(of.unique_key()), Some(Matching::Exactly(_))) {
            return Err(Refusal::mismatch(of.unique_key(), "unique key of a higher level is missing"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::identifier::IdentifierWriter;
    use crate::dicom::text::Charset;

    const SYNTAX: &str = "1.2.840.10008.1.2";

    fn read(class: &str, is_relational: bool, keys: &[(u32, &str)]) -> Result<Asked, Refusal> {
        let mut writer = IdentifierWriter::new(SYNTAX);
        for (tag, value) in keys {
            writer.put_text(*tag, *b"LO", value.as_bytes());
        }
        let identifier = Identifier::parse(&writer.finish(), SYNTAX, &Charset::gb18030()).unwrap();
        let class = sop_class::find_class(&format!("1.2.840.10008.5.1.4.1.2.{class}.1")).unwrap();
        of_identifier(class, &identifier, is_relational, DateTimeMatching::Separate, NameMatching::Literal)
    }

    #[test]
    fn levels_and_unique_keys_are_those_of_the_information_model() {
        let level = |text| (tag::QUERY_RETRIEVE_LEVEL, text);
        let study = (tag::STUDY_INSTANCE_UID, "2.25.1");
        let series = (tag::SERIES_INSTANCE_UID, "2.25.2");
        let patient = (tag::PATIENT_ID, "L1");
        for (class, relational, keys, accepted) in [
            ("1", false, vec![level("PATIENT")], true),
            ("2", false, vec![level("PATIENT")], false),
            ("3", false, vec![level("SERIES"), patient, study], false),
            ("1", false, vec![level("STUDY"), patient], true),
            ("1", false, vec![level("STUDY")], false),
            ("1", true, vec![level("STUDY")], true),
            ("1", false, vec![level("STUDY"), (tag::PATIENT_ID, "L*")], false),
            ("2", false, vec![level("STUDY")], true),
            ("2", false, vec![level("SERIES")], false),
            ("2", false, vec![level("SERIES"), study], true),
            ("2", false, vec![level("IMAGE"), study], false),
            ("2", false, vec![level("IMAGE"), study, series], true),
            ("2", false, vec![level("IMAGE"), (tag::STUDY_INSTANCE_UID, "2.25.1\\2.25.3"), series], false),
            ("2", true, vec![level("IMAGE")], true),
            ("2", true, vec![], false),
            ("2", true, vec![level("WHATEVER")], false),
        ] {
            let asked = read(class, relational, &keys);
            assert_eq!(asked.is_ok(), accepted, "{class} {keys:?} {asked:?}");
        }
    }

    #[test]
    fn keys_in_the_item_of_a_sequence_are_read() {
        let sequence = tag::REQUEST_ATTRIBUTES_SEQUENCE;
        let ask = |level: &str, items: &[&[(u32, &str)]]| {
            let mut writer = IdentifierWriter::new(SYNTAX);
            writer.put_text(tag::QUERY_RETRIEVE_LEVEL, *b"CS", level.as_bytes());
            let mut written = Vec::new();
            for item in items {
                let mut of_item = writer.item();
                item.iter().for_each(|(tag, value)| of_item.put_text(*tag, *b"SH", value.as_bytes()));
                written.push(of_item);
            }
            writer.put_sequence(sequence, written);
            let identifier = Identifier::parse(&writer.finish(), SYNTAX, &Charset::gb18030()).unwrap();
            let class = sop_class::find_class("1.2.840.10008.5.1.4.1.2.2.1").unwrap();
            of_identifier(class, &identifier, true, DateTimeMatching::Separate, NameMatching::Literal)
        };
        let (step, procedure) = (tag::SCHEDULED_PROCEDURE_STEP_ID, tag::REQUESTED_PROCEDURE_ID);
        let in_items = |asked: &Asked| {
            let found = asked.attributes.iter().find(|answered| answered.tag == sequence).unwrap();
            found.in_items.clone().map(|items| items.into_iter().map(|(tag, _)| tag).collect::<Vec<u32>>())
        };

        let asked = ask("SERIES", &[&[(step, "S1"), (procedure, "")]]).unwrap();
        assert_eq!(asked.query.condition(step), Some(&Matching::Exactly("S1".to_owned())));
        assert_eq!((in_items(&asked), asked.has_unsupported_keys), (Some(vec![step, procedure]), false));
        let no_keys: &[(u32, &str)] = &[];
        for universal in [&[][..], &[no_keys]] {
            let asked = ask("SERIES", universal).unwrap();
            assert_eq!(in_items(&asked), Some(vec![step, procedure]));
            assert!(asked.query.conditions().is_empty() && asked.query.returned().contains(&step));
        }
        assert!(ask("SERIES", &[&[(0x0040_0007, "x")]]).unwrap().has_unsupported_keys);
        let refusal = ask("SERIES", &[&[(step, "S1")], &[(step, "S2")]]).unwrap_err();
        assert_eq!((refusal.status, refusal.offending), (Status(0xA900), Some(sequence)));
        let asked = ask("STUDY", &[&[(step, "S1")]]).unwrap();
        assert_eq!((in_items(&asked), asked.has_unsupported_keys), (None, true), "a study has no requests of its own");
    }

    #[test]
    fn unknown_keys_are_noted_and_wrong_values_named() {
        let level = (tag::QUERY_RETRIEVE_LEVEL, "STUDY");
        assert!(read("2", false, &[level, (0x0009_1001, "x")]).unwrap().has_unsupported_keys);
        assert!(!read("2", false, &[level, (tag::STUDY_ID, "x")]).unwrap().has_unsupported_keys);
        let refusal = read("2", false, &[level, (tag::STUDY_DATE, "yesterday")]).unwrap_err();
        assert_eq!((refusal.status, refusal.offending), (Status(0xA900), Some(tag::STUDY_DATE)));
    }
}
