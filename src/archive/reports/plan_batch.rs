//! Puts the records of a batch into transactions: each exam report alone, each lab report with its lines.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;

use super::batch_outcome::{RecordKind, RecordOutcome, Status, outcome_of};
use super::prepare_report::{self, Prepared, Rejected, Submitted};
use super::register_lab::LabUnit;
use super::register_reports::Context;
use super::report_codes::Code;
use crate::archive::patients::absorb_patient::Said;
use crate::domain::date_time::local_text;
use crate::domain::dictionary::{EVENT_TYPE, SEX};
use crate::domain::exam_report::ExamField;
use crate::domain::lab_report::{LabField, LabItemField, LabReport};
use crate::domain::record::Field;

/// Records of a batch up to which it is prepared where it came; more of them take over a millisecond.
const AT_ONCE: usize = 32;

/// One transaction's worth.
#[derive(Debug, Clone)]
pub(super) enum Unit {
    /// An exam report, and which one of its message it is.
    Exam(usize, Box<Prepared<ExamField>>),
    Lab(LabUnit),
}

impl Unit {
    /// What it says about its patient, when it brings the head of a report.
    pub(super) fn said(&self) -> Option<Said> {
        use crate::domain::record::is_withdrawn;
        match self {
            Unit::Exam(_, exam) => {
                let withdrawn = is_withdrawn(exam.record.get(ExamField::DataStatus));
                Some(Said::by_exam(&exam.record, None, withdrawn))
            }
            Unit::Lab(lab) => lab.head.as_ref().map(|head| {
                let withdrawn = is_withdrawn(head.record.get(LabField::DataStatus));
                Said::by_lab(&head.record, None, withdrawn)
            }),
        }
    }
}

/// A batch, put into transactions.
pub(super) struct Plan {
    pub(super) units: Vec<Unit>,
    pub(super) rejected: Vec<RecordOutcome>,
    /// Whether a report is in the batch twice, so that its order matters.
    pub(super) repeats: bool,
}

/// Puts the batch into transactions; nothing when the program is at fault, which its hook has reported.
pub(super) async fn prepare(
    context: &Context,
    exams: Vec<Submitted<ExamField>>,
    labs: Vec<Submitted<LabField>>,
    items: Vec<Submitted<LabItemField>>,
) -> Option<Plan> {
    if exams.len() + labs.len() + items.len() <= AT_ONCE {
        return std::panic::catch_unwind(AssertUnwindSafe(|| plan(context, exams, labs, items))).ok();
    }
    let context = context.clone();
    tokio::task::spawn_blocking(move || plan(&context, exams, labs, items)).await.ok()
}

/// Prepares all records and puts those that belong together into one unit.
fn plan(
    context: &Context,
    exams: Vec<Submitted<ExamField>>,
    labs: Vec<Submitted<LabField>>,
    items: Vec<Submitted<LabItemField>>,
) -> Plan {
    let (by, now) = (context.by(), local_text(context.received_at));
    let mut plan = Plan { units: Vec::new(), rejected: Vec::new(), repeats: false };
    let mut seen = HashSet::new();
    for (place, mut exam) in exams.into_iter().enumerate() {
        let said = [(ExamField::EventType, EVENT_TYPE), (ExamField::SexCode, SEX)];
        context.dictionaries.translate(&mut exam.record, &said);
        match prepare_report::exam(exam, by, &now) {
            Ok(exam) => {
                let number = [ExamField::OrgCode, ExamField::ReportFormNo].map(|f| exam.record.text(f).to_owned());
                plan.repeats |= !seen.insert(("exam", number));
                plan.units.push(Unit::Exam(place, Box::new(exam)));
            }
            Err(rejected) => plan.rejected.push(RecordOutcome { place, ..told(RecordKind::Exam, *rejected) }),
        }
    }
    let mut lab_units: Vec<LabUnit> = Vec::new();
    let mut heads = Heads::default();
    for (place, mut lab) in labs.into_iter().enumerate() {
        let said = [(LabField::EventType, EVENT_TYPE), (LabField::SexCode, SEX)];
        context.dictionaries.translate(&mut lab.record, &said);
        match prepare_report::lab(lab, by, &now) {
            Ok(lab) => {
                let number = [LabField::OrgCode, LabField::ReportFormNo].map(|f| lab.record.text(f).to_owned());
                plan.repeats |= !seen.insert(("lab", number));
                heads.add(place, &lab.record, Some(lab_units.len()));
                lab_units.push(LabUnit { head: Some(Box::new(lab)), ..LabUnit::default() });
            }
            Err(rejected) => {
                heads.add(place, &rejected.record, None);
                plan.rejected.push(told(RecordKind::Lab, *rejected));
            }
        }
    }
    let mut alone: HashMap<([String; 3], bool), usize> = HashMap::new();
    let mut orders: HashMap<(Head, [String; 4]), usize> = HashMap::new();
    for item in items {
        // Not in its normal form yet.
        let owner = trimmed(prepare_report::owner_of_item(&item.record));
        let head = heads.of_line(&owner, item.heads_before);
        let order = match item.record.text(LabItemField::SerialNo).trim() {
            "" => {
                let [org, event, number] = owner;
                let class = item.record.text(LabItemField::ClassCode).trim().to_owned();
                let order = orders.entry((head, [org, event, number, class])).or_default();
                *order += 1;
                *order
            }
            _ => 0,
        };
        match prepare_report::item(item, order, by, &now) {
            Ok(item) => {
                let head_rejected = head == Head::Rejected;
                let unit = match head {
                    Head::Unit(unit) => unit,
                    Head::Absent | Head::Rejected => *alone
                        .entry((prepare_report::owner_of_item(&item.record), head_rejected))
                        .or_insert_with(|| {
                            lab_units.push(LabUnit { head_rejected, ..LabUnit::default() });
                            lab_units.len() - 1
                        }),
                };
                lab_units[unit].items.push(item);
            }
            Err(rejected) => {
                if let Head::Unit(unit) = head {
                    lab_units[unit].lacks_lines = true;
                }
                plan.rejected.push(told(RecordKind::LabItem, *rejected));
            }
        }
    }
    plan.units.extend(lab_units.into_iter().map(Unit::Lab));
    plan
}

