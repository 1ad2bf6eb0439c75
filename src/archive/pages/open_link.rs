//! Somebody opens a signed link, or a printed code: from address to session (D-T8, D-T10, D-T11, D-I10, RD-18, RD-21).
//!
//! The session's id is 128 random bits that only the browser learns; what it may see is resolved once, here.
//! Every attempt leaves an audit record, the refused ones too.

use serde_json::json;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::archive::reports::qr_link::QrLinkState;
use crate::archive::{Archive, Error};
use crate::domain::criteria::{Criteria, CriteriaError, Key, ShowType};
use crate::domain::customer::{Customer, Customers, Unreviewed};
use crate::domain::page::{Page, Parameter};
use crate::domain::scope::{Filter, Order, Paging, PatientKey, Scope, Search, SessionScope};
use crate::domain::token::{Refusal, SignedQuery, Verified, verify};
use crate::domain::{Actor, ActorKind};
use crate::index::audit::{self, AuditRecord};
use crate::index::exam_pages::{self, Entry};
use crate::index::page_sessions::{self, PageSession};
use crate::index::{self, exam_details};

/// Entries of step one that are looked at for related exams (D-P16).
const RELATED_STEP_ONE: i64 = 200;
/// How far behind [`PageSession::last_seen_at`] may be, so that pictures cost no writes.
const TOUCH_MS: i64 = 60_000;
/// Characters of the id number that a visitor has to know.
const FACTOR_CHARS: usize = 4;

/// How long sessions live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionPolicy {
    /// Without use, in milliseconds.
    pub idle_ms: i64,
    /// At all, in milliseconds.
    pub absolute_ms: i64,
    /// Most patients that a link for related exams may lead to (D-P16).
    pub related_patients: usize,
}

/// A signed link as it came.
#[derive(Debug)]
pub struct OpenLink<'a> {
    /// The page.
    pub page: Page,
    /// The query or the form's body, not decoded.
    pub raw_query: &'a str,
    /// Who asks.
    pub remote_addr: String,
    /// All customers.
    pub customers: &'a Customers,
    /// How long sessions live.
    pub policy: SessionPolicy,
}

/// What became of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// A session began.
    Session {
        /// The session's id; nobody else ever sees it.
        session: String,
        /// Where it begins.
        start: Start,
    },
    /// The link is in order, but nothing matches: labels and masked values of what was asked for.
    Nothing {
        /// What was asked for.
        criteria: Vec<(&'static str, String)>,
    },
    /// The link can be read in more than one way, or asks for nothing that may be asked.
    Malformed(String),
    /// The link is not accepted; why is for the operator only.
    Denied,
}

/// The first page of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// The list.
    List,
    /// One exam.
    Exam {
        /// Its id in addresses.
        observation_uid: String,
    },
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
}

