//! `GET` and `POST` of `IAutoReport.asmx`: extract, authenticate, call, render.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use tokio::sync::Semaphore;

use super::acknowledge;
use super::answer::{self, Extent};
use super::batch::Batch;
use super::callers::{Client, Sender, client_of};
use super::config::{Acknowledgement, ClientConfig, ConfigError, RegistryConfig, SenderConfig};
use super::read::{self, Ask, Incoming, Method, OPERATIONS, Query, Wire};
use crate::archive::Archive;
use crate::archive::find_reports::{FindReports, QueryRules};
use crate::archive::keep_message::InboundMessage;
use crate::archive::register_reports::{BatchOutcome, RegisterReports};
use crate::archive::report_codes::Code;
use crate::domain::date_time::{self, Moment};
use crate::domain::organization::Organization;
use crate::domain::{Actor, ActorKind};
use crate::soap::{Service, Version, envelope, xml};

const FILE: &str = "IAutoReport.asmx";
/// A message time this far from ours is worth a word to the operator (D-R27), in milliseconds.
const SKEW_MS: i64 = 15 * 60 * 1000;

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
    /// Whether the service can be offered with these settings.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.callers().map(|_| ())
    }

    fn callers(&self) -> Result<(Vec<Sender>, Vec<Client>), ConfigError> {
        let config = &self.registry;
        let known: BTreeSet<String> = self.organizations.iter().map(|organization| organization.code.clone()).collect();
        unique(self.senders.iter().map(|sender| ("sender", sender.name.as_str())))?;
        unique(self.clients.iter().map(|client| ("client", client.id.as_str())))?;
        for path in config.aliases.iter().chain([&config.path_prefix]) {
            if !path.starts_with('/') || path.contains(['{', '}', '*']) {
                return Err(ConfigError::Path(path.clone()));
            }
        }
        let senders = self.senders.iter().cloned().map(|s| Sender::new(s, config, &known)).collect::<Result<_, _>>()?;
        let clients = self.clients.iter().cloned().map(Client::new).collect::<Result<_, _>>()?;
        Ok((senders, clients))
    }
}

#[derive(Debug)]
struct Registry {
    archive: Archive,
    config: RegistryConfig,
    senders: Vec<Sender>,
    clients: Vec<Client>,
    public_url: String,
    location: String,
    turns: Semaphore,
}

/// The service's routes. The listener must tell the peer's address (`into_make_service_with_connect_info`).
pub fn router(archive: Archive, settings: Settings) -> Result<Router, ConfigError> {
    let (senders, clients) = settings.callers()?;
    let Settings { registry: config, public_url, .. } = settings;
    let prefix = config.path_prefix.trim_end_matches('/').to_owned();
    let location = format!("{}{prefix}/{FILE}", public_url.trim_end_matches('/'));
    let turns = Semaphore::new(config.max_concurrent.max(1));
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

fn unique<'n>(names: impl Iterator<Item = (&'static str, &'n str)>) -> Result<(), ConfigError> {
    let mut seen = BTreeSet::new();
    for (kind, name) in names {
        if name.trim().is_empty() || !seen.insert(name) {
            return Err(ConfigError::Name(format!("{kind} \"{name}\"")));
        }
    }
    Ok(())
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
    let service = Service {
        name: "IAutoReport",
        namespace: &registry.config.namespace,
        location: &registry.location,
        operations: &OPERATIONS,
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
    let method = named(&place, "method").map(|name| Method::parse(&name));
    if !is_service(&place) || method == Some(None) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let Ok(_turn) = registry.turns.acquire().await else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let (parts, body) = request.into_parts();
    let address = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
    let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let content_type = parts.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let body = match collect(body, registry.config.max_body_bytes).await {
        Ok(body) => body,
        Err(code) => {
            let version = envelope::version_of("", &content_type);
            return fault(StatusCode::PAYLOAD_TOO_LARGE, version, code.text());
        }
    };
    let incoming = {
        let (registry, body, content_type) = (registry.clone(), body.clone(), content_type.clone());
        let read = move || read::read(&body, &content_type, method.flatten(), &registry.config);
        tokio::task::spawn_blocking(read).await
    };
    // A reader that panics has met a message that it cannot read; the message is kept for whoever mends it.
    let Incoming { wire, ask } = incoming.unwrap_or_else(|_| Incoming {
        wire: Wire::Soap { version: Version::Soap11, namespace: registry.config.namespace.clone() },
        ask: Ask::Nothing(Code::Unreadable, Code::Unreadable.text()),
    });
    let visit = Visit { registry: &registry, address, headers: &parts.headers, content_type, body, wire };
    match ask {
        Ask::Register(batch) => visit.register(batch).await,
        Ask::Find(method, query) => visit.find(method, query).await,
        Ask::Nothing(code, reason) => visit.nothing(code, reason).await,
    }
}

async fn collect(body: Body, limit: usize) -> Result<Bytes, Code> {
    to_bytes(body, limit).await.map_err(|_| Code::TooLarge)
}

/// One request on its way to an answer.
struct Visit<'r> {
    registry: &'r Registry,
    address: IpAddr,
    headers: &'r HeaderMap,
    content_type: String,
    body: Bytes,
    wire: Wire,
}

