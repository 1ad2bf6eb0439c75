//! Who we say that we are to a peer (user identity negotiation, PS3.7 section D.3.3.7): a user name, with a passcode or
//! without.
//!
//! The standard gives no way for a peer to say that it does not know the item; only a response, which it gives when it is
//! asked for one and has checked, tells. The passcode stands in the request as it is: TLS is what hides it.

use dicom_ul::pdu::{UserIdentity, UserIdentityType, UserVariableItem};

use super::ScuConfig;
use crate::domain::customer::Secret;

/// User-identity sub-item of an A-ASSOCIATE-AC.
const RESPONSE: u8 = 0x59;

/// A user of ours at a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: String,
    /// Its passcode; empty when the name is all.
    pub passcode: Secret,
    /// Whether an association without the peer's response is of no use.
    pub must_be_confirmed: bool,
}

impl User {
    /// The one that a peer's configuration names.
    pub(super) fn of(scu: &ScuConfig) -> Option<Self> {
        let user =
            || Self { name: scu.user.clone(), passcode: scu.passcode.clone(), must_be_confirmed: scu.user_confirmed };
        (!scu.user.is_empty()).then(user)
    }

    /// The item of the request.
    pub(super) fn item(&self) -> UserVariableItem {
        let (name, passcode) = (self.name.clone().into_bytes(), self.passcode.0.clone().into_bytes());
        let kind = if passcode.is_empty() { UserIdentityType::Username } else { UserIdentityType::UsernamePassword };
        UserVariableItem::UserIdentityItem(UserIdentity::new(self.must_be_confirmed, kind, name, passcode))
    }

    /// Whether the answer is good enough.
    pub(super) fn is_confirmed(&self, answer: &[UserVariableItem]) -> bool {
        let responded = answer.iter().any(|item| matches!(item, UserVariableItem::Unknown(RESPONSE, _)));
        responded || !self.must_be_confirmed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(passcode: &str, user_confirmed: bool) -> User {
        let scu = ScuConfig {
            user: "archive".to_owned(),
            passcode: Secret(passcode.to_owned()),
            user_confirmed,
            ..ScuConfig::default()
        };
        User::of(&scu).unwrap()
    }

    #[test]
    fn a_passcode_makes_the_second_type_and_its_absence_the_first() {
        for (passcode, kind) in [("", UserIdentityType::Username), ("code", UserIdentityType::UsernamePassword)] {
            let UserVariableItem::UserIdentityItem(item) = user(passcode, false).item() else { panic!("no identity") };
            assert_eq!((item.identity_type(), item.positive_response_requested()), (kind, false));
            assert_eq!((item.primary_field(), item.secondary_field()), (b"archive".to_vec(), passcode.into()));
        }
        assert_eq!(User::of(&ScuConfig::default()), None);
    }

    #[test]
    fn only_who_wants_a_response_misses_it() {
        let response = [UserVariableItem::Unknown(RESPONSE, vec![0, 0])];
        assert!(user("code", true).is_confirmed(&response) && !user("code", true).is_confirmed(&[]));
        assert!(user("code", false).is_confirmed(&[]));
    }

    #[test]
    fn a_passcode_is_not_seen_in_logs() {
        assert!(!format!("{:?}", user("synthetic-code", false)).contains("synthetic-code"));
    }
}
