//! Brings other words for restricted reports (D-R22, `registry.restricted_confidentiality`) to the reports that are stored.
//!
//! A durable job walks over all exam reports and restricts those that the words mean now, or no longer; followers of the
//! change feed are told of each. A stop or a crash loses at most one batch, which is done again and changes nothing twice.

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::archive::upkeep::queue::Finished;
use crate::archive::{Archive, Error};
use crate::domain::Actor;
use crate::domain::exam_report::means_restricted;
use crate::index::audit::{self, AuditRecord};
use crate::index::jobs::{self, JobKind};
use crate::index::report_changes::{self, Aspect, Change, Subject};
use crate::index::restrictions;

/// Reports that are looked at in one transaction.
const BATCH: u32 = 500;
const JOB_KEY: &str = "all";
/// When a walk for other words than ours is looked for again: by a server that has them.
const ELSEWHERE_MS: u64 = 60_000;

impl Archive {
    /// At the start: plans the walk when the words are others than at the last start. `true` when it was planned.
    pub async fn restrict_if_changed(&self, words: &[String]) -> Result<bool, Error> {
        let words = digest(words);
        if restrictions::get(&self.index).await?.is_some_and(|known| known.words == words) {
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
            walk.after_id = reports.last().map_or(walk.after_id, |report| report.pk);
            let mut differ: Vec<_> =
                reports.into_iter().map(|report| (means_restricted(&report.confidentiality, words), report)).collect();
            differ.retain(|(restricted, report)| *restricted != report.restricted);
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
                    restrictions::advance(tx, &walk).await?;
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
