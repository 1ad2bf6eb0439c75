//! An association that we open: from the A-ASSOCIATE-RQ to the release (PS3.8 section 9.2, the requestor's half).

use std::collections::BTreeMap;
use std::time::Duration;

use dicom_ul::pdu::{
    AssociationRQ, Pdu, PresentationContextProposed, PresentationContextResultReason, RequestorRoles, UserVariableItem,
};
use metrics::gauge;
use tokio::time::timeout;

use super::connect::{Stream, open_stream};
use super::{Answer, AnswerLimits, Error, Proposal, ProposedRole, ScuTarget};
use crate::dimse::association::abort::{ABORT_BY_USER, AbortReason, RELEASE_REQUEST};
use crate::dimse::association::framing::{
    Fragment, Framing, FramingError, FramingLimits, Part, Received, put_message_part,
};
use crate::dimse::association::negotiation::{APPLICATION_CONTEXT, Context, own_user_information, unpadded};
use crate::dimse::message::{Command, CommandField};

const MAX_CONTEXTS: usize = 128;
/// How long the peer may take to close after our last word.
const FAREWELL: Duration = Duration::from_secs(1);
/// PDU header, value header.
pub(super) const FRAGMENT_HEADER_BYTES: u32 = 6;

/// An association that we opened.
#[derive(Debug)]
pub struct Association {
    pub(super) framing: Framing<Stream>,
    pub(super) contexts: BTreeMap<u8, Context>,
    pub(super) max_sent_pdu: u32,
    pub(super) patience: Duration,
    pub(super) limits: AnswerLimits,
    last_message_id: u16,
    pub(super) buffer: Vec<u8>,
    _counted: Counted,
}

/// Counts an association among the open ones as long as it lives.
#[derive(Debug)]
struct Counted;

impl Counted {
    fn new() -> Self {
        gauge!("yingku_dimse_scu_associations").increment(1.0);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        gauge!("yingku_dimse_scu_associations").decrement(1.0);
    }
}

impl Association {
    /// Connects and negotiates. Contexts that the peer refuses are missing afterwards; that is no error.
    pub async fn connect(target: &ScuTarget, proposals: &[Proposal]) -> Result<Self, Error> {
        Self::connect_in_roles(target, proposals, &[]).await
    }

    /// The same with role selection (PS3.7 section D.3.3.4) for some of the SOP classes.
    pub async fn connect_in_roles(
        target: &ScuTarget,
        proposals: &[Proposal],
        roles: &[ProposedRole],
    ) -> Result<Self, Error> {
        if proposals.len() > MAX_CONTEXTS {
            return Err(Error::TooManyContexts(proposals.len()));
        }
        let stream = open_stream(target).await?;
        let limits = FramingLimits {
            max_received_pdu: target.max_pdu_length,
            max_association_pdu: target.limits.associate_bytes,
            write_timeout: target.timeout,
        };
        let mut framing = Framing::new(stream, limits);
        let request = request(target, proposals, roles);
        framing.write_pdu(&Pdu::AssociationRQ(request)).await?;
        let answer = timeout(target.connect_timeout, framing.read_association_pdu())
            .await
            .map_err(|_| FramingError::TimedOut("A-ASSOCIATE-AC"))??;
        let accepted = match answer {
            Pdu::AssociationAC(accepted) => accepted,
            Pdu::AssociationRJ(rejected) => return Err(Error::Rejected(rejected.source.to_string())),
            Pdu::AbortRQ { .. } => return Err(Error::Aborted),
            _ => return Err(FramingError::protocol(AbortReason::UnexpectedPdu, "no answer to A-ASSOCIATE-RQ").into()),
        };
        if target.user.as_ref().is_some_and(|user| !user.is_confirmed(&accepted.user_variables)) {
            framing.abort(&ABORT_BY_USER, FAREWELL).await;
            return Err(Error::UserNotConfirmed);
        }
        let mut contexts = BTreeMap::new();
        for result in &accepted.presentation_contexts {
            let proposal = proposals.get(usize::from(result.id / 2)).filter(|_| result.id % 2 == 1);
            let transfer_syntax = unpadded(&result.transfer_syntax);
            // A peer that accepts what was not offered is not believed.
            if let Some(proposal) = proposal
                && result.reason == PresentationContextResultReason::Acceptance
                && proposal.transfer_syntaxes.iter().any(|offered| offered == transfer_syntax)
            {
                let (abstract_syntax, transfer_syntax) = (proposal.abstract_syntax.clone(), transfer_syntax.to_owned());
                contexts.insert(result.id, Context { abstract_syntax, transfer_syntax });
            }
        }
        let peer_max = accepted.user_variables.iter().find_map(|item| match item {
            UserVariableItem::MaxLength(length) if *length > 0 => Some(*length),
            _ => None,
        });
        // A peer that takes less than a value's header with two bytes could take nothing at all.
        let max_sent_pdu = peer_max.unwrap_or(u32::MAX).min(target.max_pdu_length).max(FRAGMENT_HEADER_BYTES + 2);
        let patience = target.timeout;
        let (limits, _counted) = (target.limits, Counted::new());
        Ok(Self { framing, contexts, max_sent_pdu, patience, limits, last_message_id: 0, buffer: Vec::new(), _counted })
    }

