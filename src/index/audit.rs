//! Who did what to which data (RD-21, RD-28). Rows are only ever added.

use serde_json::Value as Json;

use super::{Error, Tx};
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
    tx.execute(sql, values).await.map(|_| ())
}
