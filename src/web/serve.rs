//! The HTTP listener's loop: connections are counted, their beginning is awaited for so long, their end is awaited.
//!
//! axum's own loop has no limit on connections and waits for ever for a request's first line, so a peer that opens
//! connections and says nothing could use up the server.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Error, Request};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::HttpConfig;
use super::send_limit::SendLimit;

/// Pause after the system refuses to accept, when it has no more file descriptors for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Largest head of a request; a request line is limited further by `http.max_uri_bytes`.
const HEAD_BYTES: usize = 64 * 1024;

/// Serves until `shutdown`; then requests under way have `http.drain_timeout_ms` to end.
pub async fn serve(listener: TcpListener, router: Router, config: &HttpConfig, shutdown: CancellationToken) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(config.max_connections.clamp(1, Semaphore::MAX_PERMITS)));
    let head_timeout = Duration::from_millis(config.head_timeout_ms);
    let send_timeout = Duration::from_millis(config.send_timeout_ms);
    loop {
        // A full house lets further connections wait in the system's queue.
        let place = tokio::select! {
            () = shutdown.cancelled() => break,
            place = places.clone().acquire_owned() => place,
        };
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "an HTTP connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let connection = connection(stream, peer, router.clone(), head_timeout, send_timeout);
        let watched = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = watched.await {
                tracing::debug!(client.address = %peer.ip(), %error, "an HTTP connection broke");
            }
            drop(place);
        });
    }
    drop(listener);
    let limit = Duration::from_millis(config.drain_timeout_ms);
    if tokio::time::timeout(limit, pin!(graceful.shutdown())).await.is_err() {
        tracing::warn!("requests did not end in time and are dropped");
    }
}

fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    head_timeout: Duration,
    send_timeout: Duration,
) -> impl GracefulConnection<Error = Error> + Send + 'static {
    // Answers are small; waiting for more to send only adds delay.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(SendLimit::new(stream, send_timeout)), service)
}
