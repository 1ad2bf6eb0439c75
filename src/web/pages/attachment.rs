//! `/t/{session}/exam/{exam}/attachment/{attachment}`: a file of the exam, whole or one range of it (RFC 9110 section 14).

use std::ops::Range;

use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::state::{PagesState, Peer};
use crate::archive::Error;
use crate::archive::images::read_attachment::AttachmentUse;
use crate::archive::pages::view_exam::Attachment;

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
    let download = query.download == "1";
    let purpose = if download { AttachmentUse::Download } else { AttachmentUse::Look };
    let (client, archive) = (peer.ip().to_string(), &pages.archive);
    let found = archive.viewed_attachment(&pages.viewer, &session, &client, (&exam, attachment), purpose).await;
    let attachment = match found {
        Ok(attachment) => attachment,
        Err(error) => return pages.failed(&error),
    };
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
    let shown = if kind.is_inline() && !download { "inline" } else { "attachment" };
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

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    /// No range that we serve: several, other units, or not understood; all of it is right then.
    Everything,
    Part(Range<u64>),
    /// A range that does not overlap the file.
    Nothing,
}

fn range_of(text: &str, length: u64) -> Wanted {
    let Some((first, last)) = text.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Wanted::Everything;
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let (start, end) = match (first.trim(), last.trim()) {
        ("", last) => match number(last) {
            Some(count) => (length.saturating_sub(count), length),
            None => return Wanted::Everything,
        },
        (first, "") => match number(first) {
            Some(start) => (start, length),
            None => return Wanted::Everything,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(start), Some(last)) if last >= start => (start, last.saturating_add(1).min(length)),
            _ => return Wanted::Everything,
        },
    };
    if start < end { Wanted::Part(start..end) } else { Wanted::Nothing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        let cases = [
            ("bytes=0-9", Wanted::Part(0..10)),
            ("bytes=90-", Wanted::Part(90..100)),
            ("bytes=-10", Wanted::Part(90..100)),
            ("bytes=-1000", Wanted::Part(0..100)),
            ("bytes=95-1000", Wanted::Part(95..100)),
            ("bytes=100-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=9-0", Wanted::Everything),
            ("bytes=0-1,5-6", Wanted::Everything),
            ("items=0-1", Wanted::Everything),
            ("bytes=x-", Wanted::Everything),
        ];
        for (text, expected) in cases {
            assert_eq!(range_of(text, 100), expected, "{text}");
        }
    }
}
