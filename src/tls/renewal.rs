//! A listener's end, with the certificate that stands in its files now.
//!
//! Certificates live for months or weeks and are renewed by programs; a restart would break every association. So the files
//! are looked at from time to time, when somebody calls, and a set that cannot be used leaves the old one in place.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::files::FileStamps;
use super::server::{ListenerKind, TlsConfig, server_config};
use super::{CertificateMatch, TlsError};

/// The listener's end, ready for use; a cheap clone.
#[derive(Clone)]
pub struct ServerTls {
    /// Where to listen.
    pub listen: SocketAddr,
    renewed: Arc<Renewed>,
}

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerTls").field("listen", &self.listen).finish_non_exhaustive()
    }
}

struct Renewed {
    kind: ListenerKind,
    config: TlsConfig,
    pinned: Vec<[u8; 32]>,
    current: Mutex<Current>,
}

struct Current {
    acceptor: TlsAcceptor,
    stamps: FileStamps,
    looked_at: Instant,
}

impl ServerTls {
    /// Reads the files; `None` when there is no listener with TLS. `pinned` are the certificates that callers are known by.
    pub fn load<'a>(
        kind: ListenerKind,
        config: &TlsConfig,
        pinned: impl Iterator<Item = &'a CertificateMatch>,
    ) -> Result<Option<Self>, TlsError> {
        let Some(listen) = config.listen else { return Ok(None) };
        let pinned: Vec<_> = pinned.filter_map(CertificateMatch::fingerprint).collect();
        let stamps = stamps(config);
        let acceptor = TlsAcceptor::from(Arc::new(server_config(kind, config, &pinned)?));
        let current = Mutex::new(Current { acceptor, stamps, looked_at: Instant::now() });
        Ok(Some(Self { listen, renewed: Arc::new(Renewed { kind, config: config.clone(), pinned, current }) }))
    }

    /// Shakes hands; tells the certificate that the caller has shown and that has been verified.
    pub async fn accept(
        &self,
        stream: TcpStream,
    ) -> io::Result<(TlsStream<TcpStream>, Option<CertificateDer<'static>>)> {
        let stream = self.acceptor().await.accept(stream).await?;
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).cloned();
        Ok((stream, certificate))
    }

    async fn acceptor(&self) -> TlsAcceptor {
        let every = Duration::from_millis(self.renewed.config.reload_ms);
        {
            let mut current = self.renewed.current();
            if every.is_zero() || current.looked_at.elapsed() < every {
                return current.acceptor.clone();
            }
            // Set before the look, so that one caller looks and not all of them.
            current.looked_at = Instant::now();
        }
        let renewed = Arc::clone(&self.renewed);
        if let Err(error) = tokio::task::spawn_blocking(move || renewed.look()).await {
            tracing::error!(%error, "the certificate's files could not be looked at");
        }
        self.renewed.current().acceptor.clone()
    }
}

impl Renewed {
    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self) {
        let stamps = stamps(&self.config);
        if stamps == self.current().stamps {
            return;
        }
        let read = server_config(self.kind, &self.config, &self.pinned);
        let mut current = self.current();
        // Also after an error: the next attempt is for files that have changed once more.
        current.stamps = stamps;
        match read {
            Ok(config) => {
                current.acceptor = TlsAcceptor::from(Arc::new(config));
                tracing::info!(tls.listener = self.kind.section(), "a renewed certificate is in use");
            }
            Err(error) => tracing::error!(
                tls.listener = self.kind.section(), %error,
                "renewed certificate files cannot be used; the certificate from before stays in use"
            ),
        }
    }
}

fn stamps(config: &TlsConfig) -> FileStamps {
    FileStamps::of([&config.certificate_file, &config.key_file, &config.client_ca_file])
}
