//! The time, handed in, so that a test can stop it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where the time comes from.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// A time that only [`Clock::set`] moves: milliseconds since 1970 UTC.
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `ms`.
    pub fn fixed(ms: i64) -> Self {
        Clock::Fixed(Arc::new(AtomicI64::new(ms)))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub fn now_ms(&self) -> i64 {
        match self {
            Clock::System => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64),
            Clock::Fixed(ms) => ms.load(Ordering::Relaxed),
        }
    }

    /// Moves a fixed clock; the system's clock stays as it is.
    pub fn set(&self, ms: i64) {
        if let Clock::Fixed(at) = self {
            at.store(ms, Ordering::Relaxed);
        }
    }
}
