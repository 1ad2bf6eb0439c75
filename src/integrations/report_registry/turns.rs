//! How many requests are worked on at the same time, and how much memory the large ones of them may take together.
//!
//! What a message takes once it is read is not known before; its length says how much it may be. Memory is asked for when
//! the body is there, so that nobody holds it who only promises to send.

use tokio::sync::{Semaphore, SemaphorePermit};

use super::config::RegistryConfig;

/// Copies of a body that are there at the same time: as it came, as text, and the report within it.
const COPIES: usize = 4;
const KIBIBYTE: usize = 1024;

/// The turns of the service.
#[derive(Debug)]
pub(super) struct Turns {
    requests: Semaphore,
    memory: Semaphore,
    kibibytes: u32,
    /// Of messages up to this many kibibytes all requests may have one, so that they never wait for large ones.
    small: u32,
}

impl Turns {
    pub(super) fn new(config: &RegistryConfig) -> Self {
        let requests = config.max_concurrent.clamp(1, Semaphore::MAX_PERMITS);
        let kibibytes = u32::try_from(config.max_memory_bytes / KIBIBYTE).unwrap_or(u32::MAX).max(1);
        let small = kibibytes / u32::try_from(requests).unwrap_or(u32::MAX);
        Self { requests: Semaphore::new(requests), memory: Semaphore::new(kibibytes as usize), kibibytes, small }
    }

    /// Waits for a turn; `None` when the service ends.
    pub(super) async fn request(&self) -> Option<SemaphorePermit<'_>> {
        self.requests.acquire().await.ok()
    }

    /// Waits until there is room to read a message of that length; a small one needs none.
    pub(super) async fn memory(&self, length: usize, config: &RegistryConfig) -> Option<SemaphorePermit<'_>> {
        let bytes = config.xml_limits().room_for(length).saturating_add(length.saturating_mul(COPIES));
        let kibibytes = u32::try_from(bytes / KIBIBYTE).unwrap_or(u32::MAX).min(self.kibibytes);
        match kibibytes <= self.small {
            true => None,
            false => self.memory.acquire_many(kibibytes).await.ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn d_r33_large_messages_wait_for_each_other_and_small_ones_for_none() {
        const MIB: usize = 1024 * 1024;
        let config = RegistryConfig { max_concurrent: 4, max_memory_bytes: 64 * MIB, ..RegistryConfig::default() };
        let turns = Turns::new(&config);
        let waits = |length| turns.memory(length, &config).now_or_never().is_none();
        let held = turns.memory(32 * MIB, &config).now_or_never().flatten();
        assert!(held.is_some(), "one message is never larger than all the room");
        assert!(waits(MIB));
        assert!(!waits(MIB / 4));
        drop(held);
        let first = turns.memory(MIB, &config).now_or_never().flatten();
        assert!(first.is_some() && !waits(MIB));
    }
}
