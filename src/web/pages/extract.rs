//! What handlers take from a request: axum's extractors, whose refusals are pages in the reader's language.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use serde::de::DeserializeOwned;

use super::state::{Inner, PagesState};
use crate::web::error_page::MessagePage;

/// The parts of the path.
#[derive(Debug)]
pub(super) struct Path<T>(pub(super) T);

/// The query.
#[derive(Debug)]
pub(super) struct Query<T>(pub(super) T);

/// A form in the body.
#[derive(Debug)]
pub(super) struct Form<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<PagesState> for Path<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &PagesState) -> Result<Self, Response> {
        let found = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        // An address that does not fit names nothing that is there.
        found.map(|found| Self(found.0)).map_err(|_| refused(&state.0, StatusCode::NOT_FOUND))
    }
}

impl<T: DeserializeOwned> FromRequestParts<PagesState> for Query<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &PagesState) -> Result<Self, Response> {
        let found = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        found.map(|found| Self(found.0)).map_err(|rejection| refused(&state.0, rejection.status()))
    }
}

impl<T: DeserializeOwned> FromRequest<PagesState> for Form<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &PagesState) -> Result<Self, Response> {
        let found = axum::extract::Form::<T>::from_request(request, state).await;
        found.map(|found| Self(found.0)).map_err(|rejection| refused(&state.0, rejection.status()))
    }
}

/// The page for a request that could not be read.
pub(super) fn refused(pages: &Inner, status: StatusCode) -> Response {
    let (status, title, text) = match status {
        StatusCode::NOT_FOUND => (status, "未找到页面", "您访问的地址不存在。"),
        StatusCode::PAYLOAD_TOO_LARGE => (status, "提交内容过大", "提交的内容超过了长度限制。"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (status, "请求格式不支持", "请通过页面上的表单提交。"),
        // axum tells repeated and ill-formed fields apart; for the reader both are a form that is not ours.
        _ => (StatusCode::BAD_REQUEST, "请求有误", "提交的内容有误，请返回后重新填写。"),
    };
    MessagePage::new(&pages.base, title, text).response(status)
}
