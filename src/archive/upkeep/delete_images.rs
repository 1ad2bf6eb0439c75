//! Deletes images because a person says so: a study, a series or one instance, with all that was made of them here.
//!
//! The first transaction notes the deletion, its reason in the audit trail, and deletes the first images; further ones
//! follow until nothing is left that was here when it was asked for, and the last one takes away what is empty then. What a
//! crash cuts off is brought to its end by the next start, the next compaction or the same command. Each transaction takes
//! rows and places away together and notes what storage is to forget, so that neither a replay of segments nor a reindex
//! brings an object back. What is stored afterwards is new. A PACS is not asked for deleted images again until a person
//! asks for the exam's.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use crate::archive::links::link;
use crate::archive::peers::notify_availability::{NotifyRule, study_changes};
use crate::archive::{Archive, Error};
use crate::domain::Actor;
use crate::index::audit::{self, AuditRecord};
use crate::index::conflicts::{self, ConflictKind};
use crate::index::deletions::{self, Target};
use crate::index::image_removal::{self, StudyLeft};
use crate::index::{
    self, Ids, Tx, dead_objects, encapsulated_reports, exam_retrieves, links, purged_objects, report_changes,
};
use crate::objects::Objects;

pub use crate::index::deletions::{Deletion, ImageLevel};
pub use crate::index::image_removal::Extent;

/// Instances that one transaction deletes.
const AT_ONCE: u32 = 500;
/// How often a transaction is tried that others get in the way of.
const TRIES: u32 = 5;
/// A reason is a sentence, not a document.
const MAX_REASON_CHARS: usize = 200;

/// What to do with images that an upstream archive is to have and has not confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unconfirmed {
    /// Nothing is deleted while there are any.
    Refuse,
    /// They are deleted, and never forwarded.
    Delete,
}

/// Images that are to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteImages {
    /// Whose they are.
    pub org_code: String,
    /// What the UID names.
    pub level: ImageLevel,
    /// The UID of the study, the series or the instance.
    pub uid: String,
    /// Why, without patient data; kept in the audit trail.
    pub reason: String,
    /// What to do with what is still to be forwarded.
    pub unconfirmed: Unconfirmed,
}

/// How a deletion ended; each is a success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeleteOutcome {
    /// This is gone.
    Deleted(Deletion),
    /// It had been deleted before.
    Before(Deletion),
}

/// What of a study has been deleted here and is not to be fetched again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeletedHere {
    /// All of it.
    pub whole: bool,
    /// These series, or instances of them.
    pub series: BTreeSet<String>,
}

impl DeletedHere {
    /// Whether nothing of it was deleted.
    pub fn is_empty(&self) -> bool {
        !self.whole && self.series.is_empty()
    }
}

impl Archive {
    /// What a deletion would take away.
    pub async fn images_to_delete(&self, org_code: &str, level: ImageLevel, uid: &str) -> Result<Extent, Error> {
        let target = self.target_of_deletion(org_code, level, uid).await?.ok_or(Error::NotFound)?;
        let extent = self.index.write(move |tx| {
            Box::pin(async move {
                let study_pk = image_removal::study_of(tx, &target).await?.ok_or(Error::NotFound)?;
                Ok::<_, Error>(image_removal::extent(tx, study_pk, &target).await?)
            })
        });
        extent.await
    }

    /// The last deletion of what an organisation had under a UID.
    pub async fn last_deletion(&self, org_code: &str, level: ImageLevel, uid: &str) -> Result<Option<Deletion>, Error> {
        Ok(deletions::last_of(&self.index, org_code, level, uid).await?)
    }

