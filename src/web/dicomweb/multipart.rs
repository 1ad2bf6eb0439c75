//! Answers: `multipart/related` (RFC 2387), single bodies with `Range`, all streamed and with their lengths.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;

use super::access::Inner;
use super::problem::Problem;
use crate::archive::Error;
use crate::archive::images::read_object::{self, Segment};

/// A boundary that no content has.
pub(super) fn boundary() -> String {
    format!("yingku-{}", hex::encode(rand::random::<[u8; 16]>()))
}

/// What goes in front of a part. `is_first` saves the line break that ends the part before.
pub(super) fn part_head(
    boundary: &str,
    is_first: bool,
    content_type: &str,
    length: Option<u64>,
    location: &str,
) -> Bytes {
    let line_break = if is_first { "" } else { "\r\n" };
    let mut head = format!("{line_break}--{boundary}\r\nContent-Type: {content_type}\r\n");
    if let Some(length) = length {
        head.push_str(&format!("Content-Length: {length}\r\n"));
    }
    if !location.is_empty() {
        head.push_str(&format!("Content-Location: {location}\r\n"));
    }
    head.push_str("\r\n");
    Bytes::from(head)
}

/// What ends the last part.
pub(super) fn tail(boundary: &str) -> Bytes {
    Bytes::from(format!("\r\n--{boundary}--\r\n"))
}

/// The type of a multipart answer.
pub(super) fn content_type(part_type: &str, boundary: &str) -> String {
    format!("multipart/related; type=\"{part_type}\"; boundary={boundary}")
}

/// One part whose content is known.
pub(super) struct Part {
    pub(super) content_type: String,
    pub(super) location: String,
    pub(super) content: Vec<Segment>,
}

/// A multipart answer of parts that are known beforehand, with its whole length.
pub(super) async fn respond(inner: &Inner, part_type: &str, parts: Vec<Part>) -> Result<Response, Problem> {
    let boundary = boundary();
    let mut segments = Vec::with_capacity(parts.len() * 2 + 1);
    for (index, part) in parts.into_iter().enumerate() {
        let length = Some(part.content.iter().map(Segment::length).sum());
        segments.push(Segment::Bytes(part_head(&boundary, index == 0, &part.content_type, length, &part.location)));
        segments.extend(part.content);
    }
    segments.push(Segment::Bytes(tail(&boundary)));
    let segments = together(segments);
    let length = segments.iter().map(Segment::length).sum();
    let stream = inner.archive.stream_segments(segments.into_iter());
    streamed(inner, StatusCode::OK, &content_type(part_type, &boundary), Some(length), stream).await
}

/// Heads that follow each other go out as one piece.
fn together(segments: Vec<Segment>) -> Vec<Segment> {
    let mut joined: Vec<Segment> = Vec::with_capacity(segments.len());
    for segment in segments {
        match (joined.last_mut(), segment) {
            (Some(Segment::Bytes(before)), Segment::Bytes(bytes)) => {
                *before = [before.as_ref(), bytes.as_ref()].concat().into();
            }
            (_, segment) => joined.push(segment),
        }
    }
    joined
}

/// Sends a stream when it is its turn; the turn lasts until the last byte is taken.
pub(super) async fn streamed(
    inner: &Inner,
    status: StatusCode,
    content_type: &str,
    length: Option<u64>,
    stream: BoxStream<'static, Result<Bytes, Error>>,
) -> Result<Response, Problem> {
    let stopped = |_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "The server is stopping.");
    let turn = Arc::clone(&inner.retrieves).acquire_owned().await.map_err(stopped)?;
    let stream = stream.inspect(move |piece| {
        let _turn = &turn;
        if let Err(error) = piece {
            tracing::error!(%error, "an answer broke off");
        }
    });
    let mut response = (status, Body::from_stream(stream)).into_response();
    let headers = response.headers_mut();
    let kind = HeaderValue::from_str(content_type).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(response)
}

/// One body, or the part of it that `Range` asks for (RFC 9110 section 14). Several ranges are answered with everything.
pub(super) async fn ranged(
    inner: &Inner,
    headers: &HeaderMap,
    content_type: &str,
    whole: Vec<Segment>,
) -> Result<Response, Problem> {
    let length = whole.iter().map(Segment::length).sum();
    let asked = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let mut response = match asked.map(|text| range_of(text, length)) {
        Some(Range::Unsatisfiable) => {
            let mut response =
                Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "The range lies behind the end.").into_response();
            let value = HeaderValue::from_str(&format!("bytes */{length}"));
            value.into_iter().for_each(|value| drop(response.headers_mut().insert(header::CONTENT_RANGE, value)));
            return Ok(response);
        }
        Some(Range::Bytes(first, last)) => {
            let part = read_object::slice(whole, first..last + 1);
            let stream = inner.archive.stream_segments(part.into_iter());
            let status = StatusCode::PARTIAL_CONTENT;
            let mut response = streamed(inner, status, content_type, Some(last + 1 - first), stream).await?;
            let value = HeaderValue::from_str(&format!("bytes {first}-{last}/{length}"));
            value.into_iter().for_each(|value| drop(response.headers_mut().insert(header::CONTENT_RANGE, value)));
            response
        }
        Some(Range::Ignored) | None => {
            let stream = inner.archive.stream_segments(whole.into_iter());
            streamed(inner, StatusCode::OK, content_type, Some(length), stream).await?
        }
    };
    response.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    Ok(response)
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    Bytes(u64, u64),
    Unsatisfiable,
    Ignored,
}

fn range_of(text: &str, length: u64) -> Range {
    let Some((first, last)) = text.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Range::Ignored;
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let (first, last) = match (first.trim(), last.trim()) {
        ("", suffix) => match number(suffix) {
            Some(0) => return Range::Unsatisfiable,
            Some(suffix) => (length.saturating_sub(suffix), length.saturating_sub(1)),
            None => return Range::Ignored,
        },
        (first, "") => match number(first) {
            Some(first) => (first, length.saturating_sub(1)),
            None => return Range::Ignored,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => (first, last.min(length.saturating_sub(1))),
            _ => return Range::Ignored,
        },
    };
    if first >= length { Range::Unsatisfiable } else { Range::Bytes(first, last) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        for (text, expected) in [
            ("bytes=0-9", Range::Bytes(0, 9)),
            ("bytes=90-", Range::Bytes(90, 99)),
            ("bytes=-10", Range::Bytes(90, 99)),
            ("bytes=-1000", Range::Bytes(0, 99)),
            ("bytes=50-1000", Range::Bytes(50, 99)),
            ("bytes=100-", Range::Unsatisfiable),
            ("bytes=-0", Range::Unsatisfiable),
            ("bytes=9-0", Range::Ignored),
            ("bytes=0-1,5-6", Range::Ignored),
            ("bytes=99999999999999999999-", Range::Ignored),
            ("items=0-1", Range::Ignored),
        ] {
            assert_eq!(range_of(text, 100), expected, "{text}");
        }
        assert_eq!(range_of("bytes=0-", 0), Range::Unsatisfiable);
    }
}
