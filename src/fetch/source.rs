//! What a registered address means: a web address, an FTP address, or a file on a share (D-I8).
//!
//! Hospitals write `http://…`, `ftp://…`, `\\host\share\x.pdf`, `file://host/share/x.pdf`, `R:\x.pdf`, with Chinese names
//! as they are, escaped in UTF-8, or escaped in GBK.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use url::Url;

use super::Error;

/// What stays as it is in a path.
const IN_PATH: AsciiSet = NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How an FTP server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FtpScheme {
    /// `ftp://`: in the clear, or over TLS when the host's credential says so.
    Plain,
    /// `ftpes://`: TLS after AUTH TLS (RFC 4217).
    Explicit,
    /// `ftps://`: TLS from the first byte, port 990.
    Implicit,
}

/// Where a report file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    Web(Url),
    /// The URL has the scheme `ftp` and an explicit port where there is one.
    Ftp(FtpScheme, Url),
    /// `//host/share/…`, `r:/…` or `/…`, with forward slashes only.
    Share(String),
}

impl Source {
    /// Reads an address as it was registered.
    pub(super) fn parse(address: &str) -> Result<Self, Error> {
        let address = address.trim();
        if address.starts_with(r"\\") {
            return Ok(Source::Share(address.replace('\\', "/")));
        }
        let drive = |text: &str| {
            let bytes = text.as_bytes();
            bytes.len() > 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':' && matches!(bytes[2], b'/' | b'\\')
        };
        if drive(address) {
            return Ok(Source::Share(address.replace('\\', "/")));
        }
        let (scheme, rest) = address.split_once(':').ok_or(Error::NotAnAddress)?;
        match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => Url::parse(address).map(Source::Web).map_err(|_| Error::NotAnAddress),
            "ftp" => ftp(FtpScheme::Plain, rest),
            "ftpes" => ftp(FtpScheme::Explicit, rest),
            "ftps" => ftp(FtpScheme::Implicit, rest),
            scheme @ ("file" | "smb") => {
                let path = unescaped(rest).replace('\\', "/");
                // file:///R:/x and file:////host/share are written too.
                let path = match path.trim_start_matches('/') {
                    bare if drive(bare) => bare.to_owned(),
                    bare if scheme == "smb" || !path.starts_with("///") || path.starts_with("////") => {
                        format!("//{bare}")
                    }
                    bare => format!("/{bare}"),
                };
                Ok(Source::Share(path))
            }
            scheme => Err(Error::UnsupportedScheme(scheme.to_owned())),
        }
    }

    /// Whose turn it is and who is named in errors: the host, or the share.
    pub(super) fn host(&self) -> String {
        match self {
            Source::Web(url) | Source::Ftp(_, url) => host_of(url),
            Source::Share(path) if path.starts_with("//") => {
                path[2..].split('/').next().unwrap_or_default().to_lowercase()
            }
            Source::Share(path) => {
                path.split('/').next().filter(|drive| !drive.is_empty()).unwrap_or("file").to_lowercase()
            }
        }
    }
}

pub(super) fn host_of(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_lowercase()
}

fn ftp(scheme: FtpScheme, rest: &str) -> Result<Source, Error> {
    // Read as `ftp`, so that hosts and paths are normalised as those of web addresses are.
    let url = Url::parse(&format!("ftp:{rest}")).map_err(|_| Error::NotAnAddress)?;
    // CR or LF would begin another command.
    let path: Vec<u8> = percent_decode_str(url.path()).collect();
    if path.iter().any(|byte| byte.is_ascii_control()) || path.len() < 2 {
        return Err(Error::NotAnAddress);
    }
    Ok(Source::Ftp(scheme, url))
}

/// Escapes undone: UTF-8 if that is what they are, else GBK.
fn unescaped(text: &str) -> String {
    let bytes: Vec<u8> = percent_decode_str(text).collect();
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => encoding_rs::GBK.decode_without_bom_handling(error.as_bytes()).0.into_owned(),
    }
}

/// The same names in GBK, when the path has Chinese names in UTF-8.
pub(super) fn in_gbk(path: &str) -> Option<Vec<u8>> {
    let text = String::from_utf8(percent_decode_str(path).collect()).ok()?;
    if text.is_ascii() {
        return None;
    }
    let (bytes, _, failed) = encoding_rs::GBK.encode(&text);
    (!failed).then(|| bytes.into_owned())
}

/// The address with its names in GBK.
pub(super) fn url_in_gbk(url: &Url) -> Option<Url> {
    let path = percent_encode(&in_gbk(url.path())?, &IN_PATH).to_string();
    let mut url = url.clone();
    url.set_path(&path);
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(address: &str) -> String {
        match Source::parse(address).unwrap() {
            Source::Share(path) => path,
            other => panic!("{address}: {other:?}"),
        }
    }

    #[test]
    fn shares_are_written_in_many_ways() {
        assert_eq!(share(r"\\srv\rpt\2026\报告.pdf"), "//srv/rpt/2026/报告.pdf");
        for address in
            ["file://srv/rpt/a.pdf", "file:////srv/rpt/a.pdf", r"file:\\srv\rpt\a.pdf", "smb://srv/rpt/a.pdf"]
        {
            assert_eq!(share(address), "//srv/rpt/a.pdf", "{address}");
        }
        for address in [r"R:\out\a.pdf", "R:/out/a.pdf", "file:///R:/out/a.pdf", "file://R:/out/a.pdf"] {
            assert_eq!(share(address), "R:/out/a.pdf", "{address}");
        }
        assert_eq!(share("file:///srv/out/a.pdf"), "/srv/out/a.pdf");
        assert_eq!(share("file://srv/rpt/%B1%A8%B8%E6.pdf"), "//srv/rpt/报告.pdf");
        assert_eq!(share("file://srv/rpt/%E6%8A%A5%E5%91%8A.pdf"), "//srv/rpt/报告.pdf");
        assert_eq!(Source::parse(r"\\SRV\rpt\a.pdf").unwrap().host(), "srv");
        assert_eq!(Source::parse(r"R:\a.pdf").unwrap().host(), "r:");
    }

    #[test]
    fn names_are_turned_to_gbk() {
        let url = Url::parse("http://rpt.example.test/报告/a b.pdf").unwrap();
        assert_eq!(url_in_gbk(&url).unwrap().path(), "/%B1%A8%B8%E6/a%20b.pdf");
        assert_eq!(url_in_gbk(&Url::parse("http://rpt.example.test/a.pdf").unwrap()), None);
        assert_eq!(url_in_gbk(&Url::parse("http://rpt.example.test/%B1%A8.pdf").unwrap()), None);
    }

    #[test]
    fn an_ftp_address_cannot_smuggle_a_command() {
        for address in ["ftp://h/a%0D%0ADELE%20b", "ftp://h/a%00b", "ftp://h/"] {
            assert!(matches!(Source::parse(address), Err(Error::NotAnAddress)), "{address}");
        }
        let Source::Ftp(scheme, url) = Source::parse("ftps://rpt.example.test:2990/x/../a.pdf").unwrap() else {
            panic!()
        };
        assert_eq!((scheme, url.path(), url.port()), (FtpScheme::Implicit, "/a.pdf", Some(2990)));
    }

    #[test]
    fn other_schemes_are_named() {
        assert!(matches!(Source::parse("gopher://h/a"), Err(Error::UnsupportedScheme(s)) if s == "gopher"));
        assert!(matches!(Source::parse("a.pdf"), Err(Error::NotAnAddress)));
    }
}
