//! The change feed for a follower: everything since a position, each report as it stands now.
//!
//! What a follower may see is decided when it asks. A report that it may have seen and may not see any more is told as
//! removed; one that it could never see is passed over in silence. Positions come from [`report_changes::sequence`].

use std::collections::HashMap;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::pull_reports::{KeptReport, ReportReader, Subject};
use crate::archive::{Archive, Error};
use crate::domain::cursor::FeedPosition;
use crate::domain::sharing::Sharing;
use crate::index::kept_reports;
use crate::index::report_changes::{self, Entry, Epoch};

pub use crate::index::report_changes::Aspect;

/// Changes that get their positions in one transaction.
const BATCH: u32 = 500;
/// Batches before a reader is served what there is.
const MOST_BATCHES: usize = 8;
/// Pages of entries that are looked through for one answer.
const MOST_PAGES: usize = 10;

/// What a follower wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FollowChanges {
    /// The position up to which everything is known; 0 for the beginning.
    pub after: FeedPosition,
    /// Only these organisations.
    pub organizations: Option<Vec<String>>,
    /// Only these kinds; all when empty.
    pub kinds: Vec<ChangeKind>,
    /// Most changes.
    pub limit: u32,
    /// How long to wait when there is nothing.
    pub wait: Duration,
    /// How often to look meanwhile.
    pub look_every: Duration,
}

/// The kinds of changes that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// An exam report, its removal included.
    Exam,
    /// A lab report, its removal included.
    Lab,
    /// The file of a report.
    File,
    /// The images that are linked to a report.
    Images,
    /// The attachments of a report.
    Attachments,
    /// Records of mutual recognition of a report.
    Recognition,
    /// The person that a report's patient is.
    Person,
    /// The removal of a report of either kind.
    Withdrawal,
}

/// Why a report is gone for a follower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// Its hospital withdrew it (D-R18).
    Withdrawn,
    /// It is not shared any more (D-P24, D-R22).
    NotShared,
}

/// One change.
#[derive(Debug, Clone)]
pub struct FeedChange {
    /// Where it stands.
    pub position: FeedPosition,
    /// What of the report has changed.
    pub aspect: Aspect,
    /// When.
    pub changed_at: i64,
    /// The report as it stands now; of a removed one nothing but its id, kind and organisation may be told.
    pub report: KeptReport,
    /// Why it is gone.
    pub removed: Option<Removal>,
}

/// An answer to a follower.
#[derive(Debug, Clone)]
pub struct FeedPage {
    /// In the order of their positions.
    pub changes: Vec<FeedChange>,
    /// Up to where everything is known now.
    pub position: FeedPosition,
    /// Whether there is more already.
    pub more: bool,
}

impl Archive {
    /// Gives waiting changes their positions; the number of those taken.
    pub async fn sequence_changes(&self) -> Result<usize, Error> {
        let mut taken = 0;
        for _ in 0..MOST_BATCHES {
            if !report_changes::is_waiting(&self.index).await? {
                break;
            }
            let batch = report_changes::sequence(&self.index, BATCH).await?;
            taken += batch;
            if batch < BATCH as usize {
                break;
            }
        }
        Ok(taken)
    }

    /// At the start of a server: the database may have been restored from a backup, so positions are given in another epoch.
    pub async fn begin_feed_epoch(&self) -> Result<(), Error> {
        Ok(report_changes::begin_epoch(&self.index, rand::random::<i64>() & i64::MAX).await?)
    }

    /// The newest position, for a follower that wants nothing of the past.
    pub async fn newest_position(&self) -> Result<FeedPosition, Error> {
        self.sequence_changes().await?;
        let head = report_changes::head(&self.index).await?;
        Ok(placed(head, &report_changes::epochs_from(&self.index, head).await?))
    }

    /// Changes after a position; waits a while when there are none. `None` when this database never gave the position:
    /// it was restored, and others may stand where those stood of which the follower knows.
    pub async fn follow_changes(
        &self,
        reader: &ReportReader,
        command: &FollowChanges,
    ) -> Result<Option<FeedPage>, Error> {
        let until = Instant::now() + command.wait;
        let mut from = command.after;
        loop {
            self.sequence_changes().await?;
            let Some(page) = self.changes_after(reader, command, from).await? else { return Ok(None) };
            let (left, more) = (until.saturating_duration_since(Instant::now()), page.more);
            if !page.changes.is_empty() {
                let last = page.changes.last().map_or(0, |change| change.position.at);
                let detail = json!({ "after": command.after.at, "to": last, "count": page.changes.len() });
                self.note_pull(reader, "follow_changes", String::new(), detail).await?;
                return Ok(Some(page));
            }
            if left.is_zero() || more {
                return Ok(Some(page));
            }
            from = page.position;
            tokio::time::sleep(command.look_every.min(left)).await;
        }
    }

