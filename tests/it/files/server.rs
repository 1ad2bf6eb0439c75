//! A hospital's report server that behaves well on some paths and badly on the others.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::pdf;

/// What the server knows and remembers.
#[derive(Debug, Default)]
pub struct Book {
    /// What `/changing.pdf` gives.
    pub changing: Mutex<Vec<u8>>,
    /// How often `/flaky.pdf` fails before it works.
    pub failures: AtomicUsize,
    /// Requests so far.
    pub requests: AtomicUsize,
    /// Lets `/held.pdf` be answered, once for each time it is told.
    pub release: Notify,
}

/// The server; it ends with the test's runtime.
#[derive(Debug)]
pub struct ReportServer {
    pub address: SocketAddr,
    pub book: Arc<Book>,
}

impl ReportServer {
    pub async fn start() -> Self {
        let book = Arc::new(Book::default());
        let router = Router::new()
            .route("/report.pdf", get(async || pdf::report()))
            .route("/picture.jpg", get(async || pdf::jpeg(60, 40)))
            .route("/broken.jpg", get(async || [&[0xFF, 0xD8, 0xFF, 0xE0][..], &[0; 2000]].concat()))
            .route("/gzip.pdf", get(gzip))
            .route("/{*name}", get(gbk_only))
            .route("/changing.pdf", get(changing))
            .route("/flaky.pdf", get(flaky))
            .route("/held.pdf", get(held))
            .route("/locked.pdf", get(locked))
            .route("/html.pdf", get(async || ([(header::CONTENT_TYPE, "application/pdf")], "<html>login</html>")))
            .route("/empty.pdf", get(async || ""))
            .route("/status/{status}", get(async |Path(status): Path<u16>| StatusCode::from_u16(status).unwrap()))
            .route("/moved", get(async || Redirect::temporary("/report.pdf")))
            .route("/loop", get(async || Redirect::temporary("/loop")))
            .route("/metadata", get(async || Redirect::temporary("http://169.254.169.254/latest/meta-data/")))
            .route("/local", get(async || Redirect::temporary("file:///etc/passwd")))
            .route("/nowhere", get(async || StatusCode::FOUND))
            .route("/other-name", get(other_name))
            .route("/drip.pdf", get(async || endless(b" ", Duration::from_millis(20))))
            .route("/huge.pdf", get(async || endless(&[b'x'; 65536], Duration::ZERO)))
            .route("/silent.pdf", get(std::future::pending::<StatusCode>))
            .with_state(Arc::clone(&book));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, book }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// A server that answers every connection with the same bytes and hangs up.
pub async fn blunt_server(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = connection.read(&mut request).await;
            let _ = connection.write_all(answer).await;
        }
    });
    address
}

async fn changing(State(book): State<Arc<Book>>) -> Vec<u8> {
    book.requests.fetch_add(1, Ordering::SeqCst);
    book.changing.lock().unwrap().clone()
}

async fn flaky(State(book): State<Arc<Book>>) -> Response {
    book.requests.fetch_add(1, Ordering::SeqCst);
    let failing = book.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
    if failing { StatusCode::SERVICE_UNAVAILABLE.into_response() } else { pdf::report().into_response() }
}

async fn held(State(book): State<Arc<Book>>) -> Vec<u8> {
    book.requests.fetch_add(1, Ordering::SeqCst);
    book.release.notified().await;
    pdf::report()
}

async fn locked(headers: HeaderMap) -> Response {
    // Basic reader:synthetic
    let known = headers.get(header::AUTHORIZATION).is_some_and(|value| value == "Basic cmVhZGVyOnN5bnRoZXRpYw==");
    if known { pdf::report().into_response() } else { StatusCode::UNAUTHORIZED.into_response() }
}

/// A small answer that unpacks to a gigabyte, for clients that unpack.
async fn gzip() -> Response {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut packer, b"%PDF-1.4\n").unwrap();
    for _ in 0..64 {
        std::io::Write::write_all(&mut packer, &[b' '; 1 << 20]).unwrap();
    }
    ([(header::CONTENT_ENCODING, "gzip")], packer.finish().unwrap()).into_response()
}

/// Knows its files by their names in GBK.
async fn gbk_only(uri: axum::http::Uri) -> Response {
    match uri.path() {
        "/%B1%A8%B8%E6/a%20b.pdf" => pdf::report().into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn other_name(headers: HeaderMap) -> Redirect {
    let host = headers[header::HOST].to_str().unwrap();
    let port = host.rsplit(':').next().unwrap();
    Redirect::temporary(&format!("http://localhost:{port}/report.pdf"))
}

fn endless(piece: &'static [u8], pause: Duration) -> Body {
    let stream = futures_util::stream::unfold(true, move |first| async move {
        tokio::time::sleep(pause).await;
        let piece = if first { b"%PDF-1.4\n" } else { piece };
        Some((Ok::<_, std::io::Error>(Bytes::from_static(piece)), false))
    });
    Body::from_stream(stream)
}
