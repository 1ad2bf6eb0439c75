//! `[[upstream]]` and `[front]`.

use std::path::PathBuf;

use reqwest::header::HeaderValue;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::archive::peers::forward::ForwardRule;
use crate::domain::customer::Secret;
use crate::domain::day_window::Window;
use crate::tls::PeerTlsConfig;

/// How instances travel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// C-STORE to a `[[peer]]`.
    #[default]
    CStore,
    /// STOW-RS over HTTP.
    StowRs,
}

/// What counts as the upstream's promise to keep an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Confirmation {
    /// A report of DICOM storage commitment.
    Commitment,
    /// Its answer to a query (QIDO-RS) that comes after the store and names the instance.
    Query,
    /// Nothing: instances stay `sent`, and their bytes are never removed here.
    None,
}

/// Where reports are registered with an upstream (R2.5.1.5-3).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamReportsConfig {
    /// Address of its report registry, e.g. `https://region.example.test/sehr.service.auto/IAutoReport.asmx`. Exam and lab reports
    /// are registered there as they stand here, with their files. Default empty: reports are not forwarded.
    pub url: String,
    /// What we say as `X-App-Id`, when it asks for that. Prefer `app_id_file`.
    pub app_id: Secret,
    /// File that holds `app_id`.
    pub app_id_file: Option<PathBuf>,
    /// Our user of HTTP Basic, when it asks for one.
    pub basic_user: String,
    /// Our password of HTTP Basic. Prefer `basic_password_file`.
    pub basic_password: Secret,
    /// File that holds the password.
    pub basic_password_file: Option<PathBuf>,
    /// Our end of TLS towards an `https` address, with a private authority or a certificate that we show. Default: the
    /// authorities that the system trusts, and no certificate.
    pub tls: Option<PeerTlsConfig>,
}

impl UpstreamReportsConfig {
    /// Whether reports are forwarded at all.
    pub fn is_set(&self) -> bool {
        !self.url.trim().is_empty()
    }

    fn faults(&self) -> Vec<String> {
        if !self.is_set() {
            let says_more = !self.app_id.0.is_empty() || !self.basic_user.is_empty() || self.tls.is_some();
            return says_more.then(|| "reports needs a url".to_owned()).into_iter().collect();
        }
        let mut faults = Vec::new();
        match url::Url::parse(self.url.trim()) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.host().is_some() => {}
            _ => faults.push("reports.url must be the http or https address of a report registry".to_owned()),
        }
        if HeaderValue::from_str(&self.app_id.0).is_err() {
            faults.push("reports.app_id holds characters that no header may have".to_owned());
        }
        if !self.basic_user.is_empty() && self.basic_password.0.is_empty() {
            faults.push("reports.basic_password is missing, though basic_user is set".to_owned());
        }
        match &self.tls {
            Some(_) if !self.url.trim().to_ascii_lowercase().starts_with("https:") => {
                faults.push("reports.tls needs an https address".to_owned());
            }
            Some(tls) => faults.extend(tls.load_https().err().map(|error| format!("reports: {error}"))),
            None => {}
        }
        faults
    }
}

/// An archive that everything is forwarded to.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamConfig {
    /// Its name in the queue, logs and metrics; unique. What waits is found by it: do not change it.
    pub name: String,
    /// `c-store` or `stow-rs`. Default `c-store`.
    pub way: Way,
    /// AE title of the `[[peer]]` to send to, for `c-store`.
    pub peer: String,
    /// Address of its DICOMweb service, for `stow-rs`, e.g. `https://region.example.test/dicom-web`.
    pub url: String,
    /// Bearer token for `stow-rs`. Prefer `token_file`.
    pub token: Secret,
    /// File that holds the bearer token.
    pub token_file: Option<PathBuf>,
    /// For `stow-rs`: our end of TLS towards an `https` address, with a private authority or a certificate that we show.
    /// Default: the authorities that the system trusts, and no certificate. For `c-store` see `[peer.tls]` of its peer.
    pub tls: Option<PeerTlsConfig>,
    /// Where its reports are registered; without it only images are forwarded.
    pub reports: UpstreamReportsConfig,
    /// Codes of the organisations whose instances and reports go there, those of VIPs and restricted exams included: what hides
    /// them is registered with the upstream, not here. Default all.
    pub organizations: Vec<String>,
    /// `commitment` (default for `c-store`), `query` (default for `stow-rs`) or `none`.
    pub confirm: Option<Confirmation>,
    /// For `c-store`: whether an instance that the upstream does not take as it is stored goes in Explicit or Implicit VR
    /// Little Endian, decompressed where necessary, instead of being parked. The upstream then keeps the converted form;
    /// with `front.keep_days` it is the only one that is left. Default false.
    pub convert: bool,
    /// Associations or requests at the same time, each with a study of its own; and as many registrations beside them. Default 2.
    pub associations: usize,
    /// Instances sent over one association, or in one request. Default 100.
    pub batch_instances: u32,
    /// Bytes a second over all associations and requests; 0 means no limit. Default 0.
    pub bytes_per_second: u64,
    /// Times of day in Asia/Shanghai at which it may send, e.g. `["19:00-07:00", "12:00-13:30"]`. Default always.
    pub windows: Vec<Window>,
    /// How long an instance waits for others of its study, and a report for its file, in milliseconds. Default 2000.
    pub delay_ms: u64,
    /// Longest silence of the upstream, in milliseconds. Default 60000.
    pub timeout_ms: u64,
    /// Pause after the upstream did not answer, in milliseconds; doubled each time. Default 10000.
    pub retry_ms: u64,
    /// Longest pause, in milliseconds. Default 900000 (15 min).
    pub max_retry_ms: u64,
    /// Attempts with one instance or report before it is parked. Default 12.
    pub max_attempts: u32,
    /// How long after sending the upstream is asked whether it keeps an instance, in milliseconds. Default 5000.
    pub confirm_delay_ms: u64,
    /// Longest answer of a DICOMweb service or a report registry that is read, in bytes. Default 16777216.
    pub max_answer_bytes: usize,
    /// How often the queue is looked at, in milliseconds. Default 1000.
    pub poll_ms: u64,
    /// How long a process that is not heard of keeps the upstream from others, in milliseconds. Default 30000.
    pub lease_ms: u64,
}

