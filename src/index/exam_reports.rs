//! Exam reports: one row for each key, replaced in place, earlier contents in `report_version` (D-R8).

use std::sync::LazyLock;

use super::persons::WholePerson;
use super::record_columns::{insert_sql, keep_version, record_of, update_sql, values};
use super::{Error, Ids, Index, Row, Select, Tx, Value};
use crate::domain::exam_report::{self, ExamField, ExamReport};
use crate::params;

/// What the archive has worked out about a report, beside its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExamFacts {
    /// By which pages name it (D-P20).
    pub observation_uid: String,
    /// Of the fields.
    pub content_hash: String,
    /// Who sent it.
    pub sender: String,
    /// The message that brought it.
    pub message_pk: Option<i64>,
    /// D-R23.
    pub reviewed: bool,
    /// D-R22.
    pub vip: bool,
    /// D-R22.
    pub restricted: bool,
    /// D-R18.
    pub withdrawn: bool,
    /// D-R8.
    pub identity_conflict: bool,
    /// DICOM Modality, empty when unknown.
    pub modality: String,
    /// D-Q4.
    pub retrieve_at: String,
    /// D-P8.
    pub observed_at: String,
    /// Codes and fields of what was noted (D-R14).
    pub notes: String,
    /// Seconds from the report's own time to now; absent when it has none.
    pub delay_s: Option<i64>,
}

/// What decides whether a stored report is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownReport {
    /// Its id.
    pub id: i64,
    /// Of the fields.
    pub content_hash: String,
    /// Its stamp.
    pub last_update_dtime: String,
    /// Patient, event type and event number: the rest of the key.
    pub identity: [String; 3],
    /// D-R8.
    pub identity_conflict: bool,
    /// The message that last changed it.
    pub message_pk: Option<i64>,
}

impl KnownReport {
    pub(super) fn of(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            id: row.int("id")?,
            content_hash: row.text("content_hash")?,
            last_update_dtime: row.get::<Option<String>>("last_update_dtime")?.unwrap_or_default(),
            identity: [row.text("patient_id")?, row.text("event_type")?, row.text("event_no")?],
            identity_conflict: row.flag("identity_conflict")?,
            message_pk: row.get("message_pk")?,
        })
    }
}

const OWN: [&str; 15] = [
    "version",
    "updated_at",
    "observation_uid",
    "content_hash",
    "sender",
    "message_pk",
    "reviewed",
    "vip",
    "restricted",
    "withdrawn",
    "modality",
    "retrieve_at",
    "observed_at",
    "notes",
    "delay_s",
];

static INSERT: LazyLock<String> = LazyLock::new(|| {
    let own: Vec<&str> = OWN.into_iter().chain(["identity_conflict", "id", "received_at"]).collect();
    insert_sql::<ExamField>("exam_report", &own)
});
static UPDATE: LazyLock<String> = LazyLock::new(|| update_sql::<ExamField>("exam_report", &OWN));

fn own_values(version: i64, now: i64, facts: &ExamFacts) -> Vec<Value> {
    params![
        version,
        now,
        &facts.observation_uid,
        &facts.content_hash,
        &facts.sender,
        facts.message_pk,
        facts.reviewed,
        facts.vip,
        facts.restricted,
        facts.withdrawn,
        &facts.modality,
        &facts.retrieve_at,
        &facts.observed_at,
        &facts.notes,
        facts.delay_s,
    ]
}

/// Adds a report as version 1.
pub async fn insert(tx: &mut Tx, id: i64, now: i64, facts: &ExamFacts, report: &ExamReport) -> Result<(), Error> {
    let mut all = own_values(1, now, facts);
    all.extend(params![facts.identity_conflict, id, now]);
    all.extend(values(report));
    tx.post(INSERT.as_str(), all).await
}

/// What a report was before it was replaced.
#[derive(Debug, Clone)]
pub struct Replaced {
    /// Its content.
    pub former: ExamReport,
    /// Whether it made its patient a VIP (D-R22).
    pub was_vip: bool,
    /// Whether it does now.
    pub is_vip: bool,
}

/// Replaces a report, keeps its content so far as a version, and tells what it was. A withdrawal says that the report
/// is wrong, not that its patient is no VIP any more.
pub async fn replace(
    tx: &mut Tx,
    ids: &Ids,
    id: i64,
    now: i64,
    facts: &ExamFacts,
    report: &mut ExamReport,
) -> Result<Replaced, Error> {
    let row = tx.query_opt("SELECT * FROM exam_report WHERE id = $1", params![id]).await?;
    let row = row.ok_or(Error::Damaged("exam_report"))?;
    keep_version::<ExamField>(tx, ids.next(), "exam", now, id, &row).await?;
    let former: ExamReport = record_of(&row)?;
    if let Some(created) = former.get(ExamField::CreateTime) {
        report.set(ExamField::CreateTime, created);
    }
    let mut facts = facts.clone();
    let was_vip = row.flag("vip")?;
    facts.vip |= was_vip && facts.withdrawn;
    // The delay is that of the first registration of what was reported at that time.
    if exam_report::reported_at(&former) == exam_report::reported_at(report) {
        facts.delay_s = row.get("delay_s")?;
    }
    let mut all = own_values(row.int("version")? + 1, now, &facts);
    all.extend(values(report));
    all.push(Value::from(id));
    tx.execute(UPDATE.as_str(), all).await?;
    Ok(Replaced { former, was_vip, is_vip: facts.vip })
}

