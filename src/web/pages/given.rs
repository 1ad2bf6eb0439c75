//! Answers with a file: whole, or one range of it (RFC 9110 section 14), read while it is sent.

use std::ops::Range;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::state::Inner;
use crate::archive::pages::given_file::GivenFile;
use crate::web::byte_range::{Wanted, range_of};

/// How a file is given.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) media_type: &'static str,
    /// Content-Disposition.
    pub(super) disposition: String,
    /// Content-Security-Policy.
    pub(super) policy: &'static str,
    /// Cache-Control.
    pub(super) cache: &'static str,
}

/// Which part of a file the headers of a request ask for, and the status of an answer with it.
pub(super) fn part_of(headers: &HeaderMap, length: u64) -> Result<(StatusCode, Range<u64>), Box<Response>> {
    let wanted = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    match wanted.map(|text| range_of(text, length)) {
        None | Some(Wanted::Everything) => Ok((StatusCode::OK, 0..length)),
        Some(Wanted::Part(range)) => Ok((StatusCode::PARTIAL_CONTENT, range)),
        Some(Wanted::Nothing) => {
            let range = format!("bytes */{length}");
            let refusal = (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, range)]);
            Err(Box::new(refusal.into_response()))
        }
    }
}

/// Sends what the headers of the request ask for.
pub(super) async fn respond(pages: &Inner, headers: &HeaderMap, file: &GivenFile, given: Given) -> Response {
    let length = file.length();
    let (status, range) = match part_of(headers, length) {
        Ok(part) => part,
        Err(refusal) => return *refusal,
    };
    let body = match pages.archive.given_bytes(file, range.clone()).await {
        Ok(bytes) => Body::from_stream(bytes),
        Err(error) => return pages.failed(&error),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(given.media_type));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(given.policy));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(given.cache));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    let mut texts = vec![(header::CONTENT_DISPOSITION, given.disposition)];
    if status == StatusCode::PARTIAL_CONTENT {
        let (first, last) = (range.start, range.end.saturating_sub(1));
        texts.push((header::CONTENT_RANGE, format!("bytes {first}-{last}/{length}")));
    }
    for (name, text) in texts {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
    response
}
