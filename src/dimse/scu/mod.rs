//! The other side: associations that we open (PS3.7 annex D), one file per verb.
//!
//! Used by the retrieval from a PACS, the demonstration, benches, and neighbours' integrations. One operation at a
//! time. Nothing that the peer sends grows without a limit: command sets, identifiers, pending responses and time are
//! all bounded, and what belongs to another operation ends the association.

mod association;
mod c_echo;
mod c_find;
mod c_get;
mod c_move;
mod c_store;
pub mod config;
mod connect;
mod identifier;
mod n_create;
mod retrieve;
mod storage_commitment;
mod user_identity;

use std::time::Duration;

use super::status::Status;
use crate::dicom::convert::is_convertible;
use crate::dicom::part10::FileMetaError;
use crate::dicom::sop_class::VERIFICATION;
use crate::dicom::transfer_syntax::{EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN};
use crate::domain::AeTitle;
use crate::tls::PeerTlsConfig;

pub use super::association::abort::AbortReason;
pub use super::association::framing::FramingError;
pub use super::config::{DicomConfig, PeerConfig};
pub use super::message::SubOperationCounts;
pub(crate) use super::sub_operations::AcceptedContexts;
pub use association::Association;
pub use c_find::FindLimits;
pub use c_get::{GetDestination, Got};
pub use c_store::StoreRequest;
pub use config::{QueryRoot, RetrieveMethod, ScuConfig};
pub use identifier::{Identifier, IdentifierError, Match, QueryLevel};
pub use retrieve::{RetrieveLimits, Retrieved};
pub use user_identity::User;

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
    /// The title under which the peer calls us: what it answers over an association of its own comes under it.
    pub peer_ae_title: AeTitle,
    /// Longest P-DATA-TF that we send and take, in bytes.
    pub max_pdu_length: u32,
    /// Time for the connection to open and for the association to be accepted.
    pub connect_timeout: Duration,
    /// Longest silence while an answer is awaited.
    pub timeout: Duration,
    /// Over TLS, and how.
    pub tls: Option<PeerTlsConfig>,
    /// Who we say that we are.
    pub user: Option<User>,
    /// What the peer's answers may cost.
    pub limits: AnswerLimits,
}

/// What the peer's answers may cost, beside those of one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerLimits {
    /// Bytes of the answer to an A-ASSOCIATE-RQ.
    pub associate_bytes: u32,
    /// Bytes of a command set.
    pub command_bytes: usize,
    /// Bytes of a report of storage commitment.
    pub report_bytes: usize,
}

impl AnswerLimits {
    fn of(scu: &ScuConfig) -> Self {
        Self {
            associate_bytes: scu.max_associate_answer_bytes,
            command_bytes: scu.max_command_bytes,
            report_bytes: scu.max_report_bytes,
        }
    }
}

impl ScuTarget {
    /// A target with PDUs of 128 KiB and a minute's patience.
    pub fn new(host: &str, port: u16, calling_ae_title: AeTitle, called_ae_title: AeTitle) -> Self {
        Self {
            host: host.to_owned(),
            port,
            calling_ae_title,
            peer_ae_title: called_ae_title.clone(),
            called_ae_title,
            max_pdu_length: 128 * 1024,
            connect_timeout: Duration::from_secs(60),
            timeout: Duration::from_secs(60),
            tls: None,
            user: None,
            limits: AnswerLimits::of(&ScuConfig::default()),
        }
    }

    /// A configured peer, called as its `[peer.scu]` says. Everything that a connection to it needs is taken from here.
    pub fn of_peer(dicom: &DicomConfig, peer: &PeerConfig) -> Self {
        let scu = &peer.scu;
        let called_ae_title = scu.called_ae_title.as_ref().unwrap_or(&peer.ae_title).clone();
        let calling_ae_title = scu.calling_ae_title.as_ref().unwrap_or(&dicom.ae_title).clone();
        Self {
            peer_ae_title: peer.ae_title.clone(),
            max_pdu_length: dicom.max_pdu_length,
            connect_timeout: Duration::from_millis(scu.connect_timeout_ms),
            timeout: Duration::from_millis(scu.answer_timeout_ms),
            tls: peer.tls.clone(),
            user: User::of(scu),
            limits: AnswerLimits::of(scu),
            ..Self::new(&peer.host, peer.port, calling_ae_title, called_ae_title)
        }
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

    /// One SOP class in what an object can be converted to when it is not taken as it is stored; nothing for what cannot
    /// be converted.
    pub(crate) fn converted(sop_class_uid: &str, stored_transfer_syntax_uid: &str) -> Option<Self> {
        let syntaxes = [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN];
        syntaxes.iter().all(|to| is_convertible(stored_transfer_syntax_uid, to)).then(|| Self {
            abstract_syntax: sop_class_uid.to_owned(),
            transfer_syntaxes: syntaxes.map(str::to_owned).to_vec(),
        })
    }

    /// A class of queries or retrievals in the two uncompressed little endian syntaxes.
    pub fn query(sop_class_uid: &str) -> Self {
        Self { abstract_syntax: sop_class_uid.to_owned(), ..Self::verification() }
    }

    /// Objects of a class that the peer sends us during a C-GET; it wants a [`ProposedRole`] too.
    pub fn to_receive(sop_class_uid: &str, transfer_syntaxes: Vec<String>) -> Self {
        Self { abstract_syntax: sop_class_uid.to_owned(), transfer_syntaxes }
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
    /// The peer does not say that it has checked our user.
    #[error("the peer did not confirm the user of scu.user")]
    UserNotConfirmed,
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
    /// The peer refused the operation, or could not do it.
    #[error("refused with status {status}{}{comment}", if comment.is_empty() { "" } else { ": " })]
    Refused {
        /// Its status.
        status: Status,
        /// Its Error Comment, often empty.
        comment: String,
    },
    /// The peer sent more than is taken.
    #[error("too many {0}; the association was cut off")]
    TooMuch(&'static str),
    /// The whole operation took too long.
    #[error("{0} took longer than it may")]
    TooLong(&'static str),
    /// More than 128 presentation contexts.
    #[error("{0} presentation contexts are more than an association has")]
    TooManyContexts(usize),
    /// The connection broke or the peer broke the protocol.
    #[error(transparent)]
    Framing(#[from] FramingError),
}
