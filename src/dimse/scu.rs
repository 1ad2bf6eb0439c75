//! The other side: associations that we open (PS3.7 annex D), with C-ECHO and C-STORE.
//!
//! Used by the demonstration, by benches, and by neighbours' integrations. One operation at a time; a data set is sent
//! from memory or from a stream in PDUs no longer than the peer and [`ScuTarget::max_pdu_length`] allow.

use std::collections::BTreeMap;
use std::time::Duration;

use dicom_ul::pdu::{
    AssociationRQ, Pdu, PresentationContextProposed, PresentationContextResultReason, UserVariableItem,
};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::association::abort::{ABORT_BY_USER, RELEASE_REQUEST};
use super::association::framing::{Framing, FramingLimits, Part, Received, put_fragment, put_message_part};
use super::association::negotiation::{APPLICATION_CONTEXT, Context, own_user_information, unpadded};
use super::message::{Command, CommandField};
use super::status::Status;
use crate::dicom::part10::{FileMetaError, read_meta};
use crate::dicom::sop_class::VERIFICATION;
use crate::dicom::transfer_syntax::{EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN};
use crate::domain::AeTitle;

pub use super::association::abort::AbortReason;
pub use super::association::framing::FramingError;

const MAX_ASSOCIATION_PDU_BYTES: u32 = 256 * 1024;
const MAX_COMMAND_BYTES: usize = 16 * 1024;
const MAX_CONTEXTS: usize = 128;
/// PDU header, value header.
const FRAGMENT_HEADER_BYTES: u32 = 6;

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
}

/// The object that a C-STORE announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreRequest {
    /// SOP class.
    pub sop_class_uid: String,
    /// SOP instance.
    pub sop_instance_uid: String,
    /// How the data set is encoded.
    pub transfer_syntax_uid: String,
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

/// An association that we opened.
#[derive(Debug)]
pub struct Association {
    framing: Framing<TcpStream>,
    contexts: BTreeMap<u8, Context>,
    max_sent_pdu: u32,
    patience: Duration,
    last_message_id: u16,
    buffer: Vec<u8>,
}

impl Association {
    /// Connects and negotiates. Contexts that the peer refuses are missing afterwards; that is no error.
    pub async fn connect(target: &ScuTarget, proposals: &[Proposal]) -> Result<Self, Error> {
        if proposals.len() > MAX_CONTEXTS {
            return Err(Error::TooManyContexts(proposals.len()));
        }
        let failed = |source| Error::Connect { host: target.host.clone(), port: target.port, source };
        let connecting = TcpStream::connect((target.host.as_str(), target.port));
        let stream = timeout(target.timeout, connecting)
            .await
            .map_err(|_| failed(std::io::ErrorKind::TimedOut.into()))?
            .map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let limits = FramingLimits {
            max_received_pdu: target.max_pdu_length,
            max_association_pdu: MAX_ASSOCIATION_PDU_BYTES,
            write_timeout: target.timeout,
        };
        let mut framing = Framing::new(stream, limits);
        let request = request(target, proposals);
        framing.write_pdu(&Pdu::AssociationRQ(request)).await?;
        let answer = timeout(target.timeout, framing.read_association_pdu())
            .await
            .map_err(|_| FramingError::TimedOut("A-ASSOCIATE-AC"))??;
        let accepted = match answer {
            Pdu::AssociationAC(accepted) => accepted,
            Pdu::AssociationRJ(rejected) => return Err(Error::Rejected(rejected.source.to_string())),
            Pdu::AbortRQ { .. } => return Err(Error::Aborted),
            _ => return Err(FramingError::protocol(AbortReason::UnexpectedPdu, "no answer to A-ASSOCIATE-RQ").into()),
        };
        let mut contexts = BTreeMap::new();
        for result in &accepted.presentation_contexts {
            let proposal = proposals.get(usize::from(result.id / 2)).filter(|_| result.id % 2 == 1);
            if let Some(proposal) = proposal
                && result.reason == PresentationContextResultReason::Acceptance
            {
                let transfer_syntax = unpadded(&result.transfer_syntax).to_owned();
                contexts
                    .insert(result.id, Context { abstract_syntax: proposal.abstract_syntax.clone(), transfer_syntax });
            }
        }
        let peer_max = accepted.user_variables.iter().find_map(|item| match item {
            UserVariableItem::MaxLength(length) if *length > 0 => Some(*length),
            _ => None,
        });
        // A peer that takes less than a value's header with two bytes could take nothing at all.
        let max_sent_pdu = peer_max.unwrap_or(u32::MAX).min(target.max_pdu_length).max(FRAGMENT_HEADER_BYTES + 2);
        let patience = target.timeout;
        Ok(Self { framing, contexts, max_sent_pdu, patience, last_message_id: 0, buffer: Vec::new() })
    }

