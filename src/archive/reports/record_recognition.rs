//! Somebody in another organisation relied on a report, or did not: that is recorded, once for each key (RD-32, D-X10).
//!
//! Recognised are the images and the data of a report, not the diagnosis of the doctor who wrote it. A client of certain
//! organisations records what these decided about reports that others share with them; one without organisations of its
//! own records for any that is configured. The record, its entry in the change feed and the audit are one transaction.

use serde_json::json;

use super::pull_reports::{Content, KeptReport, ReportReader};
use crate::archive::{Archive, Error};
use crate::domain::criteria;
use crate::domain::dictionary::{Dictionaries, LAB_CLASS, LAB_ITEM};
use crate::domain::exam_report::ExamField;
use crate::domain::lab_report::{LabField, LabItemField};
use crate::domain::recognition::{Decision, Examined, ItemKind, RecognisedItems};
use crate::domain::record::{Field, Record};
use crate::domain::sharing::Sharing;
use crate::index::audit::{self, AuditRecord};
use crate::index::kept_reports;
use crate::index::recognitions::{self, ListedRecognition, Recognition};
use crate::index::report_changes::{self, Aspect, Change};

/// How far a decision's time may lie after ours, in milliseconds: clocks differ.
const AHEAD_MS: i64 = 300_000;
/// Most characters of a key.
const LONGEST_KEY: usize = 128;

/// A decision about a report.
#[derive(Debug, Clone)]
pub struct RecordRecognition {
    /// Who tells it.
    pub reader: ReportReader,
    /// Its number for it; the same number again is the same record.
    pub key: String,
    /// The report.
    pub observation_uid: String,
    /// The organisation that decided.
    pub by_org_code: String,
    /// What it decided.
    pub decision: Decision,
    /// When; now when `None`.
    pub decided_at: Option<i64>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// It is recorded.
    Now(Box<ListedRecognition>),
    /// It was recorded before, with the same content.
    Before(Box<ListedRecognition>),
    /// Its key belongs to a record of another content.
    KeyTaken,
    /// The hospital has withdrawn the report.
    Withdrawn,
}

impl Archive {
    /// Records a decision.
    pub async fn record_recognition(&self, command: RecordRecognition) -> Result<Recorded, Error> {
        let RecordRecognition { reader, key, observation_uid, by_org_code, decision, decided_at } = command;
        let invalid = |why: &str| Error::Invalid(why.to_owned());
        if key.is_empty() || key.len() > LONGEST_KEY || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(invalid("key has 1 to 128 visible ASCII characters"));
        }
        let decision = decision.checked(&self.dictionaries()).map_err(invalid)?;
        match &reader.organizations {
            Some(own) if !own.contains(&by_org_code) => return Err(Error::Denied),
            None if !self.knows_organization(&by_org_code) => {
                return Err(invalid("by_organization is no organisation of this archive"));
            }
            _ => {}
        }
        let now = self.clock.now_ms();
        if decided_at.is_some_and(|at| at > now + AHEAD_MS) {
            return Err(invalid("decided_at is later than now"));
        }
        let uid = criteria::observation_uid(&observation_uid).ok_or(Error::NotFound)?;
        let report = kept_reports::by_uid(&self.index, &uid).await?.filter(|report| may_recognise(&reader, report));
        let mut report = report.ok_or(Error::NotFound)?;
        if report.org_code == by_org_code {
            return Err(invalid("by_organization is the report's own"));
        }
        self.mark_report(&mut report);
        let record = Recognition {
            id: self.ids.next(),
            // No key holds a blank: two clients never have one in common.
            request_key: format!("{} {key}", reader.actor.name),
            subject: report.subject(),
            report_pk: report.pk,
            org_code: report.org_code.clone(),
            by_org_code,
            decision,
            item: item_of(&report),
            mark: report.mark.clone(),
            decided_at: decided_at.unwrap_or(now),
            recorded_at: now,
        };
        let entry = AuditRecord {
            action: "record_recognition",
            actor: reader.actor.clone(),
            org_code: record.by_org_code.clone(),
            target: format!("{}:{}", record.subject.as_str(), record.report_pk),
            outcome: "ok",
            detail: json!({
                "organization": record.org_code, "recognised": record.decision.recognised,
                "reason": record.decision.reason,
            }),
        };
        let (ids, audit_id, withdrawn, is_timed) =
            (self.ids.clone(), self.ids.next(), report.withdrawn, decided_at.is_some());
        let written = self.index.write(move |tx| {
            Box::pin(async move {
                if let Some(known) = recognitions::by_key(tx, &record.request_key).await? {
                    return Ok(known_or_taken(known, &record, is_timed, uid, withdrawn));
                }
                if withdrawn {
                    return Ok(Recorded::Withdrawn);
                }
                if !recognitions::insert(tx, &record).await? {
                    // Another process was faster by a moment.
                    let known = recognitions::by_key(tx, &record.request_key).await?.ok_or(Error::NotFound)?;
                    return Ok(known_or_taken(known, &record, is_timed, uid, withdrawn));
                }
                let (subject, aspect, sharing) = (record.subject, Aspect::Recognition, Sharing::Nobody);
                let change =
                    Change { report_pk: record.report_pk, subject, aspect, org_code: &record.org_code, sharing };
                report_changes::record(tx, &ids, now, change).await?;
                audit::record(tx, audit_id, now, &entry).await?;
                let listed = ListedRecognition { recognition: record, observation_uid: uid, withdrawn };
                Ok::<_, Error>(Recorded::Now(Box::new(listed)))
            })
        });
        written.await
    }

    /// Puts the words of their marks to a report and its lines.
    pub(in crate::archive) fn mark_report(&self, report: &mut KeptReport) {
        let (dictionaries, items) = (self.dictionaries(), self.recognised_items());
        mark(report, &dictionaries, &items);
    }

    /// The same for many.
    pub(in crate::archive) fn mark_reports<'r>(&self, reports: impl IntoIterator<Item = &'r mut KeptReport>) {
        let (dictionaries, items) = (self.dictionaries(), self.recognised_items());
        for report in reports {
            mark(report, &dictionaries, &items);
        }
    }
}

