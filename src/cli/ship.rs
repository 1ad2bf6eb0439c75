//! `yingku ship`

use std::process::ExitCode;

use indicatif::HumanBytes;

use super::ConfigFile;

/// Brings everything that waits in the journal into the bucket.
pub(super) async fn run(file: &ConfigFile) -> anyhow::Result<ExitCode> {
    let archive = crate::server::open_archive(&file.load()?).await?;
    let shipped = archive.ship_everything().await;
    archive.release().await?;
    let shipped = shipped?;
    println!("{} segment(s) uploaded ({})", shipped.segments, HumanBytes(shipped.bytes));
    Ok(ExitCode::SUCCESS)
}