    async fn changes_after(
        &self,
        reader: &ReportReader,
        command: &FollowChanges,
        from: FeedPosition,
    ) -> Result<Option<FeedPage>, Error> {
        let head = report_changes::head(&self.index).await?;
        // Read after the head, so that each position up to it has its epoch.
        let epochs = report_changes::epochs_from(&self.index, from.at).await?;
        let is_of_another_history = from.epoch.is_some() && placed(from.at, &epochs) != from;
        if from.at > head || is_of_another_history {
            return Ok(None);
        }
        let organizations = reader.narrowed(command.organizations.clone());
        let limit = command.limit.max(1);
        let mut page = FeedPage { changes: Vec::new(), position: from, more: false };
        for _ in 0..MOST_PAGES {
            let room = limit - page.changes.len() as u32;
            let organizations = organizations.as_deref();
            let entries = report_changes::after(&self.index, page.position.at, head, organizations, room).await?;
            let last = entries.last().map(|entry| entry.position);
            let full = entries.len() == room as usize;
            page.changes.extend(self.seen_changes(reader, &command.kinds, entries, &epochs).await?);
            page.position = placed(last.filter(|_| full).unwrap_or(head), &epochs);
            page.more = page.position.at < head;
            if !page.more || page.changes.len() >= limit as usize {
                break;
            }
        }
        Ok(Some(page))
    }

    /// The entries that the reader may see, each with its report.
    async fn seen_changes(
        &self,
        reader: &ReportReader,
        kinds: &[ChangeKind],
        entries: Vec<Entry>,
        epochs: &[Epoch],
    ) -> Result<Vec<FeedChange>, Error> {
        let mut reports: HashMap<i64, KeptReport> = HashMap::with_capacity(entries.len());
        for subject in Subject::ALL {
            let mut pks: Vec<i64> = entries.iter().filter(|e| e.subject == subject).map(|e| e.report_pk).collect();
            pks.sort_unstable();
            pks.dedup();
            let mut found = kept_reports::by_pks(&self.index, subject, &pks).await?;
            self.mark_reports(&mut found);
            reports.extend(found.into_iter().map(|report| (report.pk, report)));
        }
        let change_of = |entry: Entry| {
            let report = reports.get(&entry.report_pk)?;
            let removed = removal(reader, report, entry.widest)?;
            if removed.is_some() && entry.aspect != Aspect::Report {
                return None;
            }
            let wanted = kinds.is_empty() || kinds.iter().any(|kind| is_of(*kind, &entry, removed));
            wanted.then(|| FeedChange {
                position: placed(entry.position, epochs),
                aspect: entry.aspect,
                changed_at: entry.changed_at,
                report: report.clone(),
                removed,
            })
        };
        Ok(entries.into_iter().filter_map(change_of).collect())
    }
}

/// The position with the epoch in which it was given.
fn placed(at: i64, epochs: &[Epoch]) -> FeedPosition {
    let epoch = epochs.iter().rev().find(|epoch| epoch.from < at).map(|epoch| epoch.id);
    FeedPosition { at, epoch }
}

/// `None`: nothing is told. Otherwise why the report is gone, if it is.
fn removal(reader: &ReportReader, report: &KeptReport, widest: Sharing) -> Option<Option<Removal>> {
    let at_least = reader.at_least();
    if reader.sees(report) {
        return Some(None);
    }
    let why = if report.withdrawn { Removal::Withdrawn } else { Removal::NotShared };
    (at_least == Sharing::Nobody || widest >= at_least).then_some(Some(why))
}

fn is_of(kind: ChangeKind, entry: &Entry, removed: Option<Removal>) -> bool {
    let report = entry.aspect == Aspect::Report;
    match kind {
        ChangeKind::Exam => report && entry.subject == Subject::Exam,
        ChangeKind::Lab => report && entry.subject == Subject::Lab,
        ChangeKind::File => entry.aspect == Aspect::File,
        ChangeKind::Images => entry.aspect == Aspect::Images,
        ChangeKind::Attachments => entry.aspect == Aspect::Attachments,
        ChangeKind::Recognition => entry.aspect == Aspect::Recognition,
        ChangeKind::Person => entry.aspect == Aspect::Person,
        ChangeKind::Withdrawal => report && removed.is_some(),
    }
}
