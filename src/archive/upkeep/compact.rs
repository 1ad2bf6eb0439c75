//! Takes back the space of deleted objects in segments.
//!
//! A segment that is mostly dead is read, what lives in it is appended to the open segment, the rows are pointed there
//! in one transaction for each batch, and the segment is retired; a later run removes it when nobody can be reading from
//! it any more. Only what the index has written down as dead is left behind: a record that no row names may belong to
//! rows that a restored database has lost, and is carried along.

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::queue::Finished;
use crate::archive::{Archive, Error};
use crate::domain::place::Place;
use crate::index::dead_objects::Repointed;
use crate::index::jobs::{self, JobKind};
use crate::index::{self, dead_objects, places};
use crate::objects::{Kind, Objects, RecordKind};

const MINUTE_MS: u64 = 60_000;
const MOVES_AT_ONCE: usize = 200;

/// Section `[compaction]`: taking back the space of deleted objects in segments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CompactionConfig {
    /// A segment is rewritten when so much of it is dead, in percent; 0 turns it off. Default 50.
    pub dead_percent: u32,
    /// How often segments are looked at, in minutes. Default 60.
    pub every_minutes: u64,
    /// How long a segment that has been left behind can still be read from, in minutes. Default 60.
    pub grace_minutes: u64,
}

impl Default for CompactionConfig {
    fn default() -> Self {
        Self { dead_percent: 50, every_minutes: 60, grace_minutes: 60 }
    }
}

/// What a run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Segments whose living objects were copied.
    pub rewritten: u64,
    /// Objects copied.
    pub moved: u64,
    /// Segments removed.
    pub removed: u64,
    /// Their bytes.
    pub removed_bytes: u64,
}

impl Archive {
    /// Gives up an object whose row is gone: notes it as dead and tells the store.
    ///
    /// The order does not matter to safety; who deletes a row in a transaction of his own calls
    /// [`dead_objects::bury`] there and [`Objects::forget`] after it.
    pub(in crate::archive) async fn bury_object(&self, place: &Place) -> Result<(), Error> {
        if Objects::is_segment(&place.key) {
            let (now, dead) = (self.clock.now_ms(), place.clone());
            let bury = self.index.write(move |tx| Box::pin(async move { dead_objects::bury(tx, now, &dead).await }));
            bury.await.map_err(|error: index::Error| Error::from(error))?;
        }
        Ok(self.objects.forget(place).await?)
    }

    /// Sees to it that the compaction's job is in the queue.
    pub async fn schedule_compaction(&self) -> Result<(), Error> {
        let (ids, now) = (self.ids.clone(), self.clock.now_ms());
        let put = self.index.write(move |tx| {
            Box::pin(async move { jobs::enqueue(tx, &ids, now, JobKind::Compact, "segments", now).await })
        });
        Ok(put.await?)
    }

    /// The compaction's job.
    pub async fn run_compaction(&self, config: &CompactionConfig) -> Result<Finished, Error> {
        if config.dead_percent == 0 {
            return Ok(Finished::Done);
        }
        let done = self.compact(config).await?;
        if done != Compacted::default() {
            let Compacted { rewritten, moved, removed, removed_bytes } = done;
            tracing::info!(rewritten, moved, removed, removed_bytes, "segments compacted");
        }
        Ok(Finished::Again { delay_ms: config.every_minutes.max(1) * MINUTE_MS })
    }

