//! Which reports are asked for, and the statement that asks.

use super::labs;
use crate::domain::sharing::Sharing;
use crate::index::lab_reports::{NOT_OF_VIPS, vip_patient};
use crate::index::report_changes::Subject;
use crate::index::{Select, Value};
use crate::params;

const OF_ACCESSION: &str = " AND id IN (SELECT x.exam_report_pk FROM study s JOIN exam_study x ON x.study_pk = s.id \
                            WHERE s.accession_number = ?)";
const OF_STUDY: &str = " AND id IN (SELECT x.exam_report_pk FROM study s JOIN exam_study x ON x.study_pk = s.id \
                        WHERE s.study_instance_uid = ?)";

/// Which way a list goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The newest first.
    Newest,
    /// The oldest first.
    Oldest,
}

/// What a report must have to be in a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Having {
    /// Nothing in particular.
    #[default]
    Anything,
    /// Images that are linked to it.
    Images,
    /// A file that is here: the report's, or an attachment.
    File,
}

/// By what a study is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StudyNumber {
    /// (0008,0050), and the report's own when it has the same.
    Accession(String),
    /// (0020,000D).
    Uid(String),
}

/// Modalities of exams, any of which is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Modalities {
    /// These.
    pub named: Vec<String>,
    /// When there are any: all others than these, and exams of which none is known.
    pub others_than: Vec<String>,
}

/// Which reports are asked for; empty means any.
#[derive(Debug, Clone)]
pub struct ReportFilter {
    /// Only these organisations; all when `None`.
    pub organizations: Option<Vec<String>>,
    /// At least so widely shared; own reports are asked for with [`Sharing::Nobody`].
    pub at_least: Sharing,
    /// Identity numbers in all their spellings.
    pub id_numbers: Vec<String>,
    /// Values of which the identity number or the card number is one.
    pub identities: Vec<String>,
    /// Card number.
    pub card_no: String,
    /// The institution's patient number.
    pub patient_id: String,
    /// Patients of institutions, of whom it is one: organisation and number; any when empty.
    pub patients: Vec<(String, String)>,
    /// The report's number.
    pub report_form_no: String,
    /// AccessionNumber; no lab report has one.
    pub accession_number: String,
    /// A number of a study that is linked to the report.
    pub study: Option<StudyNumber>,
    /// Modalities of exams; any when `None`.
    pub modalities: Option<Modalities>,
    /// Codes in upper case, of which the report's, its class's or one of its lines' is one; any when empty.
    pub codes: Vec<String>,
    /// Changed at this moment or later, milliseconds since 1970 UTC.
    pub updated_from: Option<i64>,
    /// Changed before this moment.
    pub updated_before: Option<i64>,
    /// Number of the visit.
    pub event_no: String,
    /// Exact ids.
    pub observation_uids: Vec<String>,
    /// First moment of [`retrieve_at`](super::KeptReport::retrieve_at), kept form.
    pub from: String,
    /// Last moment, kept form.
    pub to: String,
    /// First moment of [`observed_at`](super::KeptReport::observed_at), kept form.
    pub observed_from: String,
    /// Last moment, kept form.
    pub observed_to: String,
    /// What they must have.
    pub having: Having,
    /// Goes on after this one: its `retrieve_at` and its row.
    pub after: Option<(String, i64)>,
    /// Which way.
    pub direction: Direction,
    /// At most so many.
    pub limit: u32,
}

