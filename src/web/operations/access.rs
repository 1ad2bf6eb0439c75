//! Who may look: the key of a `[[client]]`, compared in constant time, from one of its addresses.

use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use ipnet::IpNet;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::tls::{CertificateMatch, PeerCertificate};

/// A system or a person that may look at the pages of operations.
#[derive(Clone)]
pub struct OperationsClient {
    /// Its id.
    pub id: String,
    /// Its key.
    pub key: String,
    /// Certificates of which it must show one; empty for none.
    pub certificate: Vec<CertificateMatch>,
    /// Networks from which it calls; empty for any.
    pub networks: Vec<IpNet>,
    /// Only these organisations; all when empty.
    pub organizations: Vec<String>,
}

impl std::fmt::Debug for OperationsClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OperationsClient").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The client whose key the request says.
pub(super) fn client_of<'c>(
    clients: &'c [OperationsClient],
    address: IpAddr,
    certificate: Option<&PeerCertificate>,
    headers: &HeaderMap,
) -> Option<&'c OperationsClient> {
    let text = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = text.split_once(' ')?;
    let (id, key) = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => (None, rest.trim().to_owned()),
        "basic" => {
            let decoded = base64::engine::general_purpose::STANDARD.decode(rest.trim()).ok()?;
            let (id, key) =
                String::from_utf8(decoded).ok()?.split_once(':').map(|(a, b)| (a.to_owned(), b.to_owned()))?;
            (Some(id), key)
        }
        _ => return None,
    };
    let given = Sha256::digest(key.as_bytes());
    let mut found = None;
    for client in clients {
        let same_key = bool::from(Sha256::digest(client.key.as_bytes()).ct_eq(&given));
        let from_here = client.networks.is_empty() || client.networks.iter().any(|net| net.contains(&address));
        let shows = client.certificate.is_empty() || certificate.is_some_and(|c| c.is_one_of(&client.certificate));
        if same_key && from_here && shows && id.as_ref().is_none_or(|id| *id == client.id) {
            found = found.or(Some(client));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> OperationsClient {
        OperationsClient {
            id: "quality".into(),
            key: "unit-test-key-0009".into(),
            certificate: Vec::new(),
            networks: vec!["10.0.0.0/8".parse().unwrap()],
            organizations: Vec::new(),
        }
    }

    fn knows(address: &str, authorization: &str) -> bool {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, authorization.parse().unwrap())]);
        client_of(&[client()], address.parse().unwrap(), None, &headers).is_some()
    }

    #[test]
    fn a_key_counts_as_a_token_or_as_a_password_from_its_own_addresses() {
        let basic = |text: &str| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text));
        assert!(knows("10.1.2.3", "Bearer unit-test-key-0009"));
        assert!(knows("10.1.2.3", &basic("quality:unit-test-key-0009")));
        assert!(!knows("10.1.2.3", &basic("other:unit-test-key-0009")));
        assert!(!knows("11.1.2.3", "Bearer unit-test-key-0009"));
        assert!(!knows("10.1.2.3", "Bearer unit-test-key-0008"));
        assert!(!knows("10.1.2.3", "Digest unit-test-key-0009"));
    }

    #[test]
    fn a_client_that_is_bound_to_a_certificate_does_not_come_in_by_its_key_alone() {
        let bound = CertificateMatch::try_from("cn:quality".to_owned()).unwrap();
        let client = OperationsClient { certificate: vec![bound], ..client() };
        let headers = HeaderMap::from_iter([(AUTHORIZATION, "Bearer unit-test-key-0009".parse().unwrap())]);
        assert!(client_of(&[client], "10.1.2.3".parse().unwrap(), None, &headers).is_none());
    }
}
