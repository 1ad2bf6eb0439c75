//! Whole reports of both kinds for systems that pull them: content, marks, current file and linked studies.
//!
//! Whether a report may be seen is a condition of [`find`] and a question to [`KeptReport::sharing`] elsewhere; the same
//! rules (D-P24, D-R18, D-R22).

mod filter;
mod query;

use std::collections::HashMap;

use super::lab_reports::{by_number, vip_patient};
use super::recognitions;
use super::record_columns::record_of;
use super::report_changes::Subject;
use super::report_studies::{self, KeptStudy};
use super::{Error, Index, Row, Select, Value, attachments};
use crate::domain::dictionary::Entry;
use crate::domain::exam_report::{ExamField, ExamReport};
use crate::domain::lab_report::{LabField, LabItem, LabItemField, LabReport};
use crate::domain::record::Participant;
use crate::domain::sharing::{Sharing, is_final};
use crate::params;

pub use super::attachments::Attachment;
pub use filter::ReportFilter;
pub use query::{Having, ListedBy, Modalities, ReportQuery, StudyNumber};

/// Lab reports, with whether their patient is a VIP, which exam reports of the same patient tell (D-R22).
macro_rules! labs {
    ($condition:literal) => {
        concat!(
            "SELECT lab_report.*, CAST(CASE WHEN ",
            vip_patient!("lab_report"),
            " THEN 1 ELSE 0 END AS BIGINT) AS vip FROM lab_report WHERE ",
            $condition
        )
    };
}
use labs;

/// Values in one `IN`; SQLite allows 32766 in a statement.
const CHUNK: usize = 500;

/// A stored report.
#[derive(Debug, Clone)]
pub struct KeptReport {
    /// Its row.
    pub pk: i64,
    /// By which everybody names it (D-P20).
    pub observation_uid: String,
    /// 1 at first, one more at each replacement.
    pub version: i64,
    /// Whose it is.
    pub org_code: String,
    /// Its number.
    pub report_form_no: String,
    /// The institution's patient number.
    pub patient_id: String,
    /// Whether it counts as final (D-P24).
    pub is_final: bool,
    /// D-R22, `Xman_type`; of a lab report whether an exam report of the patient says so.
    pub vip: bool,
    /// D-R22, `Confidentiality`.
    pub restricted: bool,
    /// D-R18.
    pub withdrawn: bool,
    /// DICOM Modality, empty when unknown and for lab reports.
    pub modality: String,
    /// By which windows of time are asked for (D-Q4).
    pub retrieve_at: String,
    /// When it was observed (D-P8).
    pub observed_at: String,
    /// First seen, milliseconds since 1970 UTC.
    pub received_at: i64,
    /// Last changed, milliseconds since 1970 UTC.
    pub updated_at: i64,
    /// What was registered.
    pub content: Content,
    /// Its current file.
    pub file: Option<KeptFile>,
    /// Studies that are linked to it.
    pub studies: Vec<KeptStudy>,
    /// Attachments that belong to it.
    pub attachments: Vec<Attachment>,
    /// How often its images and data were recognised elsewhere, and were not (D-X10).
    pub recognised: [i64; 2],
    /// Its mark of mutual recognition in words; the archive puts it there, who knows the dictionaries.
    pub mark: String,
    /// What the class of a lab report is by the imported dictionary (D-R16); put there by the archive.
    pub mapped: Option<Entry>,
}

/// What was registered.
#[derive(Debug, Clone)]
pub enum Content {
    /// An exam report.
    Exam(Box<ExamReport>),
    /// A lab report with its lines that are not withdrawn, by number (D-R36).
    Lab(Box<LabReport>, Vec<KeptItem>),
}

impl Content {
    /// Who asked for the examination (D-R26).
    pub fn participant(&self) -> Participant<'_> {
        match self {
            Content::Exam(record) => {
                Participant::of(record.text(ExamField::ParticipantName), record.text(ExamField::ParticipantId))
            }
            Content::Lab(record, _) => {
                Participant::of(record.text(LabField::ParticipantName), record.text(LabField::ParticipantId))
            }
        }
    }
}

/// A line of a lab report.
#[derive(Debug, Clone)]
pub struct KeptItem {
    /// Its row.
    pub pk: i64,
    /// What was registered.
    pub item: LabItem,
    /// Its mark of mutual recognition in words, as of the report.
    pub mark: String,
    /// What the item is by the imported dictionary (D-R16), as of the report.
    pub mapped: Option<Entry>,
}

/// The current file of an exam report, or the composed document of a lab report that still says what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFile {
    /// 1, 2, … one for each different content.
    pub revision: i64,
    /// e.g. `application/pdf`.
    pub media_type: String,
    /// Bytes of the original.
    pub length: i64,
    /// SHA-256 of the original, hex.
    pub sha256: String,
    /// Whether there is a copy with the QR code.
    pub stamped: bool,
    /// Why there is none though there should be one, e.g. `encrypted`; empty otherwise.
    pub stamp_reason: String,
    /// When it was fetched, milliseconds since 1970 UTC.
    pub fetched_at: i64,
}

