//! The loop over one share: hold the lease, scan, take what is ready, wait.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::config::FileShareConfig;
use super::scan::{Scan, Tracker};
use super::take::{Share, Taken, take};
use crate::archive::Archive;
use crate::dicom::text::Charset;

/// How long a file that has begun may go on when the program stops.
const GRACE: Duration = Duration::from_secs(10);
/// A file that could not be moved is tried again after so long.
const STUCK_WAIT: Duration = Duration::from_secs(60);
/// A file that the archive refused is tried again after so long; one too large for a full disk must not hold others up.
const REFUSED_WAIT: Duration = Duration::from_secs(10);
/// So many refusals end a round.
const MOST_REFUSED: u32 = 3;
/// Longest pause after the archive has refused.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The running watchers.
#[derive(Debug, Default)]
pub struct Watchers {
    running: Vec<JoinHandle<()>>,
}

impl Watchers {
    /// Watches every share until `shutdown`.
    pub fn start(
        archive: &Archive,
        shares: &[FileShareConfig],
        default_charset: &Charset,
        shutdown: &CancellationToken,
    ) -> Self {
        let watch = |config: &FileShareConfig| {
            let charset = config.charset.clone().unwrap_or_else(|| default_charset.clone());
            let watcher = Watcher {
                archive: archive.clone(),
                holder: archive.worker_name(),
                config: config.clone(),
                charset,
                tracker: Arc::default(),
                shutdown: shutdown.clone(),
            };
            tokio::spawn(watcher.run())
        };
        Self { running: shares.iter().map(watch).collect() }
    }

    /// Waits until all have ended; they have been told to by the token.
    pub async fn stop(self) {
        for watcher in self.running {
            if let Err(error) = watcher.await {
                tracing::error!(%error, "a watcher of a file share ended badly");
            }
        }
    }
}

struct Watcher {
    archive: Archive,
    holder: String,
    config: FileShareConfig,
    charset: Charset,
    tracker: Arc<Mutex<Tracker>>,
    shutdown: CancellationToken,
}

/// How a round ended.
enum Round {
    /// Look again after `poll_ms`.
    Quiet,
    /// There is more.
    Busy,
    /// The archive refuses.
    Refused,
}

