//! Who calls `/api/v1` and `/fhir`: the key of a `[[client]]` as a bearer token, compared in constant time.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ipnet::IpNet;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use super::config::ApiConfig;
use super::problem::{Code, Problem};
use crate::archive::Archive;
use crate::archive::reports::pull_reports::ReportReader;
use crate::archive::reports::refusals::Refusal;
use crate::domain::{Actor, ActorKind};
use crate::tls::{CertificateMatch, PeerCertificate};
use crate::web::HttpConfig;

/// A system that may pull reports.
#[derive(Clone)]
pub struct ApiClient {
    /// Its id.
    pub id: String,
    /// Its key; empty when its certificate is enough.
    pub key: String,
    /// The certificates of which it must show one; empty for none.
    pub certificate: Vec<CertificateMatch>,
    /// Networks from which it calls; empty for any.
    pub networks: Vec<IpNet>,
    /// Its own organisations; `None` for what all share.
    pub organizations: Option<Vec<String>>,
    /// Whether it sees VIP and restricted reports of others.
    pub vip: bool,
    /// Whether it may pull by time: lists without a patient, the change feed, exports.
    pub follow: bool,
    /// Whether it may record whether reports were recognised.
    pub recognitions: bool,
}

impl std::fmt::Debug for ApiClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiClient").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Shared by all handlers; a cheap clone.
#[derive(Debug, Clone)]
pub struct ApiState(pub(in crate::web) Arc<Inner>);

#[derive(Debug)]
pub(in crate::web) struct Inner {
    pub(in crate::web) archive: Archive,
    pub(in crate::web) config: ApiConfig,
    /// The server's own address, without a slash at its end.
    pub(in crate::web) public_url: String,
    pub(super) waiting: Arc<Semaphore>,
    pub(super) exports: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    clients: Vec<ApiClient>,
}

/// Whoever made a request.
#[derive(Debug, Clone)]
pub(in crate::web) struct Caller {
    pub(in crate::web) reader: ReportReader,
    pub(in crate::web) follow: bool,
    pub(super) recognitions: bool,
}

impl Caller {
    /// For what is pulled by time and not by patient.
    pub(in crate::web) fn require_follow(&self) -> Result<(), Problem> {
        if self.follow { Ok(()) } else { Err(Code::TooNarrowRight.into()) }
    }
}

impl ApiState {
    /// Puts the interfaces together.
    pub fn new(archive: Archive, http: &HttpConfig, config: ApiConfig, clients: Vec<ApiClient>) -> Self {
        let permits = |number: usize| Arc::new(Semaphore::new(number.min(Semaphore::MAX_PERMITS)));
        Self(Arc::new(Inner {
            archive,
            public_url: http.public_url.trim_end_matches('/').to_owned(),
            waiting: permits(config.max_waiting),
            exports: permits(config.max_exports),
            turns: permits(config.max_concurrent.max(1)),
            config,
            clients,
        }))
    }

    /// Whether anybody may call.
    pub fn has_clients(&self) -> bool {
        !self.0.clients.is_empty()
    }
}

impl Inner {
    /// Finds the caller; one that is not known is audited, a few times a minute.
    pub(in crate::web) async fn caller(
        &self,
        headers: &HeaderMap,
        certificate: Option<&PeerCertificate>,
        address: IpAddr,
    ) -> Result<Caller, Problem> {
        let actor = |name: &str| Actor {
            kind: ActorKind::Client,
            name: name.to_owned(),
            user_id: String::new(),
            remote_addr: address.to_string(),
        };
        let Some(client) = known_client(&self.clients, headers, certificate, address) else {
            if self.archive.note_refused_pull(actor("")).await? == Refusal::Noted {
                tracing::warn!(peer.address = %address, "a request for reports without a known key refused");
            }
            return Err(Code::Unauthorized.into());
        };
        let reader =
            ReportReader { actor: actor(&client.id), organizations: client.organizations.clone(), vip: client.vip };
        Ok(Caller { reader, follow: client.follow, recognitions: client.recognitions })
    }

    /// Lets a known caller go on, by whose name the request is answered; what goes well counts as a success of this
    /// interface.
    pub(in crate::web) async fn let_in(
        &self,
        interface: &'static str,
        peer: SocketAddr,
        mut request: Request,
        next: Next,
    ) -> Result<Response, Problem> {
        let caller = self.caller(request.headers(), request.extensions().get(), peer.ip().to_canonical()).await?;
        let client = caller.reader.actor.name.clone();
        request.extensions_mut().insert(caller);
        let response = next.run(request).await;
        if response.status().is_success() {
            self.archive.note_success(interface, &client);
        }
        Ok(response)
    }

    /// Waits for a turn at the database.
    pub(in crate::web) async fn turn(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Problem> {
        self.turns.acquire().await.map_err(|_| Code::Failed.into())
    }
}

/// Finds the caller and puts it into the request; nobody comes past it unknown.
pub(super) async fn enter(
    State(ApiState(inner)): State<ApiState>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    inner.let_in("API", peer, request, next).await.unwrap_or_else(IntoResponse::into_response)
}

/// The client whose key was said, or whose certificate was shown when nothing was said, from an address of its own. All
/// keys are compared, whichever fits.
fn known_client<'c>(
    clients: &'c [ApiClient],
    headers: &HeaderMap,
    certificate: Option<&PeerCertificate>,
    address: IpAddr,
) -> Option<&'c ApiClient> {
    let from_here =
        |client: &ApiClient| client.networks.is_empty() || client.networks.iter().any(|net| net.contains(&address));
    let shows = |client: &ApiClient| certificate.is_some_and(|shown| shown.is_one_of(&client.certificate));
    if !headers.contains_key(AUTHORIZATION) {
        let mut bound = clients.iter().filter(|client| shows(client) && from_here(client));
        // A certificate that fits two is nobody's.
        return bound.next().filter(|_| bound.next().is_none());
    }
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let given = Sha256::digest(key.trim().as_bytes());
    let mut found = None;
    for client in clients {
        let fits = bool::from(Sha256::digest(client.key.as_bytes()).ct_eq(&given));
        let shown = client.certificate.is_empty() || shows(client);
        if fits && shown && from_here(client) && !client.key.is_empty() {
            found = found.or(Some(client));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_known_by_its_key_and_address() {
        let client = |id: &str, networks: &[&str]| ApiClient {
            id: id.to_owned(),
            key: format!("key-of-{id}"),
            certificate: Vec::new(),
            networks: networks.iter().map(|net| net.parse().unwrap()).collect(),
            organizations: None,
            vip: false,
            follow: false,
            recognitions: false,
        };
        let clients = [client("a", &[]), client("b", &["10.0.0.0/8"])];
        let found = |authorization: &str, address: &str| {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, authorization.parse().unwrap())]);
            known_client(&clients, &headers, None, address.parse().unwrap()).map(|client| client.id.clone())
        };
        assert_eq!(found("Bearer key-of-a", "192.0.2.1").as_deref(), Some("a"));
        assert_eq!(found("bearer key-of-b", "10.1.1.1").as_deref(), Some("b"));
        for (bad, address) in [
            ("Bearer key-of-b", "192.0.2.1"),
            ("Bearer key-of-", "10.1.1.1"),
            ("Basic key-of-a", "10.1.1.1"),
            ("x", "10.1.1.1"),
        ] {
            assert_eq!(found(bad, address), None, "{bad}");
        }
        assert!(!format!("{clients:?}").contains("key-of"));
    }
}