impl KeptReport {
    /// Which table it is in.
    pub fn subject(&self) -> Subject {
        match self.content {
            Content::Exam(_) => Subject::Exam,
            Content::Lab(..) => Subject::Lab,
        }
    }

    /// With whom it is shared now.
    pub fn sharing(&self) -> Sharing {
        Sharing::of(self.is_final, self.vip || self.restricted, self.withdrawn)
    }
}

/// Reports of one kind, in the filter's order, with everything that belongs to them.
pub async fn find(index: &Index, subject: Subject, filter: &ReportFilter<'_>) -> Result<Vec<KeptReport>, Error> {
    let Some(select) = filter::select(subject, filter) else { return Ok(Vec::new()) };
    let rows = index.query(select.sql(), select.values()).await?;
    whole(index, subject, &rows).await
}

/// How the database would find them: the lines of its explanation, for the test that no large table is read from end to end.
pub async fn explain(index: &Index, subject: Subject, filter: &ReportFilter<'_>) -> Result<Vec<String>, Error> {
    match filter::select(subject, filter) {
        Some(select) => index.explain(&select).await,
        None => Ok(Vec::new()),
    }
}

/// Reports by their rows, in any order, withdrawn ones too.
pub async fn by_pks(index: &Index, subject: Subject, pks: &[i64]) -> Result<Vec<KeptReport>, Error> {
    let mut found = Vec::with_capacity(pks.len());
    for pks in pks.chunks(CHUNK) {
        let mut select = Select::new(match subject {
            Subject::Exam => "SELECT * FROM exam_report WHERE id",
            Subject::Lab => labs!("id"),
        });
        select.push_in("", pks.iter().map(|pk| Value::from(*pk)).collect());
        let rows = index.query(select.sql(), select.values()).await?;
        found.extend(whole(index, subject, &rows).await?);
    }
    Ok(found)
}

/// One report of either kind, a withdrawn one too.
pub async fn by_uid(index: &Index, observation_uid: &str) -> Result<Option<KeptReport>, Error> {
    for subject in Subject::ALL {
        let sql = match subject {
            Subject::Exam => "SELECT * FROM exam_report WHERE observation_uid = $1",
            Subject::Lab => labs!("observation_uid = $1"),
        };
        let rows = index.query(sql, params![observation_uid]).await?;
        if !rows.is_empty() {
            return Ok(whole(index, subject, &rows).await?.pop());
        }
    }
    Ok(None)
}

/// The lab report with which a line is shown.
pub async fn report_of_item(index: &Index, lab_item_pk: i64) -> Result<Option<i64>, Error> {
    let sql = "SELECT lab_report_pk FROM lab_item WHERE id = $1 AND withdrawn = 0 AND lab_report_pk IS NOT NULL";
    let row = index.query_opt(sql, params![lab_item_pk]).await?;
    row.map(|row| row.int("lab_report_pk")).transpose()
}

/// Reads rows of reports and adds lines, files, studies and attachments.
async fn whole(index: &Index, subject: Subject, rows: &[Row]) -> Result<Vec<KeptReport>, Error> {
    let mut reports = Vec::with_capacity(rows.len());
    for row in rows {
        reports.push(report_of(subject, row)?);
    }
    let places: HashMap<i64, usize> = reports.iter().enumerate().map(|(at, report)| (report.pk, at)).collect();
    let pks: Vec<i64> = reports.iter().map(|report| report.pk).collect();
    for pks in pks.chunks(CHUNK) {
        let pks = || pks.iter().map(|pk| Value::from(*pk)).collect::<Vec<_>>();
        match subject {
            Subject::Exam => {
                add_files(index, pks(), &places, &mut reports).await?;
                for (report_pk, study) in report_studies::of_reports(index, pks()).await? {
                    if let Some(report) = places.get(&report_pk).and_then(|at| reports.get_mut(*at)) {
                        report.studies.push(study);
                    }
                }
                for (report_pk, attachment) in attachments::of_reports(index, pks()).await? {
                    if let Some(report) = places.get(&report_pk).and_then(|at| reports.get_mut(*at)) {
                        report.attachments.push(attachment);
                    }
                }
            }
            Subject::Lab => {
                add_items(index, pks(), &places, &mut reports).await?;
                add_documents(index, pks(), &places, &mut reports).await?;
            }
        }
        for (report_pk, recognised, others) in recognitions::tally(index, subject, pks()).await? {
            if let Some(report) = places.get(&report_pk).and_then(|at| reports.get_mut(*at)) {
                report.recognised = [recognised, others];
            }
        }
    }
    Ok(reports)
}

