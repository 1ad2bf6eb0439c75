//! Links exam reports and studies, in either order of arrival (D-I2, D-I3).
//!
//! Within one organisation: by StudyInstanceUID; else by PatientID and AccessionNumber; else, if configured, by an
//! AccessionNumber that is unique. Records whose birth date or sex contradict are never linked: they become a conflict.
//! What a person has linked or taken apart stays so (RD-7).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::index::attachments::{self, AttachmentKeys};
use crate::index::conflicts::{self, ConflictKind};
use crate::index::encapsulated_reports;
use crate::index::links::{self, ExamKeys, StudyKeys, UidOrigin};
use crate::index::{self, Ids, Tx, report_changes};

/// How reports and images find each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LinkRules {
    /// Link by AccessionNumber alone when exactly one report and one study of the organisation have it (D-I3).
    pub accession_only: bool,
    /// Where nothing has exactly the AccessionNumber, take those that differ in leading zeros only (D-R25). Default false.
    pub ignore_leading_zeros: bool,
}

/// AccessionNumber is SH: longer ones do not come from images.
const MAX_ACCESSION_CHARS: usize = 16;

impl LinkRules {
    /// The number, then every other spelling of it that an image can have; nothing when there is none.
    pub(crate) fn spellings(self, accession: &str) -> Vec<String> {
        if accession.is_empty() {
            return Vec::new();
        }
        let mut spellings = vec![accession.to_owned()];
        let significant = accession.trim_start_matches('0');
        if self.ignore_leading_zeros && !significant.is_empty() {
            let most_zeros = MAX_ACCESSION_CHARS.saturating_sub(significant.chars().count());
            let others = (0..=most_zeros).map(|zeros| format!("{}{significant}", "0".repeat(zeros)));
            spellings.extend(others.filter(|other| other != accession));
        }
        spellings
    }

    async fn exams(self, tx: &mut Tx, org_code: &str, accession: &str) -> Result<Vec<ExamKeys>, index::Error> {
        let mut found = Vec::new();
        for (at, spelling) in self.spellings(accession).iter().enumerate() {
            found.extend(links::exams_by_accession(tx, org_code, spelling).await?);
            if at == 0 && !found.is_empty() {
                break;
            }
        }
        Ok(found)
    }

    async fn studies(self, tx: &mut Tx, org_code: &str, accession: &str) -> Result<Vec<StudyKeys>, index::Error> {
        let mut found = Vec::new();
        for (at, spelling) in self.spellings(accession).iter().enumerate() {
            found.extend(links::studies_by_accession(tx, org_code, spelling).await?);
            if at == 0 && !found.is_empty() {
                break;
            }
        }
        Ok(found)
    }
}

/// The names by which reports, studies and attachments of an organisation find each other.
struct Names<'a> {
    org_code: &'a str,
    keys: Vec<String>,
}

impl<'a> Names<'a> {
    fn of(org_code: &'a str, accession_number: &str, study_instance_uids: &[String]) -> Self {
        let mut names = Self { org_code, keys: Vec::new() };
        names.add(accession_number, study_instance_uids);
        names
    }

    fn add(&mut self, accession_number: &str, study_instance_uids: &[String]) {
        let org_code = self.org_code;
        // All spellings of a number are one name (D-R25).
        let accession = accession_number.trim_start_matches('0');
        self.keys.extend((!accession.is_empty()).then(|| format!("accession {org_code} {accession}")));
        let named = study_instance_uids.iter().filter(|uid| !uid.is_empty());
        self.keys.extend(named.map(|uid| format!("study {org_code} {uid}")));
    }

    /// Has all others wait who link by the same names: of a report and a study that come at the same moment to two servers,
    /// the second must see the first. So this stands before whatever is looked up for linking.
    async fn hold(self, tx: &mut Tx) -> Result<(), index::Error> {
        tx.hold(&self.keys).await
    }
}

