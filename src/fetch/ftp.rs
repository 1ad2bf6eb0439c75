//! Fetching over FTP (RFC 959, RFC 2428) and FTP over TLS (RFC 4217), passive mode only.
//!
//! The data connection goes to the address that the control connection was checked for, whatever the server says. Names go
//! over the wire in UTF-8 and, when the server does not know them, in GBK.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::Url;

use super::address::is_callable;
use super::received::{Fetched, Receiving};
use super::source::{FtpScheme, host_of, in_gbk};
use super::{Error, FtpTls};

const IMPLICIT_PORT: u16 = 990;
/// Longest line of a reply, and most lines of one.
const LONGEST_LINE: usize = 4096;
const MOST_LINES: usize = 200;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// What one fetch needs to know.
pub(super) struct Ftp<'f> {
    pub(super) scheme: FtpScheme,
    pub(super) url: &'f Url,
    /// Name and password, and whether the connection is secured after it is made.
    pub(super) login: Option<(&'f str, &'f str, FtpTls)>,
    pub(super) tls: &'f TlsConnector,
    pub(super) localhost: bool,
    pub(super) connect_timeout: Duration,
    pub(super) read_timeout: Duration,
    pub(super) max_bytes: usize,
}

/// The control connection.
struct Control {
    stream: Box<dyn Stream>,
    unread: Vec<u8>,
    host: String,
    patience: Duration,
}

/// A reply: its code and its last line.
struct Reply {
    code: u16,
    text: String,
}

