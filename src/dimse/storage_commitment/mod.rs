//! Storage Commitment Push Model (PS3.4 annex J), both sides.
//!
//! As the provider: `n_action` keeps a request, the job `report_storage_commitment` checks the bytes
//! and reports, over the association that asked while it is open, else over one of our own. As the user:
//! [`StorageCommitment::request`] asks a peer and waits for its report on either kind of association.

mod config;
mod open;
mod report;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::config::{DicomConfig, PeerConfig};
use super::scu::{self, Association, Proposal, ScuTarget};
use super::status::Status;
use crate::archive::Archive;
use crate::dicom::storage_commitment::{CommitmentReport, CommitmentRequest};
use crate::domain::commitment::ReferencedInstance;
use crate::domain::live::Live;

use open::OpenAssociations;

pub use config::CommitmentConfig;

/// What became of a request of ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitmentResult {
    /// What the peer promises to keep.
    pub committed: Vec<ReferencedInstance>,
    /// What it does not, each with the Failure Reason (0008,1197). Whatever the peer did not speak of is here too, with
    /// reason 0110H.
    pub failed: Vec<(ReferencedInstance, u16)>,
}

/// Why a request of ours has no result.
#[derive(Debug, thiserror::Error)]
pub enum CommitmentError {
    /// The association with the peer.
    #[error(transparent)]
    Association(#[from] scu::Error),
    /// The peer refuses the request.
    #[error("storage commitment refused with {status} {comment}")]
    Refused {
        /// Its status.
        status: Status,
        /// Its Error Comment.
        comment: String,
    },
    /// No report came in time.
    #[error("no report of storage commitment within {0} ms")]
    NoReport(u64),
}

/// A report on its way to an open association, and where to say whether it arrived.
pub(crate) struct PendingReport {
    pub(crate) report: CommitmentReport,
    pub(crate) delivered: oneshot::Sender<bool>,
}

/// Both sides of storage commitment; clones share it.
#[derive(Debug, Clone)]
pub struct StorageCommitment {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    archive: Archive,
    dicom: DicomConfig,
    peers: Live<[PeerConfig]>,
    /// Requests of ours that wait for a report, by Transaction UID.
    waiting: Mutex<HashMap<String, Waiting>>,
    open: OpenAssociations,
}

#[derive(Debug)]
struct Waiting {
    /// Who was asked, by the title under which it calls us; nobody else can answer.
    ae_title: String,
    report: oneshot::Sender<CommitmentReport>,
}

/// Takes a waiting request out of the list, however the waiting ends.
struct WaitingPlace<'a> {
    inner: &'a Inner,
    transaction_uid: &'a str,
}

impl Drop for WaitingPlace<'_> {
    fn drop(&mut self) {
        locked(&self.inner.waiting).remove(self.transaction_uid);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl StorageCommitment {
    pub(super) fn new(archive: Archive, dicom: DicomConfig, peers: Live<[PeerConfig]>) -> Self {
        let inner = Inner { archive, dicom, peers, waiting: Mutex::default(), open: OpenAssociations::default() };
        Self { inner: Arc::new(inner) }
    }

    /// Asks a peer to commit to instances and waits for its report, for `dicom.commitment.report_timeout_ms` at most.
    ///
    /// The report may come over the same association, which stays open for `wait_on_association_ms`, or over one that the
    /// peer opens to us; for the latter the peer must be a `[[peer]]`. More instances than
    /// `max_requested_instances` are asked for in several transactions. An error means that nothing is known: ask again.
    pub async fn request(
        &self,
        target: &ScuTarget,
        instances: &[ReferencedInstance],
    ) -> Result<CommitmentResult, CommitmentError> {
        let mut result = CommitmentResult::default();
        for some in instances.chunks(self.config().max_requested_instances.max(1)) {
            let report = self.transact(target, some).await?;
            let failures: HashMap<&str, u16> =
                report.failed.iter().map(|(instance, reason)| (instance.sop_instance_uid.as_str(), *reason)).collect();
            for instance in some {
                match failures.get(instance.sop_instance_uid.as_str()) {
                    None if report.committed.contains(instance) => result.committed.push(instance.clone()),
                    reason => result.failed.push((instance.clone(), reason.copied().unwrap_or(0x0110))),
                }
            }
        }
        Ok(result)
    }

    async fn transact(
        &self,
        target: &ScuTarget,
        instances: &[ReferencedInstance],
    ) -> Result<CommitmentReport, CommitmentError> {
        let config = self.config();
        let transaction_uid = format!("2.25.{}", uuid::Uuid::new_v4().as_u128());
        let request = CommitmentRequest { transaction_uid, instances: instances.to_vec() };
        let (sender, mut reported) = oneshot::channel();
        let waiting = Waiting { ae_title: target.peer_ae_title.to_string(), report: sender };
        locked(&self.inner.waiting).insert(request.transaction_uid.clone(), waiting);
        let _place = WaitingPlace { inner: &self.inner, transaction_uid: &request.transaction_uid };

        let mut association = Association::connect(target, &[Proposal::storage_commitment()]).await?;
        let (answer, early) = association.request_commitment(&request).await?;
        if !answer.status.is_done() {
            let _ = association.release().await;
            return Err(CommitmentError::Refused { status: answer.status, comment: answer.comment });
        }
        let here = async {
            if let Some(report) = early
                && report.transaction_uid == request.transaction_uid
            {
                return Some(report);
            }
            loop {
                match association.receive_commitment_report().await {
                    Ok(report) if report.transaction_uid == request.transaction_uid => return Some(report),
                    Ok(_) => {}
                    // The peer closed, or its report does not come here: it may still come over its own association.
                    Err(_) => return None,
                }
            }
        };
        let patience = Duration::from_millis(config.wait_on_association_ms);
        let found = tokio::select! {
            report = &mut reported => report.ok(),
            report = tokio::time::timeout(patience, here) => report.ok().flatten(),
        };
        let _ = association.release().await;
        if let Some(report) = found {
            return Ok(report);
        }
        let limit = Duration::from_millis(config.report_timeout_ms);
        match tokio::time::timeout(limit, reported).await {
            Ok(Ok(report)) => Ok(report),
            _ => Err(CommitmentError::NoReport(config.report_timeout_ms)),
        }
    }

    /// A report came from a peer; false when nobody waits for it (any more).
    pub(crate) fn deliver(&self, ae_title: &str, report: CommitmentReport) -> bool {
        let mut waiting = locked(&self.inner.waiting);
        if waiting.get(&report.transaction_uid).is_none_or(|one| one.ae_title != ae_title) {
            return false;
        }
        waiting.remove(&report.transaction_uid).is_some_and(|one| one.report.send(report).is_ok())
    }

    /// Reports of a transaction go to `reports` from now on, until [`Self::forget_association`].
    pub(crate) fn remember_association(
        &self,
        ae_title: &str,
        transaction_uid: &str,
        reports: mpsc::Sender<PendingReport>,
    ) {
        self.inner.open.remember(ae_title, transaction_uid, reports);
    }

    /// The association has ended.
    pub(crate) fn forget_association(&self, reports: &mpsc::Sender<PendingReport>) {
        self.inner.open.forget(reports);
    }

    /// The limits of requests that come.
    pub(crate) fn config(&self) -> &CommitmentConfig {
        &self.inner.dicom.commitment
    }
}
