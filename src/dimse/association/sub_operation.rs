//! What C-MOVE and C-GET need of the association on which they were asked for: to send requests of our own over it, and to
//! hear the peer's cancel meanwhile.

use std::time::Duration;

use super::abort::{AbortReason, RELEASE_REPLY};
use super::framing::{FramingError, Received};
use super::{Association, AssociationError, Begun, receive};
use crate::archive::peers::send_data_set::DataSet;
use crate::dimse::message::{Command, CommandField};
use crate::dimse::sub_operations::{AcceptedContexts, SendError, send_store};

impl Association {
    /// In which contexts the peer takes objects on this association.
    pub(crate) fn contexts_to_send(&self) -> AcceptedContexts {
        let takes = self.contexts.iter().filter(|(_, context)| self.provider_of.contains(&context.abstract_syntax));
        AcceptedContexts::new(takes.map(|(id, context)| (*id, &*context.abstract_syntax, &*context.transfer_syntax)))
    }

    /// Sends a C-STORE-RQ of ours with its data set.
    pub(crate) async fn send_object(
        &mut self,
        context_id: u8,
        command: &Command,
        data_set: DataSet,
    ) -> Result<(), AssociationError> {
        match send_store(&mut self.framing, context_id, command, self.max_sent_pdu, data_set).await {
            Ok(()) => Ok(()),
            Err(SendError::Framing(error)) => Err(error.into()),
            Err(error) => Err(AssociationError::ObjectBroken(error.to_string())),
        }
    }

    /// The next message's command within a time that may be longer than an idle association has.
    pub(crate) async fn next_command_within(&mut self, limit: Duration) -> Result<Begun, AssociationError> {
        let first = receive(&mut self.framing, limit).await?;
        self.command_from(first).await
    }

    /// What comes while an operation of the peer's is going on. Dropping it loses nothing.
    pub(crate) async fn incoming(&mut self) -> Result<Received, AssociationError> {
        Ok(self.framing.next().await?)
    }

    /// Whether what came is the cancel of this message; a cancel of another message means nothing, anything else
    /// breaks the protocol, because one operation at a time was agreed on.
    pub(crate) async fn is_cancel(&mut self, received: Received, message_id: u16) -> Result<bool, AssociationError> {
        match self.command_from(received).await? {
            Begun::Command(_, command) if command.field() == CommandField::CancelRequest => {
                Ok(command.message_id_being_responded_to() == message_id)
            }
            Begun::Command(..) => {
                let what = "a message while another is being answered";
                Err(FramingError::protocol(AbortReason::UnexpectedPduParameter, what).into())
            }
            Begun::Release => {
                Err(FramingError::protocol(AbortReason::UnexpectedPdu, "release while a message is answered").into())
            }
        }
    }

    /// Answers the peer's release.
    pub(crate) async fn answer_release(&mut self) -> Result<(), AssociationError> {
        Ok(self.framing.write(&RELEASE_REPLY).await?)
    }
}
