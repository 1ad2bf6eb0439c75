//! What is asked before a report is registered, in one question: each takes a round trip to the engine.

use super::exam_reports::KnownReport;
use super::lab_reports::vip_patient;
use super::patients::KnownPatient;
use super::{Error, Index, Row, Select, Tx, Value};
use crate::params;

/// The keys of a report that is about to be registered.
#[derive(Debug, Clone, Copy)]
pub struct ReportKeys<'k> {
    /// The organisation.
    pub org_code: &'k str,
    /// Its number of the report.
    pub report_form_no: &'k str,
    /// Its number of the patient.
    pub patient_id: &'k str,
}

/// By what images and attachments may already wait for an exam report.
#[derive(Debug, Clone, Copy)]
pub struct ImageKeys<'k> {
    /// The accession number in each spelling that counts as the same.
    pub accessions: &'k [String],
    /// The studies that the report names.
    pub study_instance_uids: &'k [String],
}

/// What is known before an exam report is registered.
#[derive(Debug)]
pub struct BeforeExam {
    /// All reports of the organisation with that number, whoever the patient is.
    pub reports: Vec<KnownReport>,
    /// The patient's row.
    pub patient: Option<KnownPatient>,
    /// Whether images or attachments wait for a report with these keys.
    pub is_awaited: bool,
    /// Whether the patient is a VIP by a report that is withdrawn (D-R22).
    pub is_withdrawn_vip: bool,
}

/// What is known before a lab report is registered.
#[derive(Debug)]
pub struct BeforeLab {
    /// All reports of the organisation with that number, whoever the patient is.
    pub reports: Vec<KnownReport>,
    /// The patient's row.
    pub patient: Option<KnownPatient>,
    /// Whether exam reports make the patient a VIP (D-R22).
    pub is_vip: bool,
}

const WHAT: &str = "SELECT k.id, k.content_hash, k.last_update_dtime, k.patient_id, k.event_type, k.event_no, \
                    k.identity_conflict, k.message_pk, p.id AS patient, p.name, p.sex_code, p.birth_date, p.id_no, \
                    p.card_no, p.contradictions, p.stamp, CAST(CASE WHEN 1 = 0";
const WITHDRAWN_VIP: &str = " THEN 1 ELSE 0 END AS BIGINT) AS holds, CAST(CASE WHEN EXISTS (SELECT 1 FROM exam_report v \
                             WHERE v.org_code = ? AND v.patient_id = ? AND v.vip = 1 AND v.withdrawn = 1)";
const PATIENT: &str = " LEFT JOIN patient_record p ON p.org_code = ? AND p.patient_id = ? AND p.origin = 'report' \
                       AND p.issuer = '' ORDER BY k.id";

/// Asks for what decides about an exam report.
pub async fn before_exam(tx: &mut Tx, keys: ReportKeys<'_>, images: ImageKeys<'_>) -> Result<BeforeExam, Error> {
    let Known { reports, patient, holds: is_awaited, is_withdrawn_vip } = ask(tx, &about_exam(keys, images)).await?;
    Ok(BeforeExam { reports, patient, is_awaited, is_withdrawn_vip })
}

/// Asks for what decides about a lab report.
pub async fn before_lab(tx: &mut Tx, keys: ReportKeys<'_>) -> Result<BeforeLab, Error> {
    let Known { reports, patient, holds: is_vip, .. } = ask(tx, &about_lab(keys)).await?;
    Ok(BeforeLab { reports, patient, is_vip })
}

/// How the database would answer both questions.
pub async fn explain(index: &Index, keys: ReportKeys<'_>, images: ImageKeys<'_>) -> Result<Vec<String>, Error> {
    let mut lines = index.explain(&about_exam(keys, images)).await?;
    lines.extend(index.explain(&about_lab(keys)).await?);
    Ok(lines)
}

fn about_exam(keys: ReportKeys<'_>, images: ImageKeys<'_>) -> Select {
    let ReportKeys { org_code, report_form_no, patient_id } = keys;
    let ImageKeys { accessions, study_instance_uids } = images;
    let mut select = Select::new(WHAT);
    for (values, piece, column) in [
        (accessions, " OR EXISTS (SELECT 1 FROM study WHERE org_code = ?", " AND accession_number"),
        (study_instance_uids, " OR EXISTS (SELECT 1 FROM study WHERE org_code = ?", " AND study_instance_uid"),
        (accessions, " OR EXISTS (SELECT 1 FROM attachment WHERE org_code = ?", " AND accession_number"),
        (study_instance_uids, " OR EXISTS (SELECT 1 FROM attachment WHERE org_code = ?", " AND study_instance_uid"),
    ] {
        if !values.is_empty() {
            select.push(piece, params![org_code]).push_in(column, values.iter().map(Value::from).collect());
            select.push(")", Vec::new());
        }
    }
    select.push(WITHDRAWN_VIP, params![org_code, patient_id]);
    let from = " THEN 1 ELSE 0 END AS BIGINT) AS withdrawn_vip FROM (SELECT 1 AS one) AS asked \
                LEFT JOIN exam_report k ON k.org_code = ? AND k.report_form_no = ?";
    select.push(from, params![org_code, report_form_no]).push(PATIENT, params![org_code, patient_id]);
    select
}

fn about_lab(keys: ReportKeys<'_>) -> Select {
    let ReportKeys { org_code, report_form_no, patient_id } = keys;
    let mut select = Select::new(WHAT);
    let from = concat!(
        " OR ",
        vip_patient!("asked"),
        " THEN 1 ELSE 0 END AS BIGINT) AS holds, CAST(0 AS BIGINT) AS withdrawn_vip \
         FROM (SELECT CAST(? AS TEXT) AS org_code, CAST(? AS TEXT) AS patient_id) AS asked \
         LEFT JOIN lab_report k ON k.org_code = ? AND k.report_form_no = ?"
    );
    select.push(from, params![org_code, patient_id, org_code, report_form_no]);
    select.push(PATIENT, params![org_code, patient_id]);
    select
}

/// The answer.
struct Known {
    reports: Vec<KnownReport>,
    patient: Option<KnownPatient>,
    holds: bool,
    is_withdrawn_vip: bool,
}

async fn ask(tx: &mut Tx, select: &Select) -> Result<Known, Error> {
    let rows = tx.query(select.sql(), select.values()).await?;
    // There is a row also when nothing is known.
    let first = rows.first().ok_or(Error::Damaged("asked"))?;
    let patient = match first.get::<Option<i64>>("patient")? {
        Some(id) => Some(KnownPatient::of(id, first)?),
        None => None,
    };
    let is_report = |row: &&Row| row.get::<Option<i64>>("id").map_or(true, |id| id.is_some());
    let reports = rows.iter().filter(is_report).map(KnownReport::of).collect::<Result<_, _>>()?;
    Ok(Known { reports, patient, holds: first.flag("holds")?, is_withdrawn_vip: first.flag("withdrawn_vip")? })
}
