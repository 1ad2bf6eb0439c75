//! The hospital systems that may open pages (customers), and what each of them may see.
//!
//! A customer is known by its GUID and signs links with a secret that the archive issued (D-T10). What it may see
//! is decided here and in its configuration, never by what a link says (D-T11).

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::legacy_login::LegacyLogin;

/// Shortest secret that is accepted, in characters (D-T1).
pub const MIN_SECRET_CHARS: usize = 16;

/// Text that must not be seen in logs.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "Secret(empty)" } else { "Secret(…)" })
    }
}

/// In which order the values of a link are added up (D-T2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenOrder {
    /// As they stand in the address.
    #[default]
    Url,
    /// As the page's table lists them.
    Table,
    /// Either.
    UrlThenTable,
}

/// Which signatures of a customer's links are accepted (D-T11).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Signature {
    /// `token` (MD5) and `sign` (HMAC-SHA-256); where both are given, `sign` counts.
    #[default]
    Any,
    /// `sign` only.
    Hmac,
    /// `token` only.
    Md5,
}

/// Whether the customer's users may do something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// They may.
    #[default]
    Allowed,
    /// They may not.
    Denied,
}

impl Permission {
    /// Whether they may.
    pub fn is_allowed(self) -> bool {
        self == Permission::Allowed
    }
}

/// How a customer's links are checked.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokenOptions {
    /// Signatures that are accepted: `any` (default), `hmac` (only `sign`) or `md5` (only `token`).
    pub signature: Signature,
    /// Order of the values: `url` (default), `table` or `url_then_table`.
    pub order: TokenOrder,
    /// How old a link may be, in seconds. Default 600.
    pub max_age_s: i64,
    /// How far in the future a link's time may be, in seconds. Default 300.
    pub max_future_s: i64,
    /// Whether a link must say when it was made. Without it a link is valid for ever; default true.
    pub require_timestamp: bool,
    /// Accept times that are wrong by exactly eight hours, either way (local time taken for UTC). Default false.
    pub tolerate_beijing_offset: bool,
    /// Accept each link once only. Default false.
    pub single_use: bool,
    /// Accept exactly one identity or business key in a link. Default false.
    pub strict_params: bool,
}

impl Default for TokenOptions {
    fn default() -> Self {
        Self {
            signature: Signature::Any,
            order: TokenOrder::Url,
            max_age_s: 600,
            max_future_s: 300,
            require_timestamp: true,
            tolerate_beijing_offset: false,
            single_use: false,
            strict_params: false,
        }
    }
}

/// Whose data a customer may see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VisibleScope {
    /// Its own organisation's.
    #[default]
    Own,
    /// Those of the organisations listed, and its own.
    Listed,
    /// Everybody's.
    Region,
}

/// A hospital system that may open pages (`[[customer]]`).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Customer {
    /// The GUID that the archive issued (`CustomerGuid`, `UserUID`), 36 characters.
    pub guid: String,
    /// Name for the operator's eyes.
    pub name: String,
    /// Secret that signs links, at least 16 characters; or use `secret_file`.
    pub secret: Secret,
    /// File that holds the secret.
    pub secret_file: Option<PathBuf>,
    /// The secret before, still accepted while the customer changes over.
    pub previous_secret: Secret,
    /// File that holds the secret before.
    pub previous_secret_file: Option<PathBuf>,
    /// Code of the customer's own organisation; also taken when a link names no organisation (D-P15).
    pub organization: String,
    /// Whose data it may see: `own` (default), `listed` or `region`.
    pub scope: VisibleScope,
    /// Organisation codes for `scope = "listed"`. A link with `sign`, not one with `token`, may name one of them as its user's
    /// own (`UserOrganizationID`, D-P15).
    pub organizations: Vec<String>,
    /// How its links are checked.
    pub token: TokenOptions,
    /// Whether it may see reports of VIP patients and restricted ones of other organisations (D-R22). Default false.
    pub vip: bool,
    /// Whether its users see unreviewed reports of their own organisation, labelled so: `own`
    /// (default) or `hidden` (D-P24).
    pub unreviewed: Unreviewed,
    /// Whether the query form may leave the patient that the link opened (D-P22). Default false.
    pub free_search: bool,
    /// Whether a patient's name alone is enough to search by (D-P12). Default false.
    pub name_alone: bool,
    /// Sites that may show the pages in a frame, e.g. `https://his.example.test` (D-P21). Default none.
    pub frame_ancestors: Vec<String>,
    /// Whether a link to one exam also opens the patient's other exams. Default false.
    pub prior_exams: bool,
    /// Whether its users are told how many reports are hidden from them because they are of VIP patients or restricted
    /// (D-P23). Default false.
    pub restricted_count: bool,
    /// Whether its users may open and save files themselves (reports, documents, attachments, videos, image objects): `allowed`
    /// (default), or `denied`: pages, pictures and what plays in a page are all they get.
    pub download: Permission,
    /// Whether its users may print pages: `allowed` (default) or `denied`.
    pub print: Permission,
    /// Links with a user's name and password in the place of a signature (D-T12). Default none.
    pub legacy: LegacyLogin,
}

