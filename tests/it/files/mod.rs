//! Report files: stamping, page pictures, fetching, composed lab reports, and the jobs that do it.

mod bench;
mod corpus;
mod encapsulated;
mod fetch;
mod fetch_report_file;
mod ftp;
mod judges;
mod lab_documents;
mod large;
pub mod pdf;
mod pictures;
mod policies;
mod queue;
mod raster;
mod rude_servers;
mod samba;
pub mod server;
mod shares;
mod stamp;
mod tiffs;
mod two_nodes;
mod unstamped;
mod workers;
