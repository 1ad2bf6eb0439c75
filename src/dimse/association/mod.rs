//! One association of a caller, from its first byte to its last (PS3.8 section 9.2, the acceptor's half).

pub(crate) mod abort;
pub(crate) mod framing;
pub(crate) mod negotiation;
mod roles;
mod sub_operation;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::config::{DicomConfig, FindConfig};
use super::message::{Command, CommandField};
use super::node::Node;
use super::services::Services;
use super::status::Status;
use super::storage_commitment::PendingReport;
use super::transport::Transport;
use super::{c_echo, c_find, c_get, c_move, c_store, n_action, n_event_report};
use crate::archive::Archive;
use crate::archive::peers::find::Reads;
use crate::dicom::sop_class::PrivateClasses;
use crate::dicom::text::Charset;
use crate::domain::{Actor, ActorKind};
use abort::{AbortReason, RELEASE_REPLY};
use framing::{Fragment, Framing, FramingError, Part, Received, put_message_part};
use negotiation::{Agreement, Context};

/// Why an association ended other than by a release.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AssociationError {
    #[error(transparent)]
    Framing(#[from] FramingError),
    #[error("aborted by the peer")]
    AbortedByPeer,
    #[error("object is longer than dicom.max_object_bytes")]
    ObjectTooLarge,
    #[error("the server is stopping")]
    Stopping,
    #[error("an object could not be sent to its end: {0}")]
    ObjectBroken(String),
}

impl AssociationError {
    /// What to tell the peer; `None` when it cannot or need not hear anything.
    pub(crate) fn abort_reason(&self) -> Option<AbortReason> {
        match self {
            AssociationError::Framing(FramingError::Protocol { reason, .. }) => Some(*reason),
            AssociationError::Framing(FramingError::TimedOut("sending")) => None,
            AssociationError::Framing(FramingError::TimedOut(_))
            | AssociationError::ObjectTooLarge
            | AssociationError::ObjectBroken(_)
            | AssociationError::Stopping => Some(AbortReason::NotSpecified),
            AssociationError::Framing(FramingError::Io(_) | FramingError::Closed) | AssociationError::AbortedByPeer => {
                None
            }
        }
    }
}

/// Who is at the other end, as the configuration knows it.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) ae_title: String,
    pub(crate) organization: String,
    pub(crate) charset: Charset,
    pub(crate) address: SocketAddr,
    /// The character set of answers to queries that name none.
    pub(crate) answer_charset: Option<Charset>,
    /// Whose data it may ask for.
    pub(crate) reads: Reads,
    /// What it may ask for.
    pub(crate) services: Services,
    /// In which it may send objects, the best first; none is any.
    pub(crate) transfer_syntaxes: Vec<String>,
}

impl Caller {
    /// Who acts, for the archive.
    pub(crate) fn actor(&self) -> Actor {
        Actor {
            kind: ActorKind::Peer,
            name: self.ae_title.clone(),
            user_id: String::new(),
            remote_addr: self.address.ip().to_canonical().to_string(),
        }
    }
}

/// What one association may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) idle_timeout: Duration,
    pub(crate) artim_timeout: Duration,
    pub(crate) max_command_bytes: usize,
    pub(crate) max_object_bytes: u64,
    pub(crate) max_sent_pdu_length: u32,
}

impl Limits {
    pub(crate) fn of(config: &DicomConfig) -> Self {
        Self {
            idle_timeout: Duration::from_millis(config.idle_timeout_ms),
            artim_timeout: Duration::from_millis(config.artim_timeout_ms),
            max_command_bytes: config.max_command_bytes,
            max_object_bytes: config.max_object_bytes,
            max_sent_pdu_length: config.max_sent_pdu_length,
        }
    }
}

/// A data set is longer than it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong;

/// What an association did, for its line in the log.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) stored: u64,
    pub(crate) refused: u64,
    pub(crate) bytes: u64,
}

