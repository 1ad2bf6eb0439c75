//! C-STORE (PS3.7 section 9.1.1, PS3.4 annex B; RAD-8): an object comes in.
//!
//! The data set goes from the receive buffer into the archive piece by piece. The answer is success only after the
//! archive says that the object is durable and indexed. A refused object's bytes are read and thrown away, so that the
//! association lives on; other content under a known SOP Instance UID is kept and answered with success (D-I15),
//! because a warning makes some devices send it again for ever.

use std::time::Instant;

use metrics::{counter, histogram};

use super::association::framing::Part;
use super::association::{Association, AssociationError};
use super::message::Command;
use super::services::Service;
use super::status::{self, Status};
use crate::archive::images::store_instance::{Completeness, InstanceWriter, ReceiveInstance, StoreOutcome};
use crate::dicom::sop_class;
use crate::domain::{Actor, ActorKind, Uid};

type Refusal = (Status, &'static str);

/// Answers a C-STORE-RQ.
pub(super) async fn serve(
    association: &mut Association,
    context_id: u8,
    request: &Command,
) -> Result<(), AssociationError> {
    let started = Instant::now();
    let result = match begin(association, context_id, request).await {
        Ok(writer) => receive(association, context_id, writer).await?,
        Err(refusal) => {
            association.drain_data_set(context_id, request).await?;
            Err(refusal)
        }
    };
    histogram!("yingku_dimse_store_seconds").record(started.elapsed().as_secs_f64());
    let (status, comment, outcome) = match result {
        Ok(outcome) => (Status::SUCCESS, "", word(outcome)),
        Err((status, comment)) => (status, comment, "refused"),
    };
    counter!("yingku_dimse_stored_total", "outcome" => outcome).increment(1);
    association.count_store(status == Status::SUCCESS);
    association.respond(context_id, &request.response(status, comment)).await
}

fn word(outcome: StoreOutcome) -> &'static str {
    match outcome {
        StoreOutcome::Stored => "stored",
        StoreOutcome::Duplicate => "duplicate",
        StoreOutcome::NewVersion => "version",
    }
}

async fn begin(association: &Association, context_id: u8, request: &Command) -> Result<InstanceWriter, Refusal> {
    let context = association.context(context_id);
    let sop_class_uid = request.affected_sop_class_uid();
    let sop_instance_uid = request.affected_sop_instance_uid();
    // A caller that may only get has storage contexts too.
    if !association.caller.services.allow(Service::Store) {
        return Err((Status::NOT_AUTHORIZED, "not allowed to store"));
    }
    if Uid::parse(&sop_instance_uid).is_err() {
        return Err((Status::INVALID_SOP_INSTANCE, "SOP Instance UID is no UID"));
    }
    if !request.has_data_set() {
        return Err((Status::CANNOT_UNDERSTAND, "C-STORE without a data set"));
    }
    // Not compared with the context's: a class may come over the context of its related general one (PS3.7 D.3.3.6).
    let private = association.private_classes;
    if !sop_class::is_storage(&context.abstract_syntax, private) || !sop_class::is_storage(&sop_class_uid, private) {
        return Err((Status::SOP_CLASS_NOT_SUPPORTED, "SOP class is not one of storage"));
    }
    let command = ReceiveInstance {
        org_code: association.caller.organization.clone(),
        calling_ae_title: association.caller.ae_title.clone(),
        default_charset: association.caller.charset.clone(),
        sop_class_uid,
        sop_instance_uid,
        transfer_syntax_uid: context.transfer_syntax.clone(),
        completeness: Completeness::AsSent,
        actor: Actor {
            kind: ActorKind::Peer,
            name: association.caller.ae_title.clone(),
            user_id: String::new(),
            remote_addr: association.caller.address.ip().to_canonical().to_string(),
        },
    };
    association.archive.receive_instance(command).await.map_err(|error| refuse(association, &error))
}

/// Takes the data set. The outer error ends the association, the inner one only this object.
async fn receive(
    association: &mut Association,
    context_id: u8,
    mut writer: InstanceWriter,
) -> Result<Result<StoreOutcome, Refusal>, AssociationError> {
    let mut length = 0_u64;
    loop {
        let fragment = match association.next_fragment(context_id, Part::DataSet).await {
            Ok(fragment) => fragment,
            Err(error) => {
                writer.abort().await;
                return Err(error);
            }
        };
        length += fragment.bytes.len() as u64;
        if length > association.limits.max_object_bytes {
            writer.abort().await;
            return Err(AssociationError::ObjectTooLarge);
        }
        if let Err(error) = writer.write(&fragment.bytes).await {
            let refusal = refuse(association, &error);
            writer.abort().await;
            if !fragment.is_last {
                association.drain(context_id, Part::DataSet).await?;
            }
            return Ok(Err(refusal));
        }
        if fragment.is_last {
            break;
        }
    }
    counter!("yingku_dimse_received_bytes_total").increment(length);
    association.count_bytes(length);
    Ok(writer.commit().await.map_err(|error| refuse(association, &error)))
}

fn refuse(association: &Association, error: &crate::archive::Error) -> Refusal {
    let refusal = status::of_store_error(error);
    tracing::warn!(
        peer.ae_title = %association.caller.ae_title,
        peer.addr = %association.caller.address,
        status = %refusal.0,
        %error,
        "an object was not stored"
    );
    refusal
}
