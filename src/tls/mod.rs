//! TLS for the two listeners and for peers and upstreams that we call (PS3.15 annexes B.9 to B.12, BCP 195; D-R28).
//!
//! rustls offers TLS 1.2 and 1.3 with forward secrecy and authenticated encryption only, which is what BCP 195 asks
//! for; nothing weaker can be configured. A renewed certificate is taken without a restart. Revocation lists are not
//! read: a certificate is withdrawn by taking its owner, its fingerprint or its authority out of the configuration.

mod certificate;
mod client;
mod files;
mod renewal;
mod server;
mod signatures;

pub use certificate::{CertificateMatch, PeerCertificate};
pub use client::{ClientTls, PeerTlsConfig};
pub use files::FileStamps;
pub use renewal::ServerTls;
pub use server::{ClientCertificate, ListenerKind, TlsConfig, TlsVersion};

use std::path::PathBuf;

/// Why TLS cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is not what it should be.
    #[error("{key} {}: {reason}", path.display())]
    File {
        /// The key that names it.
        key: &'static str,
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A key is missing that another one asks for.
    #[error("{0}")]
    Incomplete(&'static str),
    /// rustls does not take it, e.g. a key that is not the certificate's.
    #[error("TLS: {0}")]
    Refused(#[from] rustls::Error),
}
