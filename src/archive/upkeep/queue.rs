//! The durable queue as the workers see it: claim, run, and say how it ended.

use serde_json::json;

use crate::archive::peers::retrieve_exam;
use crate::archive::reports::fetch_report_file::{FetchFailure, FetchOutcome};
use crate::archive::reports::take_encapsulated_report::EncapsulatedFailure;
use crate::archive::{Archive, Error};
use crate::domain::Actor;
use crate::fetch;
use crate::index::audit::{self, AuditRecord};
use crate::index::jobs;

pub use crate::index::jobs::{Job, JobCount, JobKind, JobState};

/// Why a job did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFailure {
    /// For the operator; no patient data.
    pub reason: String,
    /// Whether another attempt makes sense.
    pub retryable: bool,
}

/// How a job ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// Nothing is left to do.
    Done,
    /// What it waits for is not there yet: run it again after a while, with fresh attempts.
    Again {
        /// Milliseconds from now.
        delay_ms: u64,
    },
    /// What it needs is in use by others: run it again after a while, as if it had not been taken.
    Busy {
        /// Milliseconds from now.
        delay_ms: u64,
    },
}

impl Archive {
    /// The kinds of jobs that [`Archive::run_job`] does; the others need a neighbour and belong to its adapter.
    pub const OWN_JOBS: [JobKind; 5] = [
        JobKind::FetchReportFile,
        JobKind::RecheckReportFile,
        JobKind::ComposeLabReport,
        JobKind::RestampReports,
        JobKind::TakeEncapsulatedReport,
    ];

    /// How many jobs of a kind one process does at the same time: of those that fetch files as many as files are
    /// fetched, so that a hospital that does not answer keeps nobody else waiting; of others `usual`.
    pub fn places_of(&self, kind: JobKind, usual: u32) -> u32 {
        match kind {
            JobKind::FetchReportFile | JobKind::RecheckReportFile => {
                u32::try_from(self.fetcher.places()).unwrap_or(u32::MAX)
            }
            _ => usual,
        }
    }

    /// Does what a job of [`Archive::OWN_JOBS`] says.
    pub async fn run_job(&self, job: &Job) -> Result<Finished, JobFailure> {
        let unreadable = |_| JobFailure { reason: "the key is no number".to_owned(), retryable: false };
        let failed = |error: Error| JobFailure { reason: error.to_string(), retryable: true };
        match job.kind {
            JobKind::FetchReportFile => {
                let exam_report_pk = job.key.parse().map_err(unreadable)?;
                let outcome = self.fetch_report_file(exam_report_pk).await;
                if let Some(later) = later(&outcome) {
                    return Ok(later);
                }
                let outcome = outcome
                    .map_err(|error| JobFailure { reason: error.to_string(), retryable: error.is_retryable() })?;
                tracing::info!(exam.id = exam_report_pk, outcome = ?outcome, "report file fetched");
                self.plan_recheck(exam_report_pk).await.map_err(failed)?;
                Ok(Finished::Done)
            }
            JobKind::RecheckReportFile => {
                let exam_report_pk = job.key.parse().map_err(unreadable)?;
                let outcome = self.fetch_report_file(exam_report_pk).await;
                if let Some(later) = later(&outcome) {
                    return Ok(later);
                }
                match outcome {
                    // There is a file; that the hospital has taken its own away is no reason to worry anybody.
                    Err(error @ (FetchFailure::Fetch(_) | FetchFailure::Unfit(_))) => {
                        tracing::debug!(exam.id = exam_report_pk, error = %error, "report file not looked at again");
                    }
                    Err(FetchFailure::Archive(error)) => return Err(failed(error)),
                    Ok(outcome) => {
                        tracing::debug!(exam.id = exam_report_pk, outcome = ?outcome, "report file looked at")
                    }
                }
                let wait = self.next_recheck(exam_report_pk).await.map_err(failed)?;
                Ok(wait.map_or(Finished::Done, |delay_ms| Finished::Again { delay_ms }))
            }
            JobKind::ComposeLabReport => {
                let lab_report_pk = job.key.parse().map_err(unreadable)?;
                self.lab_document(lab_report_pk).await.map_err(failed)?;
                Ok(Finished::Done)
            }
            JobKind::TakeEncapsulatedReport => {
                let exam_report_pk = job.key.parse().map_err(unreadable)?;
                let outcome = self.take_encapsulated_report(exam_report_pk).await;
                let outcome = outcome.map_err(|error| JobFailure {
                    reason: error.to_string(),
                    retryable: matches!(error, EncapsulatedFailure::Archive(_)),
                })?;
                tracing::info!(exam.id = exam_report_pk, outcome = ?outcome, "PDFs in DICOM objects looked at");
                Ok(Finished::Done)
            }
            JobKind::RestampReports => {
                self.run_restamp().await.map_err(failed)?;
                Ok(Finished::Done)
            }
            kind => Err(JobFailure {
                reason: format!("{} needs a neighbour, the archive alone cannot do it", kind.as_str()),
                retryable: false,
            }),
        }
    }

    /// Makes a name for a worker that no other worker has.
    pub fn worker_name(&self) -> String {
        format!("worker-{}", self.ids.next())
    }

