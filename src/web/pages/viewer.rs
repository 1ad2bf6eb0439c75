//! `/t/{session}/exam/{exam}/viewer`: the full viewer's page, and the description of an exam that it works from.
//!
//! The description holds what the session may see and nothing else; the viewer reads pixels and attributes by DICOMweb
//! under the same session. Patients' names come from here, in UTF-8, never from the objects' own bytes.

use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::extract::{Path, Query};
use super::open::redirect;
use super::state::{Inner, PagesState, Peer};
use super::viewer_page::{Description, ViewerPage};
use crate::archive::Error;
use crate::archive::pages::list_exams::Content;
use crate::archive::pages::open_link::Session;
use crate::web::error_page::html;
use crate::web::viewer_files;
use crate::web::words::Language;

/// Modality of key object selections.
const KEY_OBJECTS: &str = "KO";
/// So many other exams of the patient are offered beside the first.
const MOST_PRIORS: i64 = 100;

/// How the page is asked for.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct ViewerQuery {
    lang: String,
}

/// The page. Without the viewer in the binary it leads to the basic page.
pub(super) async fn show(
    State(PagesState(pages)): State<PagesState>,
    ConnectInfo(peer): Peer,
    Path((id, exam)): Path<(String, String)>,
    Query(query): Query<ViewerQuery>,
    headers: HeaderMap,
) -> Response {
    let session = match pages.enter(&id).await {
        Ok(session) => session,
        Err(response) => return *response,
    };
    let language = pages.language(&session, &query.lang, &headers).await;
    let client = peer.ip().to_string();
    let description = match describe_exam(&pages, &session, language, (&id, &exam), &client).await {
        Ok(description) => description,
        Err(error) => return pages.failed(&error),
    };
    let Some(entry) = viewer_files::entry() else {
        tracing::warn!("the full viewer is not in this binary (make web); the basic page is shown");
        return redirect(&description.links.basic, &Method::GET);
    };
    let page = ViewerPage::new(&pages.base, entry, &description, language);
    framed(html(StatusCode::OK, &page), &session)
}

/// The description alone, for exams that are put beside the first.
pub(super) async fn describe(
    State(PagesState(pages)): State<PagesState>,
    ConnectInfo(peer): Peer,
    Path((id, exam)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let session = match pages.enter(&id).await {
        Ok(session) => session,
        Err(response) => return *response,
    };
    let language = pages.language(&session, "", &headers).await;
    match describe_exam(&pages, &session, language, (&id, &exam), &peer.ip().to_string()).await {
        Ok(description) => {
            let headers = [
                (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
                (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            ];
            (headers, description.json()).into_response()
        }
        Err(error) => pages.failed(&error),
    }
}

async fn describe_exam(
    pages: &Inner,
    session: &Session,
    language: Language,
    (id, exam): (&str, &str),
    client: &str,
) -> Result<Description, Error> {
    let found = pages.archive.view_exam(&pages.viewer, session, client, exam).await?;
    let mut priors = pages.archive.exams_of_patient(session, &found.entry, MOST_PRIORS).await?;
    priors.retain(|entry| entry.contents.has(Content::Images) || entry.contents.has(Content::Films));
    let has_keys = found.series.iter().any(|series| series.modality == KEY_OBJECTS);
    let keys = if has_keys {
        pages.archive.key_images(&pages.viewer, session, client, exam, language.meanings()).await?
    } else {
        Vec::new()
    };
    let shell = pages.shell(id, session, language, "");
    let organization = |code: &str| pages.organization(code);
    Ok(Description::of((&found, &priors, &keys), session, &shell, organization))
}

/// The policy under which the viewer runs: workers, decoders in WebAssembly, pictures that it made itself (D-P21).
fn framed(mut response: Response, session: &Session) -> Response {
    let sites = &session.scope.frame_ancestors;
    let ancestors = if sites.is_empty() { "'none'".to_owned() } else { sites.join(" ") };
    let policy = format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; \
         img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; font-src 'self'; media-src 'self'; \
         frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors {ancestors}"
    );
    if let Ok(value) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, value);
    }
    response
}
