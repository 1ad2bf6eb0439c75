//! A person links a study or an attachment to an exam report, or takes them apart (RD-7). Rules respect
//! that ever after. Attachments that name the study follow it.

use serde_json::json;

use super::link;
use crate::archive::{Archive, Error};
use crate::domain::{Actor, criteria};
use crate::index::attachments;
use crate::index::audit::{self, AuditRecord};
use crate::index::conflicts::{self, ConflictKind};
use crate::index::encapsulated_reports;
use crate::index::links::{self, UidOrigin};
use crate::index::report_changes;

pub use crate::index::attachments::UnlinkedAttachment;
pub use crate::index::links::UnlinkedStudy;

/// An exam report and a study, by their rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// The exam report.
    pub exam_report_pk: i64,
    /// The study.
    pub study_pk: i64,
}

impl Archive {
    /// Studies that no report is linked to, the newest first.
    pub async fn unlinked_studies(&self, limit: u32) -> Result<Vec<UnlinkedStudy>, Error> {
        Ok(links::unlinked_studies(&self.index, limit).await?)
    }

    /// Finds an exam report by its row or by the id that pages show, and a study by its row or its UID.
    pub async fn find_pair(&self, exam: &str, study: &str) -> Result<Pair, Error> {
        let exam_report_pk = self.find_exam(exam).await?;
        let studies = match study.parse() {
            Ok(id) => vec![id],
            Err(_) => links::studies_with_uid(&self.index, study).await?,
        };
        match studies.as_slice() {
            [] => Err(Error::NotFound),
            [study_pk] => Ok(Pair { exam_report_pk, study_pk: *study_pk }),
            _ => {
                let ids: Vec<String> = studies.iter().map(ToString::to_string).collect();
                Err(Error::Invalid(format!("several organisations have this study: {}", ids.join(", "))))
            }
        }
    }

    /// Links the two, also when their demographics contradict; both must be of one organisation (D-I2).
    pub async fn link_by_hand(&self, actor: Actor, pair: Pair) -> Result<(), Error> {
        let (now, audit_id, ids) = (self.clock.now_ms(), self.ids.next(), self.ids.clone());
        let Pair { exam_report_pk, study_pk } = pair;
        self.index
            .write(move |tx| {
                Box::pin(async move {
                    let exam = links::exam(tx, exam_report_pk).await?.ok_or(Error::NotFound)?;
                    let study = links::study(tx, study_pk).await?.ok_or(Error::NotFound)?;
                    if exam.org_code != study.org_code {
                        let (a, b) = (exam.org_code, study.org_code);
                        return Err(Error::Invalid(format!("the exam report is of {a}, the study of {b}")));
                    }
                    links::link_by_hand(tx, exam_report_pk, study_pk, now).await?;
                    links::observe_by_images(tx, exam_report_pk).await?;
                    links::add_uid(tx, exam_report_pk, &study.study_instance_uid, UidOrigin::Manual).await?;
                    link::attachments_of_exam_changed(tx, &ids, now, &exam).await?;
                    report_changes::images_linked(tx, &ids, now, &exam.org_code, exam_report_pk).await?;
                    encapsulated_reports::link_has_changed(tx, &ids, now, exam_report_pk, study_pk).await?;
                    let target = target(pair);
                    conflicts::close_about(tx, ConflictKind::Demographics, &target, now).await?;
                    let entry = entry("link_study", actor, exam.org_code, target);
                    Ok(audit::record(tx, audit_id, now, &entry).await?)
                })
            })
            .await
    }

    /// Takes the two apart, whoever or whatever has linked them; [`Error::NotFound`] when they are not linked.
    pub async fn unlink_by_hand(&self, actor: Actor, pair: Pair) -> Result<(), Error> {
        let (now, audit_id, ids) = (self.clock.now_ms(), self.ids.next(), self.ids.clone());
        let Pair { exam_report_pk, study_pk } = pair;
        self.index
            .write(move |tx| {
                Box::pin(async move {
                    let exam = links::exam(tx, exam_report_pk).await?.ok_or(Error::NotFound)?;
                    if !links::take_apart(tx, exam_report_pk, study_pk, now).await? {
                        return Err(Error::NotFound);
                    }
                    link::attachments_of_exam_changed(tx, &ids, now, &exam).await?;
                    report_changes::images_linked(tx, &ids, now, &exam.org_code, exam_report_pk).await?;
                    encapsulated_reports::link_has_changed(tx, &ids, now, exam_report_pk, study_pk).await?;
                    let entry = entry("unlink_study", actor, exam.org_code, target(pair));
                    Ok(audit::record(tx, audit_id, now, &entry).await?)
                })
            })
            .await
    }
}

