//! `yingku migrate`

use std::process::ExitCode;

use super::ConfigFile;
use crate::index::Index;

pub(super) async fn run(file: &ConfigFile) -> anyhow::Result<ExitCode> {
    let config = file.load()?;
    let index = Index::open(&config.database).await?;
    index.ping().await?;
    index.close().await;
    println!("the schema is up to date");
    Ok(ExitCode::SUCCESS)
}
