//! `GET /reports/{id}/file?copy=original|stamped`: the report file, whole or one range of it.

use std::ops::Range;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::access::{ApiState, Caller};
use super::parameters::Parameters;
use super::problem::{Code, Problem};
use super::reports::matches_tag;
use crate::archive::ReportCopy;
use crate::archive::reports::pull_reports::PulledFile;
use crate::web::byte_range::{Wanted, range_of};

/// `GET /reports/{id}/file`
pub(super) async fn read(
    State(ApiState(inner)): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let parameters = Parameters::read(query.as_deref(), &["copy"])?;
    let copy = match parameters.one("copy")? {
        "" | "stamped" => ReportCopy::Stamped,
        "original" => ReportCopy::Original,
        _ => return Err(Problem::about(Code::BadParameter, "copy is original or stamped")),
    };
    let turn = inner.turn().await?;
    let file = inner.archive.pull_report_file(&caller.reader, &id, copy).await?.ok_or(Code::Withdrawn)?;
    let tag = format!("\"{}\"", file.sha256);
    let length = file.length();
    if matches_tag(headers.get(header::IF_NONE_MATCH), &tag) {
        return Ok(answer(&file, &tag, StatusCode::NOT_MODIFIED, None, Body::empty()));
    }
    // A range of what has changed meanwhile would not fit to what the caller has.
    let same = headers.get(header::IF_RANGE).is_none_or(|value| value.as_bytes() == tag.as_bytes());
    let range = headers.get(header::RANGE).filter(|_| same).and_then(|value| value.to_str().ok());
    let (status, range) = match range.map(|text| range_of(text, length)) {
        None | Some(Wanted::Everything) => (StatusCode::OK, 0..length),
        Some(Wanted::Part(range)) => (StatusCode::PARTIAL_CONTENT, range),
        Some(Wanted::Nothing) => {
            let range = format!("bytes */{length}");
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, range)]).into_response());
        }
    };
    let body = match method {
        Method::HEAD => Body::empty(),
        _ => Body::from_stream(inner.archive.pulled_bytes(&file, range.clone()).await?),
    };
    drop(turn);
    Ok(answer(&file, &tag, status, Some(range), body))
}

fn answer(file: &PulledFile, tag: &str, status: StatusCode, range: Option<Range<u64>>, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    let copy = if file.stamped { "stamped" } else { "original" };
    let mut texts = vec![(header::ETAG, tag.to_owned())];
    if let Some(range) = range {
        let name = format!("attachment; filename=\"report-{}-{copy}.{}\"", file.revision, extension(&file.media_type));
        texts.push((header::CONTENT_TYPE, file.media_type.clone()));
        texts.push((header::CONTENT_DISPOSITION, name));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
        if status == StatusCode::PARTIAL_CONTENT {
            let last = range.end.saturating_sub(1);
            texts.push((header::CONTENT_RANGE, format!("bytes {}-{last}/{}", range.start, file.length())));
        }
    }
    for (name, text) in texts {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
    response
}

/// The usual end of a file's name.
pub(super) fn extension(media_type: &str) -> &'static str {
    match media_type {
        "application/pdf" => "pdf",
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/tiff" => "tif",
        _ => "bin",
    }
}
