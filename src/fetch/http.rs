//! Taking turns and fetching; http and https are spoken here.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::LOCATION;
use reqwest::{Certificate, Client, Response, redirect};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio_rustls::TlsConnector;
use url::Url;

use super::address::{GuardedResolver, Refused};
use super::ftp::{self, Ftp};
use super::received::{Fetched, Receiving};
use super::share::{self, SharedFile};
use super::smb::SmbFile;
use super::source::{Source, host_of, url_in_gbk};
use super::turns::{Turns, WhenFull};
use super::{Error, FtpTls, ReportsConfig, mounted};
use crate::domain::day_window;

/// Fetches report files; a cheap clone, clones share connections and limits.
#[derive(Debug, Clone)]
pub struct Fetcher {
    inner: Arc<Inner>,
}

struct Inner {
    config: ReportsConfig,
    client: Client,
    ftp_tls: TlsConnector,
    credentials: HashMap<String, Login>,
    localhost: bool,
    all: Arc<Turns>,
    hosts: Mutex<HashMap<String, Arc<Turns>>>,
    organizations: HashMap<String, Arc<Turns>>,
}

/// What to say to one host.
struct Login {
    user: String,
    password: String,
    ftp_tls: FtpTls,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Fetcher {
    /// Reads the passwords and prepares the client; connects to nobody.
    pub fn new(config: ReportsConfig) -> Result<Self, Error> {
        let localhost = config.allow.iter().any(|entry| entry.names_localhost());
        Self::with_resolver(config, GuardedResolver { localhost })
    }

    fn with_resolver(config: ReportsConfig, resolver: GuardedResolver) -> Result<Self, Error> {
        let mut credentials = HashMap::new();
        for credential in &config.credential {
            let password = std::fs::read_to_string(&credential.password_file).map_err(Error::PasswordFile)?;
            let password = password.trim_end_matches(['\r', '\n']).to_owned();
            let login = Login { user: credential.user.clone(), password, ftp_tls: credential.ftp_tls };
            credentials.insert(credential.host.to_lowercase(), login);
        }
        // Usually done at start-up; a second time changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let authorities = config.ca_file.as_deref().map(authorities).transpose()?.unwrap_or_default();
        let failed = |error: reqwest::Error| Error::Client(chain(&error));
        let extra = authorities.iter().map(|authority| Certificate::from_der(authority)).collect::<Result<Vec<_>, _>>();
        let client = Client::builder()
            .user_agent(concat!("yingku/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .referer(false)
            .redirect(redirect::Policy::none())
            .connect_timeout(Duration::from_millis(config.connect_timeout_ms))
            .read_timeout(Duration::from_millis(config.read_timeout_ms))
            .dns_resolver(Arc::new(resolver))
            .tls_certs_merge(extra.map_err(failed)?)
            .build()
            .map_err(failed)?;
        let all = Turns::new(config.concurrency);
        let limited = config.organization.iter().filter(|organization| organization.concurrency > 0);
        let organizations = limited.map(|one| (one.code.clone(), Turns::new(one.concurrency))).collect();
        let (localhost, ftp_tls) = (resolver.localhost, ftp::connector(authorities)?);
        let hosts = Mutex::default();
        Ok(Self {
            inner: Arc::new(Inner { config, client, ftp_tls, credentials, localhost, all, hosts, organizations }),
        })
    }

    /// Hours after fetching at which an address is looked at again.
    pub fn recheck_hours(&self) -> &[u32] {
        &self.inner.config.recheck_hours
    }

    /// Whether PDFs inside DICOM objects become report files.
    pub fn takes_encapsulated(&self) -> bool {
        self.inner.config.encapsulated
    }

    /// Longest report file, in bytes.
    pub fn max_bytes(&self) -> u64 {
        self.inner.config.max_bytes as u64
    }

    /// Files that are fetched at the same time.
    pub fn places(&self) -> usize {
        self.inner.config.concurrency.max(1)
    }

    /// Fetches one report file of an organisation, within its hours and its number of places. Waits for its turn.
    pub async fn fetch_for(&self, org_code: &str, now_ms: i64, source: &str) -> Result<Fetched, Error> {
        self.fetch_within(org_code, now_ms, source, WhenFull::Wait).await
    }

    /// The same for who must not wait for a turn: when there is no place, the error says when to ask again.
    pub async fn try_fetch_for(&self, org_code: &str, now_ms: i64, source: &str) -> Result<Fetched, Error> {
        self.fetch_within(org_code, now_ms, source, WhenFull::Refuse).await
    }

    async fn fetch_within(
        &self,
        org_code: &str,
        now_ms: i64,
        source: &str,
        when_full: WhenFull,
    ) -> Result<Fetched, Error> {
        let organization = self.inner.config.organization.iter().find(|organization| organization.code == org_code);
        let opens_in_ms = organization.map_or(0, |one| day_window::opens_in_ms(&one.hours, now_ms));
        if opens_in_ms > 0 {
            return Err(Error::OutsideHours { opens_in_ms });
        }
        let _turn = match self.inner.organizations.get(org_code) {
            Some(turns) => Some(turns.take(when_full).await?),
            None => None,
        };
        self.fetch_in_turn(source, when_full).await
    }

    /// Fetches one report file. Waits for its turn first; the total time counts from then on.
    pub async fn fetch(&self, source: &str) -> Result<Fetched, Error> {
        self.fetch_in_turn(source, WhenFull::Wait).await
    }

    async fn fetch_in_turn(&self, source: &str, when_full: WhenFull) -> Result<Fetched, Error> {
        let source = Source::parse(source)?;
        let host = source.host();
        let source = self.admit(source)?;
        let turns = self.turns_of(&host);
        // The host's turn comes first: who waits for a slow host takes no place from others.
        let own = turns.take(when_full).await?;
        let all = self.inner.all.take(when_full).await?;
        let limit = Duration::from_millis(self.inner.config.total_timeout_ms);
        let too_slow = || Error::TooSlow(host.clone());
        match source {
            Source::Web(url) => tokio::time::timeout(limit, self.follow(url)).await.map_err(|_| too_slow())?,
            Source::Ftp(scheme, url) => {
                let config = &self.inner.config;
                let ftp = Ftp {
                    scheme,
                    url: &url,
                    login: self.inner.credentials.get(&host).map(|l| (l.user.as_str(), l.password.as_str(), l.ftp_tls)),
                    tls: &self.inner.ftp_tls,
                    localhost: self.inner.localhost,
                    connect_timeout: Duration::from_millis(config.connect_timeout_ms),
                    read_timeout: Duration::from_millis(config.read_timeout_ms),
                    max_bytes: config.max_bytes,
                };
                tokio::time::timeout(limit, ftp.fetch()).await.map_err(|_| too_slow())?
            }
            Source::Share(path) => match share::locate(&self.inner.config, &path, &host)? {
                SharedFile::Mounted(file) => {
                    let max_bytes = self.inner.config.max_bytes;
                    // A mount whose server is away blocks its thread: the turns stay with the thread, not with who waits.
                    let reading = tokio::task::spawn_blocking(move || {
                        let read = mounted::read(&file, max_bytes);
                        drop((all, own));
                        read
                    });
                    let read = tokio::time::timeout(limit, reading).await.map_err(|_| too_slow())?;
                    read.map_err(|_| Error::Stopped)?
                }
                SharedFile::Smb(file) => {
                    tokio::time::timeout(limit, self.fetch_smb(&file)).await.map_err(|_| too_slow())?
                }
            },
        }
    }

    async fn fetch_smb(&self, file: &SmbFile) -> Result<Fetched, Error> {
        let Inner { config, credentials, .. } = &*self.inner;
        let login = credentials.get(&file.server()).map(|login| (login.user.as_str(), login.password.as_str()));
        let read_timeout = Duration::from_millis(config.read_timeout_ms);
        file.fetch(&config.smb_client, login, read_timeout, config.max_bytes).await
    }

    /// Passes an address through the allow-list; what is mounted is allowed by its mount.
    fn admit(&self, source: Source) -> Result<Source, Error> {
        Ok(match source {
            Source::Web(url) => Source::Web(self.admit_url(url)?),
            Source::Ftp(scheme, mut url) => {
                let config = &self.inner.config;
                if !config.allow.iter().any(|entry| entry.covers_ftp(scheme, &url, config.path_case)) {
                    return Err(Error::NotAllowed(host_of(&url)));
                }
                let _ = url.set_username("");
                let _ = url.set_password(None);
                Source::Ftp(scheme, url)
            }
            share @ Source::Share(_) => share,
        })
    }

    fn admit_url(&self, mut url: Url) -> Result<Url, Error> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Error::UnsupportedScheme(url.scheme().to_owned()));
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
        let mut in_gbk = url_in_gbk(&url);
        loop {
            let host = host_of(&url);
            let response = self.ask(&url, &host).await?;
            let status = response.status();
            // A server that keeps names in GBK does not know them in UTF-8.
            if status.as_u16() == 404
                && let Some(other) = in_gbk.take()
            {
                url = self.admit_url(other)?;
                continue;
            }
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
            url = self.admit_url(target)?;
        }
    }

    async fn ask(&self, url: &Url, host: &str) -> Result<Response, Error> {
        let mut request = self.inner.client.get(url.clone());
        if let Some(login) = self.inner.credentials.get(host) {
            request = request.basic_auth(&login.user, Some(&login.password));
        }
        request.send().await.map_err(|error| failed(&error, host))
    }

    async fn receive(&self, mut response: Response, host: String) -> Result<Fetched, Error> {
        let announced = response.content_length().unwrap_or(0);
        let mut received = Receiving::new(&host, self.inner.config.max_bytes, announced)?;
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error, &host))? {
            received.take(&chunk)?;
        }
        received.finish()
    }

    fn turns_of(&self, host: &str) -> Arc<Turns> {
        let mut hosts = self.inner.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        // Hosts are those of the allow-list and of mounts, so the map stays small.
        let per_host = self.inner.config.concurrency_per_host;
        Arc::clone(hosts.entry(host.to_owned()).or_insert_with(|| Turns::new(per_host)))
    }
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

fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.map_err(|error| Error::Client(format!("reports.ca_file: {error}")))?;
    if found.is_empty() { Err(Error::Client("reports.ca_file holds no certificate".to_owned())) } else { Ok(found) }
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
