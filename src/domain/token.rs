//! The token of signed page links (source 002 §5.1.6; D-T1 to D-T13).
//!
//! `token = HEX(MD5(UTF-16LE(v1 ‖ … ‖ vn ‖ secret)))`: the decoded values of all parameters except the token itself, in
//! the order of the address. Names are not signed, so nothing here decides what a link may show: that is the
//! customer's configuration and the checks in [`super::criteria`]. MD5 is the interface's choice, not ours.

use std::collections::BTreeMap;

use encoding_rs::GB18030;
use md5::{Digest, Md5};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use subtle::ConstantTimeEq;

use super::customer::{Customer, Signature, TokenOrder};
use super::link_signature::link_signature;
use super::page::{Page, Parameter};

/// More parameters than this are no link of ours.
const MAX_PAIRS: usize = 64;
/// Longest value, in characters.
const MAX_VALUE_CHARS: usize = 512;
const BEIJING_OFFSET_S: i64 = 8 * 3600;

/// Why a link is not accepted. The texts are for the operator; the caller learns only which of the two it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The address cannot be read in one way only.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// Unknown customer, wrong token, too old: all the same to the caller (D-T10).
    #[error("denied: {0}")]
    Denied(&'static str),
}

/// The parameters of a link, decoded as they were signed, in the order of the address (D-T3).
#[derive(Debug, Clone)]
pub struct SignedQuery {
    pairs: Vec<Pair>,
}

#[derive(Debug, Clone)]
struct Pair {
    parameter: Option<Parameter>,
    name: String,
    /// With `+` read as a blank.
    value: String,
    /// With `+` kept; some callers do not know that `+` means a blank.
    literal: String,
}

impl SignedQuery {
    /// Splits and decodes a raw query (or a form's body) without normalising any value.
    pub fn parse(raw: &str) -> Result<Self, Refusal> {
        let mut pairs: Vec<Pair> = Vec::new();
        for part in raw.split('&').filter(|part| !part.is_empty()) {
            if pairs.len() == MAX_PAIRS {
                return Err(Refusal::Malformed("too many parameters"));
            }
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let name = decode(&name.replace('+', " ")).trim().to_owned();
            let pair = Pair {
                parameter: Parameter::parse(&name),
                name,
                value: decode(&value.replace('+', " ")),
                literal: decode(value),
            };
            if pair.name.contains('=') {
                return Err(Refusal::Malformed("a parameter's name has an equals sign"));
            }
            if pair.literal.chars().count() > MAX_VALUE_CHARS {
                return Err(Refusal::Malformed("a value is too long"));
            }
            if pair.literal.chars().any(char::is_control) {
                return Err(Refusal::Malformed("a value has a control character"));
            }
            // D-T6: a proxy and we must not disagree on which of two values counts.
            for earlier in &pairs {
                let same_name = earlier.name.eq_ignore_ascii_case(&pair.name);
                let aliases = pair.parameter.is_some() && earlier.parameter == pair.parameter;
                if same_name || (aliases && earlier.literal != pair.literal) {
                    return Err(Refusal::Malformed("a parameter stands there twice"));
                }
            }
            pairs.push(pair);
        }
        Ok(Self { pairs })
    }

    /// The GUID of the customer that the link says it is from, `""` for none; nothing is verified yet.
    pub fn guid(&self) -> &str {
        self.value(Parameter::CustomerGuid)
    }

    /// User and password of a link that has no signature at all (D-T12).
    pub fn password(&self) -> Option<(&str, &str)> {
        let is_signed = !self.value(Parameter::Token).is_empty() || !self.value(Parameter::Sign).is_empty();
        let pair = self.pairs.iter().find(|pair| pair.name.eq_ignore_ascii_case("UserPwd"))?;
        let user = self.value(Parameter::UserId).trim();
        let given = !is_signed && !user.is_empty() && !pair.value.is_empty();
        given.then_some((user, pair.value.as_str()))
    }

    /// What the page knows of the link's values, trimmed.
    fn values(&self, page: Page, plus: Plus) -> BTreeMap<Parameter, String> {
        let mut values = BTreeMap::new();
        for pair in &self.pairs {
            if let Some(parameter) = pair.parameter.filter(|p| page.knows(*p)) {
                let value = pair.text(plus).trim();
                if !value.is_empty() {
                    values.insert(parameter, value.to_owned());
                }
            }
        }
        values
    }

    fn find(&self, parameter: Parameter) -> Option<&Pair> {
        self.pairs.iter().find(|pair| pair.parameter == Some(parameter))
    }

