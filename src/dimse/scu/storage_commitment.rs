//! N-ACTION and N-EVENT-REPORT of storage commitment (PS3.4 annex J), on an association that we opened: as the user,
//! who asks and may get the report here, and as the provider, who reports.

use super::association::unexpected;
use super::{Answer, Association, Error, Proposal};
use crate::dicom::elements::Encoding;
use crate::dicom::sop_class::{STORAGE_COMMITMENT_INSTANCE, STORAGE_COMMITMENT_PUSH_MODEL};
use crate::dicom::storage_commitment::{CommitmentReport, CommitmentRequest};
use crate::dicom::transfer_syntax::{EXPLICIT_VR_LITTLE_ENDIAN, ElementEncoding, IMPLICIT_VR_LITTLE_ENDIAN};
use crate::dimse::association::framing::{Part, put_message_part};
use crate::dimse::message::{Command, CommandField};
use crate::dimse::status::Status;

const ACTION_REQUEST_COMMITMENT: u16 = 1;

impl Proposal {
    /// Storage Commitment Push Model in the two uncompressed little endian syntaxes.
    pub fn storage_commitment() -> Self {
        let transfer_syntaxes = [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN].map(str::to_owned).to_vec();
        Self { abstract_syntax: STORAGE_COMMITMENT_PUSH_MODEL.to_owned(), transfer_syntaxes }
    }
}

impl Association {
    /// N-ACTION: asks for commitment. Some peers report before they answer.
    pub async fn request_commitment(
        &mut self,
        request: &CommitmentRequest,
    ) -> Result<(Answer, Option<CommitmentReport>), Error> {
        let (context_id, transfer_syntax) = self.commitment_context()?;
        let message_id = self.next_message_id();
        let command = Command::action_request(
            message_id,
            STORAGE_COMMITMENT_PUSH_MODEL,
            STORAGE_COMMITMENT_INSTANCE,
            ACTION_REQUEST_COMMITMENT,
        );
        let data_set = request.write(ElementEncoding::of(&transfer_syntax));
        self.send_message(context_id, &command, &data_set).await?;
        let mut early = None;
        loop {
            let (context_id, response) = self.receive_command().await?;
            match response.field() {
                CommandField::EventReportRequest if early.is_none() => {
                    early = Some(self.take_commitment_report(context_id, &response).await?);
                }
                CommandField::ActionResponse if response.message_id_being_responded_to() == message_id => {
                    let status = response.status().ok_or_else(|| unexpected("response without a status"))?;
                    return Ok((Answer { status, comment: response.error_comment() }, early));
                }
                _ => return Err(unexpected("response to something else")),
            }
        }
    }

    /// N-EVENT-REPORT: tells what became of a request.
    pub async fn report_commitment(&mut self, report: &CommitmentReport) -> Result<Answer, Error> {
        let (context_id, transfer_syntax) = self.commitment_context()?;
        let message_id = self.next_message_id();
        let command = Command::event_report_request(
            message_id,
            STORAGE_COMMITMENT_PUSH_MODEL,
            STORAGE_COMMITMENT_INSTANCE,
            report.event_type_id(),
        );
        let data_set = report.write(ElementEncoding::of(&transfer_syntax));
        self.send_message(context_id, &command, &data_set).await?;
        self.answer(CommandField::EventReportResponse, message_id).await
    }

    /// Waits for an N-EVENT-REPORT and acknowledges it.
    pub async fn receive_commitment_report(&mut self) -> Result<CommitmentReport, Error> {
        let (context_id, request) = self.receive_command().await?;
        self.take_commitment_report(context_id, &request).await
    }

    async fn take_commitment_report(&mut self, context_id: u8, request: &Command) -> Result<CommitmentReport, Error> {
        if request.field() != CommandField::EventReportRequest || !request.has_data_set() {
            return Err(unexpected("no N-EVENT-REPORT"));
        }
        let mut bytes = Vec::new();
        loop {
            let fragment = self.receive_fragment(Part::DataSet).await?;
            if fragment.context_id != context_id || bytes.len() + fragment.bytes.len() > self.limits.report_bytes {
                return Err(unexpected("data set of an N-EVENT-REPORT"));
            }
            bytes.extend_from_slice(&fragment.bytes);
            if fragment.is_last {
                break;
            }
        }
        let transfer_syntax = self.contexts.get(&context_id).map_or("", |context| &context.transfer_syntax);
        let report = CommitmentReport::read(&bytes, Encoding::of_transfer_syntax(transfer_syntax));
        let status = if report.is_ok() { Status::SUCCESS } else { Status::INVALID_ARGUMENT_VALUE };
        let response = request.normalized_response(status, "");
        let mut bytes = Vec::with_capacity(256);
        put_message_part(&mut bytes, context_id, Part::Command, &response.encode(), self.max_sent_pdu);
        self.framing.write(&bytes).await?;
        report.map_err(|_| unexpected("data set of an N-EVENT-REPORT"))
    }

    fn commitment_context(&self) -> Result<(u8, String), Error> {
        let found = self
            .context_for(STORAGE_COMMITMENT_PUSH_MODEL, None)
            .and_then(|id| Some((id, self.contexts.get(&id)?.transfer_syntax.clone())));
        found.ok_or_else(|| Error::NoContext {
            sop_class_uid: STORAGE_COMMITMENT_PUSH_MODEL.to_owned(),
            transfer_syntax_uid: String::new(),
        })
    }

    /// Sends a command with a small data set.
    async fn send_message(&mut self, context_id: u8, command: &Command, data_set: &[u8]) -> Result<(), Error> {
        let mut bytes = Vec::with_capacity(512 + data_set.len());
        put_message_part(&mut bytes, context_id, Part::Command, &command.encode(), self.max_sent_pdu);
        put_message_part(&mut bytes, context_id, Part::DataSet, data_set, self.max_sent_pdu);
        Ok(self.framing.write(&bytes).await?)
    }
}
