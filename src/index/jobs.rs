//! The durable queue: one row for each thing to do, enqueued in the transaction that causes it.
//!
//! A worker *claims* a row for the time of a lease and renews the lease while it works; a lease that ran out belongs
//! to a dead worker, so the row can be claimed again. `attempts` counts claims and fences off a worker whose lease
//! was taken over. `generation` counts enqueues: who finishes an older generation leaves the row ready.

use super::{Error, Ids, Index, Row, Select, SkipLocked, Tx, Value};
use crate::params;

/// The kinds of work that happen after a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobKind {
    /// Fetch the report file of an exam report, keep it and stamp it; the key is the exam report's id.
    FetchReportFile,
    /// Fetch the images of an exam from the PACS; the key is the exam report's id.
    RetrieveExam,
    /// Read all objects and compare them with what was acknowledged.
    Scrub,
    /// Take back the space of deleted objects in segments.
    Compact,
    /// Check what commitment was asked for and tell who asked; the key is the request's id.
    ReportStorageCommitment,
    /// Forget inbound messages and done jobs that have been kept long enough.
    PurgeInbox,
    /// Look whether a report file has changed under its address; the key is the exam report's id.
    RecheckReportFile,
    /// Compose a lab report as a document; the key is the lab report's id.
    ComposeLabReport,
    /// Stamp reports anew after the policy changed.
    RestampReports,
    /// Look which stored reports are restricted after the words for it changed.
    RestrictReports,
    /// Tell a peer that a study is here; the key is the study's id and the peer's AE title.
    NotifyAvailability,
    /// Look at the PDFs in DICOM objects that are linked to an exam report; the key is the exam report's id.
    TakeEncapsulatedReport,
}

impl JobKind {
    /// Every kind.
    pub const ALL: [JobKind; 12] = [
        JobKind::FetchReportFile,
        JobKind::RetrieveExam,
        JobKind::Scrub,
        JobKind::Compact,
        JobKind::ReportStorageCommitment,
        JobKind::PurgeInbox,
        JobKind::RecheckReportFile,
        JobKind::ComposeLabReport,
        JobKind::RestampReports,
        JobKind::RestrictReports,
        JobKind::NotifyAvailability,
        JobKind::TakeEncapsulatedReport,
    ];

    /// The word kept in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            JobKind::FetchReportFile => "fetch_report_file",
            JobKind::RetrieveExam => "retrieve_exam",
            JobKind::Scrub => "scrub",
            JobKind::Compact => "compact",
            JobKind::ReportStorageCommitment => "report_storage_commitment",
            JobKind::PurgeInbox => "purge_inbox",
            JobKind::RecheckReportFile => "recheck_report_file",
            JobKind::ComposeLabReport => "compose_lab_report",
            JobKind::RestampReports => "restamp_reports",
            JobKind::RestrictReports => "restrict_reports",
            JobKind::NotifyAvailability => "notify_availability",
            JobKind::TakeEncapsulatedReport => "take_encapsulated_report",
        }
    }

    /// Reads the word kept in the table.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Where a job stands. A done one may be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    /// Waits for its time and a worker.
    Ready,
    /// A worker holds its lease.
    Running,
    /// Nothing is left to do.
    Done,
    /// Given up, with a reason; an operator can run it again.
    Dead,
}

impl JobState {
    /// The states of jobs with which something is still to be done, by a worker or by an operator.
    pub const OPEN: [JobState; 3] = [JobState::Ready, JobState::Running, JobState::Dead];

    /// Every state.
    pub const ALL: [JobState; 4] = [JobState::Ready, JobState::Running, JobState::Done, JobState::Dead];

    /// The word kept in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            JobState::Ready => "ready",
            JobState::Running => "running",
            JobState::Done => "done",
            JobState::Dead => "dead",
        }
    }

    /// Reads the word kept in the table.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// One row of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The row's id.
    pub id: i64,
    /// What to do.
    pub kind: JobKind,
    /// To what.
    pub key: String,
    /// Where it stands.
    pub state: JobState,
    /// Claims since it was last enqueued, this one included.
    pub attempts: i64,
    /// When it may run, milliseconds since 1970 UTC.
    pub run_at: i64,
    /// Who holds or held the lease.
    pub lease_owner: String,
    /// Enqueues so far.
    pub generation: i64,
    /// Why the last attempt failed; empty when none did.
    pub last_error: String,
    /// When the row last changed, milliseconds since 1970 UTC.
    pub updated_at: i64,
}

