//! Answers queries: C-FIND (PS3.4 annex C) and QIDO-RS (PS3.18 section 10.6).
//!
//! The caller says whose data may be seen; nothing else is ever looked at. Matches come page by page, so that a
//! question with a million answers needs the memory of one page. [`Archive::find`] gives one page with an offset;
//! [`Archive::begin_find`] walks on. Each question is audited once, by [`Finding::finish`], without its values.

use std::collections::VecDeque;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::archive::{Archive, Error};
use crate::domain::query::Query;
use crate::domain::{Actor, ActorKind};
use crate::index;
use crate::index::audit::{self, AuditRecord};
use crate::index::find::Walk;

pub use crate::index::find::{Confidentiality, MAX_PAGE_ROWS, Match, Readable};

/// Whose data a caller may see, as it is configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads {
    /// These organisations, the first first.
    pub named: Vec<Readable>,
    /// So much of every other organisation that the archive knows by then.
    pub others: Option<Confidentiality>,
}

impl Reads {
    /// These organisations and no other.
    pub fn only(named: Vec<Readable>) -> Self {
        Self { named, others: None }
    }

    /// So much of every organisation.
    pub fn every(confidentiality: Confidentiality) -> Self {
        Self { named: Vec::new(), others: Some(confidentiality) }
    }

    /// Whether nobody's data may be seen, whatever the archive will know.
    pub fn is_nothing(&self) -> bool {
        self.named.is_empty() && self.others.is_none()
    }
}

/// How queries are answered.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FindLimits {
    /// Rows that are read from the index at a time, 1 to 5000. Default 500.
    pub page_rows: u32,
    /// Rows that one query may look at where no index answers it alone, e.g. a wildcard at a value's beginning.
    /// Default 2000000.
    pub max_examined_rows: u64,
}

impl Default for FindLimits {
    fn default() -> Self {
        Self { page_rows: 500, max_examined_rows: 2_000_000 }
    }
}

/// A question with the right to ask it.
#[derive(Debug, Clone)]
pub struct Find {
    /// What is asked.
    pub query: Query,
    /// Whose data may be seen; organisations are answered in this order.
    pub readable: Vec<Readable>,
    /// Who asks.
    pub actor: Actor,
    /// How much may be done for it.
    pub limits: FindLimits,
}

/// A part of the matches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The matches.
    pub matches: Vec<Match>,
    /// Whether there are more behind them.
    pub has_more: bool,
}

/// How a question ended, for the audit trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindOutcome {
    /// All matches were given.
    Complete,
    /// There were more than the limit.
    Limited,
    /// The caller took it back.
    Cancelled,
    /// Something failed on the way.
    Failed,
}

impl FindOutcome {
    fn as_str(self) -> &'static str {
        match self {
            FindOutcome::Complete => "ok",
            FindOutcome::Limited => "limited",
            FindOutcome::Cancelled => "cancelled",
            FindOutcome::Failed => "failed",
        }
    }
}

/// A question that is being answered.
#[derive(Debug)]
pub struct Finding {
    archive: Archive,
    actor: Actor,
    readable: Vec<Readable>,
    detail: serde_json::Value,
    walk: Walk,
    waiting: VecDeque<Match>,
    given: u64,
}

impl Archive {
    /// Whose data it is now, organisations that were imported since the start included (RD-24).
    pub fn readable(&self, reads: &Reads) -> Vec<Readable> {
        let mut readable = reads.named.clone();
        if let Some(confidentiality) = reads.others {
            let is_named = |code: &String| reads.named.iter().any(|known| known.org_code == *code);
            let others = self.organizations().into_keys().filter(|code| !is_named(code));
            readable.extend(others.map(|org_code| Readable { org_code, confidentiality }));
        }
        readable
    }

    /// Begins to answer; nothing is read yet.
    pub fn begin_find(&self, find: Find) -> Finding {
        let Find { query, readable, actor, limits } = find;
        let keys: Vec<String> =
            query.conditions().iter().map(|condition| condition.attribute.keyword.to_owned()).collect();
        let detail = json!({ "level": query.level().as_str(), "keys": keys });
        let walk = Walk::new(query, readable.clone(), limits.page_rows, limits.max_examined_rows);
        Finding { archive: self.clone(), actor, readable, detail, walk, waiting: VecDeque::new(), given: 0 }
    }

    /// One part of the matches: after `offset` of them, at most `limit`. Audited.
    pub async fn find(&self, mut find: Find, offset: u64, limit: usize) -> Result<Found, Error> {
        // One row more tells whether more follow; whole pages would be read in vain.
        let wanted = offset.saturating_add(limit as u64).saturating_add(1);
        find.limits.page_rows = find.limits.page_rows.min(u32::try_from(wanted).unwrap_or(u32::MAX));
        let mut finding = self.begin_find(find);
        let result = finding.part(offset, limit).await;
        let outcome = match &result {
            Ok(found) if found.has_more => FindOutcome::Limited,
            Ok(_) => FindOutcome::Complete,
            Err(_) => FindOutcome::Failed,
        };
        finding.finish(outcome).await?;
        result
    }
}

impl Finding {
    /// The next match; `None` when there are no more. An error is [`Error::TooLarge`] when the question would look at
    /// more rows than its limit.
    pub async fn next(&mut self) -> Result<Option<Match>, Error> {
        while self.waiting.is_empty() {
            match self.walk.next_page(&self.archive.index).await {
                Ok(Some(page)) => self.waiting.extend(page),
                Ok(None) => return Ok(None),
                Err(index::find::Error::Index(error)) => return Err(error.into()),
                Err(index::find::Error::TooManyRows(limit)) => {
                    return Err(Error::TooLarge { what: "search", limit: format!("{limit} rows") });
                }
            }
        }
        self.given += 1;
        Ok(self.waiting.pop_front())
    }

    /// Whether the next match is there without waiting.
    pub fn is_ready(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// How many matches [`Finding::next`] has given.
    pub fn given(&self) -> u64 {
        self.given
    }

    /// Notes the question and how it ended in the audit trail.
    pub async fn finish(self, outcome: FindOutcome) -> Result<(), Error> {
        let Self { archive, actor, readable, mut detail, given, .. } = self;
        detail["matches"] = given.into();
        match actor.kind {
            ActorKind::Peer if outcome != FindOutcome::Failed => archive.note_success("C-FIND", &actor.name),
            ActorKind::Client if outcome != FindOutcome::Failed => archive.note_success("QIDO-RS", &actor.name),
            _ => {}
        }
        let org_code = match readable.as_slice() {
            [one] => one.org_code.clone(),
            _ => String::new(),
        };
        let entry =
            AuditRecord { action: "find", actor, org_code, target: String::new(), outcome: outcome.as_str(), detail };
        let (id, now) = (archive.ids.next(), archive.clock.now_ms());
        Ok(archive.index.write(move |tx| Box::pin(async move { audit::record(tx, id, now, &entry).await })).await?)
    }

    async fn part(&mut self, offset: u64, limit: usize) -> Result<Found, Error> {
        let mut found = Found::default();
        self.walk.skip(offset);
        while found.matches.len() < limit {
            match self.next().await? {
                Some(one) => found.matches.push(one),
                None => return Ok(found),
            }
        }
        let given = self.given;
        found.has_more = self.next().await?.is_some();
        self.given = given;
        Ok(found)
    }
}
