//! Documents that came as DICOM objects, for the pages: structured reports, encapsulated PDF and CDA, key images.
//!
//! Seen under the rules of the exam; they are words of a report, so ShowType 3 has none of them (D-P18). What is no document
//! is none here, whatever its number: images are looked at as pictures, and given away by DICOMweb alone.

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::json;

use super::read_image::{Picture, Viewer};
use crate::archive::pages::given_file::GivenFile;
use crate::archive::pages::open_link::Session;
use crate::archive::reports::document_turns::Awaited;
use crate::archive::{Archive, Error};
use crate::dicom::encapsulated_document::EncapsulatedDocument;
use crate::dicom::sop_class::SeriesKind;
use crate::dicom::structured_report::StructuredReport;

pub use crate::dicom::structured_report::Meanings;
use crate::dicom::text::Charset;
use crate::documents::clinical_document::{self, ClinicalDocumentLimits};
use crate::documents::raster;
use crate::domain::attachment::AttachmentType;
use crate::domain::clinical_document::ClinicalDocument;
use crate::domain::criteria::ShowType;
use crate::domain::pdf;
use crate::domain::place::Place;
use crate::index::exam_details::{self, InstanceBytes};
use crate::index::exam_pages::Entry;

/// What series of documents and of films are called.
const DOCUMENT: &str = SeriesKind::Document.as_str();
const FILM: &str = SeriesKind::Film.as_str();
/// Most key object selections that are read for one exam.
const MOST_KEY_OBJECTS: i64 = 50;
/// Most images that one report's links are looked up for.
const MOST_LINKS: usize = 500;

/// One document.
#[derive(Debug, Clone)]
pub struct ViewedDocument {
    /// Its title; empty when it has none.
    pub title: String,
    /// What it is.
    pub form: DocumentForm,
    /// Instances that it points at: SOP Instance UID and row.
    pub links: Vec<(String, i64)>,
    /// Whether the session may take it along.
    pub may_keep: bool,
}

/// What a document is.
#[derive(Debug, Clone)]
pub enum DocumentForm {
    /// A structured report or key object selection.
    Report(Box<StructuredReport>),
    /// A PDF of so many pages.
    Pdf(usize),
    /// A clinical document, and how many pages the PDF has that is its body.
    Clinical(Box<ClinicalDocument>, usize),
    /// Something else, or damaged; it can be taken along.
    Other,
}

/// Which bytes of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentPart {
    /// All of it.
    Whole,
    /// The file that is the body of a clinical document.
    Body,
}

/// Images that somebody has marked (Key Object Selection).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyImages {
    /// Why: the document's title.
    pub title: String,
    /// What was written about them.
    pub description: String,
    /// The images, in the order of the document.
    pub images: Vec<KeyImage>,
}

/// One image that somebody has marked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyImage {
    /// SOP Instance UID.
    pub sop_instance_uid: String,
    /// Series Instance UID.
    pub series_instance_uid: String,
    /// The frames; all of them when none is named.
    pub frames: Vec<u32>,
}

impl Archive {
    /// A document of an exam that the session may see.
    pub async fn viewed_document(
        &self,
        viewer: &Viewer,
        session: &Session,
        remote_addr: &str,
        key: (&str, i64),
        meanings: Meanings,
    ) -> Result<ViewedDocument, Error> {
        let (entry, instance) = self.viewed_instance(viewer, session, remote_addr, key, shows_document).await?;
        let (archive, org_code, limits) = (self.clone(), entry.org_code.clone(), self.documents.config().clone());
        let read = move |file: Bytes| {
            let charset = archive.charset_of_file(&org_code, &file);
            let document = EncapsulatedDocument::read(&file, &charset);
            let (title, form) = read_document(&file, document.as_ref(), &charset, &limits, meanings);
            (document, title, form)
        };
        let file = self.whole_file(viewer, &instance);
        let (document, title, form) =
            self.documents.within(Awaited::Reading, &instance.content_hash, file, read).await?;
        let may_keep = may_keep(session, &instance, document.as_ref());
        let links = match &form {
            DocumentForm::Report(report) => {
                let uids = report.images().into_iter().take(MOST_LINKS).map(|image| image.sop_instance_uid.clone());
                exam_details::instances_by_uid(&self.index, &entry, uids.collect()).await?
            }
            _ => Vec::new(),
        };
        Ok(ViewedDocument { title, form, links, may_keep })
    }

