//! `/livez`, `/readyz` and `/metrics`, for the people and programs that watch the server (D-X12, RD-29).
//!
//! `/livez` says that the process answers at all. `/readyz` says 200 when the archive can take work: listeners are
//! open, workers run, database and object store answer; else 503. Which part is not so, and `/metrics` (Prometheus text), are told to the
//! networks of `http.watch_from` only: metrics name systems and organisations, though no patients.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Extensions, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use ipnet::IpNet;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;

use super::layers::OfUnknown;
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
    /// Networks of those who are told more than whether it works.
    pub watch_from: Vec<IpNet>,
}

impl HealthState {
    /// Whether the caller of a request is told more than whether it works.
    fn is_watched_by(&self, request: &Extensions) -> bool {
        let caller = request.get::<ConnectInfo<SocketAddr>>().filter(|_| request.get::<OfUnknown>().is_none());
        caller.is_some_and(|ConnectInfo(caller)| {
            let address = caller.ip().to_canonical();
            self.watch_from.iter().any(|network| network.contains(&address))
        })
    }
}

/// Flags that the server keeps about itself.
#[derive(Debug, Default)]
pub struct Readiness {
    accepting: AtomicBool,
    working: AtomicBool,
    little_room: AtomicBool,
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

    /// Less room is left than `disk.low_bytes` somewhere. That does not make the server unready: who took it out of service for
    /// it would take away the images that are there.
    pub fn set_little_room(&self, little: bool) {
        self.little_room.store(little, Ordering::Release);
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

async fn readyz(State(state): State<HealthState>, request: Request) -> Response {
    let is_watched = state.is_watched_by(request.extensions());
    let health = state.archive.check_health().await;
    let database = health.database == Answer::Up;
    let objects = health.objects == Answer::Up;
    let listeners = state.readiness.accepting.load(Ordering::Acquire);
    let workers = state.readiness.is_working();
    let room = !state.readiness.little_room.load(Ordering::Acquire);
    let ready = database && objects && listeners && workers;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = match is_watched {
        true => json!({
            "ready": ready, "database": database, "objects": objects, "listeners": listeners, "workers": workers,
            "room": room,
        }),
        false => json!({ "ready": ready }),
    };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

async fn metrics(State(state): State<HealthState>, request: Request) -> Response {
    if !state.is_watched_by(request.extensions()) {
        return (StatusCode::FORBIDDEN, "only for the networks of http.watch_from\n").into_response();
    }
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, state.metrics.render()).into_response()
}
