//! Inbound messages as they came, with what was answered (D-X2).

use super::{Error, Index, Tx};
use crate::params;

/// A message as it came.
#[derive(Debug, Clone)]
pub struct InboxMessage {
    /// Service and method, e.g. `IAutoReport/ArchiveAutoReport`.
    pub channel: String,
    /// Who sent it, empty when nobody known.
    pub sender: String,
    /// Address of the connection.
    pub remote_addr: String,
    /// Content-Type of the request.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
    /// SHA-256 of the body, hex.
    pub content_hash: String,
}

/// Keeps a message. `result` is given when it has been dealt with already.
pub async fn insert(
    tx: &mut Tx,
    id: i64,
    now: i64,
    message: InboxMessage,
    result: Option<String>,
) -> Result<(), Error> {
    let sql = "INSERT INTO inbox_message (id, channel, sender, remote_addr, content_type, body, content_hash, \
               received_at, result, finished_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let finished = result.as_ref().map(|_| now);
    let InboxMessage { channel, sender, remote_addr, content_type, body, content_hash } = message;
    let values = params![id, channel, sender, remote_addr, content_type, body, content_hash, now, result, finished];
    tx.execute(sql, values).await.map(|_| ())
}

/// Notes what became of a message.
pub async fn finish(tx: &mut Tx, id: i64, now: i64, result: &str) -> Result<(), Error> {
    let sql = "UPDATE inbox_message SET result = $1, finished_at = $2 WHERE id = $3";
    tx.execute(sql, params![result, now, id]).await.map(|_| ())
}

/// A kept message's body and result, for disputes and replays.
pub async fn get(index: &Index, id: i64) -> Result<Option<(Vec<u8>, Option<String>)>, Error> {
    let row = index.query_opt("SELECT body, result FROM inbox_message WHERE id = $1", params![id]).await?;
    row.map(|row| Ok((row.get("body")?, row.get("result")?))).transpose()
}
