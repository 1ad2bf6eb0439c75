//! What was read of stored objects and is kept ready, by what it weighs in memory.

use std::fmt;
use std::sync::Arc;

use moka::future::Cache;

use super::image_access::StoredInstance;

/// A content of an instance: its row and its hash, because another content may take its place.
pub(super) type ContentKey = (i64, String);

pub(super) fn content_key(instance: &StoredInstance) -> ContentKey {
    (instance.pk, instance.content_hash.clone())
}

/// Values within so many bytes together; one that would take a large share of them is not kept. A cheap clone.
pub(super) struct Kept<V> {
    values: Cache<ContentKey, (Arc<V>, u32)>,
    heaviest: u64,
}

impl<V: Send + Sync + 'static> Kept<V> {
    /// Keeps `bytes`, and of one value at most the `share`th part of them.
    pub(super) fn new(bytes: u64, share: u64) -> Self {
        let values = Cache::builder().max_capacity(bytes).weigher(|_, (_, weight): &(Arc<V>, u32)| *weight).build();
        Self { values, heaviest: bytes / share.max(1) }
    }

    /// The value, when it is kept.
    pub(super) async fn get(&self, key: &ContentKey) -> Option<Arc<V>> {
        self.values.get(key).await.map(|(value, _)| value)
    }

    /// Keeps a value of so many bytes, unless they are too many.
    pub(super) async fn insert(&self, key: ContentKey, value: &Arc<V>, weight: usize) {
        let weight = weight.saturating_add(size_of::<ContentKey>() + key.1.len());
        if weight as u64 <= self.heaviest {
            self.values.insert(key, (Arc::clone(value), u32::try_from(weight).unwrap_or(u32::MAX))).await;
        }
    }
}

impl<V> Clone for Kept<V> {
    fn clone(&self) -> Self {
        Self { values: self.values.clone(), heaviest: self.heaviest }
    }
}

impl<V> fmt::Debug for Kept<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("heaviest", &self.heaviest).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_kept_stays_within_its_bytes_and_a_heavy_value_is_not_kept() {
        const BYTES: u64 = 16_000;
        let kept = Kept::new(BYTES, 16);
        let key = |pk: i64| (pk, "hash".to_owned());
        kept.insert(key(0), &Arc::new(0), 1001).await;
        assert!(kept.get(&key(0)).await.is_none(), "more than its share");
        for pk in 1..=100 {
            kept.insert(key(pk), &Arc::new(pk), 900).await;
            kept.values.run_pending_tasks().await;
            assert!(kept.values.weighted_size() <= BYTES, "{} bytes", kept.values.weighted_size());
        }
        assert!(kept.values.entry_count() > 10, "{} are kept", kept.values.entry_count());
    }
}
