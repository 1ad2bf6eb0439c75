//! From a registration document to records: any number of containers, items and spellings in any order (D-R5 to D-R7).

use std::collections::BTreeSet;

use super::config::RegistryConfig;
use crate::archive::reports::prepare_report::Submitted;
use crate::archive::reports::report_codes::{Code, Note};
use crate::domain::exam_report::ExamField;
use crate::domain::lab_report::{LabField, LabItemField};
use crate::domain::record::Field;
use crate::soap::json;
use crate::soap::xml::{self, Element, XmlError};

/// Unknown fields that are named in one record's warnings; the rest would only repeat them.
const UNKNOWN_NAMED: usize = 5;

/// What a message carries.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Time of the message as written (D-R27).
    pub sent_at: String,
    /// Business date of the message as written (D-R27).
    pub business_date: String,
    /// Exam reports.
    pub exams: Vec<Submitted<ExamField>>,
    /// Heads of lab reports.
    pub labs: Vec<Submitted<LabField>>,
    /// Lines of lab reports.
    pub items: Vec<Submitted<LabItemField>>,
}

impl Batch {
    /// Records of all kinds.
    pub fn size(&self) -> usize {
        self.exams.len() + self.labs.len() + self.items.len()
    }

    /// The organisations of the records, each once.
    pub fn organizations(&self) -> Vec<String> {
        let exams = self.exams.iter().map(|exam| exam.record.text(ExamField::OrgCode));
        let labs = self.labs.iter().map(|lab| lab.record.text(LabField::OrgCode));
        let items = self.items.iter().map(|item| item.record.text(LabItemField::OrgCode));
        let codes: BTreeSet<&str> = exams.chain(labs).chain(items).map(str::trim).filter(|c| !c.is_empty()).collect();
        codes.into_iter().map(str::to_owned).collect()
    }
}

/// Reads a document given as text, XML or JSON.
pub(super) fn of_text(text: &str, config: &RegistryConfig) -> Result<Batch, Code> {
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{FEFF}');
    if text.is_empty() {
        return Err(Code::NoParameter);
    }
    if text.starts_with(['{', '[']) {
        return of_element(&json_element(text, config)?, false, config);
    }
    let document = xml::parse(text, &config.xml_limits()).map_err(|error| code_of(&error))?;
    of_element(&document.root, document.stripped, config)
}

/// Which code tells an XML error.
pub(super) fn code_of(error: &XmlError) -> Code {
    match error {
        XmlError::DocumentType => Code::DocumentType,
        XmlError::TooLarge { .. } => Code::TooLarge,
        XmlError::Malformed(_) | XmlError::Empty => Code::Unreadable,
    }
}

/// Takes the records of a document.
pub(super) fn of_element(root: &Element, stripped: bool, config: &RegistryConfig) -> Result<Batch, Code> {
    let mut batch = Batch { sent_at: root.attribute("time").unwrap_or_default().to_owned(), ..Batch::default() };
    collect(root, &mut batch, config.max_items)?;
    if batch.size() == 0 {
        return Err(Code::NoRecords);
    }
    if stripped {
        let note = Note::of(Code::Stripped);
        batch.exams.iter_mut().for_each(|record| record.notes.push(note.clone()));
        batch.labs.iter_mut().for_each(|record| record.notes.push(note.clone()));
        batch.items.iter_mut().for_each(|record| record.notes.push(note.clone()));
    }
    Ok(batch)
}

fn collect(element: &Element, batch: &mut Batch, max_items: usize) -> Result<(), Code> {
    let name: String = element.name.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect();
    // A record takes many times the room of its element; one too many is enough to know.
    let room = max_items.saturating_sub(batch.size()).saturating_add(1);
    match name.as_str() {
        "exammaster" => records(element, &mut batch.exams, room),
        "labmaster" => records(element, &mut batch.labs, room),
        "labsubitem" => {
            let known = batch.items.len();
            records(element, &mut batch.items, room);
            let heads_before = batch.labs.len();
            batch.items.iter_mut().skip(known).for_each(|line| line.heads_before = heads_before);
        }
        "org" => {
            let item = element.children.iter().find(|child| child.is("item")).unwrap_or(element);
            let date = item.values().find(|(name, _)| ["date_t", "datet"].iter().any(|n| name.eq_ignore_ascii_case(n)));
            batch.business_date = date.map(|(_, value)| value.trim().to_owned()).unwrap_or_default();
        }
        _ => {
            for child in &element.children {
                collect(child, batch, max_items)?;
            }
        }
    }
    if batch.size() > max_items { Err(Code::TooManyRecords) } else { Ok(()) }
}

