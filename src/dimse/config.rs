//! `[dicom]` and `[[peer]]`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use rustls::pki_types::CertificateDer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::availability::AvailabilityConfig;
use super::scu::{QueryRoot, RetrieveMethod, ScuConfig};
use super::services::Service;
use super::storage_commitment::CommitmentConfig;
use super::sub_operations::SubOperationConfig;
use crate::archive::peers::find::{Confidentiality, FindLimits, MAX_PAGE_ROWS, Readable, Reads};
use crate::dicom::film::FilmRule;
use crate::dicom::header::HeaderLimits;
use crate::dicom::sop_class::PrivateClasses;
use crate::dicom::text::Charset;
use crate::domain::customer::Secret;
use crate::domain::{AeTitle, Uid};
use crate::tls::{CertificateMatch, ClientCertificate, ListenerKind, PeerTlsConfig, ServerTls, TlsConfig};

/// The DICOM listener.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DicomConfig {
    /// Address and port to listen on. Default `127.0.0.1:11112`.
    pub listen: SocketAddr,
    /// Our AE title; a caller that names another one is refused. Default `YINGKU`.
    pub ae_title: AeTitle,
    /// Associations at the same time; more are refused as a transient condition. Default 100.
    pub max_associations: usize,
    /// Associations of one calling AE title at the same time. Default 50.
    pub max_associations_per_peer: usize,
    /// Connections above `max_associations` that are still answered with a refusal; more are closed unread. Default 64.
    pub max_waiting_connections: usize,
    /// Longest P-DATA-TF PDU that we ask peers to send, in bytes. Default 131072.
    pub max_pdu_length: u32,
    /// Longest P-DATA-TF PDU that we send, in bytes, whatever more a peer takes. Default 131072.
    pub max_sent_pdu_length: u32,
    /// Longest A-ASSOCIATE-RQ that is read, in bytes. Default 262144.
    pub max_associate_request_bytes: u32,
    /// Presentation contexts of one association that are looked at; further ones are refused. Default 128.
    pub max_presentation_contexts: usize,
    /// Longest command set, in bytes. Default 16384.
    pub max_command_bytes: usize,
    /// Longest data set of one object, in bytes; a longer one ends the association. Default 17179869184 (16 GiB).
    pub max_object_bytes: u64,
    /// How far the header of an object is read for the index; what lies beyond is stored all the same.
    pub header: HeaderLimits,
    /// Series that are electronic films although their Modality is not `EFILM` (D-I5), by `[[dicom.film]]`. Default none.
    pub film: Vec<FilmRule>,
    /// Time an association may stay without a byte from its peer, in milliseconds. Default 60000.
    pub idle_timeout_ms: u64,
    /// ARTIM: time for the A-ASSOCIATE-RQ to come and for the connection to close at the end, in milliseconds. Default 10000.
    pub artim_timeout_ms: u64,
    /// Time for one PDU of ours to be taken by the peer, in milliseconds. Default 30000.
    pub write_timeout_ms: u64,
    /// Time that associations have to finish their message when the server stops, in milliseconds. Default 10000.
    pub shutdown_timeout_ms: u64,
    /// Character set of data sets that declare none or a wrong one; a peer may have its own (D-I17). Default `GB18030`.
    pub default_charset: Charset,
    /// Organisation whose data callers without a `[[peer]]` bring; without it they are refused. Default none.
    pub unknown_caller_organization: Option<String>,
    /// Whether private SOP classes are stored (D-I16). Default true.
    pub accept_private_sop_classes: bool,
    /// DICOM over TLS, on a port of its own.
    pub tls: TlsConfig,
    /// How queries (C-FIND) are answered.
    pub find: FindConfig,
    /// Storage commitment.
    pub commitment: CommitmentConfig,
    /// Giving objects out by C-MOVE and C-GET.
    pub retrieve: SubOperationConfig,
    /// Telling peers that studies are here (Instance Availability Notification).
    pub availability: AvailabilityConfig,
}

impl Default for DicomConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 11112)),
            #[expect(clippy::unwrap_used, reason = "a literal that a test parses too")]
            ae_title: AeTitle::parse("YINGKU").unwrap(),
            max_associations: 100,
            max_associations_per_peer: 50,
            max_waiting_connections: 64,
            max_pdu_length: 128 * 1024,
            max_sent_pdu_length: 128 * 1024,
            max_associate_request_bytes: 256 * 1024,
            max_presentation_contexts: 128,
            max_command_bytes: 16 * 1024,
            max_object_bytes: 16 * 1024 * 1024 * 1024,
            header: HeaderLimits::default(),
            film: Vec::new(),
            idle_timeout_ms: 60_000,
            artim_timeout_ms: 10_000,
            write_timeout_ms: 30_000,
            shutdown_timeout_ms: 10_000,
            default_charset: Charset::gb18030(),
            unknown_caller_organization: None,
            accept_private_sop_classes: true,
            tls: TlsConfig::default(),
            find: FindConfig::default(),
            commitment: CommitmentConfig::default(),
            retrieve: SubOperationConfig::default(),
            availability: AvailabilityConfig::default(),
        }
    }
}

