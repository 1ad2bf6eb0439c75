//! What is done now and every so often until the shutdown.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// Rounds of some upkeep. What took longer than its time makes the next one later, and is not made up for.
#[derive(Debug)]
pub struct Rounds {
    look: Interval,
    shutdown: CancellationToken,
}

impl Rounds {
    /// The first one at once; never more often than once in a millisecond.
    pub fn every(period: Duration, shutdown: CancellationToken) -> Self {
        let mut look = tokio::time::interval(period.max(Duration::from_millis(1)));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { look, shutdown }
    }

    /// Waits for the next one; `false` when there is none any more.
    pub async fn next(&mut self) -> bool {
        self.shutdown.run_until_cancelled(self.look.tick()).await.is_some()
    }

    /// Whether the one at work should end early.
    pub fn are_over(&self) -> bool {
        self.shutdown.is_cancelled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_round_is_at_once_and_none_comes_after_the_shutdown() {
        let shutdown = CancellationToken::new();
        let mut rounds = Rounds::every(Duration::from_secs(3600), shutdown.clone());
        assert!(rounds.next().await);
        shutdown.cancel();
        assert!(!rounds.next().await && rounds.are_over());
    }
}
