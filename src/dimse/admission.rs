//! Who may open an association, and how many at once (RD-3).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use dicom_ul::pdu::AssociationRQ;
use metrics::gauge;
use rustls::pki_types::CertificateDer;

use super::association::Caller;
use super::association::negotiation::{Rejection, unpadded};
use super::config::{DicomConfig, PeerConfig};
use super::identity;
use super::services::{Service, Services};
use crate::archive::peers::find::Reads;
use crate::dicom::text::Charset;
use crate::domain::AeTitle;
use crate::domain::live::Live;

/// The configured peers and the count of their associations.
#[derive(Debug)]
pub(super) struct Admission {
    ae_title: AeTitle,
    peers: Live<[PeerConfig]>,
    unknown_caller_organization: Option<String>,
    default_charset: Charset,
    max_associations: usize,
    max_associations_per_peer: usize,
    open: Arc<Mutex<HashMap<String, usize>>>,
}

/// Where a request came from.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) address: SocketAddr,
    /// What it showed in the handshake of TLS, which has verified it.
    pub(super) certificate: Option<CertificateDer<'static>>,
}

/// A caller that may come in, and its place.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) caller: Caller,
    pub(super) slot: Slot,
}

/// One association's place; dropped, it is free again.
#[derive(Debug)]
pub(super) struct Slot {
    ae_title: String,
    open: Arc<Mutex<HashMap<String, usize>>>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        gauge!("yingku_dimse_associations").decrement(1.0);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.ae_title) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.ae_title);
            }
        }
    }
}

impl Admission {
    pub(super) fn new(config: &DicomConfig, peers: Live<[PeerConfig]>) -> Self {
        Self {
            ae_title: config.ae_title.clone(),
            peers,
            unknown_caller_organization: config.unknown_caller_organization.clone(),
            default_charset: config.default_charset.clone(),
            max_associations: config.max_associations,
            max_associations_per_peer: config.max_associations_per_peer,
            open: Arc::default(),
        }
    }

    /// Decides on a request by the AE titles as they came, where it came from, and the identity that it shows.
    pub(super) async fn admit(&self, request: &AssociationRQ, origin: &Origin) -> Result<Admitted, Rejection> {
        let called = unpadded(&request.called_ae_title);
        let calling = AeTitle::parse(&request.calling_ae_title);
        let peers = self.peers.now();
        let is_known_so = |peer: &PeerConfig| {
            calling.as_ref().is_ok_and(|calling| peer.ae_title == *calling) && self.calls_us(peer, called)
        };
        if called != self.ae_title.as_str() && !peers.iter().any(is_known_so) {
            return Err(Rejection::CalledAeTitle);
        }
        let calling = calling.map_err(|_| Rejection::CallingAeTitle)?;
        let caller = self.caller(&peers, &calling, request, origin).await?;
        let slot = self.take_slot(calling.as_str()).ok_or(Rejection::LocalLimit)?;
        Ok(Admitted { caller, slot })
    }

    /// Whether a peer may call us by this title: ours, or the one by which we call it.
    fn calls_us(&self, peer: &PeerConfig, called: &str) -> bool {
        let towards_peer = peer.scu.calling_ae_title.as_ref();
        called == self.ae_title.as_str() || towards_peer.is_some_and(|title| called == title.as_str())
    }

    async fn caller(
        &self,
        peers: &[PeerConfig],
        calling: &AeTitle,
        request: &AssociationRQ,
        origin: &Origin,
    ) -> Result<Caller, Rejection> {
        let address = origin.address;
        let mut is_known = false;
        for peer in peers.iter().filter(|peer| peer.ae_title == *calling) {
            is_known = true;
            if self.calls_us(peer, unpadded(&request.called_ae_title))
                && peer.calls_from(address.ip(), origin.certificate.as_ref()).await
            {
                if !identity::is_right(peer, request) {
                    return Err(Rejection::UserIdentity);
                }
                return Ok(Caller {
                    ae_title: calling.to_string(),
                    organization: peer.organization.clone(),
                    charset: peer.charset.clone().unwrap_or_else(|| self.default_charset.clone()),
                    address,
                    answer_charset: peer.answer_charset.clone(),
                    reads: peer.reads(),
                    services: Services::of(peer.services.as_deref()),
                    transfer_syntaxes: peer.transfer_syntaxes.clone(),
                });
            }
        }
        // A known AE title from a strange address is somebody else's name, not an unknown caller.
        let organization = self.unknown_caller_organization.clone().filter(|_| !is_known);
        let organization = organization.ok_or(Rejection::CallingAeTitle)?;
        let charset = self.default_charset.clone();
        // Who only claims a name brings data, but is told none.
        let (answer_charset, reads) = (None, Reads::default());
        let services = Services::of(Some(&[Service::Echo, Service::Store]));
        let ae_title = calling.to_string();
        let transfer_syntaxes = Vec::new();
        Ok(Caller { ae_title, organization, charset, address, answer_charset, reads, services, transfer_syntaxes })
    }

