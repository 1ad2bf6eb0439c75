//! From a C-MOVE or C-GET request to the instances that it means.

use super::identifier::{Refusal, keys_of};
use super::status_of;
use crate::archive::peers::retrieve::{Retrieve, StoredInstance};
use crate::dicom::sop_class::{self, RetrieveVerb};
use crate::dimse::association::{Association, AssociationError};
use crate::dimse::message::Command;
use crate::dimse::status::Status;

/// Reads the identifier and finds the instances. The outer error ends the association.
pub(crate) async fn plan(
    association: &mut Association,
    context_id: u8,
    request: &Command,
    verb: RetrieveVerb,
    destination: Result<&str, Refusal>,
) -> Result<Result<Vec<StoredInstance>, Refusal>, AssociationError> {
    let max_bytes = association.node.dicom.retrieve.max_identifier_bytes;
    let identifier = association.collect_data_set(context_id, request, max_bytes).await?;
    let planned = match (destination, identifier) {
        (Err(refusal), _) => Err(refusal),
        (_, Err(_)) => Err((Status::UNABLE_TO_CALCULATE_MATCHES, "identifier is too long")),
        (Ok(destination), Ok(identifier)) => find(association, context_id, verb, destination, &identifier).await,
    };
    if let Err((status, comment)) = &planned {
        tracing::warn!(
            peer.ae_title = %association.caller.ae_title,
            peer.addr = %association.caller.address,
            %status,
            comment,
            "a retrieval was refused"
        );
    }
    Ok(planned)
}

async fn find(
    association: &Association,
    context_id: u8,
    verb: RetrieveVerb,
    destination: &str,
    identifier: &[u8],
) -> Result<Vec<StoredInstance>, Refusal> {
    let context = association.context(context_id);
    let class = sop_class::retrieve_class(&context.abstract_syntax).filter(|class| class.verb == verb);
    let class = class.ok_or((Status::SOP_CLASS_NOT_SUPPORTED, "context is not one for this operation"))?;
    let caller = &association.caller;
    let keys = keys_of(class, identifier, &context.transfer_syntax, &caller.charset)?;
    let command = Retrieve {
        verb: match verb {
            RetrieveVerb::Move => "C-MOVE",
            RetrieveVerb::Get => "C-GET",
        },
        keys,
        readable: association.archive.readable(&caller.reads),
        destination: destination.to_owned(),
        actor: caller.actor(),
        max_instances: association.node.dicom.retrieve.max_instances,
    };
    association.archive.retrieve(command).await.map_err(|error| {
        tracing::error!(peer.ae_title = %caller.ae_title, %error, "a retrieval could not be planned");
        status_of(&error)
    })
}
