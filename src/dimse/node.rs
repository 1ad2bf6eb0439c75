//! What every association of this node shares, beside the archive.

use super::config::{DicomConfig, PeerConfig};
use super::storage_commitment::StorageCommitment;
use crate::archive::Archive;

/// Settings and services for the verbs that reach beyond their own association.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) commitment: StorageCommitment,
}

impl Node {
    pub(super) fn new(config: &DicomConfig, peers: &[PeerConfig], archive: &Archive) -> Self {
        let commitment =
            StorageCommitment::new(archive.clone(), config.ae_title.clone(), peers.to_vec(), config.commitment.clone());
        Self { commitment }
    }
}
