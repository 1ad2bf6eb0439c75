//! `yingku scrub`

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use indicatif::{HumanBytes, ProgressBar};

use super::{ConfigFile, with_archive};

const SLICE: Duration = Duration::from_secs(2);
const TOLD: u32 = 1000;

#[derive(Debug, Args)]
pub(super) struct Scrub {
    #[command(flatten)]
    file: ConfigFile,
    /// Pace of reading in bytes a second; 0, as fast as the disk, without it.
    #[arg(long, default_value_t = 0)]
    bytes_per_second: u64,
}

impl Scrub {
    /// Ends the pass that is under way, or makes a whole one.
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let (state, damaged) = with_archive(&self.file.load()?, async |archive| {
            let bar = ProgressBar::new_spinner();
            let state = loop {
                let state = archive.scrub(self.bytes_per_second, SLICE).await?;
                bar.set_position(state.checked.unsigned_abs());
                if state.finished_at.is_some() {
                    break state;
                }
            };
            bar.finish_and_clear();
            Ok((state, archive.damaged_objects(TOLD).await?))
        })
        .await?;
        for damage in &damaged {
            println!("{} ({} at {}): {}", damage.subject, damage.key, damage.offset, damage.fault);
        }
        let bytes = HumanBytes(state.bytes.unsigned_abs());
        println!("{} object(s) read, {bytes}; {} damaged", state.checked, state.damaged);
        Ok(if damaged.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
