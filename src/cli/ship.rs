//! `yingku ship`

use std::process::ExitCode;

use indicatif::HumanBytes;

use super::{ConfigFile, with_archive};

/// Brings everything that waits in the journal into the bucket.
pub(super) async fn run(file: &ConfigFile) -> anyhow::Result<ExitCode> {
    let shipped = with_archive(&file.load()?, async |archive| Ok(archive.ship_everything().await?)).await?;
    println!("{} segment(s) uploaded ({})", shipped.segments, HumanBytes(shipped.bytes));
    Ok(ExitCode::SUCCESS)
}
