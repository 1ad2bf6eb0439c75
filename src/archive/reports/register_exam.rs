//! One exam report's transaction: the row, its history, Study Instance UIDs, links to images, the fetch job, audit.

use serde_json::json;

use super::batch_outcome::{RecordKind, RecordOutcome, Status, TakesFile, outcome_of};
use super::prepare_report::{self, Prepared};
use super::register_reports::{Context, record_audit};
use super::report_codes::{Code, Note, kept_notes};
use super::standing::{Incoming, Standing, Stored, standing};
use crate::archive::links::link::{self, LinkRules};
use crate::archive::patients::absorb_patient::{self, Said};
use crate::archive::peers::retrieve_exam;
use crate::domain::date_time::local_text;
use crate::domain::dictionary::MODALITY;
use crate::domain::exam_report::{self, ExamField, ExamReport, ExamState};
use crate::domain::record::{Field, is_withdrawn, observation_uid};
use crate::domain::sharing::{self, Sharing};
use crate::index::conflicts::{self, ConflictKind};
use crate::index::exam_reports::{self, ExamFacts, KnownReport, Replaced};
use crate::index::jobs::{self, JobKind};
use crate::index::patients::FillKind;
use crate::index::registrations::{self, BeforeExam, ImageKeys, ReportKeys};
use crate::index::report_changes::{self, Aspect, Change, Subject};
use crate::index::{self, Ids, Tx};

/// The names that the transaction holds from its beginning, so that a study which comes at the same moment is seen, and
/// so that what is decided against the stored reports of that number still holds when it is written.
pub(super) fn names(exam: &Prepared<ExamField>) -> Vec<String> {
    let text = |f: ExamField| exam.record.text(f);
    let (uids, _) = exam_report::study_instance_uids(text(ExamField::StudyInstanceUid));
    let mut names = link::names_of_exam(text(ExamField::OrgCode), text(ExamField::PacsId), &uids);
    names.push(format!("exam {} {}", text(ExamField::OrgCode), text(ExamField::ReportFormNo)));
    names
}

pub(super) async fn write(
    tx: &mut Tx,
    ids: &Ids,
    context: &Context,
    rules: LinkRules,
    exam: Prepared<ExamField>,
) -> Result<RecordOutcome, index::Error> {
    let now = context.now;
    let Prepared { mut record, mut notes, content_hash, stamped } = exam;
    let text = |f: ExamField| record.text(f).to_owned();
    let [org, number] = [ExamField::OrgCode, ExamField::ReportFormNo].map(text);
    let identity = [ExamField::PatientId, ExamField::EventType, ExamField::EventNo].map(text);
    let mut facts = facts_of(context, &record, content_hash);
    let (uids, _) = exam_report::study_instance_uids(record.text(ExamField::StudyInstanceUid));
    // Asked before the report is written, so that what is written can go together.
    let keys = ReportKeys { org_code: &org, report_form_no: &number, patient_id: &identity[0] };
    let accessions = rules.spellings(record.text(ExamField::PacsId));
    let images = ImageKeys { accessions: &accessions, study_instance_uids: &uids };
    let before = registrations::before_exam(tx, keys, images).await?;
    let BeforeExam { reports: known, patient, is_awaited, is_withdrawn_vip } = before;
    let stored = known.iter().find(|report| report.identity == identity);
    let (id, status, fetch, was_vip, is_vip) = match stored {
        None => {
            let id = ids.next();
            facts.identity_conflict = !known.is_empty();
            if facts.identity_conflict {
                notes.push(Note::of(Code::IdentityConflict));
            }
            facts.notes = kept_notes(&notes);
            let said = Said::by_exam(&record, None, facts.withdrawn);
            absorb_patient::absorb(tx, ids, now, &said, patient, FillKind::Exam, id).await?;
            exam_reports::insert(tx, id, now, &facts, &record).await?;
            if facts.identity_conflict {
                for other in &known {
                    exam_reports::mark_identity_conflict(tx, other.id).await?;
                    open_conflict(tx, ids, now, "exam", &org, id, &identity, other, None).await?;
                }
            }
            (id, Status::Stored, true, false, facts.vip)
        }
        Some(stored) => {
            let incoming = Incoming {
                stamp: record.text(ExamField::LastUpdateDateTime),
                stamped,
                content_hash: &facts.content_hash,
                replayed: context.replayed,
            };
            let stand = standing(incoming, Stored::of(stored));
            if !matches!(stand, Standing::Newer | Standing::Changed) {
                let outcome = outcome_of(RecordKind::Exam, &record, stand.status(), None, notes);
                let target = format!("exam:{}", stored.id);
                record_audit(tx, ids, context, "register_exam", target, std::slice::from_ref(&outcome)).await?;
                let takes_file = (stand == Standing::Duplicate).then(|| takes_file(stored.id, &facts)).flatten();
                return Ok(RecordOutcome { takes_file, ..outcome });
            }
            facts.notes = kept_notes(&notes);
            link::hold_former(tx, &org, stored.id).await?;
            let replaced = exam_reports::replace(tx, ids, stored.id, now, &facts, &mut record).await?;
            let Replaced { former, was_vip, is_vip } = replaced;
            let said = Said::by_exam(&record, Some(&former), facts.withdrawn);
            absorb_patient::absorb(tx, ids, now, &said, patient, FillKind::Exam, stored.id).await?;
            let moved = former.get(ExamField::ReportFilePath) != record.get(ExamField::ReportFilePath);
            let revised = record.get(ExamField::State) == Some(ExamState::Revised.digit());
            let is_back = is_withdrawn(former.get(ExamField::DataStatus));
            let fetch = stand == Standing::Newer || moved || revised || is_back;
            (stored.id, Status::Updated, fetch, was_vip, is_vip)
        }
    };
    exam_reports::set_study_uids(tx, id, &uids, status == Status::Updated).await?;
    // What comes from now on waits for the end of this transaction, which holds its names.
    if is_awaited || status == Status::Updated {
        link::exam_registered(tx, ids, now, rules, id).await?;
    }
    let (confidential, withdrawn) = (facts.vip || facts.restricted, facts.withdrawn);
    let sharing = Sharing::of(sharing::is_final(facts.reviewed, &record), confidential, withdrawn);
    let (subject, aspect) = (Subject::Exam, Aspect::Report);
    report_changes::record(tx, ids, now, Change { report_pk: id, subject, aspect, org_code: &org, sharing }).await?;
    let mut vip_changed = was_vip != is_vip;
    if is_withdrawn_vip && !is_vip && !withdrawn {
        let stamp = record.text(ExamField::LastUpdateDateTime);
        vip_changed |= exam_reports::lift_withdrawn_vips(tx, &org, &identity[0], stamp).await? > 0;
    }
    if vip_changed {
        report_changes::vip_changed(tx, ids, now, &org, &identity[0]).await?;
    }
    if fetch && record.get(ExamField::ReportFilePath).is_some() && !facts.withdrawn {
        jobs::enqueue(tx, ids, now, JobKind::FetchReportFile, &id.to_string(), now).await?;
    }
    if context.fetched.contains(&org) && !facts.withdrawn && retrieve_exam::wants_images(&record) {
        retrieve_exam::request(tx, ids, now, id, &org).await?;
    }
    let outcome = outcome_of(RecordKind::Exam, &record, status, None, notes);
    record_audit(tx, ids, context, "register_exam", format!("exam:{id}"), std::slice::from_ref(&outcome)).await?;
    Ok(RecordOutcome { takes_file: takes_file(id, &facts), ..outcome })
}

