//! Forwarding by C-STORE, and the promise by storage commitment (PS3.4 annexes B and J).

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::io::StreamReader;

use super::sender::Context;
use crate::archive;
use crate::archive::peers::forward::{ForwardBatch, ForwardInstance, ForwardResult};
use crate::archive::peers::send_data_set::{DataSet, Sending};
use crate::dimse::scu::{AcceptedContexts, Association, Error, Proposal, ScuTarget, StoreRequest};
use crate::dimse::storage_commitment::StorageCommitment;
use crate::domain::commitment::ReferencedInstance;

/// Presentation contexts of one association.
const MOST_PROPOSALS: usize = 128;
/// Results that are written together.
const MOST_UNWRITTEN: usize = 25;
const LONGEST_UNWRITTEN: Duration = Duration::from_secs(1);

/// Where a DICOM upstream is.
#[derive(Debug, Clone)]
pub struct DicomUpstream {
    /// Whom to call.
    pub target: ScuTarget,
    /// For asking whether it keeps what it was sent.
    pub commitment: StorageCommitment,
    /// For converting what it does not take as it is stored.
    pub sending: Sending,
}

impl DicomUpstream {
    /// Sends what it can of a batch. `Some` says why the upstream is away.
    pub(super) async fn send(&self, context: &Arc<Context>, mut batch: ForwardBatch) -> Option<String> {
        // What finds no room upstream must not keep the others from trying.
        batch.instances.sort_by_key(|one| one.attempts);
        let mut proposals = BTreeSet::new();
        let fits = |one: &&ForwardInstance| {
            let (class, syntax) = (&one.sop_class_uid, &one.transfer_syntax_uid);
            let stored = Proposal::storage(class, syntax);
            let converted = context.config.convert.then(|| Proposal::converted(class, syntax)).flatten();
            let wanted: Vec<Proposal> =
                std::iter::once(stored).chain(converted).filter(|one| !proposals.contains(one)).collect();
            let fits = proposals.len() + wanted.len() <= MOST_PROPOSALS;
            if fits {
                proposals.extend(wanted);
            }
            fits
        };
        // Others wait for the next association.
        let instances: Vec<ForwardInstance> = batch.instances.iter().filter(fits).cloned().collect();
        let proposals: Vec<Proposal> = proposals.into_iter().collect();
        let mut association = match Association::connect(&self.target, &proposals).await {
            Ok(association) => association,
            Err(error) => return Some(error.to_string()),
        };
        let accepted = association.contexts_to_send();
        let (mut results, mut written_at) = (Vec::new(), Instant::now());
        let mut away = None;
        for instance in &instances {
            if !context.may_send() {
                break;
            }
            match self.store(context, &mut association, &accepted, instance).await {
                Stored::Settled(result) => results.push(result),
                Stored::Refused(result, reason) => {
                    results.push(result);
                    away = Some(reason);
                    break;
                }
                Stored::Broken(result, reason) => {
                    results.push(result);
                    let unwritten = context.settle(&mut results).await;
                    association.abort().await;
                    return reason.or(unwritten);
                }
            }
            if results.len() >= MOST_UNWRITTEN || written_at.elapsed() >= LONGEST_UNWRITTEN {
                away = context.settle(&mut results).await;
                if away.is_some() {
                    break;
                }
                written_at = Instant::now();
            }
        }
        away = away.or(context.settle(&mut results).await);
        if let Err(error) = association.release().await {
            tracing::debug!(upstream.name = %context.config.name, %error, "an association was not released in order");
        }
        away
    }

    /// Which instances the upstream promises to keep, by SOP Instance UID.
    pub(super) async fn confirm(&self, batch: &ForwardBatch) -> Result<HashSet<String>, String> {
        let referenced = |one: &ForwardInstance| ReferencedInstance {
            sop_class_uid: one.sop_class_uid.clone(),
            sop_instance_uid: one.sop_instance_uid.clone(),
        };
        let asked: Vec<ReferencedInstance> = batch.instances.iter().map(referenced).collect();
        let told = self.commitment.request(&self.target, &asked).await.map_err(|error| error.to_string())?;
        Ok(told.committed.into_iter().map(|one| one.sop_instance_uid).collect())
    }
}

enum Stored {
    /// The upstream has answered, one way or the other.
    Settled(ForwardResult),
    /// It has no room right now; others would fare alike.
    Refused(ForwardResult, String),
    /// The association is of no use any more; the reason when that was the upstream's doing.
    Broken(ForwardResult, Option<String>),
}

impl DicomUpstream {
    async fn store(
        &self,
        context: &Arc<Context>,
        association: &mut Association,
        accepted: &AcceptedContexts,
        instance: &ForwardInstance,
    ) -> Stored {
        let (class, stored) = (&instance.sop_class_uid, &instance.transfer_syntax_uid);
        let chosen = accepted.choose_for(class, stored);
        let answered = match chosen.filter(|(_, to)| context.config.convert || to == stored) {
            None => {
                let reason = format!("the upstream takes no {class} in transfer syntax {stored}");
                return Stored::Settled(context.parked(instance, reason));
            }
            Some((_, to)) if to == *stored => {
                let bytes = match context.bytes(instance, instance.dataset_offset).await {
                    Ok(bytes) => bytes,
                    Err(error) => return unreadable(context, instance, &error),
                };
                let request = StoreRequest {
                    sop_class_uid: class.clone(),
                    sop_instance_uid: instance.sop_instance_uid.clone(),
                    transfer_syntax_uid: to,
                };
                association.store_stream(&request, StreamReader::new(bytes)).await
            }
            Some((context_id, to)) => {
                let converted = match context.archive.forward_converted(instance, &to, &self.sending).await {
                    Ok(DataSet { length, pieces }) => DataSet { length, pieces: context.throttled(pieces) },
                    Err(error) => return unreadable(context, instance, &error),
                };
                association.store_data_set(context_id, (class, &instance.sop_instance_uid), None, converted).await
            }
        };
        match answered {
            Ok(answer) if answer.status.is_done() => Stored::Settled(context.sent(instance)),
            Ok(answer) => {
                let reason = format!("C-STORE answered {} {}", answer.status, answer.comment);
                // Out of resources (A7xx), resource limitation: later it may fit.
                if answer.status.0 & 0xFF00 == 0xA700 || answer.status.0 == 0x0213 {
                    Stored::Refused(context.failed(instance, reason.clone()), reason)
                } else {
                    Stored::Settled(context.parked(instance, reason))
                }
            }
            Err(Error::Source(error)) => {
                Stored::Broken(context.failed(instance, format!("cannot be read here: {error}")), None)
            }
            Err(error) => Stored::Broken(context.failed(instance, error.to_string()), Some(error.to_string())),
        }
    }
}

/// Nothing has left yet; the association goes on with others.
fn unreadable(context: &Context, instance: &ForwardInstance, error: &archive::Error) -> Stored {
    Stored::Settled(match error {
        archive::Error::NotFound => context.parked(instance, "its bytes are missing here".to_owned()),
        // Another attempt would end alike.
        archive::Error::Invalid(why) => context.parked(instance, format!("cannot be converted: {why}")),
        error => context.failed(instance, error.to_string()),
    })
}
