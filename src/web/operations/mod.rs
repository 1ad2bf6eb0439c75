//! Pages for the people who look after the archive: `/ops/quality` (RD-10), `/ops/recognition` (RD-32).
//!
//! Figures only, no patient's data. Who may look is a `[[client]]` with `operations`, by its key as a bearer token or by
//! HTTP Basic with its id, so that a browser can ask. One that has organisations of its own sees theirs alone.

mod access;
mod csv;
mod quality;
mod recognition;

use std::sync::Arc;

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::get;
use tokio::sync::Semaphore;

use crate::archive::Archive;
use crate::web::words::Language;

pub use access::OperationsClient;
pub use csv::csv;
pub use quality::QualityPageConfig;
pub use recognition::csv as recognition_csv;

/// Measurings at the same time; each walks over many rows.
const TURNS: usize = 1;

/// Shared by all handlers; a cheap clone.
#[derive(Debug, Clone)]
pub struct OperationsState(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    archive: Archive,
    config: QualityPageConfig,
    clients: Vec<OperationsClient>,
    base: String,
    turns: Semaphore,
}

impl OperationsState {
    /// Puts the pages together; `public_url` is the server's address as browsers see it.
    pub fn new(archive: Archive, config: QualityPageConfig, clients: Vec<OperationsClient>, public_url: &str) -> Self {
        // The path below which a proxy shows this server, if any.
        let path =
            public_url.split_once("://").map_or("", |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
        let base =
            if path.trim_matches('/').is_empty() { String::new() } else { format!("/{}", path.trim_matches('/')) };
        let turns = Semaphore::new(TURNS);
        Self(Arc::new(Inner { archive, config, clients, base, turns }))
    }
}

/// The language that an address asks for, else the one that the browser prefers.
fn language_of(asked: &str, headers: &HeaderMap) -> Language {
    Language::parse(asked).or_else(|| Language::preferred(headers)).unwrap_or_default()
}

/// The routes; nothing of them is there when nobody may look.
pub fn router(state: OperationsState) -> Router {
    match state.0.clients.is_empty() {
        true => Router::new(),
        false => {
            let router = Router::new().route("/ops/quality", get(quality::show));
            router.route("/ops/recognition", get(recognition::show)).with_state(state)
        }
    }
}
