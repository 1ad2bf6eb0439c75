//! What the pages' handlers share, and how a request enters a session.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::config::PagesConfig;
use super::limits::Limit;
use crate::archive::images::read_image::Viewer;
use crate::archive::pages::open_link::Session;
use crate::archive::{self, Archive};
use crate::dicom::render::RenderConfig;
use crate::domain::customer::{Customer, CustomerKey, Customers};
use crate::web::HttpConfig;
use crate::web::assets;
use crate::web::error_page::MessagePage;
use crate::web::source::Source;
use crate::web::words::Language;

/// Shared by all handlers of the pages; a cheap clone.
#[derive(Debug, Clone)]
pub struct PagesState(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) archive: Archive,
    pub(super) customers: Customers,
    pub(super) config: PagesConfig,
    pub(super) viewer: Viewer,
    pub(super) base: String,
    pub(super) opens_by_address: Limit<Source>,
    pub(super) opens_by_customer: Limit<String>,
    pub(super) qr_by_link: Limit<String>,
    pub(super) qr_by_address: Limit<Source>,
}

/// The address that a request came from.
pub(super) type Peer = ConnectInfo<SocketAddr>;

/// What every page of a session has around it.
#[derive(Debug, Clone)]
pub(super) struct Shell {
    pub(super) base: String,
    pub(super) css: &'static str,
    pub(super) js: &'static str,
    /// The script that chooses between full viewer and basic page.
    pub(super) choose: &'static str,
    /// Beginning of the session's addresses.
    pub(super) root: String,
    pub(super) user: String,
    pub(super) close: bool,
    /// Whether there is a list to go back to.
    pub(super) has_list: bool,
    /// Whether the page may be printed.
    pub(super) print: bool,
    pub(super) language: Language,
    /// The same page in the other language.
    pub(super) other_language: String,
}

impl Shell {
    /// A word of ours in the reader's language.
    pub(super) fn say<'a, T: AsRef<str> + ?Sized>(&self, chinese: &'a T) -> Cow<'a, str> {
        self.language.say(chinese.as_ref())
    }
}

impl PagesState {
    /// Puts the pages together; the customers' secrets have been read and checked.
    pub fn new(
        archive: Archive,
        http: &HttpConfig,
        config: PagesConfig,
        render: RenderConfig,
        customers: Vec<Customer>,
    ) -> Self {
        let key = CustomerKey::parse(&config.customer_key.0);
        let remember = Duration::from_secs(u64::from(config.session_absolute_hours.max(1)) * 3600);
        Self(Arc::new(Inner {
            archive,
            customers: Customers::new(customers, config.default_customer.clone()).with_key(key),
            viewer: Viewer::new(render, config.picture_cache_bytes, remember),
            base: http.base_path(),
            opens_by_address: Limit::per_minute(config.opens_per_minute_address),
            opens_by_customer: Limit::per_minute(config.opens_per_minute_customer),
            qr_by_link: Limit::per_hour(config.qr_attempts_per_hour_link),
            qr_by_address: Limit::per_hour(config.qr_attempts_per_hour_address),
            config,
        }))
    }
}

impl PagesState {
    /// The session with this id, when it is alive; for other services that browsers use under it.
    pub(in crate::web) async fn session(&self, id: &str) -> Result<Option<Session>, archive::Error> {
        let Self(inner) = self;
        inner.archive.session(id, &inner.customers, inner.config.idle_ms()).await
    }

    /// The turns and the memory for drawing.
    pub(in crate::web) fn viewer(&self) -> Viewer {
        self.0.viewer.clone()
    }
}

impl Inner {
    /// The session, or the page that says that it has ended.
    pub(super) async fn enter(&self, id: &str) -> Result<Session, Box<Response>> {
        match self.archive.session(id, &self.customers, self.config.idle_ms()).await {
            Ok(Some(session)) => Ok(session),
            Ok(None) => {
                let text = "会话已失效或已超时，请从业务系统重新打开。";
                Err(Box::new(MessagePage::new(&self.base, "会话已失效", text).response(StatusCode::FORBIDDEN)))
            }
            Err(error) => Err(Box::new(self.failed(&error))),
        }
    }

