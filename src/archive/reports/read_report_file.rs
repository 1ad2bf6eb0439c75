//! Report files for the pages: the files themselves, pictures of their pages, and how far fetching is.
//!
//! Whether somebody may see a report is decided by the caller, who knows the link or session that was opened.

use bytes::Bytes;

use super::compose_lab_report::as_report_file;
use super::document_turns::Awaited;
use crate::archive::{Archive, Error};
use crate::documents::{DocumentsConfig, raster};
use crate::domain::place::Place;
use crate::index::jobs::{self, JobKind, JobState};
use crate::index::report_files::{self, ReportFile};
use crate::objects;

pub use crate::index::report_files::UnstampedFile;

/// Pictures are made in these widths only, so that a hundred zoom steps do not make a hundred pictures.
const WIDTH_STEP: u32 = 100;
const WIDEST: u32 = 4000;

/// Draws one page of a document: bytes, page, width, limits.
pub(in crate::archive) type DrawPage = fn(&[u8], usize, u32, &DocumentsConfig) -> Result<Vec<u8>, raster::Error>;

/// Which bytes of a report file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportCopy {
    /// The hospital's own bytes.
    Original,
    /// With the QR code; the original where there is no such copy.
    Stamped,
}

/// How far the report file of an exam report is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportFileState {
    /// The exam report names no file.
    Absent,
    /// It is being fetched, or will be tried again.
    Pending,
    /// Fetching was given up.
    Failed {
        /// Why, in words for operators; names the host, nothing about the patient.
        reason: String,
    },
    /// It is here.
    Ready(Box<ReportFile>),
}

impl Archive {
    /// The current report file of an exam report.
    pub async fn report_file_of(&self, exam_report_pk: i64) -> Result<Option<ReportFile>, Error> {
        Ok(report_files::current(&self.index, exam_report_pk).await?)
    }

    /// All report files an exam report ever had, newest first.
    pub async fn report_file_history(&self, exam_report_pk: i64) -> Result<Vec<ReportFile>, Error> {
        Ok(report_files::history(&self.index, exam_report_pk).await?)
    }

    /// Files that take no QR code, the newest first; of one organisation or of all (D-I9).
    pub async fn unstamped_files(&self, org_code: Option<&str>, limit: u32) -> Result<Vec<UnstampedFile>, Error> {
        Ok(report_files::unstamped(&self.index, org_code, limit).await?)
    }

    /// How far the report file of an exam report is; an older file stays ready while a newer one is fetched.
    pub async fn report_file_state(&self, exam_report_pk: i64) -> Result<ReportFileState, Error> {
        if let Some(file) = self.report_file_of(exam_report_pk).await? {
            return Ok(ReportFileState::Ready(Box::new(file)));
        }
        let job = jobs::get(&self.index, JobKind::FetchReportFile, &exam_report_pk.to_string()).await?;
        Ok(match job {
            Some(job) if job.state == JobState::Dead => ReportFileState::Failed { reason: job.last_error },
            Some(job) if job.state != JobState::Done => ReportFileState::Pending,
            _ => ReportFileState::Absent,
        })
    }

    /// Where the bytes of a report file are now.
    pub(in crate::archive) async fn report_place(&self, file: &ReportFile, copy: ReportCopy) -> Result<Place, Error> {
        let place = match (&file.stamped, copy) {
            (Some(stamped), ReportCopy::Stamped) => &stamped.place,
            _ => return Ok(file.original.clone()),
        };
        match self.objects.read_range(place, 0..place.length.min(1)).await {
            // As in [`Archive::read_report_file`].
            Err(objects::Error::Missing) => match self.replaced(file).await?.and_then(|now| now.stamped) {
                Some(now) => Ok(now.place),
                None => Err(objects::Error::Missing.into()),
            },
            read => read.map(|_| place.clone()).map_err(Error::from),
        }
    }

