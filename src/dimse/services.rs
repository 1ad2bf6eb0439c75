//! The services of the node, and which of them a peer may use.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A service that peers ask us for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Verification (C-ECHO).
    Echo,
    /// Storage (C-STORE).
    Store,
    /// Query (C-FIND).
    Find,
    /// Retrieve over this association (C-GET).
    Get,
    /// Retrieve to a destination (C-MOVE).
    Move,
    /// Storage commitment (N-ACTION).
    Commit,
}

impl Service {
    /// Every service.
    pub const ALL: [Service; 6] =
        [Service::Echo, Service::Store, Service::Find, Service::Get, Service::Move, Service::Commit];

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Services(u8);

impl Services {
    /// All of them.
    pub const ALL: Services = Services(0b11_1111);

    /// Those of a configuration; all when it names none.
    pub fn of(configured: Option<&[Service]>) -> Self {
        configured.map_or(Self::ALL, |services| Self(services.iter().fold(0, |bits, service| bits | service.bit())))
    }

    /// Whether this one may be used.
    pub fn allow(self, service: Service) -> bool {
        self.0 & service.bit() != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_may_use_what_is_listed_and_everything_when_nothing_is() {
        let listed = Services::of(Some(&[Service::Echo, Service::Get]));
        let allowed: Vec<Service> = Service::ALL.into_iter().filter(|service| listed.allow(*service)).collect();
        assert_eq!(allowed, [Service::Echo, Service::Get]);
        assert!(Service::ALL.into_iter().all(|service| Services::of(None).allow(service)));
        assert!(Service::ALL.into_iter().all(|service| !Services::of(Some(&[])).allow(service)));
    }
}
