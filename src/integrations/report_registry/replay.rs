//! Takes kept messages up again: after a fault was mended, an organisation was added, a sender was configured (D-X2).
//!
//! A message is read as it was when it came, judged by the rules of today, and goes the way of every registration.
//! Nothing that a later message has changed is changed back; doing it twice does no harm.

use super::callers::Sender;
use super::config::ConfigError;
use super::read::{self, Ask, Method, Target};
use super::routes::Settings;
use super::{Batch, RegistryConfig, upload};
use crate::archive::reports::batch_outcome::BatchOutcome;
use crate::archive::reports::keep_message::{KeptMessage, MessageState};
use crate::archive::reports::register_reports::{Origin, RegisterReports};
use crate::archive::reports::report_codes::Code;
use crate::archive::{Archive, Error};
use crate::domain::Actor;

/// Takes up kept messages with the senders and rules of a configuration.
#[derive(Debug)]
pub struct Replay {
    archive: Archive,
    config: RegistryConfig,
    senders: Vec<Sender>,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    /// Its records were registered, or told why not.
    Registered(BatchOutcome),
    /// It still cannot be read.
    Unreadable(Code),
    /// It is none that can be taken up; nothing was done.
    Left(&'static str),
}

impl Replay {
    /// Takes senders and rules from the settings of the service.
    pub fn new(archive: Archive, settings: &Settings) -> Result<Self, ConfigError> {
        Ok(Self { archive, config: settings.registry.clone(), senders: settings.registry_senders()? })
    }

    /// Takes up one message. `as_sender` names the sender of a message that was refused because nobody knew who sent it.
    pub async fn run(&self, actor: &Actor, message: &KeptMessage, as_sender: Option<&str>) -> Result<Replayed, Error> {
        let operation = message.channel.strip_prefix("IAutoReport/").unwrap_or("?");
        let method = Method::parse(operation);
        if !operation.is_empty() && method != Some(Method::Register) {
            return Ok(Replayed::Left("it registers nothing"));
        }
        if message.is_cut {
            return Ok(Replayed::Left("only its beginning was kept"));
        }
        let name = match (message.sender.as_str(), as_sender) {
            ("", None) => return Ok(Replayed::Left("its sender is not known; say whose it is with --as-sender")),
            ("", Some(name)) => name,
            (name, Some(other)) if name != other => return Ok(Replayed::Left("it is another sender's")),
            (name, _) => name,
        };
        let Some(sender) = self.senders.iter().find(|sender| sender.config.name == name) else {
            return Ok(Replayed::Left("its sender is not configured"));
        };
        match self.read(actor, message, method).await? {
            Ok(batch) => self.register(actor, message, sender, batch).await.map(Replayed::Registered),
            Err(code) => {
                let result = serde_json::json!({ "code": code.as_str() }).to_string();
                self.archive.fail_replay(actor.clone(), message.id, name.to_owned(), result).await?;
                Ok(Replayed::Unreadable(code))
            }
        }
    }

    async fn read(
        &self,
        actor: &Actor,
        message: &KeptMessage,
        method: Option<Method>,
    ) -> Result<Result<Batch, Code>, Error> {
        let body = self.archive.read_message(actor.clone(), message.id, "replay").await?;
        let (config, content_type) = (self.config.clone(), message.content_type.clone());
        let target = Target { method, path: String::new() };
        let read = move || read::read(&body, &content_type, &target, &config).ask;
        Ok(match tokio::task::spawn_blocking(read).await {
            Ok(Ask::Register(batch)) => batch,
            Ok(Ask::Nothing(code, _)) => Err(code),
            Ok(Ask::Find(..) | Ask::ByBus(..)) | Err(_) => Err(Code::Unreadable),
        })
    }

    async fn register(
        &self,
        actor: &Actor,
        message: &KeptMessage,
        sender: &Sender,
        batch: Batch,
    ) -> Result<BatchOutcome, Error> {
        let Batch { mut exams, labs, items, .. } = batch;
        if upload::was_upload(&message.headers) {
            // As it was when the message came; its files are not kept with it.
            upload::drop_names(&mut exams, &[]);
        }
        let (sender_name, received_at) = (sender.config.name.clone(), message.received_at);
        let origin = Origin::TakenUpAgain { message_pk: message.id, sender: sender_name, received_at };
        let (actor, rules) = (actor.clone(), sender.rules.clone());
        let command = RegisterReports { actor, origin, rules, exams, labs, items };
        self.archive.register_reports(command).await
    }

    /// The states of messages that are worth taking up.
    pub const FAILED: [MessageState; 2] = [MessageState::Open, MessageState::Failed];
}
