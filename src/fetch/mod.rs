//! Report files from outside (R2.5.1.5-1…4, RD-16, D-I8): allow-list, address guard, limits, content sniffing.
//!
//! A registered report names an address; whoever registers must not be able to make the archive call anything else
//! than the hospital's report servers. So an address is fetched only when an entry of `reports.allow` names its
//! scheme, host, port and path, names are resolved here, and the connection goes to an address that was checked;
//! redirects go through the same gate. Shares are read where `reports.mount` maps them to a mounted folder or `reports.smb` to a
//! server, and nowhere else.
//! What comes back must be a PDF, JPEG, PNG, TIFF or DICOM object by its first bytes.

mod address;
mod allow;
mod ftp;
mod http;
mod mounted;
mod received;
mod share;
mod smb;
mod source;
mod turns;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use allow::{AllowEntry, AllowEntryError, PathCase};
pub use http::Fetcher;
pub use mounted::Mount;
pub use received::Fetched;
pub use smb::{SmbProtection, SmbShare};

use crate::domain::day_window::Window;
use crate::domain::pdf;

/// Section `[reports]`: where report files may be fetched, and how long that may take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReportsConfig {
    /// Servers and folders that report files may come from, e.g. `http://127.0.0.1:*`, `https://rpt.example.test`,
    /// `http://rpt.example.test:8080/reports`, `ftp://rpt.example.test`, `ftps://…` (TLS from the first byte), `ftpes://…`
    /// (TLS after AUTH TLS). `:*` means any port. Loopback, link-local and metadata addresses are
    /// refused unless an entry names the very address (or `localhost`). Default: none.
    pub allow: Vec<AllowEntry>,
    /// Whether upper and lower case differ in the path of an entry: `sensitive` (default) or `insensitive`.
    pub path_case: PathCase,
    /// Largest report file, in bytes; it is held in memory while it is fetched. Default 100 MiB.
    pub max_bytes: usize,
    /// How long connecting may take, name resolution included, in milliseconds. Default 10 s.
    pub connect_timeout_ms: u64,
    /// How long the server may be silent, in milliseconds. Default 30 s.
    pub read_timeout_ms: u64,
    /// How long one file may take with all its redirects, in milliseconds. Default 5 min.
    pub total_timeout_ms: u64,
    /// Redirects that are followed. Default 5.
    pub max_redirects: u32,
    /// Files fetched at the same time by one server process. Default 8.
    pub concurrency: usize,
    /// Files fetched at the same time from one host by one server process; fewer than `concurrency`, so that a host that
    /// does not answer leaves places to the others. Default 4.
    pub concurrency_per_host: usize,
    /// Names and passwords for hosts that ask for them (HTTP Basic, FTP, SMB).
    pub credential: Vec<Credential>,
    /// Where shares and drives are mounted that report files lie on.
    pub mount: Vec<Mount>,
    /// Shares that are read over SMB, where they are not mounted.
    pub smb: Vec<SmbShare>,
    /// The program of Samba that reads them, looked for in `PATH` when it is a bare name. Default `smbclient`.
    pub smb_client: PathBuf,
    /// What holds for single organisations.
    pub organization: Vec<OrganizationFetch>,
    /// PEM file with authorities of report servers that the system does not know. Default: none.
    pub ca_file: Option<PathBuf>,
    /// Hours after fetching at which the same address is looked at again, since reports are changed under it without a
    /// new registration, e.g. `[24, 168]`. Default: none.
    pub recheck_hours: Vec<u32>,
    /// Whether a PDF inside a DICOM object (Encapsulated PDF Storage) becomes the file of the exam report that the object's
    /// study is linked to, where the registration names and brings no file. Default true.
    pub encapsulated: bool,
}

impl Default for ReportsConfig {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            path_case: PathCase::default(),
            max_bytes: 100 * 1024 * 1024,
            connect_timeout_ms: 10_000,
            read_timeout_ms: 30_000,
            total_timeout_ms: 300_000,
            max_redirects: 5,
            concurrency: 8,
            concurrency_per_host: 4,
            credential: Vec::new(),
            mount: Vec::new(),
            smb: Vec::new(),
            smb_client: PathBuf::from("smbclient"),
            organization: Vec::new(),
            ca_file: None,
            recheck_hours: Vec::new(),
            encapsulated: true,
        }
    }
}

impl ReportsConfig {
    /// What must be mended before a start: the key below `reports`, and what is wrong.
    pub fn faults(&self) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        for (i, entry) in self.smb.iter().enumerate().filter(|(_, entry)| !entry.is_usable()) {
            let message = format!(r"{} is no share (\\server\share), and no target says which one it is", entry.share);
            faults.push((format!("smb.{i}"), message));
        }
        if !self.smb.is_empty() && !smb::is_program(&self.smb_client) {
            let message = format!("{} is not there (Debian: apt-get install smbclient)", self.smb_client.display());
            faults.push(("smb_client".to_owned(), message));
        }
        faults
    }
}