/// `<item a=""/>`, `<item><A/></item>`, or fields directly in the container (D-R6).
fn records<F: Field>(container: &Element, into: &mut Vec<Submitted<F>>, most: usize) {
    let items = into.len();
    into.extend(container.children.iter().filter(|child| child.is("item")).take(most).map(record));
    if into.len() == items && container.values().next().is_some() {
        into.push(record(container));
    }
}

fn record<F: Field>(element: &Element) -> Submitted<F> {
    let mut submitted = Submitted::<F>::default();
    let mut unknown = 0;
    for (name, value) in element.values() {
        let Some(field) = F::find(name) else {
            unknown += 1;
            if unknown <= UNKNOWN_NAMED {
                let name: String = name.chars().take(40).collect();
                submitted.notes.push(Note::on(Code::UnknownField, name));
            }
            continue;
        };
        if value.trim().is_empty() {
            continue;
        }
        if submitted.record.get(field).is_some_and(|known| known != value) {
            submitted.notes.push(Note::on(Code::RepeatedAttribute, field.spec().wire));
        }
        submitted.record.set(field, value);
    }
    submitted
}

/// Takes JSON for the same tree.
pub(super) fn json_element(text: &str, config: &RegistryConfig) -> Result<Element, Code> {
    json::parse(text, &config.xml_limits()).map_err(|error| code_of(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Batch {
        of_text(text, &RegistryConfig::default()).unwrap()
    }

    #[test]
    fn d_r1_a_message_may_hold_exams_and_labs() {
        let batch = read(
            "<root time='2024-03-24 14:40:00'><org><item orgcode='X'/></org><exammaster><item name='a'/></exammaster>\
             <labmaster><item name='b'/></labmaster><lab_subitem><item class_code='c'/></lab_subitem></root>",
        );
        assert_eq!((batch.exams.len(), batch.labs.len(), batch.items.len()), (1, 1, 1));
        assert_eq!(batch.sent_at, "2024-03-24 14:40:00");
    }

    #[test]
    fn d_r27_time_business_date_and_organisations_of_a_message_are_read() {
        let batch = read(
            "<root time='2024-03-24 14:40:00'><org><item date_t='2024-03-23' orgcode='X'/></org>\
             <exammaster><item org_code=' B '/></exammaster><labmaster><item org_code='A'/><item org_code='B'/></labmaster></root>",
        );
        assert_eq!((batch.sent_at.as_str(), batch.business_date.as_str()), ("2024-03-24 14:40:00", "2024-03-23"));
        assert_eq!(batch.organizations(), ["A", "B"]);
    }

    #[test]
    fn d_r5_last_non_empty_pacs_id_wins() {
        let pacs_id = |text: &str| {
            let exam = read(text).exams.remove(0);
            (exam.record.text(ExamField::PacsId).to_owned(), exam.notes)
        };
        assert_eq!(pacs_id("<exammaster><item pacs_id='' pacs_id='A1'/></exammaster>"), ("A1".to_owned(), vec![]));
        assert_eq!(pacs_id("<exammaster><item pacs_id='A1' pacs_id=''/></exammaster>"), ("A1".to_owned(), vec![]));
        let (kept, notes) = pacs_id("<exammaster><item pacs_id='A1' pacs_id='A2'/></exammaster>");
        assert_eq!((kept.as_str(), notes), ("A2", vec![Note::on(Code::RepeatedAttribute, "PACS_ID")]));
    }

    #[test]
    fn d_r6_attributes_elements_and_bare_containers_say_the_same() {
        for text in [
            "<root><exammaster><item PACS_ID='A1'/></exammaster></root>",
            "<root><exammaster><item><Pacs_Id>A1</Pacs_Id></item></exammaster></root>",
            "<root><ExamMaster><PACSID>A1</PACSID></ExamMaster></root>",
            "{\"root\":{\"exammaster\":{\"item\":[{\"pacs_id\":\"A1\"}]}}}",
            "{\"exammaster\":[{\"pacs_id\":\"A1\"}]}",
            "{\"exammaster\":{\"pacs_id\":\"A1\"}}",
        ] {
            let batch = read(text);
            assert_eq!(batch.exams.len(), 1, "{text}");
            assert_eq!(batch.exams[0].record.get(ExamField::PacsId), Some("A1"), "{text}");
        }
    }

    #[test]
    fn d_r7_containers_and_items_may_repeat_in_any_order() {
        let batch = read(
            "<root><lab_subitem><item serial_no='1'/></lab_subitem><lab_subitem><item serial_no='2'/><item \
             serial_no='3'/></lab_subitem><labmaster><item report_form_no='L1'/><item report_form_no='L2'/></labmaster></root>",
        );
        assert_eq!((batch.labs.len(), batch.items.len()), (2, 3));
    }

    #[test]
    fn d_r30_misspelt_and_unknown_names_are_told_apart() {
        let exam = read("<exammaster><item paient_id='P1' shoe_size='43'/></exammaster>").exams.remove(0);
        assert_eq!(exam.record.get(ExamField::PatientId), Some("P1"));
        assert_eq!(exam.notes, [Note::on(Code::UnknownField, "shoe_size")]);
    }

    #[test]
    fn d_r31_paragraphs_of_findings_stay() {
        let exam = read("<exammaster><item image_descr='1、甲\n2、乙&#10;3、丙'/></exammaster>").exams.remove(0);
        assert_eq!(exam.record.get(ExamField::ImageDescr), Some("1、甲\n2、乙\n3、丙"));
    }

    #[test]
    fn d_r33_the_number_of_records_is_limited() {
        let config = RegistryConfig { max_items: 2, ..RegistryConfig::default() };
        let three = "<root><exammaster><item a='1'/><item a='2'/><item a='3'/></exammaster></root>";
        assert_eq!(of_text(three, &config).unwrap_err(), Code::TooManyRecords);
    }

    #[test]
    fn d_r33_no_more_records_are_made_than_are_needed_to_count_them() {
        let items = format!("<exammaster>{}</exammaster>", "<item/>".repeat(1000));
        let root = xml::parse(&items, &RegistryConfig::default().xml_limits()).unwrap().root;
        let mut batch = Batch::default();
        assert_eq!(collect(&root, &mut batch, 2), Err(Code::TooManyRecords));
        assert_eq!(batch.size(), 3);
    }

    #[test]
    fn d_r33_what_would_take_many_times_its_length_in_memory_is_too_large() {
        let long = "n".repeat(1_000_000);
        let config = RegistryConfig { xml_bytes: 10_000, ..RegistryConfig::default() };
        for (text, config) in [
            (format!("<root xmlns='{long}'>{}</root>", "<a/>".repeat(100_000)), &RegistryConfig::default()),
            (format!("{{\"{long}\":[{}0]}}", "0,".repeat(100_000)), &RegistryConfig::default()),
            (format!("[{}0]", "0,".repeat(200_000)), &RegistryConfig::default()),
            (format!("<root>{}</root>", "<item/>".repeat(1000)), &config),
            (format!("[{}0]", "0,".repeat(1000)), &config),
        ] {
            assert_eq!(of_text(&text, config).unwrap_err(), Code::TooLarge, "{} bytes", text.len());
        }
    }

    #[test]
    fn what_holds_no_records_is_told_by_code() {
        let refused = |text: &str| of_text(text, &RegistryConfig::default()).unwrap_err();
        assert_eq!(refused(" "), Code::NoParameter);
        assert_eq!(refused("<root/>"), Code::NoRecords);
        assert_eq!(refused("<root>"), Code::Unreadable);
        assert_eq!(refused("{\"a\":"), Code::Unreadable);
        assert_eq!(refused("<!DOCTYPE r><r/>"), Code::DocumentType);
        assert_eq!(refused(&"[".repeat(100_000)), Code::TooLarge);
    }
}
