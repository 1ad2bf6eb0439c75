//! Looking into the messages that were kept: listing, showing, and taking one up again (D-X2, RD-11).
//!
//! A body holds patient data: whoever reads one is recorded.

use serde_json::json;

use super::keep_message::{InboxSearch, KeptMessage, MessageState};
use crate::archive::{Archive, Error};
use crate::domain::Actor;
use crate::index::audit::{self, AuditRecord};
use crate::index::inbox;

pub use crate::index::inbox::InboxOrder;

/// Messages that are read from the index at a time.
const PAGE: u32 = 500;

impl Archive {
    /// Lists kept messages without their bodies, at most `limit`.
    pub async fn find_messages(
        &self,
        search: &InboxSearch,
        order: InboxOrder,
        limit: usize,
    ) -> Result<Vec<KeptMessage>, Error> {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = inbox::find(&self.index, search, order, after, PAGE).await?;
            after = page.last().map(|message| (message.received_at, message.id));
            let is_last = page.len() < PAGE as usize;
            // A message may be about several organisations, which SQL alone does not compare on both engines.
            let wanted = |message: &KeptMessage| {
                search.org_code.as_ref().is_none_or(|org| message.org_codes.split(',').any(|code| code == org))
            };
            found.extend(page.into_iter().filter(wanted));
            if is_last || found.len() >= limit {
                found.truncate(limit);
                return Ok(found);
            }
        }
    }

    /// A kept message without its body.
    pub async fn get_message(&self, id: i64) -> Result<Option<KeptMessage>, Error> {
        Ok(inbox::get(&self.index, id).await?)
    }

    /// The body of a kept message, for somebody who looks into a dispute or takes it up again; recorded.
    pub async fn read_message(&self, actor: Actor, id: i64, why: &'static str) -> Result<Vec<u8>, Error> {
        let body = inbox::body(&self.index, id).await?.ok_or(Error::NotFound)?;
        let (audit_id, now) = (self.ids.next(), self.clock.now_ms());
        let record = AuditRecord {
            action: "read_message",
            actor,
            org_code: String::new(),
            target: format!("message:{id}"),
            outcome: "ok",
            detail: json!({ "why": why }),
        };
        self.index
            .write(move |tx| Box::pin(async move { audit::record(tx, audit_id, now, &record).await }))
            .await
            .map_err(Error::from)?;
        Ok(body)
    }

    /// Notes that a message that was taken up again could not be registered, and why.
    pub async fn fail_replay(&self, actor: Actor, id: i64, sender: String, result: String) -> Result<(), Error> {
        let (audit_id, now) = (self.ids.next(), self.clock.now_ms());
        let record = AuditRecord {
            action: "replay_message",
            actor,
            org_code: String::new(),
            target: format!("message:{id}"),
            outcome: "failed",
            detail: json!({ "result": &result }),
        };
        self.index
            .write(move |tx| {
                Box::pin(async move {
                    inbox::finish_replay(tx, id, now, &sender, MessageState::Failed, &result).await?;
                    audit::record(tx, audit_id, now, &record).await
                })
            })
            .await
            .map_err(Error::from)
    }
}
