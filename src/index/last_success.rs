//! When each neighbour last succeeded, by interface (D-X12); written from time to time, not with each success.

use super::{Error, Index, Tx};
use crate::params;

/// One neighbour at one interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastSuccess {
    /// What it did, e.g. `ArchiveAutoReport`.
    pub interface: String,
    /// Who it is.
    pub neighbour: String,
    /// When.
    pub at: i64,
}

/// Everything that is known.
pub async fn all(index: &Index) -> Result<Vec<LastSuccess>, Error> {
    let rows = index.query("SELECT interface, neighbour, at FROM last_success", Vec::new()).await?;
    rows.iter()
        .map(|row| {
            Ok(LastSuccess { interface: row.text("interface")?, neighbour: row.text("neighbour")?, at: row.int("at")? })
        })
        .collect()
}

/// Notes a success; an earlier one than the kept one changes nothing.
pub async fn keep(tx: &mut Tx, success: &LastSuccess) -> Result<(), Error> {
    let sql = "INSERT INTO last_success (interface, neighbour, at) VALUES ($1, $2, $3) \
               ON CONFLICT (interface, neighbour) DO UPDATE SET at = excluded.at WHERE last_success.at < excluded.at";
    tx.execute(sql, params![&success.interface, &success.neighbour, success.at]).await.map(|_| ())
}
