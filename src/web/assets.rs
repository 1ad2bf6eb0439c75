//! The style sheet and the small scripts of the pages, under names that carry their hash.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

const CSS: &str = include_str!("../../web/pages/pages.css");
const JS: &str = include_str!("../../web/pages/pages.js");
const CHOOSE: &str = include_str!("../../web/pages/choose.js");
const BOOT: &str = include_str!("../../web/pages/boot.js");
const ICON: &str = include_str!("../../web/pages/icon.svg");

/// Name of the style sheet.
pub(super) static CSS_NAME: LazyLock<String> = LazyLock::new(|| named("pages", CSS, "css"));
/// Name of the script.
pub(super) static JS_NAME: LazyLock<String> = LazyLock::new(|| named("pages", JS, "js"));
/// Name of the script that chooses between full viewer and basic page.
pub(super) static CHOOSE_NAME: LazyLock<String> = LazyLock::new(|| named("choose", CHOOSE, "js"));
/// Name of the script that says so when the full viewer does not start.
pub(super) static BOOT_NAME: LazyLock<String> = LazyLock::new(|| named("boot", BOOT, "js"));

/// Name of the sign that browsers show for a page.
pub(super) static ICON_NAME: LazyLock<String> = LazyLock::new(|| named("icon", ICON, "svg"));

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
    } else if name == *CHOOSE_NAME {
        (CHOOSE, "text/javascript; charset=utf-8")
    } else if name == *BOOT_NAME {
        (BOOT, "text/javascript; charset=utf-8")
    } else if name == *ICON_NAME {
        (ICON, "image/svg+xml")
    } else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    (headers, content).into_response()
}