    /// Removes what was left behind long enough ago, and rewrites what is mostly dead.
    pub async fn compact(&self, config: &CompactionConfig) -> Result<Compacted, Error> {
        // What a crash has cut off is dead only when it is done.
        self.finish_deletions().await?;
        self.forget_purged().await?;
        let mut done = Compacted::default();
        let before = self.clock.now_ms() - (config.grace_minutes * MINUTE_MS) as i64;
        for key in dead_objects::retired(&self.index, before).await? {
            if !places::named_instances(&self.index, std::slice::from_ref(&key)).await?.is_empty() {
                tracing::error!(object.key = %key, "a retired segment is named by a row; it stays");
                continue;
            }
            done.removed_bytes += self.objects.length(&key).await?.unwrap_or(0);
            done.removed += 1;
            self.objects.delete_segment(&key).await?;
            self.index
                .write(move |tx| Box::pin(async move { dead_objects::gone(tx, &key).await }))
                .await
                .map_err(|error: index::Error| Error::from(error))?;
        }
        for (key, dead) in dead_objects::dead_bytes(&self.index).await? {
            let Some(length) = self.objects.length(&key).await? else { continue };
            // A replay would not know where the objects of a segment have gone, should they die there.
            if self.objects.is_open(&key)
                || self.objects.may_lack_rows(&key)
                || self.objects.is_waiting(&key)
                || dead * 100 < length * u64::from(config.dead_percent)
            {
                continue;
            }
            match self.compact_segment(&key).await {
                Ok(Some(moved)) => {
                    done.rewritten += 1;
                    done.moved += moved;
                }
                Ok(None) => {}
                Err(error) if !error.is_out_of_space() && self.is_of_one_object(&error).await => {
                    tracing::warn!(object.key = %key, "a segment that cannot be read is not compacted");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Copies what lives; gives nothing when the segment is damaged and must stay for people to look at.
    async fn compact_segment(&self, key: &str) -> Result<Option<u64>, Error> {
        let contents = self.objects.segment_contents(key).await?;
        let found: HashSet<u64> = contents.records.iter().map(|record| record.offset).collect();
        let named = places::named_instances(&self.index, &[key.to_owned()]).await?;
        if contents.torn > 0 || named.iter().any(|(_, offset)| !found.contains(offset)) {
            tracing::warn!(object.key = key, "a damaged segment is not compacted");
            return Ok(None);
        }
        let dead = dead_objects::dead_in(&self.index, key).await?;
        let (mut moves, mut moved, mut homes) = (Vec::new(), 0, HashSet::new());
        for record in contents.records {
            let old = Place { key: key.to_owned(), offset: record.offset, length: record.length };
            match record.kind {
                RecordKind::Object if dead.contains(&record.offset) => {}
                RecordKind::Object => {
                    let bytes = self.objects.read(&old).await?;
                    let new = self.objects.put(Kind::Instance, bytes).await?;
                    homes.insert(new.key.clone());
                    moves.push((old, new));
                    moved += 1;
                }
                RecordKind::Deleted => {
                    // It speaks of another segment, which a rebuilt index would read too.
                    let target = Objects::deleted_place(&self.objects.read(&old).await?);
                    if let Some(target) = target.filter(|target| target.key != key)
                        && self.objects.length(&target.key).await?.is_some()
                    {
                        self.objects.forget(&target).await?;
                    }
                }
            }
            if moves.len() >= MOVES_AT_ONCE {
                self.repoint(std::mem::take(&mut moves)).await?;
            }
        }
        self.repoint(moves).await?;
        // The old copies may be removed only when the new ones are as safe.
        if !self.objects.settle(&homes).await? {
            tracing::warn!(object.key = key, "a segment stays until what was copied from it is in the bucket");
            return Ok(None);
        }
        let (now, key, retired) = (self.clock.now_ms(), key.to_owned(), key.to_owned());
        let retire = self.index.write(move |tx| Box::pin(async move { dead_objects::retire(tx, now, &key).await }));
        retire.await.map_err(|error: index::Error| Error::from(error))?;
        // Until it is removed, a rebuilt index would take from it what may have been deleted since where it lies now.
        self.objects.forget_segment(&retired).await?;
        Ok(Some(moved))
    }

    async fn repoint(&self, moves: Vec<(Place, Place)>) -> Result<(), Error> {
        let now = self.clock.now_ms();
        let write = self.index.write(move |tx| {
            Box::pin(async move {
                let mut died = Vec::new();
                for (old, new) in moves {
                    match dead_objects::repoint(tx, &old, &new).await? {
                        // A run that goes on after this one was cut off does not carry it along once more.
                        Repointed::Moved => dead_objects::bury(tx, now, &old).await?,
                        Repointed::Unnamed => {}
                        Repointed::Died => {
                            dead_objects::bury(tx, now, &new).await?;
                            died.push(new);
                        }
                    }
                }
                Ok::<_, index::Error>(died)
            })
        });
        // Deleted while it was being copied.
        for place in write.await? {
            self.objects.forget(&place).await?;
        }
        Ok(())
    }
}
