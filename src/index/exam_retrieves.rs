//! How far the images of each registered exam have been fetched from the PACS: one row for each exam report (RAD-16).

use std::collections::{BTreeMap, BTreeSet};

use super::{Error, Index, Row, Select, Tx, Value};
use crate::params;

/// Where the fetching of an exam's images stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetrieveState {
    /// It is looked for again at its time.
    Waiting,
    /// Everything that the nodes have is here.
    Complete,
    /// Nothing more is planned although something is missing; the row says why.
    GivenUp,
}

impl RetrieveState {
    /// Every state.
    pub const ALL: [RetrieveState; 3] = [RetrieveState::Waiting, RetrieveState::Complete, RetrieveState::GivenUp];

    /// The word kept in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            RetrieveState::Waiting => "waiting",
            RetrieveState::Complete => "complete",
            RetrieveState::GivenUp => "given_up",
        }
    }

    /// Reads the word kept in the table.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExamRetrieve {
    /// The exam report.
    pub exam_report_pk: i64,
    /// Its organisation.
    pub org_code: String,
    /// Where it stands.
    pub state: RetrieveState,
    /// When this series of checks began.
    pub requested_at: i64,
    /// Checks since then.
    pub checks: i64,
    /// Checks in a row without news.
    pub quiet_checks: i64,
    /// Studies that the nodes have.
    pub studies: i64,
    /// Instances that the nodes have; `None` when they do not tell.
    pub expected_instances: Option<i64>,
    /// Instances of these studies that are here.
    pub held_instances: i64,
    /// Instances that fetching brought, since the first request.
    pub fetched_instances: i64,
    /// When expected or held last changed.
    pub changed_at: i64,
    /// When the nodes were last asked.
    pub checked_at: Option<i64>,
    /// When they will be asked again.
    pub next_at: Option<i64>,
    /// Why the last check did not go well; empty when it did.
    pub last_error: String,
    /// JSON: what each node said.
    pub detail: String,
}

/// What a retrieval has to know of an exam report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExamKeys {
    /// Its row.
    pub exam_report_pk: i64,
    /// Its organisation.
    pub org_code: String,
    /// The Study Instance UIDs that it names.
    pub study_instance_uids: Vec<String>,
    /// AccessionNumber; empty when there is none.
    pub accession_number: String,
    /// Numbers that may be the PatientID of the images, the likelier first.
    pub patient_ids: Vec<String>,
    /// D-R18.
    pub withdrawn: bool,
    /// Reviewed, or nothing is said of reviews: no more images are expected (D-I2).
    pub settled: bool,
}

/// The instances of one study that are here: SOP Instance UIDs by Series Instance UID.
pub type HeldStudy = BTreeMap<String, BTreeSet<String>>;

/// Rows whose state this version knows: those of a newer one beside it are not ours to show or to change.
fn known_rows() -> Select {
    let mut select = Select::new(
        "SELECT exam_report_pk, org_code, state, requested_at, checks, quiet_checks, studies, expected_instances, \
         held_instances, fetched_instances, changed_at, checked_at, next_at, last_error, detail FROM exam_retrieve \
         WHERE 1 = 1",
    );
    select.push_in(" AND state", RetrieveState::ALL.map(|state| Value::from(state.as_str())).to_vec());
    select
}

/// Notes that an exam's images are to be fetched from now on; what was found earlier stays.
pub async fn request(tx: &mut Tx, exam_report_pk: i64, org_code: &str, now: i64) -> Result<(), Error> {
    let sql = "INSERT INTO exam_retrieve (exam_report_pk, org_code, state, requested_at, checks, quiet_checks, studies, \
               expected_instances, held_instances, fetched_instances, changed_at, checked_at, next_at, last_error, \
               detail) VALUES ($1, $2, 'waiting', $3, 0, 0, 0, NULL, 0, 0, $4, NULL, $5, '', '[]') \
               ON CONFLICT (exam_report_pk) DO UPDATE SET state = 'waiting', requested_at = excluded.requested_at, \
               checks = 0, quiet_checks = 0, changed_at = excluded.changed_at, next_at = excluded.next_at, \
               last_error = ''";
    tx.execute(sql, params![exam_report_pk, org_code, now, now, now]).await.map(|_| ())
}