/// Where a file goes that came with the record; a withdrawn report gets none (D-R18).
fn takes_file(exam_report_pk: i64, facts: &ExamFacts) -> Option<TakesFile> {
    (!facts.withdrawn).then(|| TakesFile { exam_report_pk, content_hash: facts.content_hash.clone() })
}

fn facts_of(context: &Context, record: &ExamReport, content_hash: String) -> ExamFacts {
    let rules = &context.rules;
    let received = local_text(context.received_at);
    let [retrieve_at, observed_at] = prepare_report::moments(
        record.get(ExamField::RetrieveDate),
        record.get(ExamField::EffectiveDateTime),
        record.get(ExamField::PerformerDateTime),
        &received,
    );
    ExamFacts {
        observation_uid: observation_uid("exam", &exam_report::KEY.map(|f| record.text(f))),
        content_hash,
        sender: context.sender.clone(),
        message_pk: Some(context.message_pk),
        reviewed: exam_report::is_reviewed(record),
        vip: exam_report::is_vip(record),
        restricted: exam_report::means_restricted(record.text(ExamField::Confidentiality), &rules.restricted),
        withdrawn: is_withdrawn(record.get(ExamField::DataStatus)),
        identity_conflict: false,
        modality: modality(context, record),
        retrieve_at,
        observed_at,
        notes: String::new(),
        delay_s: prepare_report::delay_s(exam_report::reported_at(record), context.received_at),
    }
}

/// By the imported dictionary, else by the configuration and the standard's own terms (D-R16).
fn modality(context: &Context, record: &ExamReport) -> String {
    let texts = [ExamField::ClassCode, ExamField::ClassName].map(|f| record.text(f));
    let entry = texts.iter().find_map(|text| context.dictionaries.find(MODALITY, text));
    entry.map_or_else(|| prepare_report::modality(record, &context.rules), |entry| entry.code.to_uppercase())
}

/// Tells a person that one report number came for different patients or events; nothing is merged (D-R8).
/// `lines` are those that stay with the other lab report.
#[expect(clippy::too_many_arguments, reason = "the row of the conflict is made of them")]
pub(super) async fn open_conflict(
    tx: &mut Tx,
    ids: &Ids,
    now: i64,
    kind: &str,
    org: &str,
    id: i64,
    identity: &[String; 3],
    other: &KnownReport,
    lines: Option<i64>,
) -> Result<(), index::Error> {
    let names = [ExamField::PatientId, ExamField::EventType, ExamField::EventNo].map(|f| f.spec().column);
    let differ = names.iter().zip(identity.iter().zip(&other.identity)).filter(|(_, (a, b))| a != b);
    let mut detail = json!({ "fields": differ.map(|(name, _)| *name).collect::<Vec<_>>() });
    if let Some(lines) = lines {
        detail["lines"] = lines.into();
    }
    let subject = format!("{kind}:{} {kind}:{id}", other.id);
    conflicts::open(tx, ids, now, ConflictKind::ReportIdentity, org, &subject, &detail).await
}
