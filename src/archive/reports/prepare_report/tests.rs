//! What is kept, noted and rejected, decision by decision.

use std::sync::LazyLock;

use super::*;
use crate::domain::record::is_withdrawn;

const NOW: &str = "2024-03-24 14:40:00";

fn by(rules: &RegistrationRules) -> By<'_> {
    static BUILT_IN: LazyLock<Dictionaries> = LazyLock::new(Dictionaries::built_in);
    By { rules, dictionaries: &BUILT_IN }
}

fn rules() -> RegistrationRules {
    RegistrationRules {
        organizations: ["ORG-T01".to_owned()].into(),
        restricted: vec!["R".to_owned(), "保密".to_owned()],
        modalities: [("MRI".to_owned(), "MR".to_owned())].into(),
        ..RegistrationRules::default()
    }
}

fn submitted(values: &[(ExamField, &str)]) -> Submitted<ExamField> {
    use ExamField as F;
    let mut record = ExamReport::default();
    let complete = [
        (F::LastUpdateDateTime, "2024/3/23 0:00:00"),
        (F::OrgCode, "ORG-T01"),
        (F::State, "0"),
        (F::ReportFormNo, "EX0001"),
        (F::PatientId, "P0001"),
        (F::EventType, "1"),
        (F::EventNo, "E0001"),
        (F::PerformerDateTime, "2024/3/22 14:46:06"),
        (F::PacsId, "A0001"),
        (F::ClassCode, "MR"),
        (F::RetrieveDate, "2024/3/22 21:01:07"),
        (F::BodyPartName, "头部"),
        (F::ParticipantDateTime, "2024/3/22 9:00:00"),
    ];
    complete.iter().chain(values).for_each(|(field, value)| record.set(*field, *value));
    Submitted { record, ..Submitted::default() }
}

fn prepared(values: &[(ExamField, &str)]) -> Prepared<ExamField> {
    exam(submitted(values), by(&rules()), NOW).unwrap()
}

fn codes(values: &[(ExamField, &str)]) -> Vec<Code> {
    prepared(values).notes.iter().map(|note| note.code).collect()
}

fn refusal(values: &[(ExamField, &str)], rules: &RegistrationRules) -> Code {
    exam(submitted(values), by(rules), NOW).unwrap_err().code
}

fn line(values: &[(LabItemField, &str)]) -> Submitted<LabItemField> {
    use LabItemField as F;
    let mut record = LabItem::default();
    let key = [(F::OrgCode, "ORG-T01"), (F::EventNo, "E1"), (F::ReportFormNo, "L1"), (F::ClassCode, "WBC")];
    key.iter().chain(values).for_each(|(field, value)| record.set(*field, *value));
    Submitted { record, ..Submitted::default() }
}

#[test]
fn a_complete_report_has_no_notes_and_gets_the_defaults() {
    let report = prepared(&[]);
    assert_eq!(report.notes, []);
    assert_eq!(report.record.get(ExamField::LastUpdateDateTime), Some("2024-03-23 00:00:00"));
    let defaults = [ExamField::CreateTime, ExamField::UploadStatus, ExamField::DataStatus, ExamField::IsCorrect];
    assert_eq!(defaults.map(|f| report.record.text(f)), [NOW, "0", "1", "0"]);
}

#[test]
fn d_r8_a_missing_stamp_is_the_receipt_time() {
    let report = prepared(&[(ExamField::LastUpdateDateTime, "")]);
    assert_eq!(report.record.get(ExamField::LastUpdateDateTime), Some(NOW));
    assert_eq!((report.stamped, report.notes[0].code), (false, Code::NoStamp));
    assert_eq!(report.content_hash, prepared(&[]).content_hash);
}

#[test]
fn d_r12_an_unreadable_date_is_emptied_with_a_warning() {
    let report = prepared(&[(ExamField::BirthDate, "某日")]);
    assert_eq!(report.record.get(ExamField::BirthDate), None);
    assert_eq!(report.notes, [Note::on(Code::BadDate, "Birth_Date")]);
}

