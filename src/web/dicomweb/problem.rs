//! Errors of DICOMweb: RFC 9457 problems in English; nothing of the inside is told.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::archive;

/// Why a request is not answered with what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is no such resource.")
    }

    pub(super) fn not_acceptable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_ACCEPTABLE, detail)
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "This service needs a key that is known to it.")
    }

    pub(super) fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "This may not be done with the given credentials.")
    }
}

impl From<archive::Error> for Problem {
    fn from(error: archive::Error) -> Self {
        match error {
            archive::Error::NotFound | archive::Error::Denied => Self::not_found(),
            archive::Error::TooLarge { what, limit } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, format!("More than the limit: {what} ({limit})."))
            }
            archive::Error::Invalid(reason) => {
                tracing::debug!(%reason, "an object could not be given as it was asked for");
                Self::not_acceptable("The object cannot be given in this form.")
            }
            archive::Error::Mismatch(_) => Self::new(StatusCode::CONFLICT, "The object is not what was announced."),
            archive::Error::Busy => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "Too much is asked for at the same time; try again later.")
            }
            archive::Error::Index(_) | archive::Error::Objects(_) => {
                tracing::error!(%error, "a DICOMweb request could not be answered");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "The archive cannot answer now; try again later.")
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or_default(),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        let mut response = (self.status, headers, body.to_string()).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            for scheme in ["Bearer realm=\"dicom-web\"", "Basic realm=\"dicom-web\""] {
                response.headers_mut().append(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
            }
        }
        response
    }
}

/// Anything that is no resource of ours.
pub(super) async fn no_resource() -> Problem {
    Problem::not_found()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{index, objects};

    #[test]
    fn every_error_of_the_archive_has_its_status_and_tells_nothing_of_the_inside() {
        let secret = || "SELECT secret".to_owned();
        let table = [
            (archive::Error::Index(index::Error::Damaged("secret")), 503),
            (archive::Error::Objects(objects::Error::Missing), 503),
            (archive::Error::Busy, 503),
            (archive::Error::NotFound, 404),
            (archive::Error::Denied, 404),
            (archive::Error::Invalid(secret()), 406),
            (archive::Error::Mismatch(secret()), 409),
            (archive::Error::TooLarge { what: "the study", limit: "1 instance".to_owned() }, 413),
        ];
        for (error, status) in table {
            let problem = Problem::from(error);
            assert_eq!(problem.status.as_u16(), status, "{problem:?}");
            assert!(!problem.detail.contains("secret"));
        }
    }
}
