//! Somebody opens a printed code: with the last characters of the identity number, or in a session (D-I10).

use serde_json::json;
use subtle::ConstantTimeEq;

use super::session::{Session, SessionPolicy, hash, new_session_id};
use crate::archive::reports::qr_link::QrLinkState;
use crate::archive::{Archive, Error};
use crate::domain::criteria::{Criteria, ShowType};
use crate::domain::customer::Permission;
use crate::domain::page::Page;
use crate::domain::scope::{Scope, SessionScope};
use crate::domain::{Actor, ActorKind};
use crate::index::audit::{self, AuditRecord};
use crate::index::page_sessions::{self, PageSession};
use crate::index::{exam_details, exam_pages};

/// Characters of the id number that a visitor has to know.
const FACTOR_CHARS: usize = 4;

/// What becomes of the last characters that a visitor typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visit {
    /// They were right: the session and the exam.
    Session {
        /// The session's id.
        session: String,
        /// The exam's id in addresses.
        observation_uid: String,
    },
    /// They were wrong.
    WrongFactor,
    /// There is no such link, it has ended, or the report cannot be shown: all the same to a visitor.
    Unavailable,
}

impl Archive {
    /// Begins a visitor's session for the one exam behind a printed code, when the factor is right (D-I10).
    pub async fn visit_qr_link(
        &self,
        link_id: &str,
        factor: &str,
        remote_addr: String,
        policy: SessionPolicy,
    ) -> Result<Visit, Error> {
        let QrLinkState::Open { report } = self.qr_link_state(link_id).await? else {
            return Ok(Visit::Unavailable);
        };
        let Some((observation_uid, id_no)) = exam_details::report_of_link(&self.index, report).await? else {
            return Ok(Visit::Unavailable);
        };
        let scope = Scope { criteria: Criteria::exam(&observation_uid), vip: true, ..Scope::default() };
        let visible = exam_pages::get(&self.index, &scope, &observation_uid).await?.is_some();
        if !visible || id_no.chars().count() < FACTOR_CHARS {
            return Ok(Visit::Unavailable);
        }
        let actor = Actor { kind: ActorKind::Visitor, name: "qr".to_owned(), user_id: String::new(), remote_addr };
        let right = last_characters(&id_no);
        let matches = bool::from(right.as_bytes().ct_eq(factor.trim().to_ascii_uppercase().as_bytes()));
        let (now, id, audit_id) = (self.clock.now_ms(), new_session_id(), self.ids.next());
        let session = SessionScope {
            page: Page::ClinicExam,
            scope,
            show_type: ShowType::Report,
            show_close: false,
            frame_ancestors: Vec::new(),
            visitor: true,
            restricted_count: false,
            download: Permission::Allowed,
            print: Permission::Allowed,
        };
        let row = PageSession {
            id_hash: hash(&id),
            customer_guid: String::new(),
            user_id: String::new(),
            user_name: String::new(),
            user_organization_id: String::new(),
            user_organization_name: String::new(),
            scope: serde_json::to_string(&session).map_err(|_| Error::Invalid("session scope".to_owned()))?,
            search: String::new(),
            language: String::new(),
            created_at: now,
            last_seen_at: now,
            expires_at: now + policy.absolute_ms,
        };
        let record = AuditRecord {
            action: "open_qr_link",
            actor,
            org_code: String::new(),
            target: report.to_string(),
            outcome: if matches { "ok" } else { "denied" },
            detail: json!({}),
        };
        self.index
            .write(move |tx| {
                Box::pin(async move {
                    if matches {
                        page_sessions::insert(tx, &row).await?;
                    }
                    audit::record(tx, audit_id, now, &record).await
                })
            })
            .await?;
        Ok(if matches { Visit::Session { session: id, observation_uid } } else { Visit::WrongFactor })
    }

    /// Opens the exam behind a printed code in a session that a hospital's user has already: the session is the second
    /// factor, and its scope decides (D-I10). `None` when there is no such link or the session may not see the exam.
    pub async fn scan_qr_link(
        &self,
        session: &Session,
        link_id: &str,
        remote_addr: String,
    ) -> Result<Option<String>, Error> {
        let state = self.qr_link_state(link_id).await?;
        let QrLinkState::Open { report } = state else { return Ok(None) };
        let Some((observation_uid, _)) = exam_details::report_of_link(&self.index, report).await? else {
            return Ok(None);
        };
        let visible = exam_pages::get(&self.index, &session.scope.scope, &observation_uid).await?.is_some();
        let record = AuditRecord {
            action: "open_qr_link",
            actor: session.actor(&remote_addr),
            org_code: String::new(),
            target: report.to_string(),
            outcome: if visible { "ok" } else { "denied" },
            detail: json!({}),
        };
        let (now, audit_id) = (self.clock.now_ms(), self.ids.next());
        self.index.write(move |tx| Box::pin(async move { audit::record(tx, audit_id, now, &record).await })).await?;
        Ok(visible.then_some(observation_uid))
    }
}

fn last_characters(id_no: &str) -> String {
    let chars: Vec<char> = id_no.trim().to_ascii_uppercase().chars().collect();
    chars[chars.len().saturating_sub(FACTOR_CHARS)..].iter().collect()
}
