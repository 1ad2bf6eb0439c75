//! The other side: associations that we open (PS3.7 annex D), one file per verb.
//!
//! Used by the retrieval from a PACS, the demonstration, benches, and neighbours' integrations. One operation at a
//! time. Nothing that the peer sends grows without a limit: command sets, identifiers, pending responses and time are
//! all bounded, and what belongs to another operation ends the association.

mod association;
mod c_echo;
mod c_store;
mod connect;
mod storage_commitment;

use std::time::Duration;

use super::config::PeerConfig;
use super::status::Status;
use super::tls::PeerTlsConfig;
use crate::dicom::part10::FileMetaError;
use crate::dicom::sop_class::VERIFICATION;
use crate::dicom::transfer_syntax::{EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN};
use crate::domain::AeTitle;

pub use super::association::abort::AbortReason;
pub use super::association::framing::FramingError;
pub use association::Association;
pub use c_store::StoreRequest;

/// Whom to call, and how.
#[derive(Debug, Clone)]
pub struct ScuTarget {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Our AE title on this association.
    pub calling_ae_title: AeTitle,
    /// The peer's AE title.
    pub called_ae_title: AeTitle,
    /// Longest P-DATA-TF that we send and take, in bytes.
    pub max_pdu_length: u32,
    /// Time for the connection to open and for each answer.
    pub timeout: Duration,
    /// Over TLS, and how.
    pub tls: Option<PeerTlsConfig>,
}

impl ScuTarget {
    /// A target with PDUs of 128 KiB and a minute's patience.
    pub fn new(host: &str, port: u16, calling_ae_title: AeTitle, called_ae_title: AeTitle) -> Self {
        Self {
            host: host.to_owned(),
            port,
            calling_ae_title,
            called_ae_title,
            max_pdu_length: 128 * 1024,
            timeout: Duration::from_secs(60),
            tls: None,
        }
    }

    /// A peer of the configuration, by its address, port, AE title and TLS.
    pub fn to_peer(peer: &PeerConfig, calling_ae_title: AeTitle) -> Self {
        let target = Self::new(&peer.host, peer.port, calling_ae_title, peer.ae_title.clone());
        Self { tls: peer.tls.clone(), ..target }
    }
}

/// A presentation context to propose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Proposal {
    /// SOP class.
    pub abstract_syntax: String,
    /// Transfer syntaxes, the best first.
    pub transfer_syntaxes: Vec<String>,
}

impl Proposal {
    /// Verification in the two uncompressed little endian syntaxes.
    pub fn verification() -> Self {
        let transfer_syntaxes = [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN].map(str::to_owned).to_vec();
        Self { abstract_syntax: VERIFICATION.to_owned(), transfer_syntaxes }
    }

    /// One SOP class in one transfer syntax.
    pub fn storage(sop_class_uid: &str, transfer_syntax_uid: &str) -> Self {
        Self { abstract_syntax: sop_class_uid.to_owned(), transfer_syntaxes: vec![transfer_syntax_uid.to_owned()] }
    }
}

/// The roles that we propose to take for a SOP class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposedRole {
    /// SOP class.
    pub sop_class_uid: String,
    /// Whether we act as its user.
    pub scu: bool,
    /// Whether we act as its provider.
    pub scp: bool,
}

/// What the peer answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: Status,
    /// Its Error Comment, often empty.
    pub comment: String,
}

/// Why an association of ours did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection.
    #[error("{host}:{port}: {source}")]
    Connect {
        /// Host of the target.
        host: String,
        /// Port of the target.
        port: u16,
        /// What the system says.
        source: std::io::Error,
    },
    /// The peer does not want this association.
    #[error("association rejected: {0}")]
    Rejected(String),
    /// The peer aborted.
    #[error("association aborted by the peer")]
    Aborted,
    /// The peer did not accept a presentation context for this SOP class and transfer syntax.
    #[error("no presentation context for SOP class {sop_class_uid} in transfer syntax {transfer_syntax_uid}")]
    NoContext {
        /// SOP class of the object.
        sop_class_uid: String,
        /// Transfer syntax of the object.
        transfer_syntax_uid: String,
    },
    /// The file is no DICOM file.
    #[error(transparent)]
    File(#[from] FileMetaError),
    /// The data set could not be read from its stream.
    #[error("reading the data set: {0}")]
    Source(std::io::Error),
    /// More than 128 presentation contexts.
    #[error("{0} presentation contexts are more than an association has")]
    TooManyContexts(usize),
    /// The connection broke or the peer broke the protocol.
    #[error(transparent)]
    Framing(#[from] FramingError),
}
