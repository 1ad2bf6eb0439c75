//! What keeps the archive sound: health, room, the queue, verification, scrub, sweep, deletion, compaction, reindex.

pub mod check_health;
pub mod compact;
pub mod delete_images;
pub mod dictionaries;
pub mod free_space;
pub mod hold_lease;
mod keep_statistics;
pub mod note_success;
mod organizations;
pub mod purge_audit;
pub mod purge_inbox;
pub mod purge_jobs;
pub mod queue;
pub mod read_audit;
pub mod recognised_items;
pub mod reindex;
mod reindex_attachments;
pub mod reindex_text;
pub mod replay_segments;
pub mod scrub;
mod ship_segments;
mod show_backlog;
pub mod sweep;
pub mod verify;
