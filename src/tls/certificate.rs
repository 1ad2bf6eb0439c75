//! What a certificate is known by: its fingerprint, its subject's common name, a name in its subjectAltName.

use std::fmt;
use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One thing that a certificate can be known by, as text: `sha256:<fingerprint in hex>`, `cn:<common name>` or
/// `dns:<name or address in subjectAltName>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct CertificateMatch(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Fingerprint([u8; 32]),
    CommonName(String),
    AlternativeName(ServerName<'static>),
}

/// The certificate that a caller has shown in the handshake, and that has been verified there; a cheap clone.
#[derive(Debug, Clone)]
pub struct PeerCertificate(pub Arc<CertificateDer<'static>>);

impl PeerCertificate {
    /// Whether it is one of these.
    pub fn is_one_of(&self, known: &[CertificateMatch]) -> bool {
        known.iter().any(|known| known.fits(&self.0))
    }
}

/// The text names no certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a certificate is named by `sha256:` and 64 hex digits, `cn:` and a name, or `dns:` and a name or address")]
pub struct NoCertificateMatch;

impl TryFrom<String> for CertificateMatch {
    type Error = NoCertificateMatch;

    fn try_from(text: String) -> Result<Self, NoCertificateMatch> {
        let (kind, value) = text.split_once(':').ok_or(NoCertificateMatch)?;
        let value = value.trim();
        let kind = match kind.trim().to_ascii_lowercase().as_str() {
            "sha256" => {
                let digits: String = value.chars().filter(|c| *c != ':' && *c != ' ').collect();
                let bytes = hex::decode(digits).map_err(|_| NoCertificateMatch)?;
                Kind::Fingerprint(bytes.try_into().map_err(|_| NoCertificateMatch)?)
            }
            "cn" if !value.is_empty() => Kind::CommonName(value.to_owned()),
            "dns" => Kind::AlternativeName(ServerName::try_from(value.to_owned()).map_err(|_| NoCertificateMatch)?),
            _ => return Err(NoCertificateMatch),
        };
        Ok(Self(kind))
    }
}

impl From<CertificateMatch> for String {
    fn from(value: CertificateMatch) -> Self {
        value.to_string()
    }
}

impl fmt::Display for CertificateMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Fingerprint(bytes) => write!(f, "sha256:{}", hex::encode(bytes)),
            Kind::CommonName(name) => write!(f, "cn:{name}"),
            Kind::AlternativeName(name) => write!(f, "dns:{}", name.to_str()),
        }
    }
}

impl CertificateMatch {
    /// The fingerprint, when it is one.
    pub fn fingerprint(&self) -> Option<[u8; 32]> {
        match self.0 {
            Kind::Fingerprint(bytes) => Some(bytes),
            Kind::CommonName(_) | Kind::AlternativeName(_) => None,
        }
    }

    /// Whether a certificate, which the handshake has verified, is the one that is meant.
    pub fn fits(&self, certificate: &CertificateDer<'_>) -> bool {
        match &self.0 {
            Kind::Fingerprint(bytes) => *bytes == fingerprint(certificate),
            Kind::CommonName(name) => common_names(certificate).is_some_and(|names| names == [name.as_str()]),
            Kind::AlternativeName(name) => {
                ParsedCertificate::try_from(certificate).is_ok_and(|parsed| verify_server_name(&parsed, name).is_ok())
            }
        }
    }
}

