//! Fetching the images of registered exams from the PACS (RAD-16, D-I1 to D-I4): when to look, when to stop.
//!
//! A registration requests the retrieval in its own transaction; the adapter that knows the PACS asks and fetches, and
//! says here what it found. Looked for again, with growing pauses, until everything the nodes have is here, has not
//! changed for a while, and the report is reviewed; then, or when it has taken too long, the end is written down.

use std::collections::BTreeSet;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::archive::{Archive, Error};
use crate::domain::Actor;
use crate::domain::exam_report::{ExamField, ExamReport, ExamState, study_instance_uids};
use crate::index::audit::{self, AuditRecord};
use crate::index::exam_retrieves;
use crate::index::jobs::{self, JobKind};
use crate::index::{self, Ids, Tx};

pub use crate::index::exam_retrieves::{ExamKeys, ExamRetrieve, HeldStudy, RetrieveState};

/// Section `[retrieve]`: when the PACS are asked for the images of registered exams.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetrieveConfig {
    /// Exams that are fetched at the same time from one peer in this process, where its `scu.max_associations` allows more.
    /// Peers do not wait for each other. Default 4.
    pub max_exams: u32,
    /// Pause before the second look, in milliseconds. Default 60000 (1 min).
    pub first_delay_ms: u64,
    /// How much longer each further pause without news is. Default 2.
    pub delay_factor: f64,
    /// Longest pause, in milliseconds. Default 86400000 (24 h).
    pub max_delay_ms: u64,
    /// How long the numbers must stay the same before a complete, reviewed exam counts as finished, in milliseconds.
    /// Default 600000 (10 min).
    pub stable_ms: u64,
    /// How long after its registration or last change an exam is given up, in milliseconds. Default 2592000000 (30 days).
    pub give_up_after_ms: u64,
}

impl Default for RetrieveConfig {
    fn default() -> Self {
        Self {
            max_exams: 4,
            first_delay_ms: 60_000,
            delay_factor: 2.0,
            max_delay_ms: 86_400_000,
            stable_ms: 600_000,
            give_up_after_ms: 2_592_000_000,
        }
    }
}

impl RetrieveConfig {
    fn delay_ms(&self, quiet_checks: i64) -> i64 {
        let exponent = i32::try_from(quiet_checks.clamp(0, 64)).unwrap_or(64);
        let plain = self.first_delay_ms as f64 * self.delay_factor.max(1.0).powi(exponent);
        plain.min(self.max_delay_ms as f64) as i64
    }
}

/// What one look at the nodes brought.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RetrieveCheck {
    /// Studies of the exam that the nodes have.
    pub studies: u64,
    /// Their instances; `None` when no node tells.
    pub expected: Option<u64>,
    /// Instances of these studies that are here now.
    pub held: u64,
    /// Studies that the nodes have and that are not fetched, because a person has had their images deleted here.
    pub deleted: u64,
    /// Instances that came by this check.
    pub fetched: u64,
    /// Instances that a node has and we have not; `None` when that is not known.
    pub missing: Option<u64>,
    /// What did not go well, without patient data; empty when all did.
    pub error: String,
    /// What each node said, without patient data.
    pub detail: Json,
}

/// What follows from a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetrieveNext {
    /// Everything is here.
    Complete,
    /// Look again.
    Again {
        /// Milliseconds from now.
        delay_ms: u64,
    },
    /// It has taken too long.
    GivenUp,
}

/// Whether a report is one whose images are looked for (D-I2): the examination was done, or nothing is said of that and
/// the report names images; and there is something to ask by.
pub(in crate::archive) fn wants_images(report: &ExamReport) -> bool {
    let named = !study_instance_uids(report.text(ExamField::StudyInstanceUid)).0.is_empty()
        || !report.text(ExamField::PacsId).trim().is_empty();
    let state = report.get(ExamField::State).and_then(ExamState::parse);
    named && state.is_none_or(|state| state >= ExamState::Examined)
}

/// Requests the retrieval in the transaction that causes it.
pub(in crate::archive) async fn request(
    tx: &mut Tx,
    ids: &Ids,
    now: i64,
    exam_report_pk: i64,
    org_code: &str,
) -> Result<(), index::Error> {
    exam_retrieves::request(tx, exam_report_pk, org_code, now).await?;
    jobs::enqueue(tx, ids, now, JobKind::RetrieveExam, &exam_report_pk.to_string(), now).await
}