impl Visit<'_> {
    fn actor(&self, kind: ActorKind, name: &str) -> Actor {
        Actor { kind, name: name.to_owned(), user_id: String::new(), remote_addr: self.address.to_string() }
    }

    fn message(&self, operation: &str, sender: &str, body: Bytes) -> InboundMessage {
        InboundMessage {
            channel: format!("IAutoReport/{operation}"),
            sender: sender.to_owned(),
            remote_addr: self.address.to_string(),
            content_type: self.content_type.clone(),
            body,
        }
    }

    /// What is kept of somebody unknown is little, so that nobody fills the disk.
    fn excerpt(&self) -> Bytes {
        self.body.slice(..self.body.len().min(self.registry.config.refused_keep_bytes))
    }

    fn sender(&self) -> Option<&Sender> {
        self.registry.senders.iter().find(|sender| sender.is_caller(self.address, self.headers))
    }

    async fn register(self, batch: Result<Batch, Code>) -> Response {
        let Some(sender) = self.sender() else {
            let message = self.message("ArchiveAutoReport", "", self.excerpt());
            let actor = self.actor(ActorKind::Sender, "");
            if let Err(error) = self.registry.archive.refuse_message(message, actor, Code::UnknownSender.as_str()).await
            {
                tracing::error!(%error, "refused message not kept");
            }
            tracing::warn!(peer.address = %self.address, "registration from an unknown sender refused");
            return self.acknowledge(None, Err(Code::UnknownSender));
        };
        let name = sender.config.name.as_str();
        let message = self.message("ArchiveAutoReport", name, self.body.clone());
        let outcome = self.keep_and_register(sender, message, batch).await;
        let acknowledged = outcome.as_ref().map_or(0, |outcome| outcome.records.len() - outcome.failed());
        tracing::info!(sender.name = name, registry.records = acknowledged, ok = outcome.is_ok(), "registration");
        self.acknowledge(Some(sender), outcome)
    }

    async fn keep_and_register(
        &self,
        sender: &Sender,
        message: InboundMessage,
        batch: Result<Batch, Code>,
    ) -> Result<BatchOutcome, Code> {
        let archive = &self.registry.archive;
        let not_kept = |error: crate::archive::Error| {
            tracing::error!(sender.name = %sender.config.name, %error, "registration not kept");
            Code::NotKept
        };
        let message_pk = archive.keep_message(message).await.map_err(not_kept)?;
        let batch = match batch {
            Ok(batch) => batch,
            Err(code) => {
                let result = json!({ "code": code.as_str() }).to_string();
                archive.finish_message(message_pk, result).await.map_err(not_kept)?;
                return Err(code);
            }
        };
        warn_of_skew(&batch, &sender.config.name, archive.now_ms());
        let Batch { exams, labs, items, .. } = batch;
        let actor = self.actor(ActorKind::Sender, &sender.config.name);
        let rules = sender.rules.clone();
        archive
            .register_reports(RegisterReports { message_pk, actor, rules, exams, labs, items })
            .await
            .map_err(not_kept)
    }

    fn acknowledge(&self, sender: Option<&Sender>, outcome: Result<BatchOutcome, Code>) -> Response {
        let (profile, template) = match sender.map(|sender| &sender.config) {
            // Who sends JSON reads JSON, unless something else was agreed.
            Some(config) if config.ack == Acknowledgement::Xml && self.wire == Wire::Json => {
                (Acknowledgement::Json, "")
            }
            Some(config) => (config.ack, config.ack_template.as_str()),
            None if self.wire == Wire::Json => (Acknowledgement::Json, ""),
            None => (Acknowledgement::Xml, ""),
        };
        let text = acknowledge::render(profile, template, &outcome);
        self.answer(Method::Register, text)
    }

    async fn find(self, method: Method, query: Query) -> Response {
        let Registry { archive, config, clients, .. } = self.registry;
        let credentials = (query.credential.as_str(), query.key.as_str());
        let now = Moment::from_epoch_ms(archive.now_ms());
        let client = client_of(clients, config.anonymous_query, self.address, credentials, now);
        let asked = without_key(&query);
        let Some(client) = client else {
            let message = self.message(method.name(), "", asked);
            let actor = self.actor(ActorKind::Client, "");
            if let Err(error) = archive.refuse_message(message, actor, Code::NoCredential.as_str()).await {
                tracing::error!(%error, "refused query not kept");
            }
            tracing::warn!(peer.address = %self.address, "query without valid credentials refused");
            return self.refuse(method, Code::NoCredential);
        };
        let own = &client.config.organizations;
        let command = FindReports {
            actor: self.actor(ActorKind::Client, &client.config.id),
            message: InboundMessage {
                content_type: "application/json".to_owned(),
                ..self.message(method.name(), &client.config.id, asked)
            },
            identities: [query.id_no, query.card_no],
            from: query.from,
            to: query.to,
            organizations: (!own.is_empty()).then(|| own.clone()),
            vip: client.config.vip,
            rules: QueryRules {
                max_span_days: config.max_query_span_days,
                max_reports: config.max_masters,
                strict_identity: config.strict_identity,
            },
        };
        let extent = if config.extended { Extent::Extended(&self.registry.public_url) } else { Extent::AsSpecified };
        let answered = match method {
            Method::Labs => {
                archive.find_lab_reports(command).await.map(|found| found.map(|found| answer::labs(&found, extent)))
            }
            _ => archive.find_exam_reports(command).await.map(|found| found.map(|found| answer::exams(&found, extent))),
        };
        match answered {
            Ok(Ok(text)) => self.answer(method, text),
            Ok(Err(code)) => self.refuse(method, code),
            Err(error) => {
                tracing::error!(client.id = %client.config.id, %error, "query failed");
                self.refuse(method, Code::QueryFailed)
            }
        }
    }

    fn refuse(&self, method: Method, code: Code) -> Response {
        match (answer::refusal(self.registry.config.error_style, code), &self.wire) {
            (Some(text), _) => self.answer(method, text),
            (None, Wire::Soap { version, .. }) => fault(StatusCode::INTERNAL_SERVER_ERROR, *version, code.text()),
            (None, _) => fault(StatusCode::INTERNAL_SERVER_ERROR, Version::Soap11, code.text()),
        }
    }

    /// No operation of ours, or no envelope at all: kept, then a fault.
    async fn nothing(self, code: Code, reason: &'static str) -> Response {
        let kept = match self.sender() {
            Some(sender) => {
                let message = self.message("", &sender.config.name, self.body.clone());
                match self.registry.archive.keep_message(message).await {
                    Ok(id) => {
                        let result = json!({ "code": code.as_str() }).to_string();
                        self.registry.archive.finish_message(id, result).await
                    }
                    Err(error) => Err(error),
                }
            }
            None => {
                let actor = self.actor(ActorKind::Sender, "");
                let message = self.message("", "", self.excerpt());
                self.registry.archive.refuse_message(message, actor, code.as_str()).await
            }
        };
        if let Err(error) = kept {
            tracing::error!(%error, "unreadable message not kept");
        }
        let version = match &self.wire {
            Wire::Soap { version, .. } => *version,
            _ => Version::Soap11,
        };
        fault(StatusCode::INTERNAL_SERVER_ERROR, version, &format!("{} {reason}", code.as_str()))
    }

    fn answer(&self, method: Method, text: String) -> Response {
        match &self.wire {
            Wire::Soap { version, namespace } => {
                let body = envelope::response(*version, namespace, method.name(), &text);
                reply(StatusCode::OK, envelope::content_type(*version), body)
            }
            Wire::Form => {
                let namespace = xml::escape_attribute(&self.registry.config.namespace);
                let body = format!(
                    "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<string xmlns=\"{namespace}\">{}</string>",
                    xml::escape(&text)
                );
                reply(StatusCode::OK, "text/xml; charset=utf-8", body)
            }
            Wire::Xml | Wire::Json => {
                let content_type = match text.trim_start().chars().next() {
                    Some('<') => "text/xml; charset=utf-8",
                    Some('{') => "application/json",
                    _ => "text/plain; charset=utf-8",
                };
                reply(StatusCode::OK, content_type, text)
            }
        }
    }
}

