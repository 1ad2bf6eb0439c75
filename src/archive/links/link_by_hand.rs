//! A person links a study to an exam report, or takes them apart (RD-7). Rules respect both ever after.

use serde_json::json;

use crate::archive::{Archive, Error};
use crate::domain::{Actor, criteria};
use crate::index::audit::{self, AuditRecord};
use crate::index::conflicts::{self, ConflictKind};
use crate::index::links::{self, UidOrigin};
use crate::index::report_changes;

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
        let exams = match (exam.parse(), criteria::observation_uid(exam)) {
            (Ok(id), _) => vec![id],
            (_, Some(uid)) => links::exams_observed(&self.index, &uid).await?,
            (_, None) => Vec::new(),
        };
        let studies = match study.parse() {
            Ok(id) => vec![id],
            Err(_) => links::studies_with_uid(&self.index, study).await?,
        };
        match (&exams[..], &studies[..]) {
            ([exam_report_pk], [study_pk]) => Ok(Pair { exam_report_pk: *exam_report_pk, study_pk: *study_pk }),
            ([_], [_, ..]) => {
                let ids: Vec<String> = studies.iter().map(ToString::to_string).collect();
                Err(Error::Invalid(format!("several organisations have this study: {}", ids.join(", "))))
            }
            _ => Err(Error::NotFound),
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
                    links::add_uid(tx, exam_report_pk, &study.study_instance_uid, UidOrigin::Manual).await?;
                    report_changes::images_linked(tx, &ids, now, &exam.org_code, exam_report_pk).await?;
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
                    report_changes::images_linked(tx, &ids, now, &exam.org_code, exam_report_pk).await?;
                    let entry = entry("unlink_study", actor, exam.org_code, target(pair));
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
