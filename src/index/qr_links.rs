//! The opaque links behind printed QR codes, one for each exam report or lab report (D-I10).

use std::fmt;

use super::{Error, Index, Row, Select, Tx};
use crate::params;

/// The report that a link leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkedReport {
    /// An exam report's row.
    Exam(i64),
    /// A lab report's row.
    Lab(i64),
}

impl fmt::Display for LinkedReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkedReport::Exam(pk) => write!(f, "exam:{pk}"),
            LinkedReport::Lab(pk) => write!(f, "lab:{pk}"),
        }
    }
}

/// One link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QrLink {
    /// 128 random bits in base32.
    pub id: String,
    /// The report it leads to.
    pub report: LinkedReport,
    /// When it ends, milliseconds since 1970 UTC; never when absent.
    pub expires_at: Option<i64>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<i64>,
    /// Wrong factors since the last right one.
    pub failed: u32,
}

/// The column's new value where the link has ended by time.
macro_rules! instead {
    ($column:literal, $new:literal) => {
        concat!(
            "CASE WHEN qr_link.revoked_at IS NULL AND qr_link.expires_at <= excluded.created_at THEN ",
            $new,
            " ELSE qr_link.",
            $column,
            " END"
        )
    };
}

/// The statement of [`keep`], for a report of the kind that this column names.
macro_rules! keep {
    ($report:literal) => {
        concat!(
            "INSERT INTO qr_link (id, ",
            $report,
            ", created_at, expires_at, revoked_at) VALUES ($1, $2, $3, $4, NULL) ON CONFLICT (",
            $report,
            ") DO UPDATE SET id = ",
            instead!("id", "excluded.id"),
            ", created_at = ",
            instead!("created_at", "excluded.created_at"),
            ", failed = ",
            instead!("failed", "0"),
            ", expires_at = excluded.expires_at RETURNING id"
        )
    };
}

/// Gives a report its link. One that still opens stays as it is on paper, and lives until `expires_at`; one that was revoked
/// stays revoked. One that has ended does not come alive again: the report gets another, and what bears the former one is made
/// again when it is next looked at.
pub async fn keep(
    tx: &mut Tx,
    fresh_id: &str,
    report: LinkedReport,
    now: i64,
    expires_at: Option<i64>,
) -> Result<String, Error> {
    let (sql, pk) = match report {
        LinkedReport::Exam(pk) => (keep!("exam_report_pk"), pk),
        LinkedReport::Lab(pk) => (keep!("lab_report_pk"), pk),
    };
    let kept = tx.query_opt(sql, params![fresh_id, pk, now, expires_at]).await?.ok_or(Error::Damaged("qr_link.id"))?;
    let id = kept.text("id")?;
    if id == fresh_id {
        outdate_copies(tx, report).await?;
    }
    Ok(id)
}

/// Has the copies on which a report's link stands made again.
async fn outdate_copies(tx: &mut Tx, report: LinkedReport) -> Result<(), Error> {
    let (sql, pk) = match report {
        LinkedReport::Exam(pk) => {
            ("UPDATE report_file SET stamp_policy = '' WHERE exam_report_pk = $1 AND is_current = 1", pk)
        }
        LinkedReport::Lab(pk) => ("UPDATE lab_document SET content_hash = '' WHERE lab_report_pk = $1", pk),
    };
    tx.execute(sql, params![pk]).await.map(|_| ())
}

/// The link with this id.
pub async fn get(index: &Index, id: &str) -> Result<Option<QrLink>, Error> {
    let sql = "SELECT id, exam_report_pk, lab_report_pk, expires_at, revoked_at, failed FROM qr_link WHERE id = $1";
    index.query_opt(sql, params![id]).await?.as_ref().map(link_from).transpose()
}

/// The organisation of a report, withdrawn or not; `""` when there is no such report.
pub async fn organization_of(index: &Index, report: LinkedReport) -> Result<String, Error> {
    let (sql, pk) = match report {
        LinkedReport::Exam(pk) => ("SELECT org_code FROM exam_report WHERE id = $1", pk),
        LinkedReport::Lab(pk) => ("SELECT org_code FROM lab_report WHERE id = $1", pk),
    };
    index.query_opt(sql, params![pk]).await?.map_or(Ok(String::new()), |row| row.text("org_code"))
}

