//! The dispatcher and what surrounds one job.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::backoff::delay_ms;
use super::handlers::Handler;
use super::{Handlers, JobOutcome, JobsConfig};
use crate::archive::Archive;
use crate::archive::upkeep::queue::{Finished, Job, JobFailure, JobKind, JobState};

/// How often the number of jobs in each state but done is published.
const COUNT_EVERY: Duration = Duration::from_secs(15);

/// Claims and starts jobs until it is told to stop.
pub(super) async fn dispatch(
    archive: Archive,
    handlers: Handlers,
    config: JobsConfig,
    nudge: Arc<Notify>,
    mut stopping: watch::Receiver<bool>,
) {
    let owner = archive.worker_name();
    let handlers: Vec<Handler> = handlers.each().cloned().collect();
    let places: Vec<_> = handlers.iter().map(|handler| Arc::new(Semaphore::new(handler.places as usize))).collect();
    let mut running = JoinSet::new();
    let mut poll = tokio::time::interval(Duration::from_millis(config.poll_ms.max(1)));
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut counted: Option<Instant> = None;
    loop {
        tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => break,
            _ = poll.tick() => {}
            () = nudge.notified() => {}
            Some(_) = running.join_next() => {}
        }
        while running.try_join_next().is_some() {}
        if counted.is_none_or(|at| at.elapsed() >= COUNT_EVERY) {
            publish_counts(&archive).await;
            counted = Some(Instant::now());
        }
        for (handler, places) in handlers.iter().zip(&places) {
            let free = places.available_permits() as u32;
            if free == 0 {
                continue;
            }
            match archive.claim_jobs(&owner, handler.kind, config.lease_ms, free).await {
                Ok(jobs) => {
                    for job in jobs {
                        let place = Arc::clone(places).try_acquire_owned();
                        let work = (handler.run)(job.clone());
                        let (archive, config) = (archive.clone(), config.clone());
                        running.spawn(async move {
                            attend(archive, config, job, work).await;
                            drop(place);
                        });
                    }
                }
                Err(error) => tracing::error!(job.kind = handler.kind.as_str(), error = %error, "cannot claim jobs"),
            }
        }
    }
    let grace = Duration::from_millis(config.grace_ms);
    let _ = tokio::time::timeout(grace, async { while running.join_next().await.is_some() {} }).await;
    running.shutdown().await;
    match archive.release_jobs(&owner).await {
        Ok(0) => {}
        Ok(jobs) => tracing::info!(jobs, "jobs given back"),
        Err(error) => tracing::error!(error = %error, "cannot give jobs back"),
    }
}

/// Runs one job, keeps its lease meanwhile, and writes down how it ended.
async fn attend(archive: Archive, config: JobsConfig, job: Job, work: impl Future<Output = JobOutcome>) {
    let kind = job.kind.as_str();
    // A job that kills its process is never reported as failed; the count of its claims gives it away.
    if job.attempts > i64::from(config.max_attempts.max(1)) {
        conclude(&archive, &config, &job, Err(worker_lost())).await;
        return;
    }
    let started = Instant::now();
    let mut work = Box::pin(AssertUnwindSafe(work).catch_unwind());
    let mut renew = tokio::time::interval(Duration::from_millis((config.lease_ms / 3).max(1)));
    renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
    renew.tick().await;
    let outcome = loop {
        tokio::select! {
            outcome = &mut work => break outcome.unwrap_or_else(|_| Err(panicked())),
            _ = renew.tick() => match archive.renew_job(&job, config.lease_ms).await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::warn!(job.id = job.id, job.kind = kind, "another worker has taken the job over");
                    return;
                }
                Err(error) => tracing::warn!(job.id = job.id, error = %error, "cannot renew the lease of a job"),
            },
        }
    };
    metrics::histogram!("yingku_job_seconds", "kind" => kind).record(started.elapsed().as_secs_f64());
    conclude(&archive, &config, &job, outcome).await;
}

async fn conclude(archive: &Archive, config: &JobsConfig, job: &Job, outcome: JobOutcome) {
    let kind = job.kind.as_str();
    let (word, written) = match outcome {
        Ok(Finished::Done) => ("done", archive.finish_job(job).await),
        Ok(Finished::Again { delay_ms }) => ("again", archive.postpone_job(job, delay_ms).await),
        Ok(Finished::Busy { delay_ms }) => ("busy", archive.put_back_job(job, delay_ms).await),
        Err(JobFailure { reason, retryable }) if !retryable || job.attempts >= i64::from(config.max_attempts) => {
            tracing::error!(job.id = job.id, job.kind = kind, job.attempts, reason, "job given up");
            ("dead", archive.bury_job(job, &reason).await)
        }
        Err(JobFailure { reason, .. }) => {
            let delay = delay_ms(config, job.attempts, rand::random());
            tracing::warn!(job.id = job.id, job.kind = kind, job.attempts, delay_ms = delay, reason, "job failed");
            ("failed", archive.retry_job(job, &reason, delay).await)
        }
    };
    metrics::counter!("yingku_jobs_ended_total", "kind" => kind, "outcome" => word).increment(1);
    // An outcome that cannot be written is no loss: the lease runs out and the job is run again.
    if let Err(error) = written {
        tracing::error!(job.id = job.id, error = %error, "cannot write down how a job ended");
    }
}

async fn publish_counts(archive: &Archive) {
    let counts = match archive.count_open_jobs().await {
        Ok(counts) => counts,
        Err(error) => return tracing::warn!(error = %error, "cannot count jobs"),
    };
    for kind in JobKind::ALL {
        for state in JobState::OPEN {
            let found = counts.iter().find(|count| count.kind == kind && count.state == state);
            let labels = [("kind", kind.as_str()), ("state", state.as_str())];
            metrics::gauge!("yingku_jobs", &labels).set(found.map_or(0.0, |count| count.count as f64));
        }
    }
}

fn panicked() -> JobFailure {
    JobFailure { reason: "the job panicked".to_owned(), retryable: true }
}

fn worker_lost() -> JobFailure {
    JobFailure { reason: "every worker that took the job was lost".to_owned(), retryable: false }
}
