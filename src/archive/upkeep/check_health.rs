//! Whether the archive can do its work right now (D-X12): its database answers and can be written, its object store
//! takes objects.
//!
//! That a store answers says little: a folder can be full, read-only or unmounted. So a small object is really written
//! and removed, at most once in `objects.probe_interval_ms`, however often and by whoever the question is asked.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::archive::Archive;
use crate::objects::Objects;

/// How long a part may take to answer before it counts as down.
const PATIENCE: Duration = Duration::from_secs(2);
/// A store that is down is asked again after so long, so that it is soon seen to be back.
const AGAIN: Duration = Duration::from_secs(1);

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// The database answered in time; an embedded one also takes what is written.
    pub database: Answer,
    /// The object store took an object in time.
    pub objects: Answer,
}

/// How one part answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It answered.
    Up,
    /// It failed or took too long.
    Down,
}

/// The last answer of the object store; clones share it.
#[derive(Debug, Clone)]
pub(in crate::archive) struct StoreProbe {
    every: Duration,
    last: Arc<Mutex<Option<(Instant, Answer)>>>,
    /// One probe at a time: one that hangs must not be joined by more.
    turn: Arc<Semaphore>,
}

impl StoreProbe {
    pub(in crate::archive) fn new(every: Duration) -> Self {
        Self { every, last: Arc::default(), turn: Arc::new(Semaphore::new(1)) }
    }

    fn recent(&self) -> Option<Answer> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, answer) = last?;
        let good_for = if answer == Answer::Up { self.every } else { self.every.min(AGAIN) };
        (at.elapsed() < good_for).then_some(answer)
    }

    /// The store's recent answer, or a new one; never takes longer than [`PATIENCE`].
    async fn ask(&self, objects: &Objects) -> Answer {
        if let Some(answer) = self.recent() {
            return answer;
        }
        let asked = async {
            let Ok(turn) = Arc::clone(&self.turn).acquire_owned().await else { return Answer::Down };
            if let Some(answer) = self.recent() {
                return answer;
            }
            let (objects, last) = (objects.clone(), Arc::clone(&self.last));
            // In a task of its own: who loses patience must not stop it half-way.
            let probe = tokio::spawn(async move {
                let answer = match objects.probe().await {
                    Ok(()) => Answer::Up,
                    Err(error) => {
                        tracing::error!(%error, "the object store takes no objects");
                        Answer::Down
                    }
                };
                *last.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), answer));
                drop(turn);
                answer
            });
            probe.await.unwrap_or(Answer::Down)
        };
        tokio::time::timeout(PATIENCE, asked).await.unwrap_or(Answer::Down)
    }
}

impl Archive {
    /// Asks the database and the object store; never takes longer than two seconds, never fails.
    pub async fn check_health(&self) -> Health {
        let database = async {
            match tokio::time::timeout(PATIENCE, self.index.ping()).await {
                Ok(Ok(())) => Answer::Up,
                _ => Answer::Down,
            }
        };
        let (database, objects) = tokio::join!(database, self.store_probe.ask(&self.objects));
        Health { database, objects }
    }
}