/// How many jobs are in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobCount {
    /// The kind.
    pub kind: JobKind,
    /// The state.
    pub state: JobState,
    /// Rows.
    pub count: i64,
}

/// Jobs whose kind and state this version knows: those of a newer one beside it are not ours to show.
fn known_jobs() -> Select {
    let mut select = Select::new(
        "SELECT id, kind, job_key, state, attempts, run_at, lease_owner, generation, last_error, updated_at \
         FROM job WHERE 1 = 1",
    );
    select.push_in(" AND kind", JobKind::ALL.map(|kind| Value::from(kind.as_str())).to_vec());
    select.push_in(" AND state", JobState::ALL.map(|state| Value::from(state.as_str())).to_vec());
    select
}

/// Puts work in the queue, in the transaction that causes it.
///
/// At most one row for each (kind, key): a row that waits, is done or is dead becomes ready with fresh attempts;
/// a running one is run again after it ends.
pub async fn enqueue(tx: &mut Tx, ids: &Ids, now: i64, kind: JobKind, key: &str, run_at: i64) -> Result<(), Error> {
    let sql = "INSERT INTO job (id, kind, job_key, state, attempts, max_attempts, run_at, lease_owner, lease_until, \
               generation, last_error, created_at, updated_at) \
               VALUES ($1, $2, $3, 'ready', 0, 0, $4, '', 0, 1, '', $5, $6) \
               ON CONFLICT (kind, job_key) DO UPDATE SET generation = job.generation + 1, run_at = excluded.run_at, \
               attempts = CASE WHEN job.state = 'running' THEN job.attempts ELSE 0 END, \
               state = CASE WHEN job.state = 'running' THEN 'running' ELSE 'ready' END, \
               last_error = '', updated_at = excluded.updated_at";
    tx.post(sql, params![ids.next(), kind.as_str(), key, run_at, now, now]).await
}

/// Takes up to `limit` jobs of a kind that are due, or whose worker let its lease run out, for `owner`.
///
/// Two claims at the same time, in one process or in several, never take the same job.
pub async fn claim(
    index: &Index,
    owner: &str,
    kind: JobKind,
    now: i64,
    lease_ms: i64,
    limit: u32,
) -> Result<Vec<Job>, Error> {
    let due = "SELECT id FROM job WHERE kind = $1 AND ((state = 'ready' AND run_at <= $2) \
               OR (state = 'running' AND lease_until <= $3)) ORDER BY run_at, id LIMIT $4";
    // An idle queue costs a read, not a turn of the writer.
    if index.query_opt(due, params![kind.as_str(), now, now, 1_i64]).await?.is_none() {
        return Ok(Vec::new());
    }
    let due = match index.skip_locked() {
        SkipLocked::NotNeeded => due,
        SkipLocked::Supported => {
            "SELECT id FROM job WHERE kind = $1 AND ((state = 'ready' AND run_at <= $2) \
             OR (state = 'running' AND lease_until <= $3)) ORDER BY run_at, id LIMIT $4 FOR UPDATE SKIP LOCKED"
        }
    };
    let owner = owner.to_owned();
    index
        .write(move |tx| {
            Box::pin(async move {
                let mut jobs = Vec::new();
                for row in tx.query(due, params![kind.as_str(), now, now, limit]).await? {
                    let sql = "UPDATE job SET state = 'running', attempts = attempts + 1, lease_owner = $1, \
                               lease_until = $2, updated_at = $3 WHERE id = $4 \
                               RETURNING id, kind, job_key, state, attempts, run_at, lease_owner, generation, \
                               last_error, updated_at";
                    let values = params![&owner, now + lease_ms, now, row.int("id")?];
                    let Some(row) = tx.query_opt(sql, values).await? else { continue };
                    jobs.push(job_from(&row)?);
                }
                Ok(jobs)
            })
        })
        .await
}

/// Renews the lease of a job; false when somebody else has taken it over.
pub async fn heartbeat(index: &Index, job: &Job, now: i64, lease_ms: i64) -> Result<bool, Error> {
    let sql =
        "UPDATE job SET lease_until = $1 WHERE id = $2 AND state = 'running' AND lease_owner = $3 AND attempts = $4";
    change(index, sql, params![now + lease_ms, job.id, &job.lease_owner, job.attempts]).await
}

