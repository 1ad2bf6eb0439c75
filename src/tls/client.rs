//! `[peer.tls]` and `[upstream.tls]`: our end of associations and requests that we open.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_rustls::TlsConnector;

use super::files::{FileStamps, OwnCertificate, authorities, provider};
use super::signatures::Signatures;
use super::{CertificateMatch, TlsError, TlsVersion};

/// How another system is called over TLS: `[peer.tls]` below its `[[peer]]`, without which it is called in the clear, or
/// `[upstream.tls]` below its `[[upstream]]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PeerTlsConfig {
    /// PEM file with the authorities that the certificate of the one we call may come from. Default for `https`, when
    /// `fingerprint` is not set either: the authorities that the system trusts.
    pub ca_file: Option<PathBuf>,
    /// Its own certificate, as `sha256:` and its fingerprint in hex. Without `ca_file` it is all that is asked of
    /// the certificate; with it, both must be right.
    pub fingerprint: Option<CertificateMatch>,
    /// Name that the certificate must bear. Default the host that is called.
    pub server_name: Option<String>,
    /// PEM file with the certificate that we show, for those that ask for one.
    pub certificate_file: Option<PathBuf>,
    /// PEM file with its private key.
    pub key_file: Option<PathBuf>,
    /// Oldest version of TLS: `1.2` or `1.3`. Default `1.2`.
    pub min_version: TlsVersion,
}

/// Our end towards one peer, ready for use.
#[derive(Clone)]
pub struct ClientTls {
    /// Shakes hands.
    pub connector: TlsConnector,
    /// What the certificate must bear.
    pub server_name: ServerName<'static>,
}

/// Keys of the configuration, for errors.
struct Keys {
    ca_file: &'static str,
    server_name: &'static str,
    certificate_file: &'static str,
    key_file: &'static str,
}

const PEER: Keys = Keys {
    ca_file: "peer.tls.ca_file",
    server_name: "peer.tls.server_name must be a host name or an address",
    certificate_file: "peer.tls.certificate_file",
    key_file: "peer.tls.key_file",
};
const UPSTREAM: Keys = Keys {
    ca_file: "upstream.tls.ca_file",
    server_name: "upstream.tls.server_name must be a host name or an address",
    certificate_file: "upstream.tls.certificate_file",
    key_file: "upstream.tls.key_file",
};

impl PeerTlsConfig {
    /// Our end of an association. The files are read for each one, so that a renewed certificate needs no restart.
    pub fn load(&self, host: &str) -> Result<ClientTls, TlsError> {
        let name = self.server_name.as_deref().unwrap_or(host);
        let server_name = ServerName::try_from(name.to_owned()).map_err(|_| TlsError::Incomplete(PEER.server_name))?;
        let by_authority = self.by_authority(&PEER)?;
        if by_authority.is_none() && self.pinned().is_none() {
            return Err(TlsError::Incomplete("peer.tls needs ca_file, or fingerprint = \"sha256:…\""));
        }
        let config = self.config(&PEER, by_authority, None)?;
        Ok(ClientTls { connector: TlsConnector::from(Arc::new(config)), server_name })
    }

    /// Our end of HTTPS requests; the system's authorities when neither `ca_file` nor `fingerprint` is set.
    pub fn load_https(&self) -> Result<ClientConfig, TlsError> {
        let expected = match &self.server_name {
            Some(name) => {
                Some(ServerName::try_from(name.clone()).map_err(|_| TlsError::Incomplete(UPSTREAM.server_name))?)
            }
            None => None,
        };
        let by_authority: Option<Arc<dyn ServerCertVerifier>> = match self.by_authority(&UPSTREAM)? {
            None if self.pinned().is_none() => Some(Arc::new(rustls_platform_verifier::Verifier::new(provider())?)),
            verifier => verifier,
        };
        let mut config = self.config(&UPSTREAM, by_authority, expected)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Tells whether the files have changed.
    pub fn stamps(&self) -> FileStamps {
        FileStamps::of([&self.ca_file, &self.certificate_file, &self.key_file])
    }

    fn pinned(&self) -> Option<[u8; 32]> {
        self.fingerprint.as_ref().and_then(CertificateMatch::fingerprint)
    }

    fn by_authority(&self, keys: &Keys) -> Result<Option<Arc<dyn ServerCertVerifier>>, TlsError> {
        let Some(path) = &self.ca_file else { return Ok(None) };
        let roots = authorities(keys.ca_file, path)?;
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider()).build();
        let refused = |error: rustls::server::VerifierBuilderError| TlsError::File {
            key: keys.ca_file,
            path: path.clone(),
            reason: error.to_string(),
        };
        Ok(Some(verifier.map_err(refused)?))
    }

    fn config(
        &self,
        keys: &Keys,
        by_authority: Option<Arc<dyn ServerCertVerifier>>,
        expected: Option<ServerName<'static>>,
    ) -> Result<ClientConfig, TlsError> {
        let own =
            OwnCertificate::read((keys.certificate_file, &self.certificate_file), (keys.key_file, &self.key_file))?;
        let provider = provider();
        let signatures = Signatures::of(&provider);
        let verifier = Arc::new(Called { by_authority, pinned: self.pinned(), expected, signatures });
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(self.min_version.allowed())?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        Ok(match own {
            Some(own) => builder.with_client_auth_cert(own.chain, own.key)?,
            None => builder.with_no_client_auth(),
        })
    }
}

/// Checks the certificate of one that we call: by its authority and name, by its fingerprint, or by all of them.
#[derive(Debug)]
struct Called {
    by_authority: Option<Arc<dyn ServerCertVerifier>>,
    pinned: Option<[u8; 32]>,
    /// The name to bear when it is not that of the host that is called.
    expected: Option<ServerName<'static>>,
    signatures: Signatures,
}

impl ServerCertVerifier for Called {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.pinned.is_some_and(|pinned| pinned != super::certificate::fingerprint(end_entity)) {
            return Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
        }
        let server_name = self.expected.as_ref().unwrap_or(server_name);
        match &self.by_authority {
            Some(verifier) => verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now),
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.tls12(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.tls13(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.schemes()
    }
}
