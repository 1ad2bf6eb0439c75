//! `GET` and `POST` of `IAutoReport.asmx`: extract, authenticate, call, render.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::BytesMut;
use futures_util::StreamExt;

use super::bus;
use super::callers::{APP_ID, Client, Sender, Shown};
use super::config::{ClientConfig, ConfigError, RegistryConfig, SenderConfig};
use super::kept::{body_without, may_be_credential};
use super::read::{self, Ask, Incoming, Method, OPERATIONS, Target, Wire};
use super::turns::Turns;
use super::upload::{self, Upload};
use super::visit::Visit;
use crate::archive::Archive;
use crate::archive::reports::report_codes::Code;
use crate::domain::organization::Organization;
use crate::soap::{Service, Version, envelope};
use crate::tls::PeerCertificate;

const FILE: &str = "IAutoReport.asmx";

/// What the service is made of.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `[registry]`.
    pub registry: RegistryConfig,
    /// `[[sender]]`.
    pub senders: Vec<SenderConfig>,
    /// `[[client]]`.
    pub clients: Vec<ClientConfig>,
    /// `[[organization]]`.
    pub organizations: Vec<Organization>,
    /// The server's address as callers see it, without a path.
    pub public_url: String,
}

impl Settings {
    /// Everything because of which the service cannot be offered with these settings.
    pub fn check(&self) -> Vec<ConfigError> {
        self.callers().2
    }

    /// The senders, when the service can be offered.
    pub(super) fn registry_senders(&self) -> Result<Vec<Sender>, ConfigError> {
        let (senders, _, errors) = self.callers();
        errors.into_iter().next().map_or(Ok(senders), Err)
    }

    fn callers(&self) -> (Vec<Sender>, Vec<Client>, Vec<ConfigError>) {
        let config = &self.registry;
        let known: BTreeSet<String> = self.organizations.iter().map(|organization| organization.code.clone()).collect();
        let mut errors = path_errors(config);
        if config.max_items == 0 {
            errors.push(ConfigError::Zero("max_items"));
        }
        if config.max_body_bytes == 0 {
            errors.push(ConfigError::Zero("max_body_bytes"));
        }
        if config.max_unknown_body_bytes == 0 {
            errors.push(ConfigError::Zero("max_unknown_body_bytes"));
        }
        let other = config.services.values().filter(|service| !bus::is_service(service));
        errors.extend(other.map(|service| ConfigError::Service(service.clone())));
        unique(self.senders.iter().map(|sender| ("sender", sender.name.as_str())), &mut errors);
        unique(self.clients.iter().map(|client| ("client", client.id.as_str())), &mut errors);
        let senders = good(self.senders.iter().map(|s| Sender::new(s.clone(), config, &known)), &mut errors);
        let clients = good(self.clients.iter().cloned().map(Client::new), &mut errors);
        (senders, clients, errors)
    }
}

/// Routes that the server has for itself: two services on one of them would end the program at its start.
const RESERVED: [&[&str]; 11] = [
    &["livez"],
    &["ops"],
    &["readyz"],
    &["metrics"],
    &["q"],
    &["t"],
    &["static"],
    &["dicom-web"],
    &["wado"],
    &["fhir"],
    &["api", "v1"],
];

fn is_reserved(path: &str) -> bool {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let begins = |own: &[&str]| {
        parts.len() >= own.len() && own.iter().zip(&parts).all(|(own, part)| own.eq_ignore_ascii_case(part))
    };
    RESERVED.iter().any(|own| begins(own))
}

fn path_errors(config: &RegistryConfig) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    let mut seen = BTreeSet::new();
    for path in config.aliases.iter().chain([&config.path_prefix]) {
        if !path.starts_with('/') || path.contains(['{', '}', '*']) || path.contains("/:") {
            errors.push(ConfigError::Path(path.clone()));
        } else if is_reserved(path) {
            errors.push(ConfigError::Reserved(path.clone()));
        }
    }
    for alias in config.aliases.iter().filter(|alias| !seen.insert(alias.as_str())) {
        errors.push(ConfigError::Alias(alias.clone()));
    }
    errors
}

fn good<T>(results: impl Iterator<Item = Result<T, ConfigError>>, errors: &mut Vec<ConfigError>) -> Vec<T> {
    results.filter_map(|result| result.map_err(|error| errors.push(error)).ok()).collect()
}

#[derive(Debug)]
pub(super) struct Registry {
    pub(super) archive: Archive,
    pub(super) config: RegistryConfig,
    pub(super) senders: Vec<Sender>,
    pub(super) clients: Vec<Client>,
    pub(super) public_url: String,
    location: String,
    turns: Turns,
}

