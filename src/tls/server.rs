//! `[dicom.tls]` and `[http.tls]`: a listener's end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme,
    SupportedProtocolVersion,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TlsError;
use super::files::{OwnCertificate, authorities, provider};
use super::signatures::Signatures;

/// A listener with TLS, beside the one without.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// Address and port to listen on, usually port 2762 for DICOM and 443 for HTTP. Default none: no listener with TLS.
    pub listen: Option<SocketAddr>,
    /// PEM file with our certificate, followed by those that lead to its authority.
    pub certificate_file: Option<PathBuf>,
    /// PEM file with the certificate's private key.
    pub key_file: Option<PathBuf>,
    /// PEM file with the authorities that callers' certificates may come from.
    pub client_ca_file: Option<PathBuf>,
    /// Whether callers must show a certificate: `none`, `optional` or `required`. It must come from `client_ca_file` or be
    /// named by its fingerprint in `certificate` of a caller that is configured. Default `none`.
    pub client_certificate: ClientCertificate,
    /// Oldest version of TLS: `1.2` or `1.3`. Default `1.2`.
    pub min_version: TlsVersion,
    /// How often the files are looked at for a renewed certificate, in milliseconds; 0 for never. Default 60000.
    pub reload_ms: u64,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            listen: None,
            certificate_file: None,
            key_file: None,
            client_ca_file: None,
            client_certificate: ClientCertificate::None,
            min_version: TlsVersion::Tls12,
            reload_ms: 60_000,
        }
    }
}

/// Which listener it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerKind {
    /// `[dicom.tls]`
    Dicom,
    /// `[http.tls]`
    Http,
}

/// Keys of the configuration, for errors.
struct Keys {
    certificate_file: &'static str,
    key_file: &'static str,
    client_ca_file: &'static str,
    no_certificate: &'static str,
    nobody: &'static str,
}

impl ListenerKind {
    /// The section that configures it.
    pub(super) fn section(self) -> &'static str {
        match self {
            ListenerKind::Dicom => "dicom.tls",
            ListenerKind::Http => "http.tls",
        }
    }

    fn keys(self) -> Keys {
        match self {
            ListenerKind::Dicom => Keys {
                certificate_file: "dicom.tls.certificate_file",
                key_file: "dicom.tls.key_file",
                client_ca_file: "dicom.tls.client_ca_file",
                no_certificate: "dicom.tls.listen needs certificate_file and key_file",
                nobody: "dicom.tls.client_certificate needs client_ca_file, or a [[peer]] with `certificate = [\"sha256:…\"]`",
            },
            ListenerKind::Http => Keys {
                certificate_file: "http.tls.certificate_file",
                key_file: "http.tls.key_file",
                client_ca_file: "http.tls.client_ca_file",
                no_certificate: "http.tls.listen needs certificate_file and key_file",
                nobody: "http.tls.client_certificate needs client_ca_file, or a [[client]] or [[sender]] with `certificate = [\"sha256:…\"]`",
            },
        }
    }

    /// The protocol above TLS, as it is named in the handshake (RFC 7301); DICOM has no name.
    fn protocols(self) -> Vec<Vec<u8>> {
        match self {
            ListenerKind::Dicom => Vec::new(),
            ListenerKind::Http => vec![b"http/1.1".to_vec()],
        }
    }
}

/// Whether callers show certificates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificate {
    /// They are not asked.
    #[default]
    None,
    /// They are asked and may have none; a bad one is refused.
    Optional,
    /// They must.
    Required,
}

/// Versions of TLS that BCP 195 allows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.2 and 1.3.
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3 only.
    #[serde(rename = "1.3")]
    Tls13,
}

static BOTH: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

impl TlsVersion {
    pub(super) fn allowed(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            TlsVersion::Tls12 => &BOTH,
            TlsVersion::Tls13 => &BOTH[..1],
        }
    }
}

/// Reads the files. `pinned` are fingerprints of certificates that callers are known by.
pub(super) fn server_config(
    kind: ListenerKind,
    config: &TlsConfig,
    pinned: &[[u8; 32]],
) -> Result<ServerConfig, TlsError> {
    let keys = kind.keys();
    let own =
        OwnCertificate::read((keys.certificate_file, &config.certificate_file), (keys.key_file, &config.key_file))?;
    let own = own.ok_or(TlsError::Incomplete(keys.no_certificate))?;
    let provider = provider();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(config.min_version.allowed())?;
    let builder = match config.client_certificate {
        ClientCertificate::None => builder.with_no_client_auth(),
        wanted => builder.with_client_cert_verifier(Arc::new(Callers::new(
            &keys,
            config,
            wanted,
            pinned.to_vec(),
            &provider,
        )?)),
    };
    let mut server = builder.with_single_cert(own.chain, own.key)?;
    server.alpn_protocols = kind.protocols();
    // Connections last for minutes, and a caller whose certificate has been withdrawn must not come back by a ticket.
    server.send_tls13_tickets = 0;
    server.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    Ok(server)
}

/// Checks certificates of callers: by their authority, or by their fingerprint.
#[derive(Debug)]
struct Callers {
    by_authority: Option<Arc<dyn ClientCertVerifier>>,
    pinned: Vec<[u8; 32]>,
    required: bool,
    signatures: Signatures,
}

impl Callers {
    fn new(
        keys: &Keys,
        config: &TlsConfig,
        wanted: ClientCertificate,
        pinned: Vec<[u8; 32]>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        let by_authority = match &config.client_ca_file {
            Some(path) => {
                let roots = authorities(keys.client_ca_file, path)?;
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider)).build();
                let refused = |error: rustls::server::VerifierBuilderError| TlsError::File {
                    key: keys.client_ca_file,
                    path: path.clone(),
                    reason: error.to_string(),
                };
                Some(verifier.map_err(refused)?)
            }
            None if pinned.is_empty() => return Err(TlsError::Incomplete(keys.nobody)),
            None => None,
        };
        Ok(Self {
            by_authority,
            pinned,
            required: wanted == ClientCertificate::Required,
            signatures: Signatures::of(&provider),
        })
    }
}

impl ClientCertVerifier for Callers {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // A hint would keep a caller from showing a pinned certificate of its own making.
        match &self.by_authority {
            Some(verifier) if self.pinned.is_empty() => verifier.root_hint_subjects(),
            _ => &[],
        }
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.pinned.contains(&super::certificate::fingerprint(end_entity)) {
            return Ok(ClientCertVerified::assertion());
        }
        match &self.by_authority {
            Some(verifier) => verifier.verify_client_cert(end_entity, intermediates, now),
            None => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
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
