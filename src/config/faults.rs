//! What must be mended before a start, each with the key it is about.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::Config;
use crate::domain::customer::MIN_SECRET_CHARS;

/// One thing to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The key, e.g. `customer.0`.
    pub key: String,
    /// What is wrong, and what to do.
    pub message: String,
}

pub(super) fn listing(faults: &[Fault]) -> String {
    let mut text = format!("the configuration has {} fault(s):", faults.len());
    for fault in faults {
        let _ = write!(text, "\n  {}: {}", fault.key, fault.message);
    }
    text
}

pub(super) fn find(config: &Config) -> Vec<Fault> {
    let mut found = Found(Vec::new());
    sections(config, &mut found);
    organizations(config, &mut found);
    secrets(config, &mut found);
    exposure(config, &mut found);
    found.0
}

struct Found(Vec<Fault>);

impl Found {
    fn add(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.0.push(Fault { key: key.into(), message: message.into() });
    }

    fn add_all(&mut self, key: &str, messages: Vec<String>) {
        for message in messages {
            self.add(key, message);
        }
    }
}

fn sections(config: &Config, found: &mut Found) {
    found.add_all("http", config.http.faults());
    found.add_all("dicom", config.dicom.faults(&config.peer));
    let database = ["sqlite:", "postgres:", "postgresql:"];
    if !database.iter().any(|scheme| config.database.url.starts_with(scheme)) {
        found.add("database.url", "must begin with sqlite:// or postgres://");
    }
    if !["file://", "s3://"].iter().any(|scheme| config.objects.url.starts_with(scheme)) {
        found.add("objects.url", "must begin with file:// or s3://");
    }
    if let Err(error) = config.log.check() {
        found.add("log", error.to_string());
    }
    if let Err(error) = config.registry_settings().check() {
        found.add("registry", error.to_string());
    }
}

fn organizations(config: &Config, found: &mut Found) {
    let mut known = HashSet::new();
    for (i, organization) in config.organization.iter().enumerate() {
        if organization.code.trim().is_empty() {
            found.add(format!("organization.{i}.code"), "must not be empty");
        } else if !known.insert(organization.code.as_str()) {
            found.add(format!("organization.{i}.code"), "stands twice");
        }
    }
    let mut named = Vec::new();
    for (i, peer) in config.peer.iter().enumerate() {
        named.push((format!("peer.{i}.organization"), &peer.organization));
    }
    for (i, sender) in config.sender.iter().enumerate() {
        let codes = sender.organizations.iter().filter(|code| *code != "*");
        named.extend(codes.map(|code| (format!("sender.{i}.organizations"), code)));
    }
    for (i, client) in config.client.iter().enumerate() {
        named.extend(client.organizations.iter().map(|code| (format!("client.{i}.organizations"), code)));
    }
    for (i, customer) in config.customer.iter().enumerate() {
        named.push((format!("customer.{i}.organization"), &customer.organization));
        named.extend(customer.organizations.iter().map(|code| (format!("customer.{i}.organizations"), code)));
    }
    for (key, code) in named {
        if !known.contains(code.as_str()) {
            found.add(key, format!("`{code}` is no [[organization]] code"));
        }
    }
}

fn secrets(config: &Config, found: &mut Found) {
    for (i, customer) in config.customer.iter().enumerate() {
        found.add_all(&format!("customer.{i}"), customer.faults());
    }
    let mut short = |key: String, secret: &str| {
        if !secret.is_empty() && secret.chars().count() < MIN_SECRET_CHARS {
            found.add(key, format!("is shorter than {MIN_SECRET_CHARS} characters"));
        }
    };
    for (i, client) in config.client.iter().enumerate() {
        short(format!("client.{i}.key"), &client.key);
    }
    for (i, sender) in config.sender.iter().enumerate() {
        short(format!("sender.{i}.app_id"), &sender.app_id);
        short(format!("sender.{i}.basic_password"), &sender.basic_password);
    }
}

/// A server that others can reach must know who they are.
fn exposure(config: &Config, found: &mut Found) {
    let nobody = config.sender.is_empty() && config.customer.is_empty() && config.client.is_empty();
    if !config.http.listen.ip().is_loopback() && nobody {
        found.add(
            "http.listen",
            "is reachable from other machines, but no [[sender]], [[client]] or [[customer]] is configured; \
             listen on 127.0.0.1 or say who may call",
        );
    }
    if !config.dicom.listen.ip().is_loopback() && config.peer.is_empty() {
        found.add("dicom.listen", "is reachable from other machines, but no [[peer]] is configured");
    }
}