/// The service's routes. The listener must tell the peer's address (`into_make_service_with_connect_info`).
pub fn router(archive: Archive, settings: Settings) -> Result<Router, ConfigError> {
    let (senders, clients, errors) = settings.callers();
    if let Some(error) = errors.into_iter().next() {
        return Err(error);
    }
    let Settings { registry: config, public_url, .. } = settings;
    let prefix = config.path_prefix.trim_end_matches('/').to_owned();
    let location = format!("{}{prefix}/{FILE}", public_url.trim_end_matches('/'));
    let turns = Turns::new(&config);
    // Callers were made for IIS, which does not mind case: the file is compared without it, the folder has three spellings.
    let capitals: String = prefix.split_inclusive(['/', '.']).map(capital).collect();
    let folders: BTreeSet<String> = [prefix.clone(), prefix.to_lowercase(), prefix.to_uppercase(), capitals].into();
    let aliases = config.aliases.clone();
    let registry = Arc::new(Registry { archive, config, senders, clients, public_url, location, turns });
    let mut router = Router::new();
    for folder in folders {
        router = router
            .route(&format!("{folder}/{{file}}"), get(describe).post(call))
            .route(&format!("{folder}/{{file}}/{{method}}"), get(only_post).post(call));
    }
    for alias in aliases {
        router = router.route(&alias, get(describe).post(call));
    }
    Ok(router.with_state(registry))
}

fn unique<'n>(names: impl Iterator<Item = (&'static str, &'n str)>, errors: &mut Vec<ConfigError>) {
    let mut seen = BTreeSet::new();
    for (kind, name) in names {
        if name.trim().is_empty() || !seen.insert(name) {
            errors.push(ConfigError::Name(format!("{kind} \"{name}\"")));
        }
    }
}

fn capital(part: &str) -> String {
    let mut letters = part.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

type Place = Option<Path<Vec<(String, String)>>>;

/// The last two parts of the path, when the route has them.
fn named(place: &Place, name: &str) -> Option<String> {
    place.as_ref()?.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
}

fn is_service(place: &Place) -> bool {
    named(place, "file").is_none_or(|file| file.eq_ignore_ascii_case(FILE))
}

async fn describe(State(registry): State<Arc<Registry>>, place: Place, uri: Uri) -> Response {
    if !is_service(&place) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let operations = [&OPERATIONS[..], &bus::ENTRIES].concat();
    let service = Service {
        name: "IAutoReport",
        namespace: &registry.config.namespace,
        location: &registry.location,
        operations: &operations,
    };
    match uri.query().map(str::to_ascii_lowercase).as_deref() {
        Some("wsdl" | "singlewsdl") => reply(StatusCode::OK, "text/xml; charset=utf-8", service.wsdl()),
        _ => reply(StatusCode::OK, "text/html; charset=utf-8", service.page()),
    }
}

/// Parameters in a URL end in logs; patients are not asked for that way.
async fn only_post() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, [("allow", "POST")], "use POST").into_response()
}

async fn call(State(registry): State<Arc<Registry>>, place: Place, request: Request) -> Response {
    let name = named(&place, "method");
    let method = name.as_deref().and_then(Method::parse);
    if !is_service(&place) || name.is_some_and(|name| method.is_none() && !bus::is_entry(&name)) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let Some(_turn) = registry.turns.request().await else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let (mut parts, body) = request.into_parts();
    let address = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
    let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let content_type = parts.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let certificate = parts.extensions.get::<PeerCertificate>().cloned();
    let most = most_bytes(&registry, address, certificate.as_ref(), &parts.headers, &content_type);
    let mut whole = BytesMut::new();
    let collected = collect(body, &registry.config, most, &mut whole).await;
    let body = whole.freeze();
    if let Err(status) = collected {
        let version = envelope::version_of("", &content_type);
        let code = if status == StatusCode::PAYLOAD_TOO_LARGE { Code::TooLarge } else { Code::Unreadable };
        let wire = Wire::Soap { version, namespace: registry.config.namespace.clone() };
        let (headers, files) = (&parts.headers, Vec::new());
        let bus = None;
        let visit = Visit { registry: &registry, address, certificate, headers, content_type, body, wire, bus, files };
        visit.keep_beginning(code).await;
        return fault(status, version, code.text());
    }
    let Upload { body, content_type, files } = split(body, content_type).await;
    let _memory = registry.turns.memory(body.len(), &registry.config).await;
    let incoming = {
        let (registry, body, content_type) = (registry.clone(), body.clone(), content_type.clone());
        let target = Target { method, path: parts.uri.path().to_owned() };
        let read = move || read::read(&body, &content_type, &target, &registry.config);
        tokio::task::spawn_blocking(read).await
    };
    // A reader that panics has met a message that it cannot read; the message is kept for whoever mends it.
    let Incoming { wire, bus, ask } = incoming.unwrap_or_else(|_| Incoming {
        wire: Wire::Soap { version: Version::Soap11, namespace: registry.config.namespace.clone() },
        bus: None,
        ask: Ask::Nothing(Code::Unreadable, Code::Unreadable.text()),
    });
    let body = match &bus {
        Some(bus) => {
            // What the bus says of the caller is as good as what a header of HTTP says of it.
            let credential = bus.header.credential.as_str();
            let proof = HeaderValue::from_str(credential).ok().filter(|_| may_be_credential(credential));
            if let (Some(proof), false) = (proof, parts.headers.contains_key(APP_ID)) {
                parts.headers.insert(APP_ID, proof);
            }
            body_without(body, credential).await
        }
        None => body,
    };
    let headers = &parts.headers;
    let visit = Visit { registry: &registry, address, certificate, headers, content_type, body, wire, bus, files };
    match ask {
        Ask::Register(batch) => visit.register(batch).await,
        Ask::Find(method, query) => visit.find(method, query).await,
        Ask::Nothing(code, reason) => visit.nothing(code, reason).await,
        Ask::ByBus(..) => visit.nothing(Code::Unreadable, Code::Unreadable.text()).await,
    }
}