    /// A picture of one page (1 is the first) of an encapsulated PDF, or of the PDF that is a clinical document's body.
    pub async fn document_page_picture(
        &self,
        viewer: &Viewer,
        session: &Session,
        remote_addr: &str,
        key: (&str, i64),
        (page, width): (usize, u32),
    ) -> Result<Picture, Error> {
        let (_, instance) = self.viewed_instance(viewer, session, remote_addr, key, shows_document).await?;
        let hash = instance.content_hash.as_str();
        let bytes = async {
            let file = self.whole_file(viewer, &instance);
            let pdf = self.documents.within(Awaited::Reading, hash, file, |file: Bytes| pdf_of(&file)).await?;
            pdf.ok_or(Error::NotFound)
        };
        let key = (instance.pk, hash);
        let bytes = self.pdf_page_picture(key, page, width, bytes).await?;
        Ok(Picture { bytes, media_type: "image/png" })
    }

    /// A document's own bytes and its media type; every download is recorded. A structured report is its DICOM file.
    /// [`Error::Denied`] when the session may look at it only.
    pub async fn download_document(
        &self,
        viewer: &Viewer,
        session: &Session,
        remote_addr: &str,
        key: (&str, i64),
        part: DocumentPart,
    ) -> Result<(&'static str, GivenFile), Error> {
        let (entry, instance) = self.viewed_instance(viewer, session, remote_addr, key, shows_document).await?;
        let place = instance.place.clone();
        let find = move |file: Bytes| {
            let document = EncapsulatedDocument::read(&file, &Charset::default());
            let given = match (part, &document) {
                (DocumentPart::Body, Some(document)) => body_of(&file[document.range.clone()])
                    .map(|body| (AttachmentType::of_content(&body).as_str(), GivenFile::Made(body))),
                (DocumentPart::Body, None) => None,
                (DocumentPart::Whole, None) => Some(("application/dicom", GivenFile::Stored(place))),
                (DocumentPart::Whole, Some(document)) => {
                    let media_type = if document.is_pdf(&file) {
                        "application/pdf"
                    } else if document.is_xml() {
                        "application/xml"
                    } else {
                        "application/octet-stream"
                    };
                    let (offset, length) = (place.offset + document.range.start as u64, document.range.len() as u64);
                    Some((media_type, GivenFile::Stored(Place { offset, length, ..place })))
                }
            };
            (document, given)
        };
        let file = self.whole_file(viewer, &instance);
        let (document, given) = self.documents.within(Awaited::Reading, &instance.content_hash, file, find).await?;
        if !may_keep(session, &instance, document.as_ref()) {
            return Err(Error::Denied);
        }
        let given = given.ok_or(Error::NotFound)?;
        let target = format!("instance:{}", instance.pk);
        let detail = json!({ "organization": entry.org_code });
        self.record_view(session, remote_addr, "download_document", target, detail).await?;
        Ok(given)
    }

    /// The images of an exam that key object selections mark, for its viewer; without the documents' words where the
    /// session shows no report. A document that cannot be read marks nothing.
    pub async fn key_images(
        &self,
        viewer: &Viewer,
        session: &Session,
        remote_addr: &str,
        observation_uid: &str,
        meanings: Meanings,
    ) -> Result<Vec<KeyImages>, Error> {
        let entry = self.visible_exam(viewer, session, remote_addr, observation_uid).await?;
        let mut found = Vec::new();
        for pk in exam_details::key_objects_of(&self.index, &entry, MOST_KEY_OBJECTS).await? {
            match self.key_images_in(viewer, &entry, pk, meanings).await {
                Ok(images) => found.extend(images),
                // The next one would wait as long.
                Err(Error::Busy) => return Err(Error::Busy),
                Err(error) => tracing::warn!(instance.pk = pk, %error, "a key object selection cannot be read"),
            }
        }
        if session.scope.show_type == ShowType::DataOnly {
            for document in &mut found {
                document.title.clear();
                document.description.clear();
            }
        }
        Ok(found)
    }