/// Links a study that has just become known.
pub(crate) async fn study_arrived(
    tx: &mut Tx,
    ids: &Ids,
    now: i64,
    rules: LinkRules,
    study_pk: i64,
) -> Result<(), index::Error> {
    let Some(study) = links::study(tx, study_pk).await? else { return Ok(()) };
    let uid = std::slice::from_ref(&study.study_instance_uid);
    Names::of(&study.org_code, &study.accession_number, uid).hold(tx).await?;
    link_exams(tx, ids, now, rules, &study).await?;
    // An exam report may have learned the study's UID just now.
    for attachment_pk in attachments::naming_study(tx, &study.org_code, &study.study_instance_uid).await? {
        attachment_arrived(tx, ids, now, attachment_pk).await?;
    }
    Ok(())
}

async fn link_exams(tx: &mut Tx, ids: &Ids, now: i64, rules: LinkRules, study: &StudyKeys) -> Result<(), index::Error> {
    let named = links::exams_naming(tx, study).await?;
    for exam in &named {
        join(tx, ids, now, exam, study, "study_instance_uid").await?;
    }
    if !named.is_empty() || study.accession_number.is_empty() {
        return Ok(());
    }
    let exams = rules.exams(tx, &study.org_code, &study.accession_number).await?;
    let mut linked = false;
    for exam in exams.iter().filter(|exam| same_patient_number(exam, study)) {
        linked = true;
        join(tx, ids, now, exam, study, "patient_and_accession").await?;
    }
    if !rules.accession_only || exams.is_empty() {
        return Ok(());
    }
    let studies = rules.studies(tx, &study.org_code, &study.accession_number).await?;
    match (exams.as_slice(), studies.len()) {
        ([only], 1) if !linked => join(tx, ids, now, only, study, "accession").await,
        ([_], 1) => Ok(()),
        _ => part_by_accession(tx, ids, now, &exams).await,
    }
}

/// Takes back what was linked by an AccessionNumber alone while that seemed unique: now others have it, too (D-I3).
async fn part_by_accession(tx: &mut Tx, ids: &Ids, now: i64, exams: &[ExamKeys]) -> Result<(), index::Error> {
    for exam in exams {
        for study_pk in links::unlink_by_accession(tx, exam.exam_report_pk).await? {
            attachments_of_exam_changed(tx, ids, now, exam).await?;
            report_changes::images_linked(tx, ids, now, &exam.org_code, exam.exam_report_pk).await?;
            encapsulated_reports::link_has_changed(tx, ids, now, exam.exam_report_pk, study_pk).await?;
        }
    }
    Ok(())
}

/// The names of an exam report that is about to be registered. Its transaction holds them before anything is looked up.
pub(crate) fn names_of_exam(org_code: &str, pacs_id: &str, study_instance_uids: &[String]) -> Vec<String> {
    Names::of(org_code, pacs_id, study_instance_uids).keys
}

/// Holds also the names that a stored exam report has had so far, before it gets others.
pub(crate) async fn hold_former(tx: &mut Tx, org_code: &str, exam_report_pk: i64) -> Result<(), index::Error> {
    let Some(former) = links::exam(tx, exam_report_pk).await? else { return Ok(()) };
    let uids = links::uids_named(tx, exam_report_pk).await?;
    Names::of(org_code, &former.pacs_id, &uids).hold(tx).await
}

/// Links an exam report that has just been registered or changed.
pub(crate) async fn exam_registered(
    tx: &mut Tx,
    ids: &Ids,
    now: i64,
    rules: LinkRules,
    exam_report_pk: i64,
) -> Result<(), index::Error> {
    links::unlink_by_rule(tx, exam_report_pk).await?;
    let Some(exam) = links::exam(tx, exam_report_pk).await? else { return Ok(()) };
    link_studies(tx, ids, now, rules, &exam).await?;
    encapsulated_reports::exam_has_changed(tx, ids, now, exam_report_pk).await?;
    links::observe_by_images(tx, exam_report_pk).await?;
    attachments_of_exam_changed(tx, ids, now, &exam).await
}

/// Links the attachments anew that an exam report concerns, because its keys or its studies have changed.
pub(crate) async fn attachments_of_exam_changed(
    tx: &mut Tx,
    ids: &Ids,
    now: i64,
    exam: &ExamKeys,
) -> Result<(), index::Error> {
    for attachment_pk in attachments::concerning(tx, exam).await? {
        attachment_arrived(tx, ids, now, attachment_pk).await?;
    }
    Ok(())
}

