//! Reads all images from time to time and compares them with what was acknowledged, so that decay is found while a copy
//! may still exist elsewhere.
//!
//! Objects are read in the order of storage, at a limited pace. How far a pass has come is kept, so that a restart goes
//! on where it was. What is not as it should be is marked, told in the log once, and counted in the metrics; a later pass
//! that finds the object whole again takes the mark away. Nothing is mended or removed here.

use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::queue::Finished;
use super::verify::{Depth, Fault};
use crate::archive::{Archive, Error};
use crate::index::jobs::{self, JobKind};
use crate::index::places::{self, Cursor, Promise};
use crate::index::scrubs;
use crate::index::{self};

pub use crate::index::scrubs::{Damage, ScrubState};

const OBJECTS_AT_ONCE: u32 = 200;
/// A job does so much of a pass before it lets others see how far it is.
const SLICE: Duration = Duration::from_secs(30);
const DAY_MS: i64 = 24 * 3600 * 1000;

/// Section `[scrub]`: reading all images from time to time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScrubConfig {
    /// Days from the begin of one pass to the begin of the next; 0 turns it off. Default 30.
    pub every_days: u32,
    /// Pace of reading, in bytes a second; 0 is as fast as the disk. Default 20 MiB/s (1.7 TB a day).
    pub bytes_per_second: u64,
}

impl Default for ScrubConfig {
    fn default() -> Self {
        Self { every_days: 30, bytes_per_second: 20 * 1024 * 1024 }
    }
}

/// Where a pass begins that goes over all objects.
fn beginning() -> Cursor {
    Cursor { key: String::new(), offset: -1 }
}

impl Archive {
    /// The last pass of the scrub, finished or under way.
    pub async fn scrub_state(&self) -> Result<Option<ScrubState>, Error> {
        Ok(scrubs::state(&self.index).await?)
    }

    /// Objects that are not as they were acknowledged, those found first first.
    pub async fn damaged_objects(&self, limit: u32) -> Result<Vec<Damage>, Error> {
        Ok(scrubs::damages(&self.index, limit).await?)
    }

    /// Sees to it that the scrub's job is in the queue.
    pub async fn schedule_scrub(&self) -> Result<(), Error> {
        let (ids, now) = (self.ids.clone(), self.clock.now_ms());
        let put = self.index.write(move |tx| {
            Box::pin(async move { jobs::enqueue(tx, &ids, now, JobKind::Scrub, "objects", now).await })
        });
        Ok(put.await?)
    }

    /// The scrub's job: a part of a pass, or nothing while none is due.
    pub async fn run_scrub(&self, config: &ScrubConfig) -> Result<Finished, Error> {
        if config.every_days == 0 {
            return Ok(Finished::Done);
        }
        let period = i64::from(config.every_days) * DAY_MS;
        if let Some(last) = self.scrub_state().await?
            && last.finished_at.is_some()
        {
            let due_in = last.started_at + period - self.clock.now_ms();
            if due_in > 0 {
                // Another length of the period may be configured before that.
                return Ok(Finished::Again { delay_ms: due_in.min(DAY_MS) as u64 });
            }
        }
        self.scrub(config.bytes_per_second, SLICE).await?;
        Ok(Finished::Again { delay_ms: 1000 })
    }

    /// Goes on with the pass that is under way, or begins one, for so long at most; tells how far it is.
    pub async fn scrub(&self, bytes_per_second: u64, longest: Duration) -> Result<ScrubState, Error> {
        let now = self.clock.now_ms();
        let mut state = match self.scrub_state().await? {
            Some(state) if state.finished_at.is_none() => state,
            _ => ScrubState { cursor: beginning(), started_at: now, ..ScrubState::default() },
        };
        let (began, mut read) = (Instant::now(), 0_u64);
        loop {
            let promises = places::promises_in_storage_order(&self.index, &state.cursor, OBJECTS_AT_ONCE).await?;
            let is_last = promises.is_empty();
            let mut faults = Vec::new();
            let mut whole = Vec::new();
            for promise in promises {
                let mut fault = self.check(&promise, Depth::Content).await?;
                if fault.is_some() && !places::is_current(&self.index, &promise).await? {
                    fault = None;
                }
                read += promise.place.length;
                state.cursor = Cursor { key: promise.place.key.clone(), offset: promise.place.offset as i64 };
                state.checked += 1;
                state.bytes += promise.place.length as i64;
                metrics::counter!("yingku_scrub_bytes_total").increment(promise.place.length);
                match fault {
                    Some(fault) => faults.push((promise, fault)),
                    None => whole.push(promise.row),
                }
                if bytes_per_second > 0 {
                    let due = Duration::from_secs_f64(read as f64 / bytes_per_second as f64);
                    tokio::time::sleep(due.saturating_sub(began.elapsed())).await;
                }
                if began.elapsed() >= longest {
                    break;
                }
            }
            state.damaged += faults.len() as i64;
            if is_last {
                state.finished_at = Some(self.clock.now_ms());
            }
            self.keep_scrub(state.clone(), faults, whole).await?;
            if is_last || began.elapsed() >= longest {
                metrics::gauge!("yingku_damaged_objects").set(scrubs::damage_count(&self.index).await? as f64);
                return Ok(state);
            }
        }
    }

    async fn keep_scrub(
        &self,
        state: ScrubState,
        faults: Vec<(Promise, Fault)>,
        whole: Vec<String>,
    ) -> Result<(), Error> {
        let now = self.clock.now_ms();
        // Marks are few: only those rows are touched that have one.
        let marked: Vec<String> =
            scrubs::damages(&self.index, u32::MAX / 2).await?.into_iter().map(|d| d.subject).collect();
        let healed: Vec<String> = whole.into_iter().filter(|row| marked.contains(row)).collect();
        for (promise, fault) in &faults {
            if !marked.contains(&promise.row) {
                let (key, fault) = (&promise.place.key, fault.as_str());
                tracing::error!(object.row = %promise.row, object.key = %key, fault, "a stored object is damaged");
            }
        }
        self.index
            .write(move |tx| {
                Box::pin(async move {
                    for subject in &healed {
                        scrubs::clear(tx, subject).await?;
                    }
                    for (Promise { row, place, .. }, fault) in faults {
                        let damage = Damage {
                            subject: row,
                            key: place.key,
                            offset: place.offset as i64,
                            fault: fault.as_str().to_owned(),
                            found_at: now,
                        };
                        scrubs::mark(tx, now, &damage).await?;
                    }
                    scrubs::keep(tx, now, &state).await?;
                    Ok::<_, index::Error>(())
                })
            })
            .await?;
        Ok(())
    }
}
