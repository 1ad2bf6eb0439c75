//! A report file that comes with its registration instead of being fetched.
//!
//! It is kept, stamped and audited like a fetched one before the registration is acknowledged, and sending it again changes
//! nothing.

use bytes::Bytes;

use super::fetch_report_file::FetchOutcome;
use super::take_encapsulated_report::EncapsulatedFailure;
use crate::archive::{Archive, Error};
use crate::domain::Actor;
use crate::fetch::{self, Fetched};
use crate::index::report_files;

/// Where pushed files are said to come from.
const ORIGIN: &str = "upload";

/// A file of an exam report that has just been registered.
#[derive(Debug, Clone)]
pub struct PushedFile {
    /// The exam report's organisation.
    pub org_code: String,
    /// Its number.
    pub report_form_no: String,
    /// Its patient, kind of event and event, as registered.
    pub identity: [String; 3],
    /// The file.
    pub bytes: Bytes,
}

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
    /// Keeps a file that came with the registration of its exam report. Hands it to no withdrawn report.
    pub async fn push_report_file(&self, actor: Actor, file: PushedFile) -> Result<FetchOutcome, PushFailure> {
        let PushedFile { org_code, report_form_no, identity, bytes } = file;
        let fetched = Fetched::of(bytes, ORIGIN)?;
        let exam = report_files::exam_with(&self.index, &org_code, &report_form_no, &identity).await;
        let exam = exam.map_err(Error::from)?.ok_or(Error::NotFound)?;
        let source = report_files::source(&self.index, exam).await.map_err(Error::from)?.ok_or(Error::NotFound)?;
        let fetched = self.opened(&source.org_code, fetched, actor.clone()).await?;
        Ok(self.take_report_file(exam, source, ORIGIN.to_owned(), fetched, ("push_report_file", actor)).await?)
    }
}
