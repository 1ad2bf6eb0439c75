//! The address guard: names are resolved here, and only addresses that passed are connected to.
//!
//! The HTTP client asks this resolver at the moment it connects, so a name cannot change between check and use.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// All addresses of a name are of the kind that is never called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no permitted address")]
pub(super) struct Refused;

/// Resolves names and drops addresses that are never called.
#[derive(Debug, Clone, Copy)]
pub(super) struct GuardedResolver {
    /// `localhost` may lead to loopback addresses, because an entry of `reports.allow` says so.
    pub(super) localhost: bool,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let localhost = self.localhost;
        Box::pin(async move {
            let known = localhost && name.as_str().eq_ignore_ascii_case("localhost");
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let permitted: Vec<SocketAddr> =
                found.filter(|found| is_callable(found.ip()) || (known && found.ip().is_loopback())).collect();
            if permitted.is_empty() {
                return Err(Refused.into());
            }
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

/// Whether a name may lead to this address. Private networks may: that is where report servers are.
pub(super) fn is_callable(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_callable_v4(address),
        IpAddr::V6(address) => is_callable_v6(address),
    }
}

fn is_callable_v4(address: Ipv4Addr) -> bool {
    // Metadata services of clouds that are not link-local.
    const METADATA: [Ipv4Addr; 2] = [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16)];
    let nowhere = address.octets()[0] == 0 || address.is_broadcast() || address.is_multicast();
    !(nowhere || address.is_loopback() || address.is_link_local() || METADATA.contains(&address))
}

fn is_callable_v6(address: Ipv6Addr) -> bool {
    const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    let segments = address.segments();
    // NAT64 (RFC 6052) and 6to4 (RFC 3056) carry an IPv4 address, which is what is called in the end.
    let inner = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    let carried = match segments {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(inner(high, low)),
        [0x2002, high, low, ..] => Some(inner(high, low)),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => Some(inner(high, low)),
        _ => None,
    };
    let nowhere = address.is_unspecified() || address.is_multicast();
    let refused = nowhere || address.is_loopback() || address.is_unicast_link_local() || address == METADATA;
    !refused && carried.is_none_or(is_callable_v4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_addresses_are_never_called_by_name() {
        for text in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "100.100.100.200",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "fe80::1",
            "ff02::1",
            "fd00:ec2::254",
        ] {
            assert!(!is_callable(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn addresses_of_hospital_networks_are_called() {
        for text in ["10.1.2.3", "192.168.1.20", "172.16.0.9", "203.0.113.7", "fd12:3456::7", "2001:db8::1"] {
            assert!(is_callable(text.parse().unwrap()), "{text}");
        }
    }
}