/// Nobody works on an exam's retrieval any more: its job has been given up.
pub(in crate::archive) async fn job_given_up(
    tx: &mut Tx,
    ids: &Ids,
    now: i64,
    job_key: &str,
    reason: &str,
) -> Result<(), Error> {
    if let Ok(exam_report_pk) = job_key.parse() {
        give_up(tx, ids, now, exam_report_pk, reason).await?;
    }
    Ok(())
}

async fn give_up(tx: &mut Tx, ids: &Ids, now: i64, exam_report_pk: i64, reason: &str) -> Result<bool, Error> {
    let Some(mut row) = exam_retrieves::get(tx, exam_report_pk).await? else { return Ok(false) };
    row.state = RetrieveState::GivenUp;
    row.next_at = None;
    row.last_error = reason.to_owned();
    exam_retrieves::put(tx, &row).await?;
    let detail = json!({ "reason": reason });
    record(tx, ids, now, Actor::system("retrieve"), &row.org_code, exam_report_pk, "given_up", detail).await?;
    Ok(true)
}

/// The organisations that have a node to fetch from.
#[derive(Debug, Clone, Default)]
pub(in crate::archive) struct Fetched(Arc<BTreeSet<String>>);

impl Fetched {
    pub(in crate::archive) fn contains(&self, org_code: &str) -> bool {
        self.0.contains(org_code)
    }
}

impl Archive {
    /// The same archive, in which registrations of these organisations request the retrieval of their images.
    pub fn fetching_for(mut self, organizations: BTreeSet<String>) -> Self {
        self.fetched = Fetched(Arc::new(organizations));
        self
    }

    /// What to look for, if the exam report still exists.
    pub async fn exam_to_retrieve(&self, exam_report_pk: i64) -> Result<Option<ExamKeys>, Error> {
        Ok(exam_retrieves::keys(&self.index, exam_report_pk).await?)
    }

    /// What is here of a study.
    pub async fn held_of_study(&self, org_code: &str, study_instance_uid: &str) -> Result<HeldStudy, Error> {
        Ok(exam_retrieves::held(&self.index, org_code, study_instance_uid).await?)
    }

    /// Writes down what a check brought and decides what follows.
    pub async fn conclude_retrieve(
        &self,
        exam: ExamKeys,
        check: RetrieveCheck,
        rules: &RetrieveConfig,
    ) -> Result<RetrieveNext, Error> {
        let (ids, now, rules) = (self.ids.clone(), self.clock.now_ms(), rules.clone());
        self.index
            .write(move |tx| {
                Box::pin(async move {
                    let Some(row) = exam_retrieves::get(tx, exam.exam_report_pk).await? else {
                        return Err(Error::NotFound);
                    };
                    let (row, next) = decide(row, &check, exam.settled, now, &rules);
                    exam_retrieves::put(tx, &row).await?;
                    let outcome = match next {
                        RetrieveNext::Complete => "ok",
                        RetrieveNext::GivenUp => "given_up",
                        RetrieveNext::Again { .. } => "partial",
                    };
                    if check.fetched > 0 || !matches!(next, RetrieveNext::Again { .. }) {
                        let detail = json!({ "fetched": check.fetched, "held": row.held_instances,
                                             "expected": row.expected_instances });
                        record(
                            tx,
                            &ids,
                            now,
                            Actor::system("retrieve"),
                            &exam.org_code,
                            row.exam_report_pk,
                            outcome,
                            detail,
                        )
                        .await?;
                    }
                    Ok(next)
                })
            })
            .await
    }

    /// Ends the retrieval of an exam that cannot go on; false when none was requested.
    pub async fn stop_retrieve(&self, exam_report_pk: i64, reason: &'static str) -> Result<bool, Error> {
        let (ids, now) = (self.ids.clone(), self.clock.now_ms());
        self.index.write(move |tx| Box::pin(async move { give_up(tx, &ids, now, exam_report_pk, reason).await })).await
    }

