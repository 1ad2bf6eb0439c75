//! C-GET (PS3.7 section 9.1.3, PS3.4 section C.4.3): objects go to the caller over the association that asks.
//!
//! The caller has taken the provider's role for the storage classes that it wants (PS3.7 section D.3.3.4). The next
//! objects are read and converted while one is under way; one C-STORE at a time, since one was agreed on.

use std::time::Duration;

use metrics::counter;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::association::framing::FramingError;
use super::association::{Association, AssociationError, Begun};
use super::message::{Command, CommandField};
use super::scu::AbortReason;
use super::sub_operations::{AcceptedContexts, Ended, Progress, plan};
use crate::archive::Archive;
use crate::archive::peers::retrieve::StoredInstance;
use crate::archive::peers::send_data_set::{DataSet, Sending};
use crate::dicom::sop_class::RetrieveVerb;
use crate::dicom::transfer_syntax::ElementEncoding;
use crate::dimse::status::Status;

/// An object whose first bytes are here, or why it cannot be sent.
type Opened = (StoredInstance, Result<(u8, DataSet), Ended>);

/// Answers a C-GET-RQ.
pub(super) async fn serve(
    association: &mut Association,
    context_id: u8,
    request: &Command,
) -> Result<(), AssociationError> {
    let destination = association.caller.ae_title.clone();
    let planned = plan(association, context_id, request, RetrieveVerb::Get, Ok(&destination)).await?;
    let instances = match planned {
        Ok(instances) => instances,
        Err((status, comment)) => return association.respond(context_id, &request.response(status, comment)).await,
    };
    let started = Instant::now();
    let (progress, is_cancelled) = send_all(association, context_id, request, instances).await?;
    let encoding = ElementEncoding::of(&association.context(context_id).transfer_syntax);
    let (response, identifier) = progress.conclude(request, is_cancelled, encoding);
    if progress.counts.failed == 0 && !is_cancelled {
        association.archive.note_success("C-GET", &association.caller.ae_title.to_string());
    }
    tracing::info!(
        peer.ae_title = %association.caller.ae_title,
        status = %response.status().unwrap_or(Status::SUCCESS),
        completed = progress.counts.completed,
        warning = progress.counts.warning,
        failed = progress.counts.failed,
        ms = started.elapsed().as_millis() as u64,
        comment = response.error_comment(),
        "objects were given by C-GET"
    );
    let mut bytes = Vec::new();
    association.put_response(&mut bytes, context_id, &response, &identifier);
    association.write(&bytes).await
}

async fn send_all(
    association: &mut Association,
    context_id: u8,
    request: &Command,
    instances: Vec<StoredInstance>,
) -> Result<(Progress, bool), AssociationError> {
    let config = association.node.dicom.retrieve.clone();
    let mut progress = Progress::of(instances.len());
    let accepted = association.contexts_to_send();
    let (sender, mut opened) = mpsc::channel(config.read_ahead.max(1));
    // Dropped at the end of this function, however it ends.
    let mut reading = JoinSet::new();
    let (archive, sending) = (association.archive.clone(), association.node.sending.clone());
    reading.spawn(open_all(archive, sending, accepted, instances, sender));
    let every = Duration::from_millis(config.pending_interval_ms.max(10));
    let mut pending = interval_at(Instant::now() + every, every);
    pending.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let next: Option<Opened> = tokio::select! {
            biased;
            received = association.incoming() => {
                if association.is_cancel(received?, request.message_id()).await? {
                    return Ok((progress, true));
                }
                continue;
            }
            _ = pending.tick() => {
                let response = request.retrieve_response(Status::PENDING, "", progress.counts, false);
                association.respond(context_id, &response).await?;
                continue;
            }
            next = opened.recv() => next,
        };
        let Some((instance, opened)) = next else { return Ok((progress, false)) };
        let mut is_cancelled = false;
        let ended = match opened {
            Ok((context_id, data_set)) => {
                let limit = Duration::from_millis(config.answer_timeout_ms);
                let sent = send_one(association, context_id, request, &instance, data_set, limit).await?;
                is_cancelled = sent.1;
                sent.0
            }
            Err(ended) => ended,
        };
        progress.note(&instance.sop_instance_uid, &ended);
        if is_cancelled {
            return Ok((progress, true));
        }
    }
}

/// Opens one object after the other, as far ahead as the channel has room.
async fn open_all(
    archive: Archive,
    sending: Sending,
    accepted: AcceptedContexts,
    instances: Vec<StoredInstance>,
    opened: mpsc::Sender<Opened>,
) {
    for instance in instances {
        let one = match accepted.choose(&instance) {
            _ if instance.is_offline() => Err(Ended::OFFLINE),
            None => Err(Ended::Failed("no presentation context to send it")),
            Some((context_id, transfer_syntax)) => {
                match archive.open_data_set(&instance, &transfer_syntax, &sending).await {
                    Ok(data_set) => Ok((context_id, data_set)),
                    Err(error) => {
                        let uid = &instance.sop_instance_uid;
                        tracing::warn!(instance.uid = %uid, %error, "an object could not be sent");
                        Err(Ended::of_error(&error))
                    }
                }
            }
        };
        if opened.send((instance, one)).await.is_err() {
            return;
        }
    }
}

/// Sends one object and waits for the answer; also whether the retrieval was cancelled meanwhile.
async fn send_one(
    association: &mut Association,
    context_id: u8,
    request: &Command,
    instance: &StoredInstance,
    data_set: DataSet,
    limit: Duration,
) -> Result<(Ended, bool), AssociationError> {
    let message_id = association.next_message_id();
    let command = Command::store_request(message_id, &instance.sop_class_uid, &instance.sop_instance_uid);
    let length = data_set.length;
    association.send_object(context_id, &command, data_set).await?;
    let mut is_cancelled = false;
    loop {
        let unexpected = |what| FramingError::protocol(AbortReason::UnexpectedPduParameter, what);
        match association.next_command_within(limit).await? {
            Begun::Command(_, response) if response.field() == CommandField::StoreResponse => {
                if response.message_id_being_responded_to() != message_id {
                    return Err(unexpected("response to something else").into());
                }
                let status = response.status().ok_or_else(|| unexpected("response without a status"))?;
                counter!("yingku_dimse_sent_total", "verb" => "get").increment(1);
                counter!("yingku_dimse_sent_bytes_total", "verb" => "get").increment(length);
                return Ok((Ended::of_answer(status), is_cancelled));
            }
            Begun::Command(_, cancel) if cancel.field() == CommandField::CancelRequest => {
                is_cancelled |= cancel.message_id_being_responded_to() == request.message_id();
            }
            Begun::Command(..) => return Err(unexpected("a message while objects are sent").into()),
            Begun::Release => return Err(unexpected("release while objects are sent").into()),
        }
    }
}
