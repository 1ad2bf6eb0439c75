//! Logs and metrics: one place starts both, everything else only speaks to `tracing` and `metrics`.
//!
//! Logs go to standard error, one event a line, as text or JSON. Fields are constant and dotted (`study.uid`,
//! `peer.ae_title`); patient names, identity numbers, tokens and message bodies never enter them (D-X4).
//! Metrics are kept in memory and shown by `/metrics`; nothing is sent anywhere.

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// How the archive writes its log (`[log]`).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `text` for people, `json` for machines (one object a line). Default `text`.
    pub format: LogFormat,
    /// What is written: a level, or levels by part, e.g. `info,yingku::dimse=debug`. Default `info`.
    pub filter: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

/// The forms of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A readable line.
    Text,
    /// A JSON object a line.
    Json,
}

/// Why the log could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter is not in the form that is expected.
    #[error("log.filter: {0}")]
    Filter(#[from] ParseError),
    /// The process has a log already.
    #[error("the log has been started already")]
    AlreadyStarted,
}

impl LogConfig {
    /// Whether the filter can be read; `check-config` asks.
    pub fn check(&self) -> Result<(), Error> {
        EnvFilter::try_new(&self.filter)?;
        Ok(())
    }
}

/// Starts the log of this process; `main` calls it once.
pub fn init_log(config: &LogConfig) -> Result<(), Error> {
    let filter = EnvFilter::try_new(&config.filter)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
    };
    started.map_err(|_| Error::AlreadyStarted)
}

/// The metrics of this process; the first call starts them. Several servers of one process (tests) share their counters.
pub fn metrics() -> PrometheusHandle {
    static STARTED: OnceLock<PrometheusHandle> = OnceLock::new();
    STARTED.get_or_init(start_metrics).clone()
}

fn start_metrics() -> PrometheusHandle {
    let buckets = [("_seconds", &SECONDS[..]), ("_bytes", &BYTES[..]), ("_operations", &COUNTS[..])];
    let builder = buckets.into_iter().fold(PrometheusBuilder::new(), |builder, (suffix, values)| {
        builder.set_buckets_for_metric(Matcher::Suffix(suffix.to_owned()), values).expect("there are buckets")
    });
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    if ::metrics::set_global_recorder(recorder).is_err() {
        tracing::warn!("another recorder takes the metrics of this process; /metrics stays empty");
    }
    // Histograms gather in memory until somebody reads them, and perhaps nobody ever does.
    let upkeep = handle.clone();
    let started = std::thread::Builder::new().name("metrics-upkeep".to_owned()).spawn(move || {
        loop {
            std::thread::sleep(UPKEEP);
            upkeep.run_upkeep();
        }
    });
    if let Err(error) = started {
        tracing::warn!(%error, "histograms are only condensed when /metrics is read");
    }
    handle
}

const UPKEEP: Duration = Duration::from_secs(5);
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
const BYTES: [f64; 8] = [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];
const COUNTS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_cannot_be_read_is_refused() {
        let config = LogConfig { filter: "yingku=loudly".to_owned(), ..LogConfig::default() };
        assert!(matches!(config.check(), Err(Error::Filter(_))));
        assert!(LogConfig::default().check().is_ok());
    }

    #[test]
    fn a_recorded_time_is_shown_in_buckets_also_to_a_second_asker() {
        let handle = metrics();
        ::metrics::histogram!("yingku_test_wait_seconds").record(0.003);
        let text = metrics().render();
        assert!(text.contains("yingku_test_wait_seconds_bucket{le=\"0.005\"} 1"), "{text}");
        assert!(!handle.render().is_empty());
    }

    #[test]
    fn an_unknown_key_in_the_section_is_an_error() {
        assert!(toml::from_str::<LogConfig>("format = \"json\"\nfilter = \"debug\"").is_ok());
        assert!(toml::from_str::<LogConfig>("level = \"debug\"").is_err());
        assert!(toml::from_str::<LogConfig>("format = \"xml\"").is_err());
    }
}
