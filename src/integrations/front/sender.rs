//! The loop over one upstream: hold the lease, hand studies to lanes, back off when the upstream is away.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::{BoxStream, FuturesUnordered};
use futures_util::{FutureExt, Stream, StreamExt};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::bandwidth::Bandwidth;
use super::c_store::DicomUpstream;
use super::config::{Confirmation, FrontConfig, UpstreamConfig, Way};
use super::registration::RegistryUpstream;
use super::stow::WebUpstream;
use super::{confirm, purge, reports};
use crate::archive::peers::forward::{ForwardBatch, ForwardInstance, ForwardResult, ForwardState, Step};
use crate::archive::{self, Archive};
use crate::domain::day_window;

/// How long lanes may go on when the program stops.
pub(super) const GRACE: Duration = Duration::from_secs(10);
/// How often the backlog is counted.
pub(super) const COUNT_EVERY: Duration = Duration::from_secs(30);
/// The smallest piece that the bandwidth is shared out in.
const SMALLEST_PIECE: usize = 4096;

/// An upstream archive and the way to it.
#[derive(Debug)]
pub struct Upstream {
    config: UpstreamConfig,
    door: Door,
    registry: Option<RegistryUpstream>,
}

#[derive(Debug)]
pub(super) enum Door {
    Dicom(Box<DicomUpstream>),
    Web(WebUpstream),
}

impl Upstream {
    /// Puts an upstream together; `dicom` is where its peer is, for the way of C-STORE.
    pub fn new(config: UpstreamConfig, dicom: Option<DicomUpstream>) -> Result<Self, String> {
        let door = match (config.way, dicom) {
            (Way::CStore, Some(dicom)) => Door::Dicom(Box::new(dicom)),
            (Way::CStore, None) => return Err(format!("upstream {}: no [[peer]] {}", config.name, config.peer)),
            (Way::StowRs, _) => Door::Web(WebUpstream::new(&config)?),
        };
        let registry = config.reports.is_set().then(|| RegistryUpstream::new(&config)).transpose()?;
        Ok(Self { config, door, registry })
    }
}

/// The running front.
#[derive(Debug, Default)]
pub struct Front {
    running: Vec<JoinHandle<()>>,
}

impl Front {
    /// Forwards to every upstream, and purges, until `shutdown`.
    pub fn start(
        archive: &Archive,
        upstreams: Vec<Upstream>,
        front: &FrontConfig,
        shutdown: &CancellationToken,
    ) -> Self {
        let mut running = Vec::new();
        if let Some(keep_days) = front.keep_days.filter(|_| !upstreams.is_empty()) {
            running.push(tokio::spawn(purge::run(archive.clone(), front.clone(), keep_days, shutdown.clone())));
        }
        for Upstream { config, door, registry } in upstreams {
            let context = Arc::new(Context {
                bandwidth: Bandwidth::new(config.bytes_per_second),
                leading: AtomicBool::new(false),
                archive: archive.clone(),
                shutdown: shutdown.clone(),
                config,
                door,
            });
            if context.config.confirmation() != Confirmation::None {
                running.push(tokio::spawn(confirm::run(Arc::clone(&context))));
            }
            if let Some(registry) = registry {
                running.push(tokio::spawn(reports::run(Arc::clone(&context), registry)));
            }
            running.push(tokio::spawn(run(context)));
        }
        Self { running }
    }

    /// Waits until everything has ended; it has been told to by the token.
    pub async fn stop(self) {
        for task in self.running {
            if let Err(error) = task.await {
                tracing::error!(%error, "a part of the front ended badly");
            }
        }
    }
}

/// What all lanes of an upstream share.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) archive: Archive,
    pub(super) config: UpstreamConfig,
    pub(super) door: Door,
    pub(super) shutdown: CancellationToken,
    bandwidth: Bandwidth,
    /// Whether this process holds the lease.
    leading: AtomicBool,
}

impl Context {
    /// Whether this process works for the upstream now.
    pub(super) fn is_leading(&self) -> bool {
        self.leading.load(Ordering::Relaxed) && !self.shutdown.is_cancelled()
    }

    /// Whether another instance may be begun.
    pub(super) fn may_send(&self) -> bool {
        self.is_leading() && day_window::is_open(&self.config.windows, self.archive.now_ms())
    }

