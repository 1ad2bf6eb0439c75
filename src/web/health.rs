//! `/livez`, `/readyz` and `/metrics`, for the people and programs that watch the server (D-X12, RD-29).
//!
//! `/livez` says that the process answers at all. `/readyz` says 200 when database and object store answer, else 503,
//! and the body names the part; a server that drains has closed its listener. `/metrics` is Prometheus text. None of
//! them shows anything of patients; a proxy should keep them inside all the same.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;

use crate::archive::Archive;
use crate::archive::check_health::Answer;

/// What the answers are made from.
#[derive(Clone)]
struct HealthState {
    archive: Archive,
    metrics: PrometheusHandle,
}

/// The three routes.
pub fn router(archive: Archive, metrics: PrometheusHandle) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(render_metrics))
        .with_state(HealthState { archive, metrics })
}

async fn livez() -> &'static str {
    "ok\n"
}

async fn readyz(State(state): State<HealthState>) -> Response {
    let health = state.archive.check_health().await;
    let database = health.database == Answer::Up;
    let objects = health.objects == Answer::Up;
    let ready = database && objects;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({ "ready": ready, "database": database, "objects": objects });
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

async fn render_metrics(State(state): State<HealthState>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, state.metrics.render()).into_response()
}
