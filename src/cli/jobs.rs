//! `yingku jobs`: the durable queue as an operator sees it (RD-4).

use std::process::ExitCode;

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};

use super::{ConfigFile, operator, with_archive};
use crate::archive::Archive;
use crate::archive::upkeep::queue::{Job, JobKind, JobState};
use crate::domain::date_time::local_text;

#[derive(Debug, Args)]
pub(super) struct Jobs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List jobs, those that changed last first.
    List {
        #[command(flatten)]
        file: ConfigFile,
        /// Only those in this state: ready, running, done or dead.
        #[arg(long, value_parser = state)]
        state: Option<JobState>,
        /// Only those of this kind, e.g. fetch_report_file.
        #[arg(long, value_parser = kind)]
        kind: Option<JobKind>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Show one job with the reason of its last failure.
    Show {
        #[command(flatten)]
        file: ConfigFile,
        /// Its number in the list.
        id: i64,
    },
    /// Run jobs again with fresh attempts: those with these numbers, or all that were given up.
    Rerun {
        #[command(flatten)]
        file: ConfigFile,
        /// Their numbers in the list.
        #[arg(required_unless_present = "dead")]
        ids: Vec<i64>,
        /// All that were given up, of one kind if --kind says so.
        #[arg(long, conflicts_with = "ids")]
        dead: bool,
        /// Only those of this kind.
        #[arg(long, value_parser = kind, requires = "dead")]
        kind: Option<JobKind>,
    },
    /// Count the jobs of each kind in each state.
    Counts(ConfigFile),
}

/// Most jobs that one `rerun --dead` takes up.
const MOST_AT_ONCE: u32 = 100_000;

impl Jobs {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let file = match &self.command {
            Command::List { file, .. } | Command::Show { file, .. } | Command::Rerun { file, .. } => file,
            Command::Counts(file) => file,
        };
        with_archive(&file.load()?, async |archive| self.command.run(archive).await).await
    }
}

impl Command {
    async fn run(self, archive: &Archive) -> anyhow::Result<ExitCode> {
        match self {
            Command::List { state, kind, limit, .. } => {
                for job in archive.find_jobs(state, kind, limit).await? {
                    println!("{}", line(&job));
                }
            }
            Command::Show { id, .. } => {
                let job = archive.get_job(id).await?.ok_or_else(|| anyhow!("there is no job {id}"))?;
                print!("{}", whole(&job));
            }
            Command::Rerun { ids, dead, kind, .. } => return rerun(archive, ids, dead, kind).await,
            Command::Counts(_) => {
                for count in archive.count_jobs().await? {
                    println!("{:<24} {:<8} {}", count.kind.as_str(), count.state.as_str(), count.count);
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn rerun(archive: &Archive, ids: Vec<i64>, dead: bool, kind: Option<JobKind>) -> anyhow::Result<ExitCode> {
    let ids = match dead {
        true => {
            let jobs = archive.find_jobs(Some(JobState::Dead), kind, MOST_AT_ONCE).await?;
            jobs.into_iter().map(|job| job.id).collect()
        }
        false => ids,
    };
    let mut left = Vec::new();
    for id in &ids {
        if !archive.rerun_job(operator("jobs rerun"), *id).await? {
            left.push(id.to_string());
        }
    }
    println!("{} job(s) will run again", ids.len() - left.len());
    if !left.is_empty() {
        bail!("running now, or unknown: {}", left.join(", "));
    }
    Ok(ExitCode::SUCCESS)
}

fn line(job: &Job) -> String {
    let Job { id, key, attempts, last_error, .. } = job;
    let (kind, state, changed) = (job.kind.as_str(), job.state.as_str(), local_text(job.updated_at));
    let error = last_error.lines().next().unwrap_or_default();
    format!("{id} {state:<8} {kind} {key} attempts={attempts} changed={changed:?} {error}").trim_end().to_owned()
}

fn whole(job: &Job) -> String {
    let mut text = String::new();
    for (name, value) in [
        ("id", job.id.to_string()),
        ("kind", job.kind.as_str().to_owned()),
        ("about", job.key.clone()),
        ("state", job.state.as_str().to_owned()),
        ("attempts", job.attempts.to_string()),
        ("enqueued", format!("{} time(s)", job.generation)),
        ("runs at", local_text(job.run_at)),
        ("changed at", local_text(job.updated_at)),
        ("worker", job.lease_owner.clone()),
        ("last failure", job.last_error.clone()),
    ] {
        text.push_str(format!("{name:<14}{value}").trim_end());
        text.push('\n');
    }
    text
}

fn state(text: &str) -> Result<JobState, String> {
    JobState::parse(text).ok_or_else(|| one_of(JobState::ALL.map(JobState::as_str).as_slice()))
}

fn kind(text: &str) -> Result<JobKind, String> {
    JobKind::parse(text).ok_or_else(|| one_of(JobKind::ALL.map(JobKind::as_str).as_slice()))
}

fn one_of(words: &[&str]) -> String {
    format!("one of {}", words.join(", "))
}
