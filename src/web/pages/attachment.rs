//! `/t/{session}/exam/{exam}/attachment/{attachment}`: a file of the exam, whole or one range of it (RFC 9110 section 14).

use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;

use super::files::{DEFAULT_PAGE_WIDTH, not_permitted, picture_response};
use super::given::{Given, respond};
use super::state::{PagesState, Peer};
use crate::archive::Error;
use crate::archive::images::read_attachment::AttachmentUse;
use crate::archive::pages::given_file::GivenFile;
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

/// How a picture of a page is asked for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct PageQuery {
    e: String,
}

/// `attachment/{attachment}/page/{n}.png`: a page of one that is a PDF or a TIFF.
pub(super) async fn page(
    State(PagesState(pages)): State<PagesState>,
    ConnectInfo(peer): Peer,
    Path((id, exam, attachment, page)): Path<(String, String, String, String)>,
    Query(query): Query<PageQuery>,
) -> Response {
    let session = match pages.enter(&id).await {
        Ok(session) => session,
        Err(response) => return *response,
    };
    let number = page.strip_suffix(".png").and_then(|text| text.parse::<usize>().ok());
    let (Ok(attachment), Some(number)) = (attachment.parse::<i64>(), number) else {
        return pages.failed(&Error::NotFound);
    };
    let (client, wanted) = (peer.ip().to_string(), (number, query.e.parse().unwrap_or(DEFAULT_PAGE_WIDTH)));
    let key = (exam.as_str(), attachment);
    match pages.archive.attachment_page_picture(&pages.viewer, &session, &client, key, wanted).await {
        Ok(picture) => picture_response(picture),
        Err(error) => pages.failed(&error),
    }
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
    let given = given(&attachment, download);
    respond(&pages, &headers, &GivenFile::Stored(attachment.place), given).await
}

fn given(attachment: &Attachment, download: bool) -> Given {
    let kind = attachment.media_type;
    let shown = if download { "attachment" } else { "inline" };
    Given {
        media_type: kind.as_str(),
        disposition: format!(
            "{shown}; filename=\"{}-{}.{}\"",
            attachment.kind.as_str(),
            attachment.pk,
            kind.extension()
        ),
        policy: if kind.as_str() == "application/pdf" { PDF_POLICY } else { POLICY },
        cache: if download { "no-store" } else { "private, max-age=300" },
    }
}
