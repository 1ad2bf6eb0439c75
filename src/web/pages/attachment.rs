//! `/t/{session}/exam/{exam}/attachment/{attachment}`: a file of the exam, whole or one range of it (RFC 9110 section 14).

use std::ops::Range;

use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::files::not_permitted;
use super::state::{PagesState, Peer};
use crate::archive::Error;
use crate::archive::images::read_attachment::AttachmentUse;
use crate::archive::pages::view_exam::Attachment;
use crate::web::byte_range::{Wanted, range_of};

/// Nothing in a file from outside may run or load anything.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; media-src 'self'; img-src 'self'; object-src 'self'; sandbox";
/// The browser's own PDF view needs to be itself; a sandbox would keep it from showing anything.
const PDF_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'";

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct AttachmentQuery {
    download: String,
}

/// Sends the file.
pub(super) async fn show(
    State(PagesState(pages)): State<PagesState>,
    ConnectInfo(peer): Peer,
    Path((id, exam, attachment)): Path<(String, String, String)>,
    Query(query): Query<AttachmentQuery>,
    headers: HeaderMap,
) -> Response {
    let session = match pages.enter(&id).await {
        Ok(session) => session,
        Err(response) => return *response,
    };
    let Ok(attachment) = attachment.parse::<i64>() else { return pages.failed(&Error::NotFound) };
    let purpose = if query.download == "1" { AttachmentUse::Download } else { AttachmentUse::Look };
    let (client, archive) = (peer.ip().to_string(), &pages.archive);
    let found = archive.viewed_attachment(&pages.viewer, &session, &client, (&exam, attachment), purpose).await;
    let attachment = match found {
        Ok(attachment) => attachment,
        Err(Error::Denied) => return not_permitted(&pages),
        Err(error) => return pages.failed(&error),
    };
    let download = purpose == AttachmentUse::Download || !attachment.media_type.is_inline();
    let length = attachment.place.length;
    let wanted = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let (status, range) = match wanted.map(|text| range_of(text, length)) {
        None | Some(Wanted::Everything) => (StatusCode::OK, 0..length),
        Some(Wanted::Part(range)) => (StatusCode::PARTIAL_CONTENT, range),
        Some(Wanted::Nothing) => {
            let range = format!("bytes */{length}");
            return (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, range)]).into_response();
        }
    };
    match archive.attachment_bytes(&attachment, range.clone()).await {
        Ok(bytes) => response(&attachment, (status, range), download, Body::from_stream(bytes)),
        Err(error) => pages.failed(&error),
    }
}

fn response(
    attachment: &Attachment,
    (status, range): (StatusCode, Range<u64>),
    download: bool,
    body: Body,
) -> Response {
    let kind = attachment.media_type;
    let shown = if download { "attachment" } else { "inline" };
    let disposition =
        format!("{shown}; filename=\"{}-{}.{}\"", attachment.kind.as_str(), attachment.pk, kind.extension());
    let policy = if kind.as_str() == "application/pdf" { PDF_POLICY } else { POLICY };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind.as_str()));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let cache = if download { "no-store" } else { "private, max-age=300" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    let mut texts = vec![(header::CONTENT_DISPOSITION, disposition)];
    if status == StatusCode::PARTIAL_CONTENT {
        let (first, last) = (range.start, range.end.saturating_sub(1));
        texts.push((header::CONTENT_RANGE, format!("bytes {first}-{last}/{}", attachment.place.length)));
    }
    for (name, text) in texts {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
    response
}