impl DicomConfig {
    /// What is wrong with these values, one sentence each; empty when nothing is.
    pub fn faults(&self, peers: &[PeerConfig]) -> Vec<String> {
        let mut faults = Vec::new();
        for (key, value) in [("max_pdu_length", self.max_pdu_length), ("max_sent_pdu_length", self.max_sent_pdu_length)]
        {
            if !(4096..=4 * 1024 * 1024).contains(&value) {
                faults.push(format!("dicom.{key} is {value}; it must be 4096 to 4194304"));
            }
        }
        faults.extend(self.film.iter().flat_map(FilmRule::faults));
        if self.max_associate_request_bytes < 16 * 1024 {
            faults.push("dicom.max_associate_request_bytes must be 16384 at least".to_owned());
        }
        if self.max_associations == 0 || self.max_associations_per_peer == 0 {
            faults.push("dicom.max_associations and dicom.max_associations_per_peer must be 1 at least".to_owned());
        }
        if !(1..=MAX_PAGE_ROWS).contains(&self.find.limits.page_rows) {
            faults.push(format!("dicom.find.limits.page_rows must be 1 to {MAX_PAGE_ROWS}"));
        }
        if self.find.limits.max_examined_rows == 0 {
            faults.push("dicom.find.limits.max_examined_rows must be 1 at least".to_owned());
        }
        if self.find.max_matches == 0 || self.find.max_identifier_bytes < 4096 || self.find.match_timeout_ms == 0 {
            let what = "dicom.find.max_matches and match_timeout_ms must be 1 at least, max_identifier_bytes 4096";
            faults.push(what.to_owned());
        }
        if self.availability.max_instances == 0 {
            faults.push("dicom.availability.max_instances must be 1 at least".to_owned());
        }
        let tls_is_open = self.tls.listen.is_some_and(|listen| !listen.ip().is_loopback());
        let anybody = tls_is_open && self.tls.client_certificate != ClientCertificate::Required;
        if (!self.listen.ip().is_loopback() || anybody) && self.unknown_caller_organization.is_some() {
            faults.push("dicom.unknown_caller_organization lets anybody store; use it on loopback only".to_owned());
        }
        let is_open = tls_is_open || !self.listen.ip().is_loopback();
        if is_open && peers.is_empty() && self.unknown_caller_organization.is_none() {
            faults.push("dicom.listen is open to the network but no [[peer]] may call".to_owned());
        }
        let cannot_call =
            |peer: &&PeerConfig| peer.host.is_empty() && peer.addresses.is_empty() && peer.certificate.is_empty();
        for peer in peers.iter().filter(cannot_call) {
            faults.push(format!(
                "peer {} has neither host nor addresses nor certificate, so it can never call",
                peer.ae_title
            ));
        }
        if let Err(error) =
            ServerTls::load(ListenerKind::Dicom, &self.tls, peers.iter().flat_map(|peer| &peer.certificate))
        {
            faults.push(error.to_string());
        }
        for peer in peers {
            faults.extend(peer.own_faults(&self.tls));
        }
        for peer in peers {
            faults.extend(peer.scu.faults(&peer.ae_title, &peer.organization, peer.retrieve));
            if peer.retrieve != RetrieveMethod::Off && peer.host.is_empty() {
                faults.push(format!("peer {} has no host, so nothing can be fetched from it", peer.ae_title));
            }
            if peer.notify_availability && peer.host.is_empty() {
                faults.push(format!("peer {} has no host, so it cannot be told of studies", peer.ae_title));
            }
            let may_store = peer.services.as_ref().is_none_or(|services| services.contains(&Service::Store));
            if peer.retrieve == RetrieveMethod::Move && !may_store {
                faults.push(format!("peer {}: what a C-MOVE brings needs `store` among its services", peer.ae_title));
            }
        }
        faults
    }

    pub(super) fn private_classes(&self) -> PrivateClasses {
        if self.accept_private_sop_classes { PrivateClasses::Accepted } else { PrivateClasses::Refused }
    }
}

/// How queries (C-FIND) are answered.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FindConfig {
    /// Matches of one query; when there are more, these are sent and the query ends with A700H. Default 20000.
    pub max_matches: u64,
    /// Longest identifier, in bytes. Default 1048576.
    pub max_identifier_bytes: usize,
    /// Time the index may take for the next match, in milliseconds; then the query ends with A700H. Default 60000.
    pub match_timeout_ms: u64,
    /// Whether queries without the unique keys of the levels above are answered although relational queries were not
    /// negotiated, as some workstations ask. Default false.
    pub relational_always: bool,
    /// How much of the index one query may read.
    pub limits: FindLimits,
}

