//! Imported dictionaries (RD-26), and a number that changes whenever one of them does.

use super::{Error, Index, Tx};
use crate::domain::dictionary::{Entry, listed};
use crate::params;

/// Changes whenever a dictionary does.
pub async fn version(index: &Index) -> Result<i64, Error> {
    let row = index.query_opt("SELECT version FROM dictionary_version WHERE id = 1", Vec::new()).await?;
    row.map_or(Ok(0), |row| row.int("version"))
}

/// Names and entries, in the order in which they were imported.
pub async fn all(index: &Index) -> Result<Vec<(String, Entry)>, Error> {
    let sql = "SELECT dictionary, code, meaning, aliases FROM dictionary_entry ORDER BY dictionary, position, code";
    let rows = index.query(sql, Vec::new()).await?;
    rows.iter()
        .map(|row| {
            let aliases = listed(&row.text("aliases")?);
            Ok((row.text("dictionary")?, Entry { code: row.text("code")?, meaning: row.text("meaning")?, aliases }))
        })
        .collect()
}

/// Puts these entries in the place of all that the dictionary had; none removes it.
pub async fn replace(tx: &mut Tx, dictionary: &str, entries: &[Entry]) -> Result<(), Error> {
    tx.execute("DELETE FROM dictionary_entry WHERE dictionary = $1", params![dictionary]).await?;
    for (position, entry) in entries.iter().enumerate() {
        let sql = "INSERT INTO dictionary_entry (dictionary, code, meaning, aliases, position) \
                   VALUES ($1, $2, $3, $4, $5)";
        let position = i64::try_from(position).unwrap_or(i64::MAX);
        let values = params![dictionary, &entry.code, &entry.meaning, entry.aliases.join("\n"), position];
        tx.execute(sql, values).await?;
    }
    Ok(())
}

/// Says that dictionaries have changed.
pub async fn changed(tx: &mut Tx, now: i64) -> Result<(), Error> {
    let sql = "UPDATE dictionary_version SET version = version + 1, updated_at = $1 WHERE id = 1";
    tx.execute(sql, params![now]).await.map(|_| ())
}
