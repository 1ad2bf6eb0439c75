//! `[http]`: where the server listens and what it accepts of a request.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tls::{CertificateMatch, ListenerKind, ServerTls, TlsConfig};

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
            head_timeout_ms: 15_000,
            drain_timeout_ms: 10_000,
            request_timeout_ms: 60_000,
            send_timeout_ms: 120_000,
            trusted_proxies: Vec::new(),
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

    /// Whose request it is: the last address in `X-Forwarded-For` that is no trusted proxy, when a trusted proxy sent it.
    pub fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let trusted = |address: &IpAddr| self.trusted_proxies.iter().any(|net| net.contains(address));
        let mut client = peer;
        let forwarded = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let hops: Vec<&str> = forwarded.flat_map(|value| value.split(',')).map(str::trim).collect();
        for hop in hops.into_iter().rev() {
            if !trusted(&client) {
                break;
            }
            match hop.parse() {
                Ok(address) => client = address,
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
    }

    #[test]
    fn links_begin_with_the_path_of_the_public_url() {
        let config = HttpConfig { public_url: "https://img.example.test/cloud/".to_owned(), ..HttpConfig::default() };
        assert_eq!(config.base_path(), "/cloud");
        assert_eq!(HttpConfig::default().base_path(), "");
    }
}
