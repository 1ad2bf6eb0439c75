//! What a person needs to see of the rows that a conflict is about: both sides, and what is near them.

use super::{Error, Index, Row};
use crate::params;

/// A row that conflicts and links name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// An exam report.
    Exam(i64),
    /// A lab report.
    Lab(i64),
    /// A study.
    Study(i64),
    /// An instance.
    Instance(i64),
    /// A patient as one organisation knows it.
    Patient(i64),
    /// A person.
    Person(i64),
}

impl Subject {
    /// Reads `exam:17`, `lab:17`, `study:17`, `instance:17`, `patient:17` or `person:17`.
    pub fn parse(word: &str) -> Option<Self> {
        let (kind, id) = word.split_once(':')?;
        let id = id.parse().ok()?;
        match kind {
            "exam" => Some(Subject::Exam(id)),
            "lab" => Some(Subject::Lab(id)),
            "study" => Some(Subject::Study(id)),
            "instance" => Some(Subject::Instance(id)),
            "patient" => Some(Subject::Patient(id)),
            "person" => Some(Subject::Person(id)),
            _ => None,
        }
    }
}

/// Names and values of a row, in the order in which they are read; patient data among them.
pub type Facts = Vec<(&'static str, String)>;

const EXAM: [&str; 12] = [
    "org_code",
    "report_form_no",
    "patient_id",
    "patient_local_id",
    "event_type",
    "event_no",
    "pacs_id",
    "study_instance_uid",
    "name",
    "sex_code",
    "birth_date",
    "observation_uid",
];
const LAB: [&str; 8] =
    ["org_code", "report_form_no", "patient_id", "event_type", "event_no", "name", "sex_code", "observation_uid"];
const STUDY: [&str; 10] = [
    "org_code",
    "study_instance_uid",
    "accession_number",
    "patient_id",
    "issuer",
    "patient_name",
    "patient_sex",
    "patient_birth_date",
    "study_date",
    "study_description",
];
const INSTANCE: [&str; 6] =
    ["org_code", "sop_instance_uid", "transfer_syntax_uid", "content_hash", "calling_ae_title", "header_state"];
const PATIENT: [&str; 10] = [
    "org_code",
    "origin",
    "patient_id",
    "issuer",
    "name",
    "sex_code",
    "birth_date",
    "id_no",
    "card_no",
    "contradictions",
];
const PERSON: [&str; 1] = ["master_id"];

/// Reads a row; `None` when it is not there.
pub async fn facts(index: &Index, subject: Subject) -> Result<Option<Facts>, Error> {
    let (sql, id, columns) = match subject {
        Subject::Exam(id) => ("SELECT * FROM exam_report WHERE id = $1", id, &EXAM[..]),
        Subject::Lab(id) => ("SELECT * FROM lab_report WHERE id = $1", id, &LAB[..]),
        Subject::Study(id) => ("SELECT * FROM study WHERE id = $1", id, &STUDY[..]),
        Subject::Instance(id) => ("SELECT * FROM instance WHERE id = $1", id, &INSTANCE[..]),
        Subject::Patient(id) => ("SELECT * FROM patient_record WHERE id = $1", id, &PATIENT[..]),
        Subject::Person(id) => ("SELECT * FROM person WHERE id = $1", id, &PERSON[..]),
    };
    let Some(row) = index.query_opt(sql, params![id]).await? else { return Ok(None) };
    let mut facts = Facts::new();
    for column in columns {
        facts.push((column, row.get::<Option<String>>(column)?.unwrap_or_default()));
    }
    let (near, name, word) = match subject {
        Subject::Exam(_) => (LINKS_OF_EXAM, "linked to", "study"),
        Subject::Study(_) => (LINKS_OF_STUDY, "linked to", "exam"),
        Subject::Instance(_) => (VERSIONS, "other content", "content"),
        Subject::Patient(_) => (PERSON_OF_PATIENT, "is", "person"),
        Subject::Person(_) => (PATIENTS_OF_PERSON, "has", "patient"),
        Subject::Lab(_) => return Ok(Some(facts)),
    };
    push_rows(&mut facts, name, word, &index.query(near, params![id]).await?)?;
    if let Subject::Study(_) = subject {
        push_rows(&mut facts, "may belong to", "exam", &index.query(CANDIDATES, params![id]).await?)?;
    }
    Ok(Some(facts))
}

const LINKS_OF_EXAM: &str =
    "SELECT study_pk AS id, rule AS remark FROM exam_study WHERE exam_report_pk = $1 ORDER BY 1 LIMIT 20";
const LINKS_OF_STUDY: &str =
    "SELECT exam_report_pk AS id, rule AS remark FROM exam_study WHERE study_pk = $1 ORDER BY 1 LIMIT 20";
const PERSON_OF_PATIENT: &str = "SELECT person.id, master_id AS remark FROM patient_record \
     JOIN person ON person.id = patient_record.person_pk WHERE patient_record.id = $1";
const PATIENTS_OF_PERSON: &str =
    "SELECT id, org_code AS remark FROM patient_record WHERE person_pk = $1 ORDER BY 1 LIMIT 20";
const VERSIONS: &str =
    "SELECT id, content_hash AS remark FROM instance_version WHERE instance_pk = $1 ORDER BY 1 LIMIT 20";
/// Reports of the same organisation with the accession number or the patient's number.
const CANDIDATES: &str = "SELECT e.id, e.report_form_no AS remark FROM study s JOIN exam_report e \
     ON e.org_code = s.org_code AND ((s.accession_number <> '' AND e.pacs_id = s.accession_number) \
     OR (s.patient_id <> '' AND (e.patient_local_id = s.patient_id OR e.patient_id = s.patient_id))) \
     WHERE s.id = $1 AND NOT EXISTS (SELECT 1 FROM exam_study x WHERE x.exam_report_pk = e.id AND x.study_pk = s.id) \
     ORDER BY 1 LIMIT 20";

fn push_rows(facts: &mut Facts, name: &'static str, word: &str, rows: &[Row]) -> Result<(), Error> {
    for row in rows {
        facts.push((name, format!("{word}:{} ({})", row.int("id")?, row.text("remark")?)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_a_kind_and_a_number() {
        assert_eq!(Subject::parse("exam:17"), Some(Subject::Exam(17)));
        assert_eq!(Subject::parse("study:42"), Some(Subject::Study(42)));
        for wrong in ["exam", "17", "exam:x", "row:1", ""] {
            assert_eq!(Subject::parse(wrong), None, "{wrong}");
        }
    }
}
