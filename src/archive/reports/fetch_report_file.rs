//! Fetches the report file of an exam report, keeps it and stamps it (R2.5.1.5-3, D-I11…D-I13).
//!
//! The body of the job that follows a registration. May be run any number of times: a content that is known already
//! makes no new version. A file that cannot be stamped is archived all the same, with the reason.

use serde_json::json;

use super::push_report_file;
use super::stamp_rules::ReportClass;
use super::take_encapsulated_report::EncapsulatedFailure;
use crate::archive::{Archive, Error};
use crate::domain::Actor;
use crate::domain::place::Place;
use crate::fetch::{self, Fetched};
use crate::index::audit::{self, AuditRecord};
use crate::index::encapsulated_reports;
use crate::index::jobs::{self, JobKind};
use crate::index::purged_objects;
use crate::index::qr_links::LinkedReport;
use crate::index::report_changes;
use crate::index::report_files::{self, ReportFile, ReportSource, StampState};
use crate::objects::Kind;

const HOUR_MS: i64 = 60 * 60 * 1000;

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
    /// Meanwhile the exam report was replaced or withdrawn, or got another file, so that this one is not kept: it is
    /// fetched again.
    Overtaken,
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
    /// A DICOM object came, and yields no report; the words hold no patient data.
    #[error("{0}")]
    Unfit(String),
}

impl From<EncapsulatedFailure> for FetchFailure {
    fn from(failure: EncapsulatedFailure) -> Self {
        match failure {
            EncapsulatedFailure::Unfit(_) => FetchFailure::Unfit(failure.to_string()),
            EncapsulatedFailure::Archive(error) => FetchFailure::Archive(error),
        }
    }
}

impl FetchFailure {
    /// Whether a later attempt may succeed without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            FetchFailure::Fetch(error) => error.is_retryable(),
            FetchFailure::Archive(_) => true,
            FetchFailure::Unfit(_) => false,
        }
    }
}

impl Archive {
    /// Fetches, keeps and stamps the report file of one exam report. Fails when its turn has not come.
    pub async fn fetch_report_file(&self, exam_report_pk: i64) -> Result<FetchOutcome, FetchFailure> {
        let source = report_files::source(&self.index, exam_report_pk).await.map_err(Error::from)?;
        let Some((source, address)) = source.and_then(|mut s| s.address.take().map(|address| (s, address))) else {
            return Ok(FetchOutcome::NoFile);
        };
        let fetched = self.fetcher.try_fetch_for(&source.org_code, self.clock.now_ms(), &address).await?;
        self.note_success("fetch", &source.org_code);
        let by = ("fetch_report_file", Actor::system("fetch_report_file"));
        let fetched = self.opened(&source.org_code, fetched, by.1.clone()).await?;
        Ok(self.take_report_file(exam_report_pk, source, fetch::without_user_info(&address), fetched, by).await?)
    }

