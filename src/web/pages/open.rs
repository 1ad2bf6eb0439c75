//! A signed link is opened: ClinicExamView, ClinicExamList, RelatedExamList, ClinicExam (D-T1 to D-T13, D-P4, D-P17).

use std::net::SocketAddr;

use axum::body::to_bytes;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::MOST_FORM_BYTES;
use super::extract::refused;
use super::language::asked_in;
use super::state::{Inner, PagesState, Peer, framed_by};
use crate::archive::pages::open_link::{OpenLink, Opened, Start};
use crate::domain::page::Page;
use crate::web::error_page::{MessagePage, plain_error};
use crate::web::source::Source;

/// Everything that no route has: a signed link in some spelling, or nothing.
pub(super) async fn open(State(PagesState(pages)): State<PagesState>, request: Request) -> Response {
    let Some(page) = page_of(&pages.config.prefix, request.uri().path()) else {
        return plain_error(&pages.base, request.headers(), StatusCode::NOT_FOUND);
    };
    let Some(&ConnectInfo(peer)) = request.extensions().get::<Peer>() else {
        return plain_error(&pages.base, request.headers(), StatusCode::INTERNAL_SERVER_ERROR);
    };
    let method = request.method().clone();
    // HEAD would open a session, or use up a link that is good for once, for somebody who only looks.
    if !matches!(method, Method::GET | Method::POST) {
        return plain_error(&pages.base, request.headers(), StatusCode::METHOD_NOT_ALLOWED);
    }
    let mut raw = request.uri().query().unwrap_or_default().to_owned();
    if method == Method::POST && raw.is_empty() {
        match to_bytes(request.into_body(), MOST_FORM_BYTES).await.map(|body| String::from_utf8(body.into())) {
            Ok(Ok(body)) => raw = body,
            Ok(Err(_)) => return malformed(&pages, "链接参数有误"),
            Err(_) => return refused(&pages, StatusCode::PAYLOAD_TOO_LARGE),
        }
    }
    let mut response = open_link(&pages, page, &raw, &method, peer).await;
    // What was posted is no longer in the request when a message is written.
    if let Some(message) = response.extensions_mut().get_mut::<MessagePage>() {
        message.asked = asked_in(&raw);
    }
    response
}

async fn open_link(pages: &Inner, page: Page, raw: &str, method: &Method, peer: SocketAddr) -> Response {
    if !pages.opens_by_address.allows(&Source::of(peer.ip())) {
        return too_many(pages);
    }
    let link = OpenLink {
        page,
        raw_query: raw,
        remote_addr: peer.ip().to_string(),
        customers: &pages.customers,
        rules: &pages.config.search,
        policy: pages.config.policy(),
        allows: &|guid| pages.opens_by_customer.allows(&guid.to_owned()),
    };
    match pages.archive.open_link(link).await {
        Ok(Opened::Session { session, start }) => {
            let target = match start {
                Start::List => format!("{}/t/{session}/exams", pages.base),
                Start::Exam { observation_uid } => format!("{}/t/{session}/exam/{observation_uid}", pages.base),
            };
            redirect(&target, method)
        }
        Ok(Opened::Nothing { criteria, frame_ancestors }) => {
            let text = "没有找到符合条件的检查。可能尚未上传，或不在可查看的范围内。";
            let mut page = MessagePage::new(&pages.base, "未找到检查", text);
            page.details = criteria;
            framed_by(page.response(StatusCode::NOT_FOUND), &frame_ancestors)
        }
        Ok(Opened::TooMany) => too_many(pages),
        Ok(Opened::Malformed(reason)) => malformed(pages, &reason),
        // The same words whatever the reason (D-T10).
        Ok(Opened::Denied) => {
            let text = "链接无效或已过期，请从业务系统重新打开。";
            MessagePage::new(&pages.base, "无法打开", text).response(StatusCode::FORBIDDEN)
        }
        Err(error) => pages.failed(&error),
    }
}

fn too_many(pages: &Inner) -> Response {
    let page = MessagePage::new(&pages.base, "访问过于频繁", "请稍后再试。");
    page.response(StatusCode::TOO_MANY_REQUESTS)
}

/// The page for a request that cannot be read.
pub(super) fn malformed(pages: &Inner, reason: &str) -> Response {
    MessagePage::new(&pages.base, "请求有误", format!("{reason}。")).response(StatusCode::BAD_REQUEST)
}

/// The address with patient data in it is left behind at once (D-T8).
pub(super) fn redirect(target: &str, method: &Method) -> Response {
    let status = if *method == Method::POST { StatusCode::SEE_OTHER } else { StatusCode::FOUND };
    let Ok(target) = HeaderValue::from_str(target) else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let headers = [(header::LOCATION, target), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (status, headers).into_response()
}

fn page_of(prefix: &str, path: &str) -> Option<Page> {
    let prefix = format!("/{}/", prefix.trim_matches('/')).replace("//", "/");
    let head = path.get(..prefix.len())?;
    if head.eq_ignore_ascii_case(&prefix) { Page::parse(&path[prefix.len()..]) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_found_in_any_spelling_of_their_path() {
        let prefix = "/IDCAS/Interface/";
        assert_eq!(page_of(prefix, "/IDCAS/Interface/ClinicExamView"), Some(Page::ClinicExamView));
        assert_eq!(page_of(prefix, "/idcas/interface/clinicexam.aspx"), Some(Page::ClinicExam));
        assert_eq!(page_of("IDCAS/Interface", "/IDCAS/INTERFACE/CLINICEXAM/"), Some(Page::ClinicExam));
        assert_eq!(page_of(prefix, "/IDCAS/Interface/Other"), None);
        assert_eq!(page_of(prefix, "/IDCAS"), None);
    }
}
