//! The HTTP listeners' loop: connections are counted, their beginning is awaited for so long, their end is awaited.
//!
//! axum's own loop has no limit on connections and waits for ever for a request's first line, so a peer that opens
//! connections and says nothing could use up the server. Both listeners, in the clear and with TLS, share the places.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::HttpConfig;
use super::crowd::Crowd;
use super::send_limit::SendLimit;
use super::source::Source;
use crate::domain::live::Live;
use crate::tls::{CertificateMatch, ListenerKind, PeerCertificate, ServerTls, TlsError};

/// Pause after the system refuses to accept, when it has no more file descriptors for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Largest head of a request; a request line is limited further by `http.max_uri_bytes`.
const HEAD_BYTES: usize = 64 * 1024;

/// The request came by this server's own TLS.
#[derive(Debug, Clone, Copy)]
pub(super) struct OverTls;

/// What a connection came by.
#[derive(Debug, Clone)]
enum Wire {
    Plain,
    Tls(Option<PeerCertificate>),
}

/// Why a listener did not start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address cannot be listened on.
    #[error("{key} {address}: {source}")]
    Address {
        /// The key that names it.
        key: &'static str,
        /// The configured address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// TLS cannot be offered as configured.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Bound listeners that do not accept yet.
#[derive(Debug)]
pub struct HttpListener {
    plain: TcpListener,
    over_tls: Option<(TcpListener, ServerTls)>,
}

impl HttpListener {
    /// Binds the addresses. `pinned` are the certificates by which callers are known.
    pub async fn bind<'a>(
        config: &HttpConfig,
        pinned: impl Iterator<Item = &'a CertificateMatch>,
    ) -> Result<Self, BindError> {
        let tls = ServerTls::load(ListenerKind::Http, &config.tls, pinned)?;
        let plain = bind("http.listen", config.listen).await?;
        let over_tls = match tls {
            Some(tls) => Some((bind("http.tls.listen", tls.listen).await?, tls)),
            None => None,
        };
        Ok(Self { plain, over_tls })
    }

    /// The address in use without TLS.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.plain.local_addr()
    }

    /// The address in use with TLS, if it is offered.
    pub fn tls_addr(&self) -> Option<SocketAddr> {
        self.over_tls.as_ref().and_then(|(listener, _)| listener.local_addr().ok())
    }

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr, Option<ServerTls>)> {
        let Some((listener, tls)) = &self.over_tls else {
            let (stream, peer) = self.plain.accept().await?;
            return Ok((stream, peer, None));
        };
        let (accepted, tls) = tokio::select! {
            accepted = self.plain.accept() => (accepted, None),
            accepted = listener.accept() => (accepted, Some(tls.clone())),
        };
        let (stream, peer) = accepted?;
        Ok((stream, peer, tls))
    }
}

async fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| BindError::Address { key, address, source })
}

/// Serves until `shutdown`; then requests under way have `http.drain_timeout_ms` to end. Each request goes by the router as
/// it is when it comes.
pub async fn serve(listener: HttpListener, router: Live<Router>, config: &HttpConfig, shutdown: CancellationToken) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(config.max_connections.clamp(1, Semaphore::MAX_PERMITS)));
    let crowd = Crowd::new(config.max_connections_per_address);
    let door = Door {
        router,
        head_timeout: Duration::from_millis(config.head_timeout_ms),
        send_timeout: Duration::from_millis(config.send_timeout_ms),
    };
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
        let (stream, peer, tls) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "an HTTP connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Everybody else's connections are the proxy's.
        let guest = match config.is_trusted_proxy(peer.ip()) {
            true => None,
            false => {
                let Some(guest) = crowd.enter(Source::of(peer.ip())) else {
                    metrics::counter!("yingku_http_connections_refused_total").increment(1);
                    tracing::debug!(client.address = %peer.ip(), "too many HTTP connections of one address");
                    continue;
                };
                Some(guest)
            }
        };
        let (door, watcher, shutdown) = (door.clone(), graceful.watcher(), shutdown.clone());
        tokio::spawn(async move {
            let _taken = (place, guest);
            // Answers are small; waiting for more to send only adds delay.
            let _ = stream.set_nodelay(true);
            let Some(tls) = tls else {
                return door.serve(stream, peer, Wire::Plain, watcher).await;
            };
            let opened = tokio::select! {
                () = shutdown.cancelled() => return,
                opened = timeout(door.head_timeout, tls.accept(stream)) => opened,
            };
            match opened {
                Ok(Ok((stream, certificate))) => {
                    let certificate = certificate.map(|shown| PeerCertificate(Arc::new(shown)));
                    door.serve(stream, peer, Wire::Tls(certificate), watcher).await;
                }
                Ok(Err(error)) => tracing::info!(client.address = %peer.ip(), %error, "a TLS handshake failed"),
                Err(_) => tracing::debug!(client.address = %peer.ip(), "a TLS handshake took too long"),
            }
        });
    }
    drop(listener);
    let limit = Duration::from_millis(config.drain_timeout_ms);
    if timeout(limit, pin!(graceful.shutdown())).await.is_err() {
        tracing::warn!("requests did not end in time and are dropped");
    }
}

/// What all connections share.
#[derive(Clone)]
struct Door {
    router: Live<Router>,
    head_timeout: Duration,
    send_timeout: Duration,
}

impl Door {
    async fn serve<S>(self, stream: S, peer: SocketAddr, wire: Wire, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        if let Err(error) = watcher.watch(self.connection(stream, peer, wire)).await {
            tracing::debug!(client.address = %peer.ip(), %error, "an HTTP connection broke");
        }
    }

    fn connection<S>(
        self,
        stream: S,
        peer: SocketAddr,
        wire: Wire,
    ) -> impl GracefulConnection<Error = hyper::Error> + Send + 'static
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { router, head_timeout, send_timeout } = self;
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            if let Wire::Tls(certificate) = &wire {
                request.extensions_mut().insert(OverTls);
                if let Some(certificate) = certificate {
                    request.extensions_mut().insert(certificate.clone());
                }
            }
            Arc::unwrap_or_clone(router.now()).oneshot(request)
        });
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(head_timeout)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(TokioIo::new(SendLimit::new(stream, send_timeout)), service)
    }
}
