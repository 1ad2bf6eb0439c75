//! Customers of the signed pages that are kept in the database, beside those of the configuration (D-T10).

use super::{Error, Index, Row, Tx};
use crate::params;

/// One customer; the secrets are encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerRow {
    /// GUID in lower case.
    pub guid: String,
    /// Its settings, JSON.
    pub settings: String,
    /// The secret.
    pub secret: Vec<u8>,
    /// The one before, while it is accepted.
    pub previous_secret: Option<Vec<u8>>,
    /// Whether it accepts user and password.
    pub has_legacy: bool,
    /// When it was added.
    pub created_at: i64,
    /// When its settings were last changed.
    pub updated_at: i64,
    /// When its secret was last changed.
    pub rotated_at: Option<i64>,
    /// When it was disabled, if it is.
    pub disabled_at: Option<i64>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT guid, settings, secret, previous_secret, has_legacy, created_at, updated_at, rotated_at, disabled_at ",
            "FROM customer",
            $rest
        )
    };
}

/// Adds a customer; false when the GUID is taken.
pub async fn insert(tx: &mut Tx, row: &CustomerRow) -> Result<bool, Error> {
    let sql = "INSERT INTO customer (guid, settings, secret, previous_secret, has_legacy, created_at, updated_at, \
               rotated_at, disabled_at) VALUES ($1, $2, $3, NULL, $4, $5, $5, NULL, NULL) ON CONFLICT (guid) DO NOTHING";
    let values = params![&row.guid, &row.settings, row.secret.clone(), row.has_legacy, row.created_at];
    Ok(tx.execute(sql, values).await? == 1)
}

/// The customer with this GUID in lower case, disabled or not.
pub async fn get(index: &Index, guid: &str) -> Result<Option<CustomerRow>, Error> {
    let sql = select!(" WHERE guid = $1");
    let row = index.query_opt(sql, params![guid]).await?;
    row.as_ref().map(row_from).transpose()
}

/// Those that accept user and password and are not disabled.
pub async fn with_legacy(index: &Index) -> Result<Vec<CustomerRow>, Error> {
    let sql = select!(" WHERE has_legacy = 1 AND disabled_at IS NULL ORDER BY guid");
    index.query(sql, params![]).await?.iter().map(row_from).collect()
}

/// All of them.
pub async fn list(index: &Index) -> Result<Vec<CustomerRow>, Error> {
    index.query(select!(" ORDER BY created_at, guid"), params![]).await?.iter().map(row_from).collect()
}

/// Changes the settings; false when there is no such customer.
pub async fn set_settings(tx: &mut Tx, guid: &str, settings: &str, has_legacy: bool, now: i64) -> Result<bool, Error> {
    let sql = "UPDATE customer SET settings = $1, has_legacy = $2, updated_at = $3 WHERE guid = $4";
    Ok(tx.execute(sql, params![settings, has_legacy, now, guid]).await? == 1)
}

/// Puts a new secret before the present one, which becomes the one before; false when there is no such customer.
pub async fn rotate(tx: &mut Tx, guid: &str, secret: Vec<u8>, now: i64) -> Result<bool, Error> {
    let sql = "UPDATE customer SET previous_secret = secret, secret = $1, rotated_at = $2 WHERE guid = $3";
    Ok(tx.execute(sql, params![secret, now, guid]).await? == 1)
}

/// Ends the secret before; false when there is no such customer.
pub async fn retire_previous(tx: &mut Tx, guid: &str) -> Result<bool, Error> {
    Ok(tx.execute("UPDATE customer SET previous_secret = NULL WHERE guid = $1", params![guid]).await? == 1)
}

/// Disables a customer, or lets it in again; false when there is no such customer.
pub async fn set_disabled(tx: &mut Tx, guid: &str, disabled_at: Option<i64>) -> Result<bool, Error> {
    let sql = "UPDATE customer SET disabled_at = $1 WHERE guid = $2";
    Ok(tx.execute(sql, params![disabled_at, guid]).await? == 1)
}

fn row_from(row: &Row) -> Result<CustomerRow, Error> {
    Ok(CustomerRow {
        guid: row.text("guid")?,
        settings: row.text("settings")?,
        secret: row.get("secret")?,
        previous_secret: row.get("previous_secret")?,
        has_legacy: row.flag("has_legacy")?,
        created_at: row.int("created_at")?,
        updated_at: row.int("updated_at")?,
        rotated_at: row.get("rotated_at")?,
        disabled_at: row.get("disabled_at")?,
    })
}
