//! `yingku qr`: the links behind printed codes (D-I10).

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::{ConfigFile, operator, with_archive};
use crate::archive::Archive;
use crate::archive::reports::qr_link::{ListedLink, WhichLinks};
use crate::archive::reports::read_report_file::UnstampedFile;
use crate::archive::reports::restamp_reports::Restamp;
use crate::archive::reports::stamp_rules::{ReportClass, StampSettings};
use crate::config::Config;
use crate::documents::stamp::stamp_pdf_into;
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
    /// List report files that take no QR code, with the reason, the newest first: tell the hospital.
    Unstamped {
        #[command(flatten)]
        file: ConfigFile,
        /// Only those of this organisation.
        #[arg(long)]
        org: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Stamp reports anew as `[qr]` says now; a running server does it in the background.
    Restamp {
        #[command(flatten)]
        file: ConfigFile,
        /// Only reports of this organisation.
        #[arg(long)]
        organization: Option<String>,
        /// Tell how far it is and do nothing.
        #[arg(long)]
        status: bool,
    },
    /// Stamp a PDF as a report would be stamped, with a link that leads nowhere; needs no database.
    Preview {
        #[command(flatten)]
        file: ConfigFile,
        /// The organisation that the report would come from.
        #[arg(long, default_value = "")]
        organization: String,
        /// The report's class, e.g. CT or lab.
        #[arg(long)]
        class: Vec<String>,
        /// The PDF.
        pdf: PathBuf,
        /// Where the stamped PDF goes.
        stamped: PathBuf,
    },
    /// End a link for good; the code on paper opens nothing any more.
    Revoke {
        #[command(flatten)]
        file: ConfigFile,
        /// The link's id, or the whole address behind the code.
        id: String,
    },
    /// Open a link again that too many wrong answers have shut.
    Unlock {
        #[command(flatten)]
        file: ConfigFile,
        /// The link's id, or the whole address behind the code.
        id: String,
    },
    /// Give a report another link and stamp it anew; the former code opens nothing any more.
    Renew {
        #[command(flatten)]
        file: ConfigFile,
        /// The former link's id, or the whole address behind the code.
        id: String,
    },
}

impl Qr {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        if let Command::Preview { file, organization, class, pdf, stamped } = &self.command {
            let class = ReportClass { org_code: organization.clone(), classes: class.clone() };
            return preview(&file.load()?, &class, pdf, stamped);
        }
        let (Command::List { file, .. }
        | Command::Unstamped { file, .. }
        | Command::Restamp { file, .. }
        | Command::Preview { file, .. }
        | Command::Revoke { file, .. }
        | Command::Unlock { file, .. }
        | Command::Renew { file, .. }) = &self.command;
        with_archive(&file.load()?, async |archive| self.command.run(archive).await).await?;
        Ok(ExitCode::SUCCESS)
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
            Command::Unstamped { org, limit, .. } => {
                for file in archive.unstamped_files(org.as_deref(), limit).await? {
                    println!("{}", unstamped(&file));
                }
            }
            Command::Restamp { organization, status, .. } => {
                if !status {
                    archive.plan_restamp(operator("qr restamp"), organization.unwrap_or_default()).await?;
                }
                println!("{}", progress(archive.restamp_progress().await?));
            }
            // Done before the archive is opened.
            Command::Preview { .. } => {}
            Command::Revoke { id, .. } => {
                archive.revoke_printed_link(operator("qr revoke"), &id).await.with_context(|| format!("link {id}"))?;
                println!("revoked: {id}");
            }
            Command::Unlock { id, .. } => {
                archive.unlock_printed_link(operator("qr unlock"), &id).await.with_context(|| format!("link {id}"))?;
                println!("unlocked: {id}");
            }
            Command::Renew { id, .. } => {
                let renewed = archive.renew_printed_link(operator("qr renew"), &id).await;
                println!("{}", renewed.with_context(|| format!("link {id}"))?);
            }
        }
        Ok(())
    }
}

fn preview(config: &Config, class: &ReportClass, pdf: &Path, stamped: &Path) -> anyhow::Result<ExitCode> {
    let settings = StampSettings { public_url: config.http.public_url.clone(), qr: config.qr.clone() };
    let policy = settings.policy(class, &"a".repeat(26)).context("reports of this class are not stamped")?;
    let original = std::fs::read(pdf).with_context(|| pdf.display().to_string())?;
    let mut target = BufWriter::new(File::create(stamped).with_context(|| stamped.display().to_string())?);
    let pages = stamp_pdf_into(original, &policy, &config.documents, &mut target)?;
    target.flush()?;
    println!("{pages} pages");
    Ok(ExitCode::SUCCESS)
}

fn progress(walk: Option<Restamp>) -> String {
    let Some(walk) = walk else { return "nothing was ever stamped anew".to_owned() };
    let state = if walk.finished_at.is_some() { "finished" } else { "planned or under way" };
    format!("{state}: {} stamped anew, {} failed", walk.stamped, walk.failed)
}

/// What others chose is quoted, so that no terminal takes it for a command.
fn unstamped(file: &UnstampedFile) -> String {
    let UnstampedFile { exam_report_pk, org_code, report_form_no, media_type, reason, fetched_at } = file;
    let fetched = local_text(*fetched_at);
    format!("exam:{exam_report_pk} {org_code} {report_form_no:?} {reason} {media_type} fetched={fetched:?}")
}

fn line(listed: &ListedLink) -> String {
    let ListedLink { link, org_code, report_form_no, .. } = listed;
    let time = |at: Option<i64>| at.map_or_else(|| "never".to_owned(), |at| format!("{:?}", local_text(at)));
    let (made, ends) = (local_text(listed.created_at), time(link.expires_at));
    let revoked = link.revoked_at.map(|at| format!(" revoked={}", time(Some(at)))).unwrap_or_default();
    let failed = if link.failed > 0 { format!(" failed={}", link.failed) } else { String::new() };
    format!("{} {} {org_code} {report_form_no} made={made:?} ends={ends}{revoked}{failed}", link.id, link.report)
}
