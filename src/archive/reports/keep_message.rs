//! Keeps every inbound message raw (D-X2), with what was answered.
//!
//! Before anything is done with it; only the message of one report is kept with the report, in one transaction
//! (`register_reports`), and by itself when that fails. Either way it is durable before it is answered.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::batch_outcome::BatchOutcome;
use super::refusals::Refusal;
use crate::archive::{Archive, Error};
use crate::domain::Actor;
use crate::index::audit::{self, AuditRecord};
use crate::index::inbox::{self, InboxMessage};

pub use crate::index::inbox::{InboxSearch, KeptMessage, MessageState};

/// Bodies from this size on are hashed away from the asynchronous threads.
const LARGE: usize = 256 * 1024;

/// A message as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InboundMessage {
    /// Service and method, e.g. `IAutoReport/ArchiveAutoReport`.
    pub channel: String,
    /// Who sent it, empty when nobody known.
    pub sender: String,
    /// Address of the connection.
    pub remote_addr: String,
    /// Content-Type of the request.
    pub content_type: String,
    /// The request's headers as JSON; whoever fills it leaves secrets out.
    pub headers: String,
    /// Codes of the organisations of its records.
    pub org_codes: Vec<String>,
    /// The message's own time as written (D-R27).
    pub sent_at: String,
    /// The business date as written (D-R27).
    pub business_date: String,
    /// The body.
    pub body: Bytes,
    /// Whether `body` is only the beginning of what came.
    pub is_cut: bool,
}

/// Organisations of one message that are noted.
const MOST_ORGANIZATIONS: usize = 20;
/// Characters of an organisation's code that are noted.
const MOST_OF_AN_ORGANIZATION: usize = 64;
/// Characters of a time that a message claims that are noted.
const MOST_OF_A_TIME: usize = 40;

impl InboundMessage {
    pub(super) async fn for_inbox(self) -> InboxMessage {
        let body = self.body.clone();
        let content_hash = if body.len() < LARGE {
            hash(&body)
        } else {
            tokio::task::spawn_blocking(move || hash(&body)).await.unwrap_or_default()
        };
        let short = |text: &str, most: usize| text.chars().take(most).collect::<String>();
        let org_codes = self.org_codes.iter().take(MOST_ORGANIZATIONS).map(|code| short(code, MOST_OF_AN_ORGANIZATION));
        let org_codes = org_codes.collect::<Vec<_>>().join(",");
        InboxMessage {
            channel: self.channel,
            sender: self.sender,
            remote_addr: self.remote_addr,
            content_type: self.content_type,
            headers: self.headers,
            org_codes,
            sent_at: short(&self.sent_at, MOST_OF_A_TIME),
            business_date: short(&self.business_date, MOST_OF_A_TIME),
            body: self.body,
            is_cut: self.is_cut,
            content_hash,
        }
    }
}

fn hash(body: &[u8]) -> String {
    hex::encode(Sha256::digest(body))
}

impl Archive {
    /// Keeps a message durably; gives the id under which its result is noted later.
    pub async fn keep_message(&self, message: InboundMessage) -> Result<i64, Error> {
        let (id, now) = (self.ids.next(), self.clock.now_ms());
        let message = message.for_inbox().await;
        self.index.write(move |tx| Box::pin(async move { inbox::insert(tx, id, now, message, None).await })).await?;
        Ok(id)
    }

    /// Notes that nothing of a message could be registered, and why.
    pub async fn fail_message(&self, id: i64, result: String) -> Result<(), Error> {
        let now = self.clock.now_ms();
        self.index
            .write(move |tx| Box::pin(async move { inbox::finish(tx, id, now, MessageState::Failed, &result).await }))
            .await
            .map_err(Error::from)
    }

    /// Notes anew what became of a message: something happened to its records after they were stored.
    pub async fn amend_message(&self, outcome: &BatchOutcome) -> Result<(), Error> {
        let (id, now) = (outcome.message_pk, self.clock.now_ms());
        let (state, result) = (outcome.state(), outcome.as_result());
        self.index
            .write(move |tx| Box::pin(async move { inbox::finish(tx, id, now, state, &result).await }))
            .await
            .map_err(Error::from)
    }

    /// Keeps a message of a caller who may not do this, and says so in the audit trail. Of callers whom nobody knows only a
    /// few of an address and minute are kept.
    pub async fn refuse_message(
        &self,
        message: InboundMessage,
        actor: Actor,
        reason: &'static str,
    ) -> Result<Refusal, Error> {
        if message.sender.is_empty() {
            let refusal = self.refusals.count("registry", &message.remote_addr, self.clock.now_ms());
            if refusal == Refusal::Counted {
                return Ok(refusal);
            }
        }
        let (id, audit_id, now) = (self.ids.next(), self.ids.next(), self.clock.now_ms());
        let record = AuditRecord {
            action: "refuse_message",
            actor,
            org_code: String::new(),
            target: format!("message:{id}"),
            outcome: "denied",
            detail: serde_json::json!({ "channel": &message.channel, "reason": reason }),
        };
        let message = message.for_inbox().await;
        self.index
            .write(move |tx| {
                Box::pin(async move {
                    let ended = (MessageState::Refused, format!("refused: {reason}"));
                    inbox::insert(tx, id, now, message, Some(ended)).await?;
                    audit::record(tx, audit_id, now, &record).await
                })
            })
            .await?;
        Ok(Refusal::Noted)
    }

    /// The time by the archive's clock, milliseconds since 1970 UTC.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }
}
