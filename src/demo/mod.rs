//! The synthetic hospital behind `yingku serve --demo`.
//!
//! Everything goes through the real front doors: images by C-STORE, registrations by SOAP over HTTP, report files by
//! download from a small server of our own. Some images come before their registration, some after. Patients,
//! pictures and reports are made up, and the same on every run except for the dates.

mod data_set;
mod electrocardiograph;
mod film;
pub mod hospital;
mod phantom;
mod radiograph;
mod registrations;
mod report;
mod report_server;
mod scanners;
#[cfg(test)]
mod tests;
mod ultrasound;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use tracing::info;

use crate::dicom::render::{FrameBytes, ImageHeader, PictureFormat, RenderConfig, RenderOptions, render_frame};
use crate::dimse::scu;
use crate::documents::{DocumentsConfig, raster};
use crate::domain::AeTitle;

pub use data_set::{Charset, DemoObject};
pub use hospital::{Exam, Kind, ORGANIZATION_CODE, ORGANIZATION_NAME, Order, Patient, ReportFormat, exams, patients};
pub use report_server::ReportServer;

/// Width in pixels of a report that is sent as a picture.
const JPG_REPORT_WIDTH: u32 = 1240;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Where the demonstration's hospital sends to.
#[derive(Debug, Clone)]
pub struct DemoTargets {
    /// The archive's DICOM listener.
    pub dicom: SocketAddr,
    /// The archive's AE title.
    pub called_ae_title: AeTitle,
    /// The hospital's AE title: a configured peer.
    pub calling_ae_title: AeTitle,
    /// The archive's HTTP address without a slash at its end, such as `http://127.0.0.1:8080`.
    pub http_base: String,
    /// Where the hospital's report server listens; port 0 takes a free one.
    pub report_server_bind: SocketAddr,
    /// Now, in milliseconds since 1970 UTC.
    pub now_ms: i64,
}

impl DemoTargets {
    /// Where a report server on the loopback interface listens.
    pub fn loopback() -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
    }
}

/// What was sent.
#[derive(Debug)]
pub struct DemoSummary {
    /// Objects stored.
    pub objects: usize,
    /// Exams registered.
    pub exams: Vec<Exam>,
    /// Laboratory reports registered.
    pub lab_reports: usize,
    /// The report server: keep it until the archive has fetched the files.
    pub report_server: ReportServer,
}

