//! Puts the records of a batch into transactions: each exam report alone, each lab report with its lines.

use std::collections::{HashMap, HashSet};

use super::prepare_report::{self, Prepared, Rejected, Submitted};
use super::register_lab::LabUnit;
use super::register_reports::{Context, RecordKind, RecordOutcome, Status, outcome_of};
use super::report_codes::Code;
use crate::domain::date_time::local_text;
use crate::domain::exam_report::ExamField;
use crate::domain::lab_report::{LabField, LabItemField, LabReport};
use crate::domain::record::Field;

/// One transaction's worth.
#[derive(Debug, Clone)]
pub(super) enum Unit {
    Exam(Box<Prepared<ExamField>>),
    Lab(LabUnit),
}

/// A batch, put into transactions.
pub(super) struct Plan {
    pub(super) units: Vec<Unit>,
    pub(super) rejected: Vec<RecordOutcome>,
    /// Whether a report is in the batch twice, so that its order matters.
    pub(super) repeats: bool,
}

/// Prepares all records and puts those that belong together into one unit.
pub(super) fn plan(
    context: &Context,
    exams: Vec<Submitted<ExamField>>,
    labs: Vec<Submitted<LabField>>,
    items: Vec<Submitted<LabItemField>>,
) -> Plan {
    let (rules, now) = (context.rules.as_ref(), local_text(context.now));
    let mut plan = Plan { units: Vec::new(), rejected: Vec::new(), repeats: false };
    let mut seen = HashSet::new();
    for exam in exams {
        match prepare_report::exam(exam, rules, &now) {
            Ok(exam) => {
                let number = [ExamField::OrgCode, ExamField::ReportFormNo].map(|f| exam.record.text(f).to_owned());
                plan.repeats |= !seen.insert(("exam", number));
                plan.units.push(Unit::Exam(Box::new(exam)));
            }
            Err(rejected) => plan.rejected.push(told(RecordKind::Exam, *rejected)),
        }
    }
    let mut lab_units: Vec<LabUnit> = Vec::new();
    let mut heads = Heads::default();
    for (place, lab) in labs.into_iter().enumerate() {
        match prepare_report::lab(lab, rules, &now) {
            Ok(lab) => {
                let number = [LabField::OrgCode, LabField::ReportFormNo].map(|f| lab.record.text(f).to_owned());
                plan.repeats |= !seen.insert(("lab", number));
                heads.add(place, &lab.record, Some(lab_units.len()));
                lab_units.push(LabUnit { head: Some(Box::new(lab)), items: Vec::new() });
            }
            Err(rejected) => {
                heads.add(place, &rejected.record, None);
                plan.rejected.push(told(RecordKind::Lab, *rejected));
            }
        }
    }
    let mut alone: HashMap<[String; 3], usize> = HashMap::new();
    let mut orders: HashMap<(Option<usize>, [String; 4]), usize> = HashMap::new();
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
        match prepare_report::item(item, order, rules, &now) {
            Ok(item) => {
                let unit = head.unwrap_or_else(|| {
                    *alone.entry(prepare_report::owner_of_item(&item.record)).or_insert_with(|| {
                        lab_units.push(LabUnit::default());
                        lab_units.len() - 1
                    })
                });
                lab_units[unit].items.push(item);
            }
            Err(rejected) => plan.rejected.push(told(RecordKind::LabItem, *rejected)),
        }
    }
    plan.units.extend(lab_units.into_iter().map(Unit::Lab));
    plan
}

/// The heads of a batch by what their lines name: place in the batch, and unit unless the head was rejected.
#[derive(Default)]
struct Heads(HashMap<[String; 3], Vec<(usize, Option<usize>)>>);

impl Heads {
    fn add(&mut self, place: usize, head: &LabReport, unit: Option<usize>) {
        self.0.entry(trimmed(prepare_report::owner_keys(head))).or_default().push((place, unit));
    }

    /// The unit of the nearest head before the line, else of the last one, wherever that stands (D-R7, D-R9). None for
    /// a line of a rejected head: another head with its numbers may be another patient's.
    fn of_line(&self, owner: &[String; 3], heads_before: usize) -> Option<usize> {
        let heads = self.0.get(owner)?;
        let before = heads.iter().rev().find(|(place, _)| *place < heads_before);
        before.or(heads.last()).and_then(|(_, unit)| *unit)
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
            Unit::Exam(exam) => {
                vec![outcome_of(RecordKind::Exam, &exam.record, Status::Rejected, Some(code), exam.notes)]
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
