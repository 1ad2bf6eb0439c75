//! Messages in the reader's language. Handlers say them in Chinese; on their way out it is known who reads.

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;
use axum::middleware::Next;
use axum::response::Response;

use super::state::PagesState;
use crate::web::error_page::MessagePage;

/// The parameter that asks for a language.
const PARAMETER: &str = "lang";

/// Writes a message in the language that the request asks for, its session keeps or the browser prefers.
pub(super) async fn translate(State(PagesState(pages)): State<PagesState>, request: Request, next: Next) -> Response {
    let address = request.uri().clone();
    let preferred = request.headers().get(ACCEPT_LANGUAGE).map(|value| (ACCEPT_LANGUAGE, value.clone()));
    let mut response = next.run(request).await;
    let Some(page) = response.extensions_mut().remove::<MessagePage>() else { return response };
    let headers = HeaderMap::from_iter(preferred);
    let asked = if page.asked.is_empty() { asked_in(address.query().unwrap_or_default()) } else { page.asked.clone() };
    let id = address.path().strip_prefix("/t/").and_then(|rest| rest.split('/').next());
    let session = match id {
        Some(id) => pages.archive.session(id, &pages.customers, pages.config.idle_ms()).await.ok().flatten(),
        None => None,
    };
    let language = match session {
        Some(session) => pages.language(&session, &asked, &headers).await,
        None => pages.language_of_nobody(&asked, &headers),
    };
    page.in_language(language, response)
}

/// What parameters say of the language; nothing when they do not.
pub(super) fn asked_in(query: &str) -> String {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs
        .find(|(name, _)| name.eq_ignore_ascii_case(PARAMETER))
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}
