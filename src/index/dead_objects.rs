//! Objects in segments that are known to be dead, and the moving of those that live.
//!
//! Only what is written here counts as dead: a record without a row may belong to rows that a restored database has lost.

use std::collections::HashSet;

use super::{Error, Index, Tx};
use crate::domain::place::Place;
use crate::params;

/// Notes, in the transaction that deletes its row, that an object is dead.
pub async fn bury(tx: &mut Tx, now: i64, place: &Place) -> Result<(), Error> {
    let sql = "INSERT INTO dead_object (object_key, object_offset, object_length, died_at) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (object_key, object_offset) DO NOTHING";
    tx.execute(sql, params![&place.key, place.offset as i64, place.length as i64, now]).await.map(|_| ())
}

/// Bytes that are dead, by object key; without segments that have been left behind already. What a tar file needs around an
/// object counts too.
pub async fn dead_bytes(index: &Index) -> Result<Vec<(String, u64)>, Error> {
    let sql = "SELECT object_key, CAST(SUM(512 + (object_length + 511) / 512 * 512) AS BIGINT) AS dead FROM dead_object \
               WHERE NOT EXISTS (SELECT 1 FROM retired_segment r WHERE r.object_key = dead_object.object_key) \
               GROUP BY object_key ORDER BY object_key";
    let rows = index.query(sql, Vec::new()).await?;
    rows.iter().map(|row| Ok((row.text("object_key")?, row.int("dead")? as u64))).collect()
}

/// Offsets of what is dead under a key.
pub async fn dead_in(index: &Index, key: &str) -> Result<HashSet<u64>, Error> {
    let rows = index.query("SELECT object_offset FROM dead_object WHERE object_key = $1", params![key]).await?;
    rows.iter().map(|row| Ok(row.int("object_offset")? as u64)).collect()
}

/// What became of an object that was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repointed {
    /// Its row names the copy.
    Moved,
    /// No row names it; it may belong to one that a restored database has lost.
    Unnamed,
    /// It has died meanwhile.
    Died,
}

/// Points the row of an object to where it has been copied.
pub async fn repoint(tx: &mut Tx, old: &Place, new: &Place) -> Result<Repointed, Error> {
    let mut moved = 0;
    for sql in [
        "UPDATE instance SET object_key = $1, object_offset = $2 WHERE object_key = $3 AND object_offset = $4",
        "UPDATE instance_version SET object_key = $1, object_offset = $2 WHERE object_key = $3 AND object_offset = $4",
    ] {
        moved += tx.execute(sql, params![&new.key, new.offset as i64, &old.key, old.offset as i64]).await?;
    }
    if moved > 0 {
        return Ok(Repointed::Moved);
    }
    let sql = "SELECT died_at FROM dead_object WHERE object_key = $1 AND object_offset = $2";
    let has_died = tx.query_opt(sql, params![&old.key, old.offset as i64]).await?.is_some();
    Ok(if has_died { Repointed::Died } else { Repointed::Unnamed })
}

/// Notes that nothing in a segment is needed any more; whoever reads from it still may for a while.
pub async fn retire(tx: &mut Tx, now: i64, key: &str) -> Result<(), Error> {
    let sql =
        "INSERT INTO retired_segment (object_key, retired_at) VALUES ($1, $2) ON CONFLICT (object_key) DO NOTHING";
    tx.execute(sql, params![key, now]).await.map(|_| ())
}

/// Segments that were retired before a time.
pub async fn retired(index: &Index, before: i64) -> Result<Vec<String>, Error> {
    let sql = "SELECT object_key FROM retired_segment WHERE retired_at <= $1 ORDER BY object_key";
    index.query(sql, params![before]).await?.iter().map(|row| row.text("object_key")).collect()
}

/// Forgets what was noted about an object that is gone from the store.
pub async fn gone(tx: &mut Tx, key: &str) -> Result<(), Error> {
    tx.execute("DELETE FROM dead_object WHERE object_key = $1", params![key]).await?;
    tx.execute("DELETE FROM retired_segment WHERE object_key = $1", params![key]).await.map(|_| ())
}