    /// Takes jobs of a kind that are due, for the time of the lease.
    pub async fn claim_jobs(&self, owner: &str, kind: JobKind, lease_ms: u64, limit: u32) -> Result<Vec<Job>, Error> {
        Ok(jobs::claim(&self.index, owner, kind, self.clock.now_ms(), millis(lease_ms), limit).await?)
    }

    /// Keeps a job for another lease; false when somebody else has it now.
    pub async fn renew_job(&self, job: &Job, lease_ms: u64) -> Result<bool, Error> {
        Ok(jobs::heartbeat(&self.index, job, self.clock.now_ms(), millis(lease_ms)).await?)
    }

    /// Says that a job is done.
    pub async fn finish_job(&self, job: &Job) -> Result<bool, Error> {
        Ok(jobs::finish(&self.index, job, self.clock.now_ms()).await?)
    }

    /// Says that a job failed and is to be tried again after a while.
    pub async fn retry_job(&self, job: &Job, reason: &str, delay_ms: u64) -> Result<bool, Error> {
        let now = self.clock.now_ms();
        Ok(jobs::retry_later(&self.index, job, now, reason, now.saturating_add(millis(delay_ms))).await?)
    }

    /// Says that a job is to be run again after a while although nothing failed; its attempts are counted anew.
    pub async fn postpone_job(&self, job: &Job, delay_ms: u64) -> Result<bool, Error> {
        let now = self.clock.now_ms();
        Ok(jobs::postpone(&self.index, job, now, now.saturating_add(millis(delay_ms))).await?)
    }

    /// Puts a job back that could not even begin; the attempt does not count.
    pub async fn put_back_job(&self, job: &Job, delay_ms: u64) -> Result<bool, Error> {
        let now = self.clock.now_ms();
        Ok(jobs::put_back(&self.index, job, now, now.saturating_add(millis(delay_ms))).await?)
    }

    /// Gives a job up; it stays in the list of dead jobs with its reason. What waits for it is told in the same
    /// transaction.
    pub async fn bury_job(&self, job: &Job, reason: &str) -> Result<bool, Error> {
        let (ids, now) = (self.ids.clone(), self.clock.now_ms());
        let (job, reason) = (job.clone(), reason.to_owned());
        self.index
            .write(move |tx| {
                Box::pin(async move {
                    let state = jobs::bury(tx, &job, now, &reason).await?;
                    if state == Some(JobState::Dead) && job.kind == JobKind::RetrieveExam {
                        retrieve_exam::job_given_up(tx, &ids, now, &job.key, &reason).await?;
                    }
                    Ok(state.is_some())
                })
            })
            .await
    }

    /// Gives back what a stopping worker holds.
    pub async fn release_jobs(&self, owner: &str) -> Result<u64, Error> {
        Ok(jobs::release(&self.index, owner, self.clock.now_ms()).await?)
    }

    /// How many jobs of each kind are in each state.
    pub async fn count_jobs(&self) -> Result<Vec<JobCount>, Error> {
        Ok(jobs::counts(&self.index).await?)
    }

    /// How many jobs of each kind are in each state but done.
    pub async fn count_open_jobs(&self) -> Result<Vec<JobCount>, Error> {
        Ok(jobs::open_counts(&self.index).await?)
    }

    /// Lists jobs in one state or in all, those that changed last first.
    pub async fn list_jobs(&self, state: Option<JobState>, limit: u32) -> Result<Vec<Job>, Error> {
        Ok(jobs::list(&self.index, state, limit).await?)
    }

    /// Lists jobs in one state or in all, of one kind or of all, those that changed last first.
    pub async fn find_jobs(
        &self,
        state: Option<JobState>,
        kind: Option<JobKind>,
        limit: u32,
    ) -> Result<Vec<Job>, Error> {
        Ok(jobs::find(&self.index, state, kind, limit).await?)
    }

    /// One job.
    pub async fn get_job(&self, id: i64) -> Result<Option<Job>, Error> {
        Ok(jobs::by_id(&self.index, id).await?)
    }

    /// Runs a job again, also one that was given up; false when it runs or does not exist.
    pub async fn rerun_job(&self, actor: Actor, id: i64) -> Result<bool, Error> {
        let (now, audit_id) = (self.clock.now_ms(), self.ids.next());
        self.index
            .write(move |tx| {
                Box::pin(async move {
                    let again = jobs::rerun(tx, id, now).await?;
                    let entry = AuditRecord {
                        action: "rerun_job",
                        actor,
                        org_code: String::new(),
                        target: format!("job:{id}"),
                        outcome: if again { "ok" } else { "not_found" },
                        detail: json!({}),
                    };
                    audit::record(tx, audit_id, now, &entry).await?;
                    Ok(again)
                })
            })
            .await
    }
}

/// When a file that could not be asked for just now is asked for again.
fn later(outcome: &Result<FetchOutcome, FetchFailure>) -> Option<Finished> {
    match outcome {
        // It is the hospital's own wish to be asked later.
        Err(FetchFailure::Fetch(fetch::Error::OutsideHours { opens_in_ms })) => {
            Some(Finished::Again { delay_ms: *opens_in_ms })
        }
        Err(FetchFailure::Fetch(fetch::Error::Busy { retry_in_ms })) => Some(Finished::Busy { delay_ms: *retry_in_ms }),
        _ => None,
    }
}

fn millis(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX / 4)
}
