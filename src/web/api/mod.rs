//! `/api/v1`: how a region and other systems pull reports: lists, single reports, files, attachments, the change feed, exports.
//!
//! JSON beside GetExamInfo and GetLabInfo, under the same rules of what is seen. A system says the key of its `[[client]]`
//! (`api = "query"` or `"follow"`) as a bearer token. `/api/v1/openapi.json` describes it; it is made of the same types.
//! `docs/interfaces/api.md` is for those who write a client.

mod access;
mod changes;
mod config;
mod export;
mod file;
mod model;
mod openapi;
mod parameters;
mod patients;
mod problem;
mod recognitions;
mod reports;
mod search;
mod versions;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

pub use access::{ApiClient, ApiState};
pub use config::ApiConfig;

pub(in crate::web) use access::{Caller, Inner};
pub(in crate::web) use model::{instant, local_instant, patient_of};
pub(in crate::web) use parameters::{Parameters, cursor_after};
pub(in crate::web) use problem::{Code, Problem};
pub(in crate::web) use search::form;

/// All routes.
pub fn router(state: ApiState) -> Router {
    let services = Router::new()
        .route("/reports", get(reports::list))
        .route("/reports/search", post(search::reports))
        .route("/reports/{id}", get(reports::one))
        .route("/reports/{id}/versions", get(versions::list))
        .route("/reports/{id}/file", get(file::read))
        .route("/reports/{id}/attachments/{attachment}", get(file::attachment))
        .route("/patients", get(patients::find))
        .route("/patients/search", post(search::patients))
        .route("/patients/{id}", get(patients::one))
        .route("/patients/{id}/reports", get(reports::of_patient))
        .route("/patients/{id}/trends", get(patients::trend))
        .route("/recognitions", get(recognitions::list).post(recognitions::record))
        .route("/changes", get(changes::follow))
        .route("/export", get(export::export))
        .route("/{*rest}", get(problem::no_resource).fallback(problem::no_resource))
        .layer(from_fn_with_state(state.clone(), access::enter))
        .with_state(state.clone());
    let open = Router::new().route("/api/v1/openapi.json", get(openapi::document)).with_state(state);
    Router::new().nest("/api/v1", services.method_not_allowed_fallback(problem::not_served)).merge(open)
}