impl Default for FindConfig {
    fn default() -> Self {
        Self {
            max_matches: 20_000,
            max_identifier_bytes: 1024 * 1024,
            match_timeout_ms: 60_000,
            relational_always: false,
            limits: FindLimits::default(),
        }
    }
}

/// A DICOM application that may call us and can be called.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PeerConfig {
    /// Its AE title. Several entries may share one when their addresses differ.
    pub ae_title: AeTitle,
    /// Where it listens: a name or an address. Empty when it is never called.
    #[serde(default)]
    pub host: String,
    /// Port it listens on. Default 104.
    #[serde(default = "default_port")]
    pub port: u16,
    /// Code of the organisation that its objects belong to.
    pub organization: String,
    /// Character set of its data sets that declare none or a wrong one. Default `dicom.default_charset`.
    #[serde(default)]
    pub charset: Option<Charset>,
    /// Character set of answers to its queries that name none. Default UTF-8.
    #[serde(default)]
    pub answer_charset: Option<Charset>,
    /// Codes of further organisations whose data it may ask for, or `["*"]` for every organisation; what is restricted,
    /// of VIPs or withdrawn there stays hidden (D-R18, D-R22). Default none: its own organisation's data only.
    #[serde(default)]
    pub query_organizations: Vec<String>,
    /// Addresses (CIDR) it may call from. Default: those of `host`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub addresses: Vec<IpNet>,
    /// How the images of registered exams are fetched from it (RAD-16): `off`, `move` or `get`. Default `off`.
    #[serde(default)]
    pub retrieve: RetrieveMethod,
    /// Information model of our queries: `study` or `patient`. Default `study`.
    #[serde(default)]
    pub query_root: QueryRoot,
    /// Certificates, one of which it must show, over TLS: `sha256:<fingerprint in hex>`, `cn:<common name of the subject>`
    /// or `dns:<name or address in subjectAltName>`. Its address then counts only where `addresses` are given. Default
    /// none: its address is enough.
    #[serde(default)]
    pub certificate: Vec<CertificateMatch>,
    /// User name that it must show in its association request (user identity negotiation). Default none.
    #[serde(default)]
    pub user: String,
    /// Passcode that it must show with the user name. Prefer `passcode_file`.
    #[serde(default)]
    pub passcode: Secret,
    /// File that holds the passcode.
    #[serde(default)]
    pub passcode_file: Option<PathBuf>,
    /// Transfer syntaxes (UIDs) in which it may send objects by C-STORE, the best first: of those that a presentation
    /// context offers the first in this list is taken, and a context with none of them is refused. What we fetch by C-MOVE
    /// comes this way too. Default: whatever it offers first.
    #[serde(default)]
    pub transfer_syntaxes: Vec<String>,
    /// What it may ask for: any of `echo`, `store`, `find`, `get`, `move`, `commit`. Default all.
    #[serde(default)]
    pub services: Option<Vec<Service>>,
    /// How it is called over TLS. Default in the clear.
    #[serde(default)]
    pub tls: Option<PeerTlsConfig>,
    /// Whether it is told by Instance Availability Notification when a study of its organisation is complete. Default
    /// false.
    #[serde(default)]
    pub notify_availability: bool,
    /// Associations that we open to it.
    #[serde(default)]
    pub scu: ScuConfig,
}

/// Stands in `query_organizations` for every organisation.
const EVERY_ORGANIZATION: &str = "*";

fn default_port() -> u16 {
    104
}

impl PeerConfig {
    /// The organisations whose exams are looked for at this peer; none when nothing is fetched from it.
    pub fn fetched_organizations(&self) -> &[String] {
        match self.retrieve {
            RetrieveMethod::Off => &[],
            _ if self.scu.organizations.is_empty() => std::slice::from_ref(&self.organization),
            _ => &self.scu.organizations,
        }
    }

    /// Whose data it may ask for: its own organisation's first.
    pub(super) fn reads(&self) -> Reads {
        let own = Readable { org_code: self.organization.clone(), confidentiality: Confidentiality::Everything };
        let mut named = vec![own];
        for org_code in self.query_organizations.iter().filter(|code| *code != EVERY_ORGANIZATION) {
            if named.iter().all(|known| known.org_code != *org_code) {
                let confidentiality = Confidentiality::SharedOnly;
                named.push(Readable { org_code: org_code.clone(), confidentiality });
            }
        }
        let asks_every = self.query_organizations.iter().any(|code| code == EVERY_ORGANIZATION);
        Reads { named, others: asks_every.then_some(Confidentiality::SharedOnly) }
    }

