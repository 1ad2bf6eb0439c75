//! `/livez`, `/readyz` and `/metrics`, for the people and programs that watch the server (D-X12, RD-29).
//!
//! `/livez` says that the process answers at all. `/readyz` says 200 when the archive can take work: listeners are
//! open, workers run, database and object store answer; else 503, and the body names the part. `/metrics` is
//! Prometheus text. None of them shows anything of patients; a proxy should keep `/metrics` inside all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;

use crate::archive::Archive;
use crate::archive::upkeep::check_health::Answer;

/// What the three answers are made from.
#[derive(Clone)]
pub struct HealthState {
    /// The archive whose parts are asked.
    pub archive: Archive,
    /// The counters to show.
    pub metrics: PrometheusHandle,
    /// What the server's own tasks say of themselves.
    pub readiness: Arc<Readiness>,
}

/// Flags that the server keeps about itself.
#[derive(Debug, Default)]
pub struct Readiness {
    accepting: AtomicBool,
    working: AtomicBool,
}

impl Readiness {
    /// Listeners are open (`true`), or the server drains (`false`).
    pub fn set_accepting(&self, accepting: bool) {
        self.accepting.store(accepting, Ordering::Release);
    }

    /// The workers of the job queue run (`true`), or one has ended (`false`).
    pub fn set_working(&self, working: bool) {
        self.working.store(working, Ordering::Release);
    }

    /// Whether the workers of the job queue run.
    pub fn is_working(&self) -> bool {
        self.working.load(Ordering::Acquire)
    }
}

/// The three routes.
pub fn router(state: HealthState) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(state)
}

async fn livez() -> &'static str {
    "ok\n"
}

async fn readyz(State(state): State<HealthState>) -> Response {
    let health = state.archive.check_health().await;
    let database = health.database == Answer::Up;
    let objects = health.objects == Answer::Up;
    let listeners = state.readiness.accepting.load(Ordering::Acquire);
    let workers = state.readiness.is_working();
    let ready = database && objects && listeners && workers;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({
        "ready": ready, "database": database, "objects": objects, "listeners": listeners, "workers": workers,
    });
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

async fn metrics(State(state): State<HealthState>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, state.metrics.render()).into_response()
}