#[test]
fn d_r13_d_r14_an_empty_key_rejects_and_an_empty_required_field_warns() {
    assert_eq!(refusal(&[(ExamField::EventNo, " ")], &rules()), Code::MissingKey);
    assert_eq!(codes(&[(ExamField::BodyPartName, ""), (ExamField::State, "")]).len(), 2);
    assert!(codes(&[(ExamField::BodyPartName, "")]).contains(&Code::MissingField));
}

#[test]
fn d_r14_strict_validation_rejects_what_lenient_only_notes() {
    let strict = RegistrationRules { validation: Validation::Strict, ..rules() };
    assert_eq!(refusal(&[(ExamField::BodyPartName, "")], &strict), Code::Strict);
    assert_eq!(refusal(&[(ExamField::BirthDate, "某日")], &strict), Code::Strict);
    assert!(exam(submitted(&[(ExamField::IdNo, "1")]), by(&strict), NOW).is_ok());
}

#[test]
fn d_r15_long_text_is_kept_whole_and_odd_numbers_are_emptied() {
    let long = "长".repeat(4001);
    let report =
        prepared(&[(ExamField::ImageDescr, &long), (ExamField::Recognition, "一"), (ExamField::IsCorrect, "01")]);
    assert_eq!(report.record.get(ExamField::ImageDescr), Some(long.as_str()));
    assert_eq!(report.record.get(ExamField::Recognition), None);
    assert_eq!(report.record.get(ExamField::IsCorrect), Some("1"));
    let noted: Vec<Code> = report.notes.iter().map(|n| n.code).collect();
    assert_eq!(noted, [Code::TooLong, Code::NotANumber]);
}

#[test]
fn d_r16_exam_class_is_mapped_to_a_modality_and_kept_as_given() {
    let class = |code: &str| modality(&prepared(&[(ExamField::ClassCode, code)]).record, &rules());
    assert_eq!(["MRI", "ct", "G003"].map(class), ["MR", "CT", ""]);
    assert_eq!(prepared(&[(ExamField::ClassCode, "G003")]).record.get(ExamField::ClassCode), Some("G003"));
}

#[test]
fn d_r17_recognition_of_a_lab_report_may_be_empty() {
    assert_eq!(LabField::find("recognition"), Some(LabField::Recognition));
    let mut record = LabReport::default();
    for (field, value) in lab_key() {
        record.set(field, value);
    }
    record.set(LabField::Recognition, "");
    let report = lab(Submitted { record, ..Submitted::default() }, by(&rules()), NOW).unwrap();
    assert!(report.notes.iter().all(|note| note.field != "Recognition"));
}

