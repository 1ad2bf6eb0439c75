//! Refusals of callers whom nobody knows: a few of each address and minute are written down, the others counted, so that
//! nobody who may do nothing fills the disk.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Refusals of an address by one interface that are written down in a minute: enough to see who tries what, and in a day no
/// more than a gigabyte of messages as long as they may be kept.
const MOST_OF_A_MINUTE: u32 = 10;
/// Addresses of a minute that are told apart; of others nothing is written down.
const MOST_ADDRESSES: usize = 10_000;

/// What became of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is written down.
    Noted,
    /// It is counted only; the address had enough in this minute.
    Counted,
}

/// The refusals of the current minute; clones share them.
#[derive(Debug, Clone, Default)]
pub(in crate::archive) struct Refusals(Arc<Mutex<Minute>>);

#[derive(Debug, Default)]
struct Minute {
    number: i64,
    noted: HashMap<(&'static str, IpAddr), u32>,
}

impl Refusals {
    /// Whether one more refusal of an address is written down; counts it.
    pub(in crate::archive) fn count(&self, interface: &'static str, remote_addr: &str, now_ms: i64) -> Refusal {
        let refusal = self.judge((interface, network(remote_addr)), now_ms.div_euclid(60_000));
        let outcome = if refusal == Refusal::Noted { "noted" } else { "counted" };
        metrics::counter!("yingku_refused_callers_total", "interface" => interface, "outcome" => outcome).increment(1);
        refusal
    }

    fn judge(&self, key: (&'static str, IpAddr), minute: i64) -> Refusal {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if current.number != minute {
            *current = Minute { number: minute, noted: HashMap::new() };
        }
        if current.noted.len() >= MOST_ADDRESSES && !current.noted.contains_key(&key) {
            return Refusal::Counted;
        }
        let noted = current.noted.entry(key).or_default();
        if *noted >= MOST_OF_A_MINUTE {
            return Refusal::Counted;
        }
        *noted += 1;
        Refusal::Noted
    }
}

/// The address; of IPv6 its network, since who has one address there has them all.
fn network(remote_addr: &str) -> IpAddr {
    match remote_addr.parse().map(|address: IpAddr| address.to_canonical()) {
        Ok(IpAddr::V6(address)) => IpAddr::V6(Ipv6Addr::from_bits((address.to_bits() >> 64) << 64)),
        Ok(address) => address,
        Err(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_only_the_first_refusals_of_a_minute_are_written_down() {
        let refusals = Refusals::default();
        let noted = |interface, address: &str, now_ms| {
            (0..100).filter(|_| refusals.count(interface, address, now_ms) == Refusal::Noted).count()
        };
        assert_eq!(noted("registry", "192.0.2.1", 0), 10);
        assert_eq!(noted("registry", "192.0.2.1", 59_999), 0);
        assert_eq!(noted("registry", "192.0.2.2", 59_999), 10);
        assert_eq!(noted("api", "192.0.2.1", 59_999), 10);
        assert_eq!(noted("registry", "::ffff:192.0.2.1", 60_000), 10);
        assert_eq!(noted("registry", "192.0.2.1", 60_000), 0);
        assert_eq!((noted("api", "2001:db8::1", 0), noted("api", "2001:db8::ffff:2", 0)), (10, 0));
    }

    #[test]
    fn addresses_without_an_end_take_no_room() {
        let refusals = Refusals::default();
        let addresses = (0..u32::try_from(MOST_ADDRESSES).unwrap() + 5).map(|n| Ipv4Addr::from_bits(n).to_string());
        let noted = addresses.filter(|address| refusals.count("api", address, 0) == Refusal::Noted).count();
        assert_eq!(noted, MOST_ADDRESSES);
        assert_eq!(refusals.count("api", "0.0.0.7", 0), Refusal::Noted, "one that is known already");
    }
}