/// Notes that a person has asked for an exam's images: what was deleted before may be fetched again.
pub async fn asked_by_hand(tx: &mut Tx, exam_report_pk: i64, now: i64) -> Result<(), Error> {
    let sql = "UPDATE exam_retrieve SET by_hand_at = $1 WHERE exam_report_pk = $2";
    tx.execute(sql, params![now, exam_report_pk]).await.map(|_| ())
}

/// Notes that images of an exam have been deleted.
pub async fn held_less(tx: &mut Tx, exam_report_pk: i64, instances: i64) -> Result<(), Error> {
    let sql = "UPDATE exam_retrieve SET held_instances = CASE WHEN held_instances > $1 THEN held_instances - $1 \
               ELSE 0 END WHERE exam_report_pk = $2";
    tx.execute(sql, params![instances, exam_report_pk]).await.map(|_| ())
}

/// The row of an exam report.
pub async fn get(tx: &mut Tx, exam_report_pk: i64) -> Result<Option<ExamRetrieve>, Error> {
    let mut select = known_rows();
    select.push(" AND exam_report_pk = ?", params![exam_report_pk]);
    tx.query_opt(select.sql(), select.values()).await?.as_ref().map(read).transpose()
}

/// Writes a row back.
pub async fn put(tx: &mut Tx, row: &ExamRetrieve) -> Result<(), Error> {
    let sql = "UPDATE exam_retrieve SET state = $1, checks = $2, quiet_checks = $3, studies = $4, \
               expected_instances = $5, held_instances = $6, fetched_instances = $7, changed_at = $8, checked_at = $9, \
               next_at = $10, last_error = $11, detail = $12 WHERE exam_report_pk = $13";
    let values = params![
        row.state.as_str(),
        row.checks,
        row.quiet_checks,
        row.studies,
        row.expected_instances,
        row.held_instances,
        row.fetched_instances,
        row.changed_at,
        row.checked_at,
        row.next_at,
        &row.last_error,
        &row.detail,
        row.exam_report_pk,
    ];
    tx.execute(sql, values).await.map(|_| ())
}

/// Rows in one state or in all: what is missing something first, then those that were checked last.
pub async fn list(index: &Index, state: Option<RetrieveState>, limit: u32) -> Result<Vec<ExamRetrieve>, Error> {
    let mut select = known_rows();
    if let Some(state) = state {
        select.push(" AND state = ?", params![state.as_str()]);
    }
    select.push(
        " ORDER BY CASE state WHEN 'given_up' THEN 0 WHEN 'waiting' THEN 1 ELSE 2 END, requested_at DESC, \
         exam_report_pk LIMIT ?",
        params![limit],
    );
    index.query(select.sql(), select.values()).await?.iter().map(read).collect()
}

/// The rows of the exams with this id or AccessionNumber, whatever the organisation.
pub async fn of_exam(index: &Index, exam_or_accession: &str, limit: u32) -> Result<Vec<ExamRetrieve>, Error> {
    let mut select = known_rows();
    select.push(" AND exam_report_pk IN (SELECT id FROM exam_report WHERE pacs_id = ?", params![exam_or_accession]);
    if let Ok(id) = exam_or_accession.parse::<i64>() {
        select.push(" OR id = ?", params![id]);
    }
    select.push(") ORDER BY exam_report_pk LIMIT ?", params![limit]);
    index.query(select.sql(), select.values()).await?.iter().map(read).collect()
}

