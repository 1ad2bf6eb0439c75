//! Report files: stamping, page pictures, fetching, and the jobs that do it.

mod archive;
mod fetch;
mod pdf;
mod queue;
mod raster;
mod reports;
mod stamp;
mod workers;
