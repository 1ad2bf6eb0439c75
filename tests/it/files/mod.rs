//! Report files: stamping, page pictures, fetching, and the jobs that do it.

mod bench;
mod fetch;
mod fetch_report_file;
pub mod pdf;
mod queue;
mod raster;
pub mod server;
mod stamp;
mod workers;
