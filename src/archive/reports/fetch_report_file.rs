//! Fetches the report file of an exam report, keeps it and stamps it (R2.5.1.5-3, D-I11…D-I13).
//!
//! The body of the job that follows a registration. May be run any number of times: a content that is known already
//! makes no new version. A file that cannot be stamped is archived all the same, with the reason.

use bytes::Bytes;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::archive::{Archive, Error};
use crate::documents::stamp::{self, StampRefusal};
use crate::documents::{DocumentsConfig, raster};
use crate::domain::Actor;
use crate::domain::place::Place;
use crate::fetch::{self, Fetched, MediaType};
use crate::index::audit::{self, AuditRecord};
use crate::index::report_changes;
use crate::index::report_files::{self, ReportFile, StampState, StampedCopy};
use crate::objects::Kind;

/// How fetching ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchOutcome {
    /// A content that was not there before.
    Stored {
        /// Its revision.
        revision: i64,
        /// Whether it carries a QR code.
        stamp_state: StampState,
    },
    /// The content is that of the current revision.
    Unchanged,
    /// The exam report names no file, or is gone.
    NoFile,
}

/// Why fetching failed.
#[derive(Debug, thiserror::Error)]
pub enum FetchFailure {
    /// The file did not come.
    #[error(transparent)]
    Fetch(#[from] fetch::Error),
    /// The archive itself failed.
    #[error(transparent)]
    Archive(#[from] Error),
}

impl FetchFailure {
    /// Whether a later attempt may succeed without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            FetchFailure::Fetch(error) => error.is_retryable(),
            FetchFailure::Archive(_) => true,
        }
    }
}

/// What stamping made of a file.
struct Copies {
    state: StampState,
    reason: &'static str,
    stamped: Option<(Bytes, String)>,
    page_count: Option<i64>,
}

impl Archive {
    /// Fetches, keeps and stamps the report file of one exam report.
    pub async fn fetch_report_file(&self, exam_report_pk: i64) -> Result<FetchOutcome, FetchFailure> {
        let source = report_files::source(&self.index, exam_report_pk).await.map_err(Error::from)?;
        let Some((org_code, address)) = source.and_then(|s| s.address.map(|address| (s.org_code, address))) else {
            return Ok(FetchOutcome::NoFile);
        };
        let fetched = self.fetcher.fetch(&address).await?;
        let address = fetch::without_user_info(&address);
        let current = report_files::current(&self.index, exam_report_pk).await.map_err(Error::from)?;
        if let Some(current) = current.filter(|file| file.original_hash == fetched.sha256) {
            self.note_unchanged(current, address).await?;
            return Ok(FetchOutcome::Unchanged);
        }
        Ok(self.keep_report_file(exam_report_pk, org_code, address, fetched).await?)
    }

    async fn note_unchanged(&self, current: ReportFile, address: String) -> Result<(), Error> {
        if current.source == address {
            return Ok(());
        }
        self.index
            .write(move |tx| Box::pin(async move { Ok(report_files::found_again(tx, current.id, &address).await?) }))
            .await
    }

    async fn keep_report_file(
        &self,
        exam_report_pk: i64,
        org_code: String,
        source: String,
        fetched: Fetched,
    ) -> Result<FetchOutcome, Error> {
        let original = self.objects.put(Kind::ReportOriginal, fetched.bytes.clone()).await?;
        let copies = self.copies_of(exam_report_pk, &fetched).await?;
        let stamped = match copies.stamped {
            Some((bytes, hash)) => {
                let place = self.objects.put(Kind::ReportStamped, bytes).await?;
                Some(StampedCopy { place, hash })
            }
            None => None,
        };
        if copies.state == StampState::Unstampable {
            tracing::warn!(exam.id = exam_report_pk, org.code = org_code, reason = copies.reason, "report not stamped");
        }
        let file = ReportFile {
            id: self.ids.next(),
            exam_report_pk,
            revision: 0,
            source,
            media_type: fetched.media_type.as_str().to_owned(),
            original: Place { offset: 0, ..original },
            original_hash: fetched.sha256,
            stamp_state: copies.state,
            stamp_reason: copies.reason.to_owned(),
            stamped,
            page_count: copies.page_count,
            fetched_at: self.clock.now_ms(),
        };
        let (stamp_state, audit_id, change_id) = (file.stamp_state, self.ids.next(), self.ids.next());
        let revision = self
            .index
            .write(move |tx| {
                Box::pin(async move {
                    let revision = report_files::add(tx, &file).await?;
                    let (at, exam) = (file.fetched_at, file.exam_report_pk);
                    report_changes::file_stored(tx, change_id, at, &org_code, exam).await?;
                    let entry = record_of(&file, org_code, revision);
                    audit::record(tx, audit_id, file.fetched_at, &entry).await?;
                    Ok::<_, Error>(revision)
                })
            })
            .await?;
        Ok(FetchOutcome::Stored { revision, stamp_state })
    }

    async fn copies_of(&self, exam_report_pk: i64, fetched: &Fetched) -> Result<Copies, Error> {
        if fetched.media_type != MediaType::Pdf {
            let (state, reason) = (StampState::NotApplicable, "picture");
            return Ok(Copies { state, reason, stamped: None, page_count: Some(1) });
        }
        let bytes = fetched.bytes.clone();
        let limits = self.documents.config().clone();
        if !self.stamp.qr.enabled {
            let page_count = self.documents.run(move || count(&bytes, &limits)).await?;
            let (state, reason) = (StampState::NotApplicable, "disabled");
            return Ok(Copies { state, reason, stamped: None, page_count });
        }
        let policy = self.stamp.policy(&self.keep_qr_link(exam_report_pk).await?);
        let work = move || match stamp::stamp_pdf(&bytes, &policy, &limits) {
            Ok(stamped) => {
                let hash = hex::encode(Sha256::digest(&stamped.bytes));
                Copies {
                    state: StampState::Stamped,
                    reason: "",
                    stamped: Some((Bytes::from(stamped.bytes), hash)),
                    page_count: i64::try_from(stamped.page_count).ok(),
                }
            }
            Err(refusal) => unstamped(&refusal, &bytes, &limits),
        };
        self.documents.run(work).await
    }
}

fn unstamped(refusal: &StampRefusal, bytes: &[u8], limits: &DocumentsConfig) -> Copies {
    Copies { state: StampState::Unstampable, reason: refusal.as_str(), stamped: None, page_count: count(bytes, limits) }
}

fn count(bytes: &[u8], limits: &DocumentsConfig) -> Option<i64> {
    raster::page_count(bytes, limits).ok().and_then(|pages| i64::try_from(pages).ok())
}

fn record_of(file: &ReportFile, org_code: String, revision: i64) -> AuditRecord {
    AuditRecord {
        action: "fetch_report_file",
        actor: Actor::system("fetch_report_file"),
        org_code,
        target: format!("exam:{}", file.exam_report_pk),
        outcome: file.stamp_state.as_str(),
        detail: json!({
            "revision": revision,
            "media_type": file.media_type,
            "length": file.original.length,
            "sha256": file.original_hash,
            "stamp_reason": file.stamp_reason,
        }),
    }
}
