//! What must be mended before a start, each with the key it is about.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::Config;

/// One thing to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The key, e.g. `customer.0.secret`.
    pub key: String,
    /// What is wrong, and what to do.
    pub message: String,
}

impl Fault {
    fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into() }
    }
}

/// The shortest secret or key that is accepted, in characters.
pub const SHORTEST_SECRET: usize = 16;

pub(super) fn listing(faults: &[Fault]) -> String {
    let mut text = format!("the configuration has {} fault(s):", faults.len());
    for fault in faults {
        let _ = write!(text, "\n  {}: {}", fault.key, fault.message);
    }
    text
}

pub(super) fn find(config: &Config) -> Vec<Fault> {
    let mut faults = Vec::new();
    addresses(config, &mut faults);
    stores(config, &mut faults);
    organizations(config, &mut faults);
    secrets(config, &mut faults);
    exposure(config, &mut faults);
    faults
}

fn addresses(config: &Config, faults: &mut Vec<Fault>) {
    let url = url::Url::parse(&config.http.public_url);
    if !url.is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
        faults.push(Fault::new("http.public_url", "must be an http:// or https:// address that users can reach"));
    }
    for message in config.dicom.faults(&config.peer) {
        faults.push(Fault::new("dicom", message));
    }
}

fn stores(config: &Config, faults: &mut Vec<Fault>) {
    let database = ["sqlite:", "postgres:", "postgresql:"];
    if !database.iter().any(|scheme| config.database.url.starts_with(scheme)) {
        faults.push(Fault::new("database.url", "must begin with sqlite:// or postgres://"));
    }
    if !["file://", "s3://"].iter().any(|scheme| config.objects.url.starts_with(scheme)) {
        faults.push(Fault::new("objects.url", "must begin with file:// or s3://"));
    }
}

fn organizations(config: &Config, faults: &mut Vec<Fault>) {
    let mut known = HashSet::new();
    for (i, organization) in config.organization.iter().enumerate() {
        if organization.code.trim().is_empty() {
            faults.push(Fault::new(format!("organization.{i}.code"), "must not be empty"));
        }
        if !known.insert(organization.code.as_str()) {
            faults.push(Fault::new(format!("organization.{i}.code"), "stands twice"));
        }
    }
    let mut unknown = |key: String, code: &str| {
        if !known.contains(code) {
            faults.push(Fault::new(key, format!("`{code}` is no [[organization]] code")));
        }
    };
    for (i, peer) in config.peer.iter().enumerate() {
        unknown(format!("peer.{i}.organization"), &peer.organization);
    }
    for (i, customer) in config.customer.iter().enumerate() {
        unknown(format!("customer.{i}.organization"), &customer.organization);
    }
}

fn secrets(config: &Config, faults: &mut Vec<Fault>) {
    for (i, customer) in config.customer.iter().enumerate() {
        for message in customer.faults() {
            faults.push(Fault::new(format!("customer.{i}"), message));
        }
    }
}

/// A server that others can reach must know who they are.
fn exposure(config: &Config, faults: &mut Vec<Fault>) {
    if !config.dicom.listen.ip().is_loopback() && config.peer.is_empty() {
        faults.push(Fault::new("dicom.listen", "is reachable from other machines, but no [[peer]] is configured"));
    }
}
