//! Watched folders: files that devices and scanners put on a share become instances and attachments (D-I7, D-I14).
//!
//! Folders are polled, because a mounted share tells nobody of its changes. A file is taken when it has settled, stored
//! through the same use cases as everything else, and then moved to `done/` or `failed/`. A kill at any moment is
//! harmless: what was stored and not moved is recognised by its content the next time. Names never become keys, links
//! are not followed, and nothing outside the folder is read or written.

mod config;
mod content;
mod disposal;
mod place_name;
mod scan;
mod sidecar;
mod store;
mod take;
mod watcher;

pub use config::FileShareConfig;
pub use watcher::Watchers;
