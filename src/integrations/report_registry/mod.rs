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

/// Reads a registration document as a hospital sends it; for tests and fuzzing.
pub fn read_batch(text: &str, config: &RegistryConfig) -> Result<Batch, crate::archive::reports::report_codes::Code> {
    batch::of_text(text, config)
}