    fn value(&self, parameter: Parameter) -> &str {
        self.find(parameter).map_or("", |pair| &pair.value)
    }
}

/// Bytes that are UTF-8 are UTF-8; others come from old browsers that send GBK unescaped or escaped.
fn decode(text: &str) -> String {
    let bytes: Vec<u8> = percent_decode_str(text).collect();
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => GB18030.decode_without_bom_handling(error.as_bytes()).0.into_owned(),
    }
}

/// By what a link was found to be the customer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// `token`.
    Md5,
    /// `sign`.
    Hmac,
    /// User and password (D-T12).
    Password,
}

/// What a verified link says. Values are trimmed; parameters that the page does not know are gone (D-T5).
#[derive(Debug, Clone)]
pub struct Verified<'c> {
    /// Whose link it is.
    pub customer: &'c Customer,
    /// The page's parameters that are present and not empty.
    pub values: BTreeMap<Parameter, String>,
    /// By what it was verified.
    pub proof: Proof,
    /// The signature in upper case, for single use; `""` when there is none.
    pub token: String,
    /// What an operator may want to know.
    pub notes: Vec<&'static str>,
}

impl Verified<'_> {
    /// The parameter's value, `""` when absent.
    pub fn get(&self, parameter: Parameter) -> &str {
        self.values.get(&parameter).map_or("", String::as_str)
    }
}

/// Checks signature and time of a link that says it is `customer`'s; `None` when nobody has the GUID.
pub fn verify<'c>(
    page: Page,
    query: &SignedQuery,
    customer: Option<&'c Customer>,
    now_s: i64,
) -> Result<Verified<'c>, Refusal> {
    // An unknown customer costs the same work as a wrong token, so that time tells nothing (D-T10).
    let nobody = Customer::default();
    let asked = customer.unwrap_or(&nobody);
    let sign = query.value(Parameter::Sign);
    let proof = match asked.token.signature {
        Signature::Any if !sign.is_empty() => Proof::Hmac,
        Signature::Any | Signature::Md5 => Proof::Md5,
        Signature::Hmac => Proof::Hmac,
    };
    let (token, matched) = match proof {
        Proof::Hmac => (sign.to_ascii_uppercase(), match_sign(page, query, asked, &sign.to_ascii_lowercase())),
        Proof::Md5 | Proof::Password => {
            let token = query.value(Parameter::Token).to_ascii_uppercase();
            let matched = match_token(page, query, asked, &token);
            (token, matched)
        }
    };
    let customer = customer.ok_or(Refusal::Denied("unknown customer"))?;
    let plus = matched.ok_or(Refusal::Denied("wrong token"))?;
    let notes = check_time(query.find(Parameter::Timestamp).map(|pair| pair.value.as_str()), customer, now_s)?;
    Ok(Verified { customer, values: query.values(page, plus), proof, token, notes })
}

/// What a link says whose user and password have been checked; the password is in nothing that is kept or shown (D-T12).
pub fn by_password<'c>(page: Page, query: &SignedQuery, customer: &'c Customer) -> Verified<'c> {
    let mut values = query.values(page, Plus::Blank);
    values.remove(&Parameter::UserName);
    Verified { customer, values, proof: Proof::Password, token: String::new(), notes: vec!["user and password"] }
}

/// How a `+` in the address was meant by the one who signed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plus {
    Blank,
    Literal,
}

impl Pair {
    fn text(&self, plus: Plus) -> &str {
        match plus {
            Plus::Blank => &self.value,
            Plus::Literal => &self.literal,
        }
    }
}

fn readings(query: &SignedQuery) -> &'static [Plus] {
    let has_plus = query.pairs.iter().any(|pair| pair.value != pair.literal);
    if has_plus { &[Plus::Blank, Plus::Literal] } else { &[Plus::Blank] }
}

fn secrets(customer: &Customer) -> Vec<&str> {
    match customer.secrets() {
        secrets if secrets.is_empty() => vec!["no secret, same work"],
        secrets => secrets,
    }
}

/// Tries every reading that the configuration allows; always all of them, each compared in constant time.
fn match_token(page: Page, query: &SignedQuery, customer: &Customer, token: &str) -> Option<Plus> {
    let given = token.as_bytes();
    let well_formed = given.len() == 32 && given.iter().all(u8::is_ascii_hexdigit);
    let (readings, secrets) = (readings(query), secrets(customer));
    let mut matched = None;
    for &plus in readings {
        for values in candidates(page, query, customer.token.order, plus) {
            for secret in &secrets {
                let expected = digest(values.iter().copied(), secret);
                if bool::from(expected.as_bytes().ct_eq(given)) && matched.is_none() {
                    matched = Some(plus);
                }
            }
        }
    }
    matched.filter(|_| well_formed && !customer.secrets().is_empty())
}

