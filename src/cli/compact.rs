//! `yingku compact`

use std::process::ExitCode;

use indicatif::HumanBytes;

use super::{ConfigFile, with_archive};

/// One run, as the server does it from time to time.
pub(super) async fn run(file: &ConfigFile) -> anyhow::Result<ExitCode> {
    let config = file.load()?;
    let done = with_archive(&config, async |archive| Ok(archive.compact(&config.compaction).await?)).await?;
    println!(
        "{} segment(s) rewritten ({} object(s) moved), {} removed ({})",
        done.rewritten,
        done.moved,
        done.removed,
        HumanBytes(done.removed_bytes)
    );
    Ok(ExitCode::SUCCESS)
}
