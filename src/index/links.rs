//! Which exam report belongs to which study (D-I2, D-I3): the questions and the rows.

use super::{Error, Row, Tx};
use crate::params;

/// What linking needs to know of an exam report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExamKeys {
    /// Its row.
    pub exam_report_pk: i64,
    /// Its organisation.
    pub org_code: String,
    /// AccessionNumber.
    pub pacs_id: String,
    /// Patient number inside the imaging system.
    pub patient_local_id: String,
    /// Patient number inside the institution.
    pub patient_id: String,
    /// yyyy-MM-dd HH:mm:ss or empty.
    pub birth_date: String,
    /// GB/T 2261.1 or empty.
    pub sex_code: String,
}

/// What linking needs to know of a study.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StudyKeys {
    /// Its row.
    pub study_pk: i64,
    /// Its organisation.
    pub org_code: String,
    /// (0020,000D).
    pub study_instance_uid: String,
    /// (0008,0050).
    pub accession_number: String,
    /// (0010,0020).
    pub patient_id: String,
    /// (0010,0030), yyyyMMdd.
    pub birth_date: String,
    /// (0010,0040).
    pub sex: String,
}

const EXAM: &str = "SELECT e.id, e.org_code, COALESCE(e.pacs_id, '') AS pacs_id, COALESCE(e.patient_local_id, '') AS \
                    patient_local_id, e.patient_id, COALESCE(e.birth_date, '') AS birth_date, \
                    COALESCE(e.sex_code, '') AS sex_code FROM exam_report e ";
const STUDY: &str = "SELECT s.id, s.org_code, s.study_instance_uid, s.accession_number, s.patient_id, \
                     s.patient_birth_date, s.patient_sex FROM study s ";

macro_rules! select {
    ($start:expr, $rest:literal) => {
        sqlx::AssertSqlSafe(format!("{}{}", $start, $rest))
    };
}

/// One exam report.
pub async fn exam(tx: &mut Tx, exam_report_pk: i64) -> Result<Option<ExamKeys>, Error> {
    let row = tx.query_opt(select!(EXAM, "WHERE e.id = $1"), params![exam_report_pk]).await?;
    row.map(|row| read_exam(&row)).transpose()
}

/// One study.
pub async fn study(tx: &mut Tx, study_pk: i64) -> Result<Option<StudyKeys>, Error> {
    let row = tx.query_opt(select!(STUDY, "WHERE s.id = $1"), params![study_pk]).await?;
    row.map(|row| read_study(&row)).transpose()
}

/// Exam reports of the organisation that name the study's UID.
pub async fn exams_naming(tx: &mut Tx, study: &StudyKeys) -> Result<Vec<ExamKeys>, Error> {
    exams_naming_uid(tx, &study.org_code, &study.study_instance_uid).await
}

/// Exam reports of the organisation that name the UID.
pub async fn exams_naming_uid(tx: &mut Tx, org_code: &str, study_instance_uid: &str) -> Result<Vec<ExamKeys>, Error> {
    let sql = select!(
        EXAM,
        "JOIN exam_study_uid u ON u.exam_report_pk = e.id WHERE u.study_instance_uid = $1 AND e.org_code = $2"
    );
    read_exams(tx.query(sql, params![study_instance_uid, org_code]).await?)
}

/// Exam reports of the organisation with this AccessionNumber.
pub async fn exams_by_accession(tx: &mut Tx, org_code: &str, accession: &str) -> Result<Vec<ExamKeys>, Error> {
    let sql = select!(EXAM, "WHERE e.org_code = $1 AND e.pacs_id = $2");
    read_exams(tx.query(sql, params![org_code, accession]).await?)
}

/// Studies of the organisation that the exam report names by UID.
pub async fn studies_named(tx: &mut Tx, exam: &ExamKeys) -> Result<Vec<StudyKeys>, Error> {
    let sql = select!(
        STUDY,
        "JOIN exam_study_uid u ON u.study_instance_uid = s.study_instance_uid \
         WHERE u.exam_report_pk = $1 AND s.org_code = $2"
    );
    read_studies(tx.query(sql, params![exam.exam_report_pk, &exam.org_code]).await?)
}

/// Studies of the organisation with this AccessionNumber.
pub async fn studies_by_accession(tx: &mut Tx, org_code: &str, accession: &str) -> Result<Vec<StudyKeys>, Error> {
    let sql = select!(STUDY, "WHERE s.org_code = $1 AND s.accession_number = $2");
    read_studies(tx.query(sql, params![org_code, accession]).await?)
}

/// Links the two; linking again changes nothing.
pub async fn link(tx: &mut Tx, exam_report_pk: i64, study_pk: i64, rule: &str, now: i64) -> Result<(), Error> {
    let sql = "INSERT INTO exam_study (exam_report_pk, study_pk, rule, linked_at) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (exam_report_pk, study_pk) DO NOTHING";
    tx.execute(sql, params![exam_report_pk, study_pk, rule, now]).await.map(|_| ())
}

/// Adds a UID that the images brought to the report's set (D-I3).
pub async fn add_uid(tx: &mut Tx, exam_report_pk: i64, study_instance_uid: &str) -> Result<(), Error> {
    let sql = "INSERT INTO exam_study_uid (exam_report_pk, study_instance_uid, origin) VALUES ($1, $2, 'dicom') \
               ON CONFLICT (exam_report_pk, study_instance_uid) DO NOTHING";
    tx.execute(sql, params![exam_report_pk, study_instance_uid]).await.map(|_| ())
}

/// Takes back what rules have linked, so that a corrected report is linked afresh; a person's links stay.
pub async fn unlink_by_rule(tx: &mut Tx, exam_report_pk: i64) -> Result<(), Error> {
    let sql = "DELETE FROM exam_study WHERE exam_report_pk = $1 AND rule <> 'manual'";
    tx.execute(sql, params![exam_report_pk]).await?;
    let sql = "DELETE FROM exam_study_uid WHERE exam_report_pk = $1 AND origin = 'dicom'";
    tx.execute(sql, params![exam_report_pk]).await.map(|_| ())
}

fn read_exams(rows: Vec<Row>) -> Result<Vec<ExamKeys>, Error> {
    rows.iter().map(read_exam).collect()
}

fn read_exam(row: &Row) -> Result<ExamKeys, Error> {
    Ok(ExamKeys {
        exam_report_pk: row.int("id")?,
        org_code: row.text("org_code")?,
        pacs_id: row.text("pacs_id")?,
        patient_local_id: row.text("patient_local_id")?,
        patient_id: row.text("patient_id")?,
        birth_date: row.text("birth_date")?,
        sex_code: row.text("sex_code")?,
    })
}

fn read_studies(rows: Vec<Row>) -> Result<Vec<StudyKeys>, Error> {
    rows.iter().map(read_study).collect()
}

fn read_study(row: &Row) -> Result<StudyKeys, Error> {
    Ok(StudyKeys {
        study_pk: row.int("id")?,
        org_code: row.text("org_code")?,
        study_instance_uid: row.text("study_instance_uid")?,
        accession_number: row.text("accession_number")?,
        patient_id: row.text("patient_id")?,
        birth_date: row.text("patient_birth_date")?,
        sex: row.text("patient_sex")?,
    })
}
