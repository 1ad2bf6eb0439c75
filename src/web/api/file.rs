//! `GET /reports/{id}/file?copy=original|stamped` and `/reports/{id}/attachments/{attachment}`: the report file, or a file of
//! the exam beside it, whole or one range of it.

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
    let copy = if file.stamped { "stamped" } else { "original" };
    let sent = Sent {
        name: format!("report-{}-{copy}.{}", file.revision, extension(&file.media_type)),
        tag: format!("\"{}\"", file.sha256),
        media_type: file.media_type.clone(),
        length: file.length(),
    };
    let (status, range) = match sent.part(&headers) {
        Part::None(answer) => return Ok(answer),
        Part::Some(status, range) => (status, range),
    };
    let body = match method {
        Method::HEAD => Body::empty(),
        _ => Body::from_stream(inner.archive.pulled_bytes(&file, range.clone()).await?),
    };
    drop(turn);
    Ok(sent.answer(status, Some(range), body))
}

/// `GET /reports/{id}/attachments/{attachment}`: a file of the exam that stands beside the report (D-I14).
pub(super) async fn attachment(
    State(ApiState(inner)): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Path((id, attachment)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    Parameters::read(query.as_deref(), &[])?;
    let pk = attachment.parse().map_err(|_| Code::NotFound)?;
    let turn = inner.turn().await?;
    let found = inner.archive.pull_attachment(&caller.reader, &id, pk).await?.ok_or(Code::Withdrawn)?;
    let sent = Sent {
        name: format!("{}-{pk}.{}", found.kind.as_str(), found.media_type.extension()),
        tag: format!("\"{}\"", found.content_hash),
        media_type: found.media_type.as_str().to_owned(),
        length: found.place.length,
    };
    let (status, range) = match sent.part(&headers) {
        Part::None(answer) => return Ok(answer),
        Part::Some(status, range) => (status, range),
    };
    let body = match method {
        Method::HEAD => Body::empty(),
        _ => Body::from_stream(inner.archive.attachment_bytes(&found, range.clone()).await?),
    };
    drop(turn);
    Ok(sent.answer(status, Some(range), body))
}

/// What is told of a file beside its bytes.
struct Sent {
    name: String,
    tag: String,
    media_type: String,
    length: u64,
}

/// Which bytes are sent.
enum Part {
    /// None; this is the answer.
    None(Response),
    /// These, with this status.
    Some(StatusCode, Range<u64>),
}

impl Sent {
    /// What the caller wants of the file (RFC 9110 sections 13 and 14).
    fn part(&self, headers: &HeaderMap) -> Part {
        if matches_tag(headers.get(header::IF_NONE_MATCH), &self.tag) {
            return Part::None(self.answer(StatusCode::NOT_MODIFIED, None, Body::empty()));
        }
        // A range of what has changed meanwhile would not fit to what the caller has.
        let same = headers.get(header::IF_RANGE).is_none_or(|value| value.as_bytes() == self.tag.as_bytes());
        let range = headers.get(header::RANGE).filter(|_| same).and_then(|value| value.to_str().ok());
        match range.map(|text| range_of(text, self.length)) {
            None | Some(Wanted::Everything) => Part::Some(StatusCode::OK, 0..self.length),
            Some(Wanted::Part(range)) => Part::Some(StatusCode::PARTIAL_CONTENT, range),
            Some(Wanted::Nothing) => {
                let range = format!("bytes */{}", self.length);
                Part::None((StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, range)]).into_response())
            }
        }
    }

    fn answer(&self, status: StatusCode, range: Option<Range<u64>>, body: Body) -> Response {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        let mut texts = vec![(header::ETAG, self.tag.clone())];
        if let Some(range) = range {
            texts.push((header::CONTENT_TYPE, self.media_type.clone()));
            texts.push((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", self.name)));
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
            if status == StatusCode::PARTIAL_CONTENT {
                let last = range.end.saturating_sub(1);
                texts.push((header::CONTENT_RANGE, format!("bytes {}-{last}/{}", range.start, self.length)));
            }
        }
        for (name, text) in texts {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(name, value);
            }
        }
        response
    }
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