/// Links an attachment that has just arrived, or whose exam reports have changed, to every exam report that it names.
///
/// By StudyInstanceUID; else by AccessionNumber and, when it has one, the patient's number. An AccessionNumber alone
/// must mean one patient: which of two people a paper belongs to is for a person to say.
pub(crate) async fn attachment_arrived(
    tx: &mut Tx,
    ids: &Ids,
    now: i64,
    attachment_pk: i64,
) -> Result<(), index::Error> {
    let Some(keys) = attachments::keys(tx, attachment_pk).await? else { return Ok(()) };
    let uid = std::slice::from_ref(&keys.study_instance_uid);
    Names::of(&keys.org_code, &keys.accession_number, uid).hold(tx).await?;
    let before = attachments::exams_linked(tx, attachment_pk).await?;
    attachments::unlink_by_rule(tx, attachment_pk).await?;
    let (exams, rule) = exams_of(tx, &keys).await?;
    for exam in &exams {
        attachments::link(tx, exam.exam_report_pk, attachment_pk, rule, now).await?;
    }
    attachments::note_state(tx, attachment_pk).await?;
    // Followers hear of those alone that have got or lost it: most are linked anew as they were.
    let after = attachments::exams_linked(tx, attachment_pk).await?;
    let lost = before.iter().filter(|pk| !after.contains(pk));
    for exam_report_pk in lost.chain(after.iter().filter(|pk| !before.contains(pk))) {
        report_changes::attachments_linked(tx, ids, now, &keys.org_code, *exam_report_pk).await?;
    }
    Ok(())
}

async fn exams_of(tx: &mut Tx, keys: &AttachmentKeys) -> Result<(Vec<ExamKeys>, &'static str), index::Error> {
    let patient = |exam: &ExamKeys| {
        keys.patient_id.is_empty() || keys.patient_id == exam.patient_local_id || keys.patient_id == exam.patient_id
    };
    if !keys.study_instance_uid.is_empty() {
        let mut named = links::exams_naming_uid(tx, &keys.org_code, &keys.study_instance_uid).await?;
        named.retain(patient);
        if !named.is_empty() || keys.accession_number.is_empty() {
            return Ok((named, "study_instance_uid"));
        }
    }
    let mut exams = links::exams_by_accession(tx, &keys.org_code, &keys.accession_number).await?;
    exams.retain(patient);
    if !keys.patient_id.is_empty() {
        return Ok((exams, "patient_and_accession"));
    }
    if exams.windows(2).any(|pair| pair[0].patient_id != pair[1].patient_id) {
        exams.clear();
    }
    Ok((exams, "accession"))
}

async fn link_studies(tx: &mut Tx, ids: &Ids, now: i64, rules: LinkRules, exam: &ExamKeys) -> Result<(), index::Error> {
    for study in &links::studies_named(tx, exam).await? {
        join(tx, ids, now, exam, study, "study_instance_uid").await?;
    }
    if exam.pacs_id.is_empty() {
        return Ok(());
    }
    let studies = rules.studies(tx, &exam.org_code, &exam.pacs_id).await?;
    let mut linked = false;
    for study in studies.iter().filter(|study| same_patient_number(exam, study)) {
        linked = true;
        join(tx, ids, now, exam, study, "patient_and_accession").await?;
    }
    if !rules.accession_only || studies.is_empty() {
        return Ok(());
    }
    let exams = rules.exams(tx, &exam.org_code, &exam.pacs_id).await?;
    match (studies.as_slice(), exams.len()) {
        ([only], 1) if !linked => join(tx, ids, now, exam, only, "accession").await,
        ([_], 1) => Ok(()),
        _ => part_by_accession(tx, ids, now, &exams).await,
    }
}

fn same_patient_number(exam: &ExamKeys, study: &StudyKeys) -> bool {
    !study.patient_id.is_empty() && (study.patient_id == exam.patient_local_id || study.patient_id == exam.patient_id)
}

