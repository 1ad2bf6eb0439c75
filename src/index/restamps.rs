//! How far stamping anew has come: one row for the newest walk.

use super::walks::{Walk, Walks};
use super::{Error, Index, Tx};

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

const WALKS: Walks<2, 2> = Walks { table: "restamp", goals: ["policy", "org_code"], counts: ["stamped", "failed"] };

/// The newest walk.
pub async fn get(index: &Index) -> Result<Option<Restamp>, Error> {
    let of = |walk: Walk<2, 2>| {
        let Walk { goals: [policy, org_code], counts: [stamped, failed], after_id, finished_at } = walk;
        Restamp { policy, org_code, after_id, stamped, failed, finished_at }
    };
    Ok(WALKS.get(index).await?.map(of))
}

/// Begins a walk in the place of the one before; with `finished_at` there is nothing to do, only to remember the policy.
pub async fn begin(tx: &mut Tx, policy: &str, org_code: &str, now: i64, finished_at: Option<i64>) -> Result<(), Error> {
    WALKS.begin(tx, [policy, org_code], now, finished_at).await
}

/// Notes how far a walk has come that was at `from`; one that is elsewhere by now, or was replaced, is not noted.
pub async fn advance(tx: &mut Tx, walk: &Restamp, from: i64) -> Result<bool, Error> {
    let Restamp { policy, org_code, after_id, stamped, failed, finished_at } = walk.clone();
    let (goals, counts) = ([policy, org_code], [stamped, failed]);
    WALKS.advance(tx, &Walk { goals, counts, after_id, finished_at }, from).await
}
