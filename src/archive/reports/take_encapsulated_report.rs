//! Reports that came as PDFs inside DICOM objects (D-I14): the PDF becomes the exam report's file.
//!
//! The object stays in the archive as it came; its PDF is kept, stamped and versioned like a fetched one. The newest
//! object of the linked studies counts, also when it came under a taken UID (D-I15): a report that was corrected must not
//! hide behind the one before. A file that the registration names or brings itself goes before. When the study is taken
//! from the exam report, the file goes with it and stays in the history.

use bytes::Bytes;
use serde_json::json;

use super::fetch_report_file::FetchOutcome;
use crate::archive::images::store_instance::{Completeness, ReceiveInstance};
use crate::archive::{Archive, Error};
use crate::dicom::elements::Encoding;
use crate::dicom::encapsulated_pdf::{self, DocumentRefusal, ENCAPSULATED_PDF};
use crate::dicom::transfer_syntax::is_deflated;
use crate::dicom::{part10, render};
use crate::domain::Actor;
use crate::fetch::{Fetched, MediaType};
use crate::index::audit::{self, AuditRecord};
use crate::index::encapsulated_reports::{self, EncapsulatedDocument};
use crate::index::report_changes;
use crate::index::report_files;

const ACTION: &str = "take_encapsulated_report";
/// What an object may be longer than its document.
const MOST_AROUND: u64 = 4 * 1024 * 1024;

/// How looking at the documents of an exam report ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EncapsulatedOutcome {
    /// There is nothing to take, or another file goes before.
    Nothing,
    /// A document was taken, or is the current file already.
    Taken(FetchOutcome),
    /// The document's study is linked no more, so its file is shown no more.
    Retracted,
}

/// Why a document was not taken.
#[derive(Debug, thiserror::Error)]
pub enum EncapsulatedFailure {
    /// The newest object yields no PDF; the words hold no patient data.
    #[error("a DICOM object with a report: {0}")]
    Unfit(String),
    /// The archive itself failed.
    #[error(transparent)]
    Archive(#[from] Error),
}

/// Why one object yields no PDF.
enum Unread {
    Unfit(String),
    Archive(Error),
}

impl From<DocumentRefusal> for Unread {
    fn from(refusal: DocumentRefusal) -> Self {
        Unread::Unfit(refusal.to_string())
    }
}

impl From<Error> for Unread {
    fn from(error: Error) -> Self {
        Unread::Archive(error)
    }
}

impl Archive {
    /// Looks at the documents of the studies of an exam report, and takes the newest or takes the file away.
    pub async fn take_encapsulated_report(
        &self,
        exam_report_pk: i64,
    ) -> Result<EncapsulatedOutcome, EncapsulatedFailure> {
        let source = report_files::source(&self.index, exam_report_pk).await.map_err(Error::from)?;
        let Some(source) = source.filter(|_| self.fetcher.takes_encapsulated()) else {
            return Ok(EncapsulatedOutcome::Nothing);
        };
        let current = report_files::current(&self.index, exam_report_pk).await.map_err(Error::from)?;
        let current = current.map(|file| file.source);
        if current.as_ref().is_some_and(|current| !encapsulated_reports::is_source(current)) {
            return Ok(EncapsulatedOutcome::Nothing);
        }
        let documents = encapsulated_reports::documents_of(&self.index, exam_report_pk, ENCAPSULATED_PDF).await;
        let mut refused = None;
        for document in documents.map_err(Error::from)? {
            let address = encapsulated_reports::source_of(&document.sop_instance_uid);
            if document.is_offline {
                // What was taken of it is here; what was not cannot be any more.
                if current.as_ref() == Some(&address) {
                    return Ok(EncapsulatedOutcome::Nothing);
                }
                continue;
            }
            match self.read_document(&document).await {
                Ok(fetched) => {
                    let by = (ACTION, Actor::system(ACTION));
                    let outcome = self.take_report_file(exam_report_pk, source, address, fetched, by).await?;
                    return refused.map_or(Ok(EncapsulatedOutcome::Taken(outcome)), Err);
                }
                Err(Unread::Archive(error)) => return Err(error.into()),
                // The first content under a UID is the whole one; another may be what was cut off.
                Err(Unread::Unfit(_)) if document.is_version => {}
                Err(Unread::Unfit(reason)) => {
                    refused.get_or_insert(EncapsulatedFailure::Unfit(reason));
                }
            }
        }
        match (refused, current) {
            (Some(refused), _) => Err(refused),
            (None, None) => Ok(EncapsulatedOutcome::Nothing),
            (None, Some(current)) => Ok(self.retract_report_file(exam_report_pk, source.org_code, current).await?),
        }
    }

