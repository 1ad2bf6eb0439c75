//! Contradictions that a person has to look at (RD-7).

use serde_json::Value as Json;

use super::{Error, Ids, Index, Row, Select, Tx, Value};
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
    /// Reports under one patient number contradict each other (D-R29).
    Patient,
    /// Two patients may be one person, or are said to be and cannot (D-X9).
    Person,
}

impl ConflictKind {
    /// Every kind.
    pub const ALL: [ConflictKind; 6] = [
        ConflictKind::Demographics,
        ConflictKind::DuplicateUid,
        ConflictKind::ReportIdentity,
        ConflictKind::UidInTwoOrganizations,
        ConflictKind::Patient,
        ConflictKind::Person,
    ];

    /// The word kept in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            ConflictKind::Demographics => "demographics",
            ConflictKind::DuplicateUid => "duplicate_uid",
            ConflictKind::ReportIdentity => "report_identity",
            ConflictKind::UidInTwoOrganizations => "uid_in_two_organizations",
            ConflictKind::Patient => "patient",
            ConflictKind::Person => "person",
        }
    }

    /// The kind of that word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Whether somebody still has to look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConflictState {
    /// Nobody has decided.
    Open,
    /// A person has.
    Closed,
}

impl ConflictState {
    const ALL: [ConflictState; 2] = [ConflictState::Open, ConflictState::Closed];

    /// The word kept in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            ConflictState::Open => "open",
            ConflictState::Closed => "closed",
        }
    }
}

/// One contradiction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Its row.
    pub id: i64,
    /// What kind.
    pub kind: ConflictKind,
    /// Whose data it is about.
    pub org_code: String,
    /// The rows it is about, e.g. `exam:17 study:42`.
    pub subject: String,
    /// JSON: names of what differs, never values.
    pub detail: String,
    /// Whether it is open.
    pub state: ConflictState,
    /// When it was first seen.
    pub created_at: i64,
    /// When it was last seen or decided.
    pub updated_at: i64,
}

/// Opens a conflict; the same one again only updates its detail. One that a person has closed stays closed, unless it is
/// about something else now.
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
               ON CONFLICT (kind, subject) DO UPDATE SET detail = excluded.detail, updated_at = excluded.updated_at, \
               state = CASE WHEN conflict.detail = excluded.detail THEN conflict.state ELSE 'open' END";
    let values = params![ids.next(), kind.as_str(), org_code, subject, detail.to_string(), now, now];
    tx.execute(sql, values).await.map(|_| ())
}

/// Conflicts whose kind and state this version knows: those of a newer one beside it are not ours to show.
fn known_conflicts() -> Select {
    let mut select = Select::new(
        "SELECT id, kind, org_code, subject, detail, state, created_at, updated_at FROM conflict WHERE 1 = 1",
    );
    select.push_in(" AND kind", ConflictKind::ALL.map(|kind| Value::from(kind.as_str())).to_vec());
    select.push_in(" AND state", ConflictState::ALL.map(|state| Value::from(state.as_str())).to_vec());
    select
}

/// Conflicts, the newest first; of one kind or of all, the open ones or all.
pub async fn find(
    index: &Index,
    kind: Option<ConflictKind>,
    state: Option<ConflictState>,
    limit: u32,
) -> Result<Vec<Conflict>, Error> {
    let mut select = known_conflicts();
    if let Some(state) = state {
        select.push(" AND state = ?", params![state.as_str()]);
    }
    if let Some(kind) = kind {
        select.push(" AND kind = ?", params![kind.as_str()]);
    }
    select.push(" ORDER BY created_at DESC, id DESC LIMIT ?", params![i64::from(limit)]);
    let rows = index.query(select.sql(), select.values()).await?;
    rows.iter().map(conflict_from).collect()
}

/// One conflict.
pub async fn get(index: &Index, id: i64) -> Result<Option<Conflict>, Error> {
    let mut select = known_conflicts();
    select.push(" AND id = ?", params![id]);
    let row = index.query_opt(select.sql(), select.values()).await?;
    row.as_ref().map(conflict_from).transpose()
}

/// Says that a person has decided; false when there is no such conflict.
pub async fn close(tx: &mut Tx, id: i64, now: i64) -> Result<bool, Error> {
    let sql = "UPDATE conflict SET state = 'closed', updated_at = $1 WHERE id = $2";
    Ok(tx.execute(sql, params![now, id]).await? == 1)
}

/// The same for the conflict about these rows, if there is one.
pub async fn close_about(tx: &mut Tx, kind: ConflictKind, subject: &str, now: i64) -> Result<(), Error> {
    let sql = "UPDATE conflict SET state = 'closed', updated_at = $1 WHERE kind = $2 AND subject = $3";
    tx.execute(sql, params![now, kind.as_str(), subject]).await.map(|_| ())
}

/// The same for all conflicts that name a row which has been deleted, alone or behind another one (`exam:17 study:42`).
pub async fn close_about_gone(tx: &mut Tx, word: &str, now: i64) -> Result<(), Error> {
    let sql = "UPDATE conflict SET state = 'closed', updated_at = $1 WHERE state = 'open' \
               AND (subject = $2 OR SUBSTR(subject, CAST(LENGTH(subject) - $3 AS INTEGER)) = $4)";
    let behind = format!(" {word}");
    tx.execute(sql, params![now, word, behind.len() as i64 - 1, &behind]).await.map(|_| ())
}

/// The same for one kind of conflict about rows that have been deleted.
pub async fn close_all_about(tx: &mut Tx, kind: ConflictKind, subjects: &[String], now: i64) -> Result<(), Error> {
    let mut update = Select::new("UPDATE conflict SET state = 'closed'");
    update.push(", updated_at = ? WHERE kind = ?", params![now, kind.as_str()]);
    update.push_in(" AND subject", subjects.iter().map(Value::from).collect());
    tx.execute(update.sql(), update.values()).await.map(|_| ())
}

/// Closes the conflict about a Study Instance UID that only one organisation has any more.
pub async fn close_about_single_uid(tx: &mut Tx, study_instance_uid: &str, now: i64) -> Result<(), Error> {
    let rows = tx.query("SELECT id FROM study WHERE study_instance_uid = $1", params![study_instance_uid]).await?;
    if let [only] = rows.as_slice() {
        let subject = format!("study:{}", only.int("id")?);
        close_about(tx, ConflictKind::UidInTwoOrganizations, &subject, now).await?;
    }
    Ok(())
}

fn conflict_from(row: &Row) -> Result<Conflict, Error> {
    let state = row.text("state")?;
    let state = ConflictState::ALL.into_iter().find(|known| known.as_str() == state);
    Ok(Conflict {
        id: row.int("id")?,
        kind: ConflictKind::parse(&row.text("kind")?).ok_or(Error::Damaged("conflict.kind"))?,
        org_code: row.text("org_code")?,
        subject: row.text("subject")?,
        detail: row.text("detail")?,
        state: state.ok_or(Error::Damaged("conflict.state"))?,
        created_at: row.int("created_at")?,
        updated_at: row.int("updated_at")?,
    })
}
