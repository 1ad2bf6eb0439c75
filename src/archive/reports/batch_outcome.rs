//! What became of a batch of records: one outcome for each, as it is acknowledged, kept with the message and counted.

use std::collections::BTreeMap;

use serde_json::json;

use super::keep_message::MessageState;
use super::register_reports::Context;
use super::report_codes::{Code, Note};
use crate::domain::record::{Field, Record};
use crate::index::rejected_records::RejectedRecords;

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
    /// Which exam report of its message it is, from 0; of no meaning for other kinds.
    pub place: usize,
    /// The report that a file which came with the record belongs to: none when the record is not what stands, or is
    /// withdrawn.
    pub takes_file: Option<TakesFile>,
}

/// An exam report as a record left it, for the file that came with the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakesFile {
    /// The report's row.
    pub exam_report_pk: i64,
    /// The hash of the content that the file belongs to.
    pub content_hash: String,
}

/// What became of a batch; exams, then reports with their lines, then lines alone, then rejected records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchOutcome {
    /// One for each record.
    pub records: Vec<RecordOutcome>,
    /// The kept message.
    pub message_pk: i64,
}

impl BatchOutcome {
    /// Records that were not stored.
    pub fn failed(&self) -> usize {
        self.records.iter().filter(|record| record.status == Status::Rejected).count()
    }

    pub(super) fn state(&self) -> MessageState {
        if self.failed() == 0 { MessageState::Done } else { MessageState::Failed }
    }

    pub(super) fn as_result(&self) -> String {
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
    RecordOutcome { kind, org_code, report_form_no, serial_no, status, code, notes, place: 0, takes_file: None }
}

/// What counts as rejected, by organisation; a code that is not one of ours is anybody's text and is left out.
pub(super) fn rejected_of(context: &Context, outcome: &BatchOutcome) -> Vec<RejectedRecords> {
    let mut counts: BTreeMap<(String, &str, &str, String), i64> = BTreeMap::new();
    for record in &outcome.records {
        // What could not be stored is the archive's fault, not the data's.
        let Some(code) = record.code.filter(|code| *code != Code::NotStored) else { continue };
        let known = context.by().knows(record.org_code.trim());
        let org_code = if known { record.org_code.trim().to_owned() } else { String::new() };
        let field = record.notes.iter().find(|note| code == note.code || code == Code::Strict);
        let field = field.map(|note| note.field.to_string()).unwrap_or_default();
        *counts.entry((org_code, record.kind.as_str(), code.as_str(), field)).or_default() += 1;
    }
    let rejected = |((org_code, kind, code, field), records): ((String, &str, &str, String), i64)| RejectedRecords {
        org_code,
        kind: kind.to_owned(),
        code: code.to_owned(),
        field,
        records,
    };
    counts.into_iter().map(rejected).collect()
}

/// Figures for the completeness that evaluators ask about (D-R14).
pub(super) fn count(outcome: &BatchOutcome) {
    for record in &outcome.records {
        let (kind, status) = (record.kind.as_str(), record.status.as_str());
        metrics::counter!("yingku_registry_records_total", "kind" => kind, "status" => status).increment(1);
        for note in &record.notes {
            metrics::counter!("yingku_registry_notes_total", "kind" => kind, "code" => note.code.as_str()).increment(1);
        }
    }
}
