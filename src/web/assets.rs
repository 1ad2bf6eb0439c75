//! The style sheet and the small script of the pages, under names that carry their hash.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

const CSS: &str = include_str!("../../web/pages/pages.css");
const JS: &str = include_str!("../../web/pages/pages.js");

/// Name of the style sheet.
pub(super) static CSS_NAME: LazyLock<String> = LazyLock::new(|| named("pages", CSS, "css"));
/// Name of the script.
pub(super) static JS_NAME: LazyLock<String> = LazyLock::new(|| named("pages", JS, "js"));

fn named(stem: &str, content: &str, extension: &str) -> String {
    let hash = hex::encode(Sha256::digest(content.as_bytes()));
    format!("{stem}-{}.{extension}", &hash[..12])
}

/// `GET /static/{name}`
pub(super) async fn serve(Path(name): Path<String>) -> Response {
    let (content, media_type) = if name == *CSS_NAME {
        (CSS, "text/css; charset=utf-8")
    } else if name == *JS_NAME {
        (JS, "text/javascript; charset=utf-8")
    } else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    (headers, content).into_response()
}
