//! Sessions that signed links and printed codes open: entered with every request, ended by time, with their customer or
//! with the code (D-T8, RD-18, D-I10).
//!
//! A session's id is 128 random bits that only the browser learns; what it may see was resolved when it began.

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::archive::reports::qr_link::QrLinkState;
use crate::archive::{Archive, Error};
use crate::domain::customer::Customers;
use crate::domain::scope::{Search, SessionScope};
use crate::domain::{Actor, ActorKind};
use crate::index::audit::{self, AuditRecord};
use crate::index::page_sessions::{self, KeptCustomer};

/// How far behind the time of the last use may be, so that pictures cost no writes.
const TOUCH_MS: i64 = 60_000;

/// How long sessions live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionPolicy {
    /// Without use, in milliseconds.
    pub idle_ms: i64,
    /// At all, in milliseconds.
    pub absolute_ms: i64,
    /// Most patients that a link for related exams may lead to (D-P16).
    pub related_patients: usize,
    /// Wrong answers after which a printed code is shut to visitors.
    pub qr_failed_attempts: u32,
}

/// A session that is alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of the session's id, hex.
    pub id_hash: String,
    /// The customer, `""` for a visitor.
    pub customer_guid: String,
    /// Who it is, for audit records.
    pub user_id: String,
    /// The user's name, for display.
    pub user_name: String,
    /// What may be seen.
    pub scope: SessionScope,
    /// What the query form asks for.
    pub search: Search,
    /// The language that was chosen; `""`: as the browser prefers.
    pub language: String,
}

impl Session {
    /// Whoever uses the session now.
    pub fn actor(&self, remote_addr: &str) -> Actor {
        let kind = if self.scope.visitor { ActorKind::Visitor } else { ActorKind::Customer };
        let (name, user_id) = (self.customer_guid.clone(), self.user_id.clone());
        Actor { kind, name, user_id, remote_addr: remote_addr.to_owned() }
    }
}

impl Archive {
    /// The session with this id, when it is alive and its customer still is one, or the printed code still opens.
    pub async fn session(&self, id: &str, customers: &Customers, idle_ms: i64) -> Result<Option<Session>, Error> {
        if id.len() != 32 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let Some((row, kept)) = page_sessions::get(&self.index, &hash(id)).await? else { return Ok(None) };
        let now = self.clock.now_ms();
        if row.expires_at <= now || row.last_seen_at + idle_ms <= now {
            return Ok(None);
        }
        let Ok(scope) = serde_json::from_str::<SessionScope>(&row.scope) else { return Ok(None) };
        let is_customer = customers.get(&row.customer_guid).is_some() || kept == KeptCustomer::Enabled;
        // What ends the printed code ends it for those who are inside, too.
        let is_open = match scope.visitor {
            true => matches!(self.qr_link_state(&scope.printed_link).await?, QrLinkState::Open { .. }),
            false => is_customer,
        };
        if !is_open {
            return Ok(None);
        }
        if row.last_seen_at + TOUCH_MS <= now {
            let id_hash = row.id_hash.clone();
            self.index.write(move |tx| Box::pin(async move { page_sessions::touch(tx, &id_hash, now).await })).await?;
        }
        Ok(Some(Session {
            id_hash: row.id_hash,
            customer_guid: row.customer_guid,
            user_id: row.user_id,
            user_name: row.user_name,
            scope,
            // What cannot be read narrows nothing; the scope alone decides what may be seen.
            search: serde_json::from_str(&row.search).unwrap_or_default(),
            language: row.language,
        }))
    }

    /// Keeps with the session what its query form asks for; an empty search forgets it. Each search is recorded, name
    /// and number hashed: it may leave the patient whose link was recorded (D-P22, RD-21).
    pub async fn keep_search(&self, session: &Session, remote_addr: &str, search: &Search) -> Result<(), Error> {
        let id_hash = session.id_hash.clone();
        let text = if *search == Search::default() { Ok(String::new()) } else { serde_json::to_string(search) };
        let text = text.map_err(|_| Error::Invalid("search".to_owned()))?;
        let hashed = |text: &str| if text.is_empty() { String::new() } else { hash(text) };
        let record = AuditRecord {
            action: "search_exams",
            actor: session.actor(remote_addr),
            org_code: session.scope.scope.home.clone(),
            target: String::new(),
            outcome: "ok",
            detail: json!({
                "name": hashed(&search.name),
                "from": search.from,
                "to": search.to,
                "type": search.exam_type,
                "accession": hashed(&search.accession),
                "organization": search.organization,
                "state": search.state,
                "critical": search.critical,
            }),
        };
        let (now, audit_id) = (self.clock.now_ms(), self.ids.next());
        let written = self.index.write(move |tx| {
            Box::pin(async move {
                page_sessions::set_search(tx, &id_hash, &text).await?;
                audit::record(tx, audit_id, now, &record).await
            })
        });
        Ok(written.await?)
    }

    /// Keeps the language that the user chose for the session.
    pub async fn keep_language(&self, session: &Session, language: &'static str) -> Result<(), Error> {
        let id_hash = session.id_hash.clone();
        let written = self
            .index
            .write(move |tx| Box::pin(async move { page_sessions::set_language(tx, &id_hash, language).await }));
        Ok(written.await?)
    }
}

pub(super) fn new_session_id() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}

pub(super) fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}
