//! Which reports are restricted (D-R22) when the words for it change, and how far the walk over stored reports has come.
//!
//! It walks over registrations in the order in which they came: each has an id of its own, that of the report when it
//! was new and that of the former version when it was replaced. So a walk can go on later with what has come since.

use super::walks::{Walk, Walks};
use super::{Error, Index, Tx};
use crate::domain::sharing::Sharing;
use crate::params;

/// A walk over all registrations of exam reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restriction {
    /// Digest of the words that it brings in.
    pub words: String,
    /// The last registration that was looked at.
    pub after_id: i64,
    /// Reports that are shared with others than before.
    pub changed: i64,
    /// When it ended, milliseconds since 1970 UTC.
    pub finished_at: Option<i64>,
}

const WALKS: Walks<1, 1> = Walks { table: "restriction", goals: ["words"], counts: ["changed"] };

/// The newest walk.
pub async fn get(index: &Index) -> Result<Option<Restriction>, Error> {
    let of = |walk: Walk<1, 1>| {
        let Walk { goals: [words], counts: [changed], after_id, finished_at } = walk;
        Restriction { words, after_id, changed, finished_at }
    };
    Ok(WALKS.get(index).await?.map(of))
}

/// Begins a walk in the place of the one before; with `finished_at` there is nothing to do, only to remember the words.
pub async fn begin(tx: &mut Tx, words: &str, now: i64, finished_at: Option<i64>) -> Result<(), Error> {
    WALKS.begin(tx, [words], now, finished_at).await
}

/// Has a walk for these words go on, or go on again, from `back` before the place where it is; `false` when there is
/// none.
pub async fn resume(tx: &mut Tx, words: &str, back: i64, now: i64) -> Result<bool, Error> {
    let sql = "UPDATE restriction SET after_id = CASE WHEN after_id > $1 THEN after_id - $1 ELSE 0 END, changed = 0, \
               started_at = $2, finished_at = NULL WHERE id = 1 AND words = $3";
    Ok(tx.execute(sql, params![back, now, words]).await? == 1)
}

/// Notes how far a walk has come that was at `from`; one that is elsewhere by now, or was replaced, is not noted.
pub async fn advance(tx: &mut Tx, walk: &Restriction, from: i64) -> Result<bool, Error> {
    let Restriction { words, after_id, changed, finished_at } = walk.clone();
    WALKS.advance(tx, &Walk { goals: [words], counts: [changed], after_id, finished_at }, from).await
}

/// What decides about one report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confidential {
    /// Which registration it is.
    pub registration: i64,
    /// The report's row.
    pub pk: i64,
    /// As it was registered last.
    pub confidentiality: String,
    /// Whether it is restricted so far.
    pub restricted: bool,
}

/// What was registered after a registration, in its order, each as its report is now.
pub async fn after(index: &Index, after_id: i64, limit: u32) -> Result<Vec<Confidential>, Error> {
    // Each part has its own end: of both together PostgreSQL would sort everything that is left, for each of the walk's steps.
    let sql = "SELECT w.registration, w.report_pk, COALESCE(e.confidentiality, '') AS confidentiality, \
               COALESCE(e.restricted, 0) AS restricted FROM (\
               SELECT * FROM (SELECT id AS registration, id AS report_pk FROM exam_report WHERE id > $1 \
               ORDER BY id LIMIT $2) r UNION ALL \
               SELECT * FROM (SELECT id AS registration, report_pk FROM report_version WHERE id > $3 AND kind = 'exam' \
               ORDER BY id LIMIT $4) v ORDER BY registration LIMIT $5) w LEFT JOIN exam_report e ON e.id = w.report_pk \
               ORDER BY w.registration";
    let rows = index.query(sql, params![after_id, limit, after_id, limit, limit]).await?;
    let of = |row: &super::Row| {
        let (registration, pk, confidentiality) =
            (row.int("registration")?, row.int("report_pk")?, row.text("confidentiality")?);
        Ok(Confidential { registration, pk, confidentiality, restricted: row.flag("restricted")? })
    };
    rows.iter().map(of).collect()
}

/// Restricts a report, or no longer, and gives its organisation and with whom it is shared from now on. `None` when another
/// confidentiality was registered meanwhile, which was looked at then.
pub async fn set(tx: &mut Tx, report: &Confidential, restricted: bool) -> Result<Option<(String, Sharing)>, Error> {
    let sql = "UPDATE exam_report SET restricted = $1 WHERE id = $2 AND COALESCE(confidentiality, '') = $3 \
               RETURNING org_code, vip, withdrawn, reviewed, \
               CAST(CASE WHEN state IS NULL AND checked_status IS NULL AND authenticator_dtime IS NULL \
               THEN 1 ELSE 0 END AS BIGINT) AS silent";
    let Some(row) = tx.query_opt(sql, params![restricted, report.pk, &report.confidentiality]).await? else {
        return Ok(None);
    };
    let is_final = row.flag("reviewed")? || row.flag("silent")?;
    let sharing = Sharing::of(is_final, row.flag("vip")? || restricted, row.flag("withdrawn")?);
    Ok(Some((row.text("org_code")?, sharing)))
}
