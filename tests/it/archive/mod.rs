//! The use cases, seen from their callers.

mod byte_equal;
mod commitment;
mod compact;
mod delete_images;
mod disk_full;
mod film;
mod find;
mod forward;
mod journal;
mod kill;
mod power_loss;
mod reindex;
mod requests;
mod scrub;
pub mod sender;
mod store_instance;