fn lab_key() -> [(LabField, &'static str); 5] {
    use LabField as F;
    [(F::OrgCode, "ORG-T01"), (F::ReportFormNo, "L1"), (F::PatientId, "P1"), (F::EventType, "1"), (F::EventNo, "E1")]
}

#[test]
fn d_r18_only_zero_withdraws() {
    assert!(is_withdrawn(prepared(&[(ExamField::DataStatus, "0")]).record.get(ExamField::DataStatus)));
    assert!(!is_withdrawn(prepared(&[(ExamField::DataStatus, "")]).record.get(ExamField::DataStatus)));
    assert_eq!(codes(&[(ExamField::DataStatus, "7")]), [Code::OddDataStatus]);
}

#[test]
fn d_r21_a_state_out_of_range_is_emptied_with_a_warning() {
    let report = prepared(&[(ExamField::State, "9")]);
    assert_eq!((report.record.get(ExamField::State), report.notes[0].code), (None, Code::BadState));
    let named = prepared(&[(ExamField::State, "审核完成"), (ExamField::StudyInstanceUid, "1.2.3")]);
    assert_eq!((named.record.get(ExamField::State), named.notes.len()), (Some("3"), 0));
}

#[test]
fn d_r24_d_r25_study_uids_and_accession_numbers_are_looked_at_but_kept() {
    assert_eq!(codes(&[(ExamField::StudyInstanceUid, "1.2.3,x")]), [Code::BadStudyUid]);
    assert_eq!(codes(&[(ExamField::StudyInstanceUid, "1.02.3")]), [Code::OddStudyUid]);
    assert_eq!(codes(&[(ExamField::State, "1")]), [Code::MissingStudyUid]);
    assert_eq!(codes(&[(ExamField::PacsId, "A12345678901234567")]), [Code::LongAccession]);
}

#[test]
fn d_r28_d_r29_organisations_are_checked_against_sender_and_archive() {
    let other = [(ExamField::OrgCode, "ORG-T02")];
    assert_eq!(refusal(&other, &rules()), Code::UnknownOrganization);
    let auto = RegistrationRules { auto_org: true, ..rules() };
    assert!(exam(submitted(&other), by(&auto), NOW).is_ok());
    let bound = RegistrationRules { allowed: Some(["ORG-T01".to_owned()].into()), ..auto };
    assert_eq!(refusal(&other, &bound), Code::ForeignOrganization);
}

#[test]
fn d_r35_an_identity_number_that_does_not_fit_is_noted() {
    let id_no = (ExamField::IdNo, "990101199001010019");
    assert_eq!(codes(&[id_no, (ExamField::BirthDate, "1990/1/1 0:00:00"), (ExamField::SexCode, "1")]), []);
    let contradicting = [id_no, (ExamField::BirthDate, "1991/1/1"), (ExamField::SexCode, "2")];
    assert_eq!(codes(&contradicting), [Code::IdNoSex, Code::IdNoBirthDate]);
    assert_eq!(codes(&[(ExamField::IdNo, "990101199001010018")]), [Code::BadIdNo]);
}

#[test]
fn d_r36_a_serial_number_may_have_any_length_and_a_missing_one_is_made() {
    let long = item(line(&[(LabItemField::SerialNo, "00123456")]), 1, by(&rules()), NOW).unwrap();
    assert_eq!(long.record.get(LabItemField::SerialNo), Some("123456"));
    assert!(long.notes.iter().all(|note| note.code != Code::TooLong));
    let made = item(line(&[]), 3, by(&rules()), NOW).unwrap();
    assert_eq!(made.record.get(LabItemField::SerialNo), Some("WBC#3"));
}

#[test]
fn d_r37_the_retrieval_date_keeps_its_time() {
    assert_eq!(prepared(&[]).record.get(ExamField::RetrieveDate), Some("2024-03-22 21:01:07"));
    assert_eq!(moments(None, None, Some("p"), "now"), ["p", "p"]);
    assert_eq!(moments(Some("r"), Some("e"), Some("p"), "now"), ["r", "p"]);
    assert_eq!(moments(None, None, None, "now"), ["now", "now"]);
}

#[test]
fn d_r38_an_author_who_reviews_himself_is_noted() {
    assert_eq!(codes(&[(ExamField::AuthorId, "D1"), (ExamField::AuthenticatorId, "D1")]), [Code::SamePerson]);
}

#[test]
fn d_r39_the_missing_half_of_sex_is_filled_and_the_code_wins() {
    assert_eq!(prepared(&[(ExamField::SexCode, "2")]).record.get(ExamField::SexName), Some("女"));
    assert_eq!(prepared(&[(ExamField::SexName, "男")]).record.get(ExamField::SexCode), Some("1"));
    assert_eq!(codes(&[(ExamField::SexCode, "1"), (ExamField::SexName, "女")]), [Code::SexContradiction]);
    assert_eq!(prepared(&[(ExamField::SexCode, "女")]).record.get(ExamField::SexCode), Some("2"));
}

#[test]
fn d_r19_d_r20_is_correct_and_upload_status_are_kept_and_decide_nothing() {
    let report = prepared(&[(ExamField::IsCorrect, "0"), (ExamField::UploadStatus, "5")]);
    assert_eq!([ExamField::IsCorrect, ExamField::UploadStatus].map(|f| report.record.text(f)), ["0", "5"]);
    assert_eq!(report.notes, []);
}

#[test]
fn d_r34_one_field_recognition_serves_exams_and_labs() {
    let specs = [
        ExamField::find("recognition").map(|f| *f.spec()),
        LabField::find("recognition").map(|f| *f.spec()),
        LabItemField::find("recognition").map(|f| *f.spec()),
    ];
    assert!(specs.iter().all(|spec| spec.is_some() && spec == &specs[0]));
}