/// The exams with this id or AccessionNumber, with their organisations.
pub async fn exams_called(index: &Index, exam_or_accession: &str, limit: u32) -> Result<Vec<(i64, String)>, Error> {
    let mut select = Select::new("SELECT id, org_code FROM exam_report WHERE");
    select.push(" (pacs_id = ?", params![exam_or_accession]);
    if let Ok(id) = exam_or_accession.parse::<i64>() {
        select.push(" OR id = ?", params![id]);
    }
    select.push(") ORDER BY id LIMIT ?", params![limit]);
    let rows = index.query(select.sql(), select.values()).await?;
    rows.iter().map(|row| Ok((row.int("id")?, row.text("org_code")?))).collect()
}

/// What to look for, if the exam report exists.
pub async fn keys(index: &Index, exam_report_pk: i64) -> Result<Option<ExamKeys>, Error> {
    let sql = "SELECT org_code, COALESCE(pacs_id, '') AS pacs_id, COALESCE(patient_local_id, '') AS local_id, \
               patient_id, withdrawn, reviewed, COALESCE(state, '') AS state, \
               COALESCE(checked_status, '') AS checked_status, \
               COALESCE(authenticator_dtime, '') AS authenticator_dtime FROM exam_report WHERE id = $1";
    let Some(row) = index.query_opt(sql, params![exam_report_pk]).await? else { return Ok(None) };
    let sql = "SELECT study_instance_uid FROM exam_study_uid WHERE exam_report_pk = $1 ORDER BY study_instance_uid";
    let uids = index.query(sql, params![exam_report_pk]).await?;
    let mut patient_ids = Vec::new();
    for column in ["local_id", "patient_id"] {
        let number = row.text(column)?.trim().to_owned();
        if !number.is_empty() && !patient_ids.contains(&number) {
            patient_ids.push(number);
        }
    }
    let silent = ["state", "checked_status", "authenticator_dtime"];
    let silent = silent.iter().map(|column| row.text(column)).collect::<Result<Vec<_>, _>>()?;
    Ok(Some(ExamKeys {
        exam_report_pk,
        org_code: row.text("org_code")?,
        study_instance_uids: uids.iter().map(|row| row.text("study_instance_uid")).collect::<Result<_, _>>()?,
        accession_number: row.text("pacs_id")?.trim().to_owned(),
        patient_ids,
        withdrawn: row.flag("withdrawn")?,
        settled: row.flag("reviewed")? || silent.iter().all(String::is_empty),
    }))
}

/// What is here of a study.
pub async fn held(index: &Index, org_code: &str, study_instance_uid: &str) -> Result<HeldStudy, Error> {
    let sql = "SELECT series.series_instance_uid, instance.sop_instance_uid FROM study \
               JOIN series ON series.study_pk = study.id JOIN instance ON instance.series_pk = series.id \
               WHERE study.org_code = $1 AND study.study_instance_uid = $2";
    let mut held = HeldStudy::new();
    for row in index.query(sql, params![org_code, study_instance_uid]).await? {
        held.entry(row.text("series_instance_uid")?).or_default().insert(row.text("sop_instance_uid")?);
    }
    Ok(held)
}

fn read(row: &Row) -> Result<ExamRetrieve, Error> {
    Ok(ExamRetrieve {
        exam_report_pk: row.int("exam_report_pk")?,
        org_code: row.text("org_code")?,
        state: RetrieveState::parse(&row.text("state")?).ok_or(Error::Damaged("exam_retrieve.state"))?,
        requested_at: row.int("requested_at")?,
        checks: row.int("checks")?,
        quiet_checks: row.int("quiet_checks")?,
        studies: row.int("studies")?,
        expected_instances: row.get("expected_instances")?,
        held_instances: row.int("held_instances")?,
        fetched_instances: row.int("fetched_instances")?,
        changed_at: row.int("changed_at")?,
        checked_at: row.get("checked_at")?,
        next_at: row.get("next_at")?,
        last_error: row.text("last_error")?,
        detail: row.text("detail")?,
    })
}
