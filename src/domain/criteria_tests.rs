//! D-P5, D-P9 to D-P14 and the shape checks of D-T11.

use std::collections::BTreeMap;

use super::*;
use crate::domain::customer::{Customer, TokenOptions};
use crate::domain::token::Proof;

fn read(page: Page, values: &[(Parameter, &str)]) -> Result<Criteria, CriteriaError> {
    read_for(&Customer::default(), page, values)
}

fn read_for(customer: &Customer, page: Page, values: &[(Parameter, &str)]) -> Result<Criteria, CriteriaError> {
    let values: BTreeMap<_, _> = values.iter().map(|(p, v)| (*p, (*v).to_owned())).collect();
    let link = Verified { customer, values, proof: Proof::Md5, token: String::new(), notes: Vec::new() };
    Criteria::from_link(page, &link, &SearchRules::default())
}

#[test]
fn d_p5_identity_keys_are_alternatives_and_the_medical_record_number_narrows() {
    let criteria = read(
        Page::ClinicExamView,
        &[
            (Parameter::IdCardNo, "990101199001010019"),
            (Parameter::HealthCardNo, "H1"),
            (Parameter::MedRecNo, "MR0001"),
        ],
    )
    .unwrap();
    assert_eq!(criteria.any_of.len(), 2);
    assert_eq!(criteria.all_of, vec![(Key::MedicalRecord, "MR0001".to_owned())]);
}

#[test]
fn d_p6_related_keys_are_all_alternatives_the_medical_record_number_too() {
    let keys = [(Parameter::MedRecNo, "MR0001"), (Parameter::AccessionNumber, "A1")];
    let criteria = read(Page::RelatedExamList, &keys).unwrap();
    assert!(criteria.related && criteria.all_of.is_empty() && criteria.any_of.len() == 2);
}

#[test]
fn d_p12_a_link_without_any_key_is_refused_and_a_name_alone_is_none() {
    let dates = [(Parameter::RegTimeStart, "2024-01-01"), (Parameter::ServiceSectId, "CT")];
    assert_eq!(read(Page::ClinicExamList, &dates), Err(CriteriaError::NoCondition));
    assert_eq!(read(Page::ClinicExamList, &[(Parameter::Name, "测试甲")]), Err(CriteriaError::NoCondition));
    let with_birth = [
        (Parameter::Name, "测试甲"),
        (Parameter::BirthDateStart, "1990-01-01"),
        (Parameter::BirthDateEnd, "1990-12-31"),
    ];
    assert!(read(Page::ClinicExamList, &with_birth).is_ok());
}

#[test]
fn d_t11_values_of_the_wrong_shape_are_refused() {
    for (parameter, value) in [
        (Parameter::IdCardNo, "990101199001010018"),
        (Parameter::IdCardNo, "MR0001"),
        (Parameter::IdCardNo, "990101901301001"),
        (Parameter::ObservationUid, "1 OR 1=1"),
        (Parameter::Sex, "x"),
        (Parameter::BirthDateStart, "1990-02-30"),
        (Parameter::RegTimeEnd, "yesterday"),
    ] {
        let both = [(parameter, value), (Parameter::CardNo, "C1")];
        assert!(matches!(read(Page::ClinicExamList, &both), Err(CriteriaError::Shape(_))), "{value}");
    }
    assert!(read(Page::ClinicExamView, &[(Parameter::IdCardNo, "990101199001010019")]).is_ok());
}

#[test]
fn d_p20_an_exam_id_is_read_in_every_spelling() {
    let plain = "6ba7b810-9dad-51d1-80b4-00c04fd430c8";
    for text in [plain, "{6BA7B810-9DAD-51D1-80B4-00C04FD430C8}", "6ba7b8109dad51d180b400c04fd430c8"] {
        assert_eq!(observation_uid(text).as_deref(), Some(plain));
    }
}

#[test]
fn d_t11_strict_customers_give_exactly_one_key() {
    let token = TokenOptions { strict_params: true, ..TokenOptions::default() };
    let strict = Customer { token, ..Customer::default() };
    let two = [(Parameter::PatientId, "P1"), (Parameter::AccessionNumber, "A1")];
    assert_eq!(read_for(&strict, Page::ClinicExam, &two), Err(CriteriaError::TooManyKeys));
    assert!(read_for(&strict, Page::ClinicExam, &two[..1]).is_ok());
}

#[test]
fn d_p9_dates_are_read_in_the_usual_forms_and_end_with_the_day() {
    for text in ["2024-01-05", "2024/1/5", "2024.01.05", "20240105"] {
        assert_eq!(range_start(text).as_deref(), Ok("2024-01-05 00:00:00"), "{text}");
        assert_eq!(range_end(text).as_deref(), Ok("2024-01-05 23:59:59"), "{text}");
    }
    assert_eq!(range_end("2024/1/5 8:07:09").as_deref(), Ok("2024-01-05 08:07:09"));
    assert_eq!(range_start("20240105080709").as_deref(), Ok("2024-01-05 08:07:09"));
    assert_eq!((range_start(""), range_end(" ")), (Ok(String::new()), Ok(String::new())));
    for text in ["2024-13-01", "2024-01-01 25:00:00", "24-01-01", "2024"] {
        assert!(range_start(text).is_err() && range_end(text).is_err(), "{text}");
    }
}

#[test]
fn d_p17_masked_values_show_their_ends_only() {
    let values = [(Parameter::IdCardNo, "990101199001010019"), (Parameter::CardNo, "MR1"), (Parameter::Name, "测试甲")];
    let masked = read(Page::ClinicExamView, &values).unwrap().masked();
    let shown: Vec<&str> = masked.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(shown, ["990*************19", "***", "测**"]);
}

#[test]
fn d_p5_the_system_that_gave_a_number_belongs_to_its_own_key() {
    let criteria = read(
        Page::ClinicExam,
        &[
            (Parameter::FillerOrderNo, "F1"),
            (Parameter::FillerAssigningAuthority, "RIS-1"),
            (Parameter::PidAssigningAuthority, "HIS-1"),
        ],
    )
    .unwrap();
    assert_eq!(criteria.authority(Key::FillerOrder), Some("RIS-1"));
    assert_eq!(criteria.authority(Key::PatientId), Some("HIS-1"));
    assert_eq!(criteria.authority(Key::PlacerOrder), None);
}

#[test]
fn d_p10_birth_dates_are_a_closed_range_of_days() {
    let values =
        [(Parameter::CardNo, "C1"), (Parameter::BirthDateStart, "1990/1/1"), (Parameter::BirthDateEnd, "1990-12-31")];
    let birth = read(Page::ClinicExamList, &values).unwrap().birth;
    assert_eq!((birth.from.as_str(), birth.to.as_str()), ("1990-01-01", "1990-12-31"));
}

#[test]
fn d_p18_unknown_show_types_are_the_first() {
    let read = |text: &str| ShowType::parse(text);
    assert_eq!(
        [read("1"), read("2"), read("3"), read("4")],
        [ShowType::Text, ShowType::Data, ShowType::DataOnly, ShowType::Request]
    );
    assert_eq!([read("0"), read(""), read("5"), read("x")], [ShowType::Report; 4]);
}
