//! Somebody opens a printed code: with the last characters of the identity number, or in a session (D-I10).
//!
//! Of a report without identity number — a child's, a foreigner's — the last characters of the card number are asked for,
//! or the date of birth. Wrong answers are counted with the link: after so many it stays shut to visitors on every node,
//! whatever hour it is, until an operator has looked.

use serde_json::json;
use subtle::{Choice, ConstantTimeEq};

use super::session::{Session, SessionPolicy, hash, new_session_id};
use crate::archive::reports::qr_link::{LinkedReport, QrLinkState};
use crate::archive::{Archive, Error};
use crate::domain::criteria::{Criteria, ShowType};
use crate::domain::customer::Permission;
use crate::domain::page::Page;
use crate::domain::scope::{Scope, SessionScope};
use crate::domain::{Actor, ActorKind};
use crate::index::audit::{self, AuditRecord};
use crate::index::exam_details::{self, LinkedIdentity};
use crate::index::page_sessions::{self, PageSession};
use crate::index::{exam_pages, qr_links};

/// Characters of the identity or card number that a visitor has to know.
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
    /// There were too many wrong ones.
    Locked,
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
        let actor = Actor { kind: ActorKind::Visitor, name: "qr".to_owned(), user_id: String::new(), remote_addr };
        let (report, failed) = match self.qr_link_state(link_id).await? {
            QrLinkState::Open { report, failed } => (report, failed),
            QrLinkState::Ended { report } => return self.turned_away(actor, Some(report), "ended").await,
            // The id that was asked for is not kept: it may be a good one, mistyped.
            QrLinkState::Unknown => return self.turned_away(actor, None, "unknown").await,
        };
        let Some(identity) = exam_details::report_of_link(&self.index, report).await? else {
            return self.turned_away(actor, Some(report), "withdrawn").await;
        };
        let scope = Scope { criteria: Criteria::exam(&identity.observation_uid), vip: true, ..Scope::default() };
        let visible = exam_pages::get(&self.index, &scope, &identity.observation_uid).await?.is_some();
        let factors = factors(&identity);
        if !visible || factors.is_empty() {
            return self.turned_away(actor, Some(report), "not_shown").await;
        }
        if failed >= policy.qr_failed_attempts {
            self.turned_away(actor, Some(report), "locked").await?;
            return Ok(Visit::Locked);
        }
        let LinkedIdentity { observation_uid, .. } = identity;
        let given = factor.trim().to_ascii_uppercase();
        let equal = factors.iter().map(|right| right.as_bytes().ct_eq(given.as_bytes()));
        let matches = bool::from(equal.fold(Choice::from(0), |any, equal| any | equal));
        let link_id = link_id.to_ascii_lowercase();
        let (now, id, audit_id) = (self.clock.now_ms(), new_session_id(), self.ids.next());
        let session = SessionScope {
            page: Page::ClinicExam,
            scope,
            show_type: ShowType::Report,
            show_close: false,
            frame_ancestors: Vec::new(),
            visitor: true,
            printed_link: link_id.clone(),
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
            org_code: qr_links::organization_of(&self.index, report).await?,
            target: report.to_string(),
            outcome: if matches { "ok" } else { "denied" },
            detail: json!({}),
        };
        self.index
            .write(move |tx| {
                Box::pin(async move {
                    qr_links::count_attempt(tx, &link_id, matches).await?;
                    if matches {
                        page_sessions::insert(tx, &row).await?;
                    }
                    audit::record(tx, audit_id, now, &record).await
                })
            })
            .await?;
        Ok(if matches { Visit::Session { session: id, observation_uid } } else { Visit::WrongFactor })
    }

    /// Audits an attempt that cannot open anything.
    async fn turned_away(&self, actor: Actor, report: Option<LinkedReport>, why: &'static str) -> Result<Visit, Error> {
        let (now, audit_id) = (self.clock.now_ms(), self.ids.next());
        let detail = json!({ "why": why });
        let (org_code, target) = match report {
            Some(report) => (qr_links::organization_of(&self.index, report).await?, report.to_string()),
            None => (String::new(), String::new()),
        };
        let (action, outcome) = ("open_qr_link", "denied");
        let record = AuditRecord { action, actor, org_code, target, outcome, detail };
        self.index
            .write(move |tx| Box::pin(async move { audit::record(tx, audit_id, now, &record).await }))
            .await
            .map_err(Error::from)?;
        Ok(Visit::Unavailable)
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
        let QrLinkState::Open { report, .. } = state else { return Ok(None) };
        let Some(LinkedIdentity { observation_uid, .. }) = exam_details::report_of_link(&self.index, report).await?
        else {
            return Ok(None);
        };
        let visible = exam_pages::get(&self.index, &session.scope.scope, &observation_uid).await?.is_some();
        let record = AuditRecord {
            action: "open_qr_link",
            actor: session.actor(&remote_addr),
            org_code: qr_links::organization_of(&self.index, report).await?,
            target: report.to_string(),
            outcome: if visible { "ok" } else { "denied" },
            detail: json!({}),
        };
        let (now, audit_id) = (self.clock.now_ms(), self.ids.next());
        self.index.write(move |tx| Box::pin(async move { audit::record(tx, audit_id, now, &record).await })).await?;
        Ok(visible.then_some(observation_uid))
    }
}

/// What opens a report: of the identity number when there is one, else of the card number, or the date of birth.
fn factors(identity: &LinkedIdentity) -> Vec<String> {
    let LinkedIdentity { id_no, card_no, birth_date, .. } = identity;
    if let Some(end) = last_characters(id_no) {
        return vec![end];
    }
    let born: String = birth_date.chars().take(10).filter(char::is_ascii_digit).collect();
    last_characters(card_no).into_iter().chain(Some(born).filter(|born| born.len() == 8)).collect()
}

fn last_characters(number: &str) -> Option<String> {
    let chars: Vec<char> = number.trim().to_ascii_uppercase().chars().collect();
    Some(chars.get(chars.len().checked_sub(FACTOR_CHARS)?..)?.iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_and_birth_date_open_only_what_has_no_identity_number() {
        let of = |id_no: &str, card_no: &str, birth_date: &str| {
            let [id_no, card_no, birth_date] = [id_no, card_no, birth_date].map(str::to_owned);
            factors(&LinkedIdentity { observation_uid: String::new(), id_no, card_no, birth_date })
        };
        assert_eq!(of("99010119900101001x", "C1234", "1990-01-01 00:00:00"), ["001X"]);
        assert_eq!(of("", "C1234", "1990-01-01 00:00:00"), ["1234", "19900101"]);
        assert_eq!(of("", "", "1990-01-01"), ["19900101"]);
        assert!(of("", "123", "1990").is_empty());
    }
}
