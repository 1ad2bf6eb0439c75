//! How far the scrub has come, and what it has found.

use super::places::Cursor;
use super::{Error, Index, Tx};
use crate::params;

/// A pass over all objects, finished or under way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScrubState {
    /// The last place that was read.
    pub cursor: Cursor,
    /// When the pass began.
    pub started_at: i64,
    /// When it ended; nothing while it is under way.
    pub finished_at: Option<i64>,
    /// Objects read in it.
    pub checked: i64,
    /// Their bytes.
    pub bytes: i64,
    /// Those that were not as acknowledged.
    pub damaged: i64,
}

/// One object that is not as it was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The row, e.g. `instance:17`.
    pub subject: String,
    /// The object's key.
    pub key: String,
    /// Where in it.
    pub offset: i64,
    /// missing, short, changed
    pub fault: String,
    /// When it was found first.
    pub found_at: i64,
}

/// The last pass, if there was one.
pub async fn state(index: &Index) -> Result<Option<ScrubState>, Error> {
    let sql =
        "SELECT object_key, object_offset, started_at, finished_at, checked, bytes, damaged FROM scrub WHERE id = 1";
    let Some(row) = index.query_opt(sql, Vec::new()).await? else { return Ok(None) };
    Ok(Some(ScrubState {
        cursor: Cursor { key: row.text("object_key")?, offset: row.int("object_offset")? },
        started_at: row.int("started_at")?,
        finished_at: row.get("finished_at")?,
        checked: row.int("checked")?,
        bytes: row.int("bytes")?,
        damaged: row.int("damaged")?,
    }))
}

/// Keeps how far the pass has come.
pub async fn keep(tx: &mut Tx, now: i64, state: &ScrubState) -> Result<(), Error> {
    let sql = "INSERT INTO scrub (id, object_key, object_offset, started_at, finished_at, checked, bytes, damaged, \
               updated_at) VALUES (1, $1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE SET \
               object_key = excluded.object_key, object_offset = excluded.object_offset, \
               started_at = excluded.started_at, finished_at = excluded.finished_at, checked = excluded.checked, \
               bytes = excluded.bytes, damaged = excluded.damaged, updated_at = excluded.updated_at";
    let values = params![
        &state.cursor.key,
        state.cursor.offset,
        state.started_at,
        state.finished_at,
        state.checked,
        state.bytes,
        state.damaged,
        now,
    ];
    tx.execute(sql, values).await.map(|_| ())
}

/// Marks an object as damaged.
pub async fn mark(tx: &mut Tx, now: i64, damage: &Damage) -> Result<(), Error> {
    let sql = "INSERT INTO object_damage (subject, object_key, object_offset, fault, found_at, seen_at) \
               VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (subject) DO UPDATE SET object_key = excluded.object_key, \
               object_offset = excluded.object_offset, fault = excluded.fault, seen_at = excluded.seen_at";
    let values = params![&damage.subject, &damage.key, damage.offset, &damage.fault, damage.found_at, now];
    tx.execute(sql, values).await.map(|_| ())
}

/// Takes a mark away: the object is as it was acknowledged again.
pub async fn clear(tx: &mut Tx, subject: &str) -> Result<(), Error> {
    tx.execute("DELETE FROM object_damage WHERE subject = $1", params![subject]).await.map(|_| ())
}

/// The objects that are marked, those found first first.
pub async fn damages(index: &Index, limit: u32) -> Result<Vec<Damage>, Error> {
    let sql = "SELECT subject, object_key, object_offset, fault, found_at FROM object_damage \
               ORDER BY found_at, subject LIMIT $1";
    let rows = index.query(sql, params![i64::from(limit)]).await?;
    rows.iter()
        .map(|row| {
            Ok(Damage {
                subject: row.text("subject")?,
                key: row.text("object_key")?,
                offset: row.int("object_offset")?,
                fault: row.text("fault")?,
                found_at: row.int("found_at")?,
            })
        })
        .collect()
}

/// How many objects are marked.
pub async fn damage_count(index: &Index) -> Result<i64, Error> {
    let row = index.query_opt("SELECT COUNT(*) AS n FROM object_damage", Vec::new()).await?;
    row.ok_or(Error::Damaged("object_damage"))?.int("n")
}
