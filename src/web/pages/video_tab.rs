//! 视频: films inside DICOM objects, played by the browser's own player or offered as a download; any range (RFC 9110).

use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;

use super::extract::{Path, Query};
use super::files::not_permitted;
use super::given::part_of;
use super::state::{PagesState, Peer};
use crate::archive::Error;
use crate::archive::images::read_attachment::AttachmentUse;
use crate::archive::images::read_video::VideoRow;
use crate::domain::scope::SessionScope;

const POLICY: &str = "default-src 'none'; media-src 'self'; style-src 'unsafe-inline'; sandbox";

/// One film.
#[derive(Debug, Clone)]
pub(super) struct VideoItem {
    pub(super) label: String,
    pub(super) href: String,
    pub(super) state: VideoState,
    /// Whether it may be saved.
    pub(super) download: bool,
}

/// What can be done with a film.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VideoState {
    /// It plays in the page.
    Plays,
    /// Browsers do not know its coding.
    OnlyDownload,
    /// Its bytes are not here, or not readable.
    Missing,
}

impl VideoItem {
    pub(super) fn new(exam_root: &str, number: usize, row: &VideoRow, state: VideoState) -> Self {
        let name = if row.description.is_empty() { String::new() } else { format!(" · {}", row.description) };
        let (label, href) = (format!("视频 {number}{name}"), format!("{exam_root}/video/{}", row.pk));
        Self { label, href, state, download: false }
    }

    /// Offers to save it where it is here and `scope` lets its session keep it.
    pub(super) fn offered(self, scope: &SessionScope) -> Self {
        Self { download: scope.may_keep_images() && self.state != VideoState::Missing, ..self }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct VideoQuery {
    download: String,
}

/// `video/{instance}`
pub(super) async fn show(
    State(PagesState(pages)): State<PagesState>,
    ConnectInfo(peer): Peer,
    Path((id, exam, instance)): Path<(String, String, String)>,
    Query(query): Query<VideoQuery>,
    headers: HeaderMap,
) -> Response {
    let session = match pages.enter(&id).await {
        Ok(session) => session,
        Err(response) => return *response,
    };
    let Ok(instance) = instance.parse::<i64>() else { return pages.failed(&Error::NotFound) };
    let purpose = if query.download == "1" { AttachmentUse::Download } else { AttachmentUse::Look };
    let (client, archive) = (peer.ip().to_string(), &pages.archive);
    let found = archive.viewed_video(&pages.viewer, &session, &client, (&exam, instance), purpose).await;
    let video = match found {
        Ok(video) => video,
        Err(Error::Denied) => return not_permitted(&pages),
        Err(error) => return pages.failed(&error),
    };
    let download = purpose == AttachmentUse::Download || !video.plays;
    let length = video.length;
    let (status, range) = match part_of(&headers, length) {
        Ok(part) => part,
        Err(refusal) => return *refusal,
    };
    let body = match archive.video_bytes(&video, range.clone()).await {
        Ok(bytes) => Body::from_stream(bytes),
        Err(error) => return pages.failed(&error),
    };
    let shown = if download { "attachment" } else { "inline" };
    let mut texts = vec![
        (header::CONTENT_DISPOSITION, format!("{shown}; filename=\"video-{instance}.{}\"", video.extension)),
        (header::CONTENT_LENGTH, (range.end - range.start).to_string()),
    ];
    if status == StatusCode::PARTIAL_CONTENT {
        texts.push((header::CONTENT_RANGE, format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1))));
    }
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(video.media_type));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let cache = if download { "no-store" } else { "private, max-age=300" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    for (name, text) in texts {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
    response
}

#[cfg(test)]
impl VideoItem {
    pub(super) fn samples(text: &str) -> Vec<Self> {
        let row = VideoRow { pk: 5, series_pk: 1, description: text.to_owned(), frames: 9, offline: false };
        let states = [VideoState::Plays, VideoState::OnlyDownload, VideoState::Missing];
        let item = |(state, number): (&VideoState, usize)| Self::new("/e", number, &row, *state);
        let items = states.iter().zip(1..).map(item);
        items.flat_map(|item| [Self { download: true, ..item.clone() }, item]).collect()
    }
}