impl Watcher {
    async fn run(self) {
        let poll = Duration::from_millis(self.config.poll_ms);
        let (mut wait, mut pause) = (Duration::ZERO, poll);
        let mut was_readable = true;
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => break,
                () = tokio::time::sleep(wait) => {}
            }
            if !self.holds_lease().await {
                *self.tracker() = Tracker::default();
                wait = poll;
                continue;
            }
            // A folder on another machine may never answer; nobody waits for it at the end.
            let scanned = tokio::select! {
                () = self.shutdown.cancelled() => break,
                scanned = self.scan() => scanned,
            };
            let (share, scan) = match scanned {
                Ok(found) => {
                    was_readable = true;
                    found
                }
                Err(error) => {
                    if was_readable {
                        tracing::warn!(share.name = %self.config.name, %error, "a file share cannot be read");
                    }
                    was_readable = false;
                    wait = poll;
                    continue;
                }
            };
            let pending = self.tracker().pending();
            metrics::gauge!("yingku_file_share_pending", "share" => self.config.name.clone()).set(pending as f64);
            if scan.unreadable > 0 {
                tracing::warn!(share.name = %self.config.name, folders = scan.unreadable, "folders cannot be read");
            }
            (wait, pause) = match self.round(share, scan).await {
                Round::Quiet => (poll, poll),
                Round::Busy => (Duration::ZERO, poll),
                Round::Refused => (pause, (pause * 2).min(LONGEST_PAUSE)),
            };
        }
        if let Err(error) = self.archive.release_lease(&self.lease(), &self.holder).await {
            tracing::warn!(share.name = %self.config.name, %error, "the lease of a file share could not be given back");
        }
    }

    fn lease(&self) -> String {
        format!("file_share:{}", self.config.name)
    }

    fn tracker(&self) -> std::sync::MutexGuard<'_, Tracker> {
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn holds_lease(&self) -> bool {
        match self.archive.hold_lease(&self.lease(), &self.holder, self.config.lease_ms).await {
            Ok(held) => held,
            Err(error) => {
                tracing::warn!(share.name = %self.config.name, %error, "the lease of a file share cannot be renewed");
                false
            }
        }
    }

    async fn scan(&self) -> std::io::Result<(Arc<Share>, Scan)> {
        let (config, charset, tracker) = (self.config.clone(), self.charset.clone(), Arc::clone(&self.tracker));
        let scanned = tokio::task::spawn_blocking(move || {
            let root = config.path.canonicalize()?;
            let scan = tracker.lock().unwrap_or_else(PoisonError::into_inner).scan(&config, &root)?;
            Ok((Arc::new(Share { config, root, charset }), scan))
        });
        scanned.await.unwrap_or_else(|_| Err(std::io::Error::other("the scan ended early")))
    }

    /// Takes what is ready. Ends early when the lease is lost, the archive refuses, or the program stops.
    async fn round(&self, share: Arc<Share>, scan: Scan) -> Round {
        let mut round = if scan.more { Round::Busy } else { Round::Quiet };
        let stop = CancellationToken::new();
        let files = scan.ready.into_iter().map(|file| {
            let settled = |beside: &Path| self.tracker().has_settled(beside, &self.config);
            let (share, archive, stop) = (Arc::clone(&share), self.archive.clone(), stop.clone());
            async move {
                if stop.is_cancelled() {
                    return None;
                }
                Some(take(share, archive, file, settled).await)
            }
        });
        let mut taking = std::pin::pin!(futures_util::stream::iter(files).buffer_unordered(self.config.concurrency));
        let mut renew = tokio::time::interval(Duration::from_millis((self.config.lease_ms / 3).max(1)));
        renew.tick().await;
        let (mut deadline, mut refused): (Option<Instant>, u32) = (None, 0);
        loop {
            let until = tokio::time::Instant::from_std(deadline.unwrap_or_else(|| Instant::now() + LONGEST_PAUSE));
            tokio::select! {
                next = taking.next() => match next {
                    None => return round,
                    Some(None) => {}
                    Some(Some((file, taken))) => {
                        refused += u32::from(matches!(taken, Taken::Refused { .. }));
                        if refused >= MOST_REFUSED {
                            round = Round::Refused;
                            stop.cancel();
                        }
                        self.note(&file.relative, taken, file.attempts);
                    }
                },
                _ = renew.tick() => if !self.holds_lease().await {
                    tracing::warn!(share.name = %self.config.name, "another process has taken a file share over");
                    return Round::Quiet;
                },
                () = self.shutdown.cancelled(), if deadline.is_none() => {
                    stop.cancel();
                    deadline = Some(Instant::now() + GRACE);
                }
                () = tokio::time::sleep_until(until), if deadline.is_some() => return Round::Quiet,
            }
        }
    }

    /// Names of files may be names of patients, so the log has none; they stand in the folders themselves.
    fn note(&self, relative: &Path, taken: Taken, attempts: u32) {
        let name = &self.config.name;
        let poll = Duration::from_millis(self.config.poll_ms);
        let mut tracker = self.tracker();
        let outcome = match taken {
            Taken::Stored { outcome } => {
                tracker.forget(relative, &self.config);
                outcome
            }
            Taken::Failed { reason } => {
                tracing::warn!(share.name = %name, reason, "a file was put into the folder of failures");
                tracker.forget(relative, &self.config);
                "failed"
            }
            Taken::Waits => return tracker.postpone(relative, poll, false, false),
            Taken::Gone => return tracker.forget(relative, &self.config),
            Taken::Unreadable { reason } => {
                tracing::warn!(share.name = %name, reason, "a file cannot be read");
                tracker.postpone(relative, poll * 2u32.saturating_pow(attempts.min(10)), true, false);
                "unreadable"
            }
            Taken::Refused { reason } => {
                tracing::error!(share.name = %name, reason, "the archive cannot store a file; it waits");
                tracker.postpone(relative, REFUSED_WAIT, false, false);
                "refused"
            }
            Taken::Stuck { reason, stored } => {
                tracing::error!(share.name = %name, reason, stored, "a file cannot be moved away");
                tracker.postpone(relative, STUCK_WAIT, false, stored);
                "stuck"
            }
        };
        metrics::counter!("yingku_file_share_files_total", "share" => name.clone(), "outcome" => outcome).increment(1);
    }
}
