//! Reads meaning into a submitted record before it touches the database: normal forms, warnings, rejection, hash.
//!
//! Lenient by rule: only a missing key and a wrong organisation reject a record, all else is kept with a warning
//! (D-R12 to D-R16, D-R18, D-R21, D-R24, D-R35, D-R38, D-R39). Pure: no database, no clock of its own.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::report_codes::{Code, Note};
use crate::domain::date_time;
use crate::domain::dictionary::{Dictionaries, ORGANIZATION};
use crate::domain::exam_report::{self, ExamField, ExamReport, ExamState};
use crate::domain::identity::{IdNo, Sex};
use crate::domain::lab_report::{LabField, LabItem, LabItemField, LabReport};
use crate::domain::record::{Field, FieldKind, Need, Record};

/// What happens to a record that is not quite right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Validation {
    /// Kept, with warnings.
    #[default]
    Lenient,
    /// Rejected when a date, a number, a length or a required field is wrong.
    Strict,
}

/// How records are judged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegistrationRules {
    /// What happens to a record that is not quite right.
    pub validation: Validation,
    /// Codes of the organisations that the configuration names; operators import others.
    pub organizations: BTreeSet<String>,
    /// Accept organisations that it does not know (D-R29).
    pub auto_org: bool,
    /// Organisations for which the sender may register; all when `None` (D-R28).
    pub allowed: Option<BTreeSet<String>>,
    /// Texts of Confidentiality that mean restricted, compared without case (D-R22).
    pub restricted: Vec<String>,
    /// Class_Code or Class_Name in upper case, to DICOM Modality (D-R16).
    pub modalities: BTreeMap<String, String>,
    /// A newer full set withdraws the lines that it no longer has (D-R11).
    pub replace_items: bool,
}

/// By what records are judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct By<'r> {
    /// The configuration.
    pub(super) rules: &'r RegistrationRules,
    /// What operators have imported, organisations among it.
    pub(super) dictionaries: &'r Dictionaries,
}

impl By<'_> {
    /// Whether the archive knows the organisation, by its configuration or by an import (RD-24).
    pub(super) fn knows(self, org_code: &str) -> bool {
        self.rules.organizations.contains(org_code) || self.dictionaries.meaning(ORGANIZATION, org_code).is_some()
    }
}

/// A record as it was read, with what the reader noticed.
#[derive(Debug, Clone)]
pub struct Submitted<F: Field> {
    /// The record.
    pub record: Record<F>,
    /// What the reader noticed.
    pub notes: Vec<Note>,
    /// Heads of lab reports that stand before it in its message (D-R9).
    pub heads_before: usize,
}

impl<F: Field> Default for Submitted<F> {
    fn default() -> Self {
        Self { record: Record::default(), notes: Vec::new(), heads_before: 0 }
    }
}

/// A record that is fit to be stored.
#[derive(Debug, Clone)]
pub(super) struct Prepared<F: Field> {
    pub(super) record: Record<F>,
    pub(super) notes: Vec<Note>,
    /// SHA-256 of all fields but the stamp.
    pub(super) content_hash: String,
    /// Whether the sender gave the stamp.
    pub(super) stamped: bool,
}

/// A record that is not stored, and why.
#[derive(Debug)]
pub(super) struct Rejected<F: Field> {
    pub(super) record: Record<F>,
    pub(super) code: Code,
    pub(super) notes: Vec<Note>,
}

type Judged<F> = Result<Prepared<F>, Box<Rejected<F>>>;

