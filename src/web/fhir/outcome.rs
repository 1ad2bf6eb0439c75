//! Errors as OperationOutcome, with the stable codes of `/api/v1` (D-X6); and the door.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::web::api::{ApiState, Code, Problem};

pub(super) const MEDIA_TYPE: &str = "application/fhir+json; charset=utf-8";

/// A problem in FHIR's words.
#[derive(Debug)]
pub(super) struct Outcome(pub(super) Problem);

impl<P: Into<Problem>> From<P> for Outcome {
    fn from(problem: P) -> Self {
        Self(problem.into())
    }
}

impl IntoResponse for Outcome {
    fn into_response(self) -> Response {
        let Problem { code, detail } = self.0;
        let kind = match code {
            Code::Unauthorized => "login",
            Code::Forbidden | Code::TooNarrowRight => "forbidden",
            Code::NotFound => "not-found",
            Code::Withdrawn => "deleted",
            Code::NotServed => "not-supported",
            Code::Busy => "throttled",
            Code::Failed => "transient",
            _ => "invalid",
        };
        let mut issue = json!({
            "severity": "error",
            "code": kind,
            "details": { "coding": [{ "code": code.as_str() }], "text": code.text() },
        });
        if !detail.is_empty() {
            issue["diagnostics"] = detail.into();
        }
        let mut response = resource(code.status(), &json!({ "resourceType": "OperationOutcome", "issue": [issue] }));
        if code == Code::Unauthorized {
            let scheme = HeaderValue::from_static("Bearer realm=\"fhir\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// A resource as an answer.
pub(super) fn resource(status: StatusCode, body: &Value) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (status, headers, body.to_string()).into_response()
}

/// Finds the caller and puts it into the request; nobody comes past it unknown.
pub(super) async fn enter(
    State(ApiState(inner)): State<ApiState>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    inner.let_in("FHIR", peer, request, next).await.unwrap_or_else(|problem| Outcome(problem).into_response())
}

/// Anything that is no resource of ours.
pub(super) async fn no_resource() -> Outcome {
    Code::NotFound.into()
}

/// Nothing is written here.
pub(super) async fn not_served() -> Outcome {
    Code::NotServed.into()
}