/// The same for `sign`; what a portal added may have been signed or not (D-T5).
fn match_sign(page: Page, query: &SignedQuery, customer: &Customer, sign: &str) -> Option<Plus> {
    let mut matched = None;
    for &plus in readings(query) {
        for only_known in [false, true] {
            for secret in secrets(customer) {
                let pairs = query.pairs.iter().filter(|pair| !only_known || is_documented(page, pair));
                let expected = link_signature(page, pairs.map(|pair| (pair.name.as_str(), pair.text(plus))), secret);
                if bool::from(expected.as_bytes().ct_eq(sign.as_bytes())) && matched.is_none() {
                    matched = Some(plus);
                }
            }
        }
    }
    matched.filter(|_| !customer.secrets().is_empty())
}

/// Whether the interface has the parameter; our language is like a portal's own addition.
fn is_documented(page: Page, pair: &Pair) -> bool {
    pair.parameter.is_some_and(|parameter| page.knows(parameter) && parameter != Parameter::Language)
}

/// The sequences of values that may have been signed (D-T2, D-T5).
fn candidates(page: Page, query: &SignedQuery, order: TokenOrder, plus: Plus) -> Vec<Vec<&str>> {
    let mut sequences = Vec::with_capacity(3);
    let signed =
        || query.pairs.iter().filter(|pair| !matches!(pair.parameter, Some(Parameter::Token | Parameter::Sign)));
    if order != TokenOrder::Table {
        sequences.push(signed().map(|pair| pair.text(plus)).collect());
        let known = |pair: &&Pair| is_documented(page, pair);
        sequences.push(signed().filter(known).map(|pair| pair.text(plus)).collect());
    }
    if order != TokenOrder::Url {
        let table = page.table().iter().filter_map(|parameter| query.find(*parameter));
        sequences.push(table.map(|pair| pair.text(plus)).collect());
    }
    sequences
}

fn digest<'v>(values: impl Iterator<Item = &'v str>, secret: &'v str) -> String {
    let mut md5 = Md5::new();
    for text in values.chain([secret]) {
        for unit in text.encode_utf16() {
            md5.update(unit.to_le_bytes());
        }
    }
    hex::encode_upper(md5.finalize())
}

fn check_time(timestamp: Option<&str>, customer: &Customer, now_s: i64) -> Result<Vec<&'static str>, Refusal> {
    let options = &customer.token;
    let Some(text) = timestamp.filter(|text| !text.is_empty()) else {
        return if options.require_timestamp {
            Err(Refusal::Denied("no timestamp"))
        } else {
            Ok(vec!["without timestamp"])
        };
    };
    if !matches!(text.len(), 10 | 13) || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Refusal::Denied("timestamp is not 10 or 13 digits"));
    }
    let number: i64 = text.parse().map_err(|_| Refusal::Denied("timestamp is not a number"))?;
    let at = if text.len() == 13 { number / 1000 } else { number };
    let fresh = |at: i64| at <= now_s + options.max_future_s && at >= now_s - options.max_age_s;
    if fresh(at) {
        Ok(Vec::new())
    } else if options.tolerate_beijing_offset && (fresh(at - BEIJING_OFFSET_S) || fresh(at + BEIJING_OFFSET_S)) {
        Ok(vec!["timestamp is off by eight hours"])
    } else if at > now_s {
        Err(Refusal::Denied("timestamp lies in the future"))
    } else {
        Err(Refusal::Denied("expired"))
    }
}

/// Makes the query string of a signed link; the values are signed in the order given, `Timestamp` among them.
pub fn sign(params: &[(&str, &str)], secret: &str) -> String {
    let token = digest(params.iter().map(|(_, value)| *value), secret);
    format!("{}token={token}", encoded(params))
}

/// The same with `sign` (D-T11).
pub fn sign_by_hmac(page: Page, params: &[(&str, &str)], secret: &str) -> String {
    format!("{}sign={}", encoded(params), link_signature(page, params.iter().copied(), secret))
}

fn encoded(params: &[(&str, &str)]) -> String {
    let mut query = String::new();
    for (name, value) in params {
        query.push_str(name);
        query.push('=');
        query.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
        query.push('&');
    }
    query
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
