//! The queue of instances that go to upstream archives, and the removal of bytes that an upstream keeps (D-I19, RD-8).
//!
//! How an instance travels is the adapter's business. Bytes are removed only after every upstream that the instance was
//! meant for has confirmed that it keeps it, and after the time of retention; the row stays and says so.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use serde_json::json;

use super::notify_availability::study_changes;
use super::send_data_set::{DataSet, Sending};
use crate::archive::{Archive, Error};
use crate::domain::Actor;
use crate::domain::place::Place;
use crate::index::audit::{self, AuditRecord};
use crate::index::{availability, dead_objects, forwards, purged_objects};
use crate::objects::{self, Objects};

pub use crate::index::forwards::{ForwardBatch, ForwardInstance, ForwardResult, ForwardState, Parked, Step};

/// Purged objects that are removed between two transactions.
const FORGOTTEN_AT_ONCE: u32 = 500;

/// Purged objects that are removed at the same time.
const FORGOTTEN_TOGETHER: usize = 32;

/// Whose instances go to an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardRule {
    /// The upstream's name.
    pub upstream: String,
    /// Organisations whose instances go there; empty means all.
    pub organizations: Vec<String>,
    /// How long an instance waits for others of its study, in milliseconds.
    pub delay_ms: u64,
}

impl ForwardRule {
    pub(in crate::archive) fn takes(&self, org_code: &str) -> bool {
        self.organizations.is_empty() || self.organizations.iter().any(|code| code == org_code)
    }

    pub(in crate::archive) fn due_at(&self, now: i64) -> i64 {
        now.saturating_add(i64::try_from(self.delay_ms).unwrap_or(i64::MAX / 4))
    }
}

