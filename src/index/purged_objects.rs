//! Objects that a purge has taken out of their rows and that storage is still to forget: what a crash between the two
//! leaves to be done.

use super::{Error, Index, Tx};
use crate::domain::place::Place;
use crate::params;

/// Notes, in the transaction that takes it out of its row, that an object is to be forgotten.
pub async fn add(tx: &mut Tx, now: i64, place: &Place) -> Result<(), Error> {
    let sql = "INSERT INTO purged_object (object_key, object_offset, object_length, purged_at) \
               VALUES ($1, $2, $3, $4) ON CONFLICT (object_key, object_offset) DO NOTHING";
    tx.execute(sql, params![&place.key, place.offset as i64, place.length as i64, now]).await.map(|_| ())
}

/// At most `limit` of them that come after a place, in the order of places.
pub async fn after(index: &Index, last: Option<&Place>, limit: u32) -> Result<Vec<Place>, Error> {
    let (key, offset) = last.map_or(("", -1), |place| (place.key.as_str(), place.offset as i64));
    let sql = "SELECT object_key, object_offset, object_length FROM purged_object WHERE object_key > $1 \
               OR (object_key = $2 AND object_offset > $3) ORDER BY object_key, object_offset LIMIT $4";
    let rows = index.query(sql, params![key, key, offset, limit]).await?;
    let size = |value: i64| u64::try_from(value).map_err(|_| Error::Damaged("purged_object"));
    rows.iter()
        .map(|row| {
            let (offset, length) = (size(row.int("object_offset")?)?, size(row.int("object_length")?)?);
            Ok(Place { key: row.text("object_key")?, offset, length })
        })
        .collect()
}

/// Storage has forgotten an object.
pub async fn gone(tx: &mut Tx, place: &Place) -> Result<(), Error> {
    let sql = "DELETE FROM purged_object WHERE object_key = $1 AND object_offset = $2";
    tx.execute(sql, params![&place.key, place.offset as i64]).await.map(|_| ())
}
