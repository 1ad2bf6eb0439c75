//! Requests of storage commitment, and the contents that they are about.

use super::{Error, Ids, Index, Row, Select, Tx};
use crate::domain::commitment::ReferencedInstance;
use crate::domain::place::Place;
use crate::params;

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitmentState {
    /// Nothing has been looked at yet.
    Requested,
    /// It is known what is safe; the requester has not heard of it.
    Checked,
    /// The requester knows.
    Reported,
}

impl CommitmentState {
    fn as_str(self) -> &'static str {
        match self {
            CommitmentState::Requested => "requested",
            CommitmentState::Checked => "checked",
            CommitmentState::Reported => "reported",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [CommitmentState::Requested, CommitmentState::Checked, CommitmentState::Reported]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCommitment {
    /// Organisation of who asks.
    pub org_code: String,
    /// Who asks.
    pub calling_ae_title: String,
    /// From where.
    pub remote_addr: String,
    /// Its name, chosen by who asks.
    pub transaction_uid: String,
    /// What is asked for.
    pub instances: Vec<ReferencedInstance>,
}

/// A request with its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commitment {
    /// The request.
    pub request: NewCommitment,
    /// Where it stands.
    pub state: CommitmentState,
    /// What is not safe: place in the request's list and Failure Reason.
    pub failures: Vec<(usize, u16)>,
    /// When it was last changed, milliseconds since 1970 UTC; later at each change, also within one millisecond.
    pub updated_at: i64,
}

/// Bytes that are kept under a SOP Instance UID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// SOP class of the instance.
    pub sop_class_uid: String,
    /// Where the Part 10 file is.
    pub place: Place,
    /// Where the data set begins in it.
    pub dataset_offset: u64,
    /// Hash of the data set, with its algorithm (`dicom/content_hash.rs`).
    pub content_hash: String,
    /// Whether its bytes have been removed here because every upstream archive has confirmed that it keeps it.
    pub is_upstream: bool,
}

/// Keeps a request; the same transaction of the same requester again starts anew.
pub async fn keep(tx: &mut Tx, ids: &Ids, now: i64, new: &NewCommitment) -> Result<i64, Error> {
    let sql = "INSERT INTO storage_commitment (id, org_code, calling_ae_title, remote_addr, transaction_uid, state, \
               instances, failures, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, 'requested', $6, '[]', $7, $8) \
               ON CONFLICT (calling_ae_title, transaction_uid) DO UPDATE SET org_code = excluded.org_code, \
               remote_addr = excluded.remote_addr, state = 'requested', instances = excluded.instances, \
               failures = '[]', updated_at = CASE WHEN storage_commitment.updated_at < excluded.updated_at \
               THEN excluded.updated_at ELSE storage_commitment.updated_at + 1 END RETURNING id";
    let instances = serde_json::to_string(&new.instances).map_err(|_| Error::Damaged("storage_commitment"))?;
    let values = params![
        ids.next(),
        &new.org_code,
        &new.calling_ae_title,
        &new.remote_addr,
        &new.transaction_uid,
        instances,
        now,
        now,
    ];
    tx.query_opt(sql, values).await?.ok_or(Error::Damaged("storage_commitment"))?.int("id")
}

/// Forgets requests that were reported before a time.
pub async fn forget(tx: &mut Tx, reported_before: i64) -> Result<u64, Error> {
    let sql = "DELETE FROM storage_commitment WHERE state = 'reported' AND updated_at < $1";
    tx.execute(sql, params![reported_before]).await
}

/// A request by its id.
pub async fn get(index: &Index, id: i64) -> Result<Option<Commitment>, Error> {
    let sql = "SELECT org_code, calling_ae_title, remote_addr, transaction_uid, state, instances, failures, updated_at \
               FROM storage_commitment WHERE id = $1";
    index.query_opt(sql, params![id]).await?.as_ref().map(read).transpose()
}

