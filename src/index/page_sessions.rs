//! Sessions that signed links open, and the tokens that have been used (D-T8, D-T11).
//!
//! A session's id is known to the browser only; the table keeps its SHA-256.

use super::{Error, Index, Tx};
use crate::params;

/// One session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageSession {
    /// SHA-256 of the id, hex.
    pub id_hash: String,
    /// The customer, `""` for a visitor with a printed code.
    pub customer_guid: String,
    /// The user in the customer's system.
    pub user_id: String,
    /// The user's name, for display.
    pub user_name: String,
    /// The user's organisation, as the link said.
    pub user_organization_id: String,
    /// Its name, for display.
    pub user_organization_name: String,
    /// What may be seen, JSON.
    pub scope: String,
    /// What the query form asks for, JSON; `""` when nothing.
    pub search: String,
    /// `zh`, `en`, or `""`: as the browser prefers.
    pub language: String,
    /// When it was opened.
    pub created_at: i64,
    /// When it was last used, to the minute.
    pub last_seen_at: i64,
    /// When it ends at the latest.
    pub expires_at: i64,
}

/// Adds a session and removes those that have ended.
pub async fn insert(tx: &mut Tx, session: &PageSession) -> Result<(), Error> {
    tx.execute("DELETE FROM page_session WHERE expires_at < $1", params![session.created_at]).await?;
    let sql = "INSERT INTO page_session (id_hash, customer_guid, user_id, user_name, user_organization_id, \
               user_organization_name, scope, search, language, created_at, last_seen_at, expires_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    let values = params![
        &session.id_hash,
        &session.customer_guid,
        &session.user_id,
        &session.user_name,
        &session.user_organization_id,
        &session.user_organization_name,
        &session.scope,
        &session.search,
        &session.language,
        session.created_at,
        session.last_seen_at,
        session.expires_at,
    ];
    tx.execute(sql, values).await.map(|_| ())
}

/// What the database knows of the customer that a session belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptCustomer {
    /// It is not kept in the database.
    None,
    /// It may open pages.
    Enabled,
    /// It may not any more.
    Disabled,
}

/// The session with this hash, also when it has ended, and its customer.
pub async fn get(index: &Index, id_hash: &str) -> Result<Option<(PageSession, KeptCustomer)>, Error> {
    let sql = "SELECT s.id_hash, s.customer_guid, s.user_id, s.user_name, s.user_organization_id, \
               s.user_organization_name, s.scope, s.search, s.language, s.created_at, s.last_seen_at, s.expires_at, \
               CAST(CASE WHEN c.guid IS NULL THEN 0 WHEN c.disabled_at IS NULL THEN 1 ELSE 2 END AS BIGINT) AS kept \
               FROM page_session s LEFT JOIN customer c ON c.guid = s.customer_guid WHERE s.id_hash = $1";
    let Some(row) = index.query_opt(sql, params![id_hash]).await? else { return Ok(None) };
    let kept = match row.int("kept")? {
        0 => KeptCustomer::None,
        1 => KeptCustomer::Enabled,
        _ => KeptCustomer::Disabled,
    };
    let session = PageSession {
        id_hash: row.text("id_hash")?,
        customer_guid: row.text("customer_guid")?,
        user_id: row.text("user_id")?,
        user_name: row.text("user_name")?,
        user_organization_id: row.text("user_organization_id")?,
        user_organization_name: row.text("user_organization_name")?,
        scope: row.text("scope")?,
        search: row.text("search")?,
        language: row.text("language")?,
        created_at: row.int("created_at")?,
        last_seen_at: row.int("last_seen_at")?,
        expires_at: row.int("expires_at")?,
    };
    Ok(Some((session, kept)))
}

/// Notes that the session was used.
pub async fn touch(tx: &mut Tx, id_hash: &str, now: i64) -> Result<(), Error> {
    tx.execute("UPDATE page_session SET last_seen_at = $1 WHERE id_hash = $2", params![now, id_hash]).await.map(|_| ())
}

/// Keeps the language that the user chose.
pub async fn set_language(tx: &mut Tx, id_hash: &str, language: &str) -> Result<(), Error> {
    tx.execute("UPDATE page_session SET language = $1 WHERE id_hash = $2", params![language, id_hash]).await.map(|_| ())
}

/// Keeps what the query form asks for, JSON; `""` forgets it.
pub async fn set_search(tx: &mut Tx, id_hash: &str, search: &str) -> Result<(), Error> {
    tx.execute("UPDATE page_session SET search = $1 WHERE id_hash = $2", params![search, id_hash]).await.map(|_| ())
}

/// Notes that a token was used; false when it had been used before. Forgets those used before `forget_before`.
pub async fn use_token(
    tx: &mut Tx,
    customer_guid: &str,
    token_hash: &str,
    now: i64,
    forget_before: i64,
) -> Result<bool, Error> {
    let sql = "DELETE FROM token_use WHERE customer_guid = $1 AND used_at < $2";
    tx.execute(sql, params![customer_guid, forget_before]).await?;
    let sql = "INSERT INTO token_use (customer_guid, token_hash, used_at) VALUES ($1, $2, $3) \
               ON CONFLICT (customer_guid, token_hash) DO NOTHING";
    Ok(tx.execute(sql, params![customer_guid, token_hash, now]).await? == 1)
}
