//! Registers a batch of exam and lab reports: one transaction for each report with its lines, never all or nothing
//! (D-R8, D-R32), and notes the outcome with the message that brought the batch.
//!
//! What one transaction holds: the rows, links to images, the job that fetches the report file, the audit record, and
//! for a batch of one report also the message's result.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt;
use serde_json::json;

use super::prepare_report::{self, Prepared, RegistrationRules, Rejected, Submitted};
use super::register_lab::LabUnit;
use super::report_codes::{Code, Note};
use super::{Archive, Error};
use crate::domain::Actor;
use crate::domain::date_time::local_text;
use crate::domain::exam_report::ExamField;
use crate::domain::lab_report::{LabField, LabItemField};
use crate::domain::record::{Field, Record};
use crate::index::audit::{self, AuditRecord};
use crate::index::{Tx, inbox};

/// Transactions of one batch that are under way at the same time; they share commits.
const WIDTH: usize = 16;

/// A batch to register.
#[derive(Debug, Clone)]
pub struct RegisterReports {
    /// The message that brought it, as [`Archive::keep_message`] named it.
    pub message_pk: i64,
    /// Who sent it.
    pub actor: Actor,
    /// How records are judged.
    pub rules: Arc<RegistrationRules>,
    /// Exam reports in order.
    pub exams: Vec<Submitted<ExamField>>,
    /// Heads of lab reports in order.
    pub labs: Vec<Submitted<LabField>>,
    /// Lines of lab reports in order; they need not belong to the heads of the same batch (D-R10).
    pub items: Vec<Submitted<LabItemField>>,
}

/// The kinds of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// An exam report.
    Exam,
    /// The head of a lab report.
    Lab,
    /// A line of a lab report.
    LabItem,
}

impl RecordKind {
    /// The word in acknowledgements.
    pub fn as_str(self) -> &'static str {
        match self {
            RecordKind::Exam => "exam",
            RecordKind::Lab => "lab",
            RecordKind::LabItem => "lab_subitem",
        }
    }
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It is new.
    Stored,
    /// It replaced an earlier content, which is in the history.
    Updated,
    /// It is older than what is stored; nothing changed, and the sender need not send it again.
    Stale,
    /// It is stored already.
    Duplicate,
    /// It is not stored.
    Rejected,
}

impl Status {
    /// The word in acknowledgements.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Stored => "stored",
            Status::Updated => "updated",
            Status::Stale => "stale",
            Status::Duplicate => "duplicate",
            Status::Rejected => "rejected",
        }
    }
}

/// What became of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordOutcome {
    /// What it is.
    pub kind: RecordKind,
    /// Its organisation as sent.
    pub org_code: String,
    /// Its report number as sent.
    pub report_form_no: String,
    /// Its number within the report, for lines.
    pub serial_no: String,
    /// What became of it.
    pub status: Status,
    /// Why it was rejected.
    pub code: Option<Code>,
    /// Warnings, or the details of the rejection.
    pub notes: Vec<Note>,
}

/// What became of a batch; exams, then reports with their lines, then lines alone, then rejected records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchOutcome {
    /// One for each record.
    pub records: Vec<RecordOutcome>,
}

impl BatchOutcome {
    /// Records that were not stored.
    pub fn failed(&self) -> usize {
        self.records.iter().filter(|record| record.status == Status::Rejected).count()
    }

    fn as_result(&self) -> String {
        let items: Vec<_> = self
            .records
            .iter()
            .map(|record| {
                json!({
                    "type": record.kind.as_str(),
                    "status": record.status.as_str(),
                    "code": record.code.map_or("0", Code::as_str),
                    "notes": record.notes.iter().map(|note| note.code.as_str()).collect::<Vec<_>>(),
                })
            })
            .collect();
        json!({ "total": self.records.len(), "failed": self.failed(), "items": items }).to_string()
    }
}

/// What all transactions of a batch need.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub(super) message_pk: i64,
    pub(super) actor: Actor,
    pub(super) rules: Arc<RegistrationRules>,
    pub(super) now: i64,
}

/// One transaction's worth.
#[derive(Debug, Clone)]
enum Unit {
    Exam(Box<Prepared<ExamField>>),
    Lab(LabUnit),
}

struct Plan {
    units: Vec<Unit>,
    rejected: Vec<RecordOutcome>,
    repeats: bool,
}

