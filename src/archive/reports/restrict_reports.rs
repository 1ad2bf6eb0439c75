//! Brings other words for restricted reports (D-R22, `registry.restricted_confidentiality`) to the reports that are stored.
//!
//! A durable job walks over all exam reports and restricts those that the words mean now, or no longer; followers of
//! the change feed are told of each. A stop or a crash loses at most one batch, which is done again and changes nothing
//! twice. Of several servers one may register by the old words after another one has walked to the end by the new ones.
//! So each start goes on with the walk, over what has been registered since.

use std::collections::HashSet;

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::archive::upkeep::queue::Finished;
use crate::archive::{Archive, Error};
use crate::domain::Actor;
use crate::domain::exam_report::means_restricted;
use crate::index::Ids;
use crate::index::audit::{self, AuditRecord};
use crate::index::jobs::{self, JobKind};
use crate::index::report_changes::{self, Aspect, Change, Subject};
use crate::index::restrictions::{self, Restriction};

/// Registrations that are looked at in one transaction.
const BATCH: u32 = 500;
const JOB_KEY: &str = "all";
/// When a walk for other words than ours is looked for again: by a server that has them.
const ELSEWHERE_MS: u64 = 60_000;
/// A start looks again at so much of what the walk has seen: a registration may be committed later than its id says, by
/// a server whose clock is late.
const OVERLAP: i64 = 10 * 60_000 * Ids::PER_MS;

impl Archive {
    /// At the start: plans the walk when the words are others than at the last start. `true` when it was planned; else
    /// it only goes on with what has come since.
    pub async fn restrict_if_changed(&self, words: &[String]) -> Result<bool, Error> {
        let words = digest(words);
        if let Some(known) = restrictions::get(&self.index).await?.filter(|known| known.words == words) {
            self.go_on_restricting(known).await?;
            return Ok(false);
        }
        let is_empty = restrictions::after(&self.index, 0, 1).await?.is_empty();
        let (now, ids, audit_id) = (self.clock.now_ms(), self.ids.clone(), self.ids.next());
        let planned = self.index.write(move |tx| {
            Box::pin(async move {
                restrictions::begin(tx, &words, now, is_empty.then_some(now)).await?;
                if is_empty {
                    return Ok(());
                }
                jobs::enqueue(tx, &ids, now, JobKind::RestrictReports, JOB_KEY, now).await?;
                let entry = AuditRecord {
                    action: "restrict_reports",
                    actor: Actor::system("start"),
                    org_code: String::new(),
                    target: String::new(),
                    outcome: "ok",
                    detail: json!({}),
                };
                Ok::<_, Error>(audit::record(tx, audit_id, now, &entry).await?)
            })
        });
        planned.await.map(|()| !is_empty)
    }

    async fn go_on_restricting(&self, known: Restriction) -> Result<(), Error> {
        let from = known.after_id.saturating_sub(OVERLAP).max(0);
        if restrictions::after(&self.index, from, 1).await?.is_empty() {
            return Ok(());
        }
        let (now, ids) = (self.clock.now_ms(), self.ids.clone());
        let planned = self.index.write(move |tx| {
            Box::pin(async move {
                if restrictions::resume(tx, &known.words, OVERLAP, now).await? {
                    jobs::enqueue(tx, &ids, now, JobKind::RestrictReports, JOB_KEY, now).await?;
                }
                Ok(())
            })
        });
        planned.await
    }

    /// Goes on with the walk to its end.
    pub async fn run_restriction(&self, words: &[String]) -> Result<Finished, Error> {
        let ours = digest(words);
        loop {
            let Some(mut walk) = restrictions::get(&self.index).await?.filter(|walk| walk.finished_at.is_none()) else {
                return Ok(Finished::Done);
            };
            if walk.words != ours {
                return Ok(Finished::Again { delay_ms: ELSEWHERE_MS });
            }
            let reports = restrictions::after(&self.index, walk.after_id, BATCH).await?;
            let is_last = reports.len() < BATCH as usize;
            let from = walk.after_id;
            walk.after_id = reports.last().map_or(from, |report| report.registration);
            let mut differ: Vec<_> =
                reports.into_iter().map(|report| (means_restricted(&report.confidentiality, words), report)).collect();
            let mut seen = HashSet::new();
            differ.retain(|(restricted, report)| *restricted != report.restricted && seen.insert(report.pk));
            let (now, ids) = (self.clock.now_ms(), self.ids.clone());
            walk.finished_at = is_last.then_some(now);
            let written = self.index.write(move |tx| {
                Box::pin(async move {
                    for (restricted, report) in &differ {
                        let Some((org_code, sharing)) = restrictions::set(tx, report, *restricted).await? else {
                            continue;
                        };
                        let (subject, aspect, org_code) = (Subject::Exam, Aspect::Report, org_code.as_str());
                        let change = Change { report_pk: report.pk, subject, aspect, org_code, sharing };
                        report_changes::record(tx, &ids, now, change).await?;
                        walk.changed += 1;
                    }
                    restrictions::advance(tx, &walk, from).await?;
                    Ok::<_, Error>(walk.changed)
                })
            });
            let changed = written.await?;
            if is_last {
                tracing::info!(restriction.changed = changed, "stored reports follow the words for restricted ones");
            }
        }
    }
}

/// 128 bits of SHA-256, hex, over what decides: neither case nor order does.
fn digest(words: &[String]) -> String {
    let mut words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    words.sort_unstable();
    words.dedup();
    let mut digest = hex::encode(Sha256::digest(format!("{words:?}")));
    digest.truncate(32);
    digest
}