/// Prepares an exam report; `now` is the receipt time in the kept form.
pub(super) fn exam(submitted: Submitted<ExamField>, by: By<'_>, now: &str) -> Judged<ExamField> {
    use ExamField as F;
    let Submitted { mut record, mut notes, .. } = submitted;
    normalise(&mut record, &mut notes);
    if let Some(state) = record.get(F::State) {
        let state = ExamState::parse(state);
        if state.is_none() {
            notes.push(Note::on(Code::BadState, F::State.spec().wire));
        }
        record.put(F::State, state.map(|s| s.digit().to_owned()));
    } else {
        notes.push(Note::on(Code::MissingField, F::State.spec().wire));
    }
    let (uids, refused) = exam_report::study_instance_uids(record.text(F::StudyInstanceUid));
    if !refused.is_empty() {
        notes.push(Note::on(Code::BadStudyUid, F::StudyInstanceUid.spec().wire));
    }
    if uids.iter().any(|uid| uid.split('.').any(|part| part.len() > 1 && part.starts_with('0'))) {
        notes.push(Note::on(Code::OddStudyUid, F::StudyInstanceUid.spec().wire));
    }
    let examined = record.get(F::State).and_then(ExamState::parse).is_some_and(|s| s >= ExamState::Examined);
    if examined && uids.is_empty() {
        notes.push(Note::on(Code::MissingStudyUid, F::StudyInstanceUid.spec().wire));
    }
    if record.text(F::PacsId).chars().count() > 16 {
        notes.push(Note::on(Code::LongAccession, F::PacsId.spec().wire));
    }
    let person = Person {
        id_no: F::IdNo,
        sex_code: F::SexCode,
        sex_name: F::SexName,
        birth_date: Some(F::BirthDate),
        author: [F::AuthorId, F::AuthorName],
        reviewer: [F::AuthenticatorId, F::AuthenticatorName],
    };
    person.check(&mut record, &mut notes);
    let defaults = [F::LastUpdateDateTime, F::CreateTime, F::UploadStatus, F::DataStatus, F::IsCorrect];
    judge(record, notes, by, now, F::OrgCode, defaults)
}

/// Prepares the head of a lab report.
pub(super) fn lab(submitted: Submitted<LabField>, by: By<'_>, now: &str) -> Judged<LabField> {
    use LabField as F;
    let Submitted { mut record, mut notes, .. } = submitted;
    normalise(&mut record, &mut notes);
    let person = Person {
        id_no: F::IdNo,
        sex_code: F::SexCode,
        sex_name: F::SexName,
        birth_date: None,
        author: [F::AuthorId, F::AuthorName],
        reviewer: [F::AuthenticatorId, F::AuthenticatorName],
    };
    person.check(&mut record, &mut notes);
    let defaults = [F::LastUpdateDateTime, F::CreateTime, F::UploadStatus, F::DataStatus, F::IsCorrect];
    judge(record, notes, by, now, F::OrgCode, defaults)
}

/// Prepares a line of a lab report; `order` is its place among the lines of its report and class
/// that have no number either, from 1: other lines may be missing or elsewhere when it is sent again (D-R11).
pub(super) fn item(submitted: Submitted<LabItemField>, order: usize, by: By<'_>, now: &str) -> Judged<LabItemField> {
    use LabItemField as F;
    let Submitted { mut record, mut notes, .. } = submitted;
    normalise(&mut record, &mut notes);
    if record.get(F::SerialNo).is_none() {
        record.set(F::SerialNo, format!("{}#{order}", record.text(F::ClassCode)));
        notes.push(Note::on(Code::SerialNoMade, F::SerialNo.spec().wire));
    }
    let defaults = [F::LastUpdateDateTime, F::CreateTime, F::UploadStatus, F::DataStatus, F::IsCorrect];
    judge(record, notes, by, now, F::OrgCode, defaults)
}

/// Trims, brings dates and numbers into their kept forms, and notes what the specification would not have.
fn normalise<F: Field>(record: &mut Record<F>, notes: &mut Vec<Note>) {
    for &field in F::ALL {
        let spec = field.spec();
        let Some(text) = record.get(field).map(|t| t.trim().to_owned()) else { continue };
        let value = match spec.kind {
            FieldKind::Date | FieldKind::DateTime => date_time::normalise(&text).unwrap_or_else(|_| {
                notes.push(Note::on(Code::BadDate, spec.wire));
                None
            }),
            FieldKind::Number(digits) => number(&text, digits, spec.wire, spec.need, notes),
            FieldKind::Text(limit) => {
                if text.chars().count() > limit {
                    notes.push(Note::on(Code::TooLong, spec.wire));
                }
                Some(text)
            }
        };
        record.put(field, value);
    }
    for field in F::ALL.iter().filter(|f| f.spec().need == Need::Required && record.get(**f).is_none()) {
        // A missing stamp has a code of its own.
        if field.spec().column != "last_update_dtime" {
            notes.push(Note::on(Code::MissingField, field.spec().wire));
        }
    }
}

