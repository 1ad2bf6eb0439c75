//! `yingku schema diff` (D-X11)

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::{ConfigFile, told};
use crate::index::schema::{self, Comparison, EngineKind, MigrationFault};

/// Neither the same nor different: it could not be told.
const UNKNOWN: u8 = 2;

#[derive(Debug, Args)]
pub(super) struct Schema {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compare the database with what the migrations make, and change nothing. Exit code 0: the same, 1: it differs, 2: unknown.
    Diff(Diff),
}

#[derive(Debug, Args)]
struct Diff {
    #[command(flatten)]
    file: ConfigFile,
    /// Another database than the configured one.
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Write a script here that adds what is missing; nothing is narrowed or dropped. The file must not be there yet.
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
}

impl Schema {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let Command::Diff(diff) = self.command;
        Ok(diff.run().await.unwrap_or_else(|error| {
            eprintln!("yingku: {}", told(&error));
            ExitCode::from(UNKNOWN)
        }))
    }
}

impl Diff {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let mut database = self.file.load()?.database;
        if let Some(url) = self.database {
            database.url = url;
            database.password_file = None;
        }
        let comparison = schema::compare(&database).await?;
        print(&comparison);
        if let Some(path) = &self.script {
            write(path, &comparison.script())?;
            println!("script      {}: read it before it is run", path.display());
        }
        Ok(if comparison.is_same() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn print(comparison: &Comparison) {
    let engine = match comparison.kind {
        EngineKind::Sqlite => "SQLite",
        EngineKind::Postgres => "PostgreSQL",
    };
    println!("database    {} ({engine})", comparison.database);
    println!("migrations  {} applied", comparison.applied);
    for fault in &comparison.migrations {
        match fault {
            MigrationFault::Pending(version, what) => {
                println!("pending     migration {version:04} {what}: run yingku migrate");
            }
            MigrationFault::Unfinished(version) => println!("unfinished  migration {version:04}: it was cut off"),
            MigrationFault::Changed(version) => {
                println!("changed     migration {version:04}: the database had another text of it");
            }
            MigrationFault::Unknown(version) => {
                println!("unknown     migration {version:04}: a newer program has run here");
            }
        }
    }
    for difference in &comparison.differences {
        println!("{difference}");
    }
    let count = comparison.migrations.len() + comparison.differences.len();
    if count == 0 {
        println!("the schema of {} tables is as the migrations make it", comparison.tables);
    } else {
        println!("{count} difference(s)");
    }
}

/// A script that somebody has reviewed is not written over.
fn write(path: &Path, script: &str) -> anyhow::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = file.with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(script.as_bytes())?;
    Ok(file.sync_all()?)
}
