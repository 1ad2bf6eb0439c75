//! What must be mended before a start, each with the key it is about.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::net::SocketAddr;

use ipnet::IpNet;

use super::Config;
use crate::domain::customer::secret_fault;
use crate::integrations::file_share::FileShareConfig;
use crate::integrations::report_registry::{ApiRight, DicomwebRight, KeyMode};
use crate::tls::ClientCertificate;

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
    twins(config, &mut found);
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
    found.add_all("http", config.http.faults(config.caller_certificates()));
    found.add_all("dicom", config.dicom.faults(&config.peer));
    let database = ["sqlite:", "postgres:", "postgresql:"];
    if !database.iter().any(|scheme| config.database.url.starts_with(scheme)) {
        found.add("database.url", "must begin with sqlite:// or postgres://");
    } else if lasts_not(&config.database.url) {
        found.add("database.url", "names no file: sqlite://path/to/file.db");
    }
    if !["file://", "s3://"].iter().any(|scheme| config.objects.url.starts_with(scheme)) {
        found.add("objects.url", "must begin with file:// or s3://");
    } else if config.objects.url.strip_prefix("s3://").is_some_and(|rest| rest.split('/').next() == Some("")) {
        found.add("objects.url", "names no bucket: s3://bucket");
    }
    if config.objects.journal.is_some() && config.objects.url.starts_with("file://") {
        found.add("objects.journal", "belongs to a bucket; in a folder segments begin where they stay");
    }
    if let Some(fault) = config.audit.fault() {
        found.add("audit.keep_days", fault);
    }
    for (key, message) in config.reports.faults() {
        found.add(format!("reports.{key}"), message);
    }
    for (key, message) in config.qr.faults() {
        found.add(format!("qr.{key}"), message);
    }
    for (i, upstream) in config.upstream.iter().enumerate() {
        found.add_all(&format!("upstream.{i}"), upstream.faults());
        if config.upstream[..i].iter().any(|other| other.name == upstream.name) {
            found.add(format!("upstream.{i}.name"), "stands twice");
        }
        let can_be_called =
            |peer: &crate::dimse::PeerConfig| peer.ae_title.to_string() == upstream.peer && !peer.host.is_empty();
        if !upstream.peer.is_empty() && !config.peer.iter().any(can_be_called) {
            found.add(format!("upstream.{i}.peer"), "is no [[peer]] with a host");
        }
    }
    for (i, share) in config.file_share.iter().enumerate() {
        found.add_all(&format!("file_share.{i}"), share.faults());
        let is_nested =
            |other: &FileShareConfig| share.path.starts_with(&other.path) || other.path.starts_with(&share.path);
        if config.file_share[..i].iter().any(|other| other.name == share.name || is_nested(other)) {
            found.add(format!("file_share.{i}"), "has the name of another [[file_share]], or lies in its folder");
        }
    }
    for (key, message) in config.pages.faults() {
        found.add(key, message);
    }
    for (key, message) in config.dicomweb.faults() {
        found.add(key, message);
    }
    for (key, message) in config.api.faults() {
        found.add(key, message);
    }
    if config.api.max_wait_ms >= config.http.request_timeout_ms {
        found.add("api.max_wait_ms", "must be shorter than http.request_timeout_ms");
    }
    dicomweb_clients(config, found);
    operations_clients(config, found);
    certificates(config, found);
    api_clients(config, found);
    if let Err(error) = config.log.check() {
        found.add("log", error.to_string());
    }
    for error in config.registry_settings().check() {
        found.add("registry", error.to_string());
    }
}

/// A bearer token must say by itself who calls, and an object must have an owner.
fn dicomweb_clients(config: &Config, found: &mut Found) {
    let mut keys = HashSet::new();
    for (i, client) in config.client.iter().enumerate().filter(|(_, c)| c.dicomweb != DicomwebRight::None) {
        if client.key_mode != KeyMode::Plain {
            found.add(format!("client.{i}.key_mode"), "must be plain for a client that uses DICOMweb");
        }
        if !client.key.is_empty() && !keys.insert(client.key.as_str()) {
            found.add(format!("client.{i}.key"), "is also the key of another client that uses DICOMweb");
        }
        let owner = client.stores_for().unwrap_or_default();
        let known = config.organization.iter().any(|organization| organization.code == owner);
        if client.dicomweb == DicomwebRight::ReadAndStore && !known {
            found.add(format!("client.{i}.store_organization"), "must be a configured [[organization]] code");
        }
    }
}

