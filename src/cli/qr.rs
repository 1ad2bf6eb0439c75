//! `yingku qr`: the links behind printed codes (D-I10).

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::{ConfigFile, operator};
use crate::archive::Archive;
use crate::archive::reports::qr_link::{ListedLink, WhichLinks};
use crate::domain::date_time::local_text;

#[derive(Debug, Args)]
pub(super) struct Qr {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the links that open, the newest first.
    List {
        #[command(flatten)]
        file: ConfigFile,
        /// Ended and revoked ones too.
        #[arg(long)]
        all: bool,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// End a link for good; the code on paper opens nothing any more.
    Revoke {
        #[command(flatten)]
        file: ConfigFile,
        /// The link's id, or the whole address behind the code.
        id: String,
    },
}

impl Qr {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let (Command::List { file, .. } | Command::Revoke { file, .. }) = &self.command;
        let archive = crate::server::open_archive(&file.load()?).await?;
        let done = self.command.run(&archive).await;
        archive.release().await?;
        done.map(|()| ExitCode::SUCCESS)
    }
}

impl Command {
    async fn run(self, archive: &Archive) -> anyhow::Result<()> {
        match self {
            Command::List { all, limit, .. } => {
                let which = if all { WhichLinks::All } else { WhichLinks::Open };
                for listed in archive.find_qr_links(which, limit).await? {
                    println!("{}", line(&listed));
                }
            }
            Command::Revoke { id, .. } => {
                archive.revoke_printed_link(operator("qr revoke"), &id).await.with_context(|| format!("link {id}"))?;
                println!("revoked: {id}");
            }
        }
        Ok(())
    }
}

fn line(listed: &ListedLink) -> String {
    let ListedLink { link, org_code, report_form_no, .. } = listed;
    let time = |at: Option<i64>| at.map_or_else(|| "never".to_owned(), |at| format!("{:?}", local_text(at)));
    let (made, ends) = (local_text(listed.created_at), time(link.expires_at));
    let revoked = link.revoked_at.map(|at| format!(" revoked={}", time(Some(at)))).unwrap_or_default();
    format!("{} exam:{} {org_code} {report_form_no} made={made:?} ends={ends}{revoked}", link.id, link.exam_report_pk)
}