impl Ftp<'_> {
    /// Fetches the file.
    pub(super) async fn fetch(&self) -> Result<Fetched, Error> {
        let host = host_of(self.url);
        let address = self.address(&host).await?;
        let (user, password, tls) = self.login.unwrap_or(("anonymous", "anonymous@", FtpTls::None));
        let name = ServerName::try_from(host.clone()).map_err(|_| Error::NotAnAddress)?;
        let explicit =
            self.scheme == FtpScheme::Explicit || (self.scheme == FtpScheme::Plain && tls == FtpTls::Explicit);
        let is_secured = explicit || self.scheme == FtpScheme::Implicit;

        let tcp = self.connect(address, &host).await?;
        let mut stream: Box<dyn Stream> = Box::new(tcp);
        if self.scheme == FtpScheme::Implicit {
            stream = self.secured(stream, &name, &host).await?;
        }
        let mut control = Control { stream, unread: Vec::new(), host: host.clone(), patience: self.read_timeout };
        control.expect(&[220]).await?;
        if explicit {
            control.ask(b"AUTH TLS", &[234]).await?;
            // Whatever came in the clear behind the answer was put there by somebody else.
            control.unread.clear();
            control.stream = self.secured(control.stream, &name, &host).await?;
        }
        let greeted = control.ask(&[b"USER ", user.as_bytes()].concat(), &[230, 331]).await?;
        if greeted.code == 331 {
            control.ask(&[b"PASS ", password.as_bytes()].concat(), &[230, 202]).await?;
        }
        if is_secured {
            control.ask(b"PBSZ 0", &[200]).await?;
            control.ask(b"PROT P", &[200]).await?;
        }
        control.ask(b"TYPE I", &[200]).await?;
        let path = self.url.path().trim_start_matches('/');
        let mut names = vec![percent_decode_str(path).collect::<Vec<u8>>()];
        names.extend(in_gbk(path));
        let last = names.len() - 1;
        for (number, path) in names.iter().enumerate() {
            let data = self.data_connection(&mut control, address.ip()).await?;
            let begun = control.say(&[b"RETR ", path.as_slice()].concat()).await?;
            match begun.code {
                125 | 150 => {
                    let data: Box<dyn Stream> =
                        if is_secured { self.secured(Box::new(data), &name, &host).await? } else { Box::new(data) };
                    let fetched = self.receive(data, &host, announced(&begun.text)).await;
                    // What the server says of a transfer that broke does not make it whole.
                    let fetched = fetched?;
                    control.expect(&[226, 250]).await?;
                    let _ = timeout(Duration::from_secs(1), control.say(b"QUIT")).await;
                    return Ok(fetched);
                }
                550 | 553 if number < last => {}
                code => return Err(Error::Status { host, status: code }),
            }
        }
        Err(Error::Status { host, status: 550 })
    }

    async fn address(&self, host: &str) -> Result<SocketAddr, Error> {
        let implicit = self.scheme == FtpScheme::Implicit;
        let port = self.url.port().unwrap_or(if implicit { IMPLICIT_PORT } else { 21 });
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = literal.parse::<IpAddr>() {
            return Ok(SocketAddr::new(address, port));
        }
        let found = timeout(self.connect_timeout, tokio::net::lookup_host((host, port))).await;
        let found = found.map_err(|_| broken(host, "timeout"))?.map_err(|_| broken(host, "cannot connect"))?;
        let known = self.localhost && host == "localhost";
        let mut callable = found.filter(|found| is_callable(found.ip()) || (known && found.ip().is_loopback()));
        callable.next().ok_or_else(|| Error::AddressRefused(host.to_owned()))
    }

    async fn connect(&self, address: SocketAddr, host: &str) -> Result<TcpStream, Error> {
        let connected = timeout(self.connect_timeout, TcpStream::connect(address)).await;
        connected.map_err(|_| broken(host, "timeout"))?.map_err(|_| broken(host, "cannot connect"))
    }

    async fn secured(
        &self,
        stream: Box<dyn Stream>,
        name: &ServerName<'static>,
        host: &str,
    ) -> Result<Box<dyn Stream>, Error> {
        let shaken = timeout(self.connect_timeout, self.tls.connect(name.clone(), stream)).await;
        let shaken = shaken.map_err(|_| broken(host, "timeout"))?;
        Ok(Box::new(shaken.map_err(|_| broken(host, "the TLS handshake failed"))?))
    }

    /// Asks for a port and connects to it, at the address of the control connection.
    async fn data_connection(&self, control: &mut Control, address: IpAddr) -> Result<TcpStream, Error> {
        let extended = control.say(b"EPSV").await?;
        let port = match extended.code {
            229 => port_of_epsv(&extended.text),
            _ => port_of_pasv(&control.ask(b"PASV", &[227]).await?.text),
        };
        let host = control.host.clone();
        let port = port.ok_or_else(|| broken(&host, "the server named no port"))?;
        self.connect(SocketAddr::new(address, port), &host).await
    }

    async fn receive(&self, mut data: Box<dyn Stream>, host: &str, announced: u64) -> Result<Fetched, Error> {
        let mut received = Receiving::new(host, self.max_bytes, announced)?;
        let mut chunk = vec![0; 64 * 1024];
        loop {
            let read = timeout(self.read_timeout, data.read(&mut chunk)).await.map_err(|_| broken(host, "timeout"))?;
            match read {
                Ok(0) => break,
                Ok(length) => received.take(&chunk[..length])?,
                // Many servers end TLS without saying so; the final reply tells whether all was sent.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
                Err(_) => return Err(broken(host, "the connection broke")),
            }
        }
        if announced > 0 && received.length() != announced {
            return Err(broken(host, "the connection broke"));
        }
        received.finish()
    }
}

impl Control {
    async fn ask(&mut self, command: &[u8], wanted: &[u16]) -> Result<Reply, Error> {
        let reply = self.say(command).await?;
        self.checked(reply, wanted)
    }

    async fn expect(&mut self, wanted: &[u16]) -> Result<Reply, Error> {
        let reply = self.reply().await?;
        self.checked(reply, wanted)
    }

    fn checked(&self, reply: Reply, wanted: &[u16]) -> Result<Reply, Error> {
        match wanted.contains(&reply.code) {
            true => Ok(reply),
            false => Err(Error::Status { host: self.host.clone(), status: reply.code }),
        }
    }

    async fn say(&mut self, command: &[u8]) -> Result<Reply, Error> {
        let line = [command, b"\r\n"].concat();
        let written = timeout(self.patience, self.stream.write_all(&line)).await;
        written.map_err(|_| broken(&self.host, "timeout"))?.map_err(|_| broken(&self.host, "the connection broke"))?;
        let flushed = timeout(self.patience, self.stream.flush()).await;
        flushed.map_err(|_| broken(&self.host, "timeout"))?.map_err(|_| broken(&self.host, "the connection broke"))?;
        self.reply().await
    }

