//! The full viewer's files, built from `web/` and embedded as they were compressed (brotli and gzip).
//!
//! Their names carry a hash of their content, so they are kept for good. A binary that was built without `make web` has
//! none: [`viewer_is_embedded`] says so, and the pages offer the basic page alone.

use std::io::Read;

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::read::GzDecoder;

/// A worker runs under the policy of its own file, not of the page: the decoders are WebAssembly, fetched by it.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

struct ViewerFile {
    name: &'static str,
    brotli: &'static [u8],
    gzip: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/viewer_files.rs"));

/// Whether the full viewer is in this binary.
pub fn viewer_is_embedded() -> bool {
    ENTRY.is_some()
}

/// What a page loads to start the viewer.
#[derive(Debug, Clone, Copy)]
pub(super) struct ViewerEntry {
    /// The module.
    pub(super) script: &'static str,
    /// Modules that it will want at once.
    pub(super) preloads: &'static [&'static str],
    /// Style sheets.
    pub(super) styles: &'static [&'static str],
}

/// The viewer's entry, when the viewer is there.
pub(super) fn entry() -> Option<ViewerEntry> {
    ENTRY.map(|script| ViewerEntry { script, preloads: PRELOADS, styles: STYLES })
}

/// `GET /static/viewer/{name}`
pub(super) async fn serve(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(file) = FILES.iter().find(|file| file.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let tag = format!("\"{name}\"");
    let fixed = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type(&name))),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
        (header::VARY, HeaderValue::from_static("accept-encoding")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::ETAG, HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"viewer\""))),
    ];
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    if known.flat_map(|value| value.split(',')).any(|one| one.trim().trim_start_matches("W/") == tag) {
        return (StatusCode::NOT_MODIFIED, fixed).into_response();
    }
    let encoded = |encoding: &'static str, bytes: &'static [u8]| {
        (fixed.clone(), [(header::CONTENT_ENCODING, HeaderValue::from_static(encoding))], bytes).into_response()
    };
    if accepts(&headers, "br") {
        return encoded("br", file.brotli);
    }
    if accepts(&headers, "gzip") {
        return encoded("gzip", file.gzip);
    }
    let mut plain = Vec::new();
    match GzDecoder::new(file.gzip).read_to_end(&mut plain) {
        Ok(_) => (fixed, plain).into_response(),
        Err(error) => {
            tracing::error!(file.name = file.name, %error, "an embedded file cannot be unpacked");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Whether a content coding is acceptable (RFC 9110 section 12.5.3).
pub(super) fn accepts(headers: &HeaderMap, coding: &str) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| {
        let mut pieces = one.split(';').map(str::trim);
        let is_named = pieces.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
        let refused = |piece: &str| {
            let quality = piece.strip_prefix("q=").or_else(|| piece.strip_prefix("Q="));
            quality.and_then(|number| number.trim().parse::<f32>().ok()) == Some(0.0)
        };
        is_named && !pieces.any(refused)
    })
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coding_is_taken_unless_it_is_refused() {
        for (text, brotli, gzip) in [
            ("gzip, deflate, br", true, true),
            ("gzip;q=0.5, br;q=0", false, true),
            ("identity", false, false),
            ("BR ; q=1.0", true, false),
            ("brotli, xgzip", false, false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(text))]);
            assert_eq!((accepts(&headers, "br"), accepts(&headers, "gzip")), (brotli, gzip), "{text}");
        }
        assert!(!accepts(&HeaderMap::new(), "gzip"));
    }

    #[test]
    fn programs_are_served_as_what_they_are() {
        assert_eq!(media_type("openjpegwasm-1a2b.wasm"), "application/wasm");
        assert!(media_type("main-1a2b.js").starts_with("text/javascript"));
        assert_eq!(media_type("other"), "application/octet-stream");
    }
}