/// A patient of whom a valid report says that they are no VIP is none because of withdrawn reports that are not newer
/// (D-R22); gives how many such reports there were.
pub async fn lift_withdrawn_vips(tx: &mut Tx, org_code: &str, patient_id: &str, stamp: &str) -> Result<u64, Error> {
    let sql = "UPDATE exam_report SET vip = 0 WHERE org_code = $1 AND patient_id = $2 AND vip = 1 AND withdrawn = 1 \
               AND COALESCE(last_update_dtime, '') <= $3";
    tx.execute(sql, params![org_code, patient_id, stamp]).await
}

/// Marks a report whose number came for another patient or event as well.
pub async fn mark_identity_conflict(tx: &mut Tx, id: i64) -> Result<(), Error> {
    tx.execute("UPDATE exam_report SET identity_conflict = 1 WHERE id = $1", params![id]).await.map(|_| ())
}

/// Notes the Study Instance UIDs that a report names; what the images brought stays (D-I3).
pub async fn set_study_uids(tx: &mut Tx, id: i64, uids: &[String], replaced: bool) -> Result<(), Error> {
    if replaced {
        let sql = "DELETE FROM exam_study_uid WHERE exam_report_pk = $1 AND origin = 'registered'";
        tx.execute(sql, params![id]).await?;
    }
    for uid in uids {
        let sql = "INSERT INTO exam_study_uid (exam_report_pk, study_instance_uid, origin) \
                   VALUES ($1, $2, 'registered') \
                   ON CONFLICT (exam_report_pk, study_instance_uid) DO UPDATE SET origin = excluded.origin";
        tx.post(sql, params![id, uid]).await?;
    }
    Ok(())
}

/// Which reports are asked for by patient and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportSearch {
    /// Whose they are.
    pub person: WholePerson,
    /// First moment, in the kept form.
    pub from: String,
    /// Last moment, in the kept form.
    pub to: String,
    /// Only these organisations; all when `None`.
    pub organizations: Option<Vec<String>>,
    /// Also reports that are not reviewed.
    pub unreviewed: bool,
    /// Also VIP and restricted reports.
    pub confidential: bool,
    /// At most so many.
    pub limit: i64,
    /// When it is asked, milliseconds since 1970 UTC: links that have ended by then are not told.
    pub asked_at: i64,
}

impl ReportSearch {
    pub(super) fn narrow(&self, select: &mut Select) {
        self.person.narrow(select);
        select.push(" AND retrieve_at >= ? AND retrieve_at <= ?", params![&self.from, &self.to]);
        if let Some(organizations) = &self.organizations {
            select.push_in(" AND org_code", organizations.iter().map(Value::from).collect());
        }
    }

    pub(super) fn order(&self, select: &mut Select) {
        select.push(" ORDER BY retrieve_at DESC, id DESC LIMIT ?", params![self.limit]);
    }
}

/// A report that was found.
#[derive(Debug, Clone)]
pub struct FoundExam {
    /// Its id.
    pub id: i64,
    /// Its fields.
    pub report: ExamReport,
    /// Whether images are linked to it.
    pub has_images: bool,
    /// The opaque link behind its QR code, if there is one that opens.
    pub link: Option<String>,
}

/// Finds reports that are not withdrawn, newest first.
pub async fn find(index: &Index, search: &ReportSearch) -> Result<Vec<FoundExam>, Error> {
    let mut select = Select::new(
        "SELECT exam_report.*, \
         CASE WHEN EXISTS (SELECT 1 FROM exam_study WHERE exam_study.exam_report_pk = exam_report.id) \
         THEN 1 ELSE 0 END AS has_images, \
         (SELECT qr_link.id FROM qr_link WHERE qr_link.exam_report_pk = exam_report.id AND revoked_at IS NULL \
         AND (expires_at IS NULL OR expires_at > ",
    );
    select.push("?)) AS link FROM exam_report WHERE withdrawn = 0", params![search.asked_at]);
    search.narrow(&mut select);
    if !search.unreviewed {
        select.push(
            " AND (reviewed = 1 OR (state IS NULL AND checked_status IS NULL AND authenticator_dtime IS NULL))",
            Vec::new(),
        );
    }
    if !search.confidential {
        select.push(" AND vip = 0 AND restricted = 0", Vec::new());
    }
    search.order(&mut select);
    let rows = index.query(select.sql(), select.values()).await?;
    rows.iter()
        .map(|row| {
            Ok(FoundExam {
                id: row.int("id")?,
                report: record_of(row)?,
                // PostgreSQL gives CASE of two figures as a four-byte number, which `int` refuses.
                has_images: row.get::<i64>("has_images").or_else(|_| row.get::<i32>("has_images").map(i64::from))? != 0,
                link: row.get("link")?,
            })
        })
        .collect()
}
