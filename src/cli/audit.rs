//! `yingku audit`: who did what to which data (RD-21, RD-28).

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::csv;
use super::inbox::moment;
use super::{ConfigFile, operator, with_archive};
use crate::archive::Archive;
use crate::archive::upkeep::read_audit::{AuditSearch, KeptAudit};
use crate::domain::date_time::local_text;

#[derive(Debug, Args)]
pub(super) struct Audit {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List entries, the newest first. Reading them is recorded too. They are kept for audit.keep_days; none is removed
    /// while they are read.
    List(Box<List>),
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    file: ConfigFile,
    /// At this time or later, e.g. 2026-03-01 or "2026-03-01 08:00".
    #[arg(long, value_parser = moment)]
    since: Option<i64>,
    /// Before this time.
    #[arg(long, value_parser = moment)]
    until: Option<i64>,
    /// Only this use case, e.g. view_exam, find_reports, store_instance, open_qr_link.
    #[arg(long)]
    action: Option<String>,
    /// Only by this actor, or by a customer in the name of this user.
    #[arg(long)]
    actor: Option<String>,
    /// Only about data of this organisation.
    #[arg(long)]
    org: Option<String>,
    /// Only about this row, e.g. exam:17, study:42, message:3.
    #[arg(long)]
    target: Option<String>,
    /// Only what ended so, e.g. denied.
    #[arg(long)]
    outcome: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 100)]
    limit: u64,
    /// As CSV with all columns.
    #[arg(long)]
    csv: bool,
}

impl Audit {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let Command::List(list) = self.command;
        with_archive(&list.file.load()?, async |archive| list.run(archive).await).await?;
        Ok(ExitCode::SUCCESS)
    }
}

impl List {
    async fn run(&self, archive: &Archive) -> anyhow::Result<()> {
        let search = AuditSearch {
            since: self.since,
            until: self.until,
            action: self.action.clone(),
            actor: self.actor.clone(),
            org_code: self.org.clone(),
            target: self.target.clone(),
            outcome: self.outcome.clone(),
        };
        if self.csv {
            let columns = "id,time,action,actor_kind,actor,user_id,address,organization,target,outcome,detail\r\n";
            print!("{columns}");
        }
        let print = |entry: &KeptAudit| match self.csv {
            true => print!("{}", comma_separated(entry)),
            false => println!("{}", line(entry)),
        };
        archive.read_audit(operator("audit list"), &search, self.limit, print).await?;
        Ok(())
    }
}

fn comma_separated(entry: &KeptAudit) -> String {
    let (id, time) = (entry.id.to_string(), local_text(entry.at));
    csv::row(&[
        &id,
        &time,
        &entry.action,
        &entry.actor_kind,
        &entry.actor,
        &entry.user_id,
        &entry.remote_addr,
        &entry.org_code,
        &entry.target,
        &entry.outcome,
        &entry.detail,
    ])
}

/// What others chose is quoted, so that no terminal takes it for a command.
fn line(entry: &KeptAudit) -> String {
    let KeptAudit { action, actor_kind, actor, user_id, remote_addr, org_code, target, outcome, .. } = entry;
    let user = if user_id.is_empty() { String::new() } else { format!(" user={user_id:?}") };
    let time = local_text(entry.at);
    format!("{time:?} {action} {actor_kind}:{actor:?}{user} from={remote_addr:?} {org_code:?} {target:?} {outcome}")
}
