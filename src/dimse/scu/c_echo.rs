//! C-ECHO (PS3.7 section 9.1.5): are you there?

use super::{Answer, Association, Error};
use crate::dicom::sop_class::VERIFICATION;
use crate::dimse::association::framing::{Part, put_message_part};
use crate::dimse::message::{Command, CommandField};

impl Association {
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
}
