//! The use cases, seen from their callers.

mod byte_equal;
mod compact;
mod disk_full;
mod find;
mod forward;
mod journal;
mod kill;
mod reindex;
mod scrub;
pub mod sender;
mod store_instance;
