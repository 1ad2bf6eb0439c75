//! One request on its way to an answer: who calls, what is kept, what the archive does, how it is told.

use std::net::IpAddr;

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::json;

use super::acknowledge;
use super::answer::{self, Extent};
use super::batch::Batch;
use super::bus::{Bus, Dialect};
use super::callers::{Sender, client_of, sender_of};
use super::config::Acknowledgement;
use super::kept::{body_without_key, headers_without_secrets};
use super::read::{Method, Query, Wire};
use super::routes::{Registry, fault, reply};
use super::upload::{self, Assigned, File};
use crate::archive::reports::batch_outcome::{BatchOutcome, RecordKind, RecordOutcome, Status};
use crate::archive::reports::fetch_report_file::FetchOutcome;
use crate::archive::reports::find_reports::{FindReports, QueryRules};
use crate::archive::reports::keep_message::InboundMessage;
use crate::archive::reports::push_report_file::PushFailure;
use crate::archive::reports::refusals::Refusal;
use crate::archive::reports::register_reports::{Origin, RegisterReports};
use crate::archive::reports::report_codes::{Code, Note};
use crate::domain::date_time::{self, Moment};
use crate::domain::{Actor, ActorKind};
use crate::soap::{Version, envelope, xml};
use crate::tls::PeerCertificate;

/// A message time this far from ours is worth a word to the operator (D-R27), in milliseconds.
const SKEW_MS: i64 = 15 * 60 * 1000;

/// Characters that are kept of a content type, and of each parameter of a query.
const MOST_OF_A_TEXT: usize = 256;

