//! The loop over the reports of one upstream: note what has changed, tell it report by report, back off when the upstream is
//! away (R2.5.1.5-3).
//!
//! It works while the upstream's lease is held, within its windows and bandwidth, as the loop over its images does. A report
//! waits until the upstream has acknowledged it: what a crash comes between is told again, and recognised.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};

use super::registration::{Answer, RegistryUpstream};
use super::sender::{COUNT_EVERY, Context, GRACE, shortened};
use crate::archive::peers::forward_reports::{ReportForward, ReportForwardEnd, Told};

/// Reports that are looked for at once.
const AT_ONCE: u32 = 64;

pub(super) async fn run(context: Arc<Context>, registry: RegistryUpstream) {
    let (name, rule) = (context.config.name.clone(), context.config.rule());
    let poll = Duration::from_millis(context.config.poll_ms);
    let (mut wait, mut failures): (Duration, i64) = (poll, 0);
    let (mut away_until, mut counted_at): (Option<Instant>, Option<Instant>) = (None, None);
    loop {
        tokio::select! {
            () = context.shutdown.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = poll;
        if !context.is_leading() {
            continue;
        }
        if let Err(error) = context.archive.queue_report_changes(&rule).await {
            tracing::error!(upstream.name = %name, %error, "changes of reports cannot be queued for an upstream");
            continue;
        }
        if counted_at.is_none_or(|at| at.elapsed() >= COUNT_EVERY) {
            publish(&context).await;
            counted_at = Some(Instant::now());
        }
        if !context.may_send() || away_until.is_some_and(|until| until > Instant::now()) {
            continue;
        }
        // One that does not answer is asked once, not by everybody.
        let limit = if failures > 0 { 1 } else { AT_ONCE };
        let due = match context.archive.next_report_forwards(&name, limit).await {
            Ok(due) if due.is_empty() => continue,
            Ok(due) => due,
            Err(error) => {
                tracing::error!(upstream.name = %name, %error, "the reports for an upstream cannot be read");
                continue;
            }
        };
        let telling = tell(&context, &registry, due);
        tokio::pin!(telling);
        let away = tokio::select! {
            away = &mut telling => away,
            () = context.shutdown.cancelled() => {
                let _ = tokio::time::timeout(GRACE, &mut telling).await;
                return;
            }
        };
        match away {
            None => {
                failures = 0;
                // There may be more.
                wait = Duration::ZERO;
            }
            Some(reason) => {
                failures += 1;
                let pause_ms = context.pause_ms(failures);
                away_until = Some(Instant::now() + Duration::from_millis(pause_ms));
                tracing::warn!(upstream.name = %name, reason, pause_ms, "an upstream does not take reports");
            }
        }
    }
}

/// Tells reports, several at the same time. `Some` says why the upstream is away.
async fn tell(context: &Arc<Context>, registry: &RegistryUpstream, due: Vec<ReportForward>) -> Option<String> {
    let is_away = AtomicBool::new(false);
    let each = due.into_iter().map(|one| tell_one(context, registry, &is_away, one));
    let mut under_way = stream::iter(each).buffer_unordered(context.config.associations);
    let mut away = None;
    while let Some(reason) = under_way.next().await {
        if reason.is_some() {
            is_away.store(true, Ordering::Relaxed);
        }
        away = away.or(reason);
    }
    away
}

async fn tell_one(
    context: &Arc<Context>,
    registry: &RegistryUpstream,
    is_away: &AtomicBool,
    one: ReportForward,
) -> Option<String> {
    if is_away.load(Ordering::Relaxed) || !context.may_send() {
        return None;
    }
    let upstream = &context.config.name;
    let (end, away) = match context.archive.report_to_forward(&one).await {
        Ok(Some(registration)) if registration.is_news(&one) => {
            let bytes = registration.file.as_ref().map_or(0, |file| file.bytes.len() as u64);
            let told = registration.told.clone();
            match registry.register(context, registration).await {
                Answer::Taken => {
                    count(context, "sent");
                    metrics::counter!("yingku_forward_bytes_total", "upstream" => upstream.clone()).increment(bytes);
                    (ReportForwardEnd::Taken(told), None)
                }
                Answer::TakenWithoutFile => {
                    count(context, "sent");
                    (ReportForwardEnd::Taken(Told { file: one.told.file.clone(), ..told }), None)
                }
                Answer::Refused(reason) => (parked(context, &one, reason), None),
                Answer::Failed(reason) => (failed(context, &one, reason.clone()), Some(reason)),
                Answer::Away(reason) => return Some(reason),
            }
        }
        // The upstream has been told all that, or there is no such report any more.
        Ok(_) => (ReportForwardEnd::Taken(one.told.clone()), None),
        Err(error) => (failed(context, &one, format!("cannot be read here: {error}")), None),
    };
    match context.archive.settle_report_forward(upstream, &one, end).await {
        Ok(()) => away,
        Err(error) => {
            // It is told again; but not at once and again and again.
            tracing::error!(upstream.name = %upstream, %error, "progress of forwarding could not be written");
            Some("progress could not be written here".to_owned())
        }
    }
}

/// It did not work out; parked when it did not so too often.
fn failed(context: &Context, one: &ReportForward, reason: String) -> ReportForwardEnd {
    let attempts = one.attempts + 1;
    if attempts >= i64::from(context.config.max_attempts) {
        return parked(context, one, reason);
    }
    count(context, "failed");
    let due_at = context.after(context.pause_ms(attempts));
    ReportForwardEnd::Later { due_at, attempts, reason: shortened(reason) }
}

fn parked(context: &Context, one: &ReportForward, reason: String) -> ReportForwardEnd {
    count(context, "parked");
    let (kind, name) = (one.subject.as_str(), &context.config.name);
    tracing::warn!(upstream.name = %name, report.id = one.report_pk, report.kind = kind, reason, "a report was parked");
    ReportForwardEnd::Parked { attempts: one.attempts + 1, reason: shortened(reason) }
}

fn count(context: &Context, outcome: &'static str) {
    let labels = [("upstream", context.config.name.clone()), ("outcome", outcome.to_owned())];
    metrics::counter!("yingku_forward_reports_total", &labels).increment(1);
}

async fn publish(context: &Context) {
    match context.archive.count_report_forwards(&context.config.name).await {
        Ok(counts) => {
            for (state, count) in counts {
                let labels = [("upstream", context.config.name.clone()), ("state", state.as_str().to_owned())];
                metrics::gauge!("yingku_forward_reports", &labels).set(count as f64);
            }
        }
        Err(error) => {
            tracing::warn!(upstream.name = %context.config.name, %error, "cannot count which reports are to be forwarded")
        }
    }
}