    /// One reply, whose first line may end with a hyphen after the code to say that more follow.
    async fn reply(&mut self) -> Result<Reply, Error> {
        let mut open: Option<u16> = None;
        for _ in 0..MOST_LINES {
            let line = self.line().await?;
            let code = line.get(..3).and_then(|code| code.parse::<u16>().ok());
            let more = line.as_bytes().get(3) == Some(&b'-');
            match (open, code) {
                (None, Some(code)) if more => open = Some(code),
                (None, Some(code)) => return Ok(Reply { code, text: line }),
                (Some(first), Some(code)) if first == code && !more => return Ok(Reply { code, text: line }),
                (Some(_), _) => {}
                (None, None) => break,
            }
        }
        Err(broken(&self.host, "the server does not speak FTP"))
    }

    async fn line(&mut self) -> Result<String, Error> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.unread.len() > LONGEST_LINE {
                return Err(broken(&self.host, "the server does not speak FTP"));
            }
            let mut chunk = [0; 1024];
            let read = timeout(self.patience, self.stream.read(&mut chunk)).await;
            match read.map_err(|_| broken(&self.host, "timeout"))? {
                Ok(length) if length > 0 => self.unread.extend_from_slice(&chunk[..length]),
                _ => return Err(broken(&self.host, "the connection broke")),
            }
        }
    }
}

fn broken(host: &str, reason: &'static str) -> Error {
    Error::Connection { host: host.to_owned(), reason }
}

/// `229 Entering Extended Passive Mode (|||port|)`
fn port_of_epsv(text: &str) -> Option<u16> {
    let inner = text.rsplit_once('(')?.1;
    let mark = inner.chars().next()?;
    inner.split(mark).nth(3)?.parse().ok()
}

/// `227 Entering Passive Mode (h1,h2,h3,h4,p1,p2)`; the host is not believed.
fn port_of_pasv(text: &str) -> Option<u16> {
    let numbers: Vec<u16> = text
        .get(4..)?
        .split(|c: char| !c.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .map_while(|part| part.parse().ok())
        .collect();
    let [.., high, low] = numbers.as_slice() else { return None };
    (numbers.len() >= 6 && *high < 256 && *low < 256).then(|| high * 256 + low)
}

/// `150 Opening BINARY mode data connection for x (1234 bytes)`: the length, if it is told.
fn announced(text: &str) -> u64 {
    let told = text.rsplit_once('(').and_then(|(_, rest)| rest.split_once(" bytes"));
    told.and_then(|(number, _)| number.trim().parse().ok()).unwrap_or(0)
}

/// How certificates of FTP servers are judged: by the system's authorities and those of `reports.ca_file`.
pub(super) fn connector(extra: Vec<rustls::pki_types::CertificateDer<'static>>) -> Result<TlsConnector, Error> {
    let provider = rustls::crypto::CryptoProvider::get_default().cloned();
    let provider = provider.unwrap_or_else(|| Arc::new(rustls::crypto::ring::default_provider()));
    let failed = |error: rustls::Error| Error::Client(error.to_string());
    let verifier =
        rustls_platform_verifier::Verifier::new_with_extra_roots(extra, Arc::clone(&provider)).map_err(failed)?;
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_and_addresses_are_not() {
        assert_eq!(port_of_epsv("229 Entering Extended Passive Mode (|||50123|)"), Some(50123));
        assert_eq!(port_of_epsv("229 nothing"), None);
        assert_eq!(port_of_pasv("227 Entering Passive Mode (10,0,0,1,195,80)."), Some(50000));
        assert_eq!(port_of_pasv("227 10,0,0,1,195,80"), Some(50000));
        assert_eq!(port_of_pasv("227 (1,2,3)"), None);
        assert_eq!(port_of_pasv("227 (1,2,3,4,300,1)"), None);
    }

    #[test]
    fn the_length_is_told_by_some_servers() {
        assert_eq!(announced("150 Opening BINARY mode data connection for a.pdf (1234 bytes)."), 1234);
        assert_eq!(announced("150 File status okay."), 0);
    }
}