fn report_of(subject: Subject, row: &Row) -> Result<KeptReport, Error> {
    let exam = subject == Subject::Exam;
    let (content, final_) = if exam {
        let report: ExamReport = record_of(row)?;
        let final_ = is_final(row.flag("reviewed")?, &report);
        (Content::Exam(Box::new(report)), final_)
    } else {
        (Content::Lab(Box::new(record_of(row)?), Vec::new()), true)
    };
    Ok(KeptReport {
        pk: row.int("id")?,
        observation_uid: row.text("observation_uid")?,
        version: row.int("version")?,
        org_code: row.text("org_code")?,
        report_form_no: row.text("report_form_no")?,
        patient_id: row.text("patient_id")?,
        is_final: final_,
        vip: row.flag("vip")?,
        restricted: exam && row.flag("restricted")?,
        withdrawn: row.flag("withdrawn")?,
        modality: if exam { row.text("modality")? } else { String::new() },
        retrieve_at: row.text("retrieve_at")?,
        observed_at: row.text("observed_at")?,
        received_at: row.int("received_at")?,
        updated_at: row.int("updated_at")?,
        content,
        file: None,
        studies: Vec::new(),
        attachments: Vec::new(),
        recognised: [0, 0],
        mark: String::new(),
        mapped: None,
    })
}

async fn add_items(
    index: &Index,
    pks: Vec<Value>,
    places: &HashMap<i64, usize>,
    reports: &mut [KeptReport],
) -> Result<(), Error> {
    let mut select = Select::new("SELECT * FROM lab_item WHERE withdrawn = 0");
    select.push_in(" AND lab_report_pk", pks).push(" ORDER BY lab_report_pk, id", Vec::new());
    for row in index.query(select.sql(), select.values()).await? {
        let report = places.get(&row.int("lab_report_pk")?).and_then(|at| reports.get_mut(*at));
        if let Some(Content::Lab(_, items)) = report.map(|report| &mut report.content) {
            let (pk, item) = (row.int("id")?, record_of(&row)?);
            items.push(KeptItem { pk, item, mark: String::new(), mapped: None });
        }
    }
    for report in reports {
        if let Content::Lab(_, items) = &mut report.content {
            items.sort_by_key(|kept| by_number(kept.item.text(LabItemField::SerialNo)));
        }
    }
    Ok(())
}

async fn add_files(
    index: &Index,
    pks: Vec<Value>,
    places: &HashMap<i64, usize>,
    reports: &mut [KeptReport],
) -> Result<(), Error> {
    let mut select = Select::new(
        "SELECT exam_report_pk, revision, media_type, original_length, original_hash, stamped_key, fetched_at, \
         CASE WHEN stamp_state = 'unstampable' THEN stamp_reason ELSE '' END AS stamp_reason \
         FROM report_file WHERE is_current = 1",
    );
    select.push_in(" AND exam_report_pk", pks);
    for row in index.query(select.sql(), select.values()).await? {
        let Some(report) = places.get(&row.int("exam_report_pk")?).and_then(|at| reports.get_mut(*at)) else {
            continue;
        };
        report.file = Some(KeptFile {
            revision: row.int("revision")?,
            media_type: row.text("media_type")?,
            length: row.int("original_length")?,
            sha256: row.text("original_hash")?,
            stamped: row.get::<Option<String>>("stamped_key")?.is_some(),
            stamp_reason: row.text("stamp_reason")?,
            fetched_at: row.int("fetched_at")?,
        });
    }
    Ok(())
}

/// Compositions that are as new as their report and all its lines; others are made anew when somebody asks for them.
async fn add_documents(
    index: &Index,
    pks: Vec<Value>,
    places: &HashMap<i64, usize>,
    reports: &mut [KeptReport],
) -> Result<(), Error> {
    let mut select = Select::new(
        "SELECT d.lab_report_pk, d.revision, d.object_length, d.object_hash, d.stamped, d.composed_at \
         FROM lab_document d JOIN lab_report l ON l.id = d.lab_report_pk WHERE d.composed_at >= l.updated_at \
         AND NOT EXISTS (SELECT 1 FROM lab_item i WHERE i.lab_report_pk = l.id AND i.updated_at > d.composed_at)",
    );
    select.push_in(" AND d.lab_report_pk", pks);
    for row in index.query(select.sql(), select.values()).await? {
        let Some(report) = places.get(&row.int("lab_report_pk")?).and_then(|at| reports.get_mut(*at)) else {
            continue;
        };
        report.file = Some(KeptFile {
            revision: row.int("revision")?,
            media_type: "application/pdf".to_owned(),
            length: row.int("object_length")?,
            sha256: row.text("object_hash")?,
            stamped: row.flag("stamped")?,
            stamp_reason: String::new(),
            fetched_at: row.int("composed_at")?,
        });
    }
    Ok(())
}