    pub(super) fn sent(&self, instance: &ForwardInstance) -> ForwardResult {
        let due_at = match self.config.confirmation() {
            Confirmation::None => i64::MAX,
            _ => self.after(self.config.confirm_delay_ms),
        };
        self.count("sent");
        metrics::counter!("yingku_forward_bytes_total", "upstream" => self.config.name.clone())
            .increment(instance.place.length);
        result(instance, ForwardState::Sent, due_at, instance.attempts, String::new())
    }

    /// It did not work out; parked when it did not so too often.
    pub(super) fn failed(&self, instance: &ForwardInstance, reason: String) -> ForwardResult {
        let attempts = instance.attempts + 1;
        if attempts >= i64::from(self.config.max_attempts) {
            return self.parked(instance, reason);
        }
        self.count("failed");
        result(instance, ForwardState::Waiting, self.after(self.pause_ms(attempts)), attempts, reason)
    }

    /// The upstream does not take it.
    pub(super) fn parked(&self, instance: &ForwardInstance, reason: String) -> ForwardResult {
        self.count("parked");
        tracing::warn!(upstream.name = %self.config.name, instance.id = instance.instance_pk, reason, "an instance was parked");
        result(instance, ForwardState::Parked, 0, instance.attempts + 1, reason)
    }

    pub(super) fn after(&self, ms: u64) -> i64 {
        self.archive.now_ms().saturating_add(i64::try_from(ms).unwrap_or(i64::MAX / 4))
    }

    /// The pause after so many failures.
    pub(super) fn pause_ms(&self, failures: i64) -> u64 {
        let doubled = u32::try_from(failures.clamp(1, 20) - 1).unwrap_or(0);
        self.config.retry_ms.saturating_mul(1 << doubled).min(self.config.max_retry_ms.max(1))
    }

    /// Writes down what became of instances. `Some` is a reason to pause: what could not be written is done again, since
    /// an upstream recognises an instance that it has, but not at once and again and again.
    pub(super) async fn settle(&self, results: &mut Vec<ForwardResult>) -> Option<String> {
        let error = self.archive.settle_forward(&self.config.name, std::mem::take(results)).await.err()?;
        tracing::error!(upstream.name = %self.config.name, %error, "progress of forwarding could not be written");
        Some("progress could not be written here".to_owned())
    }

    /// The bytes of an instance from `from` on, as fast as the upstream's bandwidth allows.
    pub(super) async fn bytes(
        self: &Arc<Self>,
        instance: &ForwardInstance,
        from: u64,
    ) -> Result<BoxStream<'static, std::io::Result<Bytes>>, archive::Error> {
        let stream = self.archive.forward_bytes(instance, from).await?;
        Ok(self.throttled(stream.map(|bytes| bytes.map_err(std::io::Error::other))))
    }

    /// What comes in pieces, as fast as the upstream's bandwidth allows.
    pub(super) fn throttled<E: Send + 'static>(
        self: &Arc<Self>,
        stream: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    ) -> BoxStream<'static, Result<Bytes, E>> {
        let context = Arc::clone(self);
        let limit = self.config.bytes_per_second;
        let piece = if limit == 0 { usize::MAX } else { (limit as usize / 4).max(SMALLEST_PIECE) };
        let pieces = stream.map(move |bytes| {
            let parts: Vec<Result<Bytes, E>> = match bytes {
                Ok(whole) => (0..whole.len().div_ceil(piece.min(whole.len().max(1))))
                    .map(|i| Ok(whole.slice(i * piece..(i * piece).saturating_add(piece).min(whole.len()))))
                    .collect(),
                Err(error) => vec![Err(error)],
            };
            futures_util::stream::iter(parts)
        });
        let throttled = pieces.flatten().then(move |bytes| {
            let context = Arc::clone(&context);
            async move {
                if let Ok(bytes) = &bytes {
                    context.bandwidth.take(bytes.len()).await;
                }
                bytes
            }
        });
        throttled.boxed()
    }

    fn count(&self, outcome: &'static str) {
        metrics::counter!("yingku_forward_total", "upstream" => self.config.name.clone(), "outcome" => outcome)
            .increment(1);
    }
}