    fn own_faults(&self, tls: &TlsConfig) -> Vec<String> {
        let mut faults = Vec::new();
        let mut add = |what: &str| faults.push(format!("peer {}: {what}", self.ae_title));
        if self.transfer_syntaxes.iter().any(|uid| Uid::parse(uid).is_err()) {
            add("transfer_syntaxes has one that is no UID");
        }
        if !self.certificate.is_empty() && (tls.listen.is_none() || tls.client_certificate == ClientCertificate::None) {
            add("certificate is set, but dicom.tls asks no caller for one, so it can never call");
        }
        if self.user.is_empty() && (!self.passcode.0.is_empty() || self.passcode_file.is_some()) {
            add("passcode is set without user");
        }
        match self.tls.as_ref().map(|tls| tls.load(&self.host)) {
            Some(Err(error)) if !self.host.is_empty() => add(&error.to_string()),
            _ => {}
        }
        faults
    }

    /// Whether a connection from `address`, with this certificate, can be this peer. A host name is resolved each time.
    pub(super) async fn calls_from(&self, address: IpAddr, certificate: Option<&CertificateDer<'_>>) -> bool {
        if !self.certificate.is_empty() {
            let shown = certificate.is_some_and(|shown| self.certificate.iter().any(|known| known.fits(shown)));
            if !shown || self.addresses.is_empty() {
                return shown;
            }
        }
        let address = address.to_canonical();
        if !self.addresses.is_empty() {
            return self.addresses.iter().any(|network| network.contains(&address));
        }
        if let Ok(host) = self.host.parse::<IpAddr>() {
            let host = host.to_canonical();
            return host == address || (host.is_loopback() && address.is_loopback());
        }
        if self.host.is_empty() {
            return false;
        }
        match tokio::net::lookup_host((self.host.as_str(), self.port)).await {
            Ok(mut found) => found.any(|at| at.ip().to_canonical() == address),
            Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> PeerConfig {
        toml::from_str(text).unwrap()
    }

    #[tokio::test]
    async fn a_peer_calls_from_its_host_unless_addresses_say_otherwise() {
        let by_host = peer("ae_title = 'PACS01'\nhost = '192.0.2.7'\norganization = 'ORG-T01'");
        assert!(by_host.calls_from("192.0.2.7".parse().unwrap(), None).await);
        assert!(by_host.calls_from("::ffff:192.0.2.7".parse().unwrap(), None).await);
        assert!(!by_host.calls_from("192.0.2.8".parse().unwrap(), None).await);
        let by_net =
            peer("ae_title = 'PACS01'\nhost = '192.0.2.7'\norganization = 'ORG-T01'\naddresses = ['198.51.100.0/24']");
        assert!(by_net.calls_from("198.51.100.9".parse().unwrap(), None).await);
        assert!(!by_net.calls_from("192.0.2.7".parse().unwrap(), None).await);
        let nowhere = peer("ae_title = 'PACS01'\norganization = 'ORG-T01'");
        assert!(!nowhere.calls_from("127.0.0.1".parse().unwrap(), None).await);
    }

    #[test]
    fn a_star_stands_for_every_organisation_and_the_own_one_stays_first_and_whole() {
        let base = "ae_title = 'PACS01'\norganization = 'ORG-T02'\n";
        let reads = |more: &str| peer(&format!("{base}{more}")).reads();
        let of = |code: &str, confidentiality| Readable { org_code: code.to_owned(), confidentiality };
        let (own, shared) = (of("ORG-T02", Confidentiality::Everything), of("ORG-T01", Confidentiality::SharedOnly));
        let others = Some(Confidentiality::SharedOnly);
        assert_eq!(reads("query_organizations = ['*']"), Reads { named: vec![own.clone()], others });
        assert_eq!(reads("query_organizations = ['ORG-T02', 'ORG-T01']"), Reads::only(vec![own.clone(), shared]));
        assert_eq!(reads(""), Reads::only(vec![own]));
    }

    #[test]
    fn defaults_have_no_fault_and_open_doors_do() {
        let mut config = DicomConfig::default();
        assert_eq!(config.faults(&[]), Vec::<String>::new());
        config.listen = "0.0.0.0:104".parse().unwrap();
        config.unknown_caller_organization = Some("ORG-T01".to_owned());
        config.max_pdu_length = 16;
        assert_eq!(config.faults(&[]).len(), 2);
        config.find.limits.page_rows = 0;
        config.find.max_matches = 0;
        assert_eq!(config.faults(&[]).len(), 4);
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        assert!(toml::from_str::<DicomConfig>("ae_tittle = 'X'").is_err());
    }
}
