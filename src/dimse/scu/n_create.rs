//! N-CREATE (PS3.7 section 10.1.5), of Instance Availability Notification (PS3.4 section R.3).

use super::{Answer, Association, Error};
use crate::dimse::association::framing::{Part, put_message_part};
use crate::dimse::message::{Command, CommandField};

impl Association {
    /// The transfer syntax in which data sets of a class go to the peer, if it takes part in it.
    pub fn transfer_syntax_of(&self, sop_class_uid: &str) -> Option<&str> {
        let context_id = self.context_for(sop_class_uid, None)?;
        self.contexts.get(&context_id).map(|context| context.transfer_syntax.as_str())
    }

    /// N-CREATE of an instance whose UID is ours to choose.
    pub async fn create(
        &mut self,
        sop_class_uid: &str,
        sop_instance_uid: &str,
        data_set: &[u8],
    ) -> Result<Answer, Error> {
        let context_id = self.require_context(sop_class_uid)?;
        let message_id = self.next_message_id();
        let command = Command::create_request(message_id, sop_class_uid, sop_instance_uid);
        let mut bytes = Vec::with_capacity(512 + data_set.len());
        put_message_part(&mut bytes, context_id, Part::Command, &command.encode(), self.max_sent_pdu);
        put_message_part(&mut bytes, context_id, Part::DataSet, data_set, self.max_sent_pdu);
        self.framing.write(&bytes).await?;
        let (on, response) = self.receive_command().await?;
        if response.field() != CommandField::CreateResponse || response.message_id_being_responded_to() != message_id {
            return Err(super::association::unexpected("response to something else"));
        }
        if response.has_data_set() {
            // It may repeat the attributes (PS3.7 table 10.3-9); they are ours.
            self.receive_identifier(on, self.limits.report_bytes).await?;
        }
        let status = response.status().ok_or_else(|| super::association::unexpected("response without a status"))?;
        Ok(Answer { status, comment: response.error_comment() })
    }
}