/// One `[[reports.credential]]`: what to say to one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// The host name or address, without port.
    pub host: String,
    /// The user's name.
    pub user: String,
    /// File that holds the password.
    pub password_file: PathBuf,
    /// Whether `ftp://` to this host is secured before the password is said: `none` (default) or `explicit`.
    #[serde(default)]
    pub ftp_tls: FtpTls,
}

/// Whether a connection of FTP is secured after it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FtpTls {
    /// It stays in the clear.
    #[default]
    None,
    /// By AUTH TLS (RFC 4217).
    Explicit,
}

/// One `[[reports.organization]]`: how much of a hospital's servers is used, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OrganizationFetch {
    /// The organisation's code.
    pub code: String,
    /// Its report files fetched at the same time by one server process; 0 (default) means no limit of its own.
    #[serde(default)]
    pub concurrency: usize,
    /// Spans of the day (Asia/Shanghai) in which its report files are fetched, e.g. `["18:00-07:30"]`; empty (default)
    /// means always.
    #[serde(default)]
    pub hours: Vec<Window>,
}

/// What a file is, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaType {
    /// `application/pdf`.
    Pdf,
    /// `image/jpeg`.
    Jpeg,
    /// `image/png`.
    Png,
    /// `image/tiff`.
    Tiff,
    /// `application/dicom`, which may hold a PDF.
    Dicom,
}

impl MediaType {
    /// The media type's name.
    pub fn as_str(self) -> &'static str {
        match self {
            MediaType::Pdf => "application/pdf",
            MediaType::Jpeg => "image/jpeg",
            MediaType::Png => "image/png",
            MediaType::Tiff => "image/tiff",
            MediaType::Dicom => "application/dicom",
        }
    }

    /// Reads the media type's name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pdf, Self::Jpeg, Self::Png, Self::Tiff, Self::Dicom].into_iter().find(|kind| kind.as_str() == text)
    }

    /// Recognises a report file; names and headers are not asked.
    pub fn sniff(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(&[0xFF, 0xD8, 0xFF]) {
            return Some(MediaType::Jpeg);
        }
        if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            return Some(MediaType::Png);
        }
        if [&b"II*\0"[..], b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|mark| bytes.starts_with(mark)) {
            return Some(MediaType::Tiff);
        }
        if bytes.get(128..132) == Some(b"DICM") {
            return Some(MediaType::Dicom);
        }
        // Readers accept a header anywhere in the first kilobyte; a page that talks about PDF is none.
        let head = &bytes[..bytes.len().min(1024)];
        let markup = head.trim_ascii_start().first() == Some(&b'<');
        (!markup && pdf::has_header(head)).then_some(MediaType::Pdf)
    }
}

/// Why a report file could not be fetched. Texts name hosts, never whole addresses: those may hold numbers of patients.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be read.
    #[error("the report's address is no URL")]
    NotAnAddress,
    /// The address has a scheme that this program cannot fetch.
    #[error("report files are fetched over http, https, ftp, ftps and from shares, not {0}")]
    UnsupportedScheme(String),
    /// No entry of `reports.allow`, `reports.mount` or `reports.smb` covers the address.
    #[error("{0} is not covered by reports.allow, reports.mount or reports.smb")]
    NotAllowed(String),
    /// The host's name leads to an address that is never called.
    #[error("{0} leads to a loopback, link-local or metadata address")]
    AddressRefused(String),
    /// More redirects than `reports.max_redirects`.
    #[error("{0} redirects too often")]
    TooManyRedirects(String),
    /// A redirect without a usable target.
    #[error("{0} redirects to nowhere")]
    BadRedirect(String),
    /// The server answered with an error.
    #[error("{host} answered with status {status}")]
    Status {
        /// The host.
        host: String,
        /// The HTTP status, or the FTP reply code.
        status: u16,
    },
    /// The file is larger than `reports.max_bytes`.
    #[error("the report file of {0} is larger than reports.max_bytes")]
    TooLarge(String),
    /// Nothing came.
    #[error("the report file of {0} is empty")]
    Empty(String),
    /// What came is no PDF, JPEG, PNG, TIFF or DICOM object.
    #[error("{host} sent {found}, not a PDF, JPEG, PNG, TIFF or DICOM object")]
    NotAReport {
        /// The host.
        host: String,
        /// What it looks like.
        found: &'static str,
    },
    /// It took longer than `reports.total_timeout_ms`.
    #[error("{0} took longer than reports.total_timeout_ms")]
    TooSlow(String),
    /// The connection failed or broke.
    #[error("no complete answer from {host}: {reason}")]
    Connection {
        /// The host.
        host: String,
        /// What failed.
        reason: &'static str,
    },
    /// A file on a share could not be read.
    #[error("the share {host}: {fault}")]
    Share {
        /// The host or the drive.
        host: String,
        /// What is wrong.
        fault: ShareFault,
    },
    /// The organisation's `hours` are over.
    #[error("outside reports.organization.hours")]
    OutsideHours {
        /// Milliseconds until they begin.
        opens_in_ms: u64,
    },
    /// All places of the host, of the organisation or of the process are taken, and the caller does not wait.
    #[error(
        "as many report files as reports.concurrency, concurrency_per_host or organization.concurrency are being fetched"
    )]
    Busy {
        /// Milliseconds after which a place may be free.
        retry_in_ms: u64,
    },
    /// A file with a password could not be read.
    #[error("reports.credential.password_file: {0}")]
    PasswordFile(std::io::Error),
    /// The client could not be made.
    #[error("the HTTP client could not be made: {0}")]
    Client(String),
    /// The program is stopping.
    #[error("fetching has stopped")]
    Stopped,
}