/// A link as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedLink {
    /// The link.
    pub link: QrLink,
    /// When it was made.
    pub created_at: i64,
    /// The organisation of its report.
    pub org_code: String,
    /// That report's number.
    pub report_form_no: String,
}

/// Links, the newest first: those that open at `open_at`, or all.
pub async fn list(index: &Index, open_at: Option<i64>, limit: u32) -> Result<Vec<ListedLink>, Error> {
    let mut select = Select::new(
        "SELECT q.id, q.exam_report_pk, q.lab_report_pk, q.created_at, q.expires_at, q.revoked_at, q.failed, \
         COALESCE(e.org_code, l.org_code) AS org_code, COALESCE(e.report_form_no, l.report_form_no) AS report_form_no \
         FROM qr_link q LEFT JOIN exam_report e ON e.id = q.exam_report_pk \
         LEFT JOIN lab_report l ON l.id = q.lab_report_pk WHERE 1 = 1",
    );
    if let Some(now) = open_at {
        select.push(
            " AND q.revoked_at IS NULL AND (q.expires_at IS NULL OR q.expires_at > ?) \
             AND COALESCE(e.withdrawn, l.withdrawn) = 0",
            params![now],
        );
    }
    select.push(" ORDER BY q.created_at DESC, q.id LIMIT ?", params![i64::from(limit)]);
    let rows = index.query(select.sql(), select.values()).await?;
    rows.iter()
        .map(|row| {
            Ok(ListedLink {
                link: link_from(row)?,
                created_at: row.int("created_at")?,
                org_code: row.text("org_code")?,
                report_form_no: row.text("report_form_no")?,
            })
        })
        .collect()
}

/// Ends a link for good; false when there is none or it has ended already.
pub async fn revoke(tx: &mut Tx, report: LinkedReport, now: i64) -> Result<bool, Error> {
    let (sql, pk) = match report {
        LinkedReport::Exam(pk) => {
            ("UPDATE qr_link SET revoked_at = $1 WHERE exam_report_pk = $2 AND revoked_at IS NULL", pk)
        }
        LinkedReport::Lab(pk) => {
            ("UPDATE qr_link SET revoked_at = $1 WHERE lab_report_pk = $2 AND revoked_at IS NULL", pk)
        }
    };
    Ok(tx.execute(sql, params![now, pk]).await? == 1)
}

/// Counts a wrong factor; a right one takes back what was counted.
pub async fn count_attempt(tx: &mut Tx, id: &str, right: bool) -> Result<(), Error> {
    let sql = match right {
        true => "UPDATE qr_link SET failed = 0 WHERE id = $1 AND failed > 0",
        false => "UPDATE qr_link SET failed = failed + 1 WHERE id = $1",
    };
    tx.execute(sql, params![id]).await.map(|_| ())
}

/// Gives a report's link another id, so that what is on paper opens nothing any more, and has the copies on which it stands
/// made again; false when the report has no link.
pub async fn renew(
    tx: &mut Tx,
    report: LinkedReport,
    fresh_id: &str,
    now: i64,
    expires_at: Option<i64>,
) -> Result<bool, Error> {
    let (link, pk) = match report {
        LinkedReport::Exam(pk) => (
            "UPDATE qr_link SET id = $1, created_at = $2, expires_at = $3, revoked_at = NULL, failed = 0 \
             WHERE exam_report_pk = $4",
            pk,
        ),
        LinkedReport::Lab(pk) => (
            "UPDATE qr_link SET id = $1, created_at = $2, expires_at = $3, revoked_at = NULL, failed = 0 \
             WHERE lab_report_pk = $4",
            pk,
        ),
    };
    let renewed = tx.execute(link, params![fresh_id, now, expires_at, pk]).await? == 1;
    outdate_copies(tx, report).await?;
    Ok(renewed)
}

fn link_from(row: &Row) -> Result<QrLink, Error> {
    let report = match (row.get::<Option<i64>>("exam_report_pk")?, row.get::<Option<i64>>("lab_report_pk")?) {
        (Some(pk), _) => LinkedReport::Exam(pk),
        (None, Some(pk)) => LinkedReport::Lab(pk),
        (None, None) => return Err(Error::Damaged("qr_link")),
    };
    Ok(QrLink {
        id: row.text("id")?,
        report,
        expires_at: row.get("expires_at")?,
        revoked_at: row.get("revoked_at")?,
        failed: u32::try_from(row.int("failed")?).unwrap_or(u32::MAX),
    })
}
