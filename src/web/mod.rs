//! The HTTP side: what every request passes through, health, the signed pages, DICOMweb, and what pulls reports (`api`, `fhir`).
//!
//! [`app`] is the one place where routers are joined and the outer layers put on: client address, limits, time-outs,
//! caught panics, security headers, the access log. Errors are Chinese pages for people and RFC 9457 problems for programs.

pub mod api;
mod assets;
mod byte_range;
mod crowd;
pub mod dicomweb;
mod error_page;
pub mod fhir;
pub mod health;
mod http;
mod layers;
pub mod operations;
pub mod pages;
mod send_limit;
mod serve;
mod source;
mod viewer_files;
mod words;
mod zip;

pub use http::HttpConfig;
pub use layers::app;
pub use serve::{BindError, HttpListener, serve};
pub use viewer_files::viewer_is_embedded;
