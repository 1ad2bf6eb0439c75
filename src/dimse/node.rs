//! What every association of this node shares, beside the archive.

use super::config::{DicomConfig, PeerConfig};
use super::storage_commitment::StorageCommitment;
use crate::archive::Archive;
use crate::archive::peers::send_data_set::Sending;
use crate::domain::live::Live;

/// Settings and services for the verbs that reach beyond their own association.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) dicom: DicomConfig,
    pub(crate) peers: Live<[PeerConfig]>,
    /// Turns of conversions, for all associations together.
    pub(crate) sending: Sending,
    pub(crate) commitment: StorageCommitment,
}

impl Node {
    pub(super) fn new(config: &DicomConfig, peers: Live<[PeerConfig]>, archive: &Archive) -> Self {
        let commitment = StorageCommitment::new(archive.clone(), config.clone(), peers.clone());
        Self { dicom: config.clone(), peers, sending: Sending::new(config.retrieve.send.clone()), commitment }
    }
}
