//! `/q/{link}`: where a printed code leads (D-I10). The last four characters of the id number open the one exam.
//! Everybody is asked in the same words for what opens reports without such a number, too.
//!
//! Every link asks the same question, whether it is good or not. The answer to it tells a good link with a wrong factor
//! from one that cannot be used, but not an unknown link from an ended, a revoked or a withdrawn report's one; both kinds of
//! attempts are counted. A hospital's user who has a session needs no factor: the session is one, and its scope decides.

use askama::Template;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use serde::Deserialize;

use super::extract::{Form, Path, Query};
use super::open::redirect;
use super::state::{PagesState, Peer};
use crate::archive::Error;
use crate::archive::pages::visit_qr_link::Visit;
use crate::web::assets;
use crate::web::error_page::{MessagePage, html};
use crate::web::source::Source;
use crate::web::words::Language;

/// The page that asks.
#[derive(Debug, Clone, Template)]
#[template(path = "qr.html")]
pub(super) struct QrPage {
    pub(super) base: String,
    pub(super) css: &'static str,
    pub(super) wrong: bool,
    pub(super) language: Language,
}

/// The language that somebody has chosen.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Chosen {
    lang: String,
}

/// What a visitor types.
#[derive(Debug, Deserialize)]
pub(super) struct Factor {
    #[serde(default)]
    factor: String,
}

impl QrPage {
    fn new(base: &str, wrong: bool, language: Language) -> Self {
        Self { base: base.to_owned(), css: assets::CSS_NAME.as_str(), wrong, language }
    }

    #[cfg(test)]
    pub(super) fn sample(language: Language) -> Self {
        Self::new("", true, language)
    }
}

/// Asks for the factor.
pub(super) async fn ask(
    State(PagesState(pages)): State<PagesState>,
    Query(chosen): Query<Chosen>,
    headers: HeaderMap,
) -> Response {
    html(StatusCode::OK, &QrPage::new(&pages.base, false, pages.language_of_nobody(&chosen.lang, &headers)))
}

/// Checks the factor.
pub(super) async fn answer(
    State(PagesState(pages)): State<PagesState>,
    ConnectInfo(peer): Peer,
    Path(link): Path<String>,
    Query(chosen): Query<Chosen>,
    headers: HeaderMap,
    Form(form): Form<Factor>,
) -> Response {
    let link = link.to_ascii_lowercase();
    let plausible = link.len() <= 64 && form.factor.len() <= 64;
    // Both are counted, whatever the first says.
    let by_address = pages.qr_by_address.allows(&Source::of(peer.ip()));
    let by_link = plausible && by_address && pages.qr_by_link.allows(&link);
    if plausible && !(by_address && by_link) {
        let page = MessagePage::new(&pages.base, "尝试次数过多", "请稍后再试。");
        return page.response(StatusCode::TOO_MANY_REQUESTS);
    }
    let visit = if plausible {
        pages.archive.visit_qr_link(&link, &form.factor, peer.ip().to_string(), pages.config.policy()).await
    } else {
        Ok(Visit::Unavailable)
    };
    match visit {
        Ok(Visit::Session { session, observation_uid }) => {
            // What was chosen here goes on.
            let chosen = Language::parse(&chosen.lang).map(|language| format!("?lang={}", language.code()));
            let chosen = chosen.unwrap_or_default();
            redirect(&format!("{}/t/{session}/exam/{observation_uid}{chosen}", pages.base), &Method::POST)
        }
        Ok(Visit::WrongFactor) => {
            let language = pages.language_of_nobody(&chosen.lang, &headers);
            html(StatusCode::FORBIDDEN, &QrPage::new(&pages.base, true, language))
        }
        Ok(Visit::Locked) => {
            let text = "输入错误次数过多，此链接已停用。请联系出具报告的医疗机构。";
            MessagePage::new(&pages.base, "链接已停用", text).response(StatusCode::FORBIDDEN)
        }
        Ok(Visit::Unavailable) => {
            let text = "该报告链接不可用。可能已过期或已撤销，请联系出具报告的医疗机构。";
            MessagePage::new(&pages.base, "链接不可用", text).response(StatusCode::NOT_FOUND)
        }
        Err(error) => pages.failed(&error),
    }
}

/// `/t/{session}/q/{link}`: a code that was scanned in a session.
pub(super) async fn scan(
    State(PagesState(pages)): State<PagesState>,
    ConnectInfo(peer): Peer,
    Path((id, link)): Path<(String, String)>,
) -> Response {
    let session = match pages.enter(&id).await {
        Ok(session) => session,
        Err(response) => return *response,
    };
    // A visitor's session is for the one report whose factor was shown.
    if session.scope.visitor || link.len() > 64 {
        return pages.failed(&Error::NotFound);
    }
    match pages.archive.scan_qr_link(&session, &link, peer.ip().to_string()).await {
        Ok(Some(exam)) => redirect(&format!("{}/t/{id}/exam/{exam}", pages.base), &Method::GET),
        Ok(None) => pages.failed(&Error::NotFound),
        Err(error) => pages.failed(&error),
    }
}

/// The link in what a scanner typed, when that is the address of a printed code.
pub(super) fn scanned(text: &str) -> Option<&str> {
    let link = text.trim().trim_end_matches('/').rsplit_once("/q/")?.1;
    (link.len() == 26 && link.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_code_is_told_from_a_number() {
        let link = "abcdefghijklmnopqrstuvwxy4";
        assert_eq!(scanned(&format!(" https://r.example.test/yk/q/{link}/ ")), Some(link));
        assert_eq!(scanned("A20260001"), None);
        assert_eq!(scanned("https://r.example.test/q/../../x"), None);
    }
}
