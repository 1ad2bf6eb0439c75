//! Workers of the durable queue: claim, run, and retry with back-off until it succeeds or is given up.
//!
//! One dispatcher claims jobs under a lease, each job runs in a task of its own, so that a panic is a failed attempt
//! and nothing more. While a job runs, its lease is renewed; the lease of a dead process runs out and another worker
//! takes over. What jobs do is said by the [`Handlers`].

mod backoff;
mod handlers;
pub mod people;
pub mod rounds;
mod worker;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::archive::Archive;
pub use handlers::{Handlers, JobOutcome};

/// Section `[jobs]`: work after a commit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JobsConfig {
    /// Jobs of one kind that run at the same time, where the kind has no number of its own. Default 4.
    pub workers: u32,
    /// How often the queue is looked at, in milliseconds. Default 500.
    pub poll_ms: u64,
    /// How long a job stays with a process that is not heard of, in milliseconds. Default 60 s.
    pub lease_ms: u64,
    /// Attempts before a job is given up. Default 12.
    pub max_attempts: u32,
    /// Delay before the second attempt, in milliseconds. Default 5 s.
    pub first_delay_ms: u64,
    /// How much longer each further delay is. Default 3.
    pub delay_factor: f64,
    /// Longest delay between attempts, in milliseconds. Default 1 h.
    pub max_delay_ms: u64,
    /// How long running jobs may go on when the program stops, in milliseconds. Default 10 s.
    pub grace_ms: u64,
    /// Days that done jobs are kept for `yingku jobs list`; 0 keeps them for ever. Default 30.
    pub keep_done_days: u32,
}

impl Default for JobsConfig {
    fn default() -> Self {
        Self {
            workers: 4,
            poll_ms: 500,
            lease_ms: 60_000,
            max_attempts: 12,
            first_delay_ms: 5_000,
            delay_factor: 3.0,
            max_delay_ms: 3_600_000,
            grace_ms: 10_000,
            keep_done_days: 30,
        }
    }
}

/// The running workers.
#[derive(Debug)]
pub struct Workers {
    stop: watch::Sender<bool>,
    nudge: Arc<Notify>,
    dispatcher: JoinHandle<()>,
    ended: CancellationToken,
}

impl Workers {
    /// Starts working.
    pub fn start(archive: Archive, handlers: Handlers, config: JobsConfig) -> Self {
        let (stop, stopping) = watch::channel(false);
        let nudge = Arc::new(Notify::new());
        let dispatch = worker::dispatch(archive, handlers, config, Arc::clone(&nudge), stopping);
        let (dispatcher, ended) = spawn_watched(dispatch);
        Self { stop, nudge, dispatcher, ended }
    }

    /// Looks at the queue now and not at the next turn.
    pub fn nudge(&self) {
        self.nudge.notify_one();
    }

    /// Is cancelled when jobs are no longer taken, because of [`Workers::stop`] or of a defect.
    pub fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// Takes no more jobs, lets the running ones end within `jobs.grace_ms`, and gives the rest back.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.dispatcher.await {
            tracing::error!(error = %error, "job dispatcher ended badly");
        }
    }
}

/// A task, and a token that is cancelled when it has ended, however that came about.
fn spawn_watched(task: impl Future<Output = ()> + Send + 'static) -> (JoinHandle<()>, CancellationToken) {
    let ended = CancellationToken::new();
    let ends = ended.clone().drop_guard();
    let handle = tokio::spawn(async move {
        let _ends = ends;
        task.await;
    });
    (handle, ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_is_seen_to_have_ended() {
        let (task, ended) = spawn_watched(async { panic!("a defect") });
        ended.cancelled().await;
        assert!(task.await.unwrap_err().is_panic());
    }
}
