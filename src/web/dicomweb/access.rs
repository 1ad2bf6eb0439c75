//! Who calls, and what they may do.
//!
//! A system says the key of its `[[client]]` as a bearer token, or id and key by HTTP Basic; keys are compared in constant
//! time, with every client's. One that is bound to a certificate shows it over TLS and need say nothing. A session's id
//! stands in the path.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, RawPathParams, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use ipnet::IpNet;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use super::config::DicomwebConfig;
use super::problem::Problem;
use crate::archive::Archive;
use crate::archive::images::image_access::{ImageAccess, ImageReader};
use crate::archive::peers::find::Reads;
use crate::archive::peers::send_data_set::Sending;
use crate::dicom::text::Charset;
use crate::domain::{Actor, ActorKind};
use crate::tls::{CertificateMatch, PeerCertificate};
use crate::web::HttpConfig;
use crate::web::pages::PagesState;

/// A system that may use DICOMweb.
#[derive(Clone)]
pub struct DicomwebClient {
    /// Its id.
    pub id: String,
    /// Its key; empty when its certificate is enough.
    pub key: String,
    /// The certificates of which it must show one; empty for none.
    pub certificate: Vec<CertificateMatch>,
    /// Networks from which it calls; empty for any.
    pub networks: Vec<IpNet>,
    /// Whose data it may see.
    pub reads: Reads,
    /// The organisation that it stores for, when it may store.
    pub stores_for: Option<String>,
}

impl std::fmt::Debug for DicomwebClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DicomwebClient").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Shared by all handlers; a cheap clone.
#[derive(Debug, Clone)]
pub struct DicomwebState(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) archive: Archive,
    pub(super) access: ImageAccess,
    pub(super) config: DicomwebConfig,
    pub(super) charset: Charset,
    pub(super) retrieves: Arc<Semaphore>,
    pub(super) sending: Sending,
    pub(super) stores: Arc<Semaphore>,
    clients: Vec<DicomwebClient>,
    pages: PagesState,
    public_url: String,
}

/// Whoever made a request.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// With what right it reads.
    pub(super) reader: ImageReader,
    /// The organisation that it stores for, when it may store, and who it is.
    pub(super) stores_for: Option<(String, Actor)>,
    /// The address of the services as the caller has it, without a slash at its end.
    pub(super) root: String,
}

impl Caller {
    /// Refuses objects to those who may look at images and not keep them.
    pub(super) fn check_may_keep(&self) -> Result<(), Problem> {
        match self.may_keep() {
            true => Ok(()),
            false => Err(Problem::new(StatusCode::FORBIDDEN, "Objects are not given to this session.")),
        }
    }

    /// Whether it may keep objects.
    pub(super) fn may_keep(&self) -> bool {
        match &self.reader {
            ImageReader::Session { session, .. } => session.scope.may_keep_images(),
            ImageReader::System { .. } => true,
        }
    }
}

impl DicomwebState {
    /// Puts the services together; they draw with the turns of the pages.
    pub fn new(
        archive: Archive,
        http: &HttpConfig,
        config: DicomwebConfig,
        default_charset: Charset,
        clients: Vec<DicomwebClient>,
        pages: PagesState,
    ) -> Self {
        let permits = |number: usize| Arc::new(Semaphore::new(number.clamp(1, Semaphore::MAX_PERMITS)));
        Self(Arc::new(Inner {
            archive,
            access: ImageAccess::new(config.limits(default_charset.clone()), pages.viewer()),
            charset: default_charset,
            retrieves: permits(config.max_concurrent_retrieves),
            sending: Sending::new(config.send.clone()),
            stores: permits(config.max_concurrent_stores),
            config,
            clients,
            pages,
            public_url: http.public_url.trim_end_matches('/').to_owned(),
        }))
    }
}

/// Finds the caller and puts it into the request; nobody comes past it unknown.
pub(super) async fn enter(
    State(DicomwebState(inner)): State<DicomwebState>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    parameters: RawPathParams,
    mut request: Request,
    next: Next,
) -> Response {
    let session = parameters.iter().find(|(name, _)| *name == "session").map(|(_, id)| id.to_owned());
    let remote_addr = peer.ip().to_canonical();
    let caller = match session {
        Some(id) => inner.session(&id, remote_addr).await,
        None => inner.system(request.headers(), request.extensions().get(), remote_addr).await,
    };
    match caller {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

impl Inner {
    async fn session(&self, id: &str, address: IpAddr) -> Result<Caller, Problem> {
        let Some(session) = self.pages.session(id).await? else {
            return Err(Problem::new(StatusCode::FORBIDDEN, "The session has ended."));
        };
        let reader = ImageReader::Session { session: Box::new(session), remote_addr: address.to_string() };
        Ok(Caller { reader, stores_for: None, root: format!("{}/t/{id}/dicom-web", self.public_url) })
    }

    async fn system(
        &self,
        headers: &HeaderMap,
        certificate: Option<&PeerCertificate>,
        address: IpAddr,
    ) -> Result<Caller, Problem> {
        let Some(client) = known_client(&self.clients, headers, certificate, address) else {
            self.archive.note_refused_reader(&self.access, &address.to_string()).await?;
            return Err(Problem::unauthorized());
        };
        let actor = Actor {
            kind: ActorKind::Client,
            name: client.id.clone(),
            user_id: String::new(),
            remote_addr: address.to_string(),
        };
        Ok(Caller {
            stores_for: client.stores_for.clone().map(|organization| (organization, actor.clone())),
            reader: ImageReader::System { actor, readable: self.archive.readable(&client.reads) },
            root: format!("{}/dicom-web", self.public_url),
        })
    }
}

/// The client whose key was said, or whose certificate was shown when nothing was said, from an address of its own. All
/// keys are compared, whichever fits.
fn known_client<'c>(
    clients: &'c [DicomwebClient],
    headers: &HeaderMap,
    certificate: Option<&PeerCertificate>,
    address: IpAddr,
) -> Option<&'c DicomwebClient> {
    let from_here = |client: &DicomwebClient| {
        client.networks.is_empty() || client.networks.iter().any(|net| net.contains(&address))
    };
    let shows = |client: &DicomwebClient| certificate.is_some_and(|shown| shown.is_one_of(&client.certificate));
    if !headers.contains_key(AUTHORIZATION) {
        let mut bound = clients.iter().filter(|client| shows(client) && from_here(client));
        // A certificate that fits two is nobody's.
        return bound.next().filter(|_| bound.next().is_none());
    }
    let (id, key) = credentials(headers)?;
    let given = Sha256::digest(&key);
    let mut found = None;
    for client in clients {
        let fits = bool::from(Sha256::digest(client.key.as_bytes()).ct_eq(&given));
        let named = id.as_ref().is_none_or(|id| *id == client.id);
        let shown = client.certificate.is_empty() || shows(client);
        if fits && named && shown && from_here(client) && !client.key.is_empty() {
            found = found.or(Some(client));
        }
    }
    found
}