fn result(
    instance: &ForwardInstance,
    state: ForwardState,
    due_at: i64,
    attempts: i64,
    reason: String,
) -> ForwardResult {
    let (instance_pk, taken_from) = (instance.instance_pk, instance.changed_at);
    ForwardResult { instance_pk, state, due_at, attempts, reason: shortened(reason), taken_from }
}

/// A comment of the upstream may be long; the table keeps its beginning.
pub(super) fn shortened(reason: String) -> String {
    if reason.chars().count() > 300 { reason.chars().take(300).collect() } else { reason }
}

/// One study on its way. `Some` says why the upstream is away.
async fn lane(context: Arc<Context>, batch: ForwardBatch) -> (i64, Option<String>) {
    let study_pk = batch.study_pk;
    let away = match &context.door {
        Door::Dicom(dicom) => dicom.send(&context, batch).await,
        Door::Web(web) => web.send(&context, batch).await,
    };
    (study_pk, away)
}

async fn run(context: Arc<Context>) {
    let name = context.config.name.clone();
    let (lease, holder) = (format!("forward:{name}"), context.archive.worker_name());
    let poll = Duration::from_millis(context.config.poll_ms);
    let mut lanes = FuturesUnordered::new();
    let mut busy: BTreeSet<i64> = BTreeSet::new();
    let (mut failures, mut away_until): (i64, Option<Instant>) = (0, None);
    let (mut held_at, mut counted_at): (Option<Instant>, Option<Instant>) = (None, None);
    let mut look = tokio::time::interval(poll);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = context.shutdown.cancelled() => break,
            _ = look.tick() => {}
            Some((study_pk, away)) = lanes.next() => {
                busy.remove(&study_pk);
                match away {
                    None => failures = 0,
                    Some(reason) => {
                        failures += 1;
                        let pause_ms = context.pause_ms(failures);
                        away_until = Some(Instant::now() + Duration::from_millis(pause_ms));
                        tracing::warn!(upstream.name = %name, reason, pause_ms, "an upstream does not take instances");
                    }
                }
            }
        }
        let third = Duration::from_millis(context.config.lease_ms / 3);
        if held_at.is_none_or(|at| at.elapsed() >= third) {
            let held = context.archive.hold_lease(&lease, &holder, context.config.lease_ms).await;
            let held = held.unwrap_or_else(|error| {
                tracing::warn!(upstream.name = %name, %error, "the lease of an upstream cannot be renewed");
                false
            });
            context.leading.store(held, Ordering::Relaxed);
            held_at = held.then(Instant::now);
        }
        if context.is_leading() && counted_at.is_none_or(|at| at.elapsed() >= COUNT_EVERY) {
            publish(&context).await;
            counted_at = Some(Instant::now());
        }
        if away_until.is_some_and(|until| until > Instant::now()) {
            continue;
        }
        while lanes.len() < context.config.associations && context.may_send() {
            let besides: Vec<i64> = busy.iter().copied().collect();
            let limit = context.config.batch_instances;
            match context.archive.next_forward(&name, Step::Send, &besides, limit).await {
                Ok(Some(batch)) => {
                    busy.insert(batch.study_pk);
                    lanes.push(lane(Arc::clone(&context), batch).boxed());
                    // One that does not answer is asked by one lane, not by all of them.
                    if failures > 0 {
                        break;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(upstream.name = %name, %error, "the queue of an upstream cannot be read");
                    break;
                }
            }
        }
    }
    let _ = tokio::time::timeout(GRACE, async { while lanes.next().await.is_some() {} }).await;
    if let Err(error) = context.archive.release_lease(&lease, &holder).await {
        tracing::warn!(upstream.name = %name, %error, "the lease of an upstream could not be given back");
    }
}

async fn publish(context: &Context) {
    match context.archive.count_open_forwards(&context.config.name).await {
        Ok(counts) => {
            for (state, count) in counts {
                let labels = [("upstream", context.config.name.clone()), ("state", state.as_str().to_owned())];
                metrics::gauge!("yingku_forward_instances", &labels).set(count as f64);
            }
        }
        Err(error) => {
            tracing::warn!(upstream.name = %context.config.name, %error, "cannot count what is to be forwarded")
        }
    }
}
