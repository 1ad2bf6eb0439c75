//! Who may call which door, from the configured clients: operations, DICOMweb and what systems pull.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::archive::peers::find::{Confidentiality, Readable, Reads};
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
        let can_call = !client.key.is_empty() || !client.certificate.is_empty();
        (client.dicomweb != DicomwebRight::None && can_call).then(|| DicomwebClient {
            id: client.id.clone(),
            key: client.key.clone(),
            certificate: client.certificate.clone(),
            networks,
            reads: reads(client),
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
fn reads(client: &ClientConfig) -> Reads {
    if client.organizations.is_empty() {
        return Reads::every(if client.vip { Confidentiality::Privileged } else { Confidentiality::SharedOnly });
    }
    let confidentiality = Confidentiality::Everything;
    let own = client.organizations.iter().map(|code| Readable { org_code: code.clone(), confidentiality });
    Reads::only(own.collect())
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

    #[test]
    fn d_r18_d_r22_a_client_reads_its_own_wholly_and_of_others_what_its_rights_say() {
        let of = |organizations: &[&str], vip| {
            let organizations = organizations.iter().map(|code| (*code).to_owned()).collect();
            reads(&ClientConfig { organizations, vip, ..ClientConfig::default() })
        };
        let own = Readable { org_code: "ORG-T01".to_owned(), confidentiality: Confidentiality::Everything };
        assert_eq!(of(&["ORG-T01"], false), Reads::only(vec![own]));
        assert_eq!(of(&[], true), Reads::every(Confidentiality::Privileged));
        assert_eq!(of(&[], false), Reads::every(Confidentiality::SharedOnly));
    }
}
