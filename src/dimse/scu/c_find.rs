//! C-FIND (PS3.4 section C.4.1): a question and its matches, bounded in number, size and time.

use std::time::Duration;

use tokio::time::timeout;

use super::association::unexpected;
use super::identifier::{Identifier, Match};
use super::{Association, Error};
use crate::dicom::text::Charset;
use crate::dimse::association::framing::Part;
use crate::dimse::message::Command;
use crate::dimse::status::Status;

const FIND_REQUEST: u16 = 0x0020;
const FIND_RESPONSE: u16 = 0x8020;

/// What an answer may cost.
#[derive(Debug, Clone, Copy)]
pub struct FindLimits {
    /// Matches.
    pub max_matches: usize,
    /// Bytes of one match.
    pub max_identifier_bytes: usize,
    /// The whole operation.
    pub whole: Duration,
}

impl Association {
    /// Asks and gives all matches. `charset` is that of answers that declare none.
    pub async fn find(
        &mut self,
        sop_class_uid: &str,
        identifier: &Identifier,
        charset: &Charset,
        limits: FindLimits,
    ) -> Result<Vec<Match>, Error> {
        timeout(limits.whole, self.find_within(sop_class_uid, identifier, charset, limits))
            .await
            .map_err(|_| Error::TooLong("C-FIND"))?
    }

    async fn find_within(
        &mut self,
        sop_class_uid: &str,
        identifier: &Identifier,
        charset: &Charset,
        limits: FindLimits,
    ) -> Result<Vec<Match>, Error> {
        let context_id = self.require_context(sop_class_uid)?;
        let syntax = self.contexts[&context_id].transfer_syntax.clone();
        let message_id = self.next_message_id();
        let command = Command::query_request(FIND_REQUEST, message_id, sop_class_uid);
        self.send_query(context_id, &command, &identifier.encode(&syntax)).await?;
        let mut matches = Vec::new();
        loop {
            let (on, response) = self.receive_command().await?;
            if on != context_id
                || response.code() != FIND_RESPONSE
                || response.message_id_being_responded_to() != message_id
            {
                return Err(unexpected("response to something else"));
            }
            let status = response.status().ok_or_else(|| unexpected("response without a status"))?;
            let answer = if response.has_data_set() {
                Some(self.receive_identifier(context_id, limits.max_identifier_bytes).await?)
            } else {
                None
            };
            match (status, answer) {
                (status, Some(bytes)) if status.is_pending() => {
                    if matches.len() >= limits.max_matches {
                        return Err(Error::TooMuch("matches of a C-FIND"));
                    }
                    matches.push(Match::read(&bytes, &syntax, charset));
                }
                (status, None) if status.is_pending() => return Err(unexpected("pending response without a match")),
                (Status::SUCCESS, _) => return Ok(matches),
                (status, _) => return Err(Error::Refused { status, comment: response.error_comment() }),
            }
        }
    }

    /// A data set that belongs to a response, whole.
    pub(super) async fn receive_identifier(&mut self, context_id: u8, max_bytes: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        loop {
            let fragment = self.receive_fragment(Part::DataSet).await?;
            if fragment.context_id != context_id {
                return Err(unexpected("presentation context changes inside a message"));
            }
            if bytes.len() + fragment.bytes.len() > max_bytes {
                return Err(Error::TooMuch("bytes of an answer"));
            }
            bytes.extend_from_slice(&fragment.bytes);
            if fragment.is_last {
                return Ok(bytes);
            }
        }
    }
}
