//! Who asks: the region, one with the right to see VIPs, and the own institution; each as a system and before a page.

use yingku::config::Config;
use yingku::domain::customer::{Customer, Secret, VisibleScope};
use yingku::index::DatabaseConfig;
use yingku::integrations::report_registry::ClientConfig;

/// What signs their links.
pub const SECRET: &str = "only-for-the-ways-out-4Rw9";

/// Who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// Has no reports of its own.
    Region,
    /// The same with the right to see VIPs and restricted reports.
    Privileged,
    /// The institution whose reports they are.
    Own,
}

impl Reader {
    pub const ALL: [Reader; 3] = [Reader::Region, Reader::Privileged, Reader::Own];

    pub fn id(self) -> &'static str {
        ["region", "privileged", "own"][self as usize]
    }

    pub fn key(self) -> String {
        format!("synthetic-key-of-the-{}-0001", self.id())
    }

    fn client(self) -> ClientConfig {
        let rights = match self {
            Reader::Region => "dicomweb = 'read'",
            Reader::Privileged => "dicomweb = 'read'\nvip = true",
            Reader::Own => "dicomweb = 'read_and_store'\norganizations = ['ORG-T01']",
        };
        toml::from_str(&format!("id = '{}'\nkey = '{}'\napi = 'follow'\n{rights}", self.id(), self.key())).unwrap()
    }

    pub fn guid(self) -> String {
        format!("11111111-2222-4333-8444-00000000000{}", self as usize)
    }

    fn customer(self) -> Customer {
        let (organization, scope) = match self {
            Reader::Own => ("ORG-T01", VisibleScope::Own),
            Reader::Region | Reader::Privileged => ("ORG-T02", VisibleScope::Region),
        };
        Customer {
            guid: self.guid(),
            secret: Secret(SECRET.to_owned()),
            organization: organization.to_owned(),
            scope,
            vip: self == Reader::Privileged,
            ..Customer::default()
        }
    }
}

/// By what somebody comes in.
#[derive(Debug, Clone, Copy)]
pub enum Door {
    /// The key of a system.
    Key(Reader),
    /// The session behind a signed link.
    Session(Reader),
}

/// A server that knows them all.
pub fn configure(config: &mut Config, database: DatabaseConfig) {
    config.database = database;
    config.organization.push(toml::from_str("code = 'ORG-T02'\nname = '示例二院'").unwrap());
    let region = "ae_title = 'REGION'\nhost = '127.0.0.1'\norganization = 'ORG-T02'\nquery_organizations = ['ORG-T01']";
    config.peer.push(toml::from_str(region).unwrap());
    config.client = Reader::ALL.map(Reader::client).into();
    config.customer = Reader::ALL.map(Reader::customer).into();
}
