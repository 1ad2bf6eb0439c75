//! What every request passes through, outermost first: log, panics, client address, limits, time-out, headers.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use futures_util::FutureExt;

use super::error_page::plain_error;
use super::serve::OverTls;
use super::{HttpConfig, assets, dicomweb, viewer_files};
use crate::tls::PeerCertificate;

/// What proxies add to a request.
const FORWARDED: [&str; 4] = ["x-forwarded-for", "forwarded", "x-real-ip", "via"];

/// The request came by a proxy that is not trusted: nobody knows whose it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct OfUnknown;

/// For requests whose own service limits them: longer than any limit, a year.
const NO_LIMIT: u64 = 365 * 86_400_000;

/// Where nothing else is said: nothing may be loaded, nothing may frame it.
const STRICT_CSP: &str = "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; form-action 'self'; \
                          base-uri 'none'; frame-ancestors 'none'";

/// Joins routers into the server's one router and puts the outer layers on.
///
/// Serve it with `into_make_service_with_connect_info::<SocketAddr>()`. Handlers find the client's address, proxies
/// taken off, in `ConnectInfo<SocketAddr>`. At most one of the routers may have a fallback (that of the pages).
pub fn app(config: &HttpConfig, routers: impl IntoIterator<Item = Router>) -> Router {
    let config = Arc::new(config.clone());
    let base = config.base_path();
    let assets = Router::new()
        .route("/static/{name}", axum::routing::get(assets::serve))
        .route("/static/viewer/{name}", axum::routing::get(viewer_files::serve));
    routers
        .into_iter()
        .fold(assets, Router::merge)
        .method_not_allowed_fallback(move |headers: HeaderMap| async move { not_allowed(&base, &headers) })
        .layer(DefaultBodyLimit::max(config.max_body_bytes))
        .layer(from_fn_with_state(config, around))
}

fn not_allowed(base: &str, headers: &HeaderMap) -> Response {
    plain_error(base, headers, StatusCode::METHOD_NOT_ALLOWED)
}

async fn around(State(config): State<Arc<HttpConfig>>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    // The template of the path: a path itself holds the session, a query holds patients.
    let route = request.extensions().get::<MatchedPath>().map_or("(other)", |path| path.as_str()).to_owned();
    let method = request.method().clone();
    let accept = request.headers().clone();
    let mut client = None;
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>().copied() {
        let address = config.client_address(peer.ip(), request.headers());
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(address, peer.port())));
        if !config.is_trusted_proxy(peer.ip()) && FORWARDED.iter().any(|name| accept.contains_key(*name)) {
            request.extensions_mut().insert(OfUnknown);
        }
        if address != peer.ip().to_canonical() {
            // The certificate is the proxy's, which calls for everybody.
            request.extensions_mut().remove::<PeerCertificate>();
        }
        client = Some(address);
    }
    let is_https_site = config.public_url.starts_with("https:") && config.hsts_seconds > 0;
    let hsts = request.extensions().get::<OverTls>().filter(|_| is_https_site).map(|_| config.hsts_seconds);
    let base = config.base_path();
    let length = request.uri().path_and_query().map_or(0, |text| text.as_str().len());
    let mut response = if length > config.max_uri_bytes {
        plain_error(&base, &accept, StatusCode::URI_TOO_LONG)
    } else {
        let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
        let limit = if dicomweb::has_own_time_limit(&method, &route) { NO_LIMIT } else { config.request_timeout_ms };
        match tokio::time::timeout(Duration::from_millis(limit), answer).await {
            Ok(Ok(response)) => response,
            Ok(Err(_panic)) => {
                tracing::error!(http.route = %route, "a handler panicked");
                plain_error(&base, &accept, StatusCode::INTERNAL_SERVER_ERROR)
            }
            Err(_elapsed) => plain_error(&base, &accept, StatusCode::GATEWAY_TIMEOUT),
        }
    };
    add_headers(&mut response, hsts);
    let status = response.status().as_u16();
    let elapsed = began.elapsed();
    metrics::histogram!("yingku_http_request_seconds", "route" => route.clone()).record(elapsed.as_secs_f64());
    metrics::counter!("yingku_http_requests_total", "route" => route.clone(), "status" => status.to_string())
        .increment(1);
    let address = client.map(|ip| ip.to_string()).unwrap_or_default();
    let ms = elapsed.as_millis() as u64;
    tracing::info!(http.method = %method, http.route = %route, http.status = status, http.ms = ms, client.address = %address, "request");
    response
}

fn add_headers(response: &mut Response, hsts: Option<u32>) {
    if let Some(value) = hsts.and_then(|seconds| HeaderValue::try_from(format!("max-age={seconds}")).ok()) {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
    let defaults: [(HeaderName, &str); 3] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, STRICT_CSP),
    ];
    for (name, value) in defaults {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
}
