//! `[peer.tls]`: our end of associations that we open.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_rustls::TlsConnector;

use super::files::{OwnCertificate, authorities, provider};
use super::signatures::Signatures;
use super::{CertificateMatch, TlsError, TlsVersion};

/// How a peer is called over TLS. Table `[peer.tls]` below its `[[peer]]`; without it the peer is called in the clear.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PeerTlsConfig {
    /// PEM file with the authorities that the peer's certificate may come from.
    pub ca_file: Option<PathBuf>,
    /// The peer's own certificate, as `sha256:` and its fingerprint in hex. Without `ca_file` it is all that is asked of
    /// the certificate; with it, both must be right.
    pub fingerprint: Option<CertificateMatch>,
    /// Name that the certificate must bear. Default `host` of the peer.
    pub server_name: Option<String>,
    /// PEM file with the certificate that we show, for peers that ask for one.
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

impl PeerTlsConfig {
    /// Reads the files. They are read for each association, so that a renewed certificate needs no restart.
    pub fn load(&self, host: &str) -> Result<ClientTls, TlsError> {
        let name = self.server_name.as_deref().unwrap_or(host);
        let server_name = ServerName::try_from(name.to_owned())
            .map_err(|_| TlsError::Incomplete("peer.tls.server_name must be a host name or an address"))?;
        let provider = provider();
        let by_authority = match &self.ca_file {
            Some(path) => {
                let roots = authorities("peer.tls.ca_file", path)?;
                let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
                let refused = |error: rustls::server::VerifierBuilderError| TlsError::File {
                    key: "peer.tls.ca_file",
                    path: path.clone(),
                    reason: error.to_string(),
                };
                Some(verifier.map_err(refused)?)
            }
            None => None,
        };
        let pinned = self.fingerprint.as_ref().and_then(CertificateMatch::fingerprint);
        if by_authority.is_none() && pinned.is_none() {
            return Err(TlsError::Incomplete("peer.tls needs ca_file, or fingerprint = \"sha256:…\""));
        }
        let own = OwnCertificate::read(
            ("peer.tls.certificate_file", &self.certificate_file),
            ("peer.tls.key_file", &self.key_file),
        )?;
        let verifier = Arc::new(Called { by_authority, pinned, signatures: Signatures::of(&provider) });
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(self.min_version.allowed())?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match own {
            Some(own) => builder.with_client_auth_cert(own.chain, own.key)?,
            None => builder.with_no_client_auth(),
        };
        Ok(ClientTls { connector: TlsConnector::from(Arc::new(config)), server_name })
    }
}

/// Checks the certificate of a peer that we call: by its authority and name, by its fingerprint, or by all of them.
#[derive(Debug)]
struct Called {
    by_authority: Option<Arc<WebPkiServerVerifier>>,
    pinned: Option<[u8; 32]>,
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
