//! `yingku compact`

use std::process::ExitCode;

use indicatif::HumanBytes;

use super::ConfigFile;

/// One run, as the server does it from time to time.
pub(super) async fn run(file: &ConfigFile) -> anyhow::Result<ExitCode> {
    let config = file.load()?;
    let archive = crate::server::open_archive(&config).await?;
    let done = archive.compact(&config.compaction).await;
    archive.release().await?;
    let done = done?;
    println!(
        "{} segment(s) rewritten ({} object(s) moved), {} removed ({})",
        done.rewritten,
        done.moved,
        done.removed,
        HumanBytes(done.removed_bytes)
    );
    Ok(ExitCode::SUCCESS)
}