/// SHA-256 of the certificate as it stands in the handshake.
pub(super) fn fingerprint(certificate: &CertificateDer<'_>) -> [u8; 32] {
    Sha256::digest(certificate.as_ref()).into()
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const VERSION: u8 = 0xA0;
/// id-at-commonName, 2.5.4.3.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
/// UTF8String, PrintableString, T61String, IA5String: one byte a character where it is ASCII.
const TEXTS: [u8; 4] = [0x0C, 0x13, 0x14, 0x16];

/// The common names in the subject (RFC 5280 section 4.1): a certificate that rustls has verified is well-formed, so a
/// few steps down its structure suffice. More than one name is for the caller to refuse.
fn common_names<'c>(certificate: &'c CertificateDer<'_>) -> Option<Vec<&'c str>> {
    let whole = certificate.as_ref();
    let (_, certificate, _) = element(whole).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, mut rest, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    if let (VERSION, _, after) = element(rest)? {
        rest = after;
    }
    // serialNumber, signature, issuer, validity.
    for _ in 0..4 {
        rest = element(rest)?.2;
    }
    let (_, mut subject, _) = element(rest).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let mut names = Vec::new();
    while !subject.is_empty() {
        let (tag, mut set, after) = element(subject)?;
        subject = after;
        while tag == SET && !set.is_empty() {
            let (_, attribute, next) = element(set)?;
            set = next;
            let (kind, identifier, value) = element(attribute)?;
            if kind == OBJECT_IDENTIFIER && identifier == COMMON_NAME {
                let (_, text, _) = element(value).filter(|(tag, ..)| TEXTS.contains(tag))?;
                names.push(std::str::from_utf8(text).ok()?);
            }
        }
    }
    Some(names)
}

/// Tag, content and what follows of a DER element with a tag of one byte.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let length = match first {
        0..=0x7F => usize::from(first),
        0x81..=0x84 => {
            let (digits, after) = rest.split_at_checked(usize::from(first & 0x7F))?;
            rest = after;
            digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit))
        }
        _ => return None,
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag, content, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Result<CertificateMatch, NoCertificateMatch> {
        CertificateMatch::try_from(text.to_owned())
    }

    /// A certificate's structure, as far as it is looked at, with these common names.
    fn certificate(names: &[&str]) -> CertificateDer<'static> {
        let der = |tag: u8, content: &[u8]| {
            let length = u16::try_from(content.len()).unwrap().to_be_bytes();
            [&[tag, 0x82, length[0], length[1]], content].concat()
        };
        let attribute = |name: &&str| {
            let pair = [der(OBJECT_IDENTIFIER, &COMMON_NAME), der(0x0C, name.as_bytes())].concat();
            der(SET, &der(SEQUENCE, &pair))
        };
        let subject: Vec<u8> = names.iter().flat_map(attribute).collect();
        let issuer = der(SEQUENCE, &attribute(&"the authority"));
        let to_be_signed = [
            der(VERSION, &der(0x02, &[2])),
            der(0x02, &[7]),
            der(SEQUENCE, &[]),
            issuer,
            der(SEQUENCE, &[]),
            der(SEQUENCE, &subject),
        ]
        .concat();
        CertificateDer::from(der(SEQUENCE, &der(SEQUENCE, &to_be_signed)))
    }

    #[test]
    fn a_certificate_is_named_in_three_ways() {
        let digits = "AB:".repeat(31) + "cd";
        let text = format!("sha256:{}cd", "ab".repeat(31));
        assert_eq!(named(&format!("SHA256:{digits}")).unwrap().to_string(), text);
        assert_eq!(named("dns:pacs01.example.test").unwrap().to_string(), "dns:pacs01.example.test");
        assert_eq!(named("cn: PACS 01 ").unwrap().to_string(), "cn:PACS 01");
        for wrong in ["", "PACS01", "cn:", "sha256:abcd", "sha1:00", "dns:a b"] {
            assert!(named(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_common_name_is_that_of_the_subject_and_the_only_one() {
        let wanted = named("cn:PACS01").unwrap();
        assert!(wanted.fits(&certificate(&["PACS01"])));
        assert!(!wanted.fits(&certificate(&["PACS02"])));
        assert!(!wanted.fits(&certificate(&["PACS01", "PACS02"])));
        assert!(!wanted.fits(&certificate(&[])));
        assert!(!named("cn:the authority").unwrap().fits(&certificate(&["PACS01"])));
    }

    #[test]
    fn what_is_no_certificate_fits_nothing() {
        let whole = certificate(&["PACS01"]);
        for cut in 0..whole.len() {
            let cut = CertificateDer::from(whole[..cut].to_vec());
            assert!(!named("cn:PACS01").unwrap().fits(&cut));
            assert!(!named("dns:pacs01.example.test").unwrap().fits(&cut));
        }
    }
}
