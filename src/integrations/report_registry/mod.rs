//! The report registry `IAutoReport.asmx`: hospitals register reports, the region's systems query them
//! (specification 4.1 to 4.4).
//!
//! Thin: [`read`](self) makes a batch or a query of whatever wire form arrives, [`crate::archive::Archive`] does the
//! work, and the acknowledgement or the answer is written in the form in which the request came.

mod acknowledge;
mod answer;
mod batch;
mod bus;
mod callers;
mod config;
mod kept;
mod read;
mod replay;
mod routes;
mod turns;
mod upload;
mod visit;

pub use batch::Batch;
pub use config::{
    Acknowledgement, ApiRight, ClientConfig, ConfigError, DicomwebRight, ErrorStyle, KeyMode, RegistryConfig,
    SenderConfig,
};
pub use replay::{Replay, Replayed};
pub use routes::{Settings, router};

use crate::archive::reports::report_codes::Code;

/// Reads a request in any wire form; what a caller by a service bus would hear if it could not be read, in its dialect. For
/// fuzzing.
pub fn read_request(body: &[u8], content_type: &str, path: &str, config: &RegistryConfig) -> Option<String> {
    let method = path.rsplit('/').next().and_then(read::Method::parse);
    let target = read::Target { method, path: path.to_owned() };
    let bus = read::read(body, content_type, &target, config).bus?;
    Some(bus.refuse(Code::Unreadable, Code::Unreadable.text()))
}

/// Reads a registration document as a hospital sends it; for tests and fuzzing.
pub fn read_batch(text: &str, config: &RegistryConfig) -> Result<Batch, Code> {
    batch::of_text(text, config)
}
