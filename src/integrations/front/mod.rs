//! The front role (D-I18, D-I19): what arrives here is forwarded to an upstream archive, and removed here when that
//! archive has confirmed that it keeps it.
//!
//! The queue is in the database, written with the instance itself. One process of all forwards to an upstream at a time,
//! over several associations or requests, study by study. Registrations are not forwarded in this version.

mod bandwidth;
mod c_store;
mod config;
mod confirm;
mod https;
mod purge;
mod sender;
mod stow;

pub use c_store::DicomUpstream;
pub use config::{Confirmation, FrontConfig, UpstreamConfig, Way};
pub use sender::{Front, Upstream};