/// A key that is only proved by dates cannot be said as a token.
fn operations_clients(config: &Config, found: &mut Found) {
    for (i, client) in config.client.iter().enumerate().filter(|(_, client)| client.operations) {
        if client.key_mode != KeyMode::Plain {
            found.add(format!("client.{i}.key_mode"), "must be plain for a client that looks at operations");
        }
    }
}

/// Who is known by a certificate must be asked for it, and must be the only one who is known by it.
fn certificates(config: &Config, found: &mut Found) {
    let tls = &config.http.tls;
    let asked = tls.listen.is_some() && tls.client_certificate != ClientCertificate::None;
    let clients = config.client.iter().enumerate().map(|(i, client)| (format!("client.{i}"), &client.certificate));
    let senders = config.sender.iter().enumerate().map(|(i, sender)| (format!("sender.{i}"), &sender.certificate));
    for (owner, certificate) in clients.chain(senders) {
        if !certificate.is_empty() && !asked {
            let message = "is set, but http.tls asks no caller for a certificate, so it can never call";
            found.add(format!("{owner}.certificate"), message);
        }
    }
    let mut owned = HashSet::new();
    for (i, client) in config.client.iter().enumerate() {
        let mut own: Vec<String> = client.certificate.iter().map(ToString::to_string).collect();
        own.sort();
        own.dedup();
        if own.into_iter().any(|name| !owned.insert(name)) {
            found.add(format!("client.{i}.certificate"), "is also that of another [[client]]");
        }
    }
}

/// A bearer token must say by itself who calls.
fn api_clients(config: &Config, found: &mut Found) {
    let mut keys = HashSet::new();
    for (i, _) in config.client.iter().enumerate().filter(|(_, c)| c.recognitions && c.api == ApiRight::None) {
        found.add(format!("client.{i}.recognitions"), "needs api to be query or follow");
    }
    for (i, client) in config.client.iter().enumerate().filter(|(_, c)| c.api != ApiRight::None) {
        if client.key_mode != KeyMode::Plain {
            found.add(format!("client.{i}.key_mode"), "must be plain for a client with api");
        }
        if !client.key.is_empty() && !keys.insert(client.key.as_str()) {
            found.add(format!("client.{i}.key"), "is also the key of another client with api");
        }
    }
}