    /// Reads a report file.
    pub async fn read_report_file(&self, file: &ReportFile, copy: ReportCopy) -> Result<Bytes, Error> {
        let place = match (&file.stamped, copy) {
            (Some(stamped), ReportCopy::Stamped) => &stamped.place,
            _ => return Ok(self.objects.read(&file.original).await?),
        };
        match self.objects.read(place).await {
            // The copy has been made anew between the look at the row and the look at the object.
            Err(objects::Error::Missing) => match self.replaced(file).await?.and_then(|now| now.stamped) {
                Some(now) => Ok(self.objects.read(&now.place).await?),
                None => Err(objects::Error::Missing.into()),
            },
            read => Ok(read?),
        }
    }

    /// How far the document of a lab report is: it is composed when it is not there or has changed.
    pub async fn lab_file_state(&self, lab_report_pk: i64) -> Result<ReportFileState, Error> {
        match self.lab_document(lab_report_pk).await {
            Ok(Some(document)) => Ok(ReportFileState::Ready(Box::new(as_report_file(document)))),
            Ok(None) => Ok(ReportFileState::Absent),
            // The results are shown all the same.
            Err(error @ (Error::TooLarge { .. } | Error::Invalid(_) | Error::Objects(_))) => {
                tracing::warn!(lab.id = lab_report_pk, %error, "lab report not composed");
                Ok(ReportFileState::Failed { reason: error.to_string() })
            }
            Err(error) => Err(error),
        }
    }

    /// A picture of one page, counted from 1, of the stamped copy: PNG for a PDF; a JPEG or PNG report without such a copy
    /// as it is.
    pub async fn report_page_picture(&self, file: &ReportFile, page: usize, width: u32) -> Result<Bytes, Error> {
        if !file.is_pdf(true) {
            return match page {
                1 => self.read_report_file(file, ReportCopy::Original).await,
                _ => Err(Error::NotFound),
            };
        }
        // A copy that is made anew has another hash under the same row.
        let hash = file.stamped.as_ref().map_or(&file.original_hash, |copy| &copy.hash);
        self.pdf_page_picture((file.id, hash), page, width, self.read_report_file(file, ReportCopy::Stamped)).await
    }

    /// A picture of one page of a PDF; see [`Archive::page_picture`].
    pub(in crate::archive) async fn pdf_page_picture(
        &self,
        (id, hash): (i64, &str),
        page: usize,
        width: u32,
        bytes: impl Future<Output = Result<Bytes, Error>>,
    ) -> Result<Bytes, Error> {
        self.page_picture((id, hash), page, width, bytes, raster::render_page).await
    }

    /// A picture of one page of a document, whose bytes are read only when the picture is not kept. The key is a row's id,
    /// which no other row has, and the hash of the bytes.
    pub(in crate::archive) async fn page_picture(
        &self,
        (id, hash): (i64, &str),
        page: usize,
        width: u32,
        bytes: impl Future<Output = Result<Bytes, Error>>,
        draw: DrawPage,
    ) -> Result<Bytes, Error> {
        let width = width.clamp(WIDTH_STEP, WIDEST).div_ceil(WIDTH_STEP) * WIDTH_STEP;
        let key = (id, hash.to_owned(), page, width);
        if let Some(picture) = self.documents.pictures.get(&key).await {
            return Ok(picture);
        }
        let limits = self.documents.config().clone();
        let draw = move |bytes: Bytes| draw(&bytes, page, width, &limits);
        let drawing = self.documents.within(Awaited::Drawing, hash, bytes, draw);
        let picture = Bytes::from(drawing.await?.map_err(undrawn)?);
        self.documents.pictures.insert(key, picture.clone()).await;
        Ok(picture)
    }
}

fn undrawn(error: raster::Error) -> Error {
    match error {
        raster::Error::NoSuchPage(_) => Error::NotFound,
        raster::Error::TooLarge(limit) => Error::TooLarge { what: "the report file", limit: limit.to_owned() },
        raster::Error::Damaged | raster::Error::Encrypted => Error::Invalid(error.to_string()),
    }
}