/// The job is done, unless it was enqueued again meanwhile: then it is ready. False when the lease was lost.
pub async fn finish(index: &Index, job: &Job, now: i64) -> Result<bool, Error> {
    let sql = "UPDATE job SET state = CASE WHEN generation = $1 THEN 'done' ELSE 'ready' END, \
               attempts = CASE WHEN generation = $2 THEN attempts ELSE 0 END, \
               last_error = '', lease_owner = '', lease_until = 0, updated_at = $3 \
               WHERE id = $4 AND state = 'running' AND lease_owner = $5 AND attempts = $6";
    let (generation, owner) = (job.generation, &job.lease_owner);
    change(index, sql, params![generation, generation, now, job.id, owner, job.attempts]).await
}

/// The attempt failed; the job is tried again at `run_at`, or at once when it was enqueued again meanwhile.
pub async fn retry_later(index: &Index, job: &Job, now: i64, error: &str, run_at: i64) -> Result<bool, Error> {
    let sql = "UPDATE job SET state = 'ready', run_at = CASE WHEN generation = $1 THEN $2 ELSE run_at END, \
               attempts = CASE WHEN generation = $3 THEN attempts ELSE 0 END, \
               last_error = $4, lease_owner = '', lease_until = 0, updated_at = $5 \
               WHERE id = $6 AND state = 'running' AND lease_owner = $7 AND attempts = $8";
    let (generation, owner) = (job.generation, &job.lease_owner);
    change(index, sql, params![generation, run_at, generation, error, now, job.id, owner, job.attempts]).await
}

/// Nothing failed, but the job is to be run again at `run_at`, with fresh attempts, or at once when it was enqueued
/// again meanwhile.
pub async fn postpone(index: &Index, job: &Job, now: i64, run_at: i64) -> Result<bool, Error> {
    let sql = "UPDATE job SET state = 'ready', run_at = CASE WHEN generation = $1 THEN $2 ELSE run_at END, \
               attempts = 0, last_error = '', lease_owner = '', lease_until = 0, updated_at = $3 \
               WHERE id = $4 AND state = 'running' AND lease_owner = $5 AND attempts = $6";
    change(index, sql, params![job.generation, run_at, now, job.id, &job.lease_owner, job.attempts]).await
}

/// The job could not even begin: it is ready again at `run_at` as if it had not been claimed, or at once when it was
/// enqueued again meanwhile.
pub async fn put_back(index: &Index, job: &Job, now: i64, run_at: i64) -> Result<bool, Error> {
    let sql = "UPDATE job SET state = 'ready', run_at = CASE WHEN generation = $1 THEN $2 ELSE run_at END, \
               attempts = CASE WHEN generation = $3 THEN attempts - 1 ELSE 0 END, lease_owner = '', lease_until = 0, \
               updated_at = $4 WHERE id = $5 AND state = 'running' AND lease_owner = $6 AND attempts = $7";
    let (generation, owner) = (job.generation, &job.lease_owner);
    change(index, sql, params![generation, run_at, generation, now, job.id, owner, job.attempts]).await
}

/// The job is given up with a reason, unless it was enqueued again meanwhile. Where it stands then; nothing when the
/// lease was lost.
pub async fn bury(tx: &mut Tx, job: &Job, now: i64, error: &str) -> Result<Option<JobState>, Error> {
    let sql = "UPDATE job SET state = CASE WHEN generation = $1 THEN 'dead' ELSE 'ready' END, \
               attempts = CASE WHEN generation = $2 THEN attempts ELSE 0 END, \
               last_error = $3, lease_owner = '', lease_until = 0, updated_at = $4 \
               WHERE id = $5 AND state = 'running' AND lease_owner = $6 AND attempts = $7 RETURNING state";
    let (generation, owner) = (job.generation, &job.lease_owner);
    let values = params![generation, generation, error, now, job.id, owner, job.attempts];
    let Some(row) = tx.query_opt(sql, values).await? else { return Ok(None) };
    JobState::parse(&row.text("state")?).map(Some).ok_or(Error::Damaged("job.state"))
}

/// Gives back all jobs that `owner` holds, for another worker to take at once; the broken attempt does not count.
pub async fn release(index: &Index, owner: &str, now: i64) -> Result<u64, Error> {
    let owner = owner.to_owned();
    index
        .write(move |tx| {
            Box::pin(async move {
                let sql = "UPDATE job SET state = 'ready', attempts = attempts - 1, lease_owner = '', lease_until = 0, \
                           updated_at = $1 WHERE state = 'running' AND lease_owner = $2";
                tx.execute(sql, params![now, &owner]).await
            })
        })
        .await
}

