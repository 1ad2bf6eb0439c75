//! C-MOVE (PS3.4 section C.4.2): the peer sends what is named to an AE title that it knows, on associations of its own.

use tokio::time::timeout;

use super::association::unexpected;
use super::identifier::Identifier;
use super::retrieve::{RetrieveLimits, Retrieved};
use super::{Association, Error};
use crate::dimse::message::{Command, SubOperationCounts};
use crate::domain::AeTitle;

const MOVE_REQUEST: u16 = 0x0021;
const MOVE_RESPONSE: u16 = 0x8021;
const MOVE_DESTINATION: u16 = 0x0600;

impl Association {
    /// Has the peer send what `identifier` names to `destination`, and waits until it says that it has.
    pub async fn move_to(
        &mut self,
        sop_class_uid: &str,
        destination: &AeTitle,
        identifier: &Identifier,
        limits: RetrieveLimits,
    ) -> Result<Retrieved, Error> {
        timeout(limits.whole, self.move_within(sop_class_uid, destination, identifier, limits))
            .await
            .map_err(|_| Error::TooLong("C-MOVE"))?
    }

    async fn move_within(
        &mut self,
        sop_class_uid: &str,
        destination: &AeTitle,
        identifier: &Identifier,
        limits: RetrieveLimits,
    ) -> Result<Retrieved, Error> {
        let context_id = self.require_context(sop_class_uid)?;
        let syntax = self.contexts[&context_id].transfer_syntax.clone();
        let message_id = self.next_message_id();
        let mut command = Command::query_request(MOVE_REQUEST, message_id, sop_class_uid);
        command.set_text(MOVE_DESTINATION, destination.as_str(), b' ');
        self.patience = limits.silence;
        self.send_query(context_id, &command, &identifier.encode(&syntax)).await?;
        let mut counts = SubOperationCounts::default();
        let mut responses = 0_usize;
        loop {
            let (on, response) = self.receive_command().await?;
            if on != context_id
                || response.code() != MOVE_RESPONSE
                || response.message_id_being_responded_to() != message_id
            {
                return Err(unexpected("response to something else"));
            }
            responses += 1;
            if responses > limits.max_messages {
                return Err(Error::TooMuch("responses to a C-MOVE"));
            }
            let status = response.status().ok_or_else(|| unexpected("response without a status"))?;
            counts = response.sub_operations(counts);
            if response.has_data_set() {
                self.receive_identifier(context_id, limits.max_identifier_bytes).await?;
            }
            if !status.is_pending() {
                return Ok(Retrieved { status, comment: response.error_comment(), counts });
            }
        }
    }
}
