//! `yingku quality`: how good the registered data is (RD-10, D-R14).

use std::process::ExitCode;

use clap::Args;

use super::inbox::moment;
use super::{ConfigFile, operator, with_archive};
use crate::archive::reports::measure_quality::QualityScope;
use crate::domain::date_time::Moment;
use crate::web::operations;

#[derive(Debug, Args)]
pub(super) struct Quality {
    #[command(flatten)]
    file: ConfigFile,
    /// Only this organisation.
    #[arg(long)]
    org: Option<String>,
    /// Registered at this time or later, e.g. 2026-03-01; a month ago without it.
    #[arg(long, value_parser = moment)]
    since: Option<i64>,
    /// Registered before this time; now without it.
    #[arg(long, value_parser = moment)]
    until: Option<i64>,
    /// As CSV with one line for each figure (the default).
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

impl Quality {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let quality = with_archive(&self.file.load()?, async |archive| {
            let to = self.until.unwrap_or_else(|| archive.now_ms() + 1);
            let from = self.since.unwrap_or_else(|| Moment::from_epoch_ms(to).plus_months(-1).epoch_ms());
            let scope = QualityScope { from, to, organizations: self.org.map(|org| vec![org]) };
            Ok(archive.measure_quality(operator("quality"), scope).await?)
        })
        .await?;
        match self.json {
            true => println!("{}", serde_json::to_string_pretty(&quality)?),
            false => print!("{}", operations::csv(&quality)),
        }
        Ok(ExitCode::SUCCESS)
    }
}
