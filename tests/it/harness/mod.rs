//! The ground on which the tests stand: databases, object stores, servers, peers.
//!
//! Whatever is started here ends with the test process, however that ends: a child waits on a pipe that only this
//! process holds open ([`keeper`]). Nothing here sleeps for a fixed time.

pub mod archive;
mod certificates;
mod database;
pub mod dataset;
mod element;
mod gate;
mod keeper;
mod orthanc;
mod part10;
mod process;
mod python;
mod rows;
mod storage;
mod stored;
mod test_server;
mod tool;
mod wait;

pub use certificates::{Authority, Certificate};
pub use database::TestDatabase;
pub use gate::Gate;
pub use orthanc::Orthanc;
pub use part10::{data_set_of, small_instance};
pub use process::{Limit, ServerProcess};
pub use python::{python, python_script};
pub use rows::{count_rows, texts};
pub use storage::TestStore;
pub use stored::StoredInstances;
pub use test_server::{TestServer, base_toml};
pub use tool::{Package, run, tool};
pub use wait::{eventually, free_port, http_get};
