//! Who calls: senders by address, certificate, header or password (D-R28), clients by id and key or certificate (D-Q5).
//!
//! All comparisons of secrets take the same time whether they match or not. Nothing here is logged.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use ipnet::IpNet;
use md5::Md5;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::config::{
    Acknowledgement, ClientConfig, ConfigError, KeyMode, RegistryConfig, SenderConfig, networks, secret,
};
use crate::archive::reports::prepare_report::RegistrationRules;
use crate::domain::date_time::Moment;
use crate::tls::{CertificateMatch, PeerCertificate};

/// By which a sender may prove who it is.
pub(super) const APP_ID: &str = "x-app-id";

/// The certificate that a caller has shown.
pub(super) type Shown<'c> = Option<&'c PeerCertificate>;

/// A configured sender.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) config: SenderConfig,
    pub(super) rules: Arc<RegistrationRules>,
    networks: Vec<IpNet>,
    app_id: String,
    basic: Option<String>,
}

impl Sender {
    pub(super) fn new(
        config: SenderConfig,
        registry: &RegistryConfig,
        known: &BTreeSet<String>,
    ) -> Result<Self, ConfigError> {
        let owner = format!("sender {}", config.name);
        let networks = networks(&owner, &config.addresses)?;
        let app_id = secret(&owner, &config.app_id, config.app_id_file.as_ref())?;
        let password = secret(&owner, &config.basic_password, config.basic_password_file.as_ref())?;
        let basic = (!config.basic_user.is_empty()).then(|| format!("{}:{password}", config.basic_user));
        if networks.is_empty() && app_id.is_empty() && basic.is_none() && config.certificate.is_empty() {
            return Err(ConfigError::OpenSender(config.name));
        }
        if config.organizations.is_empty() {
            return Err(ConfigError::NoOrganization(config.name));
        }
        let placeholders = ["{result}", "{message}", "{total}", "{succeeded}", "{failed}"];
        let says_something = placeholders.iter().any(|placeholder| config.ack_template.contains(placeholder));
        if config.ack == Acknowledgement::Template && !says_something {
            return Err(ConfigError::NoTemplate(config.name));
        }
        let everywhere = config.organizations.iter().any(|org| org == "*");
        let rules = RegistrationRules {
            validation: config.validation.unwrap_or(registry.validation),
            organizations: known.clone(),
            auto_org: registry.auto_org,
            allowed: (!everywhere).then(|| config.organizations.iter().cloned().collect()),
            restricted: registry.restricted_confidentiality.clone(),
            modalities: registry.modalities(),
            replace_items: config.subitems_replace,
        };
        Ok(Self { config, rules: Arc::new(rules), networks, app_id, basic })
    }

    /// Whether the request comes from this sender: everything that is configured must fit.
    pub(super) fn is_caller(&self, address: IpAddr, certificate: Shown<'_>, headers: &HeaderMap) -> bool {
        let app_id = headers.get(APP_ID).map(|value| value.as_bytes()).unwrap_or_default();
        let app_id_fits = self.app_id.is_empty() || same(app_id, self.app_id.as_bytes());
        app_id_fits && self.fits_beside_app_id(address, certificate, headers)
    }

    /// Whether the request may turn out to come from this sender: a service bus says its credential in the message.
    pub(super) fn may_be_caller(&self, address: IpAddr, certificate: Shown<'_>, headers: &HeaderMap) -> bool {
        let may_follow = !self.app_id.is_empty() && !headers.contains_key(APP_ID);
        may_follow && self.fits_beside_app_id(address, certificate, headers)
    }

    fn fits_beside_app_id(&self, address: IpAddr, certificate: Shown<'_>, headers: &HeaderMap) -> bool {
        let from_here = self.networks.is_empty() || contains(&self.networks, address);
        let basic_fits = self.basic.as_ref().is_none_or(|expected| same(&basic_of(headers), expected.as_bytes()));
        from_here && basic_fits && fits(&self.config.certificate, certificate)
    }

    fn may_register(&self, organizations: &[String]) -> bool {
        self.rules.allowed.as_ref().is_none_or(|allowed| organizations.iter().all(|org| allowed.contains(org)))
    }
}