/// Where the head of a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Head {
    /// In this unit of the batch.
    Unit(usize),
    /// In the batch, and rejected: another head with its numbers may be another patient's.
    Rejected,
    /// Not in the batch.
    Absent,
}

/// The heads of a batch by what their lines name, each with its place in the batch.
#[derive(Default)]
struct Heads {
    whole: HashMap<[String; 3], Vec<(usize, Head)>>,
    /// Rejected ones that do not name all that their lines name.
    partial: Vec<(usize, [String; 3])>,
}

impl Heads {
    fn add(&mut self, place: usize, head: &LabReport, unit: Option<usize>) {
        let keys = trimmed(prepare_report::owner_keys(head));
        if keys.iter().any(String::is_empty) {
            return self.partial.push((place, keys));
        }
        self.whole.entry(keys).or_default().push((place, unit.map_or(Head::Rejected, Head::Unit)));
    }

    /// The nearest head before the line, else the last one, wherever that stands (D-R7, D-R9).
    fn of_line(&self, owner: &[String; 3], heads_before: usize) -> Head {
        let right_before = self.partial.iter().find(|(place, _)| place + 1 == heads_before).map(|(_, keys)| keys);
        let may_own = |keys: &&[String; 3]| keys.iter().zip(owner).all(|(key, named)| key.is_empty() || key == named);
        let partial = right_before.filter(may_own);
        let Some(heads) = self.whole.get(owner) else {
            return partial.map_or(Head::Absent, |_| Head::Rejected);
        };
        // A head without a number says too little to be preferred to one that names all three.
        if partial.is_some_and(|[_, _, number]| !number.is_empty()) {
            return Head::Rejected;
        }
        let before = heads.iter().rev().find(|(place, _)| *place < heads_before);
        before.or(heads.last()).map_or(Head::Absent, |(_, head)| *head)
    }
}

fn trimmed(keys: [String; 3]) -> [String; 3] {
    keys.map(|key| key.trim().to_owned())
}

fn told<F: Field>(kind: RecordKind, rejected: Rejected<F>) -> RecordOutcome {
    outcome_of(kind, &rejected.record, Status::Rejected, Some(rejected.code), rejected.notes)
}

impl Unit {
    /// Tells that nothing of it is stored.
    pub(super) fn rejected(self, code: Code) -> Vec<RecordOutcome> {
        match self {
            Unit::Exam(place, exam) => {
                let told = outcome_of(RecordKind::Exam, &exam.record, Status::Rejected, Some(code), exam.notes);
                vec![RecordOutcome { place, ..told }]
            }
            Unit::Lab(lab) => {
                let head =
                    lab.head.map(|p| outcome_of(RecordKind::Lab, &p.record, Status::Rejected, Some(code), p.notes));
                let items = lab
                    .items
                    .into_iter()
                    .map(|p| outcome_of(RecordKind::LabItem, &p.record, Status::Rejected, Some(code), p.notes));
                head.into_iter().chain(items).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(event_no: &str, number: &str) -> [String; 3] {
        ["ORG-T01", event_no, number].map(str::to_owned)
    }

    fn heads(of: &[(&str, &str, Option<usize>)]) -> Heads {
        let mut heads = Heads::default();
        for (place, (event_no, number, unit)) in of.iter().enumerate() {
            let mut head = LabReport::default();
            for (field, text) in
                [(LabField::OrgCode, "ORG-T01"), (LabField::EventNo, event_no), (LabField::ReportFormNo, number)]
            {
                head.set(field, text);
            }
            heads.add(place, &head, *unit);
        }
        heads
    }

    #[test]
    fn d_r9_a_line_goes_to_the_nearest_head_before_it_also_when_that_was_rejected() {
        let heads = heads(&[("E1", "LB1", Some(0)), ("E1", "LB1", None)]);
        assert_eq!(heads.of_line(&keys("E1", "LB1"), 1), Head::Unit(0));
        assert_eq!(heads.of_line(&keys("E1", "LB1"), 2), Head::Rejected);
        assert_eq!(heads.of_line(&keys("E1", "LB2"), 2), Head::Absent);
    }

    #[test]
    fn d_r9_a_rejected_head_that_lacks_a_key_keeps_the_lines_right_after_it() {
        let without_event = heads(&[("E1", "LB1", Some(0)), ("", "LB1", None)]);
        assert_eq!(without_event.of_line(&keys("E1", "LB1"), 2), Head::Rejected);
        assert_eq!(without_event.of_line(&keys("E1", "LB1"), 1), Head::Unit(0));
        assert_eq!(without_event.of_line(&keys("E1", "LB2"), 2), Head::Absent);
        let without_number = heads(&[("E1", "LB1", Some(0)), ("E1", "", None)]);
        assert_eq!(without_number.of_line(&keys("E1", "LB1"), 2), Head::Unit(0));
        assert_eq!(without_number.of_line(&keys("E1", "LB2"), 2), Head::Rejected);
    }
}
