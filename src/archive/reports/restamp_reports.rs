//! Stamps reports anew after the policy changed (D-I10): from the originals, so that doing it twice changes nothing.
//!
//! A durable job walks over all current report files and makes another copy of those whose policy is another one now.
//! A stop or a crash loses at most one batch's count; copies that are right already are left alone.

use serde_json::json;

use super::stamp_rules::ReportClass;
use crate::archive::{Archive, Error};
use crate::domain::Actor;
use crate::fetch::MediaType;
use crate::index::audit::{self, AuditRecord};
use crate::index::jobs::{self, JobKind};
use crate::index::purged_objects;
use crate::index::qr_links::LinkedReport;
use crate::index::report_changes::{self, Subject};
use crate::index::report_files::{self, ReportFile, StampedFile};
use crate::index::restamps;

pub use crate::index::restamps::Restamp;

/// Files that are looked at between two notes of how far the walk is.
const BATCH: u32 = 100;
const JOB_KEY: &str = "all";

/// What becomes of one file.
enum Restamped {
    /// Its copy is right.
    Right,
    /// It has another copy.
    Again,
}

impl Archive {
    /// At the start: plans stamping anew when the policy is another one than at the last start. `true` when it was planned.
    pub async fn restamp_if_changed(&self) -> Result<bool, Error> {
        let policy = self.stamp.digest_of_all();
        let known = restamps::get(&self.index).await?;
        match known {
            Some(known) if known.policy == policy => Ok(false),
            Some(_) if self.stamp.qr.restamp => {
                self.plan_restamp(Actor::system("start"), String::new()).await?;
                Ok(true)
            }
            // Copies made before anybody remembered a policy are as right as they were.
            _ => {
                let now = self.clock.now_ms();
                self.index
                    .write(move |tx| {
                        Box::pin(async move { Ok(restamps::begin(tx, &policy, "", now, Some(now)).await?) })
                    })
                    .await
                    .map(|()| false)
            }
        }
    }

    /// Plans stamping anew of all reports, or those of one organisation, as the policy is now.
    pub async fn plan_restamp(&self, actor: Actor, org_code: String) -> Result<(), Error> {
        let (policy, now) = (self.stamp.digest_of_all(), self.clock.now_ms());
        let (ids, audit_id) = (self.ids.clone(), self.ids.next());
        self.index
            .write(move |tx| {
                Box::pin(async move {
                    restamps::begin(tx, &policy, &org_code, now, None).await?;
                    jobs::enqueue(tx, &ids, now, JobKind::RestampReports, JOB_KEY, now).await?;
                    let entry = AuditRecord {
                        action: "restamp_reports",
                        actor,
                        org_code,
                        target: String::new(),
                        outcome: "ok",
                        detail: json!({}),
                    };
                    Ok(audit::record(tx, audit_id, now, &entry).await?)
                })
            })
            .await
    }

    /// How far stamping anew has come.
    pub async fn restamp_progress(&self) -> Result<Option<Restamp>, Error> {
        Ok(restamps::get(&self.index).await?)
    }

    /// Goes on with the walk to its end.
    pub(in crate::archive) async fn run_restamp(&self) -> Result<(), Error> {
        loop {
            let Some(mut walk) = restamps::get(&self.index).await?.filter(|walk| walk.finished_at.is_none()) else {
                return Ok(());
            };
            let from = walk.after_id;
            let files = report_files::current_after(&self.index, from, &walk.org_code, BATCH).await?;
            let is_last = files.len() < BATCH as usize;
            for file in files {
                let (id, exam) = (file.file.id, file.file.exam_report_pk);
                match self.restamp(file).await {
                    Ok(Restamped::Right) => {}
                    Ok(Restamped::Again) => walk.stamped += 1,
                    Err(error) => {
                        walk.failed += 1;
                        tracing::warn!(exam.id = exam, %error, "report not stamped anew");
                    }
                }
                walk.after_id = id;
            }
            walk.finished_at = is_last.then(|| self.clock.now_ms());
            let (stamped, failed) = (walk.stamped, walk.failed);
            self.index.write(move |tx| Box::pin(async move { restamps::advance(tx, &walk, from).await })).await?;
            if is_last {
                tracing::info!(restamp.stamped = stamped, restamp.failed = failed, "reports stamped anew");
            }
        }
    }

    /// Stamps one exam report anew when its copy is not as it should be.
    pub(super) async fn restamp_exam(&self, exam_report_pk: i64) -> Result<(), Error> {
        if let Some(file) = report_files::current_stamped(&self.index, exam_report_pk).await? {
            self.restamp(file).await?;
        }
        Ok(())
    }

    async fn restamp(&self, stamped: StampedFile) -> Result<Restamped, Error> {
        let StampedFile { mut file, policy, source } = stamped;
        let (class, org_code) =
            (ReportClass { org_code: source.org_code.clone(), classes: source.classes }, source.org_code);
        if self.stamp.digest(&class) == policy {
            return Ok(Restamped::Right);
        }
        let media_type = MediaType::parse(&file.media_type).ok_or(Error::NotFound)?;
        let link = match self.stamp.stamps(&class) {
            true => self.keep_qr_link(LinkedReport::Exam(file.exam_report_pk)).await?,
            false => String::new(),
        };
        let original = self.objects.read(&file.original).await?;
        let copies = self.make_copies(&class, &link, media_type, original, &file.original).await?;
        let former = file.stamped.take();
        file.stamp_state = copies.state;
        file.stamp_reason = copies.reason.to_owned();
        file.page_count = copies.page_count.or(file.page_count);
        file.stamped = copies.stamped;
        let (digest, now, change_id) = (copies.policy, self.clock.now_ms(), self.ids.next());
        // What no row names any more is noted in the same transaction, so that a crash does not leave it behind: the former
        // copy, or this one if a newer file came meanwhile.
        let written = self.index.write(move |tx| {
            Box::pin(async move {
                let unnamed = match report_files::set_stamped(tx, &file, &digest).await? {
                    true => {
                        let subject = (Subject::Exam, file.exam_report_pk);
                        report_changes::file_stored(tx, change_id, now, &org_code, subject).await?;
                        former
                    }
                    false => file.stamped,
                };
                if let Some(copy) = unnamed {
                    purged_objects::add(tx, now, &copy.place).await?;
                }
                Ok::<_, Error>(())
            })
        });
        written.await?;
        self.forget_purged().await?;
        Ok(Restamped::Again)
    }

    /// The file as it is now, when its copy has been replaced since it was looked up.
    pub(super) async fn replaced(&self, file: &ReportFile) -> Result<Option<ReportFile>, Error> {
        let now = report_files::current(&self.index, file.exam_report_pk).await?;
        Ok(now.filter(|now| now.id == file.id && now.stamped != file.stamped))
    }
}
