//! DICOMweb (PS3.18): QIDO-RS, WADO-RS, STOW-RS and WADO-URI, for systems and for the pages' sessions.
//!
//! Systems come to `/dicom-web/` with the key of a `[[client]]`; browsers to `/t/{session}/dicom-web/`, where nothing is
//! seen but the studies of the exams that the session's pages show, and nothing is stored. The same handlers answer both:
//! `access` finds the caller and what may be read, and everything else asks the archive with that. Addresses in answers
//! begin as the caller's own. No cross-origin access is granted.

mod access;
mod bulk_data;
mod capabilities;
mod config;
mod frames;
mod gzip;
mod metadata;
mod multipart;
mod multipart_reader;
mod negotiation;
mod picture_parameters;
mod problem;
mod rendered;
mod request;
mod retrieve;
mod search;
mod store;
mod store_result;
mod wado_uri;
mod zip;

use axum::Router;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::routing::get;

pub use access::{DicomwebClient, DicomwebState};
pub use config::DicomwebConfig;
pub use multipart_reader::parts_of;
pub use search::search_query;

/// Whether a request to this route is limited by `[dicomweb]` alone: a store request is answered after its last byte.
pub(super) fn has_own_time_limit(method: &Method, route: &str) -> bool {
    method == Method::POST && route.starts_with("/dicom-web/studies")
}

/// All routes, under both roots.
pub fn router(state: DicomwebState) -> Router {
    let services = services().layer(from_fn_with_state(state.clone(), access::enter)).with_state(state.clone());
    // A nested router's own root has no slash at its end.
    let root = Router::new()
        .route("/dicom-web/", get(capabilities::describe).options(capabilities::describe))
        .route("/t/{session}/dicom-web/", get(capabilities::describe).options(capabilities::describe))
        .layer(from_fn_with_state(state.clone(), access::enter))
        .with_state(state.clone());
    let uri = Router::new()
        .route("/", get(wado_uri::object))
        .layer(from_fn_with_state(state.clone(), access::enter))
        .with_state(state);
    Router::new()
        .merge(root)
        .nest("/dicom-web", services.clone())
        .nest("/t/{session}/dicom-web", services)
        .nest("/wado", uri.clone())
        .nest("/t/{session}/wado", uri)
}

fn services() -> Router<DicomwebState> {
    let instance = "/studies/{study}/series/{series}/instances/{instance}";
    let at = |rest: &str| format!("{instance}{rest}");
    Router::new()
        .route("/studies", get(search::studies).post(store::store))
        .route("/series", get(search::series))
        .route("/instances", get(search::instances))
        .route("/studies/{study}", get(retrieve::retrieve).post(store::store))
        .route("/studies/{study}/metadata", get(metadata::retrieve))
        .route("/studies/{study}/rendered", get(rendered::rendered))
        .route("/studies/{study}/thumbnail", get(rendered::thumbnail))
        .route("/studies/{study}/series", get(search::series))
        .route("/studies/{study}/instances", get(search::instances))
        .route("/studies/{study}/series/{series}", get(retrieve::retrieve))
        .route("/studies/{study}/series/{series}/metadata", get(metadata::retrieve))
        .route("/studies/{study}/series/{series}/rendered", get(rendered::rendered))
        .route("/studies/{study}/series/{series}/thumbnail", get(rendered::thumbnail))
        .route("/studies/{study}/series/{series}/instances", get(search::instances))
        .route(instance, get(retrieve::retrieve))
        .route(&at("/metadata"), get(metadata::retrieve))
        .route(&at("/rendered"), get(rendered::rendered))
        .route(&at("/thumbnail"), get(rendered::thumbnail))
        .route(&at("/bulkdata/{*path}"), get(bulk_data::retrieve))
        .route(&at("/frames/{frames}"), get(frames::retrieve))
        .route(&at("/frames/{frames}/rendered"), get(rendered::rendered))
        .route(&at("/frames/{frames}/thumbnail"), get(rendered::thumbnail))
        .route("/{*rest}", get(problem::no_resource).fallback(problem::no_resource))
        .route("/", get(capabilities::describe).options(capabilities::describe).fallback(problem::no_resource))
}
