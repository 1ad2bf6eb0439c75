//! C-MOVE (PS3.7 section 9.1.4, PS3.4 section C.4.2): objects go to a known destination over associations of our own.
//!
//! Several associations take from one queue, each object in the transfer syntax that the destination accepts. The caller
//! hears regularly how far it is, can cancel, and is told at the end which instances did not arrive.

mod carrier;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_util::sync::CancellationToken;

use super::association::{Association, AssociationError};
use super::config::PeerConfig;
use super::message::Command;
use super::scu::{Proposal, ScuTarget};
use super::status::Status;
use super::sub_operations::{Ended, Progress, plan, proposals};
use crate::archive::Archive;
use crate::archive::peers::retrieve::StoredInstance;
use crate::archive::peers::send_data_set::Sending;
use crate::dicom::sop_class::RetrieveVerb;
use crate::dicom::transfer_syntax::ElementEncoding;
use crate::domain::AeTitle;

/// Time that idle associations have to be released when all objects have gone.
const RELEASE_TIME: Duration = Duration::from_secs(5);

/// What the associations of one C-MOVE share.
struct Load {
    archive: Archive,
    sending: Sending,
    target: ScuTarget,
    proposals: Vec<Proposal>,
    queue: Mutex<VecDeque<StoredInstance>>,
    /// Who asked, and the message id of its request.
    originator: (String, u16),
    reconnects: u32,
    cancelled: CancellationToken,
}

impl Load {
    fn next(&self) -> Option<StoredInstance> {
        if self.cancelled.is_cancelled() {
            return None;
        }
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// Answers a C-MOVE-RQ.
pub(super) async fn serve(
    association: &mut Association,
    context_id: u8,
    request: &Command,
) -> Result<(), AssociationError> {
    let destination = request.move_destination();
    let target = destination_of(association, &destination);
    let known = match &target {
        Some(_) => Ok(destination.as_str()),
        None => Err((Status::MOVE_DESTINATION_UNKNOWN, "move destination is not known")),
    };
    let planned = plan(association, context_id, request, RetrieveVerb::Move, known).await?;
    let (instances, target) = match (planned, target) {
        (Ok(instances), Some(target)) => (instances, target),
        (Err((status, comment)), _) => {
            return association.respond(context_id, &request.response(status, comment)).await;
        }
        (Ok(_), None) => {
            let response = request.response(Status::MOVE_DESTINATION_UNKNOWN, "move destination is not known");
            return association.respond(context_id, &response).await;
        }
    };
    let started = Instant::now();
    let mut progress = Progress::of(instances.len());
    let mut is_cancelled = false;
    for (proposals, part) in proposals(instances) {
        let load = Load {
            archive: association.archive.clone(),
            sending: association.node.sending.clone(),
            target: target.clone(),
            proposals,
            queue: Mutex::new(part.into()),
            originator: (association.caller.ae_title.clone(), request.message_id()),
            reconnects: association.node.dicom.retrieve.reconnects,
            cancelled: CancellationToken::new(),
        };
        is_cancelled = carry(association, context_id, request, load, &mut progress).await?;
        if is_cancelled {
            break;
        }
    }
    let encoding = ElementEncoding::of(&association.context(context_id).transfer_syntax);
    let (response, identifier) = progress.conclude(request, is_cancelled, encoding);
    if progress.counts.failed == 0 && !is_cancelled {
        association.archive.note_success("C-MOVE", &association.caller.ae_title.to_string());
    }
    tracing::info!(
        peer.ae_title = %association.caller.ae_title,
        destination = %destination.escape_debug(),
        status = %response.status().unwrap_or(Status::SUCCESS),
        completed = progress.counts.completed,
        warning = progress.counts.warning,
        failed = progress.counts.failed,
        ms = started.elapsed().as_millis() as u64,
        comment = response.error_comment(),
        "objects were sent by C-MOVE"
    );
    let mut bytes = Vec::new();
    association.put_response(&mut bytes, context_id, &response, &identifier);
    association.write(&bytes).await
}

/// A peer with this title that can be called; one of the caller's organisation comes first.
fn destination_of(association: &Association, destination: &str) -> Option<ScuTarget> {
    let title = AeTitle::parse(destination).ok()?;
    let node = &association.node;
    let fits = |peer: &&PeerConfig| peer.ae_title == title && !peer.host.is_empty();
    let own = |peer: &&PeerConfig| peer.organization == association.caller.organization;
    let known = node.peers.now();
    let peers = || known.iter().filter(fits);
    let peer = peers().find(own).or_else(|| peers().next())?;
    Some(ScuTarget { max_pdu_length: node.dicom.max_sent_pdu_length, ..ScuTarget::of_peer(&node.dicom, peer) })
}

/// Sends a part of the instances; true when the caller cancelled. A caller that is gone ends what is on its way too;
/// carriers that do not end in time are dropped with their connections.
async fn carry(
    association: &mut Association,
    context_id: u8,
    request: &Command,
    load: Load,
    progress: &mut Progress,
) -> Result<bool, AssociationError> {
    let config = association.node.dicom.retrieve.clone();
    let load = Arc::new(load);
    let count = load.queue.lock().unwrap_or_else(PoisonError::into_inner).len();
    let (sender, ended) = mpsc::channel(64);
    let mut carriers = JoinSet::new();
    let most = count.div_ceil(config.instances_per_association.max(1)).min(config.associations_per_move.max(1));
    for _ in 0..most {
        carriers.spawn(carrier::run(Arc::clone(&load), sender.clone()));
    }
    drop(sender);
    let every = Duration::from_millis(config.pending_interval_ms.max(10));
    let watched = watch(association, context_id, request, &load, (count, ended), progress, every).await;
    if watched.is_err() {
        load.cancelled.cancel();
    }
    let _ = timeout(RELEASE_TIME, async { while carriers.join_next().await.is_some() {} }).await;
    watched?;
    if load.cancelled.is_cancelled() {
        return Ok(true);
    }
    while let Some(instance) = load.next() {
        progress.note(&instance.sop_instance_uid, &Ended::Failed("the destination cannot be reached"));
    }
    Ok(false)
}

/// Counts what has gone, tells the caller, and hears its cancel, until nothing is left to wait for.
async fn watch(
    association: &mut Association,
    context_id: u8,
    request: &Command,
    load: &Load,
    (mut left, mut ended): (usize, mpsc::Receiver<(String, Ended)>),
    progress: &mut Progress,
    every: Duration,
) -> Result<(), AssociationError> {
    let mut pending = interval_at(Instant::now() + every, every);
    pending.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while left > 0 {
        tokio::select! {
            biased;
            received = association.incoming() => {
                if association.is_cancel(received?, request.message_id()).await? {
                    // What is on its way arrives; nothing new begins.
                    load.cancelled.cancel();
                }
            }
            _ = pending.tick() => {
                let response = request.retrieve_response(Status::PENDING, "", progress.counts, false);
                association.respond(context_id, &response).await?;
            }
            one = ended.recv() => match one {
                Some((sop_instance_uid, ended)) => {
                    left -= 1;
                    progress.note(&sop_instance_uid, &ended);
                }
                // All carriers have given up, or have nothing to do after a cancel.
                None => break,
            },
        }
    }
    Ok(())
}
