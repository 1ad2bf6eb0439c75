//! Pictures and files under `/t/{session}/exam/{exam}/`: frames, electrocardiograms, report pages, the report itself.

use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Deserialize;

use super::extract::{Path, Query};
use super::given::{Given, respond};
use super::images_tab::{View, window_of};
use super::state::{Inner, PagesState, Peer};
use super::waveform_tab;
use crate::archive::images::read_image::{FrameLook, Picture};
use crate::archive::pages::view_exam::ReportFile;
use crate::archive::{Error, ReportCopy};
use crate::domain::criteria::ShowType;
use crate::web::error_page::MessagePage;

const LONGEST_EDGE: u32 = 4096;
pub(super) const DEFAULT_PAGE_WIDTH: u32 = 1200;
/// The browser's own PDF view needs its style; nothing else may be loaded.
const DOCUMENT_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'";

/// How a picture is asked for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct PictureQuery {
    c: String,
    w: String,
    r: String,
    inv: String,
    e: String,
    download: String,
}

/// `frame/{instance}/{frame}.jpg`
pub(super) async fn frame(
    State(PagesState(pages)): State<PagesState>,
    ConnectInfo(peer): Peer,
    Path((id, exam, instance, frame)): Path<(String, String, String, String)>,
    Query(query): Query<PictureQuery>,
) -> Response {
    let session = match pages.enter(&id).await {
        Ok(session) => session,
        Err(response) => return *response,
    };
    let number = frame.strip_suffix(".jpg").and_then(|text| text.parse().ok()).filter(|n| *n > 0);
    let (Ok(instance), Some(number)) = (instance.parse::<i64>(), number) else {
        return pages.failed(&Error::NotFound);
    };
    let look = FrameLook {
        frame: number,
        window: window_of(&query.c, &query.w),
        quarter_turns: (query.r.parse().unwrap_or(0u32) / 90 % 4) as u8,
        invert: query.inv == "1",
        max_edge: Some(query.e.parse().unwrap_or(LONGEST_EDGE).clamp(32, LONGEST_EDGE)),
    };
    let client = peer.ip().to_string();
    match pages.archive.rendered_frame(&pages.viewer, &session, &client, (&exam, instance), look).await {
        Ok(picture) => picture_response(picture),
        Err(error) => pages.failed(&error),
    }
}

/// `ecg/{instance}.svg`
pub(super) async fn waveform(
    State(PagesState(pages)): State<PagesState>,
    ConnectInfo(peer): Peer,
    Path((id, exam, instance)): Path<(String, String, String)>,
    Query(view): Query<View>,
    headers: HeaderMap,
) -> Response {
    let session = match pages.enter(&id).await {
        Ok(session) => session,
        Err(response) => return *response,
    };
    let Some(instance) = instance.strip_suffix(".svg").and_then(|text| text.parse::<i64>().ok()) else {
        return pages.failed(&Error::NotFound);
    };
    let language = pages.language(&session, &view.lang, &headers).await;
    let (client, options) = (peer.ip().to_string(), waveform_tab::options(&view, language));
    match pages.archive.drawn_waveform(&pages.viewer, &session, &client, (&exam, instance), options).await {
        Ok(picture) => {
            let mut response = picture_response(picture);
            let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
            response
        }
        Err(error) => pages.failed(&error),
    }
}

/// `report/page/{n}.png`
pub(super) async fn report_page(
    State(PagesState(pages)): State<PagesState>,
    ConnectInfo(peer): Peer,
    Path((id, exam, page)): Path<(String, String, String)>,
    Query(query): Query<PictureQuery>,
) -> Response {
    let session = match pages.enter(&id).await {
        Ok(session) => session,
        Err(response) => return *response,
    };
    let number = page.strip_suffix(".png").and_then(|text| text.parse::<usize>().ok());
    let (Some(number), true) = (number, session.scope.show_type != ShowType::DataOnly) else {
        return pages.failed(&Error::NotFound);
    };
    let client = peer.ip().to_string();
    let width = query.e.parse().unwrap_or(DEFAULT_PAGE_WIDTH);
    let file = pages.archive.viewed_report_file(&pages.viewer, &session, &client, &exam).await;
    let file = match file {
        Ok(file) => file,
        Err(error) => return pages.failed(&error),
    };
    match pages.archive.report_page_picture(&file, number, width).await {
        Ok(bytes) => {
            let media_type = picture_type(&file);
            picture_response(Picture { bytes, media_type })
        }
        Err(error) => pages.failed(&error),
    }
}

