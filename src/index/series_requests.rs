//! The requests that series answer: items of Request Attributes Sequence (0040,0275).
//!
//! They are written with the series' row, from its first instance, and belong to it: they go when it goes.

use super::{Error, Tx};
use crate::params;

/// A request that a series answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeriesRequest {
    /// (0040,0009).
    pub step_id: String,
    /// (0040,1001).
    pub procedure_id: String,
}

/// Adds the requests of a series that has none.
pub async fn add(tx: &mut Tx, org_code: &str, series_pk: i64, requests: &[SeriesRequest]) -> Result<(), Error> {
    let sql = "INSERT INTO series_request (series_pk, item, org_code, step_id, procedure_id) \
               VALUES ($1, $2, $3, $4, $5) ON CONFLICT (series_pk, item) DO NOTHING";
    for (item, request) in (1_i64..).zip(requests) {
        tx.execute(sql, params![series_pk, item, org_code, &request.step_id, &request.procedure_id]).await?;
    }
    Ok(())
}

/// Gives a series these requests instead of those that it has; whether they differ.
pub async fn replace(tx: &mut Tx, org_code: &str, series_pk: i64, requests: &[SeriesRequest]) -> Result<bool, Error> {
    let find = "SELECT step_id, procedure_id FROM series_request WHERE series_pk = $1 ORDER BY item";
    let mut known = Vec::new();
    for row in tx.query(find, params![series_pk]).await? {
        known.push(SeriesRequest { step_id: row.text("step_id")?, procedure_id: row.text("procedure_id")? });
    }
    if known == requests {
        return Ok(false);
    }
    tx.execute("DELETE FROM series_request WHERE series_pk = $1", params![series_pk]).await?;
    add(tx, org_code, series_pk, requests).await?;
    Ok(true)
}
