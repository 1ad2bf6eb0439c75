//! The job that checks a request and tells the requester.

use tokio::sync::oneshot;

use super::{PendingReport, StorageCommitment};
use crate::archive::peers::commit_storage::CommitmentOutcome;
use crate::archive::upkeep::queue::{Finished, Job, JobFailure};
use crate::dicom::sop_class::STORAGE_COMMITMENT_PUSH_MODEL;
use crate::dicom::storage_commitment::CommitmentReport;
use crate::dimse::config::PeerConfig;
use crate::dimse::scu::{Association, Proposal, ProposedRole, ScuTarget};
use crate::jobs::JobOutcome;

impl StorageCommitment {
    /// Does a job of kind `report_storage_commitment`.
    pub async fn run_job(&self, job: &Job) -> JobOutcome {
        let failure = |reason: String, retryable| JobFailure { reason, retryable };
        let id: i64 = job.key.parse().map_err(|_| failure("the key is no number".to_owned(), false))?;
        let outcome = self.inner.archive.check_commitment(id).await;
        let Some(outcome) = outcome.map_err(|error| failure(error.to_string(), true))? else {
            return Ok(Finished::Done);
        };
        let (ae_title, org_code) = (outcome.calling_ae_title.clone(), outcome.org_code.clone());
        let (committed, failed, checked_at) = (outcome.committed.len(), outcome.failed.len(), outcome.checked_at);
        let report = report_of(outcome);
        let way = if self.report_on_open_association(&ae_title, &report).await {
            "same association"
        } else {
            self.report_on_new_association(&ae_title, &org_code, &report)
                .await
                .map_err(|(r, again)| failure(r, again))?;
            "new association"
        };
        let noted = self.inner.archive.commitment_reported(id, checked_at).await;
        noted.map_err(|error| failure(error.to_string(), true))?;
        tracing::info!(peer.ae_title = %ae_title, committed, failed, way, "storage commitment reported");
        Ok(Finished::Done)
    }

    async fn report_on_open_association(&self, ae_title: &str, report: &CommitmentReport) -> bool {
        let Some(reports) = self.inner.open.take(ae_title, &report.transaction_uid) else { return false };
        let (delivered, answer) = oneshot::channel();
        reports.send(PendingReport { report: report.clone(), delivered }).await.is_ok() && answer.await.unwrap_or(false)
    }

    /// Opens an association in the provider's role. The error says whether another attempt makes sense.
    async fn report_on_new_association(
        &self,
        ae_title: &str,
        org_code: &str,
        report: &CommitmentReport,
    ) -> Result<(), (String, bool)> {
        let peer = self.peer(ae_title, org_code);
        let Some(peer) = peer else { return Err((format!("{ae_title} has no [[peer]] with a host"), false)) };
        let target = ScuTarget::of_peer(&self.inner.dicom, &peer);
        let role = ProposedRole { sop_class_uid: STORAGE_COMMITMENT_PUSH_MODEL.to_owned(), scu: false, scp: true };
        let failed = |error: crate::dimse::scu::Error| (error.to_string(), true);
        let mut association =
            Association::connect_in_roles(&target, &[Proposal::storage_commitment()], &[role]).await.map_err(failed)?;
        let answer = association.report_commitment(report).await.map_err(failed)?;
        let _ = association.release().await;
        if answer.status.is_done() {
            Ok(())
        } else {
            Err((format!("the report was answered with {} {}", answer.status, answer.comment), true))
        }
    }

    /// The peer that can be called under an AE title.
    fn peer(&self, ae_title: &str, org_code: &str) -> Option<PeerConfig> {
        let fits = |peer: &&PeerConfig| peer.ae_title.as_str() == ae_title && !peer.host.is_empty();
        let of_organization = |peer: &&PeerConfig| peer.organization == org_code;
        let known = self.inner.peers.now();
        let peers = || known.iter().filter(fits);
        peers().find(of_organization).or_else(|| peers().next()).cloned()
    }
}

fn report_of(outcome: CommitmentOutcome) -> CommitmentReport {
    let CommitmentOutcome { transaction_uid, committed, failed, .. } = outcome;
    CommitmentReport { transaction_uid, committed, failed }
}
