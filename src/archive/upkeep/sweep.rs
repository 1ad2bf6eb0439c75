//! Removes objects that no row names: what a crash or an aborted transfer left behind.
//!
//! An object is written before its row, so an object without a row may be one that is just arriving, or one whose row
//! is in a newer database than the one that was restored. So only what a crashed process can have left is removed: the
//! leases say from when until when such a process lived. After an orderly end, on a new database, or on a restored one
//! there is nothing of that kind, and a reindex that was killed leaves the objects that it had yet to read. Beside other
//! processes what is younger than a day stays too. In a segment that any row names, records without a row stay: they
//! are dead, and compaction's business.

use std::ops::Range;
use std::time::Duration;

use futures_util::StreamExt;

use crate::archive::{Archive, Error};
use crate::domain::place::Place;
use crate::index::places;
use crate::objects::{Objects, RecordKind};

const DAY: Duration = Duration::from_secs(24 * 3600);
const KEYS_AT_ONCE: usize = 500;

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Objects looked at.
    pub seen: u64,
    /// Objects removed.
    pub removed: u64,
    /// Their bytes.
    pub removed_bytes: u64,
}

impl Archive {
    /// When crashed processes can have left anything (milliseconds since 1970 UTC); `None` when all ended in order.
    pub fn crashed(&self) -> Option<Range<i64>> {
        self.ids.crashed()
    }

    /// Removes leftovers that were written while a process lived that has crashed.
    pub async fn sweep(&self, crashed: Range<i64>) -> Result<Swept, Error> {
        let alone = self.ids.is_alone(&self.index).await?;
        let a_day_ago = self.clock.now_ms() - DAY.as_millis() as i64;
        let crashed = crashed.start..if alone { crashed.end } else { crashed.end.min(a_day_ago) };
        // A purge that was killed has said what it still had to remove.
        self.forget_purged().await?;
        let mut swept = Swept::default();
        let mut listing = self.objects.list().chunks(KEYS_AT_ONCE);
        while let Some(listed) = listing.next().await {
            let listed = listed.into_iter().collect::<Result<Vec<_>, _>>()?;
            swept.seen += listed.len() as u64;
            let old: Vec<_> = listed.into_iter().filter(|object| crashed.contains(&object.written_at)).collect();
            let keys: Vec<String> = old.iter().map(|object| object.key.clone()).collect();
            for key in places::unnamed(&self.index, &keys).await? {
                match Objects::is_segment(&key) {
                    true if self.is_needed(&key).await? => continue,
                    true => self.objects.delete_segment(&key).await?,
                    false => self.objects.delete(&key).await?,
                }
                swept.removed += 1;
                swept.removed_bytes += old.iter().find(|object| object.key == key).map_or(0, |object| object.length);
            }
        }
        Ok(swept)
    }

    /// Whether a segment that no row names counts all the same: it takes records, waits for a replay, or says of an object elsewhere that it has
    /// been deleted, which an index rebuilt from storage would not know otherwise.
    pub(super) async fn is_needed(&self, segment: &str) -> Result<bool, Error> {
        if self.objects.is_open(segment) || self.objects.may_lack_rows(segment) {
            return Ok(true);
        }
        for record in self.objects.segment_outline(segment).await?.records {
            if record.kind != RecordKind::Deleted {
                continue;
            }
            let place = Place { key: segment.to_owned(), offset: record.offset, length: record.length };
            let target = Objects::deleted_place(&self.objects.read(&place).await?);
            if let Some(target) = target.filter(|target| target.key != segment)
                && self.objects.length(&target.key).await?.is_some()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
