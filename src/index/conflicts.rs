//! Contradictions that a person has to look at (RD-7).

use serde_json::Value as Json;

use super::{Error, Ids, Tx};
use crate::params;

/// What kind of contradiction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConflictKind {
    /// Birth date, sex or other patient fields of two records contradict.
    Demographics,
    /// One SOP Instance UID came with different contents (D-I15).
    DuplicateUid,
    /// One report number came for different patients or events (D-R8).
    ReportIdentity,
    /// One Study Instance UID came from two organisations.
    UidInTwoOrganizations,
}

impl ConflictKind {
    /// The word kept in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            ConflictKind::Demographics => "demographics",
            ConflictKind::DuplicateUid => "duplicate_uid",
            ConflictKind::ReportIdentity => "report_identity",
            ConflictKind::UidInTwoOrganizations => "uid_in_two_organizations",
        }
    }
}

/// Opens a conflict; the same one again only updates its detail.
///
/// `subject` names rows of ours (`exam:17 study:42`), `detail` names fields, never their values.
pub async fn open(
    tx: &mut Tx,
    ids: &Ids,
    now: i64,
    kind: ConflictKind,
    org_code: &str,
    subject: &str,
    detail: &Json,
) -> Result<(), Error> {
    let sql = "INSERT INTO conflict (id, kind, org_code, subject, detail, state, created_at, updated_at) \
               VALUES ($1, $2, $3, $4, $5, 'open', $6, $7) \
               ON CONFLICT (kind, subject) DO UPDATE SET detail = excluded.detail, updated_at = excluded.updated_at";
    let values = params![ids.next(), kind.as_str(), org_code, subject, detail.to_string(), now, now];
    tx.execute(sql, values).await.map(|_| ())
}