    /// Whether the peer takes this SOP class in this transfer syntax.
    pub fn accepts(&self, sop_class_uid: &str, transfer_syntax_uid: &str) -> bool {
        self.context_for(sop_class_uid, Some(transfer_syntax_uid)).is_some()
    }

    /// A-RELEASE and close.
    pub async fn release(mut self) -> Result<(), Error> {
        self.framing.write(&RELEASE_REQUEST).await?;
        // What still comes is not wanted, and does not prolong the wait.
        timeout(self.patience, self.receive_release_reply())
            .await
            .map_err(|_| FramingError::TimedOut("A-RELEASE-RP"))??;
        self.framing.close(FAREWELL).await;
        Ok(())
    }

    async fn receive_release_reply(&mut self) -> Result<(), Error> {
        loop {
            match self.receive().await? {
                Received::ReleaseReply => return Ok(()),
                Received::Abort => return Err(Error::Aborted),
                Received::Fragment(_) | Received::ReleaseRequest => {}
            }
        }
    }

    /// A-ABORT and close.
    pub async fn abort(mut self) {
        self.framing.abort(&ABORT_BY_USER, FAREWELL).await;
    }

    /// The response to the message that was sent last, which has one response without a data set.
    pub(super) async fn answer(&mut self, field: CommandField, message_id: u16) -> Result<Answer, Error> {
        let (_, response) = self.receive_command().await?;
        if response.field() != field || response.message_id_being_responded_to() != message_id {
            return Err(unexpected("response to something else"));
        }
        let status = response.status().ok_or_else(|| unexpected("response without a status"))?;
        Ok(Answer { status, comment: response.error_comment() })
    }

    /// A whole command set and the presentation context that it came on, which is one of the accepted.
    pub(super) async fn receive_command(&mut self) -> Result<(u8, Command), Error> {
        let mut bytes = Vec::new();
        let mut context_id = None;
        loop {
            let fragment = self.receive_fragment(Part::Command).await?;
            if *context_id.get_or_insert(fragment.context_id) != fragment.context_id {
                return Err(unexpected("presentation context changes inside a message"));
            }
            bytes.extend_from_slice(&fragment.bytes);
            if bytes.len() > self.limits.command_bytes {
                return Err(unexpected("command set is too long"));
            }
            if fragment.is_last {
                let command = Command::parse(&bytes).map_err(|_| unexpected("command set does not parse"))?;
                return Ok((fragment.context_id, command));
            }
        }
    }

