//! Contradictions that a person has to look at: lists, both sides of one, and the decision (RD-7).
//!
//! Looking shows patient data and is recorded; so is every decision. Which content under a UID is the current one lives
//! in the index alone: after a reindex the first one is current again, and the decision has to be made anew.

use serde_json::json;

use crate::archive::images::instance_rows::{CurrentContent, content_is_current};
use crate::archive::upkeep::reindex::ReindexRules;
use crate::archive::{Archive, Error};
use crate::dicom::content_hash::HashAlgorithm;
use crate::domain::Actor;
use crate::index::audit::{self, AuditRecord};
use crate::index::instance_versions::{self, Version};
use crate::index::instances::InstanceRow;
use crate::index::{conflicts, subjects};

pub use crate::index::conflicts::{Conflict, ConflictKind, ConflictState};
pub use crate::index::subjects::{Facts, Subject};

/// A row that somebody looks at, by its name (`exam:17`); its facts are gone when the row is.
pub type Side = (String, Option<Facts>);

impl Archive {
    /// Conflicts, the newest first; of one kind or of all, the open ones or all.
    pub async fn find_conflicts(
        &self,
        kind: Option<ConflictKind>,
        state: Option<ConflictState>,
        limit: u32,
    ) -> Result<Vec<Conflict>, Error> {
        Ok(conflicts::find(&self.index, kind, state, limit).await?)
    }

    /// One conflict with the rows that it is about.
    pub async fn view_conflict(&self, actor: Actor, id: i64) -> Result<(Conflict, Vec<Side>), Error> {
        let conflict = conflicts::get(&self.index, id).await?.ok_or(Error::NotFound)?;
        let mut sides = Vec::new();
        for word in conflict.subject.split_whitespace() {
            let facts = match Subject::parse(word) {
                Some(subject) => subjects::facts(&self.index, subject).await?,
                None => None,
            };
            sides.push((word.to_owned(), facts));
        }
        self.record(actor, "view_conflict", &conflict.org_code, format!("conflict:{id}")).await?;
        Ok((conflict, sides))
    }

    /// One exam report, lab report, study or instance with what is linked to it, for somebody who decides about it.
    pub async fn view_subject(&self, actor: Actor, word: &str) -> Result<Facts, Error> {
        let subject = Subject::parse(word).ok_or(Error::NotFound)?;
        let facts = subjects::facts(&self.index, subject).await?.ok_or(Error::NotFound)?;
        let org_code = facts.iter().find(|(name, _)| *name == "org_code").map_or("", |(_, value)| value);
        self.record(actor, "view_subject", org_code, word.to_owned()).await?;
        Ok(facts)
    }

    /// Closes a conflict: what is there stays as it is, or a version becomes the current content under its UID.
    pub async fn accept_conflict(&self, actor: Actor, id: i64, version_pk: Option<i64>) -> Result<(), Error> {
        let conflict = conflicts::get(&self.index, id).await?.ok_or(Error::NotFound)?;
        let chosen = match version_pk {
            Some(version_pk) => Some(self.version_of(&conflict, version_pk).await?),
            None => None,
        };
        let (now, audit_id, former_pk) = (self.clock.now_ms(), self.ids.next(), self.ids.next());
        let (ids, rules) = (self.ids.clone(), self.row_rules());
        self.index
            .write(move |tx| {
                Box::pin(async move {
                    if let Some((version, mut content)) = chosen {
                        content.place = instance_versions::take(tx, version.id).await?.ok_or(Error::NotFound)?;
                        let Version { instance_pk, study_pk, org_code, received_at, .. } = version;
                        instance_versions::make_current(tx, former_pk, instance_pk, &content, received_at, now).await?;
                        let current = CurrentContent { org_code: &org_code, study_pk, instance_pk };
                        content_is_current(tx, &ids, &rules, now, current).await?;
                    }
                    if !conflicts::close(tx, id, now).await? {
                        return Err(Error::NotFound);
                    }
                    let entry = AuditRecord {
                        action: "accept_conflict",
                        actor,
                        org_code: conflict.org_code,
                        target: format!("conflict:{id}"),
                        outcome: "ok",
                        detail: json!({ "kind": conflict.kind.as_str(), "version": version_pk }),
                    };
                    Ok(audit::record(tx, audit_id, now, &entry).await?)
                })
            })
            .await
    }

    /// A version of the conflict's instance, with its row as current content, read from the object itself.
    async fn version_of(&self, conflict: &Conflict, version_pk: i64) -> Result<(Version, InstanceRow), Error> {
        let invalid = |what: &str| Error::Invalid(format!("version {version_pk} {what}"));
        let version = instance_versions::get(&self.index, version_pk).await?.ok_or(Error::NotFound)?;
        let subject = format!("instance:{}", version.instance_pk);
        if conflict.kind != ConflictKind::DuplicateUid || conflict.subject != subject {
            return Err(invalid("is not what this conflict is about"));
        }
        // Texts are not asked for: only what the instance's own row holds.
        let rules = ReindexRules { organization: Some(version.org_code.clone()), ..ReindexRules::default() };
        let read = self.read_back(version.place.clone(), version.received_at, &rules).await?;
        let mut new = read.map_err(|why| invalid(&format!("cannot be read back: {why:?}")))?.new;
        let known_by = HashAlgorithm::of(&version.content_hash);
        if HashAlgorithm::of(&new.instance.content_hash) != known_by {
            let dataset_offset = new.instance.dataset_offset as u64;
            new.instance.content_hash = self.hash_of(&version.place, dataset_offset, known_by).await?;
        }
        if new.instance.content_hash != version.content_hash {
            return Err(invalid("is damaged"));
        }
        let stands = [&new.study.study_instance_uid, &new.series.series_instance_uid];
        if stands != [&version.study_instance_uid, &version.series_instance_uid] {
            return Err(invalid("is of another series, it cannot take the place of the current content"));
        }
        Ok((version, new.instance))
    }

    async fn record(&self, actor: Actor, action: &'static str, org_code: &str, target: String) -> Result<(), Error> {
        let (now, audit_id, org_code) = (self.clock.now_ms(), self.ids.next(), org_code.to_owned());
        let entry = AuditRecord { action, actor, org_code, target, outcome: "ok", detail: json!({}) };
        let written =
            self.index.write(move |tx| Box::pin(async move { audit::record(tx, audit_id, now, &entry).await }));
        Ok(written.await?)
    }
}