/// What happens to reports that nobody has reviewed yet (D-P24).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unreviewed {
    /// Shown to the own organisation, with a label.
    #[default]
    Own,
    /// Hidden from everybody.
    Hidden,
}

impl Customer {
    /// The secrets that may have signed a link, newest first.
    pub fn secrets(&self) -> Vec<&str> {
        [&self.secret.0, &self.previous_secret.0].into_iter().filter(|s| !s.is_empty()).map(String::as_str).collect()
    }

    /// The organisations whose data it may see; `None` means all.
    pub fn visible_organizations(&self) -> Option<Vec<String>> {
        match self.scope {
            VisibleScope::Own => Some(vec![self.organization.clone()]),
            VisibleScope::Listed => {
                let mut codes = vec![self.organization.clone()];
                codes.extend(self.organizations.iter().filter(|code| **code != self.organization).cloned());
                Some(codes)
            }
            VisibleScope::Region => None,
        }
    }

    /// What is wrong with the configuration, one sentence each; empty when it is fit for use.
    ///
    /// Secrets that stand in files are judged when they have been read into `secret`.
    pub fn faults(&self) -> Vec<String> {
        let at = format!("customer {}", if self.guid.is_empty() { "(no guid)" } else { &self.guid });
        let mut faults = Vec::new();
        if self.guid.len() != 36 || uuid::Uuid::try_parse(&self.guid).is_err() {
            faults.push(format!("{at}: guid must be a GUID of 36 characters"));
        }
        if self.organization.trim().is_empty() {
            faults.push(format!("{at}: organization is missing"));
        }
        match (self.secret.0.is_empty(), &self.secret_file) {
            (true, None) => faults.push(format!("{at}: secret or secret_file is missing")),
            (true, Some(_)) => {}
            (false, _) => faults.extend(secret_fault(&self.secret.0).map(|why| format!("{at}: secret {why}"))),
        }
        if !self.previous_secret.0.is_empty() {
            faults.extend(secret_fault(&self.previous_secret.0).map(|why| format!("{at}: previous_secret {why}")));
        }
        if self.scope == VisibleScope::Listed && self.organizations.is_empty() {
            faults.push(format!("{at}: scope is listed, but organizations is empty"));
        }
        if self.token.max_age_s <= 0 || self.token.max_future_s < 0 {
            faults.push(format!("{at}: token.max_age_s must be positive and token.max_future_s not negative"));
        }
        if !self.token.require_timestamp && self.scope != VisibleScope::Own {
            faults.push(format!("{at}: links without a time are accepted for scope own only (D-T9)"));
        }
        faults.extend(self.legacy.faults().into_iter().map(|why| format!("{at}: {why}")));
        for site in &self.frame_ancestors {
            if site.is_empty() || !site.chars().all(|c| c.is_ascii_graphic() && !matches!(c, ';' | ',' | '"' | '\'')) {
                faults.push(format!("{at}: frame_ancestors has an entry that is no site"));
            }
        }
        faults
    }
}

/// What is wrong with a secret of a customer or of another caller, without telling it.
pub(crate) fn secret_fault(secret: &str) -> Option<&'static str> {
    const SAMPLES: [&str; 5] = ["unit-test-secret", "changeme", "change-me", "please-change", "0123456789abcdef"];
    let lower = secret.to_ascii_lowercase();
    let first = secret.chars().next();
    if secret.chars().count() < MIN_SECRET_CHARS {
        Some("is shorter than 16 characters")
    } else if SAMPLES.iter().any(|sample| lower.starts_with(sample)) || secret.chars().all(|c| Some(c) == first) {
        Some("is a sample value")
    } else {
        None
    }
}

