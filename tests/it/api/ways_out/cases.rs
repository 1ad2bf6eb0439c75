//! The reports of which every way out is asked: one for each rule, with a lab report and images beside it.

use crate::api::containers::{exam, lab, line};

/// What there is: a report that everybody sees, one of a VIP, a restricted one, one that was withdrawn, an unreviewed one.
/// Each is of a patient of its own in ORG-T01; numbers of exam reports are `EX…`, of lab reports `LB…`, of patients `P…`.
pub const CASES: [&str; 5] = ["OPEN", "VIP", "SECRET", "GONE", "DRAFT"];
/// Those of which there is a lab report too. It says neither how confidential it is nor whether it was reviewed.
pub const WITH_LAB: [&str; 3] = ["OPEN", "VIP", "GONE"];
/// What all five patients have, so that one question asks for all of them.
pub const ID_NO: &str = "990101199001010019";

/// What one report is called outside.
#[derive(Debug, Default)]
pub struct Report {
    pub case: &'static str,
    /// Id of the exam report.
    pub exam: String,
    /// Id of the lab report; none for some.
    pub lab: Option<String>,
    /// Id of its attachment.
    pub attachment: String,
    /// Study Instance UID.
    pub study: String,
    /// Id of the ImagingStudy.
    pub imaging: String,
    /// Id of the Observation.
    pub observation: Option<String>,
}

/// The cases of which a text holds the number with this beginning.
pub fn numbers(text: &str, prefix: &str) -> Vec<&'static str> {
    CASES.into_iter().filter(|case| text.contains(&format!("{prefix}{case}"))).collect()
}

/// The cases of whose lab report a text holds the result.
pub fn results(text: &str) -> Vec<&'static str> {
    CASES.into_iter().filter(|case| text.contains(&result_of(case))).collect()
}

fn place(case: &str) -> usize {
    CASES.iter().position(|known| *known == case).unwrap()
}

fn result_of(case: &str) -> String {
    format!("47.1130{}", place(case) + 1)
}

pub fn study_of(case: &str) -> String {
    format!("2.25.5001{}", place(case) + 1)
}

/// One version of an exam report, and of the lab report beside it.
pub fn containers(case: &str, version: u32, file: &str) -> Vec<String> {
    let [number, lab_number, patient, event] = ["EX", "LB", "P", "E"].map(|prefix| format!("{prefix}{case}"));
    let [card, local, stamp] = [format!("C{case}"), format!("L{case}"), format!("2024/3/23 {version}:00:00")];
    let (study, conclusion, result) = (study_of(case), format!("第{version}版{number}"), result_of(case));
    let status = if case == "GONE" && version == 2 { "0" } else { "1" };
    let own = match case {
        "VIP" => ("xman_type", "1"),
        "SECRET" => ("confidentiality", "保密"),
        "DRAFT" => ("state", "2"),
        _ => ("state", "3"),
    };
    let event = ("event_no", event.as_str());
    let stamped = [("last_update_dtime", stamp.as_str()), ("data_status", status)];
    let whose = [("patient_id", patient.as_str()), ("card_no", card.as_str()), event];
    let mut all = vec![exam(
        &[
            &stamped[..],
            &whose,
            &[
                own,
                ("report_form_no", number.as_str()),
                ("pacs_id", number.as_str()),
                ("patient_local_id", local.as_str()),
                ("study_instance_uid", study.as_str()),
                ("conclusion", conclusion.as_str()),
                ("reportfilepath", file),
            ],
        ]
        .concat(),
    )];
    if WITH_LAB.contains(&case) {
        let number = ("report_form_no", lab_number.as_str());
        all.push(lab(&[&stamped[..], &whose, &[number]].concat()));
        all.push(line("1", &[&stamped[..], &[event, number, ("result_value", result.as_str())]].concat()));
    }
    all
}