impl Archive {
    /// Registers a batch. An error means that the message's result could not be noted; its records may be stored,
    /// and sending the message again does no harm.
    pub async fn register_reports(&self, command: RegisterReports) -> Result<BatchOutcome, Error> {
        let RegisterReports { message_pk, actor, rules, exams, labs, items } = command;
        let context = Context { message_pk, actor, rules, now: self.clock.now_ms() };
        let size = exams.len() + labs.len() + items.len();
        let plan = if size <= 32 {
            plan(&context, exams, labs, items)
        } else {
            let context = context.clone();
            tokio::task::spawn_blocking(move || plan(&context, exams, labs, items))
                .await
                .map_err(|_| Error::Invalid("the batch could not be prepared".to_owned()))?
        };
        let alone = plan.units.len() == 1 && plan.rejected.is_empty();
        let width = if plan.repeats { 1 } else { WIDTH };
        let mut outcome = BatchOutcome::default();
        let units = futures_util::stream::iter(plan.units.into_iter().map(|unit| self.settle(&context, unit, alone)));
        let mut settled = units.buffered(width);
        let mut failed = false;
        while let Some((records, stored)) = settled.next().await {
            failed |= !stored;
            outcome.records.extend(records);
        }
        outcome.records.extend(plan.rejected);
        count(&outcome);
        if !alone || failed {
            self.finish(&context, &outcome).await?;
        }
        Ok(outcome)
    }

    /// Runs one unit's transaction; what fails is told as rejected, so that the sender sends it again.
    async fn settle(&self, context: &Context, unit: Unit, alone: bool) -> (Vec<RecordOutcome>, bool) {
        // Two callers who register the same report at the same time meet at the unique key: the later one looks again.
        for attempt in 0..3 {
            match self.write_unit(context.clone(), unit.clone(), alone).await {
                Ok(records) => return (records, true),
                Err(Error::Index(error)) if error.is_unique_violation() && attempt < 2 => {}
                Err(error) => {
                    tracing::error!(message.pk = context.message_pk, %error, "report not registered");
                    break;
                }
            }
        }
        let records = unit.rejected(Code::NotStored);
        (records, false)
    }

    async fn write_unit(&self, context: Context, unit: Unit, alone: bool) -> Result<Vec<RecordOutcome>, Error> {
        let (ids, rules) = (self.ids.clone(), self.link_rules);
        self.index
            .write(move |tx| {
                Box::pin(async move {
                    let records = match unit {
                        Unit::Exam(exam) => super::register_exam::write(tx, &ids, &context, rules, *exam).await?,
                        Unit::Lab(lab) => super::register_lab::write(tx, &ids, &context, lab).await?,
                    };
                    if !alone {
                        return Ok(records);
                    }
                    let outcome = BatchOutcome { records };
                    inbox::finish(tx, context.message_pk, context.now, &outcome.as_result()).await?;
                    Ok(outcome.records)
                })
            })
            .await
    }

    async fn finish(&self, context: &Context, outcome: &BatchOutcome) -> Result<(), Error> {
        let result = outcome.as_result();
        let rejected: Vec<&str> =
            outcome.records.iter().filter_map(|record| record.code.map(Code::as_str)).take(100).collect();
        let record = (!rejected.is_empty()).then(|| AuditRecord {
            action: "register_reports",
            actor: context.actor.clone(),
            org_code: String::new(),
            target: format!("message:{}", context.message_pk),
            outcome: "rejected",
            detail: json!({ "rejected": outcome.failed(), "codes": rejected }),
        });
        let (message_pk, now, audit_id) = (context.message_pk, context.now, self.ids.next());
        self.index
            .write(move |tx| {
                Box::pin(async move {
                    inbox::finish(tx, message_pk, now, &result).await?;
                    match record {
                        Some(record) => audit::record(tx, audit_id, now, &record).await,
                        None => Ok(()),
                    }
                })
            })
            .await
            .map_err(Error::from)
    }
}

