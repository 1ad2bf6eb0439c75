//! Fetching over http and https within the limits.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::LOCATION;
use reqwest::{Client, Response, redirect};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use url::Url;

use super::address::{GuardedResolver, Refused};
use super::{Error, MediaType, ReportsConfig};

/// A report file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The file.
    pub bytes: Bytes,
    /// What it is, by its first bytes.
    pub media_type: MediaType,
    /// SHA-256, hex.
    pub sha256: String,
}

/// Fetches report files; a cheap clone, clones share connections and limits.
#[derive(Debug, Clone)]
pub struct Fetcher {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: ReportsConfig,
    client: Client,
    passwords: HashMap<String, (String, String)>,
    all: Semaphore,
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Fetcher {
    /// Reads the passwords and prepares the client; connects to nobody.
    pub fn new(config: ReportsConfig) -> Result<Self, Error> {
        let localhost = config.allow.iter().any(|entry| entry.names_localhost());
        Self::with_resolver(config, GuardedResolver { localhost })
    }

    fn with_resolver(config: ReportsConfig, resolver: GuardedResolver) -> Result<Self, Error> {
        let mut passwords = HashMap::new();
        for credential in &config.credential {
            let password = std::fs::read_to_string(&credential.password_file).map_err(Error::PasswordFile)?;
            let password = password.trim_end_matches(['\r', '\n']).to_owned();
            passwords.insert(credential.host.to_lowercase(), (credential.user.clone(), password));
        }
        // Usually done at start-up; a second time changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("yingku/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .referer(false)
            .redirect(redirect::Policy::none())
            .connect_timeout(Duration::from_millis(config.connect_timeout_ms))
            .read_timeout(Duration::from_millis(config.read_timeout_ms))
            .dns_resolver(Arc::new(resolver))
            .build()
            .map_err(|error| Error::Client(chain(&error)))?;
        let all = Semaphore::new(config.concurrency.max(1));
        Ok(Self { inner: Arc::new(Inner { config, client, passwords, all, hosts: Mutex::default() }) })
    }

    /// Fetches one report file. Waits for its turn first; the total time counts from then on.
    pub async fn fetch(&self, source: &str) -> Result<Fetched, Error> {
        let url = self.checked(source)?;
        let host = host_of(&url);
        let turns = self.turns_of(&host);
        let _all = self.inner.all.acquire().await.map_err(|_| Error::Stopped)?;
        let _host = turns.acquire().await.map_err(|_| Error::Stopped)?;
        let limit = Duration::from_millis(self.inner.config.total_timeout_ms);
        tokio::time::timeout(limit, self.follow(url)).await.map_err(|_| Error::TooSlow(host))?
    }

    /// Reads an address and passes it through the allow-list.
    fn checked(&self, source: &str) -> Result<Url, Error> {
        let source = source.trim();
        if source.starts_with(r"\\") {
            return Err(Error::UnsupportedScheme("a shared folder".to_owned()));
        }
        let url = Url::parse(source).map_err(|_| Error::NotAnAddress)?;
        self.admit(url)
    }

    fn admit(&self, mut url: Url) -> Result<Url, Error> {
        if !matches!(url.scheme(), "http" | "https") {
            // A single letter is a drive.
            let scheme = if url.scheme().len() == 1 { "a drive" } else { url.scheme() };
            return Err(Error::UnsupportedScheme(scheme.to_owned()));
        }
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_fragment(None);
        let config = &self.inner.config;
        if !config.allow.iter().any(|entry| entry.covers(&url, config.path_case)) {
            return Err(Error::NotAllowed(host_of(&url)));
        }
        Ok(url)
    }

    async fn follow(&self, mut url: Url) -> Result<Fetched, Error> {
        let mut redirects = 0;
        loop {
            let host = host_of(&url);
            let response = self.ask(&url, &host).await?;
            let status = response.status();
            if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                if !status.is_success() {
                    return Err(Error::Status { host, status: status.as_u16() });
                }
                return self.receive(response, host).await;
            }
            redirects += 1;
            if redirects > self.inner.config.max_redirects {
                return Err(Error::TooManyRedirects(host));
            }
            let target = response.headers().get(LOCATION).and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
            let target = target.and_then(|target| url.join(target).ok()).ok_or(Error::BadRedirect(host))?;
            url = self.admit(target)?;
        }
    }

    async fn ask(&self, url: &Url, host: &str) -> Result<Response, Error> {
        let mut request = self.inner.client.get(url.clone());
        if let Some((user, password)) = self.inner.passwords.get(host) {
            request = request.basic_auth(user, Some(password));
        }
        request.send().await.map_err(|error| failed(&error, host))
    }

    async fn receive(&self, mut response: Response, host: String) -> Result<Fetched, Error> {
        let max_bytes = self.inner.config.max_bytes;
        let announced = response.content_length().unwrap_or(0);
        if announced > max_bytes as u64 {
            return Err(Error::TooLarge(host));
        }
        // The announced length is a claim: memory grows with what really comes.
        let mut bytes = BytesMut::with_capacity((announced as usize).min(64 * 1024));
        let mut hash = Sha256::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error, &host))? {
            if bytes.len() + chunk.len() > max_bytes {
                return Err(Error::TooLarge(host));
            }
            hash.update(&chunk);
            bytes.extend_from_slice(&chunk);
            if bytes.len() >= 1024 && bytes.len() - chunk.len() < 1024 {
                recognise(&bytes, &host)?;
            }
        }
        let media_type = recognise(&bytes, &host)?;
        Ok(Fetched { bytes: bytes.freeze(), media_type, sha256: hex::encode(hash.finalize()) })
    }

    fn turns_of(&self, host: &str) -> Arc<Semaphore> {
        let mut hosts = self.inner.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        // Hosts are those of the allow-list, so the map stays small.
        let per_host = self.inner.config.concurrency_per_host.max(1);
        Arc::clone(hosts.entry(host.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(per_host))))
    }
}

fn recognise(bytes: &[u8], host: &str) -> Result<MediaType, Error> {
    if bytes.is_empty() {
        return Err(Error::Empty(host.to_owned()));
    }
    MediaType::sniff(bytes).ok_or_else(|| {
        let markup = bytes.trim_ascii_start().first() == Some(&b'<');
        Error::NotAReport { host: host.to_owned(), found: if markup { "a web page" } else { "something else" } }
    })
}

fn host_of(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_lowercase()
}

fn failed(error: &reqwest::Error, host: &str) -> Error {
    let host = host.to_owned();
    let mut cause: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(error) = cause {
        if error.downcast_ref::<Refused>().is_some() {
            return Error::AddressRefused(host);
        }
        cause = error.source();
    }
    let reason = match error {
        error if error.is_timeout() => "timeout",
        error if error.is_connect() => "cannot connect",
        error if error.is_body() || error.is_decode() => "the connection broke",
        _ => "the exchange failed",
    };
    Error::Connection { host, reason }
}

fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::AllowEntry;
    use super::*;

    /// `localhost` stands for any name in the list that turns out to lead to this machine.
    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_refused() {
        let allow = vec![AllowEntry::parse("http://localhost:*").unwrap()];
        let config = ReportsConfig { allow, ..ReportsConfig::default() };
        let fetcher = Fetcher::with_resolver(config, GuardedResolver { localhost: false }).unwrap();
        let error = fetcher.fetch("http://localhost:9/report.pdf").await.unwrap_err();
        assert!(matches!(error, Error::AddressRefused(ref host) if host == "localhost"), "{error}");
        assert!(!error.is_retryable());
    }
}