/// Why the demonstration could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The DICOM association failed.
    #[error(transparent)]
    Dicom(#[from] scu::Error),
    /// An object was not stored.
    #[error("the archive answered C-STORE with status {status}")]
    NotStored {
        /// The DIMSE status.
        status: String,
    },
    /// A registration could not be sent.
    #[error("registering {report_form_no}: {reason}")]
    NotRegistered {
        /// The report.
        report_form_no: &'static str,
        /// What went wrong; no text of the report.
        reason: String,
    },
    /// The report server could not start.
    #[error("the report server: {0}")]
    ReportServer(#[from] std::io::Error),
    /// A picture could not be drawn.
    #[error(transparent)]
    Picture(#[from] crate::dicom::render::Error),
    /// A document could not be made.
    #[error("{0} of a document cannot be made")]
    Document(&'static str),
    /// A thread that draws was lost.
    #[error("drawing was stopped")]
    Stopped,
}

/// Makes the hospital's data and sends everything.
pub async fn load(targets: &DemoTargets) -> Result<DemoSummary, Error> {
    let exams = exams(targets.now_ms);
    let files = report_files(&exams).await?;
    let report_server = ReportServer::start(targets.report_server_bind, files).await?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().timeout(REQUEST_TIMEOUT).build();
    let client = client.map_err(|error| Error::NotRegistered { report_form_no: "", reason: error.to_string() })?;
    let mut objects = 0;
    for exam in &exams {
        let message = registrations::exam_message(exam, &report_server.url(&exam.report_file()), targets.now_ms);
        if exam.order == Order::RegistrationFirst {
            register(&client, targets, exam.report_form_no, &message).await?;
            objects += store(targets, exam).await?;
        } else {
            objects += store(targets, exam).await?;
            register(&client, targets, exam.report_form_no, &message).await?;
        }
    }
    let lab_reports = registrations::lab_reports(targets.now_ms);
    for report in &lab_reports {
        let message = registrations::lab_message(report, targets.now_ms);
        register(&client, targets, report.report_form_no, &message).await?;
    }
    info!(objects, exams = exams.len(), lab_reports = lab_reports.len(), "demonstration loaded");
    Ok(DemoSummary { objects, exams, lab_reports: lab_reports.len(), report_server })
}

/// Number of objects of an examination.
pub fn object_count(exam: &Exam) -> u32 {
    match exam.kind {
        Kind::CtWithFilm => scanners::CT_SLICES + 1,
        Kind::Mr => scanners::MR_SLICES,
        Kind::Dx | Kind::Us | Kind::Ecg => 1,
    }
}

/// Makes one object of an examination, counted from 1. One at a time keeps memory small.
pub fn object(exam: &Exam, number: u32) -> Result<DemoObject, Error> {
    Ok(match exam.kind {
        Kind::CtWithFilm if number > scanners::CT_SLICES => film::sheet(exam)?,
        Kind::CtWithFilm => scanners::ct_slice(exam, number),
        Kind::Mr => scanners::mr_slice(exam, number),
        Kind::Dx => radiograph::image(exam),
        Kind::Us => ultrasound::image(exam),
        Kind::Ecg => electrocardiograph::recording(exam),
    })
}

/// The file of an examination's report, PDF or JPEG.
pub fn report_file(exam: &Exam) -> Result<Vec<u8>, Error> {
    let key_image = match exam.kind {
        Kind::CtWithFilm => Some((11, 1)),
        Kind::Mr => Some((13, 1)),
        Kind::Dx | Kind::Us => Some((1, 1)),
        Kind::Ecg => None,
    };
    let key_image = key_image.map(|(number, frame)| picture(&object(exam, number)?, frame, 720)).transpose()?;
    let pdf = report::pdf(exam, key_image)?;
    if exam.report_format == ReportFormat::Pdf {
        return Ok(pdf);
    }
    let failed = |_| Error::Document("the picture");
    let page = raster::render_page(&pdf, 1, JPG_REPORT_WIDTH, &DocumentsConfig::default()).map_err(failed)?;
    let page = image::load_from_memory(&page).map_err(|_| Error::Document("the picture"))?.to_rgb8();
    let mut jpeg = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut jpeg, 90);
    page.write_with_encoder(encoder).map_err(|_| Error::Document("the picture"))?;
    Ok(jpeg)
}

/// A frame of an object as JPEG, no longer than `edge` pixels.
fn picture(object: &DemoObject, frame: u32, edge: u32) -> Result<Vec<u8>, Error> {
    let file = object.to_file();
    let options =
        RenderOptions { max_edge: Some(edge), format: PictureFormat::Jpeg { quality: 88 }, ..RenderOptions::default() };
    let header = ImageHeader::parse(&file)?;
    Ok(render_frame(&header, FrameBytes::WholeFile(&file), frame, &options, &RenderConfig::default())?.bytes)
}

async fn report_files(exams: &[Exam]) -> Result<BTreeMap<String, Bytes>, Error> {
    let mut files = BTreeMap::new();
    for exam in exams {
        let own = exam.clone();
        let file = tokio::task::spawn_blocking(move || report_file(&own)).await.map_err(|_| Error::Stopped)??;
        files.insert(exam.report_file(), Bytes::from(file));
    }
    Ok(files)
}

/// Sends all objects of an examination over one association.
async fn store(targets: &DemoTargets, exam: &Exam) -> Result<usize, Error> {
    let host = targets.dicom.ip().to_string();
    let calling = targets.calling_ae_title.clone();
    let target = scu::ScuTarget::new(&host, targets.dicom.port(), calling, targets.called_ae_title.clone());
    let mut current: Option<(scu::Proposal, scu::Association)> = None;
    let count = object_count(exam);
    for number in 1..=count {
        let own = exam.clone();
        let made = tokio::task::spawn_blocking(move || object(&own, number)).await.map_err(|_| Error::Stopped)??;
        let proposal = scu::Proposal::storage(&made.sop_class_uid, made.transfer_syntax_uid);
        // The film is of another SOP class than the slices: a new association proposes it.
        let association = match current.take() {
            Some((proposed, association)) if proposed == proposal => association,
            earlier => {
                if let Some((_, association)) = earlier {
                    association.release().await?;
                }
                scu::Association::connect(&target, std::slice::from_ref(&proposal)).await?
            }
        };
        let (_, association) = current.insert((proposal, association));
        let answer = association.store(&made.to_file()).await?;
        if !answer.status.is_done() {
            return Err(Error::NotStored { status: format!("{:?}", answer.status) });
        }
    }
    if let Some((_, association)) = current {
        association.release().await?;
    }
    Ok(count as usize)
}

async fn register(
    client: &reqwest::Client,
    targets: &DemoTargets,
    report_form_no: &'static str,
    message: &str,
) -> Result<(), Error> {
    let failed = |reason: String| Error::NotRegistered { report_form_no, reason };
    let url = format!("{}/sehr.service.auto/IAutoReport.asmx", targets.http_base);
    let request = client
        .post(url)
        .header("Content-Type", "text/xml; charset=utf-8")
        .header("SOAPAction", "\"http://tempuri.org/ArchiveAutoReport\"")
        .body(registrations::envelope(message));
    let response = request.send().await.map_err(|error| failed(error.to_string()))?;
    let status = response.status();
    let body = response.text().await.map_err(|error| failed(error.to_string()))?;
    // The acknowledgement is XML inside XML: its own tags may be escaped.
    let accepted = ["<result>1</result>", "&lt;result&gt;1&lt;/result&gt;"].iter().any(|found| body.contains(found));
    if !status.is_success() || !accepted {
        return Err(failed(format!("HTTP {status}, not accepted")));
    }
    Ok(())
}