    /// Keeps a report file that came, whichever way, unless it is the current one; `by` is what is audited.
    pub(super) async fn take_report_file(
        &self,
        exam_report_pk: i64,
        source: ReportSource,
        address: String,
        fetched: Fetched,
        by: (&'static str, Actor),
    ) -> Result<FetchOutcome, Error> {
        let current = report_files::current(&self.index, exam_report_pk).await?;
        if let Some(current) = current.filter(|file| file.original_hash == fetched.sha256) {
            self.note_unchanged(current, address).await?;
            return Ok(FetchOutcome::Unchanged);
        }
        self.keep_report_file(exam_report_pk, source, address, fetched, by).await
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
        source: ReportSource,
        address: String,
        fetched: Fetched,
        by: (&'static str, Actor),
    ) -> Result<FetchOutcome, Error> {
        let ReportSource { org_code, classes, basis, .. } = source;
        let Fetched { bytes, media_type, sha256 } = fetched;
        let original = self.objects.put(Kind::ReportOriginal, bytes.clone()).await?;
        let class = ReportClass { org_code: org_code.clone(), classes };
        let link = match self.stamp.stamps(&class) {
            true => self.keep_qr_link(LinkedReport::Exam(exam_report_pk)).await?,
            false => String::new(),
        };
        let copies = self.make_copies(&class, &link, media_type, bytes, &original).await?;
        if copies.state == StampState::Unstampable {
            tracing::warn!(exam.id = exam_report_pk, org.code = org_code, reason = copies.reason, "report not stamped");
        }
        let file = ReportFile {
            id: self.ids.next(),
            exam_report_pk,
            revision: 0,
            source: address,
            media_type: media_type.as_str().to_owned(),
            original: Place { offset: 0, ..original },
            original_hash: sha256,
            stamp_state: copies.state,
            stamp_reason: copies.reason.to_owned(),
            stamped: copies.stamped,
            page_count: copies.page_count,
            fetched_at: self.clock.now_ms(),
        };
        let (ids, audit_id, change_id) = (self.ids.clone(), self.ids.next(), self.ids.next());
        let outcome = self
            .index
            .write(move |tx| {
                Box::pin(async move {
                    let (at, exam) = (file.fetched_at, file.exam_report_pk);
                    let stands = basis.stands(tx, exam).await?;
                    if !stands || !encapsulated_reports::may_be_current(tx, exam, &file.source).await? {
                        let again = again(&file.source).filter(|_| !stands);
                        let stamped = file.stamped.map(|copy| copy.place);
                        for place in std::iter::once(file.original).chain(stamped) {
                            purged_objects::add(tx, at, &place).await?;
                        }
                        if let Some(kind) = again {
                            jobs::enqueue(tx, &ids, at, kind, &exam.to_string(), at).await?;
                        }
                        return Ok(if stands { FetchOutcome::Unchanged } else { FetchOutcome::Overtaken });
                    }
                    let revision = report_files::add(tx, &file, &copies.policy).await?;
                    report_changes::file_stored(tx, change_id, at, &org_code, (report_changes::Subject::Exam, exam))
                        .await?;
                    let entry = record_of(&file, org_code, revision, by);
                    audit::record(tx, audit_id, file.fetched_at, &entry).await?;
                    Ok::<_, Error>(FetchOutcome::Stored { revision, stamp_state: file.stamp_state })
                })
            })
            .await?;
        if !matches!(outcome, FetchOutcome::Stored { .. }) {
            self.forget_purged().await?;
        }
        Ok(outcome)
    }

    /// Milliseconds until a report file is looked at again (D-I13); `None` when it is not.
    pub(in crate::archive) async fn next_recheck(&self, exam_report_pk: i64) -> Result<Option<u64>, Error> {
        let hours = self.fetcher.recheck_hours();
        if hours.is_empty() {
            return Ok(None);
        }
        let Some(file) = report_files::current(&self.index, exam_report_pk).await? else { return Ok(None) };
        let age = self.clock.now_ms() - file.fetched_at;
        // A check that comes a little early is that check all the same.
        let later = hours.iter().map(|hours| i64::from(*hours) * HOUR_MS - age).filter(|wait| *wait > 60_000);
        Ok(later.min().map(i64::unsigned_abs))
    }

    /// Plans to look again whether a report file that was fetched has changed under its address.
    pub(in crate::archive) async fn plan_recheck(&self, exam_report_pk: i64) -> Result<(), Error> {
        let Some(wait) = self.next_recheck(exam_report_pk).await? else { return Ok(()) };
        let (ids, now) = (self.ids.clone(), self.clock.now_ms());
        let at = now.saturating_add_unsigned(wait);
        self.index
            .write(move |tx| {
                Box::pin(async move {
                    let key = exam_report_pk.to_string();
                    Ok(jobs::enqueue(tx, &ids, now, JobKind::RecheckReportFile, &key, at).await?)
                })
            })
            .await
    }
}

/// The job that looks anew where a file came from that was overtaken; whoever handed one over does so himself.
fn again(source: &str) -> Option<JobKind> {
    match source {
        push_report_file::ORIGIN => None,
        source if encapsulated_reports::is_source(source) => Some(JobKind::TakeEncapsulatedReport),
        _ => Some(JobKind::FetchReportFile),
    }
}

fn record_of(file: &ReportFile, org_code: String, revision: i64, by: (&'static str, Actor)) -> AuditRecord {
    let (action, actor) = by;
    AuditRecord {
        action,
        actor,
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