/// An open association; we are the acceptor.
pub(crate) struct Association {
    pub(crate) caller: Caller,
    pub(crate) archive: Archive,
    pub(crate) limits: Limits,
    pub(crate) private_classes: PrivateClasses,
    /// What all associations share.
    pub(crate) node: Arc<Node>,
    /// Storage classes of which the peer takes objects here (C-GET).
    pub(crate) provider_of: BTreeSet<String>,
    pub(crate) find: FindConfig,
    /// Our title, as this caller named it.
    pub(crate) called_ae_title: String,
    /// What SOP class extended negotiation agreed on, by SOP class.
    extended: BTreeMap<String, Vec<u8>>,
    framing: Framing<Transport>,
    contexts: BTreeMap<u8, Context>,
    max_sent_pdu: u32,
    tally: Tally,
    last_message_id: u16,
    reports: Reports,
}

/// Reports of storage commitment that go out over this association.
#[derive(Debug)]
struct Reports {
    sender: mpsc::Sender<PendingReport>,
    receiver: mpsc::Receiver<PendingReport>,
}

/// What the next message begins with.
pub(crate) enum Begun {
    Command(u8, Command),
    Release,
}

/// Whether an association goes on after an operation of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Continues {
    Yes,
    /// The peer released it meanwhile.
    Released,
}

async fn receive(framing: &mut Framing<Transport>, idle_timeout: Duration) -> Result<Received, AssociationError> {
    match timeout(idle_timeout, framing.next()).await {
        Ok(received) => Ok(received?),
        Err(_) => Err(FramingError::TimedOut("receiving").into()),
    }
}

impl Association {
    pub(crate) fn new(
        framing: Framing<Transport>,
        agreement: Agreement,
        caller: Caller,
        archive: Archive,
        config: &DicomConfig,
        node: Arc<Node>,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(1);
        let limits = Limits::of(config);
        let max_sent_pdu = match agreement.peer_max_pdu {
            0 => limits.max_sent_pdu_length,
            peer => peer.min(limits.max_sent_pdu_length),
        };
        Self {
            caller,
            archive,
            limits,
            private_classes: config.private_classes(),
            node,
            provider_of: agreement.provider_of,
            find: config.find.clone(),
            called_ae_title: config.ae_title.to_string(),
            extended: negotiation::extended(&agreement.answer),
            framing,
            contexts: agreement.contexts,
            max_sent_pdu,
            tally: Tally::default(),
            last_message_id: 0,
            reports: Reports { sender, receiver },
        }
    }