/// The statement; none when there can be no such report.
pub(super) fn select(subject: Subject, filter: &ReportFilter) -> Option<Select> {
    if subject == Subject::Lab && (!filter.accession_number.is_empty() || filter.study.is_some()) {
        return None;
    }
    let exam = subject == Subject::Exam;
    let mut select =
        Select::new(if exam { "SELECT * FROM exam_report WHERE withdrawn = 0" } else { labs!("withdrawn = 0") });
    if exam && filter.at_least >= Sharing::Privileged {
        let shared =
            " AND (reviewed = 1 OR (state IS NULL AND checked_status IS NULL AND authenticator_dtime IS NULL))";
        select.push(shared, Vec::new());
    }
    if exam && filter.at_least >= Sharing::Everyone {
        select.push(" AND vip = 0 AND restricted = 0", Vec::new());
    }
    if !exam && filter.at_least >= Sharing::Everyone {
        select.push(NOT_OF_VIPS, Vec::new());
    }
    let list = |texts: &[String]| texts.iter().map(Value::from).collect::<Vec<_>>();
    if let Some(organizations) = &filter.organizations {
        select.push_in(" AND org_code", list(organizations));
    }
    if !filter.id_numbers.is_empty() {
        select.push_in(" AND id_no", list(&filter.id_numbers));
    }
    if !filter.identities.is_empty() {
        select.push_in(" AND (id_no", list(&filter.identities)).push_in(" OR card_no", list(&filter.identities));
        select.push(")", Vec::new());
    }
    if !filter.observation_uids.is_empty() {
        select.push_in(" AND observation_uid", list(&filter.observation_uids));
    }
    for (at, (org_code, patient_id)) in filter.patients.iter().enumerate() {
        select.push(if at == 0 { " AND ((" } else { ") OR (" }, Vec::new());
        select.push("org_code = ? AND patient_id = ?", params![org_code, patient_id]);
    }
    if !filter.patients.is_empty() {
        select.push("))", Vec::new());
    }
    match filter.having {
        Having::Anything => {}
        Having::Images => {
            let linked = " AND EXISTS (SELECT 1 FROM exam_study x WHERE x.exam_report_pk = exam_report.id)";
            select.push(if exam { linked } else { " AND 1 = 0" }, Vec::new());
        }
        Having::File => {
            let file = " AND (EXISTS (SELECT 1 FROM report_file f WHERE f.exam_report_pk = exam_report.id) \
                        OR EXISTS (SELECT 1 FROM exam_attachment a WHERE a.exam_report_pk = exam_report.id))";
            // A lab report is composed when it is asked for.
            if exam {
                select.push(file, Vec::new());
            }
        }
    }
    for (text, piece) in [
        (&filter.card_no, " AND card_no = ?"),
        (&filter.patient_id, " AND patient_id = ?"),
        (&filter.report_form_no, " AND report_form_no = ?"),
        (&filter.event_no, " AND event_no = ?"),
        (&filter.from, " AND retrieve_at >= ?"),
        (&filter.to, " AND retrieve_at <= ?"),
        (&filter.observed_from, " AND observed_at >= ?"),
        (&filter.observed_to, " AND observed_at <= ?"),
    ] {
        if !text.is_empty() {
            select.push(piece, params![text]);
        }
    }
    if exam && !filter.accession_number.is_empty() {
        select.push(" AND pacs_id = ?", params![&filter.accession_number]);
    }
    match &filter.study {
        None => {}
        Some(StudyNumber::Accession(number)) => {
            select.push(OF_ACCESSION, params![number]);
        }
        Some(StudyNumber::Uid(uid)) => {
            select.push(OF_STUDY, params![uid]);
        }
    }
    if let (true, Some(modalities)) = (exam, &filter.modalities) {
        select.push_in(" AND (modality", list(&modalities.named));
        if !modalities.others_than.is_empty() {
            select.push_in(" OR modality NOT", list(&modalities.others_than));
        }
        select.push(")", Vec::new());
    }
    if !filter.codes.is_empty() {
        push_codes(&mut select, subject, list(&filter.codes));
    }
    if let Some(from) = filter.updated_from {
        select.push(" AND updated_at >= ?", params![from]);
    }
    if let Some(before) = filter.updated_before {
        select.push(" AND updated_at < ?", params![before]);
    }
    if let Some((at, pk)) = &filter.after {
        let piece = match filter.direction {
            Direction::Newest => " AND retrieve_at <= ? AND (retrieve_at < ? OR id < ?)",
            Direction::Oldest => " AND retrieve_at >= ? AND (retrieve_at > ? OR id > ?)",
        };
        select.push(piece, params![at, at, *pk]);
    }
    let order = match filter.direction {
        Direction::Newest => " ORDER BY retrieve_at DESC, id DESC LIMIT ?",
        Direction::Oldest => " ORDER BY retrieve_at, id LIMIT ?",
    };
    select.push(order, params![filter.limit]);
    Some(select)
}

/// What a report's code may stand in; callers hold it against the one code that counts.
fn push_codes(select: &mut Select, subject: Subject, codes: Vec<Value>) {
    match subject {
        Subject::Exam => {
            select.push_in(" AND (UPPER(COALESCE(class_code, ''))", codes.clone());
            select.push_in(" OR UPPER(COALESCE(exam_item_code, ''))", codes).push(")", Vec::new());
        }
        Subject::Lab => {
            let starts = [
                " AND (UPPER(COALESCE(class_code, ''))",
                " OR UPPER(COALESCE(class_name, ''))",
                " OR UPPER(COALESCE(class_local_name, ''))",
            ];
            for start in starts {
                select.push_in(start, codes.clone());
            }
            let line =
                " OR EXISTS (SELECT 1 FROM lab_item i WHERE i.lab_report_pk = lab_report.id AND i.withdrawn = 0 AND (";
            select.push(line, Vec::new());
            select.push_in("UPPER(COALESCE(i.class_code, ''))", codes.clone());
            select.push_in(" OR UPPER(COALESCE(i.class_name, ''))", codes.clone());
            select.push_in(" OR UPPER(COALESCE(i.class_local_name, ''))", codes).push(")))", Vec::new());
        }
    }
}