fn number(text: &str, digits: usize, wire: &'static str, need: Need, notes: &mut Vec<Note>) -> Option<String> {
    let (sign, figures) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    if figures.is_empty() || !figures.bytes().all(|b| b.is_ascii_digit()) {
        notes.push(Note::on(Code::NotANumber, wire));
        // Half a key is worse than an odd one: the report would be lost (D-R15 against D-R14).
        return (need == Need::Key).then(|| text.to_owned());
    }
    let figures = match figures.trim_start_matches('0') {
        "" => "0",
        rest => rest,
    };
    // Serial_No is sent with more digits than its four (D-R36).
    if figures.len() > digits && wire != "Serial_No" {
        notes.push(Note::on(Code::TooLong, wire));
    }
    Some(format!("{sign}{figures}"))
}

/// The fields that speak of the patient and of those who signed.
struct Person<F> {
    id_no: F,
    sex_code: F,
    sex_name: F,
    birth_date: Option<F>,
    author: [F; 2],
    reviewer: [F; 2],
}

impl<F: Field> Person<F> {
    fn check(&self, record: &mut Record<F>, notes: &mut Vec<Note>) {
        let code = record.get(self.sex_code).map(str::to_owned);
        let name = record.get(self.sex_name).map(str::to_owned);
        let by_code = code.as_deref().and_then(Sex::parse);
        let by_name = name.as_deref().and_then(Sex::parse);
        match (by_code, by_name) {
            (Some(a), Some(b)) if a != b => notes.push(Note::on(Code::SexContradiction, self.sex_code.spec().wire)),
            (Some(sex), None) if name.is_none() => record.set(self.sex_name, sex.label()),
            (None, Some(sex)) if code.is_none() => record.set(self.sex_code, sex.code()),
            _ => {}
        }
        // Some senders put the word into the code; the code is what everything else looks at.
        if let (Some(sex), Some(text)) = (by_code, &code)
            && text.as_str() != sex.code()
        {
            record.set(self.sex_code, sex.code());
        }
        if let Some(text) = record.get(self.id_no) {
            match IdNo::parse(text) {
                None => notes.push(Note::on(Code::BadIdNo, self.id_no.spec().wire)),
                Some(id_no) => {
                    let sex = by_code.or(by_name).filter(|s| matches!(s, Sex::Male | Sex::Female));
                    if sex.is_some_and(|s| s != id_no.sex()) {
                        notes.push(Note::on(Code::IdNoSex, self.id_no.spec().wire));
                    }
                    let birth = self.birth_date.and_then(|f| record.get(f));
                    if birth.is_some_and(|b| !b.starts_with(id_no.birth_date())) {
                        notes.push(Note::on(Code::IdNoBirthDate, self.id_no.spec().wire));
                    }
                }
            }
        }
        let same = |i: usize| record.get(self.author[i]).is_some_and(|a| record.get(self.reviewer[i]) == Some(a));
        if same(0) || same(1) {
            notes.push(Note::on(Code::SamePerson, self.reviewer[0].spec().wire));
        }
    }
}

