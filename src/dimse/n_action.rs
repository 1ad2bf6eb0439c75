//! N-ACTION (PS3.7 section 10.1.4), of storage commitment (PS3.4 section J.3.2): a peer asks whether its objects are safe.
//!
//! Success means that the request is durable; what became of it is told by an N-EVENT-REPORT.

use super::association::{Association, AssociationError};
use super::message::Command;
use super::status::Status;
use crate::archive::peers::commit_storage::RequestCommitment;
use crate::dicom::elements::Encoding;
use crate::dicom::sop_class::{STORAGE_COMMITMENT_INSTANCE, STORAGE_COMMITMENT_PUSH_MODEL};
use crate::dicom::storage_commitment::{CommitmentRequest, InvalidCommitment};

const ACTION_REQUEST_COMMITMENT: u16 = 1;

/// Answers an N-ACTION-RQ.
pub(super) async fn serve(
    association: &mut Association,
    context_id: u8,
    request: &Command,
) -> Result<(), AssociationError> {
    let max_bytes = association.node.commitment.config().max_request_bytes;
    let data_set = association.collect_data_set(context_id, request, max_bytes).await?;
    let (status, comment) = match data_set {
        Ok(data_set) => match keep(association, context_id, request, &data_set).await {
            Ok(()) => (Status::SUCCESS, ""),
            Err(refusal) => refusal,
        },
        Err(_) => (Status::RESOURCE_LIMITATION, "request is too long"),
    };
    if status != Status::SUCCESS {
        tracing::warn!(
            peer.ae_title = %association.caller.ae_title,
            peer.addr = %association.caller.address,
            %status,
            comment,
            "a request of storage commitment was refused"
        );
    }
    association.respond(context_id, &request.normalized_response(status, comment)).await
}

async fn keep(
    association: &Association,
    context_id: u8,
    request: &Command,
    data_set: &[u8],
) -> Result<(), (Status, &'static str)> {
    let context = association.context(context_id);
    if context.abstract_syntax != STORAGE_COMMITMENT_PUSH_MODEL
        || request.requested_sop_class_uid() != STORAGE_COMMITMENT_PUSH_MODEL
    {
        return Err((Status::NO_SUCH_SOP_CLASS, "not storage commitment"));
    }
    if request.requested_sop_instance_uid() != STORAGE_COMMITMENT_INSTANCE {
        return Err((Status::NO_SUCH_SOP_INSTANCE, "not the well-known instance"));
    }
    if request.action_type_id() != Some(ACTION_REQUEST_COMMITMENT) {
        return Err((Status::NO_SUCH_ACTION_TYPE, "action type is not 1"));
    }
    let encoding = Encoding::of_transfer_syntax(&context.transfer_syntax);
    let asked = CommitmentRequest::read(data_set, encoding).map_err(|invalid| {
        let comment = match invalid {
            InvalidCommitment::TransactionUid => "no Transaction UID",
            InvalidCommitment::Item => "item without UIDs",
            InvalidCommitment::NoInstances => "no instances",
        };
        (Status::INVALID_ARGUMENT_VALUE, comment)
    })?;
    let commitment = &association.node.commitment;
    if asked.instances.len() > commitment.config().max_instances {
        return Err((Status::RESOURCE_LIMITATION, "too many instances"));
    }
    let caller = &association.caller;
    // Before the job can run, so that its report finds this association.
    commitment.remember_association(&caller.ae_title, &asked.transaction_uid, association.report_sender());
    let kept = RequestCommitment {
        org_code: caller.organization.clone(),
        calling_ae_title: caller.ae_title.clone(),
        remote_addr: caller.address.ip().to_canonical().to_string(),
        transaction_uid: asked.transaction_uid,
        instances: asked.instances,
    };
    association.archive.request_commitment(kept).await.map(|_| ()).map_err(|error| {
        tracing::error!(%error, "a request of storage commitment could not be kept");
        (Status::PROCESSING_FAILURE, "request cannot be kept now")
    })
}
