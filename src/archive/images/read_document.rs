//! Documents that came as DICOM objects, for the pages: structured reports, encapsulated PDF and CDA, key images.
//!
//! Seen under the rules of the exam; they are words of a report, so ShowType 3 has none of them (D-P18).

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::json;

use super::read_image::{Picture, Viewer};
use crate::archive::pages::open_link::Session;
use crate::archive::{Archive, Error};
use crate::dicom::encapsulated_document::EncapsulatedDocument;
use crate::dicom::structured_report::StructuredReport;

pub use crate::dicom::structured_report::Meanings;
use crate::dicom::text::Charset;
use crate::documents::clinical_document::{self, ClinicalDocumentLimits};
use crate::documents::raster;
use crate::domain::clinical_document::ClinicalDocument;
use crate::domain::criteria::ShowType;
use crate::index::exam_details::{self, InstanceBytes};
use crate::index::exam_pages::Entry;

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
}

/// What a document is.
#[derive(Debug, Clone)]
pub enum DocumentForm {
    /// A structured report or key object selection.
    Report(Box<StructuredReport>),
    /// A PDF of so many pages.
    Pdf(usize),
    /// A clinical document.
    Clinical(Box<ClinicalDocument>),
    /// Something else, or damaged; it can be taken along.
    Other,
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
        (observation_uid, instance_pk): (&str, i64),
        meanings: Meanings,
    ) -> Result<ViewedDocument, Error> {
        let (entry, instance) =
            self.document_instance(viewer, session, remote_addr, (observation_uid, instance_pk)).await?;
        let file = self.whole_file(viewer, &instance).await?;
        let limits = self.documents.config().clone();
        let charset = self.charset_of_file(&entry.org_code, &file);
        let (title, form) = self.documents.run(move || read_document(&file, &charset, &limits, meanings)).await?;
        let links = match &form {
            DocumentForm::Report(report) => {
                let uids = report.images().into_iter().take(MOST_LINKS).map(|image| image.sop_instance_uid.clone());
                exam_details::instances_by_uid(&self.index, &entry, uids.collect()).await?
            }
            _ => Vec::new(),
        };
        Ok(ViewedDocument { title, form, links })
    }

    /// A picture of one page (1 is the first) of an encapsulated PDF.
    pub async fn document_page_picture(
        &self,
        viewer: &Viewer,
        session: &Session,
        remote_addr: &str,
        key: (&str, i64),
        (page, width): (usize, u32),
    ) -> Result<Picture, Error> {
        let (entry, instance) = self.document_instance(viewer, session, remote_addr, key).await?;
        let file = self.whole_file(viewer, &instance).await?;
        let charset = self.charset_of_file(&entry.org_code, &file);
        let document = EncapsulatedDocument::read(&file, &charset).filter(|found| found.is_pdf(&file));
        let document = document.ok_or(Error::NotFound)?;
        let bytes = async { Ok(file.slice(document.range)) };
        let bytes = self.pdf_page_picture((instance.pk, instance.content_hash), page, width, bytes).await?;
        Ok(Picture { bytes, media_type: "image/png" })
    }

    /// A document's own bytes and its media type; every download is recorded. A structured report is its DICOM file.
    pub async fn download_document(
        &self,
        viewer: &Viewer,
        session: &Session,
        remote_addr: &str,
        key: (&str, i64),
    ) -> Result<(&'static str, Bytes), Error> {
        let (entry, instance) = self.document_instance(viewer, session, remote_addr, key).await?;
        let file = self.whole_file(viewer, &instance).await?;
        let target = format!("instance:{}", instance.pk);
        let detail = json!({ "organization": entry.org_code });
        self.record_view(session, remote_addr, "download_document", target, detail).await?;
        let charset = self.charset_of_file(&entry.org_code, &file);
        Ok(match EncapsulatedDocument::read(&file, &charset) {
            Some(document) if document.is_pdf(&file) => ("application/pdf", file.slice(document.range)),
            Some(document) if document.is_xml() => ("application/xml", file.slice(document.range)),
            Some(document) => ("application/octet-stream", file.slice(document.range)),
            None => ("application/dicom", file),
        })
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
        let file = self.whole_file(viewer, &instance).await?;
        let charset = self.charset_of_file(&entry.org_code, &file);
        let read = self.documents.run(move || StructuredReport::read(&file, &charset, meanings)).await?;
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
    fn charset_of_file(&self, org_code: &str, file: &[u8]) -> Charset {
        let rules = &self.reading_rules;
        rules.charset_of_file(org_code, file).unwrap_or_else(|| rules.default_charset.clone())
    }

    async fn document_instance(
        &self,
        viewer: &Viewer,
        session: &Session,
        remote_addr: &str,
        (observation_uid, instance_pk): (&str, i64),
    ) -> Result<(Entry, InstanceBytes), Error> {
        let entry = self.visible_exam(viewer, session, remote_addr, observation_uid).await?;
        let found = exam_details::instance_of(&self.index, &entry, instance_pk).await?;
        let shown = session.scope.show_type != ShowType::DataOnly;
        let found = found.filter(|instance| shown && !instance.place.key.is_empty());
        Ok((entry, found.ok_or(Error::NotFound)?))
    }
}

fn read_document(
    file: &Bytes,
    charset: &Charset,
    limits: &crate::documents::DocumentsConfig,
    meanings: Meanings,
) -> (String, DocumentForm) {
    if let Some(document) = EncapsulatedDocument::read(file, charset) {
        let bytes = &file[document.range.clone()];
        let form = if document.is_pdf(file) {
            raster::page_count(bytes, limits).map_or(DocumentForm::Other, DocumentForm::Pdf)
        } else {
            match clinical_document::read(bytes, &ClinicalDocumentLimits::default()) {
                Ok(clinical) => DocumentForm::Clinical(Box::new(clinical)),
                Err(_) => DocumentForm::Other,
            }
        };
        return (document.title, form);
    }
    match StructuredReport::read(file, charset, meanings) {
        Ok(report) => (report.title.clone(), DocumentForm::Report(Box::new(report))),
        Err(_) => (String::new(), DocumentForm::Other),
    }
}
