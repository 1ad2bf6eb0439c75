//! Which exam report belongs to which study (D-I2, D-I3): the questions and the rows.

use super::{Error, Index, Row, Tx, persons};
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

/// Exam reports that a study is linked to.
pub async fn exams_linked(tx: &mut Tx, study_pk: i64) -> Result<Vec<ExamKeys>, Error> {
    let sql = select!(EXAM, "JOIN exam_study x ON x.exam_report_pk = e.id WHERE x.study_pk = $1 ORDER BY e.id");
    read_exams(tx.query(sql, params![study_pk]).await?)
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

/// UIDs of the studies that an exam report names.
pub async fn uids_named(tx: &mut Tx, exam_report_pk: i64) -> Result<Vec<String>, Error> {
    let sql = "SELECT study_instance_uid FROM exam_study_uid WHERE exam_report_pk = $1";
    tx.query(sql, params![exam_report_pk]).await?.iter().map(|row| row.text("study_instance_uid")).collect()
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
    if tx.execute(sql, params![exam_report_pk, study_pk, rule, now]).await? == 1 {
        persons::unsettle_image(tx, study_pk).await?;
    }
    Ok(())
}

/// Where the hospital does not say when an exam was done, its images do (D-P8).
pub async fn observe_by_images(tx: &mut Tx, exam_report_pk: i64) -> Result<(), Error> {
    let sql = "UPDATE exam_report SET observed_at = (SELECT MIN(SUBSTR(s.study_date, 1, 4) || '-' || \
               SUBSTR(s.study_date, 5, 2) || '-' || SUBSTR(s.study_date, 7, 2) || CASE WHEN LENGTH(s.study_time) >= 6 \
               THEN ' ' || SUBSTR(s.study_time, 1, 2) || ':' || SUBSTR(s.study_time, 3, 2) || ':' || \
               SUBSTR(s.study_time, 5, 2) ELSE ' 00:00:00' END) FROM exam_study x JOIN study s ON s.id = x.study_pk \
               WHERE x.exam_report_pk = exam_report.id AND LENGTH(s.study_date) = 8) \
               WHERE id = $1 AND COALESCE(performer_dtime, '') = '' AND EXISTS (SELECT 1 FROM exam_study x \
               JOIN study s ON s.id = x.study_pk WHERE x.exam_report_pk = $1 AND LENGTH(s.study_date) = 8)";
    tx.execute(sql, params![exam_report_pk]).await.map(|_| ())
}

/// Links the two because a person says so; no rule takes it back.
pub async fn link_by_hand(tx: &mut Tx, exam_report_pk: i64, study_pk: i64, now: i64) -> Result<(), Error> {
    let sql = "DELETE FROM exam_study_apart WHERE exam_report_pk = $1 AND study_pk = $2";
    tx.execute(sql, params![exam_report_pk, study_pk]).await?;
    let sql = "INSERT INTO exam_study (exam_report_pk, study_pk, rule, linked_at) VALUES ($1, $2, 'manual', $3) \
               ON CONFLICT (exam_report_pk, study_pk) DO UPDATE SET rule = excluded.rule, linked_at = excluded.linked_at";
    tx.execute(sql, params![exam_report_pk, study_pk, now]).await?;
    persons::unsettle_image(tx, study_pk).await
}

/// Takes the two apart because a person says so; no rule links them again. False when they were not linked.
pub async fn take_apart(tx: &mut Tx, exam_report_pk: i64, study_pk: i64, now: i64) -> Result<bool, Error> {
    let sql = "DELETE FROM exam_study WHERE exam_report_pk = $1 AND study_pk = $2";
    if tx.execute(sql, params![exam_report_pk, study_pk]).await? == 0 {
        return Ok(false);
    }
    let sql = "DELETE FROM exam_study_uid WHERE exam_report_pk = $1 AND origin <> 'registered' \
               AND study_instance_uid = (SELECT study_instance_uid FROM study WHERE id = $2)";
    tx.execute(sql, params![exam_report_pk, study_pk]).await?;
    let sql = "INSERT INTO exam_study_apart (exam_report_pk, study_pk, parted_at) VALUES ($1, $2, $3) \
               ON CONFLICT (exam_report_pk, study_pk) DO NOTHING";
    tx.execute(sql, params![exam_report_pk, study_pk, now]).await?;
    Ok(true)
}

/// Takes a study that is deleted from all exam reports; those that were registered with its UID go on naming it.
pub async fn forget_study(tx: &mut Tx, study_pk: i64) -> Result<(), Error> {
    for sql in [
        "DELETE FROM exam_study_uid WHERE origin <> 'registered' AND study_instance_uid = \
         (SELECT study_instance_uid FROM study WHERE id = $1) AND exam_report_pk IN \
         (SELECT e.id FROM exam_report e JOIN study s ON s.org_code = e.org_code WHERE s.id = $1)",
        "DELETE FROM exam_study WHERE study_pk = $1",
        "DELETE FROM exam_study_apart WHERE study_pk = $1",
    ] {
        tx.execute(sql, params![study_pk]).await?;
    }
    Ok(())
}

/// Whether a person has decided about the two, for or against a link.
pub async fn is_decided(tx: &mut Tx, exam_report_pk: i64, study_pk: i64) -> Result<bool, Error> {
    for sql in [
        "SELECT study_pk FROM exam_study_apart WHERE exam_report_pk = $1 AND study_pk = $2",
        "SELECT study_pk FROM exam_study WHERE exam_report_pk = $1 AND study_pk = $2 AND rule = 'manual'",
    ] {
        if tx.query_opt(sql, params![exam_report_pk, study_pk]).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A study that no report is linked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnlinkedStudy {
    /// Its row.
    pub study_pk: i64,
    /// Its organisation.
    pub org_code: String,
    /// (0008,0050).
    pub accession_number: String,
    /// (0008,0020).
    pub study_date: String,
    /// (0020,000D).
    pub study_instance_uid: String,
    /// When its first image came.
    pub created_at: i64,
}

/// Studies that no report is linked to, the newest first.
pub async fn unlinked_studies(index: &Index, limit: u32) -> Result<Vec<UnlinkedStudy>, Error> {
    let sql = "SELECT s.id, s.org_code, s.accession_number, s.study_date, s.study_instance_uid, s.created_at \
               FROM study s WHERE NOT EXISTS (SELECT 1 FROM exam_study x WHERE x.study_pk = s.id) \
               ORDER BY s.id DESC LIMIT $1";
    let rows = index.query(sql, params![i64::from(limit)]).await?;
    rows.iter()
        .map(|row| {
            Ok(UnlinkedStudy {
                study_pk: row.int("id")?,
                org_code: row.text("org_code")?,
                accession_number: row.text("accession_number")?,
                study_date: row.text("study_date")?,
                study_instance_uid: row.text("study_instance_uid")?,
                created_at: row.int("created_at")?,
            })
        })
        .collect()
}

/// Rows of exam reports by the id that pages show.
pub async fn exams_observed(index: &Index, observation_uid: &str) -> Result<Vec<i64>, Error> {
    let rows = index.query("SELECT id FROM exam_report WHERE observation_uid = $1", params![observation_uid]).await?;
    rows.iter().map(|row| row.int("id")).collect()
}

/// Rows of studies with this UID, of all organisations.
pub async fn studies_with_uid(index: &Index, study_instance_uid: &str) -> Result<Vec<i64>, Error> {
    let sql = "SELECT id FROM study WHERE study_instance_uid = $1 ORDER BY id";
    let rows = index.query(sql, params![study_instance_uid]).await?;
    rows.iter().map(|row| row.int("id")).collect()
}

/// Where a Study Instance UID of a report's set came from, if not from the report itself (D-I3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UidOrigin {
    /// From images that a rule has linked.
    Dicom,
    /// From images that a person has linked.
    Manual,
}

/// Adds a UID that the images brought to the report's set (D-I3).
pub async fn add_uid(
    tx: &mut Tx,
    exam_report_pk: i64,
    study_instance_uid: &str,
    origin: UidOrigin,
) -> Result<(), Error> {
    let sql = "INSERT INTO exam_study_uid (exam_report_pk, study_instance_uid, origin) VALUES ($1, $2, $3) \
               ON CONFLICT (exam_report_pk, study_instance_uid) DO UPDATE SET origin = CASE \
               WHEN exam_study_uid.origin = 'dicom' THEN excluded.origin ELSE exam_study_uid.origin END";
    let origin = match origin {
        UidOrigin::Dicom => "dicom",
        UidOrigin::Manual => "manual",
    };
    tx.execute(sql, params![exam_report_pk, study_instance_uid, origin]).await.map(|_| ())
}

/// Takes back what rules have linked, so that a corrected report is linked afresh; a person's links stay.
pub async fn unlink_by_rule(tx: &mut Tx, exam_report_pk: i64) -> Result<(), Error> {
    let sql = "DELETE FROM exam_study WHERE exam_report_pk = $1 AND rule <> 'manual'";
    tx.execute(sql, params![exam_report_pk]).await?;
    let sql = "DELETE FROM exam_study_uid WHERE exam_report_pk = $1 AND origin = 'dicom'";
    tx.execute(sql, params![exam_report_pk]).await.map(|_| ())
}

/// Takes an exam report from the studies that nothing but its AccessionNumber has linked to it; gives these.
pub async fn unlink_by_accession(tx: &mut Tx, exam_report_pk: i64) -> Result<Vec<i64>, Error> {
    let sql = "DELETE FROM exam_study WHERE exam_report_pk = $1 AND rule = 'accession' RETURNING study_pk";
    let rows = tx.query(sql, params![exam_report_pk]).await?;
    let studies = rows.iter().map(|row| row.int("study_pk")).collect::<Result<Vec<i64>, Error>>()?;
    let sql = "DELETE FROM exam_study_uid WHERE exam_report_pk = $1 AND origin = 'dicom' \
               AND study_instance_uid = (SELECT study_instance_uid FROM study WHERE id = $2)";
    for study_pk in &studies {
        tx.execute(sql, params![exam_report_pk, *study_pk]).await?;
    }
    Ok(studies)
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