/// Why a file on a share could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShareFault {
    /// There is no such file, or the share is not mounted.
    #[error("there is no such file")]
    Missing,
    /// It may not be read.
    #[error("the file may not be read")]
    Forbidden,
    /// There is something else than a file.
    #[error("it is no file")]
    NoFile,
    /// The server does not know the user name, or the password is another one.
    #[error("the user name or password is refused")]
    Login,
    /// It changed while it was read.
    #[error("the file is being written")]
    Changing,
    /// Reading failed.
    #[error("reading failed")]
    Unreadable,
}

impl ShareFault {
    fn of(kind: std::io::ErrorKind) -> Self {
        match kind {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => ShareFault::Missing,
            std::io::ErrorKind::PermissionDenied => ShareFault::Forbidden,
            std::io::ErrorKind::IsADirectory => ShareFault::NoFile,
            _ => ShareFault::Unreadable,
        }
    }
}

impl Error {
    /// Whether a later attempt may succeed without anybody changing anything.
    ///
    /// 404 counts, and a missing file: hospitals register a report before its file is written.
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::Status { status, .. } => {
                matches!(status, 404 | 408 | 421 | 425 | 426 | 429 | 450..=452 | 500..=529 | 531..=599)
            }
            // A password that is tried again and again locks its account.
            Error::Share { fault, .. } => !matches!(fault, ShareFault::NoFile | ShareFault::Login),
            Error::OutsideHours { .. }
            | Error::Busy { .. }
            | Error::Empty(_)
            | Error::TooSlow(_)
            | Error::Connection { .. }
            | Error::Stopped => true,
            _ => false,
        }
    }
}

/// Whether a text is an address that can be fetched, as far as its form goes.
pub fn is_address(text: &str) -> bool {
    source::Source::parse(text).is_ok()
}

/// The address as it is kept: without user name and password.
pub fn without_user_info(source: &str) -> String {
    let source = source.trim();
    match url::Url::parse(source) {
        Ok(mut url) if !url.username().is_empty() || url.password().is_some() => {
            // An address that cannot carry user info has none.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.to_string()
        }
        _ => source.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_decide_what_a_file_is() {
        assert_eq!(MediaType::sniff(b"%PDF-1.4\n"), Some(MediaType::Pdf));
        assert_eq!(MediaType::sniff(b"\xEF\xBB\xBF\r\n%PDF-1.7"), Some(MediaType::Pdf));
        assert_eq!(MediaType::sniff(&[0xFF, 0xD8, 0xFF, 0xE0]), Some(MediaType::Jpeg));
        assert_eq!(MediaType::sniff(b"\x89PNG\r\n\x1a\n...."), Some(MediaType::Png));
        assert_eq!(MediaType::sniff(b"<html>%PDF-1.4 not found</html>"), None);
        assert_eq!(MediaType::sniff(&[&[0; 128][..], b"DICM"].concat()), Some(MediaType::Dicom));
        assert_eq!(MediaType::sniff(b""), None);
    }

    #[test]
    fn user_names_and_passwords_are_not_kept() {
        assert_eq!(without_user_info("http://u:p@rpt.example.test/a.pdf"), "http://rpt.example.test/a.pdf");
        assert_eq!(without_user_info(" http://rpt.example.test/报告.pdf "), "http://rpt.example.test/报告.pdf");
        assert_eq!(without_user_info(r"\\host\share\a.pdf"), r"\\host\share\a.pdf");
    }
}
