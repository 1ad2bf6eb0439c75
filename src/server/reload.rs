//! What of the configuration a running server takes over: who may call.
//!
//! Institutions, peers, senders, clients and customers are replaced together, or not at all. What has begun ends under the
//! lists with which it began; each request of HTTP after it goes by a router that was made anew, so what the doors only
//! remember (kept pictures, counts of attempts) begins anew too. Everything else waits for a restart, and is named.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use serde_json::{Map, Value};

use super::{Error, reading_back, router};
use crate::archive::Archive;
use crate::config::{self, Config};
use crate::dimse::PeerConfig;
use crate::dimse::availability::AvailabilityNotification;
use crate::domain::live::Live;
use crate::tls::CertificateMatch;
use crate::web::health::Readiness;

/// Sections that are taken over as a whole.
const LISTS: [&str; 4] = ["peer", "sender", "client", "customer"];

/// Why nothing was taken over.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The lists do not go with what only a restart changes.
    #[error("with all else as it was at the start, {0}")]
    Faults(#[from] config::Error),
    /// The doors cannot be opened with them.
    #[error(transparent)]
    Doors(#[from] Error),
}

/// What follows the configuration while the server runs.
#[derive(Debug)]
pub struct Reload {
    /// What the server was started with.
    pub(super) started: Config,
    pub(super) archive: Archive,
    pub(super) peers: Live<[PeerConfig]>,
    pub(super) router: Live<Router>,
    pub(super) readiness: Arc<Readiness>,
}

impl Reload {
    /// Takes over who may call from a configuration that has been read and checked, and names what else is not as it was
    /// at the start. An error changes nothing.
    pub fn take_over(&self, read: Config) -> Result<Vec<String>, ReloadError> {
        let waiting = waits_for_restart(&self.started, &read);
        let Config { organization, peer, sender, client, customer, .. } = read;
        let config = Config { organization, peer, sender, client, customer, ..self.started.clone() };
        let config = config.checked()?;
        let made = router(&config, &self.archive, Arc::clone(&self.readiness))?;
        self.peers.replace(config.peer);
        self.router.replace(made);
        Ok(waiting)
    }
}

/// What differs and is only looked at by a start.
fn waits_for_restart(started: &Config, read: &Config) -> Vec<String> {
    let (before, now) = (sections(started), sections(read));
    let is_other = |name: &str, value: &Value| !LISTS.contains(&name) && before.get(name) != Some(value);
    let mut waiting: Vec<String> =
        now.iter().filter(|(name, value)| is_other(name, value)).map(|(name, _)| name.clone()).collect();
    let told = |config: &Config| AvailabilityNotification::rules(&started.dicom, &config.peer);
    let charsets = |config: &Config| reading_back(config, None).charsets;
    let parts = [
        ("peer, from which images are fetched", fetched_from(started) != fetched_from(read)),
        ("peer, to which an [[upstream]] forwards", forwarded_to(started) != forwarded_to(read)),
        ("peer.notify_availability", told(started) != told(read)),
        ("peer.charset, for what is stored already", charsets(started) != charsets(read)),
        ("certificate sha256:…, for the handshake of TLS", pinned(started) != pinned(read)),
    ];
    waiting.extend(parts.into_iter().filter(|(_, differs)| *differs).map(|(part, _)| part.to_owned()));
    waiting
}

fn sections(config: &Config) -> Map<String, Value> {
    match serde_json::to_value(config) {
        Ok(Value::Object(sections)) => sections,
        _ => Map::new(),
    }
}

fn fetched_from(config: &Config) -> Vec<Option<Value>> {
    let is_it = |peer: &&PeerConfig| !peer.fetched_organizations().is_empty();
    config.peer.iter().filter(is_it).map(|peer| serde_json::to_value(peer).ok()).collect()
}

fn forwarded_to(config: &Config) -> Vec<Option<Value>> {
    let is_it = |peer: &&PeerConfig| config.upstream.iter().any(|upstream| upstream.peer == peer.ae_title.as_str());
    config.peer.iter().filter(is_it).map(|peer| serde_json::to_value(peer).ok()).collect()
}

fn pinned(config: &Config) -> BTreeSet<[u8; 32]> {
    let of_peers = config.peer.iter().flat_map(|peer| &peer.certificate);
    of_peers.chain(config.caller_certificates()).filter_map(CertificateMatch::fingerprint).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_a_start_looks_at_is_named() {
        let peer = "[[peer]]\nae_title = 'P'\nhost = 'h'\norganization = 'A'\n";
        let waiting = |started: &str, read: &str| {
            waits_for_restart(&toml::from_str(started).unwrap(), &toml::from_str(read).unwrap())
        };
        assert_eq!(waiting("", ""), Vec::<String>::new());
        assert_eq!(waiting("", &format!("{peer}[[sender]]\nname = 'a'\n")), Vec::<String>::new());
        assert_eq!(waiting("", "[jobs]\nworkers = 9\n[http]\nhsts_seconds = 1"), ["http", "jobs"]);
        assert_eq!(waiting(peer, &format!("{peer}retrieve = 'get'")), ["peer, from which images are fetched"]);
        assert_eq!(waiting(peer, &format!("{peer}notify_availability = true")), ["peer.notify_availability"]);
        assert_eq!(waiting(peer, &format!("{peer}charset = 'GBK'")), ["peer.charset, for what is stored already"]);
    }
}
