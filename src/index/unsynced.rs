//! Commits that need no sync of their own, because what they hold can be made again (ADR 3).
//!
//! An instance in a segment brings its rows back: after a loss of power the next start puts those of the segment's tail
//! again. So the embedded database commits them without a sync, and says so to whoever vouches for them only after a
//! later sync has taken them to the disk. The log of SQLite is one chain: a sync covers all that was committed before it,
//! and a loss takes a tail of commits, never one in their middle. How much may wait is bounded here.

use std::time::{Duration, Instant};

use super::DatabaseConfig;

/// Somebody vouches that the rows of an operation can be made again, until they are on the disk.
///
/// Dropped without [`Surety::release`] it stays in force, which costs a look at the next start and nothing else.
pub struct Surety {
    /// What has to be read to make the rows again.
    bytes: u64,
    release: Box<dyn FnOnce() + Send + Sync>,
}

impl std::fmt::Debug for Surety {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surety").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Surety {
    /// `release` is called once, when the rows are on the disk or will never be there; it must be quick.
    pub fn new(bytes: u64, release: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self { bytes, release: Box::new(release) }
    }

    /// It is needed no more.
    pub fn release(self) {
        (self.release)();
    }
}

/// How much may wait for a sync.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    instances: usize,
    bytes: u64,
    time: Duration,
}

impl Limits {
    pub(super) fn of(config: &DatabaseConfig) -> Self {
        Self {
            instances: config.unsynced_instances,
            bytes: config.unsynced_bytes,
            time: Duration::from_millis(config.unsynced_ms),
        }
    }
}

/// What has been committed and waits for a sync.
#[derive(Debug)]
pub(super) struct Unsynced {
    limits: Limits,
    sureties: Vec<Surety>,
    bytes: u64,
    since: Instant,
}

impl Unsynced {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, sureties: Vec::new(), bytes: 0, since: Instant::now() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sureties.is_empty()
    }

    /// Whether so many more may wait.
    pub(super) fn has_room(&self, instances: usize, bytes: u64) -> bool {
        let fits = self.sureties.len() + instances <= self.limits.instances && self.bytes + bytes <= self.limits.bytes;
        fits && (self.is_empty() || self.since.elapsed() < self.limits.time)
    }

    /// How long a sync can still be put off; nothing when nothing waits.
    pub(super) fn patience(&self) -> Option<Duration> {
        (!self.is_empty()).then(|| self.limits.time.saturating_sub(self.since.elapsed()))
    }

    /// These have been committed without a sync.
    pub(super) fn add(&mut self, sureties: impl IntoIterator<Item = Surety>) {
        if self.is_empty() {
            self.since = Instant::now();
        }
        for surety in sureties {
            self.bytes += surety.bytes;
            self.sureties.push(surety);
        }
    }

    /// All that waited is on the disk.
    pub(super) fn release(&mut self) {
        self.bytes = 0;
        self.sureties.drain(..).for_each(Surety::release);
    }

    /// Nobody knows what of it will reach the disk: the sureties stay in force.
    pub(super) fn abandon(&mut self) {
        self.bytes = 0;
        self.sureties.clear();
    }

    /// A sync did not work; it is tried again after as long.
    pub(super) fn put_off(&mut self) {
        self.since = Instant::now();
    }
}

/// Bytes of all of them; nothing when one operation has none.
pub(super) fn bytes_of<'a>(mut sureties: impl Iterator<Item = Option<&'a Surety>>) -> Option<u64> {
    sureties.try_fold(0, |bytes, surety| surety.map(|surety| bytes + surety.bytes))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn unsynced(instances: usize, bytes: u64) -> Unsynced {
        Unsynced::new(Limits { instances, bytes, time: Duration::from_secs(3600) })
    }

    #[test]
    fn as_much_may_wait_as_the_limits_say() {
        let mut waiting = unsynced(3, 100);
        assert!(waiting.has_room(3, 100) && !waiting.has_room(4, 1) && !waiting.has_room(1, 101));
        assert_eq!(waiting.patience(), None);

        waiting.add([Surety::new(60, || ()), Surety::new(10, || ())]);

        assert!(waiting.has_room(1, 30) && !waiting.has_room(2, 0) && !waiting.has_room(1, 31));
        assert!(waiting.patience().is_some());
        waiting.release();
        assert!(waiting.has_room(3, 100));
        assert!(!unsynced(0, 100).has_room(1, 1), "nothing may wait");
    }

    #[test]
    fn only_a_sync_releases_who_vouches() {
        let released = Arc::new(AtomicUsize::new(0));
        let surety = || {
            let released = Arc::clone(&released);
            Surety::new(1, move || {
                released.fetch_add(1, Ordering::Relaxed);
            })
        };
        let mut waiting = unsynced(10, 100);
        waiting.add([surety(), surety()]);
        waiting.abandon();
        assert_eq!(released.load(Ordering::Relaxed), 0);
        waiting.add([surety(), surety()]);
        waiting.release();
        waiting.release();
        assert_eq!(released.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn one_operation_without_surety_makes_all_wait_for_the_disk() {
        let (one, other) = (Surety::new(5, || ()), Surety::new(6, || ()));
        assert_eq!(bytes_of([Some(&one), Some(&other)].into_iter()), Some(11));
        assert_eq!(bytes_of([Some(&one), None].into_iter()), None);
    }
}