impl Unit {
    fn rejected(self, code: Code) -> Vec<RecordOutcome> {
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

pub(super) fn outcome_of<F: Field>(
    kind: RecordKind,
    record: &Record<F>,
    status: Status,
    code: Option<Code>,
    notes: Vec<Note>,
) -> RecordOutcome {
    let text = |name: &str| F::find(name).map(|f| record.text(f).to_owned()).unwrap_or_default();
    let serial_no = if kind == RecordKind::LabItem { text("serial_no") } else { String::new() };
    let (org_code, report_form_no) = (text("org_code"), text("report_form_no"));
    RecordOutcome { kind, org_code, report_form_no, serial_no, status, code, notes }
}

/// Audits what one transaction did.
pub(super) async fn record_audit(
    tx: &mut Tx,
    ids: &crate::index::Ids,
    context: &Context,
    action: &'static str,
    target: String,
    records: &[RecordOutcome],
) -> Result<(), crate::index::Error> {
    let Some(first) = records.first() else { return Ok(()) };
    let mut codes: Vec<&str> = records.iter().flat_map(|r| &r.notes).map(|note| note.code.as_str()).collect();
    codes.sort_unstable();
    codes.dedup();
    let record = AuditRecord {
        action,
        actor: context.actor.clone(),
        org_code: first.org_code.clone(),
        target,
        outcome: first.status.as_str(),
        detail: json!({ "message": context.message_pk, "records": records.len(), "codes": codes }),
    };
    audit::record(tx, ids.next(), context.now, &record).await
}

fn plan(
    context: &Context,
    exams: Vec<Submitted<ExamField>>,
    labs: Vec<Submitted<LabField>>,
    items: Vec<Submitted<LabItemField>>,
) -> Plan {
    let (rules, now) = (context.rules.as_ref(), local_text(context.now));
    let mut plan = Plan { units: Vec::new(), rejected: Vec::new(), repeats: false };
    let mut seen = std::collections::HashSet::new();
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
    // Lines go to the last head in the batch that they can belong to, wherever they stand in it (D-R7, D-R9).
    let mut lab_units: Vec<LabUnit> = Vec::new();
    let mut owners: HashMap<[String; 3], usize> = HashMap::new();
    for lab in labs {
        match prepare_report::lab(lab, rules, &now) {
            Ok(lab) => {
                let number = [LabField::OrgCode, LabField::ReportFormNo].map(|f| lab.record.text(f).to_owned());
                plan.repeats |= !seen.insert(("lab", number));
                owners.insert(prepare_report::owner_keys(&lab.record), lab_units.len());
                lab_units.push(LabUnit { head: Some(Box::new(lab)), items: Vec::new() });
            }
            Err(rejected) => plan.rejected.push(told(RecordKind::Lab, *rejected)),
        }
    }
    let mut orders: HashMap<[String; 3], usize> = HashMap::new();
    for item in items {
        let order = orders.entry(prepare_report::owner_of_item(&item.record)).or_default();
        *order += 1;
        match prepare_report::item(item, *order, rules, &now) {
            Ok(item) => {
                let unit = *owners.entry(prepare_report::owner_of_item(&item.record)).or_insert_with(|| {
                    lab_units.push(LabUnit::default());
                    lab_units.len() - 1
                });
                lab_units[unit].items.push(item);
            }
            Err(rejected) => plan.rejected.push(told(RecordKind::LabItem, *rejected)),
        }
    }
    plan.units.extend(lab_units.into_iter().map(Unit::Lab));
    plan
}

fn told<F: Field>(kind: RecordKind, rejected: Rejected<F>) -> RecordOutcome {
    outcome_of(kind, &rejected.record, Status::Rejected, Some(rejected.code), rejected.notes)
}

/// Figures for the completeness that evaluators ask about (D-R14).
fn count(outcome: &BatchOutcome) {
    for record in &outcome.records {
        let (kind, status) = (record.kind.as_str(), record.status.as_str());
        metrics::counter!("yingku_registry_records_total", "kind" => kind, "status" => status).increment(1);
        for note in &record.notes {
            metrics::counter!("yingku_registry_notes_total", "kind" => kind, "code" => note.code.as_str()).increment(1);
        }
    }
}

/// How an incoming record stands to the stored one (D-R8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Later, or without a stamp of its own: replaces.
    Newer,
    /// As old but different: replaces, since senders often do not move the stamp.
    Changed,
    /// Earlier: ignored.
    Stale,
    /// As old and the same: nothing to do.
    Duplicate,
}

pub(super) fn standing(
    (stamp, stamped, content_hash): (&str, bool, &str),
    stored_stamp: &str,
    stored_hash: &str,
) -> Standing {
    let same = content_hash == stored_hash;
    match stamp.cmp(stored_stamp) {
        _ if !stamped && same => Standing::Duplicate,
        std::cmp::Ordering::Less => Standing::Stale,
        std::cmp::Ordering::Equal if same => Standing::Duplicate,
        std::cmp::Ordering::Equal => Standing::Changed,
        std::cmp::Ordering::Greater => Standing::Newer,
    }
}

impl Standing {
    pub(super) fn status(self) -> Status {
        match self {
            Standing::Newer | Standing::Changed => Status::Updated,
            Standing::Stale => Status::Stale,
            Standing::Duplicate => Status::Duplicate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d_r8_newer_and_changed_replace_older_and_equal_do_not() {
        let stored = ("2024-03-23 00:00:00", "hash");
        let stands = |stamp, stamped, hash| standing((stamp, stamped, hash), stored.0, stored.1);
        assert_eq!(stands("2024-03-24 00:00:00", true, "hash"), Standing::Newer);
        assert_eq!(stands("2024-03-23 00:00:00", true, "other"), Standing::Changed);
        assert_eq!(stands("2024-03-23 00:00:00", true, "hash"), Standing::Duplicate);
        assert_eq!(stands("2024-03-22 00:00:00", true, "other"), Standing::Stale);
        assert_eq!(stands("2026-01-01 00:00:00", false, "hash"), Standing::Duplicate);
        assert_eq!(stands("2026-01-01 00:00:00", false, "other"), Standing::Newer);
    }
}
