//! The ground on which the tests stand: databases, object stores, servers, peers.
//!
//! Whatever is started here ends with the test process, however that ends: a child waits on a pipe that only this
//! process holds open ([`keeper`]). Nothing here sleeps for a fixed time.

pub mod archive;
mod database;
pub mod dataset;
mod keeper;
mod python;
mod storage;
mod tool;
mod wait;

pub use database::TestDatabase;
pub use python::{python, python_script};
pub use storage::TestStore;
pub use tool::{Package, run, tool};
pub use wait::{eventually, free_port, http_get};