/// Forgets jobs that were done before a moment; gives how many there were.
pub async fn forget_done(tx: &mut Tx, before: i64, limit: u32) -> Result<u64, Error> {
    // What was done had been due before; the index knows when. One that was enqueued again meanwhile is not done.
    let sql = "DELETE FROM job WHERE id IN (SELECT id FROM job WHERE state = 'done' AND run_at < $1 AND updated_at < $2 \
               ORDER BY run_at LIMIT $3) AND state = 'done'";
    tx.execute(sql, params![before, before, i64::from(limit)]).await
}

/// How many jobs of each kind are in each state; states without jobs are left out.
pub async fn counts(index: &Index) -> Result<Vec<JobCount>, Error> {
    let sql = "SELECT kind, state, COUNT(*) AS jobs FROM job GROUP BY kind, state ORDER BY kind, state";
    counted(index, sql).await
}

/// The same without those that are done, which may be many.
pub async fn open_counts(index: &Index) -> Result<Vec<JobCount>, Error> {
    let sql = "SELECT kind, state, COUNT(*) AS jobs FROM job WHERE state IN ('ready', 'running', 'dead') \
               GROUP BY kind, state ORDER BY kind, state";
    counted(index, sql).await
}

async fn counted(index: &Index, sql: &'static str) -> Result<Vec<JobCount>, Error> {
    let mut counts = Vec::new();
    for row in index.query(sql, params![]).await? {
        // What a newer version of the program does is not ours to count.
        let Some(kind) = JobKind::parse(&row.text("kind")?) else { continue };
        let Some(state) = JobState::parse(&row.text("state")?) else { continue };
        counts.push(JobCount { kind, state, count: row.int("jobs")? });
    }
    Ok(counts)
}

/// The jobs in one state or in all, those that changed last first.
pub async fn list(index: &Index, state: Option<JobState>, limit: u32) -> Result<Vec<Job>, Error> {
    find(index, state, None, limit).await
}

/// The jobs in one state or in all, of one kind or of all, those that changed last first.
pub async fn find(
    index: &Index,
    state: Option<JobState>,
    kind: Option<JobKind>,
    limit: u32,
) -> Result<Vec<Job>, Error> {
    let mut select = known_jobs();
    if let Some(state) = state {
        select.push(" AND state = ?", params![state.as_str()]);
    }
    if let Some(kind) = kind {
        select.push(" AND kind = ?", params![kind.as_str()]);
    }
    select.push(" ORDER BY updated_at DESC, id DESC LIMIT ?", params![limit]);
    index.query(select.sql(), select.values()).await?.iter().map(job_from).collect()
}

/// The job about one thing, if it was ever enqueued.
pub async fn get(index: &Index, kind: JobKind, key: &str) -> Result<Option<Job>, Error> {
    let mut select = known_jobs();
    select.push(" AND kind = ? AND job_key = ?", params![kind.as_str(), key]);
    index.query_opt(select.sql(), select.values()).await?.as_ref().map(job_from).transpose()
}

/// The job with this id.
pub async fn by_id(index: &Index, id: i64) -> Result<Option<Job>, Error> {
    let mut select = known_jobs();
    select.push(" AND id = ?", params![id]);
    index.query_opt(select.sql(), select.values()).await?.as_ref().map(job_from).transpose()
}

/// Makes a job ready again with fresh attempts, whatever became of it; false when it runs or does not exist.
pub async fn rerun(tx: &mut Tx, id: i64, now: i64) -> Result<bool, Error> {
    let sql = "UPDATE job SET state = 'ready', attempts = 0, run_at = $1, generation = generation + 1, \
               updated_at = $2 WHERE id = $3 AND state <> 'running'";
    Ok(tx.execute(sql, params![now, now, id]).await? == 1)
}

async fn change(index: &Index, sql: &'static str, values: Vec<Value>) -> Result<bool, Error> {
    index.write(move |tx| Box::pin(async move { Ok(tx.execute(sql, values).await? == 1) })).await
}

fn job_from(row: &Row) -> Result<Job, Error> {
    Ok(Job {
        id: row.int("id")?,
        kind: JobKind::parse(&row.text("kind")?).ok_or(Error::Damaged("job.kind"))?,
        key: row.text("job_key")?,
        state: JobState::parse(&row.text("state")?).ok_or(Error::Damaged("job.state"))?,
        attempts: row.int("attempts")?,
        run_at: row.int("run_at")?,
        lease_owner: row.text("lease_owner")?,
        generation: row.int("generation")?,
        last_error: row.text("last_error")?,
        updated_at: row.int("updated_at")?,
    })
}