    /// The page for what the archive could not do. All that a session may not see is not there.
    pub(super) fn failed(&self, error: &archive::Error) -> Response {
        let (status, title, text) = match error {
            archive::Error::NotFound | archive::Error::Denied => {
                (StatusCode::NOT_FOUND, "未找到检查", "没有找到该检查，或当前会话无权查看。")
            }
            archive::Error::TooLarge { .. } => {
                (StatusCode::UNPROCESSABLE_ENTITY, "无法显示", "数据过大，无法在线显示。")
            }
            archive::Error::Invalid(_) | archive::Error::Mismatch(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "无法显示", "该数据无法在线显示。")
            }
            archive::Error::Busy => (StatusCode::SERVICE_UNAVAILABLE, "服务繁忙", "正在处理的请求过多，请稍后重试。"),
            archive::Error::Index(_) | archive::Error::Objects(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "服务暂不可用", "存储服务暂时不可用，请稍后重试。")
            }
        };
        if status == StatusCode::SERVICE_UNAVAILABLE {
            tracing::error!(error = %error, "a page could not be served");
        } else {
            tracing::debug!(error = %error, "nothing to show");
        }
        MessagePage::new(&self.base, title, text).response(status)
    }

    /// The organisation's name, or its code.
    pub(super) fn organization(&self, code: &str) -> String {
        self.archive.organization_name(code)
    }

    /// The language of a request: what its address asks for, which the session keeps, else what the session has kept, else
    /// what the browser prefers, as far as the configuration leaves it open.
    pub(super) async fn language(&self, session: &Session, asked: &str, headers: &HeaderMap) -> Language {
        if let Some(language) = Language::parse(asked) {
            if session.language != language.code()
                && let Err(error) = self.archive.keep_language(session, language.code()).await
            {
                tracing::warn!(%error, "the language could not be kept");
            }
            return language;
        }
        let own = Language::parse(&session.language).or_else(|| self.config.language.fixed());
        own.or_else(|| Language::preferred(headers)).unwrap_or_default()
    }

    /// The same where there is no session.
    pub(super) fn language_of_nobody(&self, asked: &str, headers: &HeaderMap) -> Language {
        let asked = Language::parse(asked).or_else(|| self.config.language.fixed());
        asked.or_else(|| Language::preferred(headers)).unwrap_or_default()
    }

    pub(super) fn shell(&self, id: &str, session: &Session, language: Language, query: &str) -> Shell {
        Shell {
            base: self.base.clone(),
            css: assets::CSS_NAME.as_str(),
            js: assets::JS_NAME.as_str(),
            choose: assets::CHOOSE_NAME.as_str(),
            root: format!("{}/t/{id}", self.base),
            user: session.user_name.clone(),
            close: session.scope.show_close,
            has_list: !session.scope.visitor,
            print: session.scope.print.is_allowed(),
            language,
            other_language: format!(
                "?{query}{}lang={}",
                if query.is_empty() { "" } else { "&" },
                language.other().code()
            ),
        }
    }
}

/// Lets the customer's sites frame the page, and nobody else (D-P21).
pub(super) fn framed(response: Response, session: &Session) -> Response {
    framed_by(response, &session.scope.frame_ancestors)
}

/// The same for sites that have no session yet.
pub(super) fn framed_by(mut response: Response, sites: &[String]) -> Response {
    let ancestors = if sites.is_empty() { "'none'".to_owned() } else { sites.join(" ") };
    let policy = format!(
        "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'self'; script-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors {ancestors}"
    );
    if let Ok(value) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, value);
    }
    response
}

#[cfg(test)]
impl Shell {
    pub(super) fn sample() -> Self {
        Shell {
            base: String::new(),
            css: assets::CSS_NAME.as_str(),
            js: assets::JS_NAME.as_str(),
            choose: assets::CHOOSE_NAME.as_str(),
            root: "/t/0123456789abcdef0123456789abcdef".to_owned(),
            user: "测试医生甲".to_owned(),
            close: true,
            has_list: true,
            print: true,
            language: Language::Chinese,
            other_language: "?lang=en".to_owned(),
        }
    }
}
