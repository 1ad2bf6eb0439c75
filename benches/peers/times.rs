//! How long many calls took, by one caller or several at once.

use std::time::{Duration, Instant};

/// What a run of calls gave.
pub struct Times {
    each: Vec<Duration>,
    whole: Duration,
}

impl Times {
    /// Lets so many callers call one after the other, each until the time is over. `call` gets a number that is never the
    /// same; it panics when it is not answered as it should be.
    pub async fn during(callers: usize, time: Duration, call: impl AsyncFn(u64)) -> Self {
        let began = Instant::now();
        Self::run(callers, |_| began.elapsed() < time, call).await
    }

    /// The same until there were so many calls.
    pub async fn of(callers: usize, calls: u64, call: impl AsyncFn(u64)) -> Self {
        Self::run(callers, |number| number < calls, call).await
    }

    async fn run(callers: usize, go_on: impl Fn(u64) -> bool, call: impl AsyncFn(u64)) -> Self {
        let began = Instant::now();
        let next = std::cell::Cell::new(0_u64);
        let caller = async || {
            let mut each = Vec::new();
            loop {
                let number = next.get();
                if !go_on(number) {
                    return each;
                }
                next.set(number + 1);
                let asked = Instant::now();
                call(number).await;
                each.push(asked.elapsed());
            }
        };
        let mut each = futures_util::future::join_all((0..callers).map(|_| caller())).await.concat();
        each.sort_unstable();
        Self { each, whole: began.elapsed() }
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.each.len() as u64
    }

    /// Calls a second.
    pub fn pace(&self) -> f64 {
        self.each.len() as f64 / self.whole.as_secs_f64()
    }

    /// The time in milliseconds within which this share of the calls was answered.
    pub fn ms(&self, share: f64) -> f64 {
        let last = self.each.len().saturating_sub(1);
        let at = ((self.each.len() as f64 * share) as usize).min(last);
        self.each.get(at).map_or(0.0, Duration::as_secs_f64) * 1000.0
    }
}
