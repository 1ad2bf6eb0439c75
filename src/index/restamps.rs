//! How far stamping anew has come: one row for the newest walk.

use super::{Error, Index, Tx};
use crate::params;

/// A walk over all current report files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restamp {
    /// Digest of all policies that it brings in.
    pub policy: String,
    /// The organisation it is for; `""` for all.
    pub org_code: String,
    /// The last row of `report_file` that was looked at.
    pub after_id: i64,
    /// Files that got another copy.
    pub stamped: i64,
    /// Files that could not be read or written.
    pub failed: i64,
    /// When it ended, milliseconds since 1970 UTC.
    pub finished_at: Option<i64>,
}

/// The newest walk.
pub async fn get(index: &Index) -> Result<Option<Restamp>, Error> {
    let sql = "SELECT policy, org_code, after_id, stamped, failed, finished_at FROM restamp WHERE id = 1";
    let Some(row) = index.query_opt(sql, params![]).await? else { return Ok(None) };
    Ok(Some(Restamp {
        policy: row.text("policy")?,
        org_code: row.text("org_code")?,
        after_id: row.int("after_id")?,
        stamped: row.int("stamped")?,
        failed: row.int("failed")?,
        finished_at: row.get("finished_at")?,
    }))
}

/// Begins a walk in the place of the one before; with `finished_at` there is nothing to do, only to remember the policy.
pub async fn begin(tx: &mut Tx, policy: &str, org_code: &str, now: i64, finished_at: Option<i64>) -> Result<(), Error> {
    let sql = "INSERT INTO restamp (id, policy, org_code, after_id, stamped, failed, started_at, finished_at) \
               VALUES (1, $1, $2, 0, 0, 0, $3, $4) \
               ON CONFLICT (id) DO UPDATE SET policy = excluded.policy, org_code = excluded.org_code, after_id = 0, \
               stamped = 0, failed = 0, started_at = excluded.started_at, finished_at = excluded.finished_at";
    tx.execute(sql, params![policy, org_code, now, finished_at]).await.map(|_| ())
}

/// Notes how far a walk has come; a walk that another one has replaced is not noted.
pub async fn advance(tx: &mut Tx, walk: &Restamp) -> Result<bool, Error> {
    let sql = "UPDATE restamp SET after_id = $1, stamped = $2, failed = $3, finished_at = $4 \
               WHERE id = 1 AND policy = $5 AND org_code = $6 AND after_id <= $7";
    let values = params![
        walk.after_id,
        walk.stamped,
        walk.failed,
        walk.finished_at,
        &walk.policy,
        &walk.org_code,
        walk.after_id
    ];
    Ok(tx.execute(sql, values).await? == 1)
}
