//! The front role (D-I18, D-I19): what arrives here is forwarded to an upstream archive, and removed here when that
//! archive has confirmed that it keeps it.
//!
//! The queue of images is in the database, written with the instance itself; what reports there are to tell is read from the
//! change feed. One process of all forwards to an upstream at a time, over several associations or requests, study by study
//! and report by report.

mod bandwidth;
mod c_store;
mod config;
mod confirm;
mod https;
mod purge;
mod registration;
mod reports;
mod sender;
mod stow;

pub use c_store::DicomUpstream;
pub use config::{Confirmation, FrontConfig, UpstreamConfig, UpstreamReportsConfig, Way};
pub use sender::{Front, Upstream};
