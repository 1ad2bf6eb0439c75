//! How often somebody may try: a bounded table of keyed quotas.

use std::hash::Hash;
use std::num::NonZeroU32;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Keys kept at most; beyond it those that are back to full are forgotten.
const MOST_KEYS: usize = 100_000;

/// A quota for each key.
#[derive(Debug)]
pub(super) struct Limit<K: Hash + Eq + Clone> {
    limiter: DefaultKeyedRateLimiter<K>,
}

impl<K: Hash + Eq + Clone> Limit<K> {
    pub(super) fn per_minute(times: u32) -> Self {
        Self { limiter: RateLimiter::keyed(Quota::per_minute(at_least_one(times))) }
    }

    pub(super) fn per_hour(times: u32) -> Self {
        Self { limiter: RateLimiter::keyed(Quota::per_hour(at_least_one(times))) }
    }

    /// Whether the key may try once more; counts the try.
    pub(super) fn allows(&self, key: &K) -> bool {
        if self.limiter.len() >= MOST_KEYS {
            self.limiter.retain_recent();
            if self.limiter.len() >= MOST_KEYS {
                return false;
            }
        }
        self.limiter.check_key(key).is_ok()
    }
}

fn at_least_one(times: u32) -> NonZeroU32 {
    NonZeroU32::new(times).unwrap_or(NonZeroU32::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_has_used_its_quota_is_refused_and_others_are_not() {
        let limit = Limit::per_hour(2);
        assert!(limit.allows(&"a") && limit.allows(&"a"));
        assert!(!limit.allows(&"a"));
        assert!(limit.allows(&"b"));
    }
}