    async fn key_images_in(
        &self,
        viewer: &Viewer,
        entry: &Entry,
        pk: i64,
        meanings: Meanings,
    ) -> Result<Option<KeyImages>, Error> {
        let instance = exam_details::instance_of(&self.index, entry, pk).await?;
        let Some(instance) = instance.filter(|instance| !instance.place.key.is_empty()) else { return Ok(None) };
        let (archive, org_code) = (self.clone(), entry.org_code.clone());
        let read =
            move |file: Bytes| StructuredReport::read(&file, &archive.charset_of_file(&org_code, &file), meanings);
        let file = self.whole_file(viewer, &instance);
        let read = self.documents.within(Awaited::Reading, &instance.content_hash, file, read).await?;
        let Ok(report) = read else { return Ok(None) };
        let mut marked = report.images();
        marked.truncate(MOST_LINKS);
        let uids = marked.iter().map(|image| image.sop_instance_uid.clone()).collect();
        let known: HashMap<String, String> =
            exam_details::series_by_instance(&self.index, entry, uids).await?.into_iter().collect();
        let images = marked.into_iter().filter_map(|image| {
            Some(KeyImage {
                sop_instance_uid: image.sop_instance_uid.clone(),
                series_instance_uid: known.get(&image.sop_instance_uid)?.clone(),
                frames: image.frames.clone(),
            })
        });
        Ok(Some(KeyImages { title: report.title.clone(), description: report.description(), images: images.collect() }))
    }

    /// Charset of a file's texts that declare none, or a wrong one (D-I17).
    pub(super) fn charset_of_file(&self, org_code: &str, file: &[u8]) -> Charset {
        let rules = &self.reading_rules;
        rules.charset_of_file(org_code, file).unwrap_or_else(|| rules.default_charset.clone())
    }
}

fn shows_document(session: &Session, instance: &InstanceBytes) -> bool {
    match instance.kind.as_str() {
        DOCUMENT => session.scope.show_type != ShowType::DataOnly,
        // One that came as a PDF is read as one and stays a film (D-I5).
        FILM => instance.pixel_data_offset.is_none(),
        _ => false,
    }
}

/// Whether the session may take a document along: what is encapsulated like a report's file, films and objects like images.
fn may_keep(session: &Session, instance: &InstanceBytes, encapsulated: Option<&EncapsulatedDocument>) -> bool {
    match encapsulated {
        Some(_) if instance.kind == DOCUMENT => session.scope.download.is_allowed(),
        _ => session.scope.may_keep_images(),
    }
}

/// The PDF that a document is, or that a clinical one has for its body.
fn pdf_of(file: &Bytes) -> Option<Bytes> {
    let document = EncapsulatedDocument::read(file, &Charset::default())?;
    let bytes = file.slice(document.range.clone());
    if document.is_pdf(file) { Some(bytes) } else { body_of(&bytes).filter(|body| body.starts_with(pdf::HEADER)) }
}

/// The file that is the body of a clinical document.
fn body_of(document: &[u8]) -> Option<Bytes> {
    let clinical = clinical_document::read(document, &ClinicalDocumentLimits::default()).ok()?;
    clinical.other_body.map(|body| Bytes::from(body.bytes)).filter(|body| !body.is_empty())
}

fn read_document(
    file: &Bytes,
    encapsulated: Option<&EncapsulatedDocument>,
    charset: &Charset,
    limits: &crate::documents::DocumentsConfig,
    meanings: Meanings,
) -> (String, DocumentForm) {
    if let Some(document) = encapsulated {
        let bytes = &file[document.range.clone()];
        let form = if document.is_pdf(file) {
            raster::page_count(bytes, limits).map_or(DocumentForm::Other, DocumentForm::Pdf)
        } else {
            match clinical_document::read(bytes, &ClinicalDocumentLimits::default()) {
                Ok(clinical) => {
                    let body = clinical.other_body.as_ref().map_or(&[][..], |body| &body.bytes);
                    let pages =
                        if body.starts_with(pdf::HEADER) { raster::page_count(body, limits).unwrap_or(0) } else { 0 };
                    DocumentForm::Clinical(Box::new(clinical), pages)
                }
                Err(_) => DocumentForm::Other,
            }
        };
        return (document.title.clone(), form);
    }
    match StructuredReport::read(file, charset, meanings) {
        Ok(report) => (report.title.clone(), DocumentForm::Report(Box::new(report))),
        Err(_) => (String::new(), DocumentForm::Other),
    }
}
