//! `yingku forward`: what is on its way to upstream archives.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use super::{ConfigFile, with_archive};
use crate::archive::Archive;
use crate::archive::peers::forward_reports::ParkedReport;
use crate::config::Config;
use crate::integrations::front::UpstreamConfig;

/// Parked instances, and parked reports, that are listed for each upstream.
const MOST_PARKED: u32 = 50;

#[derive(Debug, Args)]
pub(super) struct Forward {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// How many instances wait, are sent, confirmed, parked or purged, and how many reports wait or are parked; what is
    /// parked, and why.
    Status(ConfigFile),
    /// Let parked instances and reports, and those that wait for their next attempt, go at once.
    Retry(One),
    /// Queue all images and reports that are here already, e.g. for an upstream that is new.
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
                let (config, upstream) = one.chosen()?;
                let name = upstream.name.as_str();
                let retried = with_archive(&config, async |archive| {
                    Ok((archive.retry_forwards(name).await?, archive.retry_report_forwards(name).await?))
                });
                let (instances, reports) = retried.await?;
                println!("{name}: {instances} instance(s) go at once");
                if upstream.reports.is_set() {
                    println!("{name}: {reports} report(s) go at once");
                }
            }
            Action::Add(one) => {
                let (config, upstream) = one.chosen()?;
                let (name, rule) = (upstream.name.as_str(), upstream.rule());
                let added = with_archive(&config, async |archive| {
                    let reports = match upstream.reports.is_set() {
                        true => Some(archive.forward_existing_reports(&rule).await?),
                        false => None,
                    };
                    Ok((archive.forward_existing(&rule).await?, reports))
                });
                let (instances, reports) = added.await?;
                println!("{name}: {instances} instance(s) are in the queue or have been");
                if let Some(reports) = reports {
                    println!("{name}: {reports} report(s) are in the queue");
                }
            }
            Action::Drop(Former { file, upstream }) => {
                let config = file.load()?;
                if config.upstream.iter().any(|known| known.name == upstream) {
                    bail!("`{upstream}` is configured; take the [[upstream]] out first, and stop the server");
                }
                let forgotten = with_archive(&config, async |archive| {
                    Ok((archive.forget_forwards(&upstream).await?, archive.forget_report_forwards(&upstream).await?))
                });
                let (instances, reports) = forgotten.await?;
                println!("{upstream}: {instances} instance(s) and {reports} report(s) forgotten");
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl One {
    fn chosen(&self) -> anyhow::Result<(Config, UpstreamConfig)> {
        let config = self.file.load()?;
        let upstream = match (&self.upstream, config.upstream.as_slice()) {
            (Some(name), known) => known
                .iter()
                .find(|upstream| upstream.name == *name)
                .with_context(|| format!("`{name}` is no [[upstream]]"))?,
            (None, [only]) => only,
            (None, _) => bail!("say which: --upstream NAME"),
        };
        let upstream = upstream.clone();
        Ok((config, upstream))
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
        if upstream.reports.is_set() {
            show_reports(upstream, archive).await?;
        }
    }
    Ok(())
}

async fn show_reports(upstream: &UpstreamConfig, archive: &Archive) -> anyhow::Result<()> {
    // The server may be stopped, and what has changed since is not in the queue yet.
    archive.queue_report_changes(&upstream.rule()).await?;
    let counts = archive.count_report_forwards(&upstream.name).await?;
    let words: Vec<String> = counts.iter().map(|(state, count)| format!("{count} {}", state.as_str())).collect();
    println!("{}, reports: {}", upstream.name, words.join(", "));
    for parked in archive.parked_report_forwards(&upstream.name, MOST_PARKED).await? {
        let ParkedReport { subject, org_code, report_form_no, reason } = parked;
        println!("  {} {org_code} {report_form_no}: {reason}", subject.as_str());
    }
    Ok(())
}