    /// Fetches the images of the exams with this id or AccessionNumber (again), those that were deleted here too, and gives
    /// the exams' ids.
    pub async fn request_retrieve(&self, exam_or_accession: &str, actor: Actor) -> Result<Vec<i64>, Error> {
        let exams = exam_retrieves::exams_called(&self.index, exam_or_accession, 100).await?;
        if exams.is_empty() {
            return Err(Error::NotFound);
        }
        let (ids, now) = (self.ids.clone(), self.clock.now_ms());
        let found = exams.iter().map(|(id, _)| *id).collect();
        self.index
            .write(move |tx| {
                Box::pin(async move {
                    for (id, org_code) in &exams {
                        request(tx, &ids, now, *id, org_code).await?;
                        exam_retrieves::asked_by_hand(tx, *id, now).await?;
                        record(tx, &ids, now, actor.clone(), org_code, *id, "requested", json!({})).await?;
                    }
                    Ok::<_, Error>(())
                })
            })
            .await?;
        Ok(found)
    }

    /// Lists retrievals in one state or in all.
    pub async fn list_retrieves(&self, state: Option<RetrieveState>, limit: u32) -> Result<Vec<ExamRetrieve>, Error> {
        Ok(exam_retrieves::list(&self.index, state, limit).await?)
    }

    /// The retrievals of the exams with this id or AccessionNumber.
    pub async fn find_retrieves(&self, exam_or_accession: &str) -> Result<Vec<ExamRetrieve>, Error> {
        Ok(exam_retrieves::of_exam(&self.index, exam_or_accession, 100).await?)
    }
}

fn decide(
    mut row: ExamRetrieve,
    check: &RetrieveCheck,
    settled: bool,
    now: i64,
    rules: &RetrieveConfig,
) -> (ExamRetrieve, RetrieveNext) {
    let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    // A node that could not be asked takes nothing back of what was known.
    let (studies, expected, held) = if check.error.is_empty() || check.studies > 0 {
        (whole(check.studies), check.expected.map(whole), whole(check.held))
    } else {
        (row.studies, row.expected_instances, row.held_instances)
    };
    let changed = row.checked_at.is_none() || (expected, held) != (row.expected_instances, row.held_instances);
    row.checks += 1;
    row.quiet_checks = if changed { 0 } else { row.quiet_checks + 1 };
    if changed {
        row.changed_at = now;
    }
    (row.studies, row.expected_instances, row.held_instances) = (studies, expected, held);
    row.fetched_instances += whole(check.fetched);
    row.checked_at = Some(now);
    row.last_error.clone_from(&check.error);
    row.detail = check.detail.to_string();

    let all_here = check.error.is_empty() && (check.held > 0 || check.deleted > 0) && check.missing == Some(0);
    let quiet_for = now.saturating_sub(row.changed_at);
    let stable_ms = i64::try_from(rules.stable_ms).unwrap_or(i64::MAX);
    let old = now.saturating_sub(row.requested_at) >= i64::try_from(rules.give_up_after_ms).unwrap_or(i64::MAX);
    let (state, next_at, next) = if all_here && (old || settled && quiet_for >= stable_ms) {
        (RetrieveState::Complete, None, RetrieveNext::Complete)
    } else if old {
        (RetrieveState::GivenUp, None, RetrieveNext::GivenUp)
    } else {
        let delay = if all_here && settled { stable_ms - quiet_for } else { rules.delay_ms(row.quiet_checks) };
        let delay_ms = u64::try_from(delay).unwrap_or_default();
        (RetrieveState::Waiting, Some(now.saturating_add(delay)), RetrieveNext::Again { delay_ms })
    };
    (row.state, row.next_at) = (state, next_at);
    (row, next)
}

