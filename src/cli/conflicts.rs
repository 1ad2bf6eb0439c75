//! `yingku conflicts`: what a person has to decide (RD-7). The commands that show patient data say so, and are recorded.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::{ConfigFile, operator, with_archive};
use crate::archive::links::conflicts::{Conflict, ConflictKind, ConflictState, Facts};
use crate::archive::{Archive, Error};
use crate::domain::date_time::local_text;

#[derive(Debug, Args)]
pub(super) struct Conflicts {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List conflicts, the newest first.
    List {
        #[command(flatten)]
        file: ConfigFile,
        /// Only those of this kind: demographics, duplicate_uid, report_identity,
        /// uid_in_two_organizations, patient, person.
        #[arg(long, value_parser = kind)]
        kind: Option<ConflictKind>,
        /// Closed ones too.
        #[arg(long)]
        all: bool,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// List studies that no exam report is linked to, the newest first.
    Unlinked {
        #[command(flatten)]
        file: ConfigFile,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Show a conflict with both sides, or one row (exam:17, lab:17, study:17, instance:17, patient:17, person:17). Shows patient data.
    Show {
        #[command(flatten)]
        file: ConfigFile,
        /// The conflict's number in the list, or a row.
        what: String,
    },
    /// Link a study to an exam report of the same organisation; the conflict between them is closed.
    Link(Pair),
    /// Take a study and an exam report apart; no rule links them again.
    Unlink(Pair),
    /// Close a conflict: what is there stays so, or another content becomes the current one.
    Accept {
        #[command(flatten)]
        file: ConfigFile,
        /// The conflict's number in the list.
        id: i64,
        /// Of a duplicate UID: the content that is to be the current one, as `show` numbers it.
        #[arg(long)]
        content: Option<i64>,
    },
}

#[derive(Debug, Args)]
struct Pair {
    #[command(flatten)]
    file: ConfigFile,
    /// The exam report: its number here, or its id in the address of its page.
    #[arg(long)]
    exam: String,
    /// The study: its number here, or its Study Instance UID.
    #[arg(long)]
    study: String,
}

impl Conflicts {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let file = match &self.command {
            Command::List { file, .. } | Command::Unlinked { file, .. } | Command::Show { file, .. } => file,
            Command::Accept { file, .. } => file,
            Command::Link(pair) | Command::Unlink(pair) => &pair.file,
        };
        with_archive(&file.load()?, async |archive| self.command.run(archive).await).await?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Command {
    async fn run(self, archive: &Archive) -> anyhow::Result<()> {
        match self {
            Command::List { kind, all, limit, .. } => {
                let state = (!all).then_some(ConflictState::Open);
                for conflict in archive.find_conflicts(kind, state, limit).await? {
                    println!("{}", line(&conflict));
                }
            }
            Command::Unlinked { limit, .. } => {
                for study in archive.unlinked_studies(limit).await? {
                    println!(
                        "study:{} {} accession={:?} date={} uid={} received={:?}",
                        study.study_pk,
                        study.org_code,
                        study.accession_number,
                        study.study_date,
                        study.study_instance_uid,
                        local_text(study.created_at)
                    );
                }
            }
            Command::Show { what, .. } => show(archive, &what).await?,
            Command::Link(Pair { exam, study, .. }) => {
                let pair = archive.find_pair(&exam, &study).await.with_context(|| both(&exam, &study))?;
                let linked = archive.link_by_hand(operator("conflicts link"), pair).await;
                linked.with_context(|| both(&exam, &study))?;
                println!("linked: exam:{} study:{}", pair.exam_report_pk, pair.study_pk);
            }
            Command::Unlink(Pair { exam, study, .. }) => {
                let pair = archive.find_pair(&exam, &study).await.with_context(|| both(&exam, &study))?;
                match archive.unlink_by_hand(operator("conflicts unlink"), pair).await {
                    Err(Error::NotFound) => anyhow::bail!("{} are not linked", both(&exam, &study)),
                    other => other?,
                }
                println!("apart: exam:{} study:{}", pair.exam_report_pk, pair.study_pk);
            }
            Command::Accept { id, content, .. } => {
                let accepted = archive.accept_conflict(operator("conflicts accept"), id, content).await;
                accepted.with_context(|| format!("conflict {id}"))?;
                println!("closed: {id}");
            }
        }
        Ok(())
    }
}

async fn show(archive: &Archive, what: &str) -> anyhow::Result<()> {
    let actor = operator("conflicts show");
    let Ok(id) = what.parse() else {
        print!("{}", table(&archive.view_subject(actor, what).await.with_context(|| what.to_owned())?));
        return Ok(());
    };
    let (conflict, sides) = archive.view_conflict(actor, id).await.with_context(|| format!("conflict {id}"))?;
    println!("{}", line(&conflict));
    for (word, facts) in sides {
        println!("\n{word}");
        match facts {
            Some(facts) => print!("{}", table(&facts)),
            None => println!("  is gone"),
        }
    }
    Ok(())
}

fn line(conflict: &Conflict) -> String {
    let Conflict { id, org_code, subject, detail, .. } = conflict;
    let (kind, state) = (conflict.kind.as_str(), conflict.state.as_str());
    format!("{id} {state:<6} {kind} {org_code} {subject} {detail} since={:?}", local_text(conflict.created_at))
}

fn table(facts: &Facts) -> String {
    facts.iter().map(|(name, value)| format!("  {name:<20} {}\n", value.escape_debug())).collect()
}

fn both(exam: &str, study: &str) -> String {
    format!("exam report {exam} and study {study}")
}

fn kind(text: &str) -> Result<ConflictKind, String> {
    let words = ConflictKind::ALL.map(ConflictKind::as_str).join(", ");
    ConflictKind::parse(text).ok_or_else(|| format!("one of {words}"))
}
