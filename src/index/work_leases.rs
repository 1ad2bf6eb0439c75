//! Work that only one process of all may do at a time, e.g. a watched folder.
//!
//! A holder renews its lease while it works; a lease that ran out belongs to a dead process and can be taken. A clock
//! that is wrong makes two processes work for a while: what they do must bear that.

use super::{Error, Index, Tx};
use crate::params;

/// Takes or keeps a lease until `until`; `false` when another holder has it.
pub async fn hold(index: &Index, name: &str, holder: &str, now: i64, until: i64) -> Result<bool, Error> {
    let (name, holder) = (name.to_owned(), holder.to_owned());
    // Waiting for another holder costs a read, not a turn of the writer.
    let held = "SELECT holder FROM work_lease WHERE name = $1 AND lease_until > $2";
    if let Some(row) = index.query_opt(held, params![&name, now]).await?
        && row.text("holder")? != holder
    {
        return Ok(false);
    }
    index
        .write(move |tx| {
            Box::pin(async move {
                let sql = "INSERT INTO work_lease (name, holder, lease_until) VALUES ($1, $2, $3) \
                           ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, \
                           lease_until = excluded.lease_until \
                           WHERE work_lease.holder = $4 OR work_lease.lease_until <= $5";
                Ok(tx.execute(sql, params![&name, &holder, until, &holder, now]).await? == 1)
            })
        })
        .await
}

/// Whether anybody holds a lease whose name begins so.
pub async fn is_any_held(tx: &mut Tx, beginning: &str, now: i64) -> Result<bool, Error> {
    let sql = "SELECT name FROM work_lease WHERE name LIKE $1 AND lease_until > $2 LIMIT 1";
    Ok(tx.query_opt(sql, params![format!("{beginning}%"), now]).await?.is_some())
}

/// Gives a lease back, if it is still the holder's.
pub async fn release(index: &Index, name: &str, holder: &str) -> Result<(), Error> {
    let (name, holder) = (name.to_owned(), holder.to_owned());
    index
        .write(move |tx| {
            Box::pin(async move {
                let sql = "DELETE FROM work_lease WHERE name = $1 AND holder = $2";
                tx.execute(sql, params![name, holder]).await.map(|_| ())
            })
        })
        .await
}
