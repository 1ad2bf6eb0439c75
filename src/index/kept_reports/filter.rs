//! Which reports are asked for, and the statement that asks.

use super::labs;
use super::query::{Having, ListedBy, ReportQuery, StudyNumber};
use crate::domain::sharing::Sharing;
use crate::index::lab_reports::{NOT_OF_VIPS, vip_patient};
use crate::index::persons::WholePerson;
use crate::index::report_changes::Subject;
use crate::index::{Select, Value};
use crate::params;

const OF_ACCESSION: &str = " AND id IN (SELECT x.exam_report_pk FROM study s JOIN exam_study x ON x.study_pk = s.id \
                            WHERE s.accession_number = ?)";
const OF_STUDY: &str = " AND id IN (SELECT x.exam_report_pk FROM study s JOIN exam_study x ON x.study_pk = s.id \
                        WHERE s.study_instance_uid = ?)";

/// What is asked for, by whom and so that a statement can ask it; empty means any.
#[derive(Debug, Clone)]
pub struct ReportFilter<'q> {
    /// As it is asked.
    pub query: &'q ReportQuery,
    /// Only these organisations; all when `None`.
    pub organizations: Option<Vec<String>>,
    /// At least so widely shared; own reports are asked for with [`Sharing::Nobody`].
    pub at_least: Sharing,
    /// Identity numbers in all their spellings.
    pub id_numbers: Vec<String>,
    /// Values of which the identity number or the card number is one.
    pub identities: Vec<String>,
    /// Persons whose the report is, every one of them.
    pub persons: Vec<WholePerson>,
    /// Codes in upper case, of which the report's, its class's or one of its lines' is one.
    pub codes: Vec<String>,
    /// Goes on after this one: the time by which the list is in order, and its row.
    pub after: Option<(Value, i64)>,
    /// At most so many.
    pub limit: u32,
}

/// The statement; none when there can be no such report.
pub(super) fn select(subject: Subject, filter: &ReportFilter<'_>) -> Option<Select> {
    let query = filter.query;
    if subject == Subject::Lab && (!query.accession_number.is_empty() || query.study.is_some()) {
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
        let column = match query.listed_by() {
            ListedBy::Retrieved => " AND org_code",
            // An index that begins with the organisation leads to all of its reports, of which few have changed; SQLite,
            // which does not count them, would take it.
            ListedBy::Updated => " AND org_code || ''",
        };
        select.push_in(column, list(organizations));
    }
    if !filter.id_numbers.is_empty() {
        select.push_in(" AND id_no", list(&filter.id_numbers));
    }
    if !filter.identities.is_empty() {
        select.push_in(" AND (id_no", list(&filter.identities)).push_in(" OR card_no", list(&filter.identities));
        select.push(")", Vec::new());
    }
    for person in &filter.persons {
        person.narrow(&mut select);
    }
    if !query.observation_uids.is_empty() {
        select.push_in(" AND observation_uid", list(&query.observation_uids));
    }
    for (at, (org_code, patient_id)) in query.patients.iter().enumerate() {
        select.push(if at == 0 { " AND ((" } else { ") OR (" }, Vec::new());
        select.push("org_code = ? AND patient_id = ?", params![org_code, patient_id]);
    }
    if !query.patients.is_empty() {
        select.push("))", Vec::new());
    }
    match query.having {
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
        (query.card_no.trim(), " AND card_no = ?"),
        (query.patient_id.as_str(), " AND patient_id = ?"),
        (query.report_form_no.as_str(), " AND report_form_no = ?"),
        (query.event_no.as_str(), " AND event_no = ?"),
        (query.from.as_str(), " AND retrieve_at >= ?"),
        (query.to.as_str(), " AND retrieve_at <= ?"),
        (query.observed_from.as_str(), " AND observed_at >= ?"),
        (query.observed_to.as_str(), " AND observed_at <= ?"),
    ] {
        if !text.is_empty() {
            select.push(piece, params![text]);
        }
    }
    if exam && !query.accession_number.is_empty() {
        select.push(" AND pacs_id = ?", params![&query.accession_number]);
    }
    match &query.study {
        None => {}
        Some(StudyNumber::Accession(number)) => {
            select.push(OF_ACCESSION, params![number]);
        }
        Some(StudyNumber::Uid(uid)) => {
            select.push(OF_STUDY, params![uid]);
        }
    }
    if let (true, Some(modalities)) = (exam, &query.modalities) {
        select.push_in(" AND (modality", list(&modalities.named));
        if !modalities.others_than.is_empty() {
            select.push_in(" OR modality NOT", list(&modalities.others_than));
        }
        select.push(")", Vec::new());
    }
    if !filter.codes.is_empty() {
        push_codes(&mut select, subject, list(&filter.codes));
    }
    if let Some(from) = query.updated_from {
        select.push(" AND updated_at >= ?", params![from]);
    }
    if let Some(before) = query.updated_before {
        select.push(" AND updated_at < ?", params![before]);
    }
    let (behind, order) = match (query.listed_by(), query.oldest_first) {
        (ListedBy::Retrieved, false) => {
            (" AND retrieve_at <= ? AND (retrieve_at < ? OR id < ?)", " ORDER BY retrieve_at DESC, id DESC LIMIT ?")
        }
        (ListedBy::Retrieved, true) => {
            (" AND retrieve_at >= ? AND (retrieve_at > ? OR id > ?)", " ORDER BY retrieve_at, id LIMIT ?")
        }
        (ListedBy::Updated, false) => {
            (" AND updated_at <= ? AND (updated_at < ? OR id < ?)", " ORDER BY updated_at DESC, id DESC LIMIT ?")
        }
        (ListedBy::Updated, true) => {
            (" AND updated_at >= ? AND (updated_at > ? OR id > ?)", " ORDER BY updated_at, id LIMIT ?")
        }
    };
    if let Some((at, pk)) = &filter.after {
        select.push(behind, vec![at.clone(), at.clone(), Value::from(*pk)]);
    }
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
