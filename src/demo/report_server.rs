//! The demonstration hospital's report server: a few files over HTTP on the loopback interface.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

type Files = Arc<BTreeMap<String, Bytes>>;

/// The running report server; it ends when this is dropped.
#[derive(Debug)]
pub struct ReportServer {
    address: SocketAddr,
    _stop: DropGuard,
}

impl ReportServer {
    /// Serves `files` by name until the value is dropped.
    pub(super) async fn start(bind: SocketAddr, files: BTreeMap<String, Bytes>) -> std::io::Result<Self> {
        let listener = TcpListener::bind(bind).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let app = Router::new().route("/reports/{name}", get(report)).with_state(Arc::new(files));
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).with_graceful_shutdown(stopped).await {
                tracing::warn!(%error, "the demonstration's report server ended");
            }
        });
        Ok(Self { address, _stop: stop.drop_guard() })
    }

    /// Where a report is.
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/reports/{name}", self.address)
    }
}

async fn report(State(files): State<Files>, Path(name): Path<String>) -> Response {
    let media_type = if name.ends_with(".pdf") { "application/pdf" } else { "image/jpeg" };
    match files.get(&name) {
        Some(bytes) => ([(header::CONTENT_TYPE, media_type)], bytes.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn known_files_are_served_with_their_type_and_others_are_not_found() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let files = BTreeMap::from([("EX0001.pdf".to_owned(), Bytes::from_static(b"%PDF-1.7"))]);
        let server = ReportServer::start(SocketAddr::from(([127, 0, 0, 1], 0)), files).await.unwrap();

        let found = reqwest::get(server.url("EX0001.pdf")).await.unwrap();
        let missing = reqwest::get(server.url("EX9999.pdf")).await.unwrap();

        assert_eq!(found.headers()["content-type"], "application/pdf");
        assert_eq!(found.bytes().await.unwrap(), "%PDF-1.7");
        assert_eq!(missing.status(), 404);
    }
}
