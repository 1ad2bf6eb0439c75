//! A report file that comes with its registration instead of being fetched.
//!
//! It is kept, stamped and audited like a fetched one before the registration is acknowledged, and sending it again changes
//! nothing.

use bytes::Bytes;

use super::batch_outcome::TakesFile;
use super::fetch_report_file::FetchOutcome;
use super::take_encapsulated_report::EncapsulatedFailure;
use crate::archive::{Archive, Error};
use crate::domain::Actor;
use crate::fetch::{self, Fetched};
use crate::index::report_files;

/// Where pushed files are said to come from.
pub(super) const ORIGIN: &str = "upload";

/// Attempts to keep a file while another comes in for the same report.
const ATTEMPTS: usize = 5;

/// Why a file was not kept.
#[derive(Debug, thiserror::Error)]
pub enum PushFailure {
    /// It is no PDF, JPEG, PNG or TIFF.
    #[error(transparent)]
    File(#[from] fetch::Error),
    /// The archive itself failed, or there is no such exam report.
    #[error(transparent)]
    Archive(#[from] Error),
    /// It is a DICOM object that yields no PDF; the words hold no patient data.
    #[error("{0}")]
    Unfit(String),
}

impl From<EncapsulatedFailure> for PushFailure {
    fn from(failure: EncapsulatedFailure) -> Self {
        match failure {
            EncapsulatedFailure::Unfit(_) => PushFailure::Unfit(failure.to_string()),
            EncapsulatedFailure::Archive(error) => PushFailure::Archive(error),
        }
    }
}

/// Whether a registered text is an address that a file can be fetched from, as far as its form goes.
pub fn can_be_fetched(address: &str) -> bool {
    fetch::is_address(address)
}

impl Archive {
    /// Keeps a file that came with the registration of its exam report, unless the report has been replaced or withdrawn
    /// since.
    pub async fn push_report_file(
        &self,
        actor: Actor,
        report: &TakesFile,
        bytes: Bytes,
    ) -> Result<FetchOutcome, PushFailure> {
        let exam = report.exam_report_pk;
        let mut fetched = Fetched::of(bytes, ORIGIN)?;
        for attempt in 0..ATTEMPTS {
            let source = report_files::source(&self.index, exam).await.map_err(Error::from)?;
            let Some(source) = source.filter(|source| source.content_hash == report.content_hash) else {
                return Ok(FetchOutcome::Overtaken);
            };
            if attempt == 0 {
                fetched = self.opened(&source.org_code, fetched, actor.clone()).await?;
            }
            let by = ("push_report_file", actor.clone());
            // What has been fetched meanwhile does not keep away what the hospital hands over.
            match self.take_report_file(exam, source, ORIGIN.to_owned(), fetched.clone(), by).await? {
                FetchOutcome::Overtaken => {}
                outcome => return Ok(outcome),
            }
        }
        Err(Error::Invalid("the report changes all the time".to_owned()).into())
    }
}