    /// Deletes images with all their rows, and frees their bytes: files at once, segments by compaction. Again, it goes on
    /// with a deletion that was cut off, and changes nothing after one that was not.
    pub async fn delete_images(&self, actor: Actor, command: DeleteImages) -> Result<DeleteOutcome, Error> {
        let reason = command.reason.trim();
        if reason.is_empty() || reason.chars().count() > MAX_REASON_CHARS || reason.chars().any(char::is_control) {
            return Err(Error::Invalid(format!("a reason has 1 to {MAX_REASON_CHARS} characters in one line")));
        }
        self.finish_deletions().await?;
        let DeleteImages { org_code, level, uid, .. } = &command;
        let Some(target) = self.target_of_deletion(org_code, *level, uid).await? else {
            let before = self.last_deletion(org_code, *level, uid).await?;
            return before.map(DeleteOutcome::Before).ok_or(Error::NotFound);
        };
        let command = DeleteImages { reason: reason.to_owned(), ..command };
        let mut tries = 1;
        let begun = loop {
            let (step, actor, command, target) = (self.step(), actor.clone(), command.clone(), target.clone());
            let begun = self.index.write(move |tx| {
                Box::pin(async move {
                    let id = begin(tx, &step, actor, &command, &target).await?;
                    Ok::<_, Error>(take_step(tx, &step, id).await?)
                })
            });
            match begun.await {
                Err(Error::Index(error)) if is_worth_another_try(&error) && tries < TRIES => tries += 1,
                other => break other?,
            }
        };
        self.forget_purged().await?;
        self.carry_out(begun).await.map(DeleteOutcome::Deleted)
    }

    /// Brings deletions to their end that were cut off.
    pub async fn finish_deletions(&self) -> Result<(), Error> {
        for id in deletions::unfinished(&self.index).await? {
            let done = self.carry_out(self.next_step(id).await?).await?;
            tracing::info!(deletion.id = id, instances = done.instances, "a deletion of images came to its end");
        }
        Ok(())
    }

    async fn carry_out(&self, mut deletion: Deletion) -> Result<Deletion, Error> {
        while deletion.finished_at.is_none() {
            deletion = self.next_step(deletion.id).await?;
            self.forget_purged().await?;
        }
        Ok(deletion)
    }

    async fn next_step(&self, id: i64) -> Result<Deletion, Error> {
        let mut tries = 1;
        loop {
            let step = self.step();
            let taken = self.index.write(move |tx| Box::pin(async move { take_step(tx, &step, id).await }));
            match taken.await {
                Err(error) if is_worth_another_try(&error) && tries < TRIES => tries += 1,
                other => return Ok(other?),
            }
        }
    }

    fn step(&self) -> Step {
        Step { ids: self.ids.clone(), now: self.clock.now_ms(), notify: Arc::clone(&self.notify_rules) }
    }

    async fn target_of_deletion(&self, org_code: &str, level: ImageLevel, uid: &str) -> Result<Option<Target>, Error> {
        let mut found = deletions::find(&self.index, org_code, level, uid).await?;
        if found.len() > 1 {
            let studies: Vec<&str> = found.iter().map(|target| target.study_instance_uid.as_str()).collect();
            let studies = studies.join(", ");
            return Err(Error::Invalid(format!("several studies have this series: {studies}; delete by instances")));
        }
        Ok(found.pop())
    }

    /// What has been deleted of a study since a person last asked for the images of an exam report.
    pub async fn deleted_of_study(
        &self,
        exam_report_pk: i64,
        org_code: &str,
        study_instance_uid: &str,
    ) -> Result<DeletedHere, Error> {
        let mut deleted = DeletedHere::default();
        for target in deletions::of_study(&self.index, exam_report_pk, org_code, study_instance_uid).await? {
            match target.level() {
                ImageLevel::Study => deleted.whole = true,
                ImageLevel::Series | ImageLevel::Instance => {
                    deleted.series.insert(target.series_instance_uid);
                }
            }
        }
        Ok(deleted)
    }
}

/// What a transaction of a deletion needs.
struct Step {
    ids: Ids,
    now: i64,
    notify: Arc<[NotifyRule]>,
}

/// Others may add to a study on PostgreSQL while it is being deleted.
fn is_worth_another_try(error: &index::Error) -> bool {
    error.is_lost_race() || error.is_parent_gone()
}