    /// Whether the peer takes this SOP class in this transfer syntax.
    pub fn accepts(&self, sop_class_uid: &str, transfer_syntax_uid: &str) -> bool {
        self.context_for(sop_class_uid, Some(transfer_syntax_uid)).is_some()
    }

    /// C-ECHO.
    pub async fn echo(&mut self) -> Result<Answer, Error> {
        let context_id = self.context_for(VERIFICATION, None).ok_or_else(|| Error::NoContext {
            sop_class_uid: VERIFICATION.to_owned(),
            transfer_syntax_uid: String::new(),
        })?;
        let message_id = self.next_message_id();
        let mut bytes = Vec::with_capacity(256);
        let command = Command::echo_request(message_id).encode();
        put_message_part(&mut bytes, context_id, Part::Command, &command, self.max_sent_pdu);
        self.framing.write(&bytes).await?;
        self.answer(CommandField::EchoResponse, message_id).await
    }

    /// C-STORE of a Part 10 file in memory.
    pub async fn store(&mut self, file: &[u8]) -> Result<Answer, Error> {
        let meta = read_meta(file)?;
        let request = StoreRequest {
            sop_class_uid: meta.media_storage_sop_class_uid,
            sop_instance_uid: meta.media_storage_sop_instance_uid,
            transfer_syntax_uid: meta.transfer_syntax_uid,
        };
        let dataset = usize::try_from(meta.dataset_offset).unwrap_or(file.len());
        let (context_id, message_id) = self.begin_store(&request)?;
        let mut rest = &file[dataset.min(file.len())..];
        loop {
            let (piece, after) = rest.split_at(self.room().min(rest.len()));
            rest = after;
            self.send_fragment(context_id, piece, rest.is_empty()).await?;
            if rest.is_empty() {
                return self.answer(CommandField::StoreResponse, message_id).await;
            }
        }
    }

    /// C-STORE of a data set from a stream, which must end.
    pub async fn store_stream(
        &mut self,
        request: &StoreRequest,
        mut dataset: impl AsyncRead + Unpin,
    ) -> Result<Answer, Error> {
        let (context_id, message_id) = self.begin_store(request)?;
        let room = self.room();
        let mut piece = vec![0; room];
        let mut have = read_full(&mut dataset, &mut piece).await?;
        let mut next = vec![0; room];
        loop {
            // Only the next read tells whether this piece is the last.
            let following = if have == room { read_full(&mut dataset, &mut next).await? } else { 0 };
            self.send_fragment(context_id, &piece[..have], following == 0).await?;
            if following == 0 {
                return self.answer(CommandField::StoreResponse, message_id).await;
            }
            std::mem::swap(&mut piece, &mut next);
            have = following;
        }
    }

    /// Puts the command into the buffer: it travels in the segment of the first data.
    fn begin_store(&mut self, request: &StoreRequest) -> Result<(u8, u16), Error> {
        let StoreRequest { sop_class_uid, sop_instance_uid, transfer_syntax_uid } = request;
        let context_id = self.context_for(sop_class_uid, Some(transfer_syntax_uid)).ok_or_else(|| {
            Error::NoContext { sop_class_uid: sop_class_uid.clone(), transfer_syntax_uid: transfer_syntax_uid.clone() }
        })?;
        let message_id = self.next_message_id();
        let command = Command::store_request(message_id, sop_class_uid, sop_instance_uid).encode();
        self.buffer.clear();
        put_message_part(&mut self.buffer, context_id, Part::Command, &command, self.max_sent_pdu);
        Ok((context_id, message_id))
    }

