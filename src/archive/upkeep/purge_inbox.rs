//! Forgets inbound messages that have been kept long enough, or that take more room than they may (D-X2).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::queue::Finished;
use crate::archive::reports::keep_message::MessageState;
use crate::archive::{Archive, Error};
use crate::domain::Actor;
use crate::index::audit::{self, AuditRecord};
use crate::index::jobs::{self, JobKind};
use crate::index::{self, inbox};

const DAY_MS: i64 = 24 * 3600 * 1000;
/// Messages of one transaction.
const AT_ONCE: u32 = 200;
/// Messages of one transaction when room is needed: not many more than need be.
const FOR_ROOM: u32 = 10;
/// What is forgotten in one run of the job; there is another one soon when there is more.
const MOST_AT_ONCE: u64 = 20_000;

/// Section `[inbox]`: how long inbound messages are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InboxConfig {
    /// Days that messages are kept for disputes and replays; 0 keeps them for ever. Default 180.
    pub keep_days: u32,
    /// Days that messages of callers who were refused are kept; 0 as long as the others. Default 30.
    pub refused_keep_days: u32,
    /// Bytes that all bodies may take; beyond it the oldest are forgotten before their time. 0 for no limit.
    /// Default 50 GiB.
    pub max_bytes: u64,
}

impl Default for InboxConfig {
    fn default() -> Self {
        Self { keep_days: 180, refused_keep_days: 30, max_bytes: 50 * 1024 * 1024 * 1024 }
    }
}

/// What was forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purged {
    /// Messages that had been kept long enough.
    pub messages: u64,
    /// Messages for which there was no more room.
    pub before_their_time: u64,
    /// Whether there is more to forget.
    pub has_more: bool,
}

impl Archive {
    /// Sees to it that the job is in the queue.
    pub async fn schedule_purge_inbox(&self) -> Result<(), Error> {
        let (ids, now) = (self.ids.clone(), self.clock.now_ms());
        let put = self.index.write(move |tx| {
            Box::pin(async move { jobs::enqueue(tx, &ids, now, JobKind::PurgeInbox, "inbox", now).await })
        });
        Ok(put.await?)
    }

    /// The job: forgets what is due, and comes again.
    pub async fn run_purge_inbox(&self, config: &InboxConfig) -> Result<Finished, Error> {
        let purged = self.purge_inbox(config).await?;
        if purged.messages + purged.before_their_time > 0 {
            tracing::info!(purged.messages, purged.before_their_time, "inbound messages forgotten");
        }
        if purged.before_their_time > 0 {
            tracing::warn!(purged.before_their_time, "inbox.max_bytes: messages were forgotten before their time");
        }
        Ok(Finished::Again { delay_ms: if purged.has_more { 1000 } else { 3600 * 1000 } })
    }

    /// Forgets what is due, a part of it when it is much.
    pub async fn purge_inbox(&self, config: &InboxConfig) -> Result<Purged, Error> {
        let now = self.clock.now_ms();
        let mut purged = Purged::default();
        let spans = [(config.refused_keep_days, Some(MessageState::Refused)), (config.keep_days, None)];
        for (days, state) in spans.into_iter().filter(|(days, _)| *days > 0) {
            let before = now - i64::from(days) * DAY_MS;
            loop {
                let (messages, _) = self.forget_messages(before, state, AT_ONCE).await?;
                purged.messages += messages;
                if messages < u64::from(AT_ONCE) {
                    break;
                }
                if purged.messages >= MOST_AT_ONCE {
                    purged.has_more = true;
                    return Ok(purged);
                }
            }
        }
        if config.max_bytes > 0 {
            self.make_room(config.max_bytes, now, &mut purged).await?;
        }
        Ok(purged)
    }

    async fn make_room(&self, max_bytes: u64, now: i64, purged: &mut Purged) -> Result<(), Error> {
        let mut bytes = inbox::kept_bytes(&self.index).await?;
        while bytes.unsigned_abs() > max_bytes {
            let (messages, freed) = self.forget_messages(now, None, FOR_ROOM).await?;
            bytes -= freed;
            purged.before_their_time += messages;
            if messages == 0 {
                break;
            }
            if purged.before_their_time >= MOST_AT_ONCE {
                purged.has_more = true;
                break;
            }
        }
        Ok(())
    }

    /// One transaction: some messages, and the record that they are gone.
    async fn forget_messages(&self, before: i64, state: Option<MessageState>, limit: u32) -> Result<(u64, i64), Error> {
        let (audit_id, now) = (self.ids.next(), self.clock.now_ms());
        let forgotten = self.index.write(move |tx| {
            Box::pin(async move {
                let (messages, bytes) = inbox::forget(tx, before, state, limit).await?;
                if messages > 0 {
                    let record = AuditRecord {
                        action: "purge_inbox",
                        actor: Actor::system("purge_inbox"),
                        org_code: String::new(),
                        target: String::new(),
                        outcome: "ok",
                        detail: json!({ "messages": messages, "bytes": bytes, "before": before }),
                    };
                    audit::record(tx, audit_id, now, &record).await?;
                }
                Ok::<_, index::Error>((messages, bytes))
            })
        });
        Ok(forgotten.await?)
    }
}
