//! Instance Availability Notification (PS3.4 annex R), as the user: tells peers that a study is here.
//!
//! The job `notify_availability` runs when nothing of the study has come for a while. Its N-CREATE bears a UID that
//! follows from the job, so that a peer that has it already says so, which is as good as success.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::config::{DicomConfig, PeerConfig};
use super::scu::{self, Association, Proposal, ScuTarget};
use super::status::Status;
use crate::archive::Archive;
use crate::archive::peers::notify_availability::{InstanceAvailability, NotifyRule, StudyAvailability, parse_key};
use crate::archive::upkeep::queue::{Finished, Job, JobFailure};
use crate::dicom::availability::notification;
use crate::dicom::sop_class::INSTANCE_AVAILABILITY_NOTIFICATION;
use crate::dicom::transfer_syntax::ElementEncoding;
use crate::domain::live::Live;
use crate::jobs::JobOutcome;

/// Telling peers that studies are here; who is told has `notify_availability` in its `[[peer]]`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AvailabilityConfig {
    /// How long nothing of a study must have come before it counts as complete, in milliseconds. Default 300000 (5 min).
    pub quiet_ms: u64,
    /// Instances of one notification; for more there are several. Default 2000.
    pub max_instances: usize,
    /// Notifications that are sent at the same time. Default 2.
    pub concurrency: u32,
}

impl Default for AvailabilityConfig {
    fn default() -> Self {
        Self { quiet_ms: 300_000, max_instances: 2_000, concurrency: 2 }
    }
}

/// Sends the notifications.
#[derive(Debug, Clone)]
pub struct AvailabilityNotification {
    archive: Archive,
    dicom: DicomConfig,
    peers: Live<[PeerConfig]>,
}

impl AvailabilityNotification {
    /// For these peers.
    pub fn new(archive: Archive, dicom: &DicomConfig, peers: Live<[PeerConfig]>) -> Self {
        Self { archive, dicom: dicom.clone(), peers }
    }

    /// Whom to tell of whose studies.
    pub fn rules(dicom: &DicomConfig, peers: &[PeerConfig]) -> Vec<NotifyRule> {
        let told = peers.iter().filter(|peer| peer.notify_availability);
        let rule = |peer: &PeerConfig| NotifyRule {
            ae_title: peer.ae_title.to_string(),
            org_code: peer.organization.clone(),
            quiet_ms: dicom.availability.quiet_ms,
        };
        told.map(rule).collect()
    }

    /// Does a job of kind `notify_availability`.
    pub async fn run_job(&self, job: &Job) -> JobOutcome {
        let failure = |reason: String, retryable| JobFailure { reason, retryable };
        let (study_pk, ae_title) =
            parse_key(&job.key).ok_or_else(|| failure("the key names no study and peer".to_owned(), false))?;
        let study = self.archive.study_availability(study_pk).await;
        let Some(study) = study.map_err(|error| failure(error.to_string(), true))? else { return Ok(Finished::Done) };
        let fits = |peer: &&PeerConfig| {
            let is_it = peer.ae_title.as_str() == ae_title && peer.organization == study.org_code;
            peer.notify_availability && is_it
        };
        let peers = self.peers.now();
        let Some(peer) = peers.iter().find(fits) else {
            // Somebody has taken it out of the configuration.
            return Ok(Finished::Done);
        };
        self.tell(peer, job, &study).await.map_err(|reason| failure(reason, true))?;
        let told = self.archive.availability_told(study_pk, &study, ae_title).await;
        told.map_err(|error| failure(error.to_string(), true))?;
        metrics::counter!("yingku_dimse_notified_total").increment(1);
        tracing::info!(peer.ae_title = %ae_title, study.id = study_pk, instances = study.instances.len(), "a peer was told of a study");
        Ok(Finished::Done)
    }

    async fn tell(&self, peer: &PeerConfig, job: &Job, study: &StudyAvailability) -> Result<(), String> {
        let target = ScuTarget::of_peer(&self.dicom, peer);
        let said = |error: scu::Error| error.to_string();
        let class = INSTANCE_AVAILABILITY_NOTIFICATION;
        let mut association = Association::connect(&target, &[Proposal::query(class)]).await.map_err(said)?;
        let Some(encoding) = association.transfer_syntax_of(class).map(ElementEncoding::of) else {
            association.abort().await;
            return Err("the peer takes no Instance Availability Notification".to_owned());
        };
        for (number, instances) in study.instances.chunks(self.dicom.availability.max_instances.max(1)).enumerate() {
            let title = self.dicom.ae_title.as_str();
            let data_set = notification(&study.study_instance_uid, instances, title, encoding);
            let uid = uid_of(job, number, instances);
            let answer = association.create(class, &uid, &data_set).await;
            let refused = match answer {
                Ok(answer) if answer.status.is_done() || answer.status == Status::DUPLICATE_SOP_INSTANCE => continue,
                Ok(answer) => format!("N-CREATE answered {}", answer.status),
                Err(error) => error.to_string(),
            };
            association.abort().await;
            return Err(refused);
        }
        // All has been taken; how the peer says goodbye changes nothing.
        let _ = association.release().await;
        Ok(())
    }
}

/// The same for another attempt at the same notification, another one for news.
fn uid_of(job: &Job, number: usize, instances: &[InstanceAvailability]) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{} {} {number}", job.key, job.generation));
    for instance in instances {
        hash.update(format!(" {} {}", instance.sop_instance_uid, instance.is_offline));
    }
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    format!("2.25.{}", u128::from_be_bytes(bytes))
}
