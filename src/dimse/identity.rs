//! Who a caller says it is (user identity negotiation, PS3.7 section D.3.3.7).
//!
//! User names with and without passcode are checked; tickets and assertions (types 3 to 5) are nobody's here.

use dicom_ul::pdu::{AssociationRQ, UserIdentityType, UserVariableItem};
use subtle::ConstantTimeEq;

use super::config::PeerConfig;

/// Whether the request shows the identity that the peer must have; anybody's is good where none is configured.
pub(super) fn is_right(peer: &PeerConfig, request: &AssociationRQ) -> bool {
    if peer.user.is_empty() {
        return true;
    }
    let mut identities = request.user_variables.iter().filter_map(|item| match item {
        UserVariableItem::UserIdentityItem(identity) => Some(identity),
        _ => None,
    });
    let (Some(identity), None) = (identities.next(), identities.next()) else { return false };
    let names_equal = equal(&peer.user, &identity.primary_field());
    let passcodes_equal = equal(&peer.passcode.0, &identity.secondary_field());
    match identity.identity_type() {
        UserIdentityType::Username => names_equal && peer.passcode.0.is_empty(),
        UserIdentityType::UsernamePassword => names_equal & (passcodes_equal | peer.passcode.0.is_empty()),
        _ => false,
    }
}

/// Compares in a time that depends on the lengths only.
fn equal(configured: &str, shown: &[u8]) -> bool {
    configured.as_bytes().ct_eq(shown).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_ul::pdu::UserIdentity;

    fn peer(more: &str) -> PeerConfig {
        toml::from_str(&format!("ae_title = 'PACS01'\norganization = 'ORG-T01'\n{more}")).unwrap()
    }

    fn request(identities: &[(UserIdentityType, &str, &str)]) -> AssociationRQ {
        let items = identities.iter().map(|(kind, name, code)| {
            let identity = UserIdentity::new(false, kind.clone(), name.as_bytes().to_vec(), code.as_bytes().to_vec());
            UserVariableItem::UserIdentityItem(identity)
        });
        AssociationRQ {
            protocol_version: 1,
            calling_ae_title: "PACS01".to_owned(),
            called_ae_title: "YINGKU".to_owned(),
            application_context_name: String::new(),
            presentation_contexts: Vec::new(),
            user_variables: items.collect(),
        }
    }

    #[test]
    fn a_passcode_that_is_configured_must_be_shown() {
        use UserIdentityType::{SamlAssertion, Username, UsernamePassword};
        let peer = peer("user = 'ct1'\npasscode = 'synthetic'");
        assert!(is_right(&peer, &request(&[(UsernamePassword, "ct1", "synthetic")])));
        let right = (UsernamePassword, "ct1", "synthetic");
        for wrong in [
            vec![],
            vec![(Username, "ct1", "")],
            vec![(UsernamePassword, "ct1", "")],
            vec![(UsernamePassword, "ct1", "synthetic2")],
            vec![(UsernamePassword, "ct2", "synthetic")],
            vec![(SamlAssertion, "ct1", "synthetic")],
            vec![right.clone(), right],
        ] {
            assert!(!is_right(&peer, &request(&wrong)), "{wrong:?}");
        }
    }

    #[test]
    fn a_name_alone_is_enough_where_no_passcode_is_configured() {
        use UserIdentityType::{Username, UsernamePassword};
        let peer = peer("user = 'ct1'");
        assert!(is_right(&peer, &request(&[(Username, "ct1", "")])));
        assert!(is_right(&peer, &request(&[(UsernamePassword, "ct1", "whatever")])));
        assert!(!is_right(&peer, &request(&[(Username, "ct2", "")])));
    }

    #[test]
    fn anybody_is_right_where_nobody_is_configured() {
        assert!(is_right(&peer(""), &request(&[])));
        assert!(is_right(&peer(""), &request(&[(UserIdentityType::Jwt, "x", "")])));
    }
}