/// What a purge removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purged {
    /// Instances.
    pub instances: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Archive {
    /// The same archive, which also queues what it stores for upstream archives.
    pub fn forwarding(mut self, rules: Vec<ForwardRule>) -> Self {
        self.forward_rules = rules.into();
        self
    }

    /// The study that has waited longest for a step, except those in `besides`.
    pub async fn next_forward(
        &self,
        upstream: &str,
        step: Step,
        besides: &[i64],
        limit: u32,
    ) -> Result<Option<ForwardBatch>, Error> {
        Ok(forwards::next(&self.index, upstream, step, self.clock.now_ms(), besides, limit).await?)
    }

    /// Writes down what became of instances.
    pub async fn settle_forward(&self, upstream: &str, results: Vec<ForwardResult>) -> Result<(), Error> {
        if results.is_empty() {
            return Ok(());
        }
        let has_gone = |result: &ForwardResult| matches!(result.state, ForwardState::Sent | ForwardState::Confirmed);
        if results.iter().any(has_gone) {
            self.note_success("forward", upstream);
        }
        let (upstream, now) = (upstream.to_owned(), self.clock.now_ms());
        let settled =
            self.index.write(move |tx| Box::pin(async move { forwards::settle(tx, &upstream, now, &results).await }));
        Ok(settled.await?)
    }

    /// The bytes of an instance from `from` on; not found when its object is gone.
    pub async fn forward_bytes(
        &self,
        instance: &ForwardInstance,
        from: u64,
    ) -> Result<BoxStream<'static, Result<Bytes, objects::Error>>, Error> {
        match self.objects.stream(&rest_of(&instance.place, from)).await {
            Err(objects::Error::Missing) => {}
            other => return Ok(other?),
        }
        // It may lie elsewhere since the batch was put together.
        let place = forwards::place(&self.index, instance).await?.ok_or(Error::NotFound)?;
        match self.objects.stream(&rest_of(&place, from)).await {
            // Another server has yet to bring it into the bucket.
            Err(objects::Error::Missing) if self.objects.may_be_elsewhere(&place.key, self.clock.now_ms()) => {
                Err(objects::Error::Missing.into())
            }
            Err(objects::Error::Missing) => Err(Error::NotFound),
            other => Ok(other?),
        }
    }

    /// The data set of an instance in another transfer syntax, for an upstream that does not take the stored one.
    /// [`Error::Invalid`] when it cannot be converted, not found when its object is gone.
    pub async fn forward_converted(
        &self,
        instance: &ForwardInstance,
        transfer_syntax_uid: &str,
        sending: &Sending,
    ) -> Result<DataSet, Error> {
        // It may lie elsewhere since the batch was put together, and a conversion cannot begin again.
        let place = forwards::place(&self.index, instance).await?.ok_or(Error::NotFound)?;
        let data_set = rest_of(&place, instance.dataset_offset);
        self.converted(&instance.transfer_syntax_uid, data_set, transfer_syntax_uid, sending).await
    }

    /// How many instances of an upstream are in each state.
    pub async fn count_forwards(&self, upstream: &str) -> Result<Vec<(ForwardState, i64)>, Error> {
        let mut counts = Vec::new();
        for state in ForwardState::ALL {
            counts.push((state, forwards::count(&self.index, upstream, state).await?));
        }
        Ok(counts)
    }

    /// How many instances wait for a step or for an operator: what is cheap to count.
    pub async fn count_open_forwards(&self, upstream: &str) -> Result<Vec<(ForwardState, i64)>, Error> {
        let mut counts = Vec::new();
        for state in [ForwardState::Waiting, ForwardState::Sent, ForwardState::Parked] {
            counts.push((state, forwards::count(&self.index, upstream, state).await?));
        }
        Ok(counts)
    }

    /// What an upstream does not take, and why.
    pub async fn parked_forwards(&self, upstream: &str, limit: u32) -> Result<Vec<Parked>, Error> {
        Ok(forwards::parked(&self.index, upstream, limit).await?)
    }

    /// Lets everything that is parked or waits for its next attempt go at once.
    pub async fn retry_forwards(&self, upstream: &str) -> Result<u64, Error> {
        Ok(forwards::retry(&self.index, upstream, self.clock.now_ms()).await?)
    }

    /// Forgets what was meant for an upstream that there is no more. It then keeps nothing from being removed, and
    /// nothing is removed on its word.
    pub async fn forget_forwards(&self, upstream: &str) -> Result<u64, Error> {
        Ok(forwards::forget(&self.index, upstream).await?)
    }

    /// Puts everything that is there already in the queue of an upstream; gives how many instances were looked at.
    pub async fn forward_existing(&self, rule: &ForwardRule) -> Result<u64, Error> {
        let (mut after, mut all) = (0, 0);
        loop {
            let now = self.clock.now_ms();
            let (last, count) =
                forwards::enqueue_existing(&self.index, &rule.upstream, &rule.organizations, after, now).await?;
            if last == 0 {
                return Ok(all);
            }
            (after, all) = (last, all + count);
        }
    }

    /// Removes bytes of up to `limit` instances that every upstream confirmed at least `keep_ms` ago.
    ///
    /// The row first, then the object; one transaction takes the place out of the row and notes that storage is to forget
    /// it, so that what a crash leaves between the two is done by the next purge or the next start.
    pub async fn purge_forwarded(&self, keep_ms: u64, limit: u32) -> Result<Purged, Error> {
        self.forget_purged().await?;
        let now = self.clock.now_ms();
        let before = now.saturating_sub(i64::try_from(keep_ms).unwrap_or(i64::MAX));
        let found = forwards::purgeable(&self.index, before, limit).await?;
        let mut purged = Purged::default();
        if found.is_empty() {
            return Ok(purged);
        }
        let (ids, notify) = (self.ids.clone(), Arc::clone(&self.notify_rules));
        let gone = self
            .index
            .write(move |tx| {
                Box::pin(async move {
                    let mut gone = Vec::with_capacity(found.len());
                    let mut studies: Vec<(i64, u64)> = Vec::new();
                    for one in found {
                        if forwards::purge(tx, &one, now).await? {
                            purged_objects::add(tx, now, &one.place).await?;
                            if Objects::is_segment(&one.place.key) {
                                dead_objects::bury(tx, now, &one.place).await?;
                            }
                            match studies.iter_mut().find(|(study_pk, _)| *study_pk == one.study_pk) {
                                Some((_, count)) => *count += 1,
                                None => studies.push((one.study_pk, 1)),
                            }
                            gone.push(one.place);
                        }
                    }
                    for (study_pk, count) in studies {
                        let org_code = availability::organization_of(tx, study_pk).await?;
                        study_changes(tx, &ids, now, &notify, &org_code, study_pk).await?;
                        let entry = AuditRecord {
                            action: "purge_forwarded",
                            actor: Actor::system("front"),
                            org_code,
                            target: format!("study:{study_pk}"),
                            outcome: "ok",
                            detail: json!({ "instances": count }),
                        };
                        audit::record(tx, ids.next(), now, &entry).await?;
                    }
                    Ok::<_, Error>(gone)
                })
            })
            .await?;
        for place in gone {
            purged.instances += 1;
            purged.bytes += place.length;
        }
        self.forget_purged().await?;
        Ok(purged)
    }

    /// Has storage forget what has been purged; what cannot be removed now stays noted.
    pub async fn forget_purged(&self) -> Result<(), Error> {
        let mut last = None;
        loop {
            let found = purged_objects::after(&self.index, last.as_ref(), FORGOTTEN_AT_ONCE).await?;
            last = found.last().cloned();
            if last.is_none() {
                return Ok(());
            }
            // Together, because records of deletions in a segment share a sync.
            let forgotten = futures_util::stream::iter(found.into_iter().map(|place| async move {
                let forgotten = self.objects.forget(&place).await;
                (place, forgotten)
            }));
            let mut forgotten = forgotten.buffer_unordered(FORGOTTEN_TOGETHER);
            let mut gone = Vec::new();
            while let Some((place, forgotten)) = forgotten.next().await {
                match forgotten {
                    Ok(()) => gone.push(place),
                    Err(error) => {
                        tracing::warn!(object.key = %place.key, %error, "an object that is needed no more could not be removed");
                    }
                }
            }
            let noted = self.index.write(move |tx| {
                Box::pin(async move {
                    for place in &gone {
                        purged_objects::gone(tx, place).await?;
                    }
                    Ok::<_, Error>(())
                })
            });
            noted.await?;
        }
    }
}

fn rest_of(place: &Place, from: u64) -> Place {
    let from = from.min(place.length);
    Place { key: place.key.clone(), offset: place.offset + from, length: place.length - from }
}
