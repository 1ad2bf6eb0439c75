//! Makes rows again that a loss of power has taken: segments are the journal of the embedded database (ADR 3).
//!
//! Rows of instances in segments are committed without a sync of their own. The database's log loses its tail, if anything,
//! so what is lost is exactly what some finished segments hold and no row names. Their marks say which segments to look
//! into; [`Archive::replay_segments`] does so before the server listens, in the order of arrival, by the same `put_rows` that
//! wrote the rows at first: parents, links, places in queues, jobs and audit records come back with them. What has been
//! deleted is not made again, what is there stays as it is, and what was copied by a compaction that did not end is given up.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::StreamExt;

use super::reindex::{Found, LeftOut, ROWS_AT_ONCE, ReindexRules};
use crate::archive::images::instance_rows::put_rows;
use crate::archive::images::store_instance::ReceiveInstance;
use crate::archive::images::store_instance::StoreOutcome;
use crate::archive::{Archive, Error};
use crate::domain::place::Place;
use crate::domain::{Actor, ActorKind};
use crate::index::{self, dead_objects, places};
use crate::objects::{self, Objects, RecordKind};

/// What a replay did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Segments looked into.
    pub segments: u64,
    /// Objects whose rows were made again.
    pub made: u64,
    /// Objects whose content has a row elsewhere.
    pub duplicates: u64,
    /// Objects left out, because they cannot be read.
    pub left_out: u64,
    /// Segments that could not be looked into; the next start tries again.
    pub failed: u64,
}

impl Archive {
    /// From now on stored objects are read by these rules, and rows of instances in segments need not be synced with each
    /// commit of an embedded database, because a replay reads them again. On PostgreSQL rows are synced as before.
    pub fn making_rows_again(mut self, rules: ReindexRules) -> Self {
        self.reading_rules = Arc::new(rules);
        if self.index.is_embedded() {
            self.objects.let_rows_wait();
            self.replays = true;
        }
        self
    }

    /// Whether a replay would read an object just as it has been read now.
    pub(in crate::archive) fn makes_rows_again(&self, command: &ReceiveInstance) -> bool {
        let ReceiveInstance { org_code, calling_ae_title, default_charset, .. } = command;
        let noted = self.charset_to_note(command);
        self.replays && self.reading_rules.charset_of(org_code, calling_ae_title, noted.as_ref()) == default_charset
    }

    /// Makes the rows again that segments of crashed processes may lack. Again changes nothing.
    pub async fn replay_segments(&self) -> Result<Replayed, Error> {
        let mut done = Replayed::default();
        if !self.replays {
            return Ok(done);
        }
        let rules = &self.reading_rules;
        let marked = self.objects.segments_without_rows().await?;
        let deleted = self.deleted_in(&marked).await;
        for key in &marked {
            let before = done;
            match self.replay_segment(key, &deleted, rules, &mut done).await {
                Ok(()) => {
                    done.segments += 1;
                    let (made, duplicates) = (done.made - before.made, done.duplicates - before.duplicates);
                    tracing::info!(segment.key = %key, made, duplicates, "a segment has been replayed after a crash");
                }
                // The images of all others are worth more than a server that waits for this one.
                Err(error) => {
                    done.failed += 1;
                    tracing::error!(segment.key = %key, %error, "a segment cannot be replayed; the next start tries again");
                }
            }
        }
        Ok(done)
    }

    async fn replay_segment(
        &self,
        key: &str,
        deleted: &HashSet<(String, u64)>,
        rules: &ReindexRules,
        done: &mut Replayed,
    ) -> Result<(), Error> {
        let records = match self.objects.segment_outline(key).await {
            Err(objects::Error::Missing) => Vec::new(),
            contents => contents?.records,
        };
        let named = places::named_instances(&self.index, &[key.to_owned()]).await?;
        let dead = dead_objects::dead_in(&self.index, key).await?;
        let lacking = records.into_iter().filter(|record| record.kind == RecordKind::Object).filter(|record| {
            let at = (key.to_owned(), record.offset);
            !named.contains(&at) && !dead.contains(&record.offset) && !deleted.contains(&at)
        });
        let begun_at = Objects::begun_at(key).unwrap_or_else(|| self.clock.now_ms());
        let lacking = lacking
            .map(|record| (Place { key: key.to_owned(), offset: record.offset, length: record.length }, begun_at));
        let mut reads = self.read_all_back(lacking.collect(), rules);
        let (mut batch, mut unread) = (Vec::new(), 0_u64);
        while let Some((place, read)) = reads.next().await {
            match read {
                Ok(Ok(found)) => batch.push(found),
                Ok(Err(why)) => {
                    done.left_out += 1;
                    log_left_out(&place, &why);
                }
                Err(error) if self.is_of_one_object(&error).await => {
                    unread += 1;
                    log_left_out(&place, &LeftOut::Unreadable);
                }
                Err(error) => return Err(error),
            }
            if batch.len() >= ROWS_AT_ONCE {
                self.put_again(std::mem::take(&mut batch), done).await?;
            }
        }
        self.put_again(batch, done).await?;
        // Rows that were there may still be only in memory.
        self.index.sync().await?;
        if unread > 0 {
            // The segment keeps its mark: a disk may give back later what it refused now.
            return Err(Error::Invalid(format!("{unread} of its objects cannot be read now")));
        }
        Ok(self.objects.has_its_rows(key).await?)
    }

    async fn put_again(&self, batch: Vec<Found>, done: &mut Replayed) -> Result<(), Error> {
        if batch.is_empty() {
            return Ok(());
        }
        let (ids, rules, now) = (self.ids.clone(), self.row_rules(), self.clock.now_ms());
        let write = self.index.write(move |tx| {
            Box::pin(async move {
                let (mut made, mut needless) = (0, Vec::new());
                for Found { new, received_at } in batch {
                    let actor = sender_of(&new.instance.calling_ae_title);
                    match put_rows(tx, &ids, &rules, now, received_at, &new, actor).await? {
                        StoreOutcome::Stored | StoreOutcome::NewVersion => made += 1,
                        // Its own process, if that lives after all, may have written its row just now.
                        StoreOutcome::Duplicate if places::is_named(tx, &new.instance.place).await? => {}
                        StoreOutcome::Duplicate => {
                            dead_objects::bury(tx, now, &new.instance.place).await?;
                            needless.push(new.instance.place);
                        }
                    }
                }
                Ok::<_, index::Error>((made, needless))
            })
        });
        let (made, needless) = write.await?;
        done.made += made;
        done.duplicates += needless.len() as u64;
        for place in needless {
            self.objects.forget(&place).await?;
        }
        Ok(())
    }

    /// Places that records in these segments call deleted: the database that knows it may have been restored since.
    async fn deleted_in(&self, segments: &[String]) -> HashSet<(String, u64)> {
        let mut deleted = HashSet::new();
        for key in segments {
            match self.deleted_places(key).await {
                Ok(places) => deleted.extend(places),
                // The replay of the segment meets the same error, and tells it.
                Err(error) => tracing::debug!(segment.key = %key, %error, "deletions could not be read"),
            }
        }
        deleted
    }
}

/// Who sent an object, as far as the object itself says.
fn sender_of(calling_ae_title: &str) -> Actor {
    match calling_ae_title {
        "" => Actor::system("replay"),
        name => Actor { kind: ActorKind::Peer, name: name.to_owned(), ..Actor::system("") },
    }
}

fn log_left_out(place: &Place, why: &LeftOut) {
    let (object_key, offset) = (&place.key, place.offset);
    tracing::error!(object.key = %object_key, object.offset = offset, ?why, "an object of a replayed segment has no rows");
}
