//! One association of a C-MOVE: takes instances from the queue until none is left or the destination is lost.

use std::sync::Arc;

use metrics::counter;
use tokio::sync::mpsc;

use super::Load;
use crate::archive::peers::retrieve::StoredInstance;
use crate::dimse::scu::{Association, Error};
use crate::dimse::sub_operations::{AcceptedContexts, Ended};

/// Works until the queue is empty or the destination cannot be reached (any more).
pub(super) async fn run(load: Arc<Load>, ended: mpsc::Sender<(String, Ended)>) {
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
                return;
            }
        };
        let accepted = association.contexts_to_send();
        let broken = loop {
            let Some(instance) = load.next() else { break None };
            let (outcome, broken) = send(&load, &mut association, &accepted, &instance).await;
            let _ = ended.send((instance.sop_instance_uid, outcome)).await;
            if broken.is_some() {
                break broken;
            }
        };
        match broken {
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
        Err(error) => (Ended::Failed("the destination broke off"), Some(error)),
    }
}
