//! D-P5, D-P9 to D-P14 and the shape checks of D-T11.

use std::collections::BTreeMap;

use super::*;
use crate::domain::customer::{Customer, TokenOptions};

fn read(page: Page, values: &[(Parameter, &str)]) -> Result<Criteria, CriteriaError> {
    read_for(&Customer::default(), page, values)
}

fn read_for(customer: &Customer, page: Page, values: &[(Parameter, &str)]) -> Result<Criteria, CriteriaError> {
    let values: BTreeMap<_, _> = values.iter().map(|(p, v)| (*p, (*v).to_owned())).collect();
    Criteria::from_link(page, &Verified { customer, values, token: String::new(), notes: Vec::new() })
}

#[test]
fn identity_keys_are_alternatives_and_the_medical_record_number_narrows() {
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
fn related_keys_are_all_alternatives() {
    let keys = [(Parameter::MedRecNo, "MR0001"), (Parameter::AccessionNumber, "A1")];
    let criteria = read(Page::RelatedExamList, &keys).unwrap();
    assert!(criteria.related && criteria.all_of.is_empty() && criteria.any_of.len() == 2);
}

#[test]
fn a_link_without_any_key_is_refused() {
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
fn values_of_the_wrong_shape_are_refused() {
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
fn an_exam_id_is_read_in_every_spelling() {
    let plain = "6ba7b810-9dad-51d1-80b4-00c04fd430c8";
    for text in [plain, "{6BA7B810-9DAD-51D1-80B4-00C04FD430C8}", "6ba7b8109dad51d180b400c04fd430c8"] {
        assert_eq!(observation_uid(text).as_deref(), Some(plain));
    }
}

#[test]
fn strict_customers_give_exactly_one_key() {
    let token = TokenOptions { strict_params: true, ..TokenOptions::default() };
    let strict = Customer { token, ..Customer::default() };
    let two = [(Parameter::PatientId, "P1"), (Parameter::AccessionNumber, "A1")];
    assert_eq!(read_for(&strict, Page::ClinicExam, &two), Err(CriteriaError::TooManyKeys));
    assert!(read_for(&strict, Page::ClinicExam, &two[..1]).is_ok());
}

#[test]
fn dates_are_read_in_the_usual_forms_and_end_with_the_day() {
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
fn groups_of_exam_types_are_spelt_out() {
    assert_eq!(exam_types("ct， us"), ["CT", "UIS", "US"]);
    assert!(exam_types("RIS").contains(&"MR".to_owned()));
    assert!(exam_types(" ").is_empty());
}

#[test]
fn masked_values_show_their_ends_only() {
    let values = [(Parameter::IdCardNo, "990101199001010019"), (Parameter::CardNo, "MR1"), (Parameter::Name, "测试甲")];
    let masked = read(Page::ClinicExamView, &values).unwrap().masked();
    let shown: Vec<&str> = masked.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(shown, ["990*************19", "***", "测**"]);
}
