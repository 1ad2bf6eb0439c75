//! How fast bytes may leave: one bucket of tokens for all associations of an upstream.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// What was not sent for so long may go at once, and no more.
const BURST: Duration = Duration::from_secs(1);

/// Hands out turns to send bytes.
#[derive(Debug)]
pub(super) struct Bandwidth {
    /// 0 means no limit.
    bytes_per_second: u64,
    /// When everything that was handed out so far will have left.
    busy_until: Mutex<Instant>,
}

impl Bandwidth {
    pub(super) fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second, busy_until: Mutex::new(Instant::now()) }
    }

    /// Waits until so many bytes may be sent. What waits in line waits in order; up to a second's bytes may go at once.
    pub(super) async fn take(&self, bytes: usize) {
        if self.bytes_per_second == 0 || bytes == 0 {
            return;
        }
        let turn = {
            let mut busy_until = self.busy_until.lock().await;
            *busy_until = self.next_turn(*busy_until, Instant::now(), bytes);
            *busy_until
        };
        tokio::time::sleep_until(turn).await;
    }

    /// When these bytes have left, by what was handed out before.
    fn next_turn(&self, busy_until: Instant, now: Instant, bytes: usize) -> Instant {
        let cost = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        busy_until.max(earliest) + cost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_follow_each_other_at_the_rate_after_a_second_of_silence_at_most() {
        let bandwidth = Bandwidth::new(1_000_000);
        let began = Instant::now();
        let ms = |ms: u64| began + Duration::from_millis(ms);
        let mut busy_until = began;
        let mut take = |now: Instant, bytes: usize| {
            busy_until = bandwidth.next_turn(busy_until, now, bytes);
            busy_until
        };
        for turn in 1..=12 {
            assert_eq!(take(began, 100_000), ms(100 * turn), "nobody was silent, nothing is saved up");
        }
        assert_eq!(take(ms(1150), 250_000), ms(1450), "behind what was handed out before");
        // Ten seconds later one second's bytes go at once, and then no more.
        for turn in 1..=10 {
            assert_eq!(take(ms(11_450), 100_000), ms(10_450 + 100 * turn));
        }
        assert_eq!(take(ms(11_450), 1), ms(11_450) + Duration::from_micros(1));
    }

    #[tokio::test]
    async fn without_a_limit_nobody_waits() {
        let bandwidth = Bandwidth::new(0);
        // Polled once: it is ready at once, or the test ends here.
        let taken = futures_util::FutureExt::now_or_never(bandwidth.take(usize::MAX));
        assert_eq!(taken, Some(()));
        let limited = Bandwidth::new(1);
        assert_eq!(futures_util::FutureExt::now_or_never(limited.take(1_000_000)), None, "this one has to wait");
    }
}
