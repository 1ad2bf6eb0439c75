//! What keeps the archive sound: health, the queue, verification, scrub, sweep, compaction, reindex.

pub mod check_health;
pub mod compact;
pub mod dictionaries;
pub mod hold_lease;
pub mod queue;
pub mod reindex;
pub mod scrub;
mod ship_segments;
pub mod sweep;
pub mod verify;