/// How long the body may be. Files are larger than messages, and are taken from those only who may register; whoever can be
/// no sender has little to say.
fn most_bytes(
    registry: &Registry,
    address: IpAddr,
    certificate: Shown<'_>,
    headers: &HeaderMap,
    content_type: &str,
) -> usize {
    let RegistryConfig { max_body_bytes, max_upload_bytes, max_unknown_body_bytes, .. } = registry.config;
    let mut senders = registry.senders.iter();
    if senders.any(|sender| sender.is_caller(address, certificate, headers)) {
        return if upload::is_upload(content_type) { max_upload_bytes.max(max_body_bytes) } else { max_body_bytes };
    }
    let mut senders = registry.senders.iter();
    match senders.any(|sender| sender.may_be_caller(address, certificate, headers)) {
        true => max_body_bytes,
        false => max_body_bytes.min(max_unknown_body_bytes),
    }
}

/// Takes a body with files apart, which means to look through all of it.
async fn split(body: Bytes, content_type: String) -> Upload {
    if !upload::is_upload(&content_type) {
        return Upload { body, content_type, files: Vec::new() };
    }
    let whole = Upload { body: body.clone(), content_type: content_type.clone(), files: Vec::new() };
    tokio::task::spawn_blocking(move || upload::split(body, content_type)).await.unwrap_or(whole)
}

/// The body, within its size and its time: a caller who never ends would hold one of the turns.
async fn collect(body: Body, config: &RegistryConfig, most: usize, whole: &mut BytesMut) -> Result<(), StatusCode> {
    let time = Duration::from_millis(config.body_timeout_ms);
    let collected = tokio::time::timeout(time, bounded(body, most, whole)).await;
    collected.map_err(|_| StatusCode::REQUEST_TIMEOUT)?
}

/// Read piece by piece, since `axum::body::to_bytes` does not tell a long body from a cut one.
async fn bounded(body: Body, limit: usize, whole: &mut BytesMut) -> Result<(), StatusCode> {
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| StatusCode::BAD_REQUEST)?;
        if whole.len() + piece.len() > limit {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(())
}

pub(super) fn fault(status: StatusCode, version: Version, reason: &str) -> Response {
    reply(status, envelope::content_type(version), envelope::fault(version, reason))
}

pub(super) fn reply(status: StatusCode, content_type: &'static str, body: String) -> Response {
    (status, [(CONTENT_TYPE, content_type), (X_CONTENT_TYPE_OPTIONS, "nosniff")], body).into_response()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_path_of_the_servers_own_is_refused_and_its_neighbours_are_not() {
        let refused = |path: &str| {
            let config = RegistryConfig { aliases: vec![path.to_owned()], ..RegistryConfig::default() };
            matches!(path_errors(&config).as_slice(), [ConfigError::Reserved(told)] if told == path)
        };
        for path in ["/t/report", "/FHIR/report", "/api/v1/report", "/api/v1", "/wado"] {
            assert!(refused(path), "{path}");
        }
        for path in ["/api/report", "/api/v10/report", "/tt/report", "/report/t"] {
            assert!(!refused(path), "{path}");
        }
    }

    #[tokio::test]
    async fn d_r33_only_a_body_over_the_limit_is_too_large_and_a_cut_one_is_bad() {
        let config = RegistryConfig { max_body_bytes: 4, ..RegistryConfig::default() };
        let of = |pieces: Vec<io::Result<&'static str>>| Body::from_stream(futures_util::stream::iter(pieces));

        let read = async |pieces| {
            let mut whole = BytesMut::new();
            collect(of(pieces), &config, 4, &mut whole).await.map(|()| whole.freeze())
        };
        let whole = read(vec![Ok("ab"), Ok("cd")]).await;
        let long = read(vec![Ok("abcd"), Ok("e")]).await;
        let cut = read(vec![Ok("ab"), Err(io::Error::other("reset"))]).await;

        assert_eq!(whole, Ok(Bytes::from_static(b"abcd")));
        assert_eq!(long, Err(StatusCode::PAYLOAD_TOO_LARGE));
        assert_eq!(cut, Err(StatusCode::BAD_REQUEST));
    }
}
