//! The requests that series answer: items of Request Attributes Sequence (0040,0275).
//!
//! They are written with the series' row, from its first instance, belong to it and go when it goes. A later instance adds
//! what it alone says: one acquisition for several orders may say so slice by slice.

use super::{Error, Tx};
use crate::params;

/// Requests of one series; what comes beyond is left.
const MOST: usize = 128;

/// A request that a series answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct SeriesRequest {
    /// (0040,0009).
    pub step_id: String,
    /// (0040,1001).
    pub procedure_id: String,
    /// (0040,2016).
    pub placer_order: String,
    /// (0040,2017).
    pub filler_order: String,
}

/// Adds the requests of a series that has none.
pub async fn add(tx: &mut Tx, org_code: &str, series_pk: i64, requests: &[SeriesRequest]) -> Result<(), Error> {
    add_behind(tx, org_code, series_pk, 0, requests).await
}

async fn add_behind(
    tx: &mut Tx,
    org_code: &str,
    series_pk: i64,
    last: usize,
    requests: &[SeriesRequest],
) -> Result<(), Error> {
    let sql = "INSERT INTO series_request (series_pk, item, org_code, step_id, procedure_id, placer_order, filler_order) \
               VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (series_pk, item) DO NOTHING";
    for (item, request) in (last as i64 + 1..).zip(requests.iter().take(MOST.saturating_sub(last))) {
        let SeriesRequest { step_id, procedure_id, placer_order, filler_order } = request;
        tx.execute(sql, params![series_pk, item, org_code, step_id, procedure_id, placer_order, filler_order]).await?;
    }
    Ok(())
}

/// Adds what a later instance says and the series does not have.
pub async fn add_missing(tx: &mut Tx, org_code: &str, series_pk: i64, requests: &[SeriesRequest]) -> Result<(), Error> {
    if missing(&known(tx, series_pk).await?, requests).is_empty() {
        return Ok(());
    }
    // Changing the row locks it, so that two instances do not add under the same number.
    tx.execute("UPDATE series SET updated_at = updated_at WHERE id = $1", params![series_pk]).await?;
    let known = known(tx, series_pk).await?;
    add_behind(tx, org_code, series_pk, known.len(), &missing(&known, requests)).await
}

fn missing(known: &[SeriesRequest], requests: &[SeriesRequest]) -> Vec<SeriesRequest> {
    requests.iter().filter(|request| !known.contains(request)).cloned().collect()
}

async fn known(tx: &mut Tx, series_pk: i64) -> Result<Vec<SeriesRequest>, Error> {
    let find = "SELECT step_id, procedure_id, placer_order, filler_order FROM series_request WHERE series_pk = $1 \
                ORDER BY item";
    let mut known = Vec::new();
    for row in tx.query(find, params![series_pk]).await? {
        known.push(SeriesRequest {
            step_id: row.text("step_id")?,
            procedure_id: row.text("procedure_id")?,
            placer_order: row.text("placer_order")?,
            filler_order: row.text("filler_order")?,
        });
    }
    Ok(known)
}

/// Gives a series these requests of its first instance, read again, instead of those that it has from there, which are its
/// first ones; whether they differ. What later instances have added stays.
pub async fn replace(tx: &mut Tx, org_code: &str, series_pk: i64, requests: &[SeriesRequest]) -> Result<bool, Error> {
    let known = known(tx, series_pk).await?;
    if missing(&known, requests).is_empty() {
        return Ok(false);
    }
    let added = missing(requests, known.get(requests.len()..).unwrap_or_default());
    tx.execute("DELETE FROM series_request WHERE series_pk = $1", params![series_pk]).await?;
    add(tx, org_code, series_pk, &[requests, &added].concat()).await?;
    Ok(true)
}