    async fn send_fragment(&mut self, context_id: u8, piece: &[u8], is_last: bool) -> Result<(), Error> {
        put_fragment(&mut self.buffer, context_id, Part::DataSet, piece, is_last);
        self.framing.write(&self.buffer).await?;
        self.buffer.clear();
        Ok(())
    }

    /// Bytes of a data set that fit in one P-DATA-TF.
    fn room(&self) -> usize {
        (self.max_sent_pdu - FRAGMENT_HEADER_BYTES) as usize
    }

    /// A-RELEASE and close.
    pub async fn release(mut self) -> Result<(), Error> {
        self.framing.write(&RELEASE_REQUEST).await?;
        loop {
            match self.receive().await? {
                Received::ReleaseReply => break,
                Received::Abort => return Err(Error::Aborted),
                Received::Fragment(_) | Received::ReleaseRequest => {}
            }
        }
        self.framing.close(Duration::from_secs(1)).await;
        Ok(())
    }

    /// A-ABORT and close.
    pub async fn abort(mut self) {
        self.framing.abort(&ABORT_BY_USER, Duration::from_secs(1)).await;
    }

    async fn answer(&mut self, field: CommandField, message_id: u16) -> Result<Answer, Error> {
        let unexpected = |what| Error::Framing(FramingError::protocol(AbortReason::UnexpectedPduParameter, what));
        let mut bytes = Vec::new();
        loop {
            let fragment = match self.receive().await? {
                Received::Fragment(fragment) if fragment.part == Part::Command => fragment,
                Received::Abort => return Err(Error::Aborted),
                _ => return Err(unexpected("no response")),
            };
            bytes.extend_from_slice(&fragment.bytes);
            if bytes.len() > MAX_COMMAND_BYTES {
                return Err(unexpected("response is too long"));
            }
            if fragment.is_last {
                break;
            }
        }
        let response = Command::parse(&bytes).map_err(|_| unexpected("response does not parse"))?;
        if response.field() != field || response.message_id_being_responded_to() != message_id {
            return Err(unexpected("response to something else"));
        }
        let status = response.status().ok_or_else(|| unexpected("response without a status"))?;
        Ok(Answer { status, comment: response.error_comment() })
    }

    async fn receive(&mut self) -> Result<Received, Error> {
        match timeout(self.patience, self.framing.next()).await {
            Ok(received) => Ok(received?),
            Err(_) => Err(FramingError::TimedOut("response").into()),
        }
    }

    fn context_for(&self, abstract_syntax: &str, transfer_syntax: Option<&str>) -> Option<u8> {
        let fits = |context: &Context| {
            context.abstract_syntax == abstract_syntax
                && transfer_syntax.is_none_or(|uid| uid == context.transfer_syntax)
        };
        self.contexts.iter().find(|(_, context)| fits(context)).map(|(id, _)| *id)
    }

    fn next_message_id(&mut self) -> u16 {
        self.last_message_id = self.last_message_id.wrapping_add(1).max(1);
        self.last_message_id
    }
}

fn request(target: &ScuTarget, proposals: &[Proposal]) -> AssociationRQ {
    let contexts = proposals.iter().zip((1_u8..=255).step_by(2)).map(|(proposal, id)| PresentationContextProposed {
        id,
        abstract_syntax: proposal.abstract_syntax.clone(),
        transfer_syntaxes: proposal.transfer_syntaxes.clone(),
    });
    AssociationRQ {
        protocol_version: 1,
        calling_ae_title: target.calling_ae_title.to_string(),
        called_ae_title: target.called_ae_title.to_string(),
        application_context_name: APPLICATION_CONTEXT.to_owned(),
        presentation_contexts: contexts.collect(),
        user_variables: own_user_information(target.max_pdu_length),
    }
}

/// Reads until the buffer is full or the stream ends.
async fn read_full(source: &mut (impl AsyncRead + Unpin), buffer: &mut [u8]) -> Result<usize, Error> {
    let mut have = 0;
    while have < buffer.len() {
        match source.read(&mut buffer[have..]).await.map_err(Error::Source)? {
            0 => break,
            read => have += read,
        }
    }
    Ok(have)
}
