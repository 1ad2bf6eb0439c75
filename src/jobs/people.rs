//! Keeps people in order, a moment after reports and images have come: patients get their rows, and persons are found.
//! Looks for changed dictionaries by the way, in every process.
//!
//! One process of all finds persons at a time. It goes in small steps with a rest between them, so that what comes in is not
//! held up by what came in before.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::rounds::Rounds;
use crate::archive::Archive;

/// Section `[patients]`: patients of several organisations who are one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PatientsConfig {
    /// How often it is looked for patients that have come or changed, in milliseconds. Default 1 s.
    pub look_every_ms: u64,
    /// Patients that are dealt with in one transaction. Default 64.
    pub batch: usize,
    /// Rest between two transactions, in milliseconds. Default 20.
    pub rest_ms: u64,
}

impl Default for PatientsConfig {
    fn default() -> Self {
        Self { look_every_ms: 1000, batch: 64, rest_ms: 20 }
    }
}

/// Works until `shutdown` is cancelled.
pub async fn keep_people(archive: Archive, config: PatientsConfig, shutdown: CancellationToken) {
    let holder = archive.worker_name();
    let mut rounds = Rounds::every(Duration::from_millis(config.look_every_ms.max(10)), shutdown);
    while rounds.next().await {
        match archive.refresh_dictionaries().await {
            Ok(true) => tracing::info!("dictionaries have been read anew"),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "dictionaries could not be read; those from before stay"),
        }
        while !rounds.are_over() {
            match archive.keep_people(&holder, config.batch.max(1)).await {
                Ok(true) => tokio::time::sleep(Duration::from_millis(config.rest_ms)).await,
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(%error, "patients are not in order yet; it is tried again");
                    break;
                }
            }
        }
    }
}
