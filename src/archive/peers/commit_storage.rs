//! Storage commitment (PS3.4 annex J): promises to keep what was sent, after looking at the bytes.
//!
//! A request is durable before it is answered; a job checks each instance against the hash that it was acknowledged
//! with, whatever version of it is kept, and tells the requester. The archive never removes what it committed, unless
//! every upstream archive has committed to it in turn (RD-8).

use std::collections::HashMap;

use serde_json::json;

use crate::archive::upkeep::verify::{Depth, Fault};
use crate::archive::{Archive, Error};
use crate::domain::commitment::{CommitmentFailure, ReferencedInstance};
use crate::domain::{Actor, ActorKind};
use crate::index::audit::{self, AuditRecord};
use crate::index::commitments::{self, CommitmentState, NewCommitment};
use crate::index::jobs::{self, JobKind};
use crate::index::places::Promise;
use crate::objects;

/// How long a reported request is remembered.
const REMEMBERED_MS: i64 = 30 * 24 * 3600 * 1000;

/// A request of commitment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestCommitment {
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

/// What became of a request, for the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitmentOutcome {
    /// Organisation of who asked.
    pub org_code: String,
    /// Who asked.
    pub calling_ae_title: String,
    /// Its name.
    pub transaction_uid: String,
    /// What is safe.
    pub committed: Vec<ReferencedInstance>,
    /// What is not, and its Failure Reason.
    pub failed: Vec<(ReferencedInstance, u16)>,
    /// When that was written down.
    pub checked_at: i64,
}

impl Archive {
    /// Keeps a request and the job that answers it, in one transaction; gives the request's id.
    pub async fn request_commitment(&self, request: RequestCommitment) -> Result<i64, Error> {
        let RequestCommitment { org_code, calling_ae_title, remote_addr, transaction_uid, instances } = request;
        let new = NewCommitment { org_code, calling_ae_title, remote_addr, transaction_uid, instances };
        let (ids, now) = (self.ids.clone(), self.clock.now_ms());
        self.index
            .write(move |tx| {
                Box::pin(async move {
                    commitments::forget(tx, now - REMEMBERED_MS).await?;
                    let id = commitments::keep(tx, &ids, now, &new).await?;
                    jobs::enqueue(tx, &ids, now, JobKind::ReportStorageCommitment, &id.to_string(), now).await?;
                    let entry = AuditRecord {
                        action: "request_commitment",
                        actor: Actor {
                            kind: ActorKind::Peer,
                            name: new.calling_ae_title.clone(),
                            user_id: String::new(),
                            remote_addr: new.remote_addr.clone(),
                        },
                        org_code: new.org_code.clone(),
                        target: format!("storage_commitment:{id}"),
                        outcome: "ok",
                        detail: json!({ "instances": new.instances.len() }),
                    };
                    audit::record(tx, ids.next(), now, &entry).await?;
                    Ok::<_, Error>(id)
                })
            })
            .await
    }

    /// Checks what a request is about, unless that has been done, and gives the outcome; `None` when the requester knows
    /// it already, or the request was forgotten, or was made anew meanwhile: then its job runs again.
    pub async fn check_commitment(&self, id: i64) -> Result<Option<CommitmentOutcome>, Error> {
        let Some(commitment) = commitments::get(&self.index, id).await? else { return Ok(None) };
        let request = commitment.request;
        let (failures, checked_at) = match commitment.state {
            CommitmentState::Reported => return Ok(None),
            CommitmentState::Checked => (commitment.failures, commitment.updated_at),
            CommitmentState::Requested => {
                // Who sent objects asks for them: those of its own organisation.
                let org_codes = [request.org_code.clone()];
                let mut failures = Vec::new();
                for (place, instance) in request.instances.iter().enumerate() {
                    if let Some(failure) = self.commitment_failure(&org_codes, instance).await? {
                        failures.push((place, failure.reason()));
                    }
                }
                let kept = self.keep_checked(id, commitment.updated_at, &request, failures.clone()).await?;
                let Some(checked_at) = kept else { return Ok(None) };
                (failures, checked_at)
            }
        };
        let failures: HashMap<usize, u16> = failures.into_iter().collect();
        let (mut committed, mut failed) = (Vec::new(), Vec::new());
        for (place, instance) in request.instances.into_iter().enumerate() {
            match failures.get(&place) {
                Some(reason) => failed.push((instance, *reason)),
                None => committed.push(instance),
            }
        }
        Ok(Some(CommitmentOutcome {
            org_code: request.org_code,
            calling_ae_title: request.calling_ae_title,
            transaction_uid: request.transaction_uid,
            committed,
            failed,
            checked_at,
        }))
    }

    /// Notes that the requester has heard of the outcome that was written down at `checked_at`. `false` when it has
    /// asked anew under the same name since, and is to hear of that too: then the request's job runs again.
    pub async fn commitment_reported(&self, id: i64, checked_at: i64) -> Result<bool, Error> {
        let now = self.clock.now_ms();
        self.index
            .write(move |tx| Box::pin(async move { Ok(commitments::set_reported(tx, id, checked_at, now).await?) }))
            .await
    }

    async fn keep_checked(
        &self,
        id: i64,
        read_at: i64,
        request: &NewCommitment,
        failures: Vec<(usize, u16)>,
    ) -> Result<Option<i64>, Error> {
        let (ids, now) = (self.ids.clone(), self.clock.now_ms());
        let entry = AuditRecord {
            action: "commit_storage",
            actor: Actor::system("storage commitment"),
            org_code: request.org_code.clone(),
            target: format!("storage_commitment:{id}"),
            outcome: if failures.is_empty() { "ok" } else { "failed" },
            detail: json!({ "instances": request.instances.len(), "failed": failures.len() }),
        };
        self.index
            .write(move |tx| {
                Box::pin(async move {
                    let checked_at = commitments::set_checked(tx, id, read_at, now, &failures).await?;
                    if checked_at.is_some() {
                        audit::record(tx, ids.next(), now, &entry).await?;
                    }
                    Ok(checked_at)
                })
            })
            .await
    }

    /// `None` when every content that is kept of the instance is what was acknowledged, or is with all upstream archives.
    async fn commitment_failure(
        &self,
        org_codes: &[String],
        instance: &ReferencedInstance,
    ) -> Result<Option<CommitmentFailure>, Error> {
        let contents = commitments::contents(&self.index, org_codes, &instance.sop_instance_uid).await?;
        if contents.is_empty() {
            return Ok(Some(CommitmentFailure::NoSuchInstance));
        }
        for content in contents {
            if content.sop_class_uid != instance.sop_class_uid {
                return Ok(Some(CommitmentFailure::ClassInstanceConflict));
            }
            // Who keeps it now has promised to (RD-8): our promise goes on in theirs.
            if content.is_upstream {
                continue;
            }
            if content.place.key.is_empty() {
                return Ok(Some(CommitmentFailure::NoSuchInstance));
            }
            let promise = Promise {
                row: String::new(),
                place: content.place,
                hash_from: content.dataset_offset,
                content_hash: content.content_hash,
            };
            if let Some(fault) = self.check(&promise, Depth::Content).await? {
                // Another server has yet to bring it into the bucket: asked again later.
                let now = self.clock.now_ms();
                if fault == Fault::Missing && self.objects.may_be_elsewhere(&promise.place.key, now) {
                    return Err(objects::Error::Missing.into());
                }
                tracing::error!(object.key = %promise.place.key, ?fault, "an object cannot be committed");
                return Ok(Some(CommitmentFailure::ProcessingFailure));
            }
        }
        Ok(None)
    }
}
