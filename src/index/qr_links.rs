//! The opaque links behind printed QR codes, one for each exam report (D-I10).

use super::{Error, Index, Row, Select, Tx};
use crate::params;

/// One link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QrLink {
    /// 128 random bits in base32.
    pub id: String,
    /// The exam report it leads to.
    pub exam_report_pk: i64,
    /// When it ends, milliseconds since 1970 UTC; never when absent.
    pub expires_at: Option<i64>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<i64>,
}

/// Gives an exam report its link. One that is there stays as it is on paper, and lives at least until `expires_at`.
pub async fn keep(
    tx: &mut Tx,
    fresh_id: &str,
    exam_report_pk: i64,
    now: i64,
    expires_at: Option<i64>,
) -> Result<String, Error> {
    let sql = "INSERT INTO qr_link (id, exam_report_pk, created_at, expires_at, revoked_at) \
               VALUES ($1, $2, $3, $4, NULL) \
               ON CONFLICT (exam_report_pk) DO UPDATE SET expires_at = excluded.expires_at RETURNING id";
    let values = params![fresh_id, exam_report_pk, now, expires_at];
    tx.query_opt(sql, values).await?.ok_or(Error::Damaged("qr_link.id"))?.text("id")
}

/// The link with this id.
pub async fn get(index: &Index, id: &str) -> Result<Option<QrLink>, Error> {
    let sql = "SELECT id, exam_report_pk, expires_at, revoked_at FROM qr_link WHERE id = $1";
    index.query_opt(sql, params![id]).await?.as_ref().map(link_from).transpose()
}

/// The link of an exam report.
pub async fn of_exam(index: &Index, exam_report_pk: i64) -> Result<Option<QrLink>, Error> {
    let sql = "SELECT id, exam_report_pk, expires_at, revoked_at FROM qr_link WHERE exam_report_pk = $1";
    index.query_opt(sql, params![exam_report_pk]).await?.as_ref().map(link_from).transpose()
}

/// A link as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedLink {
    /// The link.
    pub link: QrLink,
    /// When it was made.
    pub created_at: i64,
    /// The organisation of its exam report.
    pub org_code: String,
    /// That report's number.
    pub report_form_no: String,
}

/// Links, the newest first: those that open at `open_at`, or all.
pub async fn list(index: &Index, open_at: Option<i64>, limit: u32) -> Result<Vec<ListedLink>, Error> {
    let mut select = Select::new(
        "SELECT q.id, q.exam_report_pk, q.created_at, q.expires_at, q.revoked_at, e.org_code, e.report_form_no \
         FROM qr_link q JOIN exam_report e ON e.id = q.exam_report_pk WHERE 1 = 1",
    );
    if let Some(now) = open_at {
        select.push(
            " AND q.revoked_at IS NULL AND (q.expires_at IS NULL OR q.expires_at > ?) AND e.withdrawn = 0",
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
pub async fn revoke(tx: &mut Tx, exam_report_pk: i64, now: i64) -> Result<bool, Error> {
    let sql = "UPDATE qr_link SET revoked_at = $1 WHERE exam_report_pk = $2 AND revoked_at IS NULL";
    Ok(tx.execute(sql, params![now, exam_report_pk]).await? == 1)
}

fn link_from(row: &Row) -> Result<QrLink, Error> {
    Ok(QrLink {
        id: row.text("id")?,
        exam_report_pk: row.int("exam_report_pk")?,
        expires_at: row.get("expires_at")?,
        revoked_at: row.get("revoked_at")?,
    })
}
