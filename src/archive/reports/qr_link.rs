//! Links printed as QR codes on reports (D-I10): opaque, without anything about a patient, ending and revocable.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::archive::{Archive, Error};
use crate::documents::stamp::{Corner, StampPolicy};
use crate::domain::Actor;
use crate::index::audit::{self, AuditRecord};
use crate::index::qr_links;

pub use crate::index::qr_links::{ListedLink, QrLink};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Section `[qr]`: the code on PDF reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QrConfig {
    /// Whether reports are stamped at all. Default true.
    pub enabled: bool,
    /// Side of the printed square, white border included, in millimetres. Default 22.
    pub size_mm: f64,
    /// Distance from the edges of the first page as it is seen, in millimetres. Default 8.
    pub margin_mm: f64,
    /// Corner of the first page: `top_left`, `top_right` (default), `bottom_left`, `bottom_right`.
    pub corner: Corner,
    /// How long a link opens after its report was last stamped, in days; 0 means for ever. Default 365.
    pub link_valid_days: u32,
    /// Stamp PDFs that open without a password although their owner has locked them (D-I9). Default false.
    pub owner_locked: bool,
}

impl Default for QrConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            size_mm: 22.0,
            margin_mm: 8.0,
            corner: Corner::TopRight,
            link_valid_days: 365,
            owner_locked: false,
        }
    }
}

/// What stamping needs: the section `[qr]` and the address that the world knows this server by.
#[derive(Debug, Clone, PartialEq)]
pub struct StampSettings {
    /// `http.public_url`; links are made of it and `/q/<id>`.
    pub public_url: String,
    /// Section `[qr]`.
    pub qr: QrConfig,
}

impl StampSettings {
    pub(super) fn policy(&self, link_id: &str) -> StampPolicy {
        StampPolicy {
            content: format!("{}/q/{link_id}", self.public_url.trim_end_matches('/')),
            size_mm: self.qr.size_mm,
            margin_mm: self.qr.margin_mm,
            corner: self.qr.corner,
            owner_locked: self.qr.owner_locked,
        }
    }
}

/// Which links are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhichLinks {
    /// Those that still open.
    Open,
    /// Ended and revoked ones too.
    All,
}

/// What became of a link that somebody scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QrLinkState {
    /// It leads to this exam report; whoever asks still has to show a second factor.
    Open {
        /// The exam report's row.
        exam_report_pk: i64,
    },
    /// It was valid once.
    Ended,
    /// There never was such a link.
    Unknown,
}

impl Archive {
    /// The link of an exam report; made when it has none, the same ever after.
    pub(crate) async fn keep_qr_link(&self, exam_report_pk: i64) -> Result<String, Error> {
        let now = self.clock.now_ms();
        let days = i64::from(self.stamp.qr.link_valid_days);
        let expires_at = (days > 0).then_some(now + days * DAY_MS);
        let fresh = base32(rand::random::<u128>());
        self.index
            .write(move |tx| {
                Box::pin(async move { Ok(qr_links::keep(tx, &fresh, exam_report_pk, now, expires_at).await?) })
            })
            .await
    }

    /// Looks up a link that somebody scanned.
    pub async fn qr_link_state(&self, id: &str) -> Result<QrLinkState, Error> {
        let Some(link) = qr_links::get(&self.index, &id.to_ascii_lowercase()).await? else {
            return Ok(QrLinkState::Unknown);
        };
        let expired = link.expires_at.is_some_and(|end| end <= self.clock.now_ms());
        if expired || link.revoked_at.is_some() {
            return Ok(QrLinkState::Ended);
        }
        Ok(QrLinkState::Open { exam_report_pk: link.exam_report_pk })
    }

    /// Links, the newest first: those that still open, or all.
    pub async fn find_qr_links(&self, which: WhichLinks, limit: u32) -> Result<Vec<ListedLink>, Error> {
        let open_at = match which {
            WhichLinks::Open => Some(self.clock.now_ms()),
            WhichLinks::All => None,
        };
        Ok(qr_links::list(&self.index, open_at, limit).await?)
    }

    /// Ends a link for good, by its id or by the address that is printed.
    pub async fn revoke_printed_link(&self, actor: Actor, printed: &str) -> Result<(), Error> {
        let id = printed.trim().trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let link = qr_links::get(&self.index, &id).await?.ok_or(Error::NotFound)?;
        if link.revoked_at.is_some() {
            return Err(Error::Invalid("the link is revoked already".to_owned()));
        }
        self.revoke_qr_link(actor, link.exam_report_pk).await
    }

    /// Ends the link of an exam report for good.
    pub async fn revoke_qr_link(&self, actor: Actor, exam_report_pk: i64) -> Result<(), Error> {
        let (now, audit_id) = (self.clock.now_ms(), self.ids.next());
        self.index
            .write(move |tx| {
                Box::pin(async move {
                    if !qr_links::revoke(tx, exam_report_pk, now).await? {
                        return Err(Error::NotFound);
                    }
                    let entry = AuditRecord {
                        action: "revoke_qr_link",
                        actor,
                        org_code: String::new(),
                        target: format!("exam:{exam_report_pk}"),
                        outcome: "ok",
                        detail: json!({}),
                    };
                    Ok(audit::record(tx, audit_id, now, &entry).await?)
                })
            })
            .await
    }
}

/// RFC 4648 base32 in lower case, without padding: 26 characters that survive being read aloud.
fn base32(bits: u128) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    // 26 digits hold 130 bits: the last one carries three.
    let digit = |at: u32| match at {
        25 => (bits << 2) & 31,
        _ => (bits >> (123 - 5 * at)) & 31,
    };
    (0..26).map(|at| char::from(ALPHABET[digit(at) as usize])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_base32_of_all_128_bits() {
        assert_eq!(base32(0), "a".repeat(26));
        assert_eq!(base32(u128::MAX), format!("{}4", "7".repeat(25)));
        assert_eq!(base32(1), format!("{}e", "a".repeat(25)));
        assert_eq!(base32(1 << 127), format!("q{}", "a".repeat(25)));
    }
}
