//! `[pages]`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::archive::pages::open_link::SessionPolicy;
use crate::domain::customer::{CustomerKey, Secret};
use crate::domain::search_rules::SearchRules;
use crate::web::words::Language;

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
    /// Links that one address (of IPv6: one /64) may open in a minute. Default 600.
    pub opens_per_minute_address: u32,
    /// Links of one customer that may be opened in a minute. Default 3000.
    pub opens_per_minute_customer: u32,
    /// Attempts on one printed code in an hour. Default 5.
    pub qr_attempts_per_hour_link: u32,
    /// Attempts on printed codes from one address (of IPv6: one /64) in an hour. Default 30.
    pub qr_attempts_per_hour_address: u32,
    /// Wrong answers at one printed code, over all time and nodes since the last right one, after which only `yingku qr
    /// unlock` opens it to visitors again. Default 20.
    pub qr_failed_attempts_link: u32,
    /// GUID of the customer that related-exam links without a GUID belong to; empty (default) refuses them.
    pub default_customer: String,
    /// Most patients that one related-exam link may lead to. Default 5.
    pub related_patients: usize,
    /// Language of the pages: `auto` (default; what the browser prefers, else Chinese), `zh` or `en`. A user may change it.
    pub language: PagesLanguage,
    /// Key under which the database keeps secrets of customers (`yingku customer`): 64 hexadecimal digits, the same for all
    /// nodes, e.g. from `openssl rand -hex 32`. Without it (default) only `[[customer]]` entries open pages.
    pub customer_key: Secret,
    /// File that holds the key.
    pub customer_key_file: Option<PathBuf>,
    /// How the parameters of links are understood.
    pub search: SearchRules,
}

/// The language of the pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PagesLanguage {
    /// What the browser prefers, else Chinese.
    #[default]
    Auto,
    /// Chinese.
    Zh,
    /// English.
    En,
}

impl PagesLanguage {
    pub(super) fn fixed(self) -> Option<Language> {
        match self {
            PagesLanguage::Auto => None,
            PagesLanguage::Zh => Some(Language::Chinese),
            PagesLanguage::En => Some(Language::English),
        }
    }
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
            qr_failed_attempts_link: 20,
            default_customer: String::new(),
            related_patients: 5,
            language: PagesLanguage::Auto,
            customer_key: Secret::default(),
            customer_key_file: None,
            search: SearchRules::default(),
        }
    }
}

impl PagesConfig {
    /// What is wrong with the section, each with its key; empty when it is fit for use.
    pub fn faults(&self) -> Vec<(&'static str, &'static str)> {
        let mut faults = Vec::new();
        if !self.prefix.starts_with('/') {
            faults.push(("pages.prefix", "must begin with /"));
        }
        if self.page_size == 0 {
            faults.push(("pages.page_size", "must be 1 at least"));
        }
        if self.session_idle_minutes == 0 {
            faults.push(("pages.session_idle_minutes", "must be 1 at least"));
        }
        if !self.customer_key.0.is_empty() && CustomerKey::parse(&self.customer_key.0).is_none() {
            faults.push(("pages.customer_key", "must be 64 hexadecimal digits (openssl rand -hex 32)"));
        }
        faults
    }

    pub(super) fn idle_ms(&self) -> i64 {
        i64::from(self.session_idle_minutes) * 60_000
    }

    pub(super) fn policy(&self) -> SessionPolicy {
        SessionPolicy {
            idle_ms: self.idle_ms(),
            absolute_ms: i64::from(self.session_absolute_hours) * 3_600_000,
            related_patients: self.related_patients,
            qr_failed_attempts: self.qr_failed_attempts_link,
        }
    }
}