    fn take_slot(&self, ae_title: &str) -> Option<Slot> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let of_peer = open.get(ae_title).copied().unwrap_or(0);
        if of_peer >= self.max_associations_per_peer || open.values().sum::<usize>() >= self.max_associations {
            return None;
        }
        *open.entry(ae_title.to_owned()).or_default() += 1;
        gauge!("yingku_dimse_associations").increment(1.0);
        Some(Slot { ae_title: ae_title.to_owned(), open: self.open.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 50000);

    async fn admit(
        admission: &Admission,
        called: &str,
        calling: &str,
        address: SocketAddr,
    ) -> Result<Admitted, Rejection> {
        let request = AssociationRQ {
            protocol_version: 1,
            calling_ae_title: calling.to_owned(),
            called_ae_title: called.to_owned(),
            application_context_name: String::new(),
            presentation_contexts: Vec::new(),
            user_variables: Vec::new(),
        };
        admission.admit(&request, &Origin { address, certificate: None }).await
    }

    fn admission(config: DicomConfig) -> Admission {
        let peers = [
            "ae_title = 'PACS01'\nhost = '127.0.0.1'\norganization = 'ORG-T01'",
            "ae_title = 'PACS02'\nhost = '192.0.2.1'\norganization = 'ORG-T02'\ncharset = 'GBK'",
            "ae_title = 'PACS02'\naddresses = ['127.0.0.0/8']\norganization = 'ORG-T03'\ncharset = 'UTF-8'",
            "ae_title = 'PACS03'\nhost = '127.0.0.1'\norganization = 'ORG-T04'\n[scu]\ncalling_ae_title = 'FRONT'",
            "ae_title = 'PACS03'\nhost = '192.0.2.1'\norganization = 'ORG-T05'",
        ];
        let peers: Vec<PeerConfig> = peers.iter().map(|text| toml::from_str(text).unwrap()).collect();
        Admission::new(&config, Live::new(peers))
    }

    #[tokio::test]
    async fn a_caller_is_known_by_its_ae_title_and_address() {
        let admission = admission(DicomConfig::default());
        let first = admit(&admission, "YINGKU\0", "PACS01          ", LOCAL).await.unwrap();
        assert_eq!(first.caller.organization, "ORG-T01");
        let second = admit(&admission, "YINGKU", "PACS02", LOCAL).await.unwrap();
        assert_eq!((second.caller.organization.as_str(), second.caller.charset.as_str()), ("ORG-T03", "UTF-8"));
        for called in ["FRONT", "YINGKU"] {
            let third = admit(&admission, called, "PACS03", LOCAL).await.unwrap();
            assert_eq!(third.caller.organization, "ORG-T04", "by our title towards it, and by our own");
        }
        let elsewhere = SocketAddr::from(([198, 51, 100, 1], 4000));
        let namesake = SocketAddr::from(([192, 0, 2, 1], 4000));
        for (called, calling, address, expected) in [
            ("OTHER", "PACS01", LOCAL, Rejection::CalledAeTitle),
            ("FRONT", "PACS01", LOCAL, Rejection::CalledAeTitle),
            ("FRONT", "STRANGER", LOCAL, Rejection::CalledAeTitle),
            ("FRONT", "PACS03", namesake, Rejection::CallingAeTitle),
            ("YINGKU", "STRANGER", LOCAL, Rejection::CallingAeTitle),
            ("YINGKU", "", LOCAL, Rejection::CallingAeTitle),
            ("YINGKU", "PACS01", elsewhere, Rejection::CallingAeTitle),
        ] {
            assert_eq!(admit(&admission, called, calling, address).await.err(), Some(expected), "{called} {calling}");
        }
    }

    #[tokio::test]
    async fn unknown_callers_come_in_only_where_configured_and_never_under_a_known_name() {
        let config = DicomConfig { unknown_caller_organization: Some("ORG-T09".to_owned()), ..DicomConfig::default() };
        let admission = admission(config);
        let stranger = admit(&admission, "YINGKU", "STRANGER", LOCAL).await.unwrap();
        assert_eq!(stranger.caller.organization, "ORG-T09");
        let elsewhere = SocketAddr::from(([198, 51, 100, 1], 4000));
        assert_eq!(admit(&admission, "YINGKU", "PACS01", elsewhere).await.err(), Some(Rejection::CallingAeTitle));
    }

    #[tokio::test]
    async fn places_are_limited_and_come_back() {
        let config = DicomConfig { max_associations: 3, max_associations_per_peer: 2, ..DicomConfig::default() };
        let admission = admission(config);
        let one = admit(&admission, "YINGKU", "PACS01", LOCAL).await.unwrap();
        let _two = admit(&admission, "YINGKU", "PACS01", LOCAL).await.unwrap();
        assert_eq!(admit(&admission, "YINGKU", "PACS01", LOCAL).await.err(), Some(Rejection::LocalLimit));
        let _three = admit(&admission, "YINGKU", "PACS02", LOCAL).await.unwrap();
        assert_eq!(admit(&admission, "YINGKU", "PACS02", LOCAL).await.err(), Some(Rejection::LocalLimit));
        drop(one);
        assert!(admit(&admission, "YINGKU", "PACS01", LOCAL).await.is_ok());
    }
}
