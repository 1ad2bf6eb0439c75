//! Links with `UserID` and `UserPwd` in the place of a signature (D-T12): the interface's own examples have such ones.
//!
//! Off unless a customer has users here. A password is kept as PBKDF2-HMAC-SHA-256 only, an address that is not listed is
//! refused before any work is done, and what such a link sees is the customer's own organisation, whatever else it may.

use std::net::IpAddr;
use std::num::NonZeroU32;

use ipnet::IpNet;
use ring::pbkdf2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Rounds for new passwords.
const ROUNDS: u32 = 600_000;
/// Rounds that are accepted in a kept password: fewer protect nothing, more would be an attack on the server.
const ACCEPTED_ROUNDS: std::ops::RangeInclusive<u32> = 100_000..=5_000_000;
const SCHEME: &str = "pbkdf2-sha256";
const BYTES: usize = 32;

/// Who may open pages by name and password (`customer.legacy`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LegacyLogin {
    /// Networks that such links may come from, e.g. `10.1.0.0/16`. Default none.
    #[schemars(with = "Vec<String>")]
    pub addresses: Vec<IpNet>,
    /// The users. Default none: links without a signature are refused.
    pub users: Vec<LegacyUser>,
}

/// A user of the hospital system, or the system itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LegacyUser {
    /// `UserID` of the link.
    pub user_id: String,
    /// What `yingku customer hash-password` printed for `UserPwd`.
    pub password_hash: String,
}

impl LegacyLogin {
    /// Whether links may come from the address at all.
    pub fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        !self.users.is_empty() && self.addresses.iter().any(|network| network.contains(&address))
    }

    /// The kept password of a user.
    pub fn password_of(&self, user_id: &str) -> Option<&str> {
        let user = self.users.iter().find(|user| !user_id.is_empty() && user.user_id == user_id);
        user.map(|user| user.password_hash.as_str())
    }

    /// What is wrong with it, one sentence each.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if !self.users.is_empty() && self.addresses.is_empty() {
            faults
                .push("legacy.addresses is missing: a password in an address needs known networks (D-T12)".to_owned());
        }
        if self.addresses.iter().any(|network| network.prefix_len() == 0) {
            faults.push("legacy.addresses lets anybody in".to_owned());
        }
        for user in &self.users {
            if user.user_id.is_empty() || Kept::parse(&user.password_hash).is_none() {
                faults.push("legacy.users needs user_id and password_hash (yingku customer hash-password)".to_owned());
            }
        }
        faults
    }
}

struct Kept {
    rounds: NonZeroU32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Kept {
    fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('$').collect();
        let [SCHEME, rounds, salt, hash] = parts.as_slice() else { return None };
        let rounds: u32 = rounds.parse().ok().filter(|rounds| ACCEPTED_ROUNDS.contains(rounds))?;
        let (salt, hash) = (hex::decode(salt).ok()?, hex::decode(hash).ok()?);
        let is_whole = salt.len() >= 8 && hash.len() == BYTES;
        is_whole.then_some(Self { rounds: NonZeroU32::new(rounds)?, salt, hash })
    }
}

/// A password as it is kept; `salt` is random. Takes a tenth of a second and more.
pub fn hash_password(password: &str, salt: [u8; 16]) -> String {
    let mut hash = [0; BYTES];
    let rounds = NonZeroU32::new(ROUNDS).unwrap_or(NonZeroU32::MIN);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, password.as_bytes(), &mut hash);
    format!("{SCHEME}${ROUNDS}${}${}", hex::encode(salt), hex::encode(hash))
}

/// Whether it is the password; a `kept` that is none costs the same work and never fits.
pub fn is_password(password: &str, kept: Option<&str>) -> bool {
    match kept.and_then(Kept::parse) {
        Some(kept) => {
            let (algorithm, rounds) = (pbkdf2::PBKDF2_HMAC_SHA256, kept.rounds);
            pbkdf2::verify(algorithm, rounds, &kept.salt, password.as_bytes(), &kept.hash).is_ok()
        }
        None => {
            let _ = hash_password(password, [0; 16]);
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d_t12_a_password_fits_its_hash_and_no_other() {
        let kept = hash_password("示例口令 1", [7; 16]);
        assert!(kept.starts_with("pbkdf2-sha256$600000$") && !kept.contains("示例"));
        assert!(is_password("示例口令 1", Some(&kept)));
        assert!(!is_password("示例口令 2", Some(&kept)));
        assert!(!is_password("示例口令 1", None));
        assert!(!is_password("", Some("")));
    }

    #[test]
    fn d_t12_users_need_networks_that_are_not_everybody() {
        let user = LegacyUser { user_id: "his".to_owned(), password_hash: hash_password("x", [1; 16]) };
        let nowhere = LegacyLogin { addresses: Vec::new(), users: vec![user.clone()] };
        assert_eq!(nowhere.faults().len(), 1);
        assert!(!nowhere.allows("10.1.2.3".parse().unwrap()));
        let open = LegacyLogin { addresses: vec!["0.0.0.0/0".parse().unwrap()], users: vec![user.clone()] };
        assert_eq!(open.faults().len(), 1);
        let good = LegacyLogin { addresses: vec!["10.1.0.0/16".parse().unwrap()], users: vec![user] };
        assert_eq!(good.faults(), Vec::<String>::new());
        assert!(good.allows("10.1.2.3".parse().unwrap()) && good.allows("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!good.allows("10.2.2.3".parse().unwrap()));
        assert_eq!(LegacyLogin::default().faults(), Vec::<String>::new());
    }
}
