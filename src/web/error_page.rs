//! Errors: a calm page for people, `application/problem+json` (RFC 9457) for programs, in the reader's language.

use std::borrow::Cow;

use askama::Template;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::assets;
use super::words::Language;

/// Of a page without data, forms and scripts.
const MESSAGE_POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors *";

/// What a person is told.
#[derive(Debug, Clone, Template)]
#[template(path = "message.html")]
pub(super) struct MessagePage {
    pub(super) base: String,
    pub(super) css: &'static str,
    pub(super) title: &'static str,
    pub(super) text: String,
    pub(super) details: Vec<(&'static str, String)>,
    /// What the request itself says of its reader's language, where its address does not.
    pub(super) asked: String,
    language: Language,
}

impl MessagePage {
    pub(super) fn new(base: &str, title: &'static str, text: impl Into<String>) -> Self {
        let css = assets::CSS_NAME.as_str();
        let (base, text, language) = (base.to_owned(), text.into(), Language::default());
        Self { base, css, title, text, details: Vec::new(), asked: String::new(), language }
    }

    fn say<'a, T: AsRef<str> + ?Sized>(&self, chinese: &'a T) -> Cow<'a, str> {
        self.language.say(chinese.as_ref())
    }

    /// Title and text in the second language below the first, when both have it.
    fn english(&self) -> Option<String> {
        let (title, text) = (Language::English.say(self.title), Language::English.say(&self.text));
        let is_second = self.language == Language::Chinese && title != self.title && text != self.text.as_str();
        is_second.then(|| format!("{title}. {text}"))
    }

    /// The page. One that says nothing but its own words may stand in any site's frame: a user in a hospital system would
    /// otherwise see the browser's error in the place of ours. What was asked for is shown to nobody else (D-P21).
    ///
    /// Who says something need not know who reads: the page goes along, and [`MessagePage::in_language`] writes it anew.
    pub(super) fn response(self, status: StatusCode) -> Response {
        let mut response = html(status, &self);
        if self.details.is_empty() {
            let policy = HeaderValue::from_static(MESSAGE_POLICY);
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        response.extensions_mut().insert(self);
        response
    }

    /// The page's response with its words in a language.
    pub(super) fn in_language(mut self, language: Language, mut response: Response) -> Response {
        if self.language != language {
            self.language = language;
            match self.render() {
                Ok(text) => *response.body_mut() = Body::from(text),
                Err(error) => tracing::error!(error = %error, "a page could not be written"),
            }
        }
        response
    }
}

/// A page with the headers that every page has.
pub(super) fn html(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => {
            let headers = [
                (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
                (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            ];
            (status, headers, text).into_response()
        }
        Err(error) => {
            tracing::error!(error = %error, "a page could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// An error before or beside any page: HTML for browsers, a problem for everything else.
pub(super) fn plain_error(base: &str, headers: &HeaderMap, status: StatusCode) -> Response {
    let (title, text) = match status {
        StatusCode::NOT_FOUND => ("未找到页面", "您访问的地址不存在。"),
        StatusCode::METHOD_NOT_ALLOWED => ("请求方式不支持", "该地址不支持这种请求方式。"),
        StatusCode::URI_TOO_LONG => ("地址过长", "请求的地址超过了长度限制。"),
        StatusCode::GATEWAY_TIMEOUT => ("处理超时", "服务器未能及时完成处理，请稍后重试。"),
        StatusCode::TOO_MANY_REQUESTS => ("访问过于频繁", "请稍后再试。"),
        _ => ("服务异常", "服务器处理请求时发生错误，请稍后重试。"),
    };
    let accepts_html =
        headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).is_some_and(|v| v.contains("text/html"));
    let language = Language::preferred(headers).unwrap_or_default();
    if accepts_html {
        return MessagePage { language, ..MessagePage::new(base, title, text) }.response(status);
    }
    let (title, text) = (language.say(title), language.say(text));
    let problem = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": text });
    let media_type = (header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    (status, [media_type], problem.to_string()).into_response()
}