impl Archive {
    /// Attachments that no exam report is linked to, the newest first.
    pub async fn unlinked_attachments(&self, limit: u32) -> Result<Vec<UnlinkedAttachment>, Error> {
        Ok(attachments::unlinked(&self.index, limit).await?)
    }

    /// Finds an exam report by its row or by the id that pages show.
    pub async fn find_exam(&self, exam: &str) -> Result<i64, Error> {
        let exams = match (exam.parse(), criteria::observation_uid(exam)) {
            (Ok(id), _) => vec![id],
            (_, Some(uid)) => links::exams_observed(&self.index, &uid).await?,
            (_, None) => Vec::new(),
        };
        match exams.as_slice() {
            [only] => Ok(*only),
            _ => Err(Error::NotFound),
        }
    }

    /// Links an attachment to an exam report of the same organisation, whatever its keys say.
    pub async fn link_attachment_by_hand(
        &self,
        actor: Actor,
        exam_report_pk: i64,
        attachment_pk: i64,
    ) -> Result<(), Error> {
        let (now, audit_id, ids) = (self.clock.now_ms(), self.ids.next(), self.ids.clone());
        self.index
            .write(move |tx| {
                Box::pin(async move {
                    let exam = links::exam(tx, exam_report_pk).await?.ok_or(Error::NotFound)?;
                    let attachment = attachments::keys(tx, attachment_pk).await?.ok_or(Error::NotFound)?;
                    if exam.org_code != attachment.org_code {
                        let (a, b) = (exam.org_code, attachment.org_code);
                        return Err(Error::Invalid(format!("the exam report is of {a}, the attachment of {b}")));
                    }
                    attachments::link_by_hand(tx, exam_report_pk, attachment_pk, now).await?;
                    report_changes::attachments_linked(tx, &ids, now, &exam.org_code, exam_report_pk).await?;
                    let target = format!("exam:{exam_report_pk} attachment:{attachment_pk}");
                    let entry = entry("link_attachment", actor, exam.org_code, target);
                    Ok(audit::record(tx, audit_id, now, &entry).await?)
                })
            })
            .await
    }
}

impl Archive {
    /// Takes an attachment and an exam report apart, whoever or whatever has linked them; [`Error::NotFound`] when they
    /// are not linked.
    pub async fn unlink_attachment_by_hand(
        &self,
        actor: Actor,
        exam_report_pk: i64,
        attachment_pk: i64,
    ) -> Result<(), Error> {
        let (now, audit_id, ids) = (self.clock.now_ms(), self.ids.next(), self.ids.clone());
        self.index
            .write(move |tx| {
                Box::pin(async move {
                    let exam = links::exam(tx, exam_report_pk).await?.ok_or(Error::NotFound)?;
                    if !attachments::take_apart(tx, exam_report_pk, attachment_pk, now).await? {
                        return Err(Error::NotFound);
                    }
                    report_changes::attachments_linked(tx, &ids, now, &exam.org_code, exam_report_pk).await?;
                    let target = format!("exam:{exam_report_pk} attachment:{attachment_pk}");
                    let entry = entry("unlink_attachment", actor, exam.org_code, target);
                    Ok(audit::record(tx, audit_id, now, &entry).await?)
                })
            })
            .await
    }
}

fn target(pair: Pair) -> String {
    format!("exam:{} study:{}", pair.exam_report_pk, pair.study_pk)
}

fn entry(action: &'static str, actor: Actor, org_code: String, target: String) -> AuditRecord {
    AuditRecord { action, actor, org_code, target, outcome: "ok", detail: json!({}) }
}
