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
        /// Wrong factors since the last right one.
        failed: u32,
    },
    /// It was valid once.
    Ended {
        /// The report.
        report: LinkedReport,
    },
    /// There never was such a link.
    Unknown,
}

impl Archive {
    /// The link of a report; made when it has none or the one it had has ended, else the same ever after.
    pub(crate) async fn keep_qr_link(&self, report: LinkedReport) -> Result<String, Error> {
        let now = self.clock.now_ms();
        let (fresh, expires_at) = (base32(rand::random::<u128>()), self.end_of_link(now));
        self.index
            .write(move |tx| Box::pin(async move { Ok(qr_links::keep(tx, &fresh, report, now, expires_at).await?) }))
            .await
    }

    /// When a link that is made now ends; never when absent.
    fn end_of_link(&self, now: i64) -> Option<i64> {
        let days = i64::from(self.stamp.qr.link_valid_days);
        (days > 0).then_some(now + days * DAY_MS)
    }

    /// Looks up a link that somebody scanned.
    pub async fn qr_link_state(&self, id: &str) -> Result<QrLinkState, Error> {
        let Some(link) = qr_links::get(&self.index, &id.to_ascii_lowercase()).await? else {
            return Ok(QrLinkState::Unknown);
        };
        let expired = link.expires_at.is_some_and(|end| end <= self.clock.now_ms());
        if expired || link.revoked_at.is_some() {
            return Ok(QrLinkState::Ended { report: link.report });
        }
        Ok(QrLinkState::Open { report: link.report, failed: link.failed })
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
        let link = self.printed_link(printed).await?;
        if link.revoked_at.is_some() {
            return Err(Error::Invalid("the link is revoked already".to_owned()));
        }
        self.revoke_qr_link(actor, link.report).await
    }

    /// Takes back the wrong factors that were counted, so that visitors may try again.
    pub async fn unlock_printed_link(&self, actor: Actor, printed: &str) -> Result<(), Error> {
        let link = self.printed_link(printed).await?;
        let entry = self.done("unlock_qr_link", actor, link.report).await?;
        let (now, audit_id) = (self.clock.now_ms(), self.ids.next());
        self.index
            .write(move |tx| {
                Box::pin(async move {
                    qr_links::count_attempt(tx, &link.id, true).await?;
                    Ok(audit::record(tx, audit_id, now, &entry).await?)
                })
            })
            .await
    }

    /// Gives a report another link, in the place of one that was revoked or has ended, and stamps the report with it. The
    /// former one opens nothing from then on. If stamping does not work, the next stamping anew or asking for the document
    /// does it.
    pub async fn renew_printed_link(&self, actor: Actor, printed: &str) -> Result<String, Error> {
        let report = self.printed_link(printed).await?.report;
        let (now, fresh) = (self.clock.now_ms(), base32(rand::random::<u128>()));
        let entry = self.done("renew_qr_link", actor, report).await?;
        let (expires_at, audit_id) = (self.end_of_link(now), self.ids.next());
        let id = fresh.clone();
        let renewed = self.index.write(move |tx| {
            Box::pin(async move {
                if !qr_links::renew(tx, report, &fresh, now, expires_at).await? {
                    return Err(Error::NotFound);
                }
                Ok(audit::record(tx, audit_id, now, &entry).await?)
            })
        });
        renewed.await?;
        match report {
            LinkedReport::Exam(pk) => self.restamp_exam(pk).await?,
            LinkedReport::Lab(pk) => {
                self.lab_document(pk).await?;
            }
        }
        Ok(id)
    }

    async fn printed_link(&self, printed: &str) -> Result<QrLink, Error> {
        let id = printed.trim().trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        qr_links::get(&self.index, &id).await?.ok_or(Error::NotFound)
    }

    /// Ends the link of a report for good; visitors whom it let in are out with their next request.
    pub async fn revoke_qr_link(&self, actor: Actor, report: LinkedReport) -> Result<(), Error> {
        let entry = self.done("revoke_qr_link", actor, report).await?;
        let (now, audit_id) = (self.clock.now_ms(), self.ids.next());
        self.index
            .write(move |tx| {
                Box::pin(async move {
                    if !qr_links::revoke(tx, report, now).await? {
                        return Err(Error::NotFound);
                    }
                    Ok(audit::record(tx, audit_id, now, &entry).await?)
                })
            })
            .await
    }

    /// What an operator does with the link of a report.
    async fn done(&self, action: &'static str, actor: Actor, report: LinkedReport) -> Result<AuditRecord, Error> {
        let org_code = qr_links::organization_of(&self.index, report).await?;
        let (target, detail) = (report.to_string(), json!({}));
        Ok(AuditRecord { action, actor, org_code, target, outcome: "ok", detail })
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