impl Session {
    /// Whoever uses the session now.
    pub fn actor(&self, remote_addr: &str) -> Actor {
        let kind = if self.scope.visitor { ActorKind::Visitor } else { ActorKind::Customer };
        let (name, user_id) = (self.customer_guid.clone(), self.user_id.clone());
        Actor { kind, name, user_id, remote_addr: remote_addr.to_owned() }
    }
}

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
    /// Checks a signed link and begins a session.
    pub async fn open_link(&self, link: OpenLink<'_>) -> Result<Opened, Error> {
        let now = self.clock.now_ms();
        let nobody = Actor {
            kind: ActorKind::Customer,
            name: String::new(),
            user_id: String::new(),
            remote_addr: link.remote_addr.clone(),
        };
        let query = SignedQuery::parse(link.raw_query);
        let verified =
            match query.as_ref().map_err(|e| *e).and_then(|q| verify(link.page, q, link.customers, now / 1000)) {
                Ok(verified) => verified,
                Err(refusal) => return self.refuse(nobody, link.page, refusal).await,
            };
        let actor = Actor {
            name: verified.customer.guid.to_ascii_lowercase(),
            user_id: verified.get(Parameter::UserId).to_owned(),
            ..nobody
        };
        let criteria = match Criteria::from_link(link.page, &verified) {
            Ok(criteria) => criteria,
            Err(error) => return self.refuse_criteria(actor, link.page, error).await,
        };
        let mut scope = resolve(&verified, criteria);
        for (key, value) in scope.criteria.any_of.iter_mut().chain(&mut scope.criteria.all_of) {
            if *key == Key::PatientMaster {
                *value = self.current_master_id(value).await?;
            }
        }
        if scope.criteria.related {
            scope.patients = Some(self.related_patients(&scope, link.policy.related_patients).await?);
        }
        let found = self.first_entries(&scope).await?;
        let start = match (link.page, found.as_slice()) {
            (Page::ClinicExam, []) => None,
            (Page::ClinicExam, [only]) => Some(Start::Exam { observation_uid: only.observation_uid.clone() }),
            _ => Some(Start::List),
        };
        let masked = scope.criteria.masked();
        let session = SessionScope {
            page: link.page,
            scope,
            show_type: ShowType::parse(verified.get(Parameter::ShowType)),
            show_close: verified.get(Parameter::ShowClose) == "1",
            frame_ancestors: verified.customer.frame_ancestors.clone(),
            visitor: false,
        };
        let id = new_session_id();
        let row = page_session(&id, &actor, &verified, &session, now, link.policy);
        let Some(row) = row else { return Err(Error::Invalid("session scope".to_owned())) };
        let detail = json!({
            "page": link.page.name(),
            "parameters": verified.values.keys().map(|p| p.name()).collect::<Vec<_>>(),
            "notes": verified.notes,
            "found": found.len(),
        });
        for note in &verified.notes {
            tracing::warn!(customer.guid = %verified.customer.guid, link.note = note, "link accepted with a note");
        }
        let record = AuditRecord {
            action: "open_page",
            actor: actor.clone(),
            org_code: verified.customer.organization.clone(),
            target: String::new(),
            outcome: if start.is_some() { "ok" } else { "nothing_found" },
            detail,
        };
        let single_use = SingleUse::of(&verified, now);
        let (audit_id, keep) = (self.ids.next(), start.is_some());
        let fresh = self
            .index
            .write(move |tx| {
                Box::pin(async move {
                    if let Some(SingleUse { guid, hash, forget_before }) = &single_use
                        && !page_sessions::use_token(tx, guid, hash, now, *forget_before).await?
                    {
                        return Ok::<_, index::Error>(false);
                    }
                    if keep {
                        page_sessions::insert(tx, &row).await?;
                    }
                    audit::record(tx, audit_id, now, &record).await?;
                    Ok(true)
                })
            })
            .await?;
        if !fresh {
            return self.refuse(actor, link.page, Refusal::Denied("used before")).await;
        }
        Ok(match start {
            Some(start) => Opened::Session { session: id, start },
            None => Opened::Nothing { criteria: masked },
        })
    }

    /// The session with this id, when it is alive and its customer still is one.
    pub async fn session(&self, id: &str, customers: &Customers, idle_ms: i64) -> Result<Option<Session>, Error> {
        if id.len() != 32 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let Some(row) = page_sessions::get(&self.index, &hash(id)).await? else { return Ok(None) };
        let now = self.clock.now_ms();
        if row.expires_at <= now || row.last_seen_at + idle_ms <= now {
            return Ok(None);
        }
        let Ok(scope) = serde_json::from_str::<SessionScope>(&row.scope) else { return Ok(None) };
        if !scope.visitor && customers.get(&row.customer_guid).is_none() {
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
        }))
    }

    /// Keeps with the session what its query form asks for; an empty search forgets it.
    pub async fn keep_search(&self, session: &Session, search: &Search) -> Result<(), Error> {
        let id_hash = session.id_hash.clone();
        let text = if *search == Search::default() { Ok(String::new()) } else { serde_json::to_string(search) };
        let text = text.map_err(|_| Error::Invalid("search".to_owned()))?;
        let written =
            self.index.write(move |tx| Box::pin(async move { page_sessions::set_search(tx, &id_hash, &text).await }));
        Ok(written.await?)
    }

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

    async fn first_entries(&self, scope: &Scope) -> Result<Vec<Entry>, Error> {
        let paging = Paging { order: Order::Newest, after: None, limit: 2 };
        Ok(exam_pages::find(&self.index, scope, &Filter::default(), &paging).await?)
    }

    /// Step one and two of related exams: the patients of the exams that match, no more than `most` (D-P16).
    async fn related_patients(&self, scope: &Scope, most: usize) -> Result<Vec<PatientKey>, Error> {
        let paging = Paging { order: Order::Newest, after: None, limit: RELATED_STEP_ONE };
        let mut patients: Vec<PatientKey> = Vec::new();
        for entry in exam_pages::find(&self.index, scope, &Filter::default(), &paging).await? {
            let (org_code, patient_id) = (entry.org_code, entry.patient_id);
            let patient = PatientKey { org_code, patient_id, patient_local_id: entry.patient_local_id };
            if !patients.contains(&patient) && patients.len() < most {
                patients.push(patient);
            }
        }
        self.with_same_persons(patients).await
    }

    async fn refuse(&self, actor: Actor, page: Page, refusal: Refusal) -> Result<Opened, Error> {
        self.audit_refusal(actor, page, refusal.to_string()).await?;
        Ok(match refusal {
            Refusal::Malformed(_) => Opened::Malformed("链接参数有误".to_owned()),
            Refusal::Denied(_) => Opened::Denied,
        })
    }

    async fn refuse_criteria(&self, actor: Actor, page: Page, error: CriteriaError) -> Result<Opened, Error> {
        self.audit_refusal(actor, page, error.to_string()).await?;
        Ok(Opened::Malformed(error.to_string()))
    }

    async fn audit_refusal(&self, actor: Actor, page: Page, reason: String) -> Result<(), Error> {
        let (now, audit_id) = (self.clock.now_ms(), self.ids.next());
        let record = AuditRecord {
            action: "open_page",
            actor,
            org_code: String::new(),
            target: String::new(),
            outcome: "denied",
            detail: json!({ "page": page.name(), "reason": reason }),
        };
        let written =
            self.index.write(move |tx| Box::pin(async move { audit::record(tx, audit_id, now, &record).await }));
        Ok(written.await?)
    }
}

