//! `yingku check-config`

use std::process::ExitCode;

use clap::Args;

use super::ConfigFile;
use crate::config::{Config, reference};

#[derive(Debug, Args)]
pub(super) struct CheckConfig {
    #[command(flatten)]
    file: ConfigFile,
    /// Print the reference of all keys (docs/configuration.md) instead.
    #[arg(long)]
    reference: bool,
}

impl CheckConfig {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        if self.reference {
            print!("{}", reference::markdown());
            return Ok(ExitCode::SUCCESS);
        }
        let config = Config::load(self.file.config.as_deref())?;
        let faults = config.faults();
        for fault in &faults {
            println!("{}: {}", fault.key, fault.message);
        }
        if faults.is_empty() {
            println!("configuration is good: {}", summary(&config));
            return Ok(ExitCode::SUCCESS);
        }
        println!("{} fault(s); the server would not start", faults.len());
        Ok(ExitCode::FAILURE)
    }
}

fn summary(config: &Config) -> String {
    format!(
        "{} organization(s), {} peer(s), {} sender(s), {} client(s), {} customer(s); HTTP {}, DICOM {} as {}",
        config.organization.len(),
        config.peer.len(),
        config.sender.len(),
        config.client.len(),
        config.customer.len(),
        config.http.listen,
        config.dicom.listen,
        config.dicom.ae_title,
    )
}