/// SQLite keeps a database without a file in memory, where it is gone with the program.
fn lasts_not(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("sqlite:") else { return false };
    let (path, options) = rest.split_once('?').unwrap_or((rest, ""));
    path.trim_start_matches('/').is_empty() || path.contains(":memory:") || options.contains("mode=memory")
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
    for (i, upstream) in config.upstream.iter().enumerate() {
        named.extend(upstream.organizations.iter().map(|code| (format!("upstream.{i}.organizations"), code)));
    }
    for (i, share) in config.file_share.iter().enumerate() {
        named.push((format!("file_share.{i}.organization"), &share.organization));
    }
    for (i, peer) in config.peer.iter().enumerate() {
        named.push((format!("peer.{i}.organization"), &peer.organization));
        let codes = peer.query_organizations.iter().filter(|code| *code != "*");
        named.extend(codes.map(|code| (format!("peer.{i}.query_organizations"), code)));
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
    let mut judge = |key: String, secret: &str| {
        if let Some(why) = secret_fault(secret).filter(|_| !secret.is_empty()) {
            found.add(key, why);
        }
    };
    for (i, client) in config.client.iter().enumerate() {
        judge(format!("client.{i}.key"), &client.key);
    }
    for (i, sender) in config.sender.iter().enumerate() {
        judge(format!("sender.{i}.app_id"), &sender.app_id);
        judge(format!("sender.{i}.basic_password"), &sender.basic_password);
    }
    for (i, sender) in config.sender.iter().enumerate() {
        if !sender.basic_user.is_empty() && sender.basic_password.is_empty() {
            found.add(format!("sender.{i}.basic_password"), "is missing, though basic_user is set");
        }
    }
}

/// Entries that cannot be told apart: only the first of them would ever be used.
fn twins(config: &Config, found: &mut Found) {
    let mut guids = HashSet::new();
    for (i, customer) in config.customer.iter().enumerate().filter(|(_, customer)| !customer.guid.is_empty()) {
        if !guids.insert(customer.guid.to_ascii_lowercase()) {
            found.add(format!("customer.{i}.guid"), "stands twice");
        }
    }
    let default = &config.pages.default_customer;
    // One that is kept in the database is not known here.
    let may_be_kept = !config.pages.customer_key.0.is_empty();
    if !default.is_empty() && !may_be_kept && !guids.contains(&default.to_ascii_lowercase()) {
        found.add("pages.default_customer", "is the guid of no [[customer]]");
    }
    let mut callers = HashSet::new();
    for (i, peer) in config.peer.iter().enumerate() {
        let mut from: Vec<String> = peer.addresses.iter().map(ToString::to_string).collect();
        from.sort();
        from.extend(peer.certificate.iter().map(ToString::to_string));
        // The host counts only where neither addresses nor certificates are given.
        if from.is_empty() {
            from.push(peer.host.to_ascii_lowercase());
        }
        if !callers.insert((peer.ae_title.to_string(), from)) {
            found.add(format!("peer.{i}"), "has the ae_title and the addresses of another [[peer]]");
        }
    }
    let meet = |a: SocketAddr, b: SocketAddr| {
        let ports = a.port() != 0 && a.port() == b.port();
        ports && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
    };
    let (http, dicom) = (config.http.listen, config.dicom.listen);
    if meet(http, dicom) {
        found.add("dicom.listen", "is the port of http.listen");
    }
    if config.dicom.tls.listen.is_some_and(|tls| meet(tls, http) || meet(tls, dicom)) {
        found.add("dicom.tls.listen", "is the port of http.listen or dicom.listen");
    }
    let others = [Some(http), Some(dicom), config.dicom.tls.listen];
    if config.http.tls.listen.is_some_and(|tls| others.into_iter().flatten().any(|other| meet(tls, other))) {
        found.add("http.tls.listen", "is the port of http.listen, dicom.listen or dicom.tls.listen");
    }
}

/// A server that others can reach must know who they are.
fn exposure(config: &Config, found: &mut Found) {
    let nobody = config.sender.is_empty() && config.customer.is_empty() && config.client.is_empty();
    if config.http.is_exposed() && nobody && config.pages.customer_key.0.is_empty() {
        let key = if config.http.listen.ip().is_loopback() { "http.tls.listen" } else { "http.listen" };
        found.add(
            key,
            "is reachable from other machines, but no [[sender]], [[client]] or [[customer]] is configured; \
             listen on 127.0.0.1 or say who may call",
        );
    }
    for (i, sender) in config.sender.iter().enumerate().filter(|_| config.http.is_exposed()) {
        let anywhere = |text: &String| text.trim().parse::<IpNet>().is_ok_and(|network| network.prefix_len() == 0);
        let proves_nothing = sender.app_id.is_empty() && sender.basic_user.is_empty() && sender.certificate.is_empty();
        if sender.addresses.iter().any(anywhere) && proves_nothing {
            let message = "let anybody register; name networks, certificate, app_id or basic_user";
            found.add(format!("sender.{i}.addresses"), message);
        }
    }
    if !config.dicom.listen.ip().is_loopback() && config.peer.is_empty() {
        found.add("dicom.listen", "is reachable from other machines, but no [[peer]] is configured");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<String> {
        find(&toml::from_str(text).unwrap())
            .into_iter()
            .map(|fault| format!("{}: {}", fault.key, fault.message))
            .collect()
    }

    #[test]
    fn a_configuration_of_defaults_has_no_fault() {
        assert_eq!(keys(""), Vec::<String>::new());
    }

    #[test]
    fn each_mistake_is_told_with_its_key() {
        let guid =
            "guid = '11111111-2222-4333-8444-555555555555'\nsecret = 'a-long-and-odd-secret-7'\norganization = 'A'";
        let twins = format!("[[organization]]\nname = 'a'\ncode = 'A'\n[[customer]]\n{guid}\n[[customer]]\n{guid}");
        let peer = "[[peer]]\nae_title = 'P'\nhost = 'h'\norganization = 'A'\n";
        let peers = format!("[[organization]]\nname = 'a'\ncode = 'A'\n{peer}{peer}");
        let beyond = "[[organization]]\nname = 'a'\ncode = 'A'\n[[peer]]\nae_title = 'P'\nhost = 'h'\n\
                      organization = 'A'\nquery_organizations = ['*', 'B']";
        let open = "[http]\nlisten = '0.0.0.0:0'\n[[sender]]\nname = 'a'\norganizations = ['*']\naddresses = ['::/0']";
        let client = |right: &str, more: &str| {
            format!("[[client]]\nid = 'a'\nkey = 'a-long-and-odd-secret-8'\ndicomweb = '{right}'\n{more}")
        };
        let cases = [
            ("[database]\nurl = 'sqlite://'", "database.url"),
            ("[database]\nurl = 'sqlite::memory:'", "database.url"),
            ("[objects]\nurl = 's3://'", "objects.url"),
            ("[objects]\njournal = 'journal'", "objects.journal"),
            (twins.as_str(), "customer.1.guid"),
            (peers.as_str(), "peer.1"),
            (beyond, "peer.0.query_organizations"),
            ("[[client]]\nid = 'a'\nkey = 'changeme-changeme'", "client.0.key"),
            (open, "sender.0.addresses"),
            ("[qr]\nsize_mm = nan", "qr.size_mm"),
            ("[qr]\nmargin_mm = -1.0", "qr.margin_mm"),
            ("[audit]\nkeep_days = 179", "audit.keep_days: must be at least 180"),
            ("[pages]\npage_size = 0", "pages.page_size"),
            ("[pages]\nsession_idle_minutes = 0", "pages.session_idle_minutes"),
            ("[pages]\nprefix = ''", "pages.prefix"),
            ("[pages]\ndefault_customer = 'x'", "pages.default_customer"),
            ("[registry]\nmax_items = 0", "registry: registry.max_items"),
            ("[registry]\nmax_body_bytes = 0", "registry: registry.max_body_bytes"),
            ("[registry]\naliases = ['/a', '/a']", "registry: registry.aliases: /a"),
            ("[registry]\naliases = ['/Metrics']", "registry: registry: /Metrics"),
            ("[dicom]\nlisten = '127.0.0.1:8080'", "dicom.listen"),
            ("[dicomweb]\nmax_results = 0", "dicomweb.max_results"),
            ("[dicomweb]\nmax_results = 100001", "dicomweb.max_results"),
            ("[dicomweb.find]\npage_rows = 5001", "dicomweb.find.page_rows"),
            ("[dicomweb.find]\nmax_examined_rows = 0", "dicomweb.find.max_examined_rows"),
            (&client("read_and_store", ""), "client.0.store_organization"),
            (&client("read", "key_mode = 'md5_date'"), "client.0.key_mode"),
            (&client("none", "certificate = ['cn:a']"), "client.0.certificate"),
            ("[http.tls]\nlisten = '127.0.0.1:0'", "http: http.tls.listen needs certificate_file"),
            ("[http.tls]\nlisten = '127.0.0.1:0'\ncertificate_file = 'none'\nkey_file = 'none'", "http: http.tls.cert"),
        ];
        for (text, key) in cases {
            let told = keys(text);
            assert!(told.len() == 1 && told[0].starts_with(key), "{key}: {told:?}");
        }
    }

    #[test]
    fn a_listener_with_tls_is_a_way_in_like_any_other() {
        let told = keys("[http.tls]\nlisten = '0.0.0.0:8443'").join("\n");
        assert!(told.contains("http.tls.listen: is reachable from other machines"), "{told}");
        let told = keys("[http.tls]\nlisten = '127.0.0.1:8080'").join("\n");
        assert!(told.contains("http.tls.listen: is the port of"), "{told}");
        let client = |id: &str| format!("[[client]]\nid = '{id}'\ncertificate = ['cn:b', 'cn:a', 'cn:a']\n");
        let told = keys(&(client("a") + &client("b"))).join("\n");
        assert!(told.contains("client.1.certificate: is also that of another"), "{told}");
        assert!(!told.contains("client.0.certificate: is also"), "{told}");
    }

    #[test]
    fn every_faulty_sender_is_told() {
        let told = keys("[[sender]]\nname = 'a'\n[[sender]]\nname = 'b'").join("\n");
        assert!(told.contains("sender a") && told.contains("sender b"), "{told}");
    }
}
