//! Who may call which door, from the configured clients: operations, DICOMweb and what systems pull.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::archive::peers::find::{Confidentiality, Readable};
use crate::config::Config;
use crate::integrations::report_registry::{ApiRight, ClientConfig, DicomwebRight};
use crate::web::api::ApiClient;
use crate::web::dicomweb::DicomwebClient;
use crate::web::operations::OperationsClient;

/// The clients that may look at operations. One whose addresses cannot be read is left out rather than let in.
pub(super) fn operations_clients(config: &Config) -> Vec<OperationsClient> {
    let of = |client: &ClientConfig| {
        let networks = networks(client)?;
        (client.operations && !client.key.is_empty()).then(|| OperationsClient {
            id: client.id.clone(),
            key: client.key.clone(),
            certificate: client.certificate.clone(),
            networks,
            organizations: client.organizations.clone(),
        })
    };
    config.client.iter().filter_map(of).collect()
}

/// The clients that may use DICOMweb. One whose addresses cannot be read is left out rather than let in from anywhere.
pub(super) fn dicomweb_clients(config: &Config) -> Vec<DicomwebClient> {
    let client = |client: &ClientConfig| {
        let networks = networks(client)?;
        let stores_for = client.stores_for().map(str::to_owned);
        let readable = readable(config, client);
        let can_call = !client.key.is_empty() || !client.certificate.is_empty();
        (client.dicomweb != DicomwebRight::None && can_call).then(|| DicomwebClient {
            id: client.id.clone(),
            key: client.key.clone(),
            certificate: client.certificate.clone(),
            networks,
            readable,
            stores_for,
        })
    };
    config.client.iter().filter_map(client).collect()
}

/// The clients that may pull reports; one whose addresses cannot be read is left out rather than let in from anywhere.
pub(super) fn api_clients(config: &Config) -> Vec<ApiClient> {
    let client = |client: &ClientConfig| {
        let networks = networks(client)?;
        let own = &client.organizations;
        let can_call = !client.key.is_empty() || !client.certificate.is_empty();
        (client.api != ApiRight::None && can_call).then(|| ApiClient {
            id: client.id.clone(),
            key: client.key.clone(),
            certificate: client.certificate.clone(),
            networks,
            organizations: (!own.is_empty()).then(|| own.clone()),
            vip: client.vip,
            follow: client.api == ApiRight::Follow,
            recognitions: client.recognitions,
        })
    };
    config.client.iter().filter_map(client).collect()
}

/// Its own organisations wholly; without any, what all of them share, with `vip` also what is confidential.
fn readable(config: &Config, client: &ClientConfig) -> Vec<Readable> {
    let all: Vec<&String> = config.organization.iter().map(|organization| &organization.code).collect();
    let (codes, confidentiality) = match client.organizations.is_empty() {
        false => (client.organizations.iter().collect(), Confidentiality::Everything),
        true if client.vip => (all, Confidentiality::Privileged),
        true => (all, Confidentiality::SharedOnly),
    };
    codes.into_iter().map(|code| Readable { org_code: code.clone(), confidentiality }).collect()
}

/// Where the client may call from; `None` when an address cannot be read.
fn networks(client: &ClientConfig) -> Option<Vec<IpNet>> {
    let network = |text: &String| {
        let text = text.trim();
        text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
    };
    client.addresses.iter().map(network).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::organization::Organization;

    #[test]
    fn d_r18_d_r22_a_client_reads_its_own_wholly_and_of_others_what_its_rights_say() {
        let organization = |code: &str| Organization { code: code.to_owned(), name: String::new() };
        let config = Config { organization: vec![organization("ORG-T01")], ..Config::default() };
        let of = |organizations: &[&str], vip| {
            let organizations = organizations.iter().map(|code| (*code).to_owned()).collect();
            let client = ClientConfig { organizations, vip, ..ClientConfig::default() };
            readable(&config, &client).iter().map(|readable| readable.confidentiality).collect::<Vec<_>>()
        };
        assert_eq!(of(&["ORG-T01"], false), [Confidentiality::Everything]);
        assert_eq!(of(&[], true), [Confidentiality::Privileged]);
        assert_eq!(of(&[], false), [Confidentiality::SharedOnly]);
    }
}