/// The query as it is kept: everything but the key.
fn without_key(query: &Query) -> Bytes {
    let Query { id_no, card_no, from, to, credential, key: _ } = query;
    let kept = json!({
        "strIDNO": id_no,
        "strSSID": card_no,
        "strStartTime": from,
        "strEndTime": to,
        "strCredential": credential,
    });
    Bytes::from(kept.to_string())
}

fn warn_of_skew(batch: &Batch, sender: &str, now: i64) {
    if let Ok(Some(sent_at)) = date_time::parse(&batch.sent_at) {
        let skew = now - sent_at.epoch_ms();
        if skew.abs() > SKEW_MS {
            tracing::debug!(sender.name = sender, skew.seconds = skew / 1000, "message time is far from ours");
        }
        metrics::gauge!("yingku_registry_skew_seconds", "sender" => sender.to_owned()).set(skew as f64 / 1000.0);
    }
}

fn fault(status: StatusCode, version: Version, reason: &str) -> Response {
    reply(status, envelope::content_type(version), envelope::fault(version, reason))
}

fn reply(status: StatusCode, content_type: &'static str, body: String) -> Response {
    (status, [(CONTENT_TYPE, content_type), (X_CONTENT_TYPE_OPTIONS, "nosniff")], body).into_response()
}
