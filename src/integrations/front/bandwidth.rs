//! How fast bytes may leave: one bucket of tokens for all associations of an upstream.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

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
            let cost = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
            let earliest = Instant::now().checked_sub(Duration::from_secs(1)).unwrap_or_else(Instant::now);
            *busy_until = (*busy_until).max(earliest) + cost;
            *busy_until
        };
        tokio::time::sleep_until(turn).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_leave_no_faster_than_they_may() {
        let bandwidth = Bandwidth::new(1_000_000);
        let began = Instant::now();
        for _ in 0..12 {
            bandwidth.take(100_000).await;
        }
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(150), "1.2 MB at 1 MB/s after a burst of a second: {took:?}");
    }

    #[tokio::test]
    async fn without_a_limit_nobody_waits() {
        let bandwidth = Bandwidth::new(0);
        let began = Instant::now();
        bandwidth.take(usize::MAX).await;
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}