/// The customers of the configuration, and what is needed to read those that are kept in the database.
#[derive(Debug, Clone, Default)]
pub struct Customers {
    list: Vec<Customer>,
    default_guid: String,
    key: Option<CustomerKey>,
}

impl Customers {
    /// Takes the configured customers; `default_guid` names the one that links without GUID belong to, empty for none.
    pub fn new(list: Vec<Customer>, default_guid: String) -> Self {
        Self { list, default_guid, key: None }
    }

    /// Also those whose secrets the database keeps under this key.
    pub fn with_key(self, key: Option<CustomerKey>) -> Self {
        Self { key, ..self }
    }

    /// The key of the secrets in the database.
    pub fn key(&self) -> Option<&CustomerKey> {
        self.key.as_ref()
    }

    /// The configured customer with this GUID, in any case.
    pub fn get(&self, guid: &str) -> Option<&Customer> {
        self.list.iter().find(|customer| customer.guid.eq_ignore_ascii_case(guid))
    }

    /// All configured customers.
    pub fn configured(&self) -> &[Customer] {
        &self.list
    }

    /// The GUID that links without one belong to; `""` when none is configured (D-T10).
    pub fn default_guid(&self) -> &str {
        &self.default_guid
    }
}

/// The key under which the database keeps customers' secrets: 32 bytes (D-T10).
///
/// Secrets cannot be hashed, since the signature is computed over them.
#[derive(Clone, PartialEq, Eq)]
pub struct CustomerKey([u8; 32]);

impl fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomerKey(…)")
    }
}

impl CustomerKey {
    /// Reads 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 32] = hex::decode(text.trim()).ok()?.try_into().ok()?;
        // One byte over and over is nobody's random number.
        bytes.iter().any(|byte| *byte != bytes[0]).then_some(Self(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn customer() -> Customer {
        Customer {
            guid: "11111111-2222-4333-8444-555555555555".to_owned(),
            secret: Secret("a-long-and-odd-secret-7".to_owned()),
            organization: "ORG-T01".to_owned(),
            ..Customer::default()
        }
    }

    #[test]
    fn a_complete_customer_has_no_faults() {
        assert_eq!(customer().faults(), Vec::<String>::new());
    }

    #[test]
    fn d_x7_short_and_sample_secrets_are_refused() {
        for secret in ["key", "only-fifteen-ch", "unit-test-secret-1", "aaaaaaaaaaaaaaaaaaaa"] {
            let faults = Customer { secret: Secret(secret.to_owned()), ..customer() }.faults();
            assert_eq!(faults.len(), 1, "{secret}");
            assert!(!faults[0].contains(secret), "a fault must not tell the secret");
        }
    }

    #[test]
    fn links_without_a_time_are_for_the_own_organisation_only() {
        let token = TokenOptions { require_timestamp: false, ..TokenOptions::default() };
        let faults = Customer { scope: VisibleScope::Region, token, ..customer() }.faults();
        assert_eq!(faults.len(), 1);
    }

    #[test]
    fn a_key_is_64_digits_and_never_shown() {
        let key = CustomerKey::parse(&"0a".repeat(31)).or(CustomerKey::parse(&format!("{}ff", "0a".repeat(31))));
        assert_eq!(format!("{:?}", key.unwrap()), "CustomerKey(…)");
        for text in ["", "0a", &"0a".repeat(32), &"zz".repeat(32)] {
            assert_eq!(CustomerKey::parse(text), None, "{text}");
        }
    }

    #[test]
    fn debug_output_never_shows_a_secret() {
        assert!(!format!("{:?}", customer()).contains("a-long-and-odd-secret-7"));
    }

    #[test]
    fn a_frame_ancestor_cannot_smuggle_another_directive() {
        let customer = Customer { frame_ancestors: vec!["https://a.test;script-src *".to_owned()], ..customer() };
        assert_eq!(customer.faults().len(), 1);
    }
}
