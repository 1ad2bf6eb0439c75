//! Which addresses may be fetched at all: entries of scheme, host, port and folder.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::source::FtpScheme;

/// Whether upper and lower case differ in paths. Windows servers do not tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PathCase {
    /// `/Reports` and `/reports` are two folders.
    #[default]
    Sensitive,
    /// `/Reports` and `/reports` are one folder.
    Insensitive,
}

/// One entry of `reports.allow`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct AllowEntry {
    scheme: String,
    host: Host<String>,
    port: Port,
    folder: String,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    Any,
    Only(Option<u16>),
}

/// A text that is no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("reports.allow: {0:?} should look like http://host, https://host:8443, ftp://host or http://host:*/folder")]
pub struct AllowEntryError(String);

impl AllowEntry {
    /// Reads an entry.
    pub fn parse(text: &str) -> Result<Self, AllowEntryError> {
        let wrong = || AllowEntryError(text.to_owned());
        let (scheme, rest) = text.trim().split_once("://").ok_or_else(wrong)?;
        let (authority, folder) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (authority, any_port) = match authority.strip_suffix(":*") {
            Some(host) => (host, true),
            None => (authority, false),
        };
        let scheme = scheme.to_ascii_lowercase();
        // Hosts and paths of all schemes of FTP are normalised as those of the first are.
        let (base, known_port) = match scheme.as_str() {
            "http" => ("http", 80),
            "https" => ("https", 443),
            "ftp" | "ftpes" => ("ftp", 21),
            "ftps" => ("ftp", 990),
            _ => return Err(wrong()),
        };
        let url = Url::parse(&format!("{base}://{authority}{folder}")).map_err(|_| wrong())?;
        let bare = url.username().is_empty() && url.password().is_none();
        let bare = bare && url.query().is_none() && url.fragment().is_none();
        if !bare {
            return Err(wrong());
        }
        Ok(Self {
            scheme,
            host: url.host().ok_or_else(wrong)?.to_owned(),
            port: if any_port { Port::Any } else { Port::Only(Some(url.port().unwrap_or(known_port))) },
            folder: url.path().trim_end_matches('/').to_owned(),
            text: text.trim().to_owned(),
        })
    }

    /// Whether the entry covers an address that is already normalised (no `..`).
    pub(super) fn covers(&self, url: &Url, case: PathCase) -> bool {
        self.covers_all(url.scheme(), url.port_or_known_default(), url, case)
    }

    /// The same for an address of FTP; an entry `ftp://` covers a connection that is secured by AUTH TLS too.
    pub(super) fn covers_ftp(&self, scheme: FtpScheme, url: &Url, case: PathCase) -> bool {
        let (names, known_port): (&[&str], _) = match scheme {
            FtpScheme::Plain => (&["ftp"], 21),
            FtpScheme::Explicit => (&["ftpes", "ftp"], 21),
            FtpScheme::Implicit => (&["ftps"], 990),
        };
        names.iter().any(|name| self.covers_all(name, Some(url.port().unwrap_or(known_port)), url, case))
    }

    fn covers_all(&self, scheme: &str, port: Option<u16>, url: &Url, case: PathCase) -> bool {
        let port = match self.port {
            Port::Any => true,
            Port::Only(only) => port == only,
        };
        let host = url.host().is_some_and(|host| host.to_owned() == self.host);
        self.scheme == scheme && host && port && self.covers_path(url.path(), case)
    }

    /// Whether the entry says `localhost` by name.
    pub(super) fn names_localhost(&self) -> bool {
        matches!(&self.host, Host::Domain(name) if name == "localhost")
    }

    fn covers_path(&self, path: &str, case: PathCase) -> bool {
        if self.folder.is_empty() {
            return true;
        }
        let (path, folder) = match case {
            PathCase::Sensitive => (path.to_owned(), self.folder.clone()),
            PathCase::Insensitive => (path.to_lowercase(), self.folder.to_lowercase()),
        };
        // A server may read an escaped slash as a slash, and then `..` behind it as the folder above.
        let escaped = path.to_ascii_lowercase();
        let sly = escaped.contains("%2f") || escaped.contains("%5c");
        !sly && path.strip_prefix(&folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for AllowEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for AllowEntry {
    type Error = AllowEntryError;

    fn try_from(text: String) -> Result<Self, AllowEntryError> {
        Self::parse(&text)
    }
}

impl From<AllowEntry> for String {
    fn from(entry: AllowEntry) -> String {
        entry.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(entry: &str, url: &str) -> bool {
        AllowEntry::parse(entry).unwrap().covers(&Url::parse(url).unwrap(), PathCase::Sensitive)
    }

    #[test]
    fn scheme_host_and_port_must_agree() {
        assert!(covers("https://rpt.example.test", "https://rpt.example.test/a/b.pdf?x=1"));
        assert!(covers("https://rpt.example.test", "https://RPT.example.test:443/a"));
        assert!(!covers("https://rpt.example.test", "http://rpt.example.test/a"));
        assert!(!covers("https://rpt.example.test", "https://rpt.example.test:8443/a"));
        assert!(!covers("https://rpt.example.test", "https://rpt.example.test.evil.test/a"));
        assert!(!covers("https://rpt.example.test", "https://rpt.example.test@evil.test/a"));
    }

    #[test]
    fn a_star_means_any_port() {
        assert!(covers("http://127.0.0.1:*", "http://127.0.0.1:39211/a.pdf"));
        assert!(covers("http://127.0.0.1:*", "http://127.0.0.1/a.pdf"));
        // Other ways to write the same address are the same address.
        assert!(covers("http://127.0.0.1:*", "http://2130706433:81/a.pdf"));
        assert!(!covers("http://127.0.0.1:*", "http://127.0.0.2/a.pdf"));
    }

    #[test]
    fn a_folder_covers_what_is_in_it_and_nothing_beside_it() {
        let entry = "http://rpt.example.test/out/pdf/";
        assert!(covers(entry, "http://rpt.example.test/out/pdf/2026/a.pdf"));
        assert!(!covers(entry, "http://rpt.example.test/out/pdf-secret/a.pdf"));
        assert!(!covers(entry, "http://rpt.example.test/out/pdf/../a.pdf"));
        assert!(!covers(entry, "http://rpt.example.test/out/pdf/%2e%2e/a.pdf"));
        assert!(!covers(entry, "http://rpt.example.test/out/pdf/..%2f..%2fa.pdf"));
    }

    #[test]
    fn case_can_be_ignored_in_paths() {
        let entry = AllowEntry::parse("http://rpt.example.test/Out").unwrap();
        let url = Url::parse("http://rpt.example.test/out/a.pdf").unwrap();
        assert!(entry.covers(&url, PathCase::Insensitive));
        assert!(!entry.covers(&url, PathCase::Sensitive));
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        for text in ["", "*", "rpt.example.test", "gopher://rpt.example.test", "http://u:p@h", "http://h/?x", "http://"]
        {
            assert!(AllowEntry::parse(text).is_err(), "{text}");
        }
    }
}
