//! The places of a host or an organisation, and when somebody who has found none may ask again.
//!
//! A job that waits for a place takes one of the workers' places from the jobs of everybody else. So it is turned away,
//! and told when to come back: one after the other, at the pace at which places have been coming free.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use super::Error;

/// How long a file takes, as long as none has come.
const AT_FIRST: Duration = Duration::from_secs(1);
/// Between two who are told to come back.
const LEAST_STEP: Duration = Duration::from_millis(20);
/// Nobody is put off for longer, so that a server that has recovered is asked soon.
const MOST: Duration = Duration::from_secs(120);

/// What happens when all places are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WhenFull {
    /// The caller waits for its turn.
    Wait,
    /// The caller is told when to come back.
    Refuse,
}

/// A number of places.
#[derive(Debug)]
pub(super) struct Turns {
    places: Arc<Semaphore>,
    count: u32,
    pace: Mutex<Pace>,
}

#[derive(Debug)]
struct Pace {
    /// How long one usually keeps a place.
    usual: Duration,
    /// When the last one who was turned away may come back.
    last: Instant,
}

/// A place that somebody has until this is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Arc<Turns>,
    since: Instant,
    _place: OwnedSemaphorePermit,
}

impl Turns {
    /// So many places, one at least.
    pub(super) fn new(count: usize) -> Arc<Self> {
        let count = count.max(1);
        let pace = Mutex::new(Pace { usual: AT_FIRST, last: Instant::now() });
        Arc::new(Self {
            places: Arc::new(Semaphore::new(count)),
            count: u32::try_from(count).unwrap_or(u32::MAX),
            pace,
        })
    }

    pub(super) async fn take(self: &Arc<Self>, when_full: WhenFull) -> Result<Turn, Error> {
        let places = Arc::clone(&self.places);
        let place = match when_full {
            WhenFull::Wait => places.acquire_owned().await.map_err(|_| Error::Stopped)?,
            WhenFull::Refuse => match places.try_acquire_owned() {
                Ok(place) => place,
                Err(TryAcquireError::NoPermits) => return Err(Error::Busy { retry_in_ms: self.put_off() }),
                Err(TryAcquireError::Closed) => return Err(Error::Stopped),
            },
        };
        Ok(Turn { turns: Arc::clone(self), since: Instant::now(), _place: place })
    }

    fn put_off(&self) -> u64 {
        let now = Instant::now();
        let delay = {
            let mut pace = self.pace();
            let step = (pace.usual / self.count).max(LEAST_STEP);
            pace.last = (pace.last.max(now) + step).min(now + MOST);
            pace.last.duration_since(now)
        };
        // Many are put off as long as can be; they do not come back at one moment.
        u64::try_from(delay.mul_f64(0.75 + rand::random::<f64>() / 4.0).as_millis()).unwrap_or(u64::MAX)
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut pace = self.turns.pace();
        pace.usual = (pace.usual * 3 + self.since.elapsed()) / 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_finds_no_place_is_told_a_later_time_than_the_one_before_and_none_too_late() {
        let turns = Turns::new(1);
        let turn = turns.take(WhenFull::Wait).await.unwrap();
        let mut delays = Vec::new();
        for _ in 0..1000 {
            match turns.take(WhenFull::Refuse).await {
                Err(Error::Busy { retry_in_ms }) => delays.push(retry_in_ms),
                other => panic!("{other:?}"),
            }
        }
        assert!(delays[0] < delays[10] && delays[10] < delays[60], "{delays:?}");
        assert!(delays.iter().all(|delay| *delay <= 120_000), "{delays:?}");
        drop(turn);
        assert!(turns.take(WhenFull::Refuse).await.is_ok());
    }
}