async fn begin(tx: &mut Tx, step: &Step, actor: Actor, command: &DeleteImages, target: &Target) -> Result<i64, Error> {
    let study_pk = image_removal::study_of(tx, target).await?.ok_or(Error::NotFound)?;
    let extent = image_removal::extent(tx, study_pk, target).await?;
    if extent.unconfirmed > 0 && command.unconfirmed == Unconfirmed::Refuse {
        let waiting = extent.unconfirmed;
        return Err(Error::Invalid(format!("an upstream archive has not confirmed {waiting} of these instances")));
    }
    // The clock of another server may be ahead of this one.
    let received_until = step.now.max(extent.last_received);
    let id = deletions::begin(tx, &step.ids, step.now, target, received_until).await?;
    let entry = AuditRecord {
        action: "delete_images",
        actor,
        org_code: target.org_code.clone(),
        target: format!("study:{study_pk}"),
        outcome: "ok",
        detail: json!({
            "deletion": id,
            "level": target.level().as_str(),
            "study_instance_uid": target.study_instance_uid,
            "series_instance_uid": target.series_instance_uid,
            "sop_instance_uid": target.sop_instance_uid,
            "reason": command.reason,
            "instances": extent.instances,
            "versions": extent.versions,
            "bytes": extent.bytes,
            "unconfirmed": extent.unconfirmed,
        }),
    };
    audit::record(tx, step.ids.next(), step.now, &entry).await?;
    Ok(id)
}

/// Deletes some of the images, and what is empty after the last of them.
async fn take_step(tx: &mut Tx, step: &Step, id: i64) -> Result<Deletion, index::Error> {
    let mut deletion = deletions::get(tx, id).await?.ok_or(index::Error::Damaged("deletion"))?;
    if deletion.finished_at.is_some() {
        return Ok(deletion);
    }
    let study_pk = image_removal::study_of(tx, &deletion.target).await?;
    if let Some(study_pk) = study_pk {
        let (target, until) = (&deletion.target, deletion.received_until);
        let removed = image_removal::remove_some(tx, study_pk, target, until, AT_ONCE).await?;
        for place in &removed.places {
            purged_objects::add(tx, step.now, place).await?;
            if Objects::is_segment(&place.key) {
                dead_objects::bury(tx, step.now, place).await?;
            }
            deletion.bytes += i64::try_from(place.length).unwrap_or(i64::MAX);
        }
        let subjects: Vec<String> = removed.instances.iter().map(|id| format!("instance:{id}")).collect();
        conflicts::close_all_about(tx, ConflictKind::DuplicateUid, &subjects, step.now).await?;
        deletion.instances += removed.instances.len() as i64;
        deletion.versions += removed.versions;
        if removed.instances.len() < AT_ONCE as usize {
            settle(tx, step, &deletion, study_pk).await?;
            deletion.finished_at = Some(step.now);
        }
    } else {
        deletion.finished_at = Some(step.now);
    }
    deletions::keep(tx, &deletion).await?;
    Ok(deletion)
}

/// Tells everybody who knows of the study that it has fewer images, or none.
async fn settle(tx: &mut Tx, step: &Step, deletion: &Deletion, study_pk: i64) -> Result<(), index::Error> {
    let Step { ids, now, notify } = step;
    let Target { org_code, study_instance_uid, .. } = &deletion.target;
    let exams = links::exams_linked(tx, study_pk).await?;
    let left = image_removal::remove_empty_series(tx, study_pk, *now).await?;
    match left {
        StudyLeft::Some => study_changes(tx, ids, *now, notify, org_code, study_pk).await?,
        StudyLeft::Nothing => {
            links::forget_study(tx, study_pk).await?;
            image_removal::remove_study(tx, study_pk).await?;
            conflicts::close_about_gone(tx, &format!("study:{study_pk}"), *now).await?;
            conflicts::close_about_single_uid(tx, study_instance_uid, *now).await?;
        }
    }
    for exam in &exams {
        let exam_report_pk = exam.exam_report_pk;
        exam_retrieves::held_less(tx, exam_report_pk, deletion.instances).await?;
        encapsulated_reports::exam_has_changed(tx, ids, *now, exam_report_pk).await?;
        report_changes::images_linked(tx, ids, *now, org_code, exam_report_pk).await?;
        if left == StudyLeft::Nothing {
            // Attachments may have followed the study.
            link::attachments_of_exam_changed(tx, ids, *now, exam).await?;
        }
    }
    Ok(())
}
