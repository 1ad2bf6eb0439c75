//! `[pages]`, and the customers' secrets that stand in files.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::archive::open_link::SessionPolicy;
use crate::domain::customer::{Customer, Secret};

/// The signed pages.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PagesConfig {
    /// Path under which the signed pages are opened. Default `/IDCAS/Interface/`.
    pub prefix: String,
    /// Minutes without use after which a session ends. Default 30.
    pub session_idle_minutes: u32,
    /// Hours after which a session ends in any case. Default 8.
    pub session_absolute_hours: u32,
    /// Lines of a list on one page. Default 50.
    pub page_size: u32,
    /// Bytes of drawn pictures kept in memory. Default 268435456 (256 MiB).
    pub picture_cache_bytes: u64,
    /// Links that one address may open in a minute. Default 600.
    pub opens_per_minute_address: u32,
    /// Links of one customer that may be opened in a minute. Default 3000.
    pub opens_per_minute_customer: u32,
    /// Attempts on one printed code in an hour. Default 5.
    pub qr_attempts_per_hour_link: u32,
    /// Attempts on printed codes from one address in an hour. Default 30.
    pub qr_attempts_per_hour_address: u32,
    /// GUID of the customer that related-exam links without a GUID belong to; empty (default) refuses them.
    pub default_customer: String,
    /// Most patients that one related-exam link may lead to. Default 5.
    pub related_patients: usize,
}

impl Default for PagesConfig {
    fn default() -> Self {
        Self {
            prefix: "/IDCAS/Interface/".to_owned(),
            session_idle_minutes: 30,
            session_absolute_hours: 8,
            page_size: 50,
            picture_cache_bytes: 256 << 20,
            opens_per_minute_address: 600,
            opens_per_minute_customer: 3000,
            qr_attempts_per_hour_link: 5,
            qr_attempts_per_hour_address: 30,
            default_customer: String::new(),
            related_patients: 5,
        }
    }
}

impl PagesConfig {
    pub(super) fn idle_ms(&self) -> i64 {
        i64::from(self.session_idle_minutes) * 60_000
    }

    pub(super) fn policy(&self) -> SessionPolicy {
        SessionPolicy {
            idle_ms: self.idle_ms(),
            absolute_ms: i64::from(self.session_absolute_hours) * 3_600_000,
            related_patients: self.related_patients,
        }
    }
}

/// A secret's file could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct SecretError {
    path: PathBuf,
    source: std::io::Error,
}

/// Reads the secrets that stand in files into the customers; a secret in the configuration itself wins.
pub fn read_secrets(customers: &mut [Customer]) -> Result<(), SecretError> {
    for customer in customers {
        fill(&mut customer.secret, customer.secret_file.as_deref())?;
        fill(&mut customer.previous_secret, customer.previous_secret_file.as_deref())?;
    }
    Ok(())
}

fn fill(secret: &mut Secret, file: Option<&Path>) -> Result<(), SecretError> {
    if let Some(path) = file.filter(|_| secret.0.is_empty()) {
        let text = std::fs::read_to_string(path).map_err(|source| SecretError { path: path.to_owned(), source })?;
        secret.0 = text.trim_end_matches(['\r', '\n']).to_owned();
    }
    Ok(())
}
