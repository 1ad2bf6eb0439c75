//! `/fhir`: reads of FHIR R4 (4.0.1) over the reports: DiagnosticReport, Observation, ImagingStudy, DocumentReference,
//! Patient, Binary (<https://hl7.org/fhir/R4/http.html>).
//!
//! A translation of what `/api/v1` gives, for the same callers under the same rules; nothing is written. Searches page by
//! the `next` link. What FHIR cannot say (registered fields without a counterpart) is in `/api/v1`.

mod binary;
mod bundle;
mod capability;
mod documents;
mod kind;
mod outcome;
mod question;
mod resources;
mod search;
mod section;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use super::api::ApiState;

/// Whether a search for resources of a kind can be read. For fuzzing.
pub fn is_question(kind: &str, parameters: &str) -> bool {
    let kind = kind::Kind::ALL.into_iter().find(|known| known.as_str() == kind);
    kind.is_some_and(|kind| question::Question::read(kind, Some(parameters), question::Handling::Lenient).is_ok())
}

/// All routes.
pub fn router(state: ApiState) -> Router {
    let services = Router::new()
        .route("/Binary/{id}", get(binary::read))
        .route("/{kind}", get(search::search))
        .route("/{kind}/_search", post(search::search_by_form))
        .route("/{kind}/{id}", get(search::read))
        .route("/{kind}/{id}/{*rest}", get(outcome::no_resource).fallback(outcome::no_resource))
        .layer(from_fn_with_state(state.clone(), outcome::enter))
        .with_state(state.clone());
    let open = Router::new().route("/fhir/metadata", get(capability::statement)).with_state(state);
    Router::new().nest("/fhir", services.method_not_allowed_fallback(outcome::not_served)).merge(open)
}
