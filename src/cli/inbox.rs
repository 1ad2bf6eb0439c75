//! `yingku inbox`: the messages that were kept, and taking them up again (D-X2, RD-11).

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};

use super::{ConfigFile, operator, with_archive};
use crate::archive::Archive;
use crate::archive::reports::inbox::InboxOrder;
use crate::archive::reports::keep_message::{InboxSearch, KeptMessage, MessageState};
use crate::config::Config;
use crate::domain::date_time::{self, local_text};
use crate::integrations::report_registry::{Replay, Replayed};

#[derive(Debug, Args)]
pub(super) struct Inbox {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List messages, the newest first.
    List {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        which: Which,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Show one message: who, when, headers, what became of it.
    Show {
        #[command(flatten)]
        file: ConfigFile,
        /// Its number in the list.
        id: i64,
        /// Print the body itself, as it came, and nothing else; this is recorded.
        #[arg(long)]
        body: bool,
    },
    /// Take messages up again, the oldest first: those with these numbers, or those that failed.
    Replay {
        #[command(flatten)]
        file: ConfigFile,
        /// Their numbers in the list.
        #[arg(required_unless_present = "failed")]
        ids: Vec<i64>,
        #[command(flatten)]
        which: Which,
        /// Whose they are, for messages that were refused because nobody knew.
        #[arg(long, value_name = "SENDER")]
        as_sender: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 100_000)]
        limit: usize,
    },
}

#[derive(Debug, Args)]
struct Which {
    /// Only those of this sender.
    #[arg(long)]
    sender: Option<String>,
    /// Only those with records of this organisation.
    #[arg(long)]
    org: Option<String>,
    /// Only those that failed, wholly or in part, or were never dealt with.
    #[arg(long)]
    failed: bool,
    /// Only those that were refused; with --failed those too.
    #[arg(long)]
    refused: bool,
    /// Only those that came at this time or later, e.g. 2026-03-01 or "2026-03-01 08:00".
    #[arg(long, value_parser = moment)]
    since: Option<i64>,
    /// Only those that came before this time.
    #[arg(long, value_parser = moment)]
    until: Option<i64>,
}

impl Which {
    fn search(&self) -> InboxSearch {
        let mut states = if self.failed { Replay::FAILED.to_vec() } else { Vec::new() };
        if self.refused {
            states.push(MessageState::Refused);
        }
        let (sender, org_code) = (self.sender.clone(), self.org.clone());
        InboxSearch { channel: None, sender, org_code, states, since: self.since, until: self.until }
    }
}

pub(super) fn moment(text: &str) -> Result<i64, String> {
    match date_time::parse(text) {
        Ok(Some(moment)) => Ok(moment.epoch_ms()),
        Ok(None) | Err(_) => Err("is no date".to_owned()),
    }
}

impl Inbox {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let file = match &self.command {
            Command::List { file, .. } | Command::Show { file, .. } | Command::Replay { file, .. } => file,
        };
        let config = file.load()?;
        with_archive(&config, async |archive| self.command.run(archive, &config).await).await
    }
}

impl Command {
    async fn run(self, archive: &Archive, config: &Config) -> anyhow::Result<ExitCode> {
        match self {
            Command::List { which, limit, .. } => {
                for message in archive.find_messages(&which.search(), InboxOrder::NewestFirst, limit).await? {
                    println!("{}", line(&message));
                }
                Ok(ExitCode::SUCCESS)
            }
            Command::Show { id, body, .. } => show(archive, id, body).await,
            Command::Replay { ids, which, as_sender, limit, .. } => {
                let messages = match ids.is_empty() {
                    true => archive.find_messages(&which.search(), InboxOrder::OldestFirst, limit).await?,
                    false => named(archive, ids).await?,
                };
                replay(archive, config, &messages, as_sender.as_deref()).await
            }
        }
    }
}

async fn named(archive: &Archive, mut ids: Vec<i64>) -> anyhow::Result<Vec<KeptMessage>> {
    // Ids grow with time.
    ids.sort_unstable();
    ids.dedup();
    let mut messages = Vec::new();
    for id in ids {
        messages.push(archive.get_message(id).await?.ok_or_else(|| anyhow!("there is no message {id}"))?);
    }
    Ok(messages)
}

async fn show(archive: &Archive, id: i64, body: bool) -> anyhow::Result<ExitCode> {
    let message = archive.get_message(id).await?.ok_or_else(|| anyhow!("there is no message {id}"))?;
    if body {
        let bytes = archive.read_message(operator("inbox show"), id, "show").await?;
        std::io::stdout().write_all(&bytes).context("standard output")?;
    } else {
        print!("{}", whole(&message));
    }
    Ok(ExitCode::SUCCESS)
}

async fn replay(
    archive: &Archive,
    config: &Config,
    messages: &[KeptMessage],
    as_sender: Option<&str>,
) -> anyhow::Result<ExitCode> {
    let replay = Replay::new(archive.clone(), &config.registry_settings())?;
    let actor = operator("inbox replay");
    let (mut good, mut bad, mut left) = (0, 0, 0);
    for message in messages {
        let id = message.id;
        match replay.run(&actor, message, as_sender).await? {
            Replayed::Registered(outcome) if outcome.failed() == 0 => good += 1,
            Replayed::Registered(outcome) => {
                bad += 1;
                let codes: Vec<&str> =
                    outcome.records.iter().filter_map(|r| r.code).map(|code| code.as_str()).collect();
                println!("{id}: {} of {} not accepted: {}", outcome.failed(), outcome.records.len(), codes.join(" "));
            }
            Replayed::Unreadable(code) => {
                bad += 1;
                println!("{id}: {}", code.as_str());
            }
            Replayed::Left(why) => {
                left += 1;
                println!("{id}: left, {why}");
            }
        }
    }
    println!("{good} message(s) accepted, {bad} not, {left} left as they are");
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn line(message: &KeptMessage) -> String {
    let KeptMessage { id, channel, sender, remote_addr, org_codes, body_length, result, .. } = message;
    let (state, at) = (message.state.as_str(), local_text(message.received_at));
    let result: String = result.as_deref().unwrap_or_default().chars().take(120).collect();
    format!("{id} {at} {state:<7} {channel} sender={sender:?} from={remote_addr} org={org_codes:?} bytes={body_length} {result}")
        .trim_end()
        .to_owned()
}

fn whole(message: &KeptMessage) -> String {
    let mut text = String::new();
    let cut = if message.is_cut { ", only the beginning of what came" } else { "" };
    for (name, value) in [
        ("id", message.id.to_string()),
        ("channel", message.channel.clone()),
        ("sender", message.sender.clone()),
        ("from", message.remote_addr.clone()),
        ("received at", local_text(message.received_at)),
        ("own time", message.sent_at.clone()),
        ("business date", message.business_date.clone()),
        ("organizations", message.org_codes.clone()),
        ("content type", message.content_type.clone()),
        ("body", format!("{} byte(s){cut}", message.body_length)),
        ("sha-256", message.content_hash.clone()),
        ("state", message.state.as_str().to_owned()),
        ("finished at", message.finished_at.map(local_text).unwrap_or_default()),
        ("replayed", format!("{} time(s)", message.replays)),
        ("result", message.result.clone().unwrap_or_default()),
        ("headers", message.headers.clone()),
    ] {
        text.push_str(format!("{name:<15}{value}").trim_end());
        text.push('\n');
    }
    text
}
