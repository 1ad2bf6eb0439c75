//! Which reports are restricted (D-R22) when the words for it change, and how far the walk over stored reports has come.

use super::walks::{Walk, Walks};
use super::{Error, Index, Tx};
use crate::domain::sharing::Sharing;
use crate::params;

/// A walk over all exam reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restriction {
    /// Digest of the words that it brings in.
    pub words: String,
    /// The last row of `exam_report` that was looked at.
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

/// Notes how far a walk has come; a walk that another one has replaced is not noted.
pub async fn advance(tx: &mut Tx, walk: &Restriction) -> Result<bool, Error> {
    let Restriction { words, after_id, changed, finished_at } = walk.clone();
    WALKS.advance(tx, &Walk { goals: [words], counts: [changed], after_id, finished_at }).await
}

/// What decides about one report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confidential {
    /// The report's row.
    pub pk: i64,
    /// As it was registered.
    pub confidentiality: String,
    /// Whether it is restricted so far.
    pub restricted: bool,
}

/// Reports after a row, in the order of their rows.
pub async fn after(index: &Index, after_id: i64, limit: u32) -> Result<Vec<Confidential>, Error> {
    let sql = "SELECT id, COALESCE(confidentiality, '') AS confidentiality, restricted FROM exam_report \
               WHERE id > $1 ORDER BY id LIMIT $2";
    let rows = index.query(sql, params![after_id, limit]).await?;
    let of = |row: &super::Row| {
        let (pk, confidentiality) = (row.int("id")?, row.text("confidentiality")?);
        Ok(Confidential { pk, confidentiality, restricted: row.flag("restricted")? })
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
