//! PEM files: certificates, keys, authorities.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsError;

/// A certificate with those that lead to its authority, and its key.
pub(super) struct OwnCertificate {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl OwnCertificate {
    pub(super) fn read(
        certificate: (&'static str, &Option<PathBuf>),
        key: (&'static str, &Option<PathBuf>),
    ) -> Result<Option<Self>, TlsError> {
        match (certificate.1, key.1) {
            (Some(chain), Some(path)) => {
                let chain = certificates(certificate.0, chain)?;
                let read = PrivateKeyDer::from_pem_file(path);
                let key = read.map_err(|error| bad(key.0, path, error.to_string()))?;
                Ok(Some(Self { chain, key }))
            }
            (None, None) => Ok(None),
            _ => Err(TlsError::Incomplete("certificate_file and key_file belong together")),
        }
    }
}

/// When each of some files was written last, and how long it is; `None` for one that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStamps(Vec<Option<(SystemTime, u64)>>);

impl FileStamps {
    pub(super) fn of<const N: usize>(files: [&Option<PathBuf>; N]) -> Self {
        let stamp = |path: &PathBuf| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        Self(files.into_iter().map(|file| file.as_ref().and_then(stamp)).collect())
    }
}

/// The authorities in a file.
pub(super) fn authorities(key: &'static str, path: &Path) -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(key, path)? {
        roots.add(certificate).map_err(|error| bad(key, path, error.to_string()))?;
    }
    Ok(Arc::new(roots))
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.map_err(|error| bad(key, path, error.to_string()))?;
    if found.is_empty() { Err(bad(key, path, "holds no certificate".to_owned())) } else { Ok(found) }
}

fn bad(key: &'static str, path: &Path, reason: String) -> TlsError {
    TlsError::File { key, path: path.to_owned(), reason }
}

/// The one provider of the program, also where nobody has installed it.
pub(super) fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(rustls::crypto::ring::default_provider()))
}
