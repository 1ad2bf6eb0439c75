//! Records of mutual recognition: who relied on a report of another organisation, and who did not, and why (RD-32, D-X10).
//!
//! Append only. A record tells the report's id, organisations, a reason and a doctor; of the patient it tells nothing.

use super::lab_reports::vip_patient;
use super::report_changes::Subject;
use super::{Error, Index, Row, Select, Tx, Value};
use crate::domain::recognition::Decision;
use crate::params;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recognition {
    /// Its row.
    pub id: i64,
    /// The sender and its number for it, so that a repetition is known.
    pub request_key: String,
    /// Which table the report is in.
    pub subject: Subject,
    /// The report's row.
    pub report_pk: i64,
    /// The report's organisation.
    pub org_code: String,
    /// Who decided.
    pub by_org_code: String,
    /// What was decided, and by which doctor.
    pub decision: Decision,
    /// What was examined, as the report said then.
    pub item: String,
    /// The report's mark then.
    pub mark: String,
    /// When it was decided, milliseconds since 1970 UTC.
    pub decided_at: i64,
    /// When it was recorded.
    pub recorded_at: i64,
}

/// A record with what its report is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRecognition {
    /// The record.
    pub recognition: Recognition,
    /// By which everybody names the report.
    pub observation_uid: String,
    /// Whether the report has been withdrawn since (D-R18).
    pub withdrawn: bool,
}

/// Which records are asked for; empty means any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecognitionFilter {
    /// Records of reports of these organisations, and those that they made; all that are shared when `None`.
    pub readers: Option<Vec<String>>,
    /// Whether records of VIPs' and restricted reports are given to readers without organisations of their own.
    pub confidential: bool,
    /// Organisations of the reports.
    pub organizations: Vec<String>,
    /// Organisations that decided.
    pub by_organizations: Vec<String>,
    /// The report.
    pub observation_uid: String,
    /// What was decided.
    pub recognised: Option<bool>,
    /// Decided at this time or later.
    pub from: Option<i64>,
    /// Decided before this time.
    pub until: Option<i64>,
}

/// Keeps a record; `false` when its key is known already.
pub async fn insert(tx: &mut Tx, record: &Recognition) -> Result<bool, Error> {
    let sql = "INSERT INTO recognition (id, request_key, kind, report_pk, org_code, by_org_code, recognised, reason, remark, \
               doctor_id, doctor_name, item, mark, decided_at, recorded_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT (request_key) DO NOTHING";
    let Decision { recognised, reason, remark, doctor_id, doctor_name } = &record.decision;
    let values = params![
        record.id,
        &record.request_key,
        record.subject.as_str(),
        record.report_pk,
        &record.org_code,
        &record.by_org_code,
        *recognised,
        reason,
        remark,
        doctor_id,
        doctor_name,
        &record.item,
        &record.mark,
        record.decided_at,
        record.recorded_at,
    ];
    Ok(tx.execute(sql, values).await? == 1)
}

/// The record with this key.
pub async fn by_key(tx: &mut Tx, request_key: &str) -> Result<Option<Recognition>, Error> {
    let sql = "SELECT * FROM recognition WHERE request_key = $1";
    tx.query_opt(sql, params![request_key]).await?.as_ref().map(recognition_from).transpose()
}

/// Records, the newest decision first, behind `after` (a decision's time and its row).
pub async fn list(
    index: &Index,
    filter: &RecognitionFilter,
    after: Option<(i64, i64)>,
    limit: u32,
) -> Result<Vec<ListedRecognition>, Error> {
    let mut select = Select::new(
        "SELECT r.*, COALESCE(e.observation_uid, l.observation_uid, '') AS observation_uid, \
         CAST(COALESCE(e.withdrawn, l.withdrawn, 0) AS BIGINT) AS withdrawn FROM recognition r \
         LEFT JOIN exam_report e ON r.kind = 'exam' AND e.id = r.report_pk \
         LEFT JOIN lab_report l ON r.kind = 'lab' AND l.id = r.report_pk WHERE 1 = 1",
    );
    push_filter(&mut select, filter);
    if filter.readers.is_none() {
        // A withdrawn report is told as one: somebody has relied on it.
        let shared = " AND (e.id IS NULL OR e.withdrawn = 1 OR e.reviewed = 1 \
                      OR (e.state IS NULL AND e.checked_status IS NULL AND e.authenticator_dtime IS NULL))";
        select.push(shared, Vec::new());
        if !filter.confidential {
            select.push(
                concat!(
                    " AND (e.id IS NULL OR (e.vip = 0 AND e.restricted = 0)) AND (l.id IS NULL OR NOT ",
                    vip_patient!("l"),
                    ")"
                ),
                Vec::new(),
            );
        }
    }
    if !filter.observation_uid.is_empty() {
        let piece = " AND ((r.kind = 'exam' AND r.report_pk IN (SELECT id FROM exam_report WHERE observation_uid = ?)) \
                     OR (r.kind = 'lab' AND r.report_pk IN (SELECT id FROM lab_report WHERE observation_uid = ?)))";
        select.push(piece, params![&filter.observation_uid, &filter.observation_uid]);
    }
    if let Some((at, id)) = after {
        select.push(" AND r.decided_at <= ? AND (r.decided_at < ? OR r.id < ?)", params![at, at, id]);
    }
    select.push(" ORDER BY r.decided_at DESC, r.id DESC LIMIT ?", params![i64::from(limit)]);
    let rows = index.query(select.sql(), select.values()).await?;
    rows.iter()
        .map(|row| {
            let (observation_uid, withdrawn) = (row.text("observation_uid")?, row.flag("withdrawn")?);
            Ok(ListedRecognition { recognition: recognition_from(row)?, observation_uid, withdrawn })
        })
        .collect()
}

