//! Forwarding by C-STORE, and the promise by storage commitment (PS3.4 annexes B and J).

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::io::StreamReader;

use super::sender::Context;
use crate::archive;
use crate::archive::peers::forward::{ForwardBatch, ForwardInstance, ForwardResult};
use crate::dimse::scu::{Association, Error, Proposal, ScuTarget, StoreRequest};
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
}

impl DicomUpstream {
    /// Sends what it can of a batch. `Some` says why the upstream is away.
    pub(super) async fn send(&self, context: &Arc<Context>, mut batch: ForwardBatch) -> Option<String> {
        // What finds no room upstream must not keep the others from trying.
        batch.instances.sort_by_key(|one| one.attempts);
        let of = |one: &ForwardInstance| Proposal::storage(&one.sop_class_uid, &one.transfer_syntax_uid);
        let mut proposals = BTreeSet::new();
        let fits = |one: &&ForwardInstance| {
            let proposal = of(one);
            proposals.contains(&proposal) || (proposals.len() < MOST_PROPOSALS && proposals.insert(proposal))
        };
        // Others wait for the next association.
        let instances: Vec<ForwardInstance> = batch.instances.iter().filter(fits).cloned().collect();
        let proposals: Vec<Proposal> = proposals.into_iter().collect();
        let mut association = match Association::connect(&self.target, &proposals).await {
            Ok(association) => association,
            Err(error) => return Some(error.to_string()),
        };
        let (mut results, mut written_at) = (Vec::new(), Instant::now());
        let mut away = None;
        for instance in &instances {
            if !context.may_send() {
                break;
            }
            match store(context, &mut association, instance).await {
                Stored::Settled(result) => results.push(result),
                Stored::Refused(result, reason) => {
                    results.push(result);
                    away = Some(reason);
                    break;
                }
                Stored::Broken(result, reason) => {
                    results.push(result);
                    context.settle(&mut results).await;
                    association.abort().await;
                    return reason;
                }
            }
            if results.len() >= MOST_UNWRITTEN || written_at.elapsed() >= LONGEST_UNWRITTEN {
                context.settle(&mut results).await;
                written_at = Instant::now();
            }
        }
        context.settle(&mut results).await;
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

async fn store(context: &Arc<Context>, association: &mut Association, instance: &ForwardInstance) -> Stored {
    let (class, syntax) = (&instance.sop_class_uid, &instance.transfer_syntax_uid);
    if !association.accepts(class, syntax) {
        let reason = format!("the upstream takes no {class} in transfer syntax {syntax}");
        return Stored::Settled(context.parked(instance, reason));
    }
    let bytes = match context.bytes(instance, instance.dataset_offset).await {
        Ok(bytes) => bytes,
        Err(archive::Error::NotFound) => {
            return Stored::Settled(context.parked(instance, "its bytes are missing here".to_owned()));
        }
        Err(error) => return Stored::Settled(context.failed(instance, error.to_string())),
    };
    let request = StoreRequest {
        sop_class_uid: class.clone(),
        sop_instance_uid: instance.sop_instance_uid.clone(),
        transfer_syntax_uid: syntax.clone(),
    };
    match association.store_stream(&request, StreamReader::new(bytes)).await {
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
