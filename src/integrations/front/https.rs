//! The HTTP client of an upstream, with its certificates; made again when their files change, so that a renewed
//! certificate needs no restart.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::{Client, redirect};

use super::config::UpstreamConfig;
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
    pub(super) fn new(config: &UpstreamConfig) -> Result<Self, String> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let connect_timeout = Duration::from_millis(config.timeout_ms.max(1));
        // Before the files are read: what changes meanwhile is seen by the next look.
        let stamps = config.tls.as_ref().map(PeerTlsConfig::stamps);
        let client = client(connect_timeout, config.tls.as_ref());
        let client = client.map_err(|error| format!("upstream {}: {error}", config.name))?;
        let current = Mutex::new(Current { client, stamps });
        let (upstream, tls) = (config.name.clone(), config.tls.clone());
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