/// How many decisions of one kind there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The reports' organisation.
    pub org_code: String,
    /// Who decided.
    pub by_org_code: String,
    /// `exam` or `lab`.
    pub kind: String,
    /// What was decided.
    pub recognised: bool,
    /// Why not.
    pub reason: String,
    /// How many.
    pub records: i64,
    /// How many of them were of reports with a mark.
    pub marked: i64,
}

/// Counts the records, by organisations, kind, decision and reason.
pub async fn count(index: &Index, filter: &RecognitionFilter) -> Result<Vec<Counted>, Error> {
    let mut select = Select::new(
        "SELECT r.org_code, r.by_org_code, r.kind, r.recognised, r.reason, COUNT(*) AS records, \
         CAST(SUM(CASE WHEN r.mark = '' THEN 0 ELSE 1 END) AS BIGINT) AS marked FROM recognition r WHERE 1 = 1",
    );
    push_filter(&mut select, filter);
    select.push(
        " GROUP BY r.org_code, r.by_org_code, r.kind, r.recognised, r.reason \
         ORDER BY r.org_code, r.by_org_code, r.kind, r.recognised, r.reason",
        Vec::new(),
    );
    let rows = index.query(select.sql(), select.values()).await?;
    rows.iter()
        .map(|row| {
            Ok(Counted {
                org_code: row.text("org_code")?,
                by_org_code: row.text("by_org_code")?,
                kind: row.text("kind")?,
                recognised: row.flag("recognised")?,
                reason: row.text("reason")?,
                records: row.int("records")?,
                marked: row.int("marked")?,
            })
        })
        .collect()
}

/// How often reports were recognised, and were not: row, recognised, not recognised; reports without a record are left out.
pub async fn tally(index: &Index, subject: Subject, reports: Vec<Value>) -> Result<Vec<(i64, i64, i64)>, Error> {
    let mut select = Select::new(
        "SELECT report_pk, COUNT(*) AS records, CAST(SUM(recognised) AS BIGINT) AS recognised FROM recognition WHERE 1 = 1",
    );
    select.push(" AND kind = ?", params![subject.as_str()]).push_in(" AND report_pk", reports);
    select.push(" GROUP BY report_pk", Vec::new());
    let rows = index.query(select.sql(), select.values()).await?;
    rows.iter()
        .map(|row| {
            let recognised = row.int("recognised")?;
            Ok((row.int("report_pk")?, recognised, row.int("records")? - recognised))
        })
        .collect()
}

/// What decides about the marks of reports in a list: row, registered mark, codes and names of what was examined.
pub async fn mark_sources(
    index: &Index,
    subject: Subject,
    reports: Vec<Value>,
) -> Result<Vec<(i64, String, Vec<String>)>, Error> {
    let mut select = Select::new(match subject {
        Subject::Exam => {
            "SELECT id, recognition, exam_item_code AS word_1, exam_item_name AS word_2, NULL AS word_3 FROM exam_report WHERE id"
        }
        Subject::Lab => {
            "SELECT id, recognition, class_code AS word_1, class_name AS word_2, class_local_name AS word_3 \
             FROM lab_report WHERE id"
        }
    });
    select.push_in("", reports);
    let rows = index.query(select.sql(), select.values()).await?;
    rows.iter()
        .map(|row| {
            let text = |column: &str| row.get::<Option<String>>(column).map(Option::unwrap_or_default);
            Ok((row.int("id")?, text("recognition")?, vec![text("word_1")?, text("word_2")?, text("word_3")?]))
        })
        .collect()
}

fn push_filter(select: &mut Select, filter: &RecognitionFilter) {
    let list = |codes: &[String]| codes.iter().map(Value::from).collect::<Vec<_>>();
    if let Some(readers) = &filter.readers {
        select.push_in(" AND (r.org_code", list(readers)).push_in(" OR r.by_org_code", list(readers));
        select.push(")", Vec::new());
    }
    if !filter.organizations.is_empty() {
        select.push_in(" AND r.org_code", list(&filter.organizations));
    }
    if !filter.by_organizations.is_empty() {
        select.push_in(" AND r.by_org_code", list(&filter.by_organizations));
    }
    if let Some(recognised) = filter.recognised {
        select.push(" AND r.recognised = ?", params![recognised]);
    }
    if let Some(from) = filter.from {
        select.push(" AND r.decided_at >= ?", params![from]);
    }
    if let Some(until) = filter.until {
        select.push(" AND r.decided_at < ?", params![until]);
    }
}

fn recognition_from(row: &Row) -> Result<Recognition, Error> {
    let kind = row.text("kind")?;
    let subject = Subject::ALL.into_iter().find(|subject| subject.as_str() == kind);
    Ok(Recognition {
        id: row.int("id")?,
        request_key: row.text("request_key")?,
        subject: subject.ok_or(Error::Damaged("recognition.kind"))?,
        report_pk: row.int("report_pk")?,
        org_code: row.text("org_code")?,
        by_org_code: row.text("by_org_code")?,
        decision: Decision {
            recognised: row.flag("recognised")?,
            reason: row.text("reason")?,
            remark: row.text("remark")?,
            doctor_id: row.text("doctor_id")?,
            doctor_name: row.text("doctor_name")?,
        },
        item: row.text("item")?,
        mark: row.text("mark")?,
        decided_at: row.int("decided_at")?,
        recorded_at: row.int("recorded_at")?,
    })
}