async fn join(
    tx: &mut Tx,
    ids: &Ids,
    now: i64,
    exam: &ExamKeys,
    study: &StudyKeys,
    rule: &'static str,
) -> Result<(), index::Error> {
    if links::is_decided(tx, exam.exam_report_pk, study.study_pk).await? {
        return Ok(());
    }
    let contradicting = contradictions(exam, study);
    if !contradicting.is_empty() {
        let subject = format!("exam:{} study:{}", exam.exam_report_pk, study.study_pk);
        let detail = json!({ "fields": contradicting });
        return conflicts::open(tx, ids, now, ConflictKind::Demographics, &exam.org_code, &subject, &detail).await;
    }
    links::link(tx, exam.exam_report_pk, study.study_pk, rule, now).await?;
    links::observe_by_images(tx, exam.exam_report_pk).await?;
    report_changes::images_linked(tx, ids, now, &exam.org_code, exam.exam_report_pk).await?;
    encapsulated_reports::link_has_changed(tx, ids, now, exam.exam_report_pk, study.study_pk).await?;
    links::add_uid(tx, exam.exam_report_pk, &study.study_instance_uid, UidOrigin::Dicom).await
}

/// The fields in which report and images clearly speak of different people.
fn contradictions(exam: &ExamKeys, study: &StudyKeys) -> Vec<&'static str> {
    let mut fields = Vec::new();
    let exam_birth: String = exam.birth_date.chars().take(10).filter(char::is_ascii_digit).collect();
    if exam_birth.len() == 8 && study.birth_date.len() == 8 && exam_birth != study.birth_date {
        fields.push("birth_date");
    }
    if let (Some(registered), Some(imaged)) = (exam_sex(&exam.sex_code), dicom_sex(&study.sex))
        && registered != imaged
    {
        fields.push("sex");
    }
    fields
}

fn exam_sex(code: &str) -> Option<char> {
    match code {
        "1" => Some('M'),
        "2" => Some('F'),
        _ => None,
    }
}

fn dicom_sex(sex: &str) -> Option<char> {
    match sex {
        "M" => Some('M'),
        "F" => Some('F'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exam(birth_date: &str, sex_code: &str) -> ExamKeys {
        ExamKeys {
            exam_report_pk: 1,
            org_code: "ORG-T01".into(),
            pacs_id: "A1".into(),
            patient_local_id: "L1".into(),
            patient_id: "P1".into(),
            birth_date: birth_date.into(),
            sex_code: sex_code.into(),
        }
    }

    fn study(birth_date: &str, sex: &str) -> StudyKeys {
        StudyKeys {
            study_pk: 2,
            org_code: "ORG-T01".into(),
            study_instance_uid: "1.2".into(),
            accession_number: "A1".into(),
            patient_id: "L1".into(),
            birth_date: birth_date.into(),
            sex: sex.into(),
        }
    }

    #[test]
    fn d_i3_a_different_birth_date_or_sex_contradicts() {
        let registered = exam("1990-01-01 00:00:00", "2");
        assert_eq!(contradictions(&registered, &study("19900101", "F")), Vec::<&str>::new());
        assert_eq!(contradictions(&registered, &study("19900102", "M")), vec!["birth_date", "sex"]);
    }

    #[test]
    fn d_r25_a_number_has_the_spellings_that_an_image_can_have() {
        let (strict, loose) = (LinkRules::default(), LinkRules { ignore_leading_zeros: true, ..LinkRules::default() });
        assert_eq!(strict.spellings("00123"), ["00123"]);
        let spellings = loose.spellings("00123");
        assert_eq!(spellings[..3], ["00123", "123", "0123"], "the exact one first");
        assert_eq!(spellings.last().unwrap(), "0000000000000123");
        assert_eq!(loose.spellings("000"), ["000"], "zeros alone are no number");
        assert_eq!(loose.spellings("12345678901234567"), ["12345678901234567"]);
    }

    #[test]
    fn d_i3_what_is_not_known_does_not_contradict() {
        assert!(contradictions(&exam("", "9"), &study("19900102", "M")).is_empty());
        assert!(contradictions(&exam("1990-01-01 00:00:00", "1"), &study("", "O")).is_empty());
    }
}
