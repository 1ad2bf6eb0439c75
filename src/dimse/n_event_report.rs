//! N-EVENT-REPORT (PS3.7 section 10.1.1), of storage commitment (PS3.4 section J.3.3): a peer that we asked reports, or
//! we report over the association on which we were asked.

use tokio::sync::oneshot;

use super::association::framing::FramingError;
use super::association::{Association, AssociationError, Begun, Continues};
use super::message::{Command, CommandField};
use super::scu::AbortReason;
use super::status::Status;
use super::storage_commitment::PendingReport;
use crate::dicom::elements::Encoding;
use crate::dicom::sop_class::{STORAGE_COMMITMENT_INSTANCE, STORAGE_COMMITMENT_PUSH_MODEL};
use crate::dicom::storage_commitment::CommitmentReport;
use crate::dicom::transfer_syntax::ElementEncoding;

/// Answers an N-EVENT-REPORT-RQ.
pub(super) async fn serve(
    association: &mut Association,
    context_id: u8,
    request: &Command,
) -> Result<(), AssociationError> {
    let max_bytes = association.node.commitment.config().max_request_bytes;
    let data_set = association.collect_data_set(context_id, request, max_bytes).await?;
    let status = match data_set {
        Ok(data_set) => take(association, context_id, request, &data_set),
        Err(_) => Status::RESOURCE_LIMITATION,
    };
    association.respond(context_id, &request.normalized_response(status, "")).await
}

fn take(association: &Association, context_id: u8, request: &Command, data_set: &[u8]) -> Status {
    let context = association.context(context_id);
    if context.abstract_syntax != STORAGE_COMMITMENT_PUSH_MODEL
        || request.affected_sop_class_uid() != STORAGE_COMMITMENT_PUSH_MODEL
    {
        return Status::NO_SUCH_SOP_CLASS;
    }
    if request.affected_sop_instance_uid() != STORAGE_COMMITMENT_INSTANCE {
        return Status::NO_SUCH_SOP_INSTANCE;
    }
    if !matches!(request.event_type_id(), Some(1 | 2)) {
        return Status::NO_SUCH_EVENT_TYPE;
    }
    let encoding = Encoding::of_transfer_syntax(&context.transfer_syntax);
    let Ok(report) = CommitmentReport::read(data_set, encoding) else { return Status::INVALID_ARGUMENT_VALUE };
    let ae_title = &association.caller.ae_title;
    let transaction_uid = report.transaction_uid.clone();
    if !association.node.commitment.deliver(ae_title, report) {
        // Who asked has given up and will ask again; for the peer this transaction is over.
        tracing::info!(peer.ae_title = %ae_title, transaction.uid = %transaction_uid, "a report nobody waits for");
    }
    Status::SUCCESS
}

/// Reports over this association. Whether the peer took it is told to who waits; an error ends the association.
pub(super) async fn send(association: &mut Association, pending: PendingReport) -> Result<Continues, AssociationError> {
    let PendingReport { report, delivered } = pending;
    let Some((context_id, context)) = association.context_of(STORAGE_COMMITMENT_PUSH_MODEL) else {
        return Ok(Continues::Yes);
    };
    let data_set = report.write(ElementEncoding::of(&context.transfer_syntax));
    let message_id = association.next_message_id();
    let command = Command::event_report_request(
        message_id,
        STORAGE_COMMITMENT_PUSH_MODEL,
        STORAGE_COMMITMENT_INSTANCE,
        report.event_type_id(),
    );
    association.send(context_id, &command, &data_set).await?;
    await_response(association, message_id, delivered).await
}

async fn await_response(
    association: &mut Association,
    message_id: u16,
    delivered: oneshot::Sender<bool>,
) -> Result<Continues, AssociationError> {
    loop {
        match association.next_command().await? {
            // It had released before our report reached it.
            Begun::Release => {
                association.answer_release().await?;
                return Ok(Continues::Released);
            }
            Begun::Command(_, response) if response.field() == CommandField::EventReportResponse => {
                if response.message_id_being_responded_to() != message_id {
                    let what = "response to something else";
                    return Err(FramingError::protocol(AbortReason::UnexpectedPduParameter, what).into());
                }
                let _ = delivered.send(response.status().is_some_and(Status::is_done));
                return Ok(Continues::Yes);
            }
            // Its next request was under way when ours left.
            Begun::Command(context_id, request) => Box::pin(association.dispatch(context_id, &request)).await?,
        }
    }
}