struct SingleUse {
    guid: String,
    hash: String,
    forget_before: i64,
}

impl SingleUse {
    fn of(verified: &Verified<'_>, now: i64) -> Option<Self> {
        let customer = verified.customer;
        let options = &customer.token;
        options.single_use.then(|| SingleUse {
            guid: customer.guid.to_ascii_lowercase(),
            hash: hash(&verified.token),
            // A token that has expired need not be remembered; one that never expires must be for ever.
            forget_before: if options.require_timestamp {
                now - (options.max_age_s + options.max_future_s + 2 * 28_800) * 1000
            } else {
                0
            },
        })
    }
}

/// What the customer's configuration lets this link see; the link itself can only narrow it (D-T11).
fn resolve(verified: &Verified<'_>, criteria: Criteria) -> Scope {
    let customer = verified.customer;
    // Without a time a link is a permanent credential: the own organisation only (D-T9).
    let organizations = if verified.values.contains_key(&Parameter::Timestamp) {
        customer.visible_organizations()
    } else {
        Some(vec![customer.organization.clone()])
    };
    Scope {
        criteria,
        free_search: customer.free_search,
        home: home(customer, verified.get(Parameter::UserOrganizationId), organizations.as_deref()),
        organizations,
        unreviewed: customer.unreviewed == Unreviewed::Own,
        vip: customer.vip,
        patients: None,
    }
}

/// The user's organisation, when the customer is configured for it; else the customer's own (D-P15).
fn home(customer: &Customer, asked: &str, organizations: Option<&[String]>) -> String {
    let listed = match organizations {
        Some(codes) => codes.iter().any(|code| code == asked),
        None => customer.organizations.iter().any(|code| code == asked),
    };
    if listed { asked.to_owned() } else { customer.organization.clone() }
}

fn page_session(
    id: &str,
    actor: &Actor,
    verified: &Verified<'_>,
    session: &SessionScope,
    now: i64,
    policy: SessionPolicy,
) -> Option<PageSession> {
    Some(PageSession {
        id_hash: hash(id),
        customer_guid: actor.name.clone(),
        user_id: actor.user_id.clone(),
        user_name: verified.get(Parameter::UserName).to_owned(),
        user_organization_id: verified.get(Parameter::UserOrganizationId).to_owned(),
        user_organization_name: verified.get(Parameter::UserOrganizationName).to_owned(),
        scope: serde_json::to_string(session).ok()?,
        search: String::new(),
        created_at: now,
        last_seen_at: now,
        expires_at: now + policy.absolute_ms,
    })
}

fn new_session_id() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}

fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

fn last_characters(id_no: &str) -> String {
    let chars: Vec<char> = id_no.trim().to_ascii_uppercase().chars().collect();
    chars[chars.len().saturating_sub(FACTOR_CHARS)..].iter().collect()
}
