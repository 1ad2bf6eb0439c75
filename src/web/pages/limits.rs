//! How often somebody may try: a bounded table of keyed quotas.
//!
//! A quota comes back evenly: of 60 a minute, one each second. So all that is kept of a key is the moment at which its whole
//! quota is there again, and a key whose moment has passed need not be kept.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Keys kept at most; beyond it those that are back to full are forgotten, and no others begin.
const MOST_KEYS: usize = 100_000;
/// Looking through all keys takes milliseconds, and is not for every stranger's request.
const BETWEEN_PRUNES: Duration = Duration::from_secs(1);

/// A quota for each key.
#[derive(Debug)]
pub(super) struct Limit<K> {
    /// In how long one try comes back.
    interval: Duration,
    /// In how long all of them do.
    whole: Duration,
    most_keys: usize,
    table: Mutex<Table<K>>,
}

#[derive(Debug)]
struct Table<K> {
    full_at: HashMap<K, Instant>,
    pruned_at: Option<Instant>,
}

impl<K: Hash + Eq + Clone> Limit<K> {
    pub(super) fn per_minute(times: u32) -> Self {
        Self::per(Duration::from_secs(60), times)
    }

    pub(super) fn per_hour(times: u32) -> Self {
        Self::per(Duration::from_secs(3600), times)
    }

    fn per(time: Duration, times: u32) -> Self {
        let times = times.max(1);
        let interval = time / times;
        let table = Mutex::new(Table { full_at: HashMap::new(), pruned_at: None });
        Self { interval, whole: interval * times, most_keys: MOST_KEYS, table }
    }

    /// Whether the key may try once more; counts the try.
    pub(super) fn allows(&self, key: &K) -> bool {
        self.allows_at(key, Instant::now())
    }

    fn allows_at(&self, key: &K, now: Instant) -> bool {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(full_at) = table.full_at.get_mut(key) {
            let next = (*full_at).max(now) + self.interval;
            let is_allowed = next <= now + self.whole;
            if is_allowed {
                *full_at = next;
            }
            return is_allowed;
        }
        if table.full_at.len() >= self.most_keys {
            table.prune(now);
        }
        let has_room = table.full_at.len() < self.most_keys;
        if has_room {
            table.full_at.insert(key.clone(), now + self.interval);
        }
        has_room
    }
}

impl<K: Hash + Eq> Table<K> {
    fn prune(&mut self, now: Instant) {
        if self.pruned_at.is_none_or(|pruned_at| now >= pruned_at + BETWEEN_PRUNES) {
            self.full_at.retain(|_, full_at| *full_at > now);
            self.pruned_at = Some(now);
        }
    }
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

    #[test]
    fn a_quota_comes_back_evenly_and_not_beyond_the_whole() {
        let (limit, began) = (Limit::per_minute(2), Instant::now());
        let at = |seconds| limit.allows_at(&"a", began + Duration::from_secs(seconds));
        assert_eq!([at(0), at(0), at(0), at(29)], [true, true, false, false]);
        assert_eq!([at(31), at(31)], [true, false]);
        assert_eq!([at(1000), at(1000), at(1000)], [true, true, false]);
    }

    #[test]
    fn a_full_table_refuses_strangers_only_and_is_looked_through_once_a_second() {
        let (limit, began) = (Limit { most_keys: 2, ..Limit::per_minute(60) }, Instant::now());
        let at = |key, ms| limit.allows_at(&key, began + Duration::from_millis(ms));
        assert!(at("a", 0) && at("b", 0));
        assert!(!at("stranger", 500), "there is no room");
        assert!(at("a", 500) && at("b", 500), "who is known goes on");
        assert!(!at("stranger", 1400), "the last look was a second ago at most");
        assert!(!at("stranger", 1600), "both have tries that are not back yet");
        assert!(at("stranger", 2700), "their quotas were full again");
    }
}