impl Default for UpstreamConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            way: Way::CStore,
            peer: String::new(),
            url: String::new(),
            token: Secret::default(),
            token_file: None,
            tls: None,
            reports: UpstreamReportsConfig::default(),
            organizations: Vec::new(),
            confirm: None,
            convert: false,
            associations: 2,
            batch_instances: 100,
            bytes_per_second: 0,
            windows: Vec::new(),
            delay_ms: 2_000,
            timeout_ms: 60_000,
            retry_ms: 10_000,
            max_retry_ms: 900_000,
            max_attempts: 12,
            confirm_delay_ms: 5_000,
            max_answer_bytes: 16 * 1024 * 1024,
            poll_ms: 1_000,
            lease_ms: 30_000,
        }
    }
}

impl UpstreamConfig {
    /// What counts as its promise.
    pub fn confirmation(&self) -> Confirmation {
        self.confirm.unwrap_or(match self.way {
            Way::CStore => Confirmation::Commitment,
            Way::StowRs => Confirmation::Query,
        })
    }

    /// What goes to it.
    pub fn rule(&self) -> ForwardRule {
        ForwardRule { upstream: self.name.clone(), organizations: self.organizations.clone(), delay_ms: self.delay_ms }
    }

    /// What is wrong with the entry, one sentence each; empty when it is fit for use.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.name.trim().is_empty() {
            faults.push("needs a name".to_owned());
        }
        match self.way {
            Way::CStore if self.peer.is_empty() => faults.push("c-store needs the AE title of a [[peer]]".to_owned()),
            Way::CStore if self.confirmation() == Confirmation::Query => {
                faults.push("confirm = \"query\" is for stow-rs; c-store has \"commitment\"".to_owned());
            }
            Way::StowRs if self.confirmation() == Confirmation::Commitment => {
                faults.push("confirm = \"commitment\" is for c-store; stow-rs has \"query\"".to_owned());
            }
            Way::StowRs => match url::Url::parse(&self.url) {
                Ok(url) if matches!(url.scheme(), "http" | "https") && url.host().is_some() => {}
                _ => faults.push("stow-rs needs the http or https address of a DICOMweb service".to_owned()),
            },
            Way::CStore => {}
        }
        if self.convert && self.way == Way::StowRs {
            faults.push("convert is for c-store".to_owned());
        }
        match &self.tls {
            None => {}
            Some(_) if self.way == Way::CStore => {
                faults.push("tls is for stow-rs; see [peer.tls] of its peer".to_owned())
            }
            Some(_) if !self.url.trim_start().to_ascii_lowercase().starts_with("https:") => {
                faults.push("tls needs an https address".to_owned());
            }
            Some(tls) => faults.extend(tls.load_https().err().map(|error| error.to_string())),
        }
        faults.extend(self.reports.faults());
        if self.associations == 0 || self.batch_instances == 0 || self.poll_ms == 0 || self.lease_ms < 1000 {
            faults.push("associations, batch_instances, poll_ms must be 1 at least, lease_ms 1000".to_owned());
        }
        faults
    }
}

/// The front's own disk.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FrontConfig {
    /// Days after its confirmation by every upstream at which an instance's bytes are removed here. Absent (default): never.
    pub keep_days: Option<u32>,
    /// How often bytes that may go are looked for, in milliseconds. Default 600000 (10 min).
    pub purge_poll_ms: u64,
    /// Instances removed in one transaction. Default 500.
    pub purge_batch: u32,
}

impl Default for FrontConfig {
    fn default() -> Self {
        Self { keep_days: None, purge_poll_ms: 600_000, purge_batch: 500 }
    }
}