    /// The next piece of a message's part.
    pub(super) async fn receive_fragment(&mut self, part: Part) -> Result<Fragment, Error> {
        match self.receive().await? {
            Received::Fragment(fragment) if !self.contexts.contains_key(&fragment.context_id) => {
                Err(unexpected("presentation context was not accepted"))
            }
            Received::Fragment(fragment) if fragment.part == part => Ok(fragment),
            Received::Fragment(_) => Err(unexpected("command and data set out of order")),
            Received::Abort => Err(Error::Aborted),
            Received::ReleaseRequest | Received::ReleaseReply => Err(unexpected("release inside an operation")),
        }
    }

    async fn receive(&mut self) -> Result<Received, Error> {
        match timeout(self.patience, self.framing.next()).await {
            Ok(received) => Ok(received?),
            Err(_) => Err(FramingError::TimedOut("response").into()),
        }
    }

    pub(super) fn context_for(&self, abstract_syntax: &str, transfer_syntax: Option<&str>) -> Option<u8> {
        let fits = |context: &Context| {
            context.abstract_syntax == abstract_syntax
                && transfer_syntax.is_none_or(|uid| uid == context.transfer_syntax)
        };
        self.contexts.iter().find(|(_, context)| fits(context)).map(|(id, _)| *id)
    }

    /// The accepted context of a class, whatever its transfer syntax.
    pub(super) fn require_context(&self, abstract_syntax: &str) -> Result<u8, Error> {
        self.context_for(abstract_syntax, None).ok_or_else(|| Error::NoContext {
            sop_class_uid: abstract_syntax.to_owned(),
            transfer_syntax_uid: "any".to_owned(),
        })
    }

    /// Whether the peer takes part in this class at all.
    pub fn offers(&self, sop_class_uid: &str) -> bool {
        self.context_for(sop_class_uid, None).is_some()
    }

    /// Sends a command with its identifier.
    pub(super) async fn send_query(
        &mut self,
        context_id: u8,
        command: &Command,
        identifier: &[u8],
    ) -> Result<(), Error> {
        let mut bytes = Vec::with_capacity(512 + identifier.len());
        put_message_part(&mut bytes, context_id, Part::Command, &command.encode(), self.max_sent_pdu);
        put_message_part(&mut bytes, context_id, Part::DataSet, identifier, self.max_sent_pdu);
        Ok(self.framing.write(&bytes).await?)
    }

    pub(super) fn next_message_id(&mut self) -> u16 {
        self.last_message_id = self.last_message_id.wrapping_add(1).max(1);
        self.last_message_id
    }
}

fn request(target: &ScuTarget, proposals: &[Proposal], roles: &[ProposedRole]) -> AssociationRQ {
    let contexts = proposals.iter().zip((1_u8..=255).step_by(2)).map(|(proposal, id)| PresentationContextProposed {
        id,
        abstract_syntax: proposal.abstract_syntax.clone(),
        transfer_syntaxes: proposal.transfer_syntaxes.clone(),
    });
    let mut user_variables = own_user_information(target.max_pdu_length);
    user_variables.extend(target.user.iter().map(super::User::item));
    user_variables.extend(roles.iter().map(|role| {
        let roles = RequestorRoles { scu: role.scu, scp: role.scp };
        UserVariableItem::ScuScpRoleSelectionSubItem(role.sop_class_uid.clone(), roles)
    }));
    AssociationRQ {
        protocol_version: 1,
        calling_ae_title: target.calling_ae_title.to_string(),
        called_ae_title: target.called_ae_title.to_string(),
        application_context_name: APPLICATION_CONTEXT.to_owned(),
        presentation_contexts: contexts.collect(),
        user_variables,
    }
}

/// The peer broke the order of messages.
pub(super) fn unexpected(what: &'static str) -> Error {
    Error::Framing(FramingError::protocol(AbortReason::UnexpectedPduParameter, what))
}
