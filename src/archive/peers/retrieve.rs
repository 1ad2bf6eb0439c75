//! Gives objects out: C-MOVE and C-GET (PS3.4 annex C).
//!
//! The caller names patients, studies, series or instances and sees what it may see; each retrieval is audited once,
//! before the first object leaves. The bytes are read later, one object at a time ([`super::send_data_set`]).

use std::collections::{BTreeSet, HashSet};

use serde_json::json;

use crate::archive::{Archive, Error};
use crate::domain::Actor;
use crate::index::audit::{self, AuditRecord};
use crate::index::find::Readable;
use crate::index::retrieval;

pub use crate::index::retrieval::{RetrieveKeys, StoredInstance};

/// Studies that one audit record names.
const STUDIES_NAMED: usize = 100;

/// A retrieval.
#[derive(Debug, Clone)]
pub struct Retrieve {
    /// C-MOVE, C-GET, …, for the audit trail.
    pub verb: &'static str,
    /// What is asked for.
    pub keys: RetrieveKeys,
    /// Whose data the caller may have; an instance of several organisations is taken from the first.
    pub readable: Vec<Readable>,
    /// Where it goes, for the audit trail.
    pub destination: String,
    /// Who asks.
    pub actor: Actor,
    /// More instances are an error.
    pub max_instances: usize,
}

impl Archive {
    /// The instances that a retrieval means; [`Error::TooLarge`] when they are more than its limit.
    pub async fn retrieve(&self, command: Retrieve) -> Result<Vec<StoredInstance>, Error> {
        let Retrieve { verb, keys, readable, destination, actor, max_instances } = command;
        if keys == RetrieveKeys::default() {
            return Err(Error::Invalid("the retrieval names nothing".to_owned()));
        }
        let mut found: Vec<StoredInstance> = Vec::new();
        let mut known = HashSet::new();
        for readable in &readable {
            for instance in retrieval::find(&self.index, readable, &keys, max_instances.saturating_add(1)).await? {
                if known.insert(instance.sop_instance_uid.clone()) {
                    found.push(instance);
                }
            }
            if found.len() > max_instances {
                return Err(Error::TooLarge { what: "retrieval", limit: format!("{max_instances} instances") });
            }
        }
        self.audit_retrieval(verb, &found, destination, actor).await?;
        Ok(found)
    }

    async fn audit_retrieval(
        &self,
        verb: &'static str,
        found: &[StoredInstance],
        destination: String,
        actor: Actor,
    ) -> Result<(), Error> {
        let studies: BTreeSet<i64> = found.iter().map(|instance| instance.study_pk).collect();
        let organizations: BTreeSet<&str> = found.iter().map(|instance| instance.org_code.as_str()).collect();
        let named: Vec<i64> = studies.iter().copied().take(STUDIES_NAMED).collect();
        let entry = AuditRecord {
            action: "retrieve",
            actor,
            org_code: match organizations.iter().next() {
                Some(one) if organizations.len() == 1 => (*one).to_owned(),
                _ => String::new(),
            },
            target: named.first().map(|study| format!("study:{study}")).unwrap_or_default(),
            outcome: if found.is_empty() { "nothing" } else { "ok" },
            detail: json!({
                "verb": verb,
                "destination": destination,
                "instances": found.len(),
                "studies": studies.len(),
                "study": named,
            }),
        };
        let (id, now) = (self.ids.next(), self.clock.now_ms());
        Ok(self.index.write(move |tx| Box::pin(async move { audit::record(tx, id, now, &entry).await })).await?)
    }
}