/// Writes down what is not safe of a request that was read as of `read_at`, and gives when. Nothing when it was asked
/// for anew since, maybe with another list.
pub async fn set_checked(
    tx: &mut Tx,
    id: i64,
    read_at: i64,
    now: i64,
    failures: &[(usize, u16)],
) -> Result<Option<i64>, Error> {
    let failures = serde_json::to_string(failures).map_err(|_| Error::Damaged("storage_commitment"))?;
    let changed_at = now.max(read_at + 1);
    let sql = "UPDATE storage_commitment SET state = 'checked', failures = $1, updated_at = $2 \
               WHERE id = $3 AND updated_at = $4";
    let changed = tx.execute(sql, params![failures, changed_at, id, read_at]).await?;
    Ok((changed == 1).then_some(changed_at))
}

/// The requester has been told what was written down at `checked_at`; `false` when it has asked anew since.
pub async fn set_reported(tx: &mut Tx, id: i64, checked_at: i64, now: i64) -> Result<bool, Error> {
    let sql = "UPDATE storage_commitment SET state = 'reported', updated_at = $1 WHERE id = $2 AND updated_at = $3";
    Ok(tx.execute(sql, params![now.max(checked_at + 1), id, checked_at]).await? == 1)
}

/// All contents under a SOP Instance UID that these organisations have: the current one and kept versions.
pub async fn contents(index: &Index, org_codes: &[String], sop_instance_uid: &str) -> Result<Vec<Content>, Error> {
    let orgs = || org_codes.iter().flat_map(|code| params![code]).collect::<Vec<_>>();
    let mut select = Select::new(
        "SELECT sop_class_uid, object_key, object_offset, object_length, dataset_offset, content_hash, \
         CAST(CASE WHEN object_key = '' AND EXISTS (SELECT 1 FROM forward f WHERE f.instance_pk = instance.id) \
         AND NOT EXISTS (SELECT 1 FROM forward f WHERE f.instance_pk = instance.id AND f.state <> 4) \
         THEN 1 ELSE 0 END AS BIGINT) AS is_upstream FROM instance",
    );
    select.push(" WHERE sop_instance_uid = ?", params![sop_instance_uid]);
    select.push_in(" AND org_code", orgs());
    select.push(
        " UNION ALL SELECT i.sop_class_uid, v.object_key, v.object_offset, v.object_length, v.dataset_offset, \
         v.content_hash, CAST(0 AS BIGINT) FROM instance_version v JOIN instance i ON i.id = v.instance_pk WHERE i.sop_instance_uid = ?",
        params![sop_instance_uid],
    );
    select.push_in(" AND i.org_code", orgs());
    index.query(select.sql(), select.values()).await?.iter().map(content).collect()
}

fn content(row: &Row) -> Result<Content, Error> {
    Ok(Content {
        sop_class_uid: row.text("sop_class_uid")?,
        place: Place {
            key: row.text("object_key")?,
            offset: row.int("object_offset")? as u64,
            length: row.int("object_length")? as u64,
        },
        dataset_offset: row.int("dataset_offset")? as u64,
        content_hash: row.text("content_hash")?,
        is_upstream: row.int("is_upstream")? == 1,
    })
}

fn read(row: &Row) -> Result<Commitment, Error> {
    let damaged = || Error::Damaged("storage_commitment");
    Ok(Commitment {
        request: NewCommitment {
            org_code: row.text("org_code")?,
            calling_ae_title: row.text("calling_ae_title")?,
            remote_addr: row.text("remote_addr")?,
            transaction_uid: row.text("transaction_uid")?,
            instances: serde_json::from_str(&row.text("instances")?).map_err(|_| damaged())?,
        },
        state: CommitmentState::parse(&row.text("state")?).ok_or_else(damaged)?,
        failures: serde_json::from_str(&row.text("failures")?).map_err(|_| damaged())?,
        updated_at: row.int("updated_at")?,
    })
}