    async fn read_document(&self, document: &EncapsulatedDocument) -> Result<Fetched, Unread> {
        let EncapsulatedDocument { place, dataset_offset, transfer_syntax_uid, .. } = document;
        let limit = self.fetcher.max_bytes();
        if place.length > limit.saturating_add(MOST_AROUND) {
            return Err(Unread::Unfit("the object is larger than reports.max_bytes".to_owned()));
        }
        let data_set = self.objects.read_range(place, *dataset_offset..place.length).await.map_err(Error::from)?;
        self.document_in(data_set, transfer_syntax_uid.clone(), limit).await
    }

    /// Finds the PDF in a data set; inflating and hashing may take long, so another thread does it.
    async fn document_in(&self, data_set: Bytes, transfer_syntax_uid: String, limit: u64) -> Result<Fetched, Unread> {
        let work = move || {
            let (data_set, encoding) = if is_deflated(&transfer_syntax_uid) {
                let most = limit.saturating_add(MOST_AROUND);
                (Bytes::from(render::inflate(&data_set, most)), Encoding::ExplicitLittle)
            } else {
                (data_set, Encoding::of_transfer_syntax(&transfer_syntax_uid))
            };
            let range = encapsulated_pdf::pdf_in(&data_set, encoding)?;
            if range.len() as u64 > limit {
                return Err(Unread::Unfit("the document is larger than reports.max_bytes".to_owned()));
            }
            Fetched::of(data_set.slice(range), "dicom").map_err(|error| Unread::Unfit(error.to_string()))
        };
        self.documents.run(work).await?
    }

    /// The file is shown no more, unless the object has been linked again meanwhile.
    async fn retract_report_file(
        &self,
        exam_report_pk: i64,
        org_code: String,
        source: String,
    ) -> Result<EncapsulatedOutcome, Error> {
        let (audit_id, change_id, now) = (self.ids.next(), self.ids.next(), self.clock.now_ms());
        let write = self.index.write(move |tx| {
            Box::pin(async move {
                if !encapsulated_reports::retract(tx, exam_report_pk, &source).await? {
                    return Ok(EncapsulatedOutcome::Nothing);
                }
                let subject = (report_changes::Subject::Exam, exam_report_pk);
                report_changes::file_stored(tx, change_id, now, &org_code, subject).await?;
                let entry = AuditRecord {
                    action: "retract_report_file",
                    actor: Actor::system(ACTION),
                    org_code,
                    target: format!("exam:{exam_report_pk}"),
                    outcome: "ok",
                    detail: json!({}),
                };
                audit::record(tx, audit_id, now, &entry).await?;
                Ok::<_, Error>(EncapsulatedOutcome::Retracted)
            })
        });
        write.await
    }

    /// What came from outside as a report file, when it is a DICOM object: kept among the images, its PDF given back.
    pub(super) async fn opened(
        &self,
        org_code: &str,
        fetched: Fetched,
        actor: Actor,
    ) -> Result<Fetched, EncapsulatedFailure> {
        if fetched.media_type != MediaType::Dicom {
            return Ok(fetched);
        }
        let unfit = |reason: String| EncapsulatedFailure::Unfit(reason);
        let file = fetched.bytes;
        let meta = part10::read_meta(&file).map_err(|error| unfit(error.to_string()))?;
        let command = ReceiveInstance {
            org_code: org_code.to_owned(),
            calling_ae_title: String::new(),
            default_charset: self.reading_rules.default_charset.clone(),
            sop_class_uid: String::new(),
            sop_instance_uid: String::new(),
            transfer_syntax_uid: String::new(),
            completeness: Completeness::Required,
            actor,
        };
        match self.store_part10(command, file.clone()).await {
            Ok(_) => {}
            Err(error @ (Error::Index(_) | Error::Objects(_))) => return Err(error.into()),
            Err(error) => return Err(unfit(error.to_string())),
        }
        if meta.media_storage_sop_class_uid != ENCAPSULATED_PDF {
            return Err(unfit("is of another class than Encapsulated PDF; it was kept among the images".to_owned()));
        }
        let start = usize::try_from(meta.dataset_offset).unwrap_or(usize::MAX).min(file.len());
        let limit = self.fetcher.max_bytes();
        match self.document_in(file.slice(start..), meta.transfer_syntax_uid, limit).await {
            Ok(document) => Ok(document),
            Err(Unread::Unfit(reason)) => Err(unfit(reason)),
            Err(Unread::Archive(error)) => Err(error.into()),
        }
    }
}
