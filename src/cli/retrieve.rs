//! `yingku retrieve`: how far the images of registered exams have been fetched from the PACS.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use time::OffsetDateTime;
use time::macros::{format_description, offset};

use super::{ConfigFile, with_archive};
use crate::archive::Archive;
use crate::archive::peers::retrieve_exam::{ExamRetrieve, RetrieveState};
use crate::domain::{Actor, ActorKind};

#[derive(Debug, Args)]
pub(super) struct Retrieve {
    #[command(flatten)]
    file: ConfigFile,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// One line for each exam: what is missing first.
    List {
        /// Only exams in this state: waiting, complete or given_up.
        #[arg(long)]
        state: Option<String>,
        /// At most so many lines.
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Everything that is known of the exams with this id or accession number.
    Show {
        /// Exam id or accession number.
        exam: String,
    },
    /// Look again now, also for exams that were complete or given up.
    Run {
        /// Exam id or accession number.
        exam: String,
    },
}

impl Retrieve {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        with_archive(&self.file.load()?, async |archive| act(archive, &self.action).await).await?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn act(archive: &Archive, action: &Action) -> anyhow::Result<()> {
    match action {
        Action::List { state, limit } => {
            let state = match state {
                Some(word) => Some(RetrieveState::parse(word).context("a state is waiting, complete or given_up")?),
                None => None,
            };
            for row in archive.list_retrieves(state, *limit).await? {
                println!("{}", line(&row));
            }
        }
        Action::Show { exam } => {
            let rows = archive.find_retrieves(exam).await?;
            if rows.is_empty() {
                bail!("nothing has been requested for exam `{exam}`");
            }
            rows.iter().for_each(show);
        }
        Action::Run { exam } => {
            let operator = Actor {
                kind: ActorKind::Operator,
                name: "retrieve".to_owned(),
                user_id: String::new(),
                remote_addr: String::new(),
            };
            let exams = archive.request_retrieve(exam, operator).await.with_context(|| format!("exam `{exam}`"))?;
            for id in exams {
                println!("exam {id}: requested; a running server looks for it at once");
            }
        }
    }
    Ok(())
}

fn line(row: &ExamRetrieve) -> String {
    let error = if row.last_error.is_empty() { String::new() } else { format!("  {}", row.last_error) };
    format!(
        "{}  {}  {}  {} of {} instance(s) in {} stud(y/ies)  next {}{error}",
        row.exam_report_pk,
        row.org_code,
        row.state.as_str(),
        row.held_instances,
        expected(row),
        row.studies,
        moment(row.next_at),
    )
}

fn show(row: &ExamRetrieve) {
    println!("exam {} of {}: {}", row.exam_report_pk, row.org_code, row.state.as_str());
    println!(
        "  requested {}, {} check(s) since, last {}",
        moment(Some(row.requested_at)),
        row.checks,
        moment(row.checked_at)
    );
    println!("  next      {}", moment(row.next_at));
    println!("  studies   {}", row.studies);
    println!(
        "  instances {} held of {} expected, {} fetched, last change {}",
        row.held_instances,
        expected(row),
        row.fetched_instances,
        moment(Some(row.changed_at))
    );
    if !row.last_error.is_empty() {
        println!("  error     {}", row.last_error);
    }
    println!("  nodes     {}", row.detail);
}

fn expected(row: &ExamRetrieve) -> String {
    row.expected_instances.map_or_else(|| "?".to_owned(), |count| count.to_string())
}

/// In the archive's zone, UTC+8.
fn moment(ms: Option<i64>) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    let at = ms.and_then(|ms| OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).ok());
    at.and_then(|at| at.to_offset(offset!(+8)).format(&format).ok()).unwrap_or_else(|| "-".to_owned())
}
