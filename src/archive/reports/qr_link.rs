//! Links printed as QR codes on reports (D-I10): opaque, without anything about a patient, ending and revocable.

use serde_json::json;

use crate::archive::{Archive, Error};
use crate::domain::Actor;
use crate::index::audit::{self, AuditRecord};
use crate::index::qr_links;

pub use crate::index::qr_links::{LinkedReport, ListedLink, QrLink};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

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
    /// It leads to this report; whoever asks still has to show a second factor.
    Open {
        /// The report.
        report: LinkedReport,
    },
    /// It was valid once.
    Ended,
    /// There never was such a link.
    Unknown,
}

impl Archive {
    /// The link of a report; made when it has none, the same ever after.
    pub(crate) async fn keep_qr_link(&self, report: LinkedReport) -> Result<String, Error> {
        let now = self.clock.now_ms();
        let days = i64::from(self.stamp.qr.link_valid_days);
        let expires_at = (days > 0).then_some(now + days * DAY_MS);
        let fresh = base32(rand::random::<u128>());
        self.index
            .write(move |tx| Box::pin(async move { Ok(qr_links::keep(tx, &fresh, report, now, expires_at).await?) }))
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
        Ok(QrLinkState::Open { report: link.report })
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
        self.revoke_qr_link(actor, link.report).await
    }

    /// Ends the link of a report for good.
    pub async fn revoke_qr_link(&self, actor: Actor, report: LinkedReport) -> Result<(), Error> {
        let (now, audit_id) = (self.clock.now_ms(), self.ids.next());
        self.index
            .write(move |tx| {
                Box::pin(async move {
                    if !qr_links::revoke(tx, report, now).await? {
                        return Err(Error::NotFound);
                    }
                    let entry = AuditRecord {
                        action: "revoke_qr_link",
                        actor,
                        org_code: String::new(),
                        target: report.to_string(),
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
