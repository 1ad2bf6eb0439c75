//! One association of a C-MOVE: takes instances from the queue until none is left or the destination is lost.

use std::sync::Arc;

use metrics::counter;
use tokio::sync::mpsc;

use super::Load;
use crate::archive::peers::retrieve::StoredInstance;
use crate::dimse::scu::{Association, Error};
use crate::dimse::sub_operations::{AcceptedContexts, Ended};

/// What became of an instance whose association broke before it was answered.
const BROKEN: Ended = Ended::Failed("the destination broke off");

/// Works until the queue is empty or the destination cannot be reached (any more).
pub(super) async fn run(load: Arc<Load>, ended: mpsc::Sender<(String, Ended)>) {
    let mut unanswered = None;
    for attempt in 0..=load.reconnects {
        let mut association = match Association::connect(&load.target, &load.proposals).await {
            Ok(association) => association,
            Err(error) => {
                tracing::warn!(
                    destination = %load.target.called_ae_title,
                    attempt,
                    %error,
                    "an association for C-MOVE could not be opened"
                );
                break;
            }
        };
        match work(&load, &mut association, &mut unanswered, &ended).await {
            None => {
                let _ = association.release().await;
                return;
            }
            Some(error) => {
                tracing::warn!(destination = %load.target.called_ae_title, attempt, %error, "an association for C-MOVE broke");
                association.abort().await;
            }
        }
    }
    if let Some(instance) = unanswered {
        let _ = ended.send((instance.sop_instance_uid, BROKEN)).await;
    }
}

/// Sends over one association until the queue is empty, or gives the error after which it is of no use.
///
/// An instance that the destination had not answered when an association broke goes once more, over the next one; the
/// destination may know it already. One that breaks a second association has failed: it may be what breaks them.
async fn work(
    load: &Load,
    association: &mut Association,
    unanswered: &mut Option<StoredInstance>,
    ended: &mpsc::Sender<(String, Ended)>,
) -> Option<Error> {
    let accepted = association.contexts_to_send();
    loop {
        let again = unanswered.take();
        let is_first_time = again.is_none();
        let instance = again.or_else(|| load.next())?;
        let (outcome, broken) = send(load, association, &accepted, &instance).await;
        if outcome == BROKEN && is_first_time && !load.cancelled.is_cancelled() {
            *unanswered = Some(instance);
        } else {
            let _ = ended.send((instance.sop_instance_uid, outcome)).await;
        }
        if broken.is_some() {
            return broken;
        }
    }
}

/// Sends one instance; the error is one after which the association is of no use.
async fn send(
    load: &Load,
    association: &mut Association,
    accepted: &AcceptedContexts,
    instance: &StoredInstance,
) -> (Ended, Option<Error>) {
    if instance.is_offline() {
        return (Ended::OFFLINE, None);
    }
    let Some((context_id, transfer_syntax)) = accepted.choose(instance) else {
        return (Ended::Failed("the destination takes no such object"), None);
    };
    let data_set = match load.archive.open_data_set(instance, &transfer_syntax, &load.sending).await {
        Ok(data_set) => data_set,
        Err(error) => {
            tracing::warn!(instance.uid = %instance.sop_instance_uid, %error, "an object could not be sent");
            return (Ended::of_error(&error), None);
        }
    };
    let length = data_set.length;
    let names = (instance.sop_class_uid.as_str(), instance.sop_instance_uid.as_str());
    let originator = Some((load.originator.0.as_str(), load.originator.1));
    match association.store_data_set(context_id, names, originator, data_set).await {
        Ok(answer) => {
            counter!("yingku_dimse_sent_total", "verb" => "move").increment(1);
            counter!("yingku_dimse_sent_bytes_total", "verb" => "move").increment(length);
            (Ended::of_answer(answer.status), None)
        }
        Err(error @ Error::Source(_)) => (Ended::Failed("cannot be read now"), Some(error)),
        Err(error) => (BROKEN, Some(error)),
    }
}
