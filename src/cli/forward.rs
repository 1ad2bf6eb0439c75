//! `yingku forward`: what is on its way to upstream archives.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use super::{ConfigFile, with_archive};
use crate::archive::Archive;
use crate::config::Config;

/// Parked instances that are listed for each upstream.
const MOST_PARKED: u32 = 50;

#[derive(Debug, Args)]
pub(super) struct Forward {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// How many instances wait, are sent, confirmed, parked or purged; what is parked, and why.
    Status(ConfigFile),
    /// Let parked instances, and those that wait for their next attempt, go at once.
    Retry(One),
    /// Queue everything that is here already, e.g. for an upstream that is new.
    Add(One),
    /// Forget what was meant for an upstream that has been taken out of the configuration.
    Drop(Former),
}

#[derive(Debug, Args)]
struct Former {
    #[command(flatten)]
    file: ConfigFile,
    /// Name that the [[upstream]] had.
    #[arg(long)]
    upstream: String,
}

#[derive(Debug, Args)]
struct One {
    #[command(flatten)]
    file: ConfigFile,
    /// Name of the [[upstream]]; may be left out when only one is configured.
    #[arg(long)]
    upstream: Option<String>,
}

impl Forward {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self.action {
            Action::Status(file) => {
                let config = file.load()?;
                with_archive(&config, async |archive| show(&config, archive).await).await?;
            }
            Action::Retry(one) => {
                let (config, name) = one.chosen()?;
                let count = with_archive(&config, async |archive| Ok(archive.retry_forwards(&name).await?)).await?;
                println!("{name}: {count} instance(s) go at once");
            }
            Action::Add(one) => {
                let (config, name) = one.chosen()?;
                let upstream = config.upstream.iter().find(|u| u.name == name).context("no such [[upstream]]")?;
                let rule = upstream.rule();
                let count = with_archive(&config, async |archive| Ok(archive.forward_existing(&rule).await?)).await?;
                println!("{name}: {count} instance(s) are in the queue or have been");
            }
            Action::Drop(Former { file, upstream }) => {
                let config = file.load()?;
                if config.upstream.iter().any(|known| known.name == upstream) {
                    bail!("`{upstream}` is configured; take the [[upstream]] out first, and stop the server");
                }
                let count =
                    with_archive(&config, async |archive| Ok(archive.forget_forwards(&upstream).await?)).await?;
                println!("{upstream}: {count} instance(s) forgotten");
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl One {
    fn chosen(&self) -> anyhow::Result<(Config, String)> {
        let config = self.file.load()?;
        let name = match (&self.upstream, config.upstream.as_slice()) {
            (Some(name), known) if known.iter().any(|u| u.name == *name) => name.clone(),
            (Some(name), _) => bail!("`{name}` is no [[upstream]]"),
            (None, [only]) => only.name.clone(),
            (None, _) => bail!("say which: --upstream NAME"),
        };
        Ok((config, name))
    }
}

async fn show(config: &Config, archive: &Archive) -> anyhow::Result<()> {
    if config.upstream.is_empty() {
        println!("no [[upstream]] is configured");
    }
    for upstream in &config.upstream {
        let counts = archive.count_forwards(&upstream.name).await?;
        let words: Vec<String> = counts.iter().map(|(state, count)| format!("{count} {}", state.as_str())).collect();
        println!("{}: {}", upstream.name, words.join(", "));
        for parked in archive.parked_forwards(&upstream.name, MOST_PARKED).await? {
            println!("  {}: {}", parked.sop_instance_uid, parked.reason);
        }
    }
    Ok(())
}
