//! Asks the upstream whether it keeps what it was sent. Only its own word makes an instance confirmed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::sender::{Context, Door};
use crate::archive::peers::forward::{ForwardBatch, ForwardResult, ForwardState, Step};

/// Instances asked about at once.
const AT_ONCE: u32 = 500;

pub(super) async fn run(context: Arc<Context>) {
    let poll = Duration::from_millis(context.config.poll_ms);
    let (mut wait, mut failures) = (poll, 0);
    loop {
        tokio::select! {
            () = context.shutdown.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = poll;
        if !context.is_leading() {
            continue;
        }
        let batch = match context.archive.next_forward(&context.config.name, Step::Confirm, &[], AT_ONCE).await {
            Ok(Some(batch)) => batch,
            Ok(None) => continue,
            Err(error) => {
                tracing::error!(upstream.name = %context.config.name, %error, "the queue of an upstream cannot be read");
                continue;
            }
        };
        let asked = tokio::select! {
            () = context.shutdown.cancelled() => return,
            asked = ask(&context, &batch) => asked,
        };
        let mut results = match asked {
            Ok(kept) => {
                failures = 0;
                // There may be more.
                wait = Duration::ZERO;
                judged(&context, &batch, &kept)
            }
            Err(reason) => {
                failures += 1;
                let pause_ms = context.pause_ms(failures);
                tracing::warn!(upstream.name = %context.config.name, reason, pause_ms, "an upstream confirms nothing");
                postponed(&context, &batch, &reason, pause_ms)
            }
        };
        if context.settle(&mut results).await.is_some() {
            wait = poll.max(Duration::from_millis(context.config.retry_ms));
        }
    }
}

async fn ask(context: &Context, batch: &ForwardBatch) -> Result<HashSet<String>, String> {
    match &context.door {
        Door::Dicom(dicom) => dicom.confirm(batch).await,
        Door::Web(web) => web.confirm(context, batch).await,
    }
}

/// What the upstream does not keep has to be sent again.
fn judged(context: &Context, batch: &ForwardBatch, kept: &HashSet<String>) -> Vec<ForwardResult> {
    let judge = |one: &crate::archive::peers::forward::ForwardInstance| {
        if kept.contains(&one.sop_instance_uid) {
            return ForwardResult {
                instance_pk: one.instance_pk,
                state: ForwardState::Confirmed,
                due_at: 0,
                attempts: one.attempts,
                reason: String::new(),
                taken_from: one.changed_at,
            };
        }
        context.failed(one, "the upstream took it and does not keep it".to_owned())
    };
    batch.instances.iter().map(judge).collect()
}

fn postponed(context: &Context, batch: &ForwardBatch, reason: &str, pause_ms: u64) -> Vec<ForwardResult> {
    let due_at = context.after(pause_ms);
    let later = |one: &crate::archive::peers::forward::ForwardInstance| ForwardResult {
        instance_pk: one.instance_pk,
        state: ForwardState::Sent,
        due_at,
        attempts: one.attempts,
        reason: reason.chars().take(300).collect(),
        taken_from: one.changed_at,
    };
    batch.instances.iter().map(later).collect()
}
