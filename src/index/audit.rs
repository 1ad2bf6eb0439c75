//! Who did what to which data (RD-21, RD-28). Rows are only ever added, and forgotten when their time is over.

use serde_json::Value as Json;

use super::{Error, Index, Select, Tx};
use crate::domain::Actor;
use crate::params;

/// One entry of the audit trail.
#[derive(Debug, Clone)]
pub struct AuditRecord {
    /// The use case, e.g. `view_exam`.
    pub action: &'static str,
    /// Who asked.
    pub actor: Actor,
    /// Organisation whose data it was about, empty when several or none.
    pub org_code: String,
    /// What it was about, e.g. `study:42`; ids of ours, never of a patient.
    pub target: String,
    /// How it ended, e.g. `ok`, `denied`.
    pub outcome: &'static str,
    /// More, without patient data.
    pub detail: Json,
}

/// Adds an entry in the transaction of what it is about.
pub async fn record(tx: &mut Tx, id: i64, now: i64, entry: &AuditRecord) -> Result<(), Error> {
    let sql = "INSERT INTO audit (id, at, action, actor_kind, actor, user_id, remote_addr, org_code, target, outcome, \
               detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    let actor = &entry.actor;
    let values = params![
        id,
        now,
        entry.action,
        actor.kind.as_str(),
        &actor.name,
        &actor.user_id,
        &actor.remote_addr,
        &entry.org_code,
        &entry.target,
        entry.outcome,
        entry.detail.to_string(),
    ];
    tx.post(sql, values).await
}

/// Whether there are entries from before a moment.
pub async fn is_any_before(index: &Index, before: i64) -> Result<bool, Error> {
    Ok(index.query_opt("SELECT id FROM audit WHERE at < $1 LIMIT 1", params![before]).await?.is_some())
}

/// Forgets the oldest entries from before a moment; gives how many there were.
pub async fn forget(tx: &mut Tx, before: i64, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < $1 ORDER BY at LIMIT $2)";
    tx.execute(sql, params![before, i64::from(limit)]).await
}

/// Which entries are asked for; what is absent narrows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditSearch {
    /// At this time or later, milliseconds since 1970 UTC.
    pub since: Option<i64>,
    /// Before this time.
    pub until: Option<i64>,
    /// The use case.
    pub action: Option<String>,
    /// The name of who asked, or the user in whose name a customer did.
    pub actor: Option<String>,
    /// The organisation.
    pub org_code: Option<String>,
    /// What it was about.
    pub target: Option<String>,
    /// How it ended.
    pub outcome: Option<String>,
}

/// An entry as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAudit {
    /// Its id; ids grow with time.
    pub id: i64,
    /// When, milliseconds since 1970 UTC.
    pub at: i64,
    /// The use case.
    pub action: String,
    /// What kind of actor asked.
    pub actor_kind: String,
    /// Its name.
    pub actor: String,
    /// The user in whose name it asked.
    pub user_id: String,
    /// From where.
    pub remote_addr: String,
    /// The organisation.
    pub org_code: String,
    /// What it was about.
    pub target: String,
    /// How it ended.
    pub outcome: String,
    /// More, as JSON.
    pub detail: String,
}

/// Entries, the newest first, after the one that was the last of the page before.
pub async fn find(
    index: &Index,
    search: &AuditSearch,
    after: Option<(i64, i64)>,
    limit: u32,
) -> Result<Vec<KeptAudit>, Error> {
    let mut select = Select::new(
        "SELECT id, at, action, actor_kind, actor, user_id, remote_addr, org_code, target, outcome, detail FROM audit \
         WHERE 1 = 1",
    );
    if let Some(since) = search.since {
        select.push(" AND at >= ?", params![since]);
    }
    if let Some(until) = search.until {
        select.push(" AND at < ?", params![until]);
    }
    if let Some((at, id)) = after {
        select.push(" AND at <= ? AND (at < ? OR id < ?)", params![at, at, id]);
    }
    for (piece, value) in [
        (" AND action = ?", &search.action),
        (" AND org_code = ?", &search.org_code),
        (" AND target = ?", &search.target),
        (" AND outcome = ?", &search.outcome),
    ] {
        if let Some(value) = value {
            select.push(piece, params![value]);
        }
    }
    if let Some(actor) = &search.actor {
        select.push(" AND (actor = ? OR user_id = ?)", params![actor, actor]);
    }
    select.push(" ORDER BY at DESC, id DESC LIMIT ?", params![i64::from(limit)]);
    let rows = index.query(select.sql(), select.values()).await?;
    rows.iter()
        .map(|row| {
            Ok(KeptAudit {
                id: row.int("id")?,
                at: row.int("at")?,
                action: row.text("action")?,
                actor_kind: row.text("actor_kind")?,
                actor: row.text("actor")?,
                user_id: row.text("user_id")?,
                remote_addr: row.text("remote_addr")?,
                org_code: row.text("org_code")?,
                target: row.text("target")?,
                outcome: row.text("outcome")?,
                detail: row.text("detail")?,
            })
        })
        .collect()
}