/// One request on its way to an answer.
pub(super) struct Visit<'r> {
    pub(super) registry: &'r Registry,
    pub(super) address: IpAddr,
    pub(super) certificate: Option<PeerCertificate>,
    pub(super) headers: &'r HeaderMap,
    pub(super) content_type: String,
    pub(super) body: Bytes,
    pub(super) wire: Wire,
    /// When it came through the entry of a service bus.
    pub(super) bus: Option<Box<Bus>>,
    /// Report files that came with the message.
    pub(super) files: Vec<File>,
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
            content_type: beginning(&self.content_type),
            headers: headers_without_secrets(self.headers, self.registry.config.header_keep_bytes),
            body,
            ..InboundMessage::default()
        }
    }

    /// What is kept of somebody unknown is little, so that nobody fills the disk.
    fn excerpt(&self, operation: &str, sender: &str, body: &Bytes) -> InboundMessage {
        let limit = self.registry.config.refused_keep_bytes;
        let is_cut = body.len() > limit;
        InboundMessage { is_cut, ..self.message(operation, sender, body.slice(..body.len().min(limit))) }
    }

    /// Keeps what somebody unknown asked for, or the beginning of it; one who asks too often is counted only.
    async fn keep_refused(&self, message: InboundMessage, kind: ActorKind, code: Code) {
        let actor = self.actor(kind, "");
        match self.registry.archive.refuse_message(message, actor, code.as_str()).await {
            Ok(Refusal::Noted) => {
                tracing::warn!(peer.address = %self.address, code = code.as_str(), "a caller who is not known refused");
            }
            Ok(Refusal::Counted) => {}
            Err(error) => tracing::error!(%error, "refused message not kept"),
        }
    }

    fn sender(&self, organizations: &[String]) -> Option<&Sender> {
        sender_of(&self.registry.senders, self.address, self.certificate.as_ref(), self.headers, organizations)
    }

    /// Keeps the beginning of a message that did not come whole.
    pub(super) async fn keep_beginning(self, code: Code) {
        let name = self.sender(&[]).map(|sender| sender.config.name.clone()).unwrap_or_default();
        let mut message = self.excerpt("", &name, &self.body);
        message.body = body_without_key(message.body, &message.content_type).await;
        message.is_cut = true;
        if name.is_empty() {
            return self.keep_refused(message, ActorKind::Sender, code).await;
        }
        let actor = self.actor(ActorKind::Sender, &name);
        if let Err(error) = self.registry.archive.refuse_message(message, actor, code.as_str()).await {
            tracing::error!(%error, "beginning of a message not kept");
        }
        tracing::warn!(peer.address = %self.address, sender.name = %name, code = code.as_str(), "message did not come whole");
    }

    pub(super) async fn register(self, batch: Result<Batch, Code>) -> Response {
        let organizations = batch.as_ref().map(Batch::organizations).unwrap_or_default();
        let (sent_at, business_date) =
            batch.as_ref().map(|batch| (batch.sent_at.clone(), batch.business_date.clone())).unwrap_or_default();
        let Some(sender) = self.sender(&organizations) else {
            let excerpt = self.excerpt("ArchiveAutoReport", "", &self.body);
            let message = InboundMessage { org_codes: organizations, sent_at, business_date, ..excerpt };
            self.keep_refused(message, ActorKind::Sender, Code::UnknownSender).await;
            return self.acknowledge(None, Err(Code::UnknownSender));
        };
        let name = sender.config.name.as_str();
        let message = self.message("ArchiveAutoReport", name, self.body.clone());
        let message = InboundMessage { org_codes: organizations, sent_at, business_date, ..message };
        // Clones of files share their bytes.
        let outcome = self.keep_and_register(sender, message, batch, self.files.clone()).await;
        if outcome.as_ref().is_ok_and(|outcome| outcome.failed() < outcome.records.len()) {
            self.registry.archive.note_success("ArchiveAutoReport", name);
        }
        let acknowledged = outcome.as_ref().map_or(0, |outcome| outcome.records.len() - outcome.failed());
        tracing::info!(sender.name = name, registry.records = acknowledged, ok = outcome.is_ok(), "registration");
        self.acknowledge(Some(sender), outcome)
    }

    async fn keep_and_register(
        &self,
        sender: &Sender,
        message: InboundMessage,
        batch: Result<Batch, Code>,
        files: Vec<File>,
    ) -> Result<BatchOutcome, Code> {
        let archive = &self.registry.archive;
        let not_kept = |error: crate::archive::Error| {
            tracing::error!(sender.name = %sender.config.name, %error, "registration not kept");
            Code::NotKept
        };
        let batch = match batch {
            Ok(batch) => batch,
            Err(code) => {
                let message_pk = archive.keep_message(message).await.map_err(not_kept)?;
                let result = json!({ "code": code.as_str() }).to_string();
                archive.fail_message(message_pk, result).await.map_err(not_kept)?;
                return Err(code);
            }
        };
        warn_of_skew(&batch, &sender.config.name, archive.now_ms());
        let Batch { mut exams, labs, items, .. } = batch;
        let (assigned, left) = upload::assign(files, &exams);
        let content_type = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if content_type.is_some_and(upload::is_upload) {
            upload::drop_names(&mut exams, &assigned);
        }
        let actor = self.actor(ActorKind::Sender, &sender.config.name);
        let rules = sender.rules.clone();
        let origin = Origin::JustCame(message);
        let command = RegisterReports { actor: actor.clone(), origin, rules, exams, labs, items };
        let mut outcome = archive.register_reports(command).await.map_err(not_kept)?;
        for file in assigned {
            self.push(&actor, file, &mut outcome).await;
        }
        if outcome.records.iter().any(|record| record.code == Some(Code::FileNotKept)) {
            // Its result was written before the files were; whoever looks for what failed must find it.
            archive.amend_message(&outcome).await.map_err(not_kept)?;
        }
        if let (false, Some(record)) = (left.is_empty(), outcome.records.first_mut()) {
            record.notes.push(Note::of(Code::FileUnnamed));
        }
        Ok(outcome)
    }

    /// Keeps a file that came with a record, if the record is what stands now.
    async fn push(&self, actor: &Actor, file: Assigned, outcome: &mut BatchOutcome) {
        let is_its = |record: &&mut RecordOutcome| record.kind == RecordKind::Exam && record.place == file.place;
        let Some(record) = outcome.records.iter_mut().find(is_its) else { return };
        if record.status == Status::Rejected {
            return;
        }
        let Some(report) = &record.takes_file else {
            record.notes.push(Note::of(Code::FileSkipped));
            return;
        };
        match self.registry.archive.push_report_file(actor.clone(), report, file.bytes).await {
            Ok(FetchOutcome::Overtaken) => record.notes.push(Note::of(Code::FileSkipped)),
            Ok(_) => {}
            Err(error @ (PushFailure::File(_) | PushFailure::Unfit(_))) => {
                tracing::warn!(sender.name = %actor.name, %error, "a file that came with a registration is no report");
                record.notes.push(Note::of(Code::FileUnknown));
            }
            Err(PushFailure::Archive(error)) => {
                tracing::error!(sender.name = %actor.name, %error, "a file that came with a registration was not kept");
                // Who hears of success sends the file never again.
                record.status = Status::Rejected;
                record.code = Some(Code::FileNotKept);
            }
        }
    }

    fn acknowledge(&self, sender: Option<&Sender>, outcome: Result<BatchOutcome, Code>) -> Response {
        if let Some(bus) = &self.bus {
            return self.answer(Method::Register, acknowledge_by_bus(bus, &outcome));
        }
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

    pub(super) async fn find(self, method: Method, query: Query) -> Response {
        let Registry { archive, config, clients, .. } = self.registry;
        let credentials = (query.credential.as_str(), query.key.as_str());
        let now = Moment::from_epoch_ms(archive.now_ms());
        let client =
            client_of(clients, config.anonymous_query, self.address, self.certificate.as_ref(), credentials, now);
        let asked = without_key(&query);
        let Some(client) = client else {
            let message = self.excerpt(method.name(), "", &asked);
            self.keep_refused(message, ActorKind::Client, Code::NoCredential).await;
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
            Ok(Ok(text)) => {
                archive.note_success(method.name(), &client.config.id);
                let text = match &self.bus {
                    Some(bus) => bus.answer(&text),
                    None => text,
                };
                self.answer(method, text)
            }
            Ok(Err(code)) => self.refuse(method, code),
            Err(error) => {
                tracing::error!(client.id = %client.config.id, %error, "query failed");
                self.refuse(method, Code::QueryFailed)
            }
        }
    }

    fn refuse(&self, method: Method, code: Code) -> Response {
        if let Some(bus) = &self.bus {
            return self.answer(method, bus.refuse(code, code.text()));
        }
        match (answer::refusal(self.registry.config.error_style, code), &self.wire) {
            (Some(text), _) => self.answer(method, text),
            (None, Wire::Soap { version, .. }) => fault(StatusCode::INTERNAL_SERVER_ERROR, *version, code.text()),
            (None, _) => fault(StatusCode::INTERNAL_SERVER_ERROR, Version::Soap11, code.text()),
        }
    }

    /// No operation of ours, or no envelope at all: kept, then a fault.
    pub(super) async fn nothing(self, code: Code, reason: &'static str) -> Response {
        match self.sender(&[]) {
            Some(sender) => {
                // It may have been a query, which holds a key.
                let body = body_without_key(self.body.clone(), &self.content_type).await;
                let message = self.message("", &sender.config.name, body);
                let kept = match self.registry.archive.keep_message(message).await {
                    Ok(id) => {
                        let result = json!({ "code": code.as_str() }).to_string();
                        self.registry.archive.fail_message(id, result).await
                    }
                    Err(error) => Err(error),
                };
                if let Err(error) = kept {
                    tracing::error!(%error, "unreadable message not kept");
                }
                tracing::warn!(peer.address = %self.address, code = code.as_str(), "a call that nobody understands");
            }
            None => {
                let mut message = self.excerpt("", "", &self.body);
                message.body = body_without_key(message.body, &message.content_type).await;
                self.keep_refused(message, ActorKind::Sender, code).await;
            }
        }
        if let Some(bus) = &self.bus {
            return self.answer(Method::Register, bus.refuse(code, reason));
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
                let operation = self.bus.as_ref().map_or(method.name(), |bus| bus.entry());
                let body = envelope::response(*version, namespace, operation, &text);
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

fn acknowledge_by_bus(bus: &Bus, outcome: &Result<BatchOutcome, Code>) -> String {
    let failed = match outcome {
        Err(code) => return bus.refuse(*code, code.text()),
        Ok(outcome) => outcome.failed(),
    };
    let profile = if bus.dialect == Dialect::Region { Acknowledgement::Json } else { Acknowledgement::Xml };
    let text = acknowledge::render(profile, "", outcome);
    bus.acknowledge(&text, (failed > 0).then(|| format!("{failed}条记录未注册")))
}

/// The query as it is kept: the beginnings of everything but the key.
fn without_key(query: &Query) -> Bytes {
    let Query { id_no, card_no, from, to, credential, key: _ } = query;
    let [id_no, card_no, from, to, credential] = [id_no, card_no, from, to, credential].map(|text| beginning(text));
    let kept = json!({
        "strIDNO": id_no,
        "strSSID": card_no,
        "strStartTime": from,
        "strEndTime": to,
        "strCredential": credential,
    });
    Bytes::from(kept.to_string())
}

fn beginning(text: &str) -> String {
    text.chars().take(MOST_OF_A_TEXT).collect()
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
