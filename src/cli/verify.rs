//! `yingku verify`

use std::process::ExitCode;

use clap::Args;
use indicatif::ProgressBar;

use super::{ConfigFile, with_archive};
use crate::archive::upkeep::verify::{Depth, Fault};

#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    file: ConfigFile,
    /// Only check that objects are there and long enough; do not read and hash them.
    #[arg(long)]
    quick: bool,
}

impl Verify {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let bar = ProgressBar::new_spinner();
        let depth = if self.quick { Depth::Lengths } else { Depth::Content };
        let verified = with_archive(&self.file.load()?, async |archive| {
            Ok(archive.verify(depth, |checked| bar.set_position(checked)).await?)
        })
        .await?;
        bar.finish_and_clear();
        for (row, key, fault) in &verified.faults {
            let what = match fault {
                Fault::Missing => "object is missing",
                Fault::Short => "object is too short",
                Fault::Changed => "content has changed",
                Fault::Unreadable => "object cannot be read",
            };
            println!("{row} ({key}): {what}");
        }
        println!(
            "{} object(s) of {} byte(s) checked, {} fault(s), {} leftover(s) of {} byte(s) without a row",
            verified.checked, verified.bytes, verified.fault_count, verified.unnamed, verified.unnamed_bytes
        );
        Ok(if verified.fault_count == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