fn judge<F: Field>(
    mut record: Record<F>,
    mut notes: Vec<Note>,
    by: By<'_>,
    now: &str,
    org_code: F,
    [stamp, create_time, upload_status, data_status, is_correct]: [F; 5],
) -> Judged<F> {
    let reject = |record, code, notes| Err(Box::new(Rejected { record, code, notes }));
    let missing: Vec<Note> = F::ALL
        .iter()
        .filter(|f| f.spec().need == Need::Key && record.get(**f).is_none())
        .map(|f| Note::on(Code::MissingKey, f.spec().wire))
        .collect();
    if !missing.is_empty() {
        return reject(record, Code::MissingKey, missing);
    }
    let org = record.text(org_code);
    if by.rules.allowed.as_ref().is_some_and(|allowed| !allowed.contains(org)) {
        return reject(record, Code::ForeignOrganization, notes);
    }
    if !by.rules.auto_org && !by.knows(org) {
        return reject(record, Code::UnknownOrganization, notes);
    }
    if !matches!(record.get(data_status), None | Some("0" | "1")) {
        notes.push(Note::on(Code::OddDataStatus, data_status.spec().wire));
    }
    let content_hash = content_hash(&record, stamp);
    let stamped = record.get(stamp).is_some();
    if !stamped {
        record.set(stamp, now);
        notes.push(Note::on(Code::NoStamp, stamp.spec().wire));
    }
    const STRICT: [Code; 7] = [
        Code::BadDate,
        Code::NotANumber,
        Code::TooLong,
        Code::MissingField,
        Code::NoStamp,
        Code::BadState,
        Code::BadStudyUid,
    ];
    if by.rules.validation == Validation::Strict && notes.iter().any(|note| STRICT.contains(&note.code)) {
        return reject(record, Code::Strict, notes);
    }
    for (field, default) in [(create_time, now), (upload_status, "0"), (data_status, "1"), (is_correct, "0")] {
        if record.get(field).is_none() {
            record.set(field, default);
        }
    }
    Ok(Prepared { record, notes, content_hash, stamped })
}

fn content_hash<F: Field>(record: &Record<F>, stamp: F) -> String {
    let mut hash = Sha256::new();
    for (field, text) in record.filled().filter(|(field, _)| *field != stamp) {
        hash.update(field.spec().column);
        hash.update([0x1F]);
        hash.update(text);
        hash.update([0x1E]);
    }
    hex::encode(hash.finalize())
}

/// The DICOM Modality of an exam class, empty when unknown (D-R16).
pub(super) fn modality(report: &ExamReport, rules: &RegistrationRules) -> String {
    let texts = [report.text(ExamField::ClassCode), report.text(ExamField::ClassName)].map(str::to_uppercase);
    let mapped = texts.iter().find_map(|text| rules.modalities.get(text.trim()));
    mapped.cloned().or_else(|| texts.into_iter().find(|text| is_modality(text))).unwrap_or_default()
}

/// Defined terms of Modality (0008,0060) that an exam can have (PS3.3 section C.7.3.1.1.1).
fn is_modality(text: &str) -> bool {
    const TERMS: [&str; 38] = [
        "CR", "CT", "MR", "US", "DX", "MG", "NM", "PT", "XA", "RF", "ES", "ECG", "EPS", "EEG", "EMG", "IO", "PX", "OP",
        "OPT", "OPV", "OAM", "GM", "SM", "XC", "OT", "DOC", "BDUS", "BMD", "IVUS", "IVOCT", "RG", "RTIMAGE", "DG",
        "HD", "LS", "RESP", "TG", "AR",
    ];
    TERMS.contains(&text)
}

/// The retrieval date and the observation time with their substitutes (D-Q4, D-P8).
pub(super) fn moments(
    retrieve: Option<&str>,
    effective: Option<&str>,
    performer: Option<&str>,
    now: &str,
) -> [String; 2] {
    let retrieve_at = retrieve.or(effective).or(performer).unwrap_or(now).to_owned();
    let observed_at = performer.or(effective).or(retrieve).unwrap_or(now).to_owned();
    [retrieve_at, observed_at]
}

/// Seconds from a report's own time to the moment when it came; negative when its time lies ahead.
pub(super) fn delay_s(reported_at: Option<&str>, received_at: i64) -> Option<i64> {
    let reported = date_time::parse(reported_at?).ok()??;
    Some((received_at - reported.epoch_ms()).div_euclid(1000))
}

/// Where a line belongs: organisation, event and report number (D-R9).
pub(super) fn owner_of_item(item: &LabItem) -> [String; 3] {
    [LabItemField::OrgCode, LabItemField::EventNo, LabItemField::ReportFormNo].map(|f| item.text(f).to_owned())
}

/// The same three of a report.
pub(super) fn owner_keys(report: &LabReport) -> [String; 3] {
    [LabField::OrgCode, LabField::EventNo, LabField::ReportFormNo].map(|f| report.text(f).to_owned())
}

#[cfg(test)]
mod tests;