/// Its own and what is shared with it; a withdrawn report is known all the same, to be told as one.
fn may_recognise(reader: &ReportReader, report: &KeptReport) -> bool {
    let at_least = if reader.vip { Sharing::Privileged } else { Sharing::Everyone };
    let shared = Sharing::of(report.is_final, report.vip || report.restricted, false) >= at_least;
    let own = reader.organizations.as_ref().is_some_and(|own| own.contains(&report.org_code));
    own || shared
}

fn known_or_taken(
    known: Recognition,
    told: &Recognition,
    is_timed: bool,
    observation_uid: String,
    withdrawn: bool,
) -> Recorded {
    let same = known.report_pk == told.report_pk
        && known.by_org_code == told.by_org_code
        && known.decision == told.decision
        && (!is_timed || known.decided_at == told.decided_at);
    match same {
        true => Recorded::Before(Box::new(ListedRecognition { recognition: known, observation_uid, withdrawn })),
        false => Recorded::KeyTaken,
    }
}

/// What was examined, in the report's words.
fn item_of(report: &KeptReport) -> String {
    fn first<F: Field>(record: &Record<F>, fields: &[F]) -> String {
        fields.iter().find_map(|field| record.get(*field)).unwrap_or_default().trim().to_owned()
    }
    match &report.content {
        Content::Exam(record) => {
            first(record, &[ExamField::ExamItemName, ExamField::ReportTitle, ExamField::ExamItemCode])
        }
        Content::Lab(record, _) => {
            first(record, &[LabField::ReportTitle, LabField::ClassLocalName, LabField::ClassName, LabField::ClassCode])
        }
    }
}

/// Puts to a report what only the dictionaries know of it: its mark, and the codes that its own ones stand for.
fn mark(report: &mut KeptReport, dictionaries: &Dictionaries, items: &RecognisedItems) {
    let KeptReport { org_code, observed_at, content, mark, mapped, .. } = report;
    let word = |kind, names: &[&str], registered: &str| {
        items.mark(dictionaries, &Examined { kind, org_code, items: names, observed_at, registered })
    };
    match content {
        Content::Exam(record) => {
            let names = [ExamField::ExamItemCode, ExamField::ExamItemName].map(|field| record.text(field));
            *mark = word(ItemKind::Exam, &names, record.text(ExamField::Recognition));
        }
        Content::Lab(record, lines) => {
            let names =
                [LabField::ClassCode, LabField::ClassName, LabField::ClassLocalName].map(|field| record.text(field));
            *mark = word(ItemKind::Lab, &names, record.text(LabField::Recognition));
            *mapped = dictionaries.find_any(LAB_CLASS, &names).cloned();
            for kept in lines {
                let fields = [LabItemField::ClassCode, LabItemField::ClassName, LabItemField::ClassLocalName];
                let names = fields.map(|field| kept.item.text(field));
                kept.mark = word(ItemKind::Lab, &names, kept.item.text(LabItemField::Recognition));
                kept.mapped = dictionaries.find_any(LAB_ITEM, &names).cloned();
            }
        }
    }
}
