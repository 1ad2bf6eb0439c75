//! The command line: reads arguments, calls one function, prints what an operator needs.

mod attachments;
mod audit;
mod check_config;
mod compact;
mod conflicts;
mod csv;
mod customer;
mod delete;
mod demo;
mod dictionary;
mod echo;
mod forward;
mod import;
mod inbox;
mod jobs;
mod migrate;
mod patient;
mod qr;
mod quality;
mod recognition;
mod reindex;
mod retrieve;
mod schema;
mod scrub;
mod serve;
mod ship;
mod sign_link;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::archive::Archive;
use crate::config::Config;
use crate::domain::{Actor, ActorKind};

/// Yingku (影库): the imaging and report archive between hospitals and their region.
#[derive(Debug, Parser)]
#[command(name = "yingku", version, about, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server: DICOM, report registry, pages and background work.
    Serve(serve::Serve),
    /// Read the configuration and explain each fault.
    CheckConfig(check_config::CheckConfig),
    /// Bring the database's schema up to date and stop.
    Migrate(ConfigFile),
    /// Compare the database's schema with what the migrations make.
    Schema(schema::Schema),
    /// Look after the hospital systems that may open pages.
    Customer(customer::CustomerCommand),
    /// Print a signed link to a page.
    SignLink(sign_link::SignLink),
    /// Ask configured peers by C-ECHO whether they answer.
    Echo(echo::Echo),
    /// Take in DICOM files and folders.
    Import(import::Import),
    /// List, show and re-run the fetching of exams' images from the PACS.
    Retrieve(retrieve::Retrieve),
    /// Hold objects and index against each other, both ways.
    Verify(verify::Verify),
    /// Look after what is forwarded to upstream archives.
    Forward(forward::Forward),
    /// Rebuild the index of images from storage alone.
    Reindex(reindex::Reindex),
    /// Read all images and compare them with what was acknowledged; goes on where the last pass was.
    Scrub(scrub::Scrub),
    /// Delete a study, a series or an image for good; tells what would go, and does it with --yes.
    Delete(delete::Delete),
    /// Take back the space of deleted images now.
    Compact(ConfigFile),
    /// Bring all instances that wait in the local journal into the bucket.
    Ship(ConfigFile),
    /// Look after work that waits or was given up.
    Jobs(jobs::Jobs),
    /// Decide about contradictions, and link studies and exam reports by hand.
    Conflicts(conflicts::Conflicts),
    /// List, export and import dictionaries.
    Dictionary(dictionary::Dictionary),
    /// Look after patients of several organisations who are one person.
    Patient(patient::Patient),
    /// List, show and take up again the messages that systems sent.
    Inbox(inbox::Inbox),
    /// Measure the registered data: completeness, validity, timeliness.
    Quality(quality::Quality),
    /// Records of mutual recognition, their figures, and the list of recognised items.
    Recognition(recognition::Recognition),
    /// List attachments that found no exam report, and link them by hand.
    Attachments(attachments::Attachments),
    /// List, revoke, unlock and renew the links behind printed codes.
    Qr(qr::Qr),
    /// Read the audit trail: who did what to which data.
    Audit(audit::Audit),
}

/// Where the configuration is.
#[derive(Debug, Clone, Default, Args)]
struct ConfigFile {
    /// The configuration file; without it the defaults and the environment (YINGKU__SECTION__KEY) count.
    #[arg(long, short, global = true, value_name = "FILE", env = "YINGKU_CONFIG")]
    config: Option<PathBuf>,
}

impl ConfigFile {
    fn load(&self) -> anyhow::Result<Config> {
        Ok(Config::load(self.config.as_deref())?.checked()?)
    }
}

/// Opens the archive for one piece of work and lets it go after, whatever came of the work.
async fn with_archive<T>(config: &Config, work: impl AsyncFnOnce(&Archive) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let archive = crate::server::open_archive(config).await?;
    let done = work(&archive).await;
    let released = archive.release().await;
    let done = done?;
    released?;
    Ok(done)
}

/// Whoever runs a command, for the audit record.
fn operator(command: &str) -> Actor {
    let user = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    Actor {
        kind: ActorKind::Operator,
        name: command.to_owned(),
        user_id: user.unwrap_or_default(),
        remote_addr: String::new(),
    }
}

/// The error and its causes in one line, each once: many libraries repeat a cause in their own words' end.
fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.contains(&cause) {
            text = if text.is_empty() { cause } else { format!("{text}: {cause}") };
        }
    }
    text
}

/// How long work on threads of their own may go on when everything else is done.
const BEYOND_THE_END: Duration = Duration::from_secs(10);

/// Runs the command line.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // One TLS provider for the whole process; a second call would be a programming error and changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("yingku: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(async {
        match arguments.command {
            Command::Serve(command) => command.run().await,
            Command::CheckConfig(command) => command.run(),
            Command::Migrate(config) => migrate::run(&config).await,
            Command::Schema(command) => command.run().await,
            Command::Customer(command) => command.run().await,
            Command::SignLink(command) => command.run().await,
            Command::Echo(command) => command.run().await,
            Command::Import(command) => command.run().await,
            Command::Retrieve(command) => command.run().await,
            Command::Verify(command) => command.run().await,
            Command::Forward(command) => command.run().await,
            Command::Reindex(command) => command.run().await,
            Command::Scrub(command) => command.run().await,
            Command::Delete(command) => command.run().await,
            Command::Compact(config) => compact::run(&config).await,
            Command::Ship(config) => ship::run(&config).await,
            Command::Jobs(command) => command.run().await,
            Command::Conflicts(command) => command.run().await,
            Command::Dictionary(command) => command.run().await,
            Command::Patient(command) => command.run().await,
            Command::Inbox(command) => command.run().await,
            Command::Quality(command) => command.run().await,
            Command::Recognition(command) => command.run().await,
            Command::Attachments(command) => command.run().await,
            Command::Qr(command) => command.run().await,
            Command::Audit(audit) => audit.run().await,
        }
    });
    // What is to be finished has been. A folder on another machine that never answers, or a drawing of a hostile document, keeps
    // a thread, and not the program.
    runtime.shutdown_timeout(BEYOND_THE_END);
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("yingku: {}", told(&error));
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("database: {0}")]
    struct Repeats(#[from] std::io::Error);

    #[test]
    fn each_cause_is_told_once() {
        let error = anyhow::Error::from(Repeats(std::io::Error::other("disk on fire")));
        assert_eq!(told(&error.context("cannot start")), "cannot start: database: disk on fire");
    }
}
