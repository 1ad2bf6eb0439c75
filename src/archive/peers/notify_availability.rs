//! Peers that are told when a study is here (Instance Availability Notification, PS3.4 annex R).
//!
//! A study counts as complete when nothing has come for a while: each new instance puts the notification off, in the
//! transaction that stores it. What comes later, or is removed because an upstream keeps it, is told by another notification
//! about the whole study. Who is told is recorded in the audit trail.

use std::sync::Arc;

use serde_json::json;

use crate::archive::{Archive, Error};
use crate::domain::Actor;
use crate::index::audit::{self, AuditRecord};
use crate::index::jobs::{self, JobKind};
use crate::index::{self, Ids, Tx, availability};

pub use crate::domain::availability::{InstanceAvailability, StudyAvailability};

/// Whom to tell of whose studies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifyRule {
    /// AE title of the peer.
    pub ae_title: String,
    /// The organisation whose studies it is told of.
    pub org_code: String,
    /// How long nothing must have come, in milliseconds.
    pub quiet_ms: u64,
}

/// The key of the job that tells one peer of one study.
fn key(study_pk: i64, ae_title: &str) -> String {
    format!("{study_pk}:{ae_title}")
}

/// The study and the peer of such a job.
pub fn parse_key(key: &str) -> Option<(i64, &str)> {
    let (study_pk, ae_title) = key.split_once(':')?;
    Some((study_pk.parse().ok()?, ae_title))
}

/// Puts the notifications of a study off, in the transaction that adds to it or makes some of it unavailable.
pub(in crate::archive) async fn study_changes(
    tx: &mut Tx,
    ids: &Ids,
    now: i64,
    rules: &[NotifyRule],
    org_code: &str,
    study_pk: i64,
) -> Result<(), index::Error> {
    for rule in rules.iter().filter(|rule| rule.org_code == org_code) {
        let run_at = now.saturating_add(i64::try_from(rule.quiet_ms).unwrap_or(i64::MAX / 4));
        jobs::enqueue(tx, ids, now, JobKind::NotifyAvailability, &key(study_pk, &rule.ae_title), run_at).await?;
    }
    Ok(())
}

impl Archive {
    /// The same archive, of whose new studies peers are told.
    pub fn notifying(mut self, rules: Vec<NotifyRule>) -> Self {
        self.notify_rules = Arc::from(rules);
        self
    }

    /// What of a study is here, if there is such a study.
    pub async fn study_availability(&self, study_pk: i64) -> Result<Option<StudyAvailability>, Error> {
        Ok(availability::of_study(&self.index, study_pk).await?)
    }

    /// Records that a peer has been told of a study.
    pub async fn availability_told(
        &self,
        study_pk: i64,
        study: &StudyAvailability,
        ae_title: &str,
    ) -> Result<(), Error> {
        let (id, now) = (self.ids.next(), self.clock.now_ms());
        let entry = AuditRecord {
            action: "notify_availability",
            actor: Actor::system("availability"),
            org_code: study.org_code.clone(),
            target: format!("study:{study_pk}"),
            outcome: "ok",
            detail: json!({ "peer": ae_title, "instances": study.instances.len() }),
        };
        self.index.write(move |tx| Box::pin(async move { Ok(audit::record(tx, id, now, &entry).await?) })).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_a_study_and_a_peer() {
        assert_eq!(parse_key(&key(17, "RIS:01")), Some((17, "RIS:01")));
        assert_eq!(parse_key("17"), None);
        assert_eq!(parse_key("x:RIS"), None);
    }
}
