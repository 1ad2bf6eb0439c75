//! `yingku attachments`: papers, pictures and other files that found no exam report, and the exam report that a person gives
//! them or takes from them (D-I14, RD-7).

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::{ConfigFile, operator, with_archive};
use crate::archive::Archive;
use crate::domain::date_time::local_text;

#[derive(Debug, Args)]
pub(super) struct Attachments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List attachments that no exam report is linked to, the newest first. Shows patients' numbers.
    List {
        #[command(flatten)]
        file: ConfigFile,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Link an attachment to an exam report of the same organisation.
    Link {
        #[command(flatten)]
        file: ConfigFile,
        /// The exam report: its number here, or its id in the address of its page.
        #[arg(long)]
        exam: String,
        /// The attachment's number in the list.
        #[arg(long)]
        attachment: i64,
    },
    /// Take an attachment from an exam report; no rule links them again.
    Unlink {
        #[command(flatten)]
        file: ConfigFile,
        /// The exam report: its number here, or its id in the address of its page.
        #[arg(long)]
        exam: String,
        /// The attachment's number: the last part of its address on the page, or as it was linked.
        #[arg(long)]
        attachment: i64,
    },
}

impl Attachments {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let (Command::List { file, .. } | Command::Link { file, .. } | Command::Unlink { file, .. }) = &self.command;
        with_archive(&file.load()?, async |archive| self.command.run(archive).await).await?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Command {
    async fn run(self, archive: &Archive) -> anyhow::Result<()> {
        match self {
            Command::List { limit, .. } => {
                for one in archive.unlinked_attachments(limit).await? {
                    println!(
                        "{} {} {} accession={:?} patient={:?} study={:?} file={:?} received={:?}",
                        one.pk,
                        one.org_code,
                        one.kind,
                        one.accession_number,
                        one.patient_id,
                        one.study_instance_uid,
                        one.source_name,
                        local_text(one.received_at)
                    );
                }
            }
            Command::Link { exam, attachment, .. } => {
                let both = || format!("exam report {exam} and attachment {attachment}");
                let exam_report_pk = archive.find_exam(&exam).await.with_context(both)?;
                let actor = operator("attachments link");
                archive.link_attachment_by_hand(actor, exam_report_pk, attachment).await.with_context(both)?;
                println!("linked: exam:{exam_report_pk} attachment:{attachment}");
            }
            Command::Unlink { exam, attachment, .. } => {
                let both = || format!("exam report {exam} and attachment {attachment}");
                let exam_report_pk = archive.find_exam(&exam).await.with_context(both)?;
                let actor = operator("attachments unlink");
                archive.unlink_attachment_by_hand(actor, exam_report_pk, attachment).await.with_context(both)?;
                println!("unlinked: exam:{exam_report_pk} attachment:{attachment}");
            }
        }
        Ok(())
    }
}