/// `report/original` and `report/stamped`
pub(super) async fn report(
    State(PagesState(pages)): State<PagesState>,
    ConnectInfo(peer): Peer,
    Path((id, exam, copy)): Path<(String, String, String)>,
    Query(query): Query<PictureQuery>,
    headers: HeaderMap,
) -> Response {
    let session = match pages.enter(&id).await {
        Ok(session) => session,
        Err(response) => return *response,
    };
    let copy = match copy.as_str() {
        "original" => ReportCopy::Original,
        "stamped" => ReportCopy::Stamped,
        _ => return pages.failed(&Error::NotFound),
    };
    if session.scope.show_type == ShowType::DataOnly {
        return pages.failed(&Error::NotFound);
    }
    if !session.scope.download.is_allowed() {
        return not_permitted(&pages);
    }
    let client = peer.ip().to_string();
    match pages.archive.download_report_file(&pages.viewer, &session, &client, &exam, copy).await {
        Ok((file, given)) => {
            let (media_type, extension) = match file.media_type.as_str() {
                _ if file.is_pdf(copy == ReportCopy::Stamped) => ("application/pdf", "pdf"),
                "image/jpeg" => ("image/jpeg", "jpg"),
                "image/png" => ("image/png", "png"),
                "image/tiff" => ("image/tiff", "tif"),
                _ => ("application/octet-stream", "bin"),
            };
            let disposition = if query.download == "1" { "attachment" } else { "inline" };
            let disposition = format!("{disposition}; filename=\"report-{}.{extension}\"", file.revision);
            let how = Given { media_type, disposition, policy: DOCUMENT_POLICY, cache: "no-store" };
            respond(&pages, &headers, &given, how).await
        }
        Err(error) => pages.failed(&error),
    }
}

/// A PDF's pages are drawn as PNG; other reports are pictures already.
fn picture_type(file: &ReportFile) -> &'static str {
    if !file.is_pdf(true) && file.media_type == "image/jpeg" { "image/jpeg" } else { "image/png" }
}

/// `visit.pdf`: all lab reports of the visit that the session may see.
pub(super) async fn visit(
    State(PagesState(pages)): State<PagesState>,
    ConnectInfo(peer): Peer,
    Path((id, exam)): Path<(String, String)>,
) -> Response {
    let session = match pages.enter(&id).await {
        Ok(session) => session,
        Err(response) => return *response,
    };
    // Who has the code of one report has not the others'.
    if session.scope.visitor || session.scope.show_type == ShowType::DataOnly {
        return pages.failed(&Error::NotFound);
    }
    if !session.scope.download.is_allowed() {
        return not_permitted(&pages);
    }
    let client = peer.ip().to_string();
    match pages.archive.download_visit(&pages.viewer, &session, &client, &exam).await {
        Ok(bytes) => document_response(bytes, "application/pdf", "inline; filename=\"visit.pdf\""),
        Err(error) => pages.failed(&error),
    }
}

/// The customer's users read on pages only.
pub(super) fn not_permitted(pages: &Inner) -> Response {
    let text = "本业务系统未开通下载，可在页面上查看。";
    MessagePage::new(&pages.base, "不允许", text).response(StatusCode::FORBIDDEN)
}

fn document_response(bytes: Bytes, media_type: &'static str, disposition: &str) -> Response {
    let mut response = picture_response(Picture { bytes, media_type });
    if let Ok(value) = HeaderValue::from_str(disposition) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(DOCUMENT_POLICY));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(super) fn picture_response(picture: Picture) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(picture.media_type)),
        // Going back and forth in a series costs nothing; nothing outlives the session by much.
        (header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=300")),
    ];
    (StatusCode::OK, headers, picture.bytes).into_response()
}