    /// Serves messages until the peer releases, something breaks, or the server stops. A message that has begun when
    /// the server stops is finished first.
    pub(crate) async fn serve(&mut self, shutdown: &CancellationToken) -> Result<(), AssociationError> {
        loop {
            let first = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Err(AssociationError::Stopping),
                Some(pending) = self.reports.receiver.recv() => {
                    match n_event_report::send(self, pending).await? {
                        Continues::Yes => continue,
                        Continues::Released => return Ok(()),
                    }
                }
                first = receive(&mut self.framing, self.limits.idle_timeout) => first?,
            };
            match self.command_from(first).await? {
                Begun::Release => {
                    self.framing.write(&RELEASE_REPLY).await?;
                    return Ok(());
                }
                Begun::Command(context_id, request) => self.dispatch(context_id, &request).await?,
            }
        }
    }

    pub(crate) async fn dispatch(&mut self, context_id: u8, request: &Command) -> Result<(), AssociationError> {
        match request.field() {
            CommandField::EchoRequest => c_echo::serve(self, context_id, request).await,
            CommandField::StoreRequest => c_store::serve(self, context_id, request).await,
            CommandField::FindRequest => c_find::serve(self, context_id, request).await,
            CommandField::GetRequest => c_get::serve(self, context_id, request).await,
            CommandField::MoveRequest => c_move::serve(self, context_id, request).await,
            CommandField::ActionRequest => n_action::serve(self, context_id, request).await,
            CommandField::EventReportRequest => n_event_report::serve(self, context_id, request).await,
            // Nothing of ours can be cancelled; a cancel has no response (PS3.7 section 9.3.2.3).
            CommandField::CancelRequest => Ok(()),
            field if field.is_response() => {
                Err(FramingError::protocol(AbortReason::UnexpectedPduParameter, "a response nobody asked for").into())
            }
            _ => {
                self.drain_data_set(context_id, request).await?;
                self.respond(context_id, &request.response(Status::UNRECOGNIZED_OPERATION, "not offered")).await
            }
        }
    }

    /// The next message's command, or the peer's release.
    pub(crate) async fn next_command(&mut self) -> Result<Begun, AssociationError> {
        let first = self.receive().await?;
        self.command_from(first).await
    }

    async fn command_from(&mut self, first: Received) -> Result<Begun, AssociationError> {
        let mut bytes = Vec::new();
        let mut context_id = None;
        let mut next = Some(first);
        loop {
            let received = match next.take() {
                Some(first) => first,
                None => self.receive().await?,
            };
            let fragment = match received {
                Received::ReleaseRequest if context_id.is_none() => return Ok(Begun::Release),
                Received::Fragment(fragment) => fragment,
                Received::Abort => return Err(AssociationError::AbortedByPeer),
                Received::ReleaseRequest | Received::ReleaseReply => {
                    return Err(FramingError::protocol(AbortReason::UnexpectedPdu, "release out of order").into());
                }
            };
            let context_id = *context_id.get_or_insert(fragment.context_id);
            self.check_fragment(&fragment, context_id, Part::Command)?;
            if bytes.len() + fragment.bytes.len() > self.limits.max_command_bytes {
                return Err(FramingError::protocol(AbortReason::InvalidPduParameter, "command set is too long").into());
            }
            bytes.extend_from_slice(&fragment.bytes);
            if fragment.is_last {
                let command = Command::parse(&bytes).map_err(|_| {
                    FramingError::protocol(AbortReason::InvalidPduParameter, "command set does not parse")
                })?;
                return Ok(Begun::Command(context_id, command));
            }
        }
    }

    /// The accepted presentation context; [`Self::check_fragment`] has seen to it that there is one.
    pub(crate) fn context(&self, context_id: u8) -> &Context {
        &self.contexts[&context_id]
    }

    fn check_fragment(&self, fragment: &Fragment, context_id: u8, part: Part) -> Result<(), AssociationError> {
        let what = if !self.contexts.contains_key(&fragment.context_id) {
            "presentation context was not accepted"
        } else if fragment.context_id != context_id {
            "presentation context changes inside a message"
        } else if fragment.part != part {
            "command and data set out of order"
        } else {
            return Ok(());
        };
        Err(FramingError::protocol(AbortReason::UnexpectedPduParameter, what).into())
    }

    /// The next piece of the current message's data set.
    pub(crate) async fn next_fragment(&mut self, context_id: u8, part: Part) -> Result<Fragment, AssociationError> {
        match self.receive().await? {
            Received::Fragment(fragment) => {
                self.check_fragment(&fragment, context_id, part)?;
                Ok(fragment)
            }
            Received::Abort => Err(AssociationError::AbortedByPeer),
            Received::ReleaseRequest | Received::ReleaseReply => {
                Err(FramingError::protocol(AbortReason::UnexpectedPdu, "release inside a message").into())
            }
        }
    }

    async fn receive(&mut self) -> Result<Received, AssociationError> {
        receive(&mut self.framing, self.limits.idle_timeout).await
    }

    /// Reads the data set of a request, if it has one; the inner error says that it is longer than `max_bytes`, of
    /// which nothing was kept.
    pub(crate) async fn collect_data_set(
        &mut self,
        context_id: u8,
        request: &Command,
        max_bytes: usize,
    ) -> Result<Result<Vec<u8>, TooLong>, AssociationError> {
        let mut bytes = Vec::new();
        if !request.has_data_set() {
            return Ok(Ok(bytes));
        }
        loop {
            let fragment = self.next_fragment(context_id, Part::DataSet).await?;
            if bytes.len() + fragment.bytes.len() > max_bytes {
                if !fragment.is_last {
                    self.drain(context_id, Part::DataSet).await?;
                }
                return Ok(Err(TooLong));
            }
            bytes.extend_from_slice(&fragment.bytes);
            if fragment.is_last {
                return Ok(Ok(bytes));
            }
        }
    }

    /// Reads and throws away the data set of a request, if it has one.
    pub(crate) async fn drain_data_set(&mut self, context_id: u8, request: &Command) -> Result<(), AssociationError> {
        if request.has_data_set() { self.drain(context_id, Part::DataSet).await } else { Ok(()) }
    }

    /// Reads and throws away the rest of a data set.
    pub(crate) async fn drain(&mut self, context_id: u8, part: Part) -> Result<(), AssociationError> {
        let mut length = 0_u64;
        loop {
            let fragment = self.next_fragment(context_id, part).await?;
            length += fragment.bytes.len() as u64;
            if length > self.limits.max_object_bytes {
                return Err(AssociationError::ObjectTooLarge);
            }
            if fragment.is_last {
                return Ok(());
            }
        }
    }

    /// Sends a response in one write.
    pub(crate) async fn respond(&mut self, context_id: u8, response: &Command) -> Result<(), AssociationError> {
        let mut bytes = Vec::with_capacity(512);
        put_message_part(&mut bytes, context_id, Part::Command, &response.encode(), self.max_sent_pdu);
        Ok(self.framing.write(&bytes).await?)
    }

    /// Sends a command with a small data set in one write.
    pub(crate) async fn send(
        &mut self,
        context_id: u8,
        command: &Command,
        data_set: &[u8],
    ) -> Result<(), AssociationError> {
        let mut bytes = Vec::with_capacity(512 + data_set.len());
        put_message_part(&mut bytes, context_id, Part::Command, &command.encode(), self.max_sent_pdu);
        put_message_part(&mut bytes, context_id, Part::DataSet, data_set, self.max_sent_pdu);
        Ok(self.framing.write(&bytes).await?)
    }

    /// Appends a response with its data set, if any, to `out`.
    pub(crate) fn put_response(&self, out: &mut Vec<u8>, context_id: u8, response: &Command, data_set: &[u8]) {
        put_message_part(out, context_id, Part::Command, &response.encode(), self.max_sent_pdu);
        if response.has_data_set() {
            put_message_part(out, context_id, Part::DataSet, data_set, self.max_sent_pdu);
        }
    }

    /// Sends what [`Self::put_response`] has put together.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), AssociationError> {
        Ok(self.framing.write(bytes).await?)
    }

    /// What SOP class extended negotiation agreed on; empty when there was none.
    pub(crate) fn extended(&self, sop_class_uid: &str) -> &[u8] {
        self.extended.get(sop_class_uid).map(Vec::as_slice).unwrap_or_default()
    }

    /// A presentation context of this SOP class.
    pub(crate) fn context_of(&self, abstract_syntax: &str) -> Option<(u8, &Context)> {
        self.contexts.iter().find(|(_, c)| c.abstract_syntax == abstract_syntax).map(|(id, context)| (*id, context))
    }

    /// An id for a request of ours.
    pub(crate) fn next_message_id(&mut self) -> u16 {
        self.last_message_id = self.last_message_id.wrapping_add(1).max(1);
        self.last_message_id
    }

    /// Where reports for this association's peer are put.
    pub(crate) fn report_sender(&self) -> mpsc::Sender<PendingReport> {
        self.reports.sender.clone()
    }

    pub(crate) fn count_store(&mut self, is_stored: bool) {
        if is_stored {
            self.tally.stored += 1;
        } else {
            self.tally.refused += 1;
        }
    }

    pub(crate) fn count_bytes(&mut self, length: u64) {
        self.tally.bytes += length;
    }

    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    /// Closes the connection after a release and waits for the requestor to do so, at most ARTIM.
    pub(crate) async fn close(&mut self) {
        self.framing.close(self.limits.artim_timeout).await;
    }

    /// Tells the peer that this is the end.
    pub(crate) async fn abort(&mut self, reason: AbortReason, linger: Duration) {
        self.framing.abort(&reason.pdu(), linger).await;
    }
}

impl Drop for Association {
    fn drop(&mut self) {
        self.node.commitment.forget_association(&self.reports.sender);
    }
}