/// The sender that a request with records of these organisations comes from. Several systems may share an address, as
/// behind one service bus: the one that proves most comes first, then the one whose organisations they are, then the one
/// that is configured first.
pub(super) fn sender_of<'s>(
    senders: &'s [Sender],
    address: IpAddr,
    certificate: Shown<'_>,
    headers: &HeaderMap,
    organizations: &[String],
) -> Option<&'s Sender> {
    let rank = |sender: &Sender| {
        let proofs = [!sender.app_id.is_empty(), sender.basic.is_some(), !sender.config.certificate.is_empty()];
        (proofs.into_iter().filter(|proof| *proof).count(), sender.may_register(organizations))
    };
    let callers = senders.iter().rev().filter(|sender| sender.is_caller(address, certificate, headers));
    // Of equals the last one is the greatest.
    callers.max_by_key(|sender| rank(sender))
}

fn basic_of(headers: &HeaderMap) -> Vec<u8> {
    let text = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let encoded = match text.split_once(' ') {
        Some((scheme, encoded)) if scheme.eq_ignore_ascii_case("basic") => encoded.trim(),
        _ => return Vec::new(),
    };
    base64::engine::general_purpose::STANDARD.decode(encoded).unwrap_or_default()
}

/// A configured client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) config: ClientConfig,
    networks: Vec<IpNet>,
    key: String,
}

impl Client {
    pub(super) fn new(config: ClientConfig) -> Result<Self, ConfigError> {
        let owner = format!("client {}", config.id);
        let networks = networks(&owner, &config.addresses)?;
        let key = secret(&owner, &config.key, config.key_file.as_ref())?;
        if key.is_empty() && config.certificate.is_empty() {
            return Err(ConfigError::NoKey(config.id));
        }
        Ok(Self { config, networks, key })
    }

    fn accepts(&self, key: &str, now: Moment) -> bool {
        if self.key.is_empty() {
            // Known by its certificate alone.
            return !self.config.certificate.is_empty();
        }
        match self.config.key_mode {
            KeyMode::Plain => same(key.as_bytes(), self.key.as_bytes()),
            // Clocks around midnight: yesterday's and tomorrow's date are good too.
            KeyMode::Md5Date | KeyMode::HmacDate => [-1, 0, 1].into_iter().fold(false, |found, days| {
                let day = Moment::from_epoch_ms(now.epoch_ms() + days * 86_400_000).compact_date();
                found | same(key.to_lowercase().as_bytes(), self.proof(&day).as_bytes())
            }),
        }
    }

    fn proof(&self, day: &str) -> String {
        let id = &self.config.id;
        match self.config.key_mode {
            KeyMode::HmacDate => hex::encode(hmac_sha256(self.key.as_bytes(), format!("{id}{day}").as_bytes())),
            _ => hex::encode(Md5::digest(format!("{id}{day}{}", self.key))),
        }
    }
}

/// The client that a query comes from. No credentials at all are good enough for a known address when so configured.
pub(super) fn client_of<'c>(
    clients: &'c [Client],
    anonymous: bool,
    address: IpAddr,
    certificate: Shown<'_>,
    (id, key): (&str, &str),
    now: Moment,
) -> Option<&'c Client> {
    let from_here = |client: &Client| client.networks.is_empty() || contains(&client.networks, address);
    let shows = |client: &Client| fits(&client.config.certificate, certificate);
    if id.is_empty() && key.is_empty() {
        let bound = |client: &&Client| !client.config.certificate.is_empty() && shows(client) && from_here(client);
        let mut bound = clients.iter().filter(bound);
        return match (bound.next(), bound.next()) {
            (Some(only), None) => Some(only),
            (None, _) if anonymous => {
                clients.iter().find(|client| contains(&client.networks, address) && shows(client))
            }
            _ => None,
        };
    }
    let client = clients.iter().find(|client| client.config.id == id)?;
    (client.accepts(key, now) && from_here(client) && shows(client)).then_some(client)
}

/// Whether the certificate is one of those that are asked for, if any are.
fn fits(known: &[CertificateMatch], shown: Shown<'_>) -> bool {
    known.is_empty() || shown.is_some_and(|shown| shown.is_one_of(known))
}

fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

/// Compares digests, so that neither content nor length shows in the time taken.
fn same(given: &[u8], expected: &[u8]) -> bool {
    Sha256::digest(given).ct_eq(&Sha256::digest(expected)).into()
}

/// RFC 2104.
fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0u8; 64];
    match key.len() {
        0..=64 => block[..key.len()].copy_from_slice(key),
        _ => block[..32].copy_from_slice(&Sha256::digest(key)),
    }
    let inner = Sha256::new().chain_update(block.map(|b| b ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block.map(|b| b ^ 0x5C)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(config: ClientConfig) -> Vec<Client> {
        vec![Client::new(ClientConfig { id: "region".into(), key: "unit-test-key-0001".into(), ..config }).unwrap()]
    }

    fn knows(clients: &[Client], anonymous: bool, credentials: (&str, &str)) -> bool {
        let now = crate::domain::date_time::parse("2024-03-24 12:00:00").unwrap().unwrap();
        client_of(clients, anonymous, "10.1.2.3".parse().unwrap(), None, credentials, now).is_some()
    }

    /// A certificate, and what it is known by; the handshake has verified it, so any bytes will do.
    fn shown(content: &'static [u8]) -> (PeerCertificate, CertificateMatch) {
        let name = format!("sha256:{}", hex::encode(Sha256::digest(content)));
        let certificate = rustls::pki_types::CertificateDer::from(content);
        (PeerCertificate(Arc::new(certificate)), CertificateMatch::try_from(name).unwrap())
    }

    #[test]
    fn a_client_that_is_bound_to_a_certificate_must_show_it_and_needs_no_key() {
        let ((own, name), (other, _)) = (shown(b"own"), shown(b"other"));
        let config = ClientConfig { id: "region".into(), certificate: vec![name], ..ClientConfig::default() };
        let with_key = Client::new(ClientConfig { key: "unit-test-key-0001".into(), ..config.clone() }).unwrap();
        let (without_key, with_key) = (vec![Client::new(config).unwrap()], vec![with_key]);
        let now = Moment::from_epoch_ms(0);
        let here: IpAddr = "10.1.2.3".parse().unwrap();
        let knows = |clients: &[Client], certificate: Shown<'_>, credentials| {
            client_of(clients, false, here, certificate, credentials, now).is_some()
        };
        for clients in [&without_key, &with_key] {
            assert!(knows(clients, Some(&own), ("", "")));
            assert!(knows(clients, Some(&own), ("region", "unit-test-key-0001")));
            assert!(!knows(clients, Some(&other), ("region", "unit-test-key-0001")));
            assert!(!knows(clients, None, ("region", "unit-test-key-0001")));
            assert!(!knows(clients, None, ("", "")));
            assert!(!knows(clients, Some(&own), ("other", "")));
        }
        assert!(!knows(&with_key, Some(&own), ("region", "unit-test-key-0002")), "a key that is said must be right");
        assert!(Client::new(ClientConfig { id: "open".into(), ..ClientConfig::default() }).is_err());
    }

    #[test]
    fn d_r28_a_sender_may_be_bound_to_a_certificate() {
        let ((own, name), (other, _)) = (shown(b"own"), shown(b"other"));
        let config = SenderConfig {
            name: "ris".into(),
            organizations: vec!["ORG-T01".into()],
            certificate: vec![name],
            ..SenderConfig::default()
        };
        let sender = Sender::new(config, &RegistryConfig::default(), &BTreeSet::new()).unwrap();
        let is_caller = |certificate| sender.is_caller("192.0.2.1".parse().unwrap(), certificate, &HeaderMap::new());
        assert!(is_caller(Some(&own)));
        assert!(!is_caller(Some(&other)) && !is_caller(None));
    }

    #[test]
    fn d_q5_id_and_key_must_fit() {
        let clients = client(ClientConfig::default());
        assert!(knows(&clients, false, ("region", "unit-test-key-0001")));
        assert!(!knows(&clients, false, ("region", "unit-test-key-0002")));
        assert!(!knows(&clients, false, ("other", "unit-test-key-0001")));
        assert!(!knows(&clients, true, ("", "")));
    }

    #[test]
    fn d_q5_a_known_address_may_ask_without_credentials_only_when_configured() {
        let clients = client(ClientConfig { addresses: vec!["10.1.0.0/16".into()], ..ClientConfig::default() });
        assert!(knows(&clients, true, ("", "")));
        assert!(!knows(&clients, false, ("", "")));
        assert!(!knows(&clients, true, ("region", "")));
    }

    #[test]
    fn d_q5_dated_proofs_are_accepted_for_the_day_and_its_neighbours() {
        let md5 = client(ClientConfig { key_mode: KeyMode::Md5Date, ..ClientConfig::default() });
        let hmac = client(ClientConfig { key_mode: KeyMode::HmacDate, ..ClientConfig::default() });
        for clients in [md5, hmac] {
            assert!(knows(&clients, false, ("region", &clients[0].proof("20240324").to_uppercase())));
            assert!(knows(&clients, false, ("region", &clients[0].proof("20240323"))));
            assert!(!knows(&clients, false, ("region", &clients[0].proof("20240320"))));
            assert!(!knows(&clients, false, ("region", "unit-test-key-0001")));
        }
    }

    #[test]
    fn the_hmac_is_that_of_rfc_4231() {
        let made = hex::encode(hmac_sha256(b"Jefe", b"what do ya want for nothing?"));
        assert_eq!(made, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn d_r28_of_senders_behind_one_address_the_one_that_proves_most_or_owns_the_records_is_taken() {
        let sender = |name: &str, app_id: &str, org: &str| {
            let config = SenderConfig {
                name: name.into(),
                addresses: vec!["10.1.2.3".into()],
                organizations: vec![org.into()],
                app_id: app_id.into(),
                ..SenderConfig::default()
            };
            Sender::new(config, &RegistryConfig::default(), &BTreeSet::new()).unwrap()
        };
        let senders = [sender("a", "", "A"), sender("b", "", "B"), sender("c", "unit-test-app-01", "A")];
        let here: IpAddr = "10.1.2.3".parse().unwrap();
        let of = |headers: &HeaderMap, orgs: &[&str]| {
            let orgs: Vec<String> = orgs.iter().map(|org| (*org).to_owned()).collect();
            sender_of(&senders, here, None, headers, &orgs).unwrap().config.name.clone()
        };
        let mut headers = HeaderMap::new();
        assert_eq!([of(&headers, &["A"]), of(&headers, &["B"]), of(&headers, &["A", "B"])], ["a", "b", "a"]);
        headers.insert("X-App-Id", "unit-test-app-01".parse().unwrap());
        assert_eq!([of(&headers, &["A"]), of(&headers, &["B"])], ["c", "c"]);
    }

    #[test]
    fn d_r28_address_header_and_password_must_all_fit() {
        let config = SenderConfig {
            name: "ris".into(),
            addresses: vec!["10.1.2.3".into()],
            organizations: vec!["ORG-T01".into()],
            app_id: "unit-test-app-01".into(),
            basic_user: "ris".into(),
            basic_password: "unit-test-pass".into(),
            ..SenderConfig::default()
        };
        let sender = Sender::new(config, &RegistryConfig::default(), &BTreeSet::new()).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("X-App-Id", "unit-test-app-01".parse().unwrap());
        let here: IpAddr = "::ffff:10.1.2.3".parse().unwrap();
        assert!(!sender.is_caller(here, None, &headers));
        let basic = base64::engine::general_purpose::STANDARD.encode("ris:unit-test-pass");
        headers.insert(AUTHORIZATION, format!("Basic {basic}").parse().unwrap());
        assert!(sender.is_caller(here, None, &headers));
        assert!(!sender.is_caller("10.1.2.4".parse().unwrap(), None, &headers));
        let open = SenderConfig { name: "open".into(), organizations: vec!["*".into()], ..SenderConfig::default() };
        let refused = Sender::new(open, &RegistryConfig::default(), &BTreeSet::new());
        assert!(matches!(refused, Err(ConfigError::OpenSender(_))));
    }
}
