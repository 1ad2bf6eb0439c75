//! What keeps the archive sound: health, the queue, verification, scrub, sweep, compaction, reindex.

pub mod check_health;
pub mod compact;
pub mod dictionaries;
pub mod hold_lease;
pub mod note_success;
pub mod purge_inbox;
pub mod queue;
pub mod reindex;
pub mod reindex_text;
pub mod scrub;
mod ship_segments;
mod show_backlog;
pub mod sweep;
pub mod verify;
