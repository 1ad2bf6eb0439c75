//! Somebody opens a signed link: from address to session (D-T8, D-T10, D-T11, RD-18, RD-21).
//!
//! What the session may see is resolved once, here. Every attempt leaves an audit record, the refused ones too.

use serde_json::json;

use super::session::{hash, new_session_id};
use crate::archive::{Archive, Error};
use crate::domain::criteria::{Criteria, CriteriaError, Key, ShowType};
use crate::domain::customer::{Customer, Customers, Unreviewed};
use crate::domain::page::{Page, Parameter};
use crate::domain::scope::{Filter, Order, Paging, PatientKey, Scope, SessionScope, SortBy};
use crate::domain::search_rules::SearchRules;
use crate::domain::token::{Proof, Refusal, SignedQuery, Verified, by_password, verify};
use crate::domain::{Actor, ActorKind};
use crate::index;
use crate::index::audit::{self, AuditRecord};
use crate::index::exam_pages::{self, Entry};
use crate::index::page_sessions::{self, PageSession};

pub use super::session::{Session, SessionPolicy};

/// Entries of step one that are looked at for related exams (D-P16).
const RELATED_STEP_ONE: i64 = 200;

/// A signed link as it came.
pub struct OpenLink<'a> {
    /// The page.
    pub page: Page,
    /// The query or the form's body, not decoded.
    pub raw_query: &'a str,
    /// Who asks.
    pub remote_addr: String,
    /// The configured customers, and how to read the kept ones.
    pub customers: &'a Customers,
    /// How the words of links are understood.
    pub rules: &'a SearchRules,
    /// How long sessions live.
    pub policy: SessionPolicy,
    /// Whether the customer with this GUID may open one more; asked of links that are in order, so that nobody uses up
    /// what belongs to a customer by knowing its GUID.
    pub allows: &'a (dyn Fn(&str) -> bool + Sync),
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
        /// Sites that may frame the answer.
        frame_ancestors: Vec<String>,
    },
    /// The link can be read in more than one way, or asks for nothing that may be asked.
    Malformed(String),
    /// The link is not accepted; why is for the operator only.
    Denied,
    /// The customer opens more than it may.
    TooMany,
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
        let query = match SignedQuery::parse(link.raw_query) {
            Ok(query) => query,
            Err(refusal) => return self.refuse(nobody, link.page, refusal).await,
        };
        let without_signature = match query.password() {
            Some(password) => self.customer_by_password(&link, &query, password).await?,
            None => None,
        };
        let customer = match (query.guid(), link.page) {
            ("", Page::RelatedExamList) => self.customer(link.customers, link.customers.default_guid()).await?,
            (guid, _) => self.customer(link.customers, guid).await?,
        };
        let verified = match &without_signature {
            Some(customer) => Ok(by_password(link.page, &query, customer)),
            None => verify(link.page, &query, customer.as_deref(), now / 1000),
        };
        let verified = match verified {
            Ok(verified) => verified,
            Err(refusal) => return self.refuse(nobody, link.page, refusal).await,
        };
        let actor = Actor {
            name: verified.customer.guid.to_ascii_lowercase(),
            user_id: verified.get(Parameter::UserId).to_owned(),
            ..nobody
        };
        if !(link.allows)(&actor.name) {
            return Ok(Opened::TooMany);
        }
        let criteria = match Criteria::from_link(link.page, &verified, link.rules) {
            Ok(criteria) => criteria,
            Err(error) => return self.refuse_criteria(actor, link.page, error).await,
        };
        let mut scope = resolve(link.page, &verified, criteria);
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
        if let ([only], Page::ClinicExam, true) = (found.as_slice(), link.page, verified.customer.prior_exams)
            && !(only.patient_id.is_empty() && only.patient_local_id.is_empty())
        {
            scope.patients = Some(self.with_same_persons(vec![patient_of(only)]).await?);
        }
        let masked = scope.criteria.masked();
        let frame_ancestors = verified.customer.frame_ancestors.clone();
        let session = SessionScope {
            page: link.page,
            scope,
            show_type: ShowType::parse(verified.get(Parameter::ShowType)),
            show_close: verified.get(Parameter::ShowClose) == "1",
            frame_ancestors: frame_ancestors.clone(),
            visitor: false,
            printed_link: String::new(),
            restricted_count: verified.customer.restricted_count,
            download: verified.customer.download,
            print: verified.customer.print,
        };
        let id = new_session_id();
        let row = page_session(&id, &actor, &verified, &session, now, link.policy);
        let Some(row) = row else { return Err(Error::Invalid("session scope".to_owned())) };
        let detail = json!({
            "page": link.page.name(),
            "parameters": verified.values.keys().map(|p| p.name()).collect::<Vec<_>>(),
            "proof": match verified.proof {
                Proof::Md5 => "token",
                Proof::Hmac => "sign",
                Proof::Password => "password",
            },
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
            None => Opened::Nothing { criteria: masked, frame_ancestors },
        })
    }

    async fn first_entries(&self, scope: &Scope) -> Result<Vec<Entry>, Error> {
        let paging = Paging { by: SortBy::Observed, order: Order::Newest, after: None, limit: 2 };
        Ok(exam_pages::find(&self.index, &scope.of_link(), &Filter::default(), &paging).await?)
    }

    /// Step one and two of related exams: the patients of the exams that match, no more than `most` (D-P16).
    async fn related_patients(&self, scope: &Scope, most: usize) -> Result<Vec<PatientKey>, Error> {
        let paging = Paging { by: SortBy::Observed, order: Order::Newest, after: None, limit: RELATED_STEP_ONE };
        let mut patients: Vec<PatientKey> = Vec::new();
        for entry in exam_pages::find(&self.index, scope, &Filter::default(), &paging).await? {
            let patient = patient_of(&entry);
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
        let is_signed = verified.proof != Proof::Password;
        (options.single_use && is_signed).then(|| SingleUse {
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
fn resolve(page: Page, verified: &Verified<'_>, criteria: Criteria) -> Scope {
    let customer = verified.customer;
    // Without a time a link is a permanent credential, and so is a password: the own organisation only (D-T9, D-T12).
    let is_timed = verified.values.contains_key(&Parameter::Timestamp) && verified.proof != Proof::Password;
    let organizations =
        if is_timed { customer.visible_organizations() } else { Some(vec![customer.organization.clone()]) };
    // Names are no part of `token`, and characters can be moved between neighbouring values: whoever has a link could write
    // another organisation into it.
    let says_home = verified.proof == Proof::Hmac;
    let asked = if says_home { verified.get(Parameter::UserOrganizationId) } else { "" };
    Scope {
        criteria,
        // Only a form can ask for something else than the link; whatever has none is about what the link says (D-P22).
        free_search: customer.free_search && page == Page::ClinicExamView,
        home: home(customer, asked, organizations.as_deref()),
        organizations,
        unreviewed: customer.unreviewed == Unreviewed::Own,
        vip: customer.vip,
        patients: None,
    }
}

/// The organisation that counts as the user's own, when the customer is configured for it; else the customer's (D-P15).
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
        language: match verified.get(Parameter::Language).to_ascii_lowercase() {
            word if word.starts_with("en") => "en".to_owned(),
            word if word.starts_with("zh") => "zh".to_owned(),
            _ => String::new(),
        },
        created_at: now,
        last_seen_at: now,
        expires_at: now + policy.absolute_ms,
    })
}

/// The patient of an entry, as its organisation knows the patient.
pub(super) fn patient_of(entry: &Entry) -> PatientKey {
    PatientKey {
        org_code: entry.org_code.clone(),
        patient_id: entry.patient_id.clone(),
        patient_local_id: entry.patient_local_id.clone(),
    }
}