/// The key, and the id when it was said.
fn credentials(headers: &HeaderMap) -> Option<(Option<String>, Vec<u8>)> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some((None, rest.trim().as_bytes().to_vec()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = base64::engine::general_purpose::STANDARD.decode(rest.trim()).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    let id = String::from_utf8(pair[..colon].to_vec()).ok()?;
    Some((Some(id), pair[colon + 1..].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients() -> Vec<DicomwebClient> {
        let client = |id: &str, networks: &[&str]| DicomwebClient {
            id: id.to_owned(),
            key: format!("key-of-{id}"),
            certificate: Vec::new(),
            networks: networks.iter().map(|net| net.parse().unwrap()).collect(),
            reads: Reads::default(),
            stores_for: None,
        };
        vec![client("a", &[]), client("b", &["10.0.0.0/8"])]
    }

    fn found(authorization: &str, address: &str) -> Option<String> {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, authorization.parse().unwrap())]);
        known_client(&clients(), &headers, None, address.parse().unwrap()).map(|client| client.id.clone())
    }

    #[test]
    fn a_client_is_known_by_its_certificate_unless_that_fits_two() {
        let shown = |content: &'static [u8]| {
            let certificate = rustls::pki_types::CertificateDer::from(content);
            let name = CertificateMatch::try_from(format!("sha256:{}", hex::encode(Sha256::digest(content)))).unwrap();
            (PeerCertificate(Arc::new(certificate)), name)
        };
        let ((of_a, name_a), (of_both, name_both)) = (shown(b"a"), shown(b"both"));
        let mut clients = clients();
        clients[0].certificate = vec![name_a, name_both.clone()];
        clients[1].certificate = vec![name_both];
        let found = |certificate: Option<&PeerCertificate>, key: &str, address: &str| {
            let mut headers = HeaderMap::new();
            if !key.is_empty() {
                headers.insert(AUTHORIZATION, format!("Bearer {key}").parse().unwrap());
            }
            known_client(&clients, &headers, certificate, address.parse().unwrap()).map(|client| client.id.clone())
        };
        assert_eq!(found(Some(&of_a), "", "192.0.2.1").as_deref(), Some("a"));
        assert_eq!(found(Some(&of_both), "", "10.1.1.1"), None);
        assert_eq!(found(Some(&of_both), "", "192.0.2.1").as_deref(), Some("a"), "b calls from elsewhere");
        assert_eq!(found(Some(&of_both), "key-of-b", "10.1.1.1").as_deref(), Some("b"));
        assert_eq!(found(Some(&of_a), "key-of-b", "10.1.1.1"), None, "the key of one, the certificate of another");
        assert_eq!(found(None, "key-of-a", "192.0.2.1"), None);
        assert_eq!(found(None, "", "192.0.2.1"), None);
    }

    #[test]
    fn a_client_is_known_by_its_key_and_address() {
        let basic = |pair: &str| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
        assert_eq!(found("Bearer key-of-a", "192.0.2.1").as_deref(), Some("a"));
        assert_eq!(found("bearer  key-of-b ", "10.1.1.1").as_deref(), Some("b"));
        assert_eq!(found(&basic("b:key-of-b"), "10.1.1.1").as_deref(), Some("b"));
        for (bad, address) in [
            ("Bearer key-of-b".to_owned(), "192.0.2.1"),
            ("Bearer key-of-".to_owned(), "192.0.2.1"),
            ("Bearer".to_owned(), "192.0.2.1"),
            ("Digest key-of-a".to_owned(), "192.0.2.1"),
            (basic("b:key-of-a"), "10.1.1.1"),
            (basic("a"), "10.1.1.1"),
        ] {
            assert_eq!(found(&bad, address), None, "{bad}");
        }
        assert!(!format!("{:?}", clients()).contains("key-of"));
    }
}
