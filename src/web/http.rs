//! `[http]`: where the server listens and what it accepts of a request.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tls::{CertificateMatch, ListenerKind, ServerTls, TlsConfig};

const LOOPBACK: IpNet = IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8);

/// The HTTP listener.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Address and port to listen on. Default `127.0.0.1:8080`.
    pub listen: SocketAddr,
    /// The address by which browsers and other systems reach the server, without a slash at its end; a path in it is
    /// put in front of every link. Default `http://127.0.0.1:8080`.
    pub public_url: String,
    /// Longest address (path and query) of a request, in bytes. Default 8192.
    pub max_uri_bytes: usize,
    /// Largest body where a service has no limit of its own, in bytes. Default 33554432 (32 MiB).
    pub max_body_bytes: usize,
    /// Connections at the same time; more wait. Default 1024.
    pub max_connections: usize,
    /// Connections at the same time from one address (of IPv6 from one /64); more are closed. Trusted proxies have no such
    /// limit. Default 512.
    pub max_connections_per_address: usize,
    /// How long a connection may take to say its request's head, in milliseconds. Default 15000.
    pub head_timeout_ms: u64,
    /// How long requests under way may go on when the server stops, in milliseconds. Default 10000.
    pub drain_timeout_ms: u64,
    /// How long a request may take until its answer begins, in milliseconds. Default 60000.
    pub request_timeout_ms: u64,
    /// How long a peer may take nothing of an answer before its connection is closed, in milliseconds. Default 120000.
    pub send_timeout_ms: u64,
    /// Proxies whose `X-Forwarded-For` is believed, as networks. Default none.
    #[schemars(with = "Vec<String>")]
    pub trusted_proxies: Vec<IpNet>,
    /// Networks from which `/metrics`, and what `/readyz` says besides yes and no, may be read. Whose request comes by a
    /// proxy that is not trusted is told neither. Default this machine: `["127.0.0.0/8", "::1/128"]`.
    #[schemars(with = "Vec<String>")]
    pub watch_from: Vec<IpNet>,
    /// For how long browsers that have come by the server's own HTTPS shall use nothing else, in seconds
    /// (`Strict-Transport-Security`); said when `public_url` is an `https` address, never by plain HTTP. It is about every port
    /// of the host name. 0: nothing is said. Default 2592000 (30 days).
    pub hsts_seconds: u32,
    /// The listener with TLS (HTTPS).
    pub tls: TlsConfig,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: "http://127.0.0.1:8080".to_owned(),
            max_uri_bytes: 8192,
            max_body_bytes: 32 << 20,
            max_connections: 1024,
            max_connections_per_address: 512,
            head_timeout_ms: 15_000,
            drain_timeout_ms: 10_000,
            request_timeout_ms: 60_000,
            send_timeout_ms: 120_000,
            trusted_proxies: Vec::new(),
            watch_from: vec![LOOPBACK, IpNet::new_assert(IpAddr::V6(Ipv6Addr::LOCALHOST), 128)],
            hsts_seconds: 30 * 86_400,
            tls: TlsConfig::default(),
        }
    }
}

impl HttpConfig {
    /// The path of `public_url`, without a slash at its end: what links begin with.
    pub fn base_path(&self) -> String {
        url::Url::parse(&self.public_url).map(|url| url.path().trim_end_matches('/').to_owned()).unwrap_or_default()
    }

    /// What is wrong with the section; empty when it is fit for use. `pinned` are the certificates by which callers are
    /// known.
    pub fn faults<'a>(&self, pinned: impl Iterator<Item = &'a CertificateMatch>) -> Vec<String> {
        let mut faults = match url::Url::parse(&self.public_url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.host().is_some() => Vec::new(),
            _ => vec!["http.public_url must be an http or https address".to_owned()],
        };
        faults.extend(ServerTls::load(ListenerKind::Http, &self.tls, pinned).err().map(|error| error.to_string()));
        faults
    }

    /// Whether others than this machine can reach one of the listeners.
    pub fn is_exposed(&self) -> bool {
        let listeners = std::iter::once(self.listen).chain(self.tls.listen);
        listeners.into_iter().any(|listen| !listen.ip().is_loopback())
    }

    /// Whether the address, however it is written, is that of a trusted proxy.
    pub fn is_trusted_proxy(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted_proxies.iter().any(|net| net.contains(&address))
    }

    /// Whose request it is: the last address in `X-Forwarded-For` that is no trusted proxy, when a trusted proxy sent it. One
    /// of IPv4 is told as such, also where it came as one of IPv6 (`::ffff:192.0.2.7`).
    pub fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let forwarded = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let hops: Vec<&str> = forwarded.flat_map(|value| value.split(',')).map(str::trim).collect();
        for hop in hops.into_iter().rev() {
            if !self.is_trusted_proxy(client) {
                break;
            }
            match hop.parse::<IpAddr>() {
                Ok(address) => client = address.to_canonical(),
                Err(_) => break,
            }
        }
        client
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn headers(forwarded: &str) -> HeaderMap {
        HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), forwarded.parse().unwrap())])
    }

    #[test]
    fn forwarded_addresses_are_believed_from_trusted_proxies_only() {
        let config = HttpConfig { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..HttpConfig::default() };
        let forwarded = headers("1.1.1.1, 192.0.2.7, 10.0.0.2");
        assert_eq!(config.client_address(address("10.0.0.1"), &forwarded), address("192.0.2.7"));
        assert_eq!(config.client_address(address("192.0.2.1"), &forwarded), address("192.0.2.1"));
        // As a listener on all addresses of IPv6 sees callers by IPv4.
        assert_eq!(config.client_address(address("::ffff:10.0.0.1"), &forwarded), address("192.0.2.7"));
        assert_eq!(config.client_address(address("::ffff:192.0.2.1"), &forwarded), address("192.0.2.1"));
        assert_eq!(config.client_address(address("10.0.0.1"), &headers("::ffff:192.0.2.9")), address("192.0.2.9"));
    }

    #[test]
    fn links_begin_with_the_path_of_the_public_url() {
        let config = HttpConfig { public_url: "https://img.example.test/cloud/".to_owned(), ..HttpConfig::default() };
        assert_eq!(config.base_path(), "/cloud");
        assert_eq!(HttpConfig::default().base_path(), "");
    }
}