#[expect(clippy::too_many_arguments, reason = "an audit record is made of them")]
async fn record(
    tx: &mut Tx,
    ids: &Ids,
    now: i64,
    actor: Actor,
    org_code: &str,
    exam_report_pk: i64,
    outcome: &'static str,
    detail: Json,
) -> Result<(), index::Error> {
    let entry = AuditRecord {
        action: "retrieve_exam",
        actor,
        org_code: org_code.to_owned(),
        target: format!("exam:{exam_report_pk}"),
        outcome,
        detail,
    };
    audit::record(tx, ids.next(), now, &entry).await
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn row() -> ExamRetrieve {
        ExamRetrieve {
            exam_report_pk: 1,
            org_code: "ORG-T01".into(),
            state: RetrieveState::Waiting,
            requested_at: 0,
            checks: 0,
            quiet_checks: 0,
            studies: 0,
            expected_instances: None,
            held_instances: 0,
            fetched_instances: 0,
            changed_at: 0,
            checked_at: None,
            next_at: Some(0),
            last_error: String::new(),
            detail: "[]".into(),
        }
    }

    fn saw(expected: u64, held: u64) -> RetrieveCheck {
        RetrieveCheck {
            studies: 1,
            expected: Some(expected),
            held,
            missing: Some(expected - held),
            ..RetrieveCheck::default()
        }
    }

    fn report(values: &[(ExamField, &str)]) -> ExamReport {
        let mut report = ExamReport::default();
        values.iter().for_each(|(field, value)| report.set(*field, *value));
        report
    }

    #[test]
    fn d_i2_images_are_looked_for_from_state_one_on_or_when_named_without_a_state() {
        let uid = (ExamField::StudyInstanceUid, "1.2.3");
        let accession = (ExamField::PacsId, "A1");
        assert!(wants_images(&report(&[(ExamField::State, "1"), accession])));
        assert!(wants_images(&report(&[uid])) && wants_images(&report(&[accession])));
        assert!(!wants_images(&report(&[(ExamField::State, "0"), uid, accession])));
        assert!(!wants_images(&report(&[(ExamField::State, "3")])), "there is nothing to ask by");
        assert!(!wants_images(&report(&[(ExamField::StudyInstanceUid, "none")])));
    }

    #[test]
    fn d_i2_pauses_grow_from_a_minute_to_a_day_while_nothing_changes_and_start_again_with_news() {
        let rules = RetrieveConfig::default();
        let nothing = RetrieveCheck::default();
        let (mut row, mut delays, mut now) = (row(), Vec::new(), 0);
        for _ in 0..14 {
            let (after, next) = decide(row, &nothing, true, now, &rules);
            let RetrieveNext::Again { delay_ms } = next else { panic!("{next:?}") };
            delays.push(delay_ms as i64 / MINUTE);
            now += delay_ms as i64;
            row = after;
        }
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1440, 1440, 1440]);
        let (_, next) = decide(row, &saw(3, 1), true, now, &rules);
        assert_eq!(next, RetrieveNext::Again { delay_ms: 60_000 });
    }

    #[test]
    fn d_i2_complete_is_what_is_all_here_stays_so_and_is_reviewed() {
        let rules = RetrieveConfig::default();
        let (first, next) = decide(row(), &saw(3, 3), true, 0, &rules);
        assert_eq!(next, RetrieveNext::Again { delay_ms: 600_000 });
        let (grown, next) = decide(first.clone(), &saw(4, 4), true, 10 * MINUTE, &rules);
        assert_eq!(next, RetrieveNext::Again { delay_ms: 600_000 }, "it was not stable");
        let (unreviewed, next) = decide(grown.clone(), &saw(4, 4), false, 20 * MINUTE, &rules);
        assert_eq!((unreviewed.state, next), (RetrieveState::Waiting, RetrieveNext::Again { delay_ms: 120_000 }));
        let (done, next) = decide(grown, &saw(4, 4), true, 20 * MINUTE, &rules);
        assert_eq!((done.state, done.next_at, next), (RetrieveState::Complete, None, RetrieveNext::Complete));
    }

    #[test]
    fn a_node_that_does_not_answer_takes_nothing_back_and_ends_after_the_last_day() {
        let rules = RetrieveConfig::default();
        let (known, _) = decide(row(), &saw(3, 3), true, 0, &rules);
        let failed = RetrieveCheck { error: "PACS01: no connection".into(), ..RetrieveCheck::default() };
        let (after, next) = decide(known, &failed, true, 20 * MINUTE, &rules);
        assert_eq!((after.expected_instances, after.held_instances), (Some(3), 3));
        assert_eq!(next, RetrieveNext::Again { delay_ms: 120_000 }, "an error is no proof of completeness");
        let (after, next) = decide(after, &failed, true, 30 * 24 * 60 * MINUTE, &rules);
        assert_eq!((after.state, next), (RetrieveState::GivenUp, RetrieveNext::GivenUp));
    }
}
