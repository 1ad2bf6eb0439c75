//! The HTTP client of an upstream, with its certificates, made again when their files change, so that a renewed
//! certificate needs no restart; and what all requests to upstreams have in common.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder, Response, StatusCode, redirect};

use crate::tls::{FileStamps, PeerTlsConfig};

/// A cheap clone; clones share the client.
#[derive(Debug, Clone)]
pub(super) struct RenewedClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    upstream: String,
    connect_timeout: Duration,
    tls: Option<PeerTlsConfig>,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    client: Client,
    stamps: Option<FileStamps>,
}

impl RenewedClient {
    pub(super) fn new(upstream: &str, connect_timeout: Duration, tls: Option<&PeerTlsConfig>) -> Result<Self, String> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Before the files are read: what changes meanwhile is seen by the next look.
        let stamps = tls.map(PeerTlsConfig::stamps);
        let client = client(connect_timeout, tls).map_err(|error| format!("upstream {upstream}: {error}"))?;
        let current = Mutex::new(Current { client, stamps });
        let (upstream, tls) = (upstream.to_owned(), tls.cloned());
        Ok(Self(Arc::new(Inner { upstream, connect_timeout, tls, current })))
    }

    /// The client for the next request.
    pub(super) async fn get(&self) -> Client {
        if self.0.tls.is_some() {
            let inner = Arc::clone(&self.0);
            if let Err(error) = tokio::task::spawn_blocking(move || inner.look()).await {
                tracing::error!(%error, "the certificates of an upstream could not be looked at");
            }
        }
        self.0.current().client.clone()
    }
}

impl Inner {
    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self) {
        let stamps = self.tls.as_ref().map(PeerTlsConfig::stamps);
        if stamps == self.current().stamps {
            return;
        }
        let made = client(self.connect_timeout, self.tls.as_ref());
        let mut current = self.current();
        // Also after an error: the next attempt is for files that have changed once more.
        current.stamps = stamps;
        match made {
            Ok(client) => {
                current.client = client;
                tracing::info!(upstream.name = %self.upstream, "renewed certificates are in use");
            }
            Err(error) => tracing::error!(
                upstream.name = %self.upstream, error,
                "renewed certificate files cannot be used; those from before stay in use"
            ),
        }
    }
}

fn client(connect_timeout: Duration, tls: Option<&PeerTlsConfig>) -> Result<Client, String> {
    let builder = Client::builder().connect_timeout(connect_timeout).redirect(redirect::Policy::none());
    let builder = match tls {
        Some(tls) => builder.tls_backend_preconfigured(tls.load_https().map_err(|error| error.to_string())?),
        None => builder,
    };
    builder.build().map_err(|error| error.to_string())
}

/// Why a request has no answer.
#[derive(Debug)]
pub(super) struct NoAnswer {
    /// The causes, without the address, which may hold a secret.
    pub(super) reason: String,
    /// Whether nobody was there at all: then it was not the request.
    pub(super) is_away: bool,
}

impl NoAnswer {
    fn of(error: &reqwest::Error) -> Self {
        let is_away = error.is_connect();
        let mut reason = String::from(if is_away { "no connection" } else { "the request failed" });
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            reason = format!("{reason}: {inner}");
            cause = inner.source();
        }
        Self { reason, is_away }
    }
}

/// Sends a request; status and text of the answer, if that is not too long.
pub(super) async fn answer(request: RequestBuilder, max_bytes: usize) -> Result<(StatusCode, Vec<u8>), NoAnswer> {
    let mut response: Response = request.send().await.map_err(|error| NoAnswer::of(&error))?;
    let (status, mut text) = (response.status(), Vec::new());
    while let Some(bytes) = response.chunk().await.map_err(|error| NoAnswer::of(&error))? {
        if text.len() + bytes.len() > max_bytes {
            let reason = format!("the answer is longer than {max_bytes} bytes");
            return Err(NoAnswer { reason, is_away: false });
        }
        text.extend_from_slice(&bytes);
    }
    Ok((status, text))
}

/// Returns when nothing has left for too long, `last` being when something did; the upstream has the same time again to
/// answer.
pub(super) async fn silence(last: impl Fn() -> Instant, timeout: Duration) {
    loop {
        let until = last() + timeout * 2;
        if until <= Instant::now() {
            return;
        }
        tokio::time::sleep_until(until.into()).await;
    }
}
