//! Attachments for the pages: which an exam has. And the bytes of any attachment, whole or in part.
//!
//! Seen under the rules of the exam itself; the first look of a session at each is recorded, every download is. The pages of
//! a PDF and of a TIFF are looked at as pictures; the file itself is taken along.

use std::ops::Range;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use serde_json::json;

use super::read_image::{Picture, Viewer};
use crate::archive::pages::given_file::GivenFile;
use crate::archive::pages::open_link::Session;
use crate::archive::reports::document_turns::Awaited;
use crate::archive::reports::read_report_file::DrawPage;
use crate::archive::{Archive, Error};
use crate::documents::{DocumentsConfig, raster};
use crate::domain::attachment::AttachmentType;
use crate::domain::criteria::ShowType;
use crate::index::attachments::{self, Attachment};
use crate::index::exam_pages::Entry;
use crate::objects;

/// Most attachments on a page.
const MOST_ATTACHMENTS: i64 = 500;

/// The bytes of an object as they come from the store.
pub type ByteStream = BoxStream<'static, Result<Bytes, objects::Error>>;

/// Whether somebody looks at an attachment or takes it along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachmentUse {
    /// Shown inside a page.
    Look,
    /// Saved as a file.
    Download,
}

impl Archive {
    /// The attachments of an entry that the session may see; with ShowType 3 data alone (D-P18).
    pub(in crate::archive) async fn attachments_of(
        &self,
        session: &Session,
        entry: &Entry,
    ) -> Result<Vec<Attachment>, Error> {
        let found = attachments::of_entry(&self.index, entry, MOST_ATTACHMENTS).await?;
        Ok(found.into_iter().filter(|attachment| shows(session, attachment)).collect())
    }

    /// One attachment of an exam that the session may see. A kind that no page shows is always taken along, and so is one
    /// that a browser shows as a file of its own: who looks at it has it. [`Error::Denied`] when the session may only look.
    pub async fn viewed_attachment(
        &self,
        viewer: &Viewer,
        session: &Session,
        remote_addr: &str,
        key: (&str, i64),
        purpose: AttachmentUse,
    ) -> Result<Attachment, Error> {
        let (entry, attachment) = self.shown_attachment(viewer, session, remote_addr, key).await?;
        let may_keep = session.scope.download.is_allowed();
        let kind = attachment.media_type;
        let is_looked_at = kind.is_within_page() || (kind.is_inline() && may_keep);
        let purpose = if is_looked_at { purpose } else { AttachmentUse::Download };
        if purpose == AttachmentUse::Download && !may_keep {
            return Err(Error::Denied);
        }
        if purpose == AttachmentUse::Download {
            let (target, detail) = recorded(&entry, &attachment);
            self.record_view(session, remote_addr, "download_attachment", target, detail).await?;
        } else {
            self.note_look(viewer, session, remote_addr, (&entry, &attachment)).await?;
        }
        Ok(attachment)
    }

    /// How many pages an attachment that is a PDF or a TIFF has; `None` when it is neither, or they cannot be counted.
    /// [`Error::Busy`] when nothing can be counted just now.
    pub async fn attachment_pages(&self, attachment: &Attachment) -> Result<Option<usize>, Error> {
        let count: fn(&[u8], &DocumentsConfig) -> Result<usize, raster::Error> = match attachment.media_type {
            AttachmentType::Pdf => raster::page_count,
            AttachmentType::Tiff => raster::tiff_page_count,
            _ => return Ok(None),
        };
        let content = content_of(attachment);
        if let Some(count) = self.documents.page_counts.get(&content).await {
            return Ok(count);
        }
        let limits = self.documents.config().clone();
        let count = move |bytes: Bytes| count(&bytes, &limits).ok();
        let counting = self.documents.within(Awaited::Reading, &content, self.file_of(attachment), count);
        match counting.await {
            Ok(count) => {
                self.documents.page_counts.insert(content, count).await;
                Ok(count)
            }
            Err(Error::Busy) => Err(Error::Busy),
            Err(error) => {
                tracing::warn!(attachment.pk = attachment.pk, %error, "the pages of an attachment were not counted");
                Ok(None)
            }
        }
    }

    /// Bytes of an attachment that [`Archive::viewed_attachment`] or [`Archive::pull_attachment`] gave; the range counts from its first byte.
    pub async fn attachment_bytes(&self, attachment: &Attachment, range: Range<u64>) -> Result<ByteStream, Error> {
        self.given_bytes(&GivenFile::Stored(attachment.place.clone()), range).await
    }

    /// A picture of one page (1 is the first) of an attachment that is a PDF or a TIFF, of an exam that the session may see.
    pub async fn attachment_page_picture(
        &self,
        viewer: &Viewer,
        session: &Session,
        remote_addr: &str,
        key: (&str, i64),
        (page, width): (usize, u32),
    ) -> Result<Picture, Error> {
        let (entry, attachment) = self.shown_attachment(viewer, session, remote_addr, key).await?;
        let draw: DrawPage = match attachment.media_type {
            AttachmentType::Pdf => raster::render_page,
            AttachmentType::Tiff => raster::render_tiff_page,
            _ => return Err(Error::NotFound),
        };
        let (content, file) = (content_of(&attachment), self.file_of(&attachment));
        let bytes = self.page_picture((attachment.pk, &content), page, width, file, draw).await?;
        self.note_look(viewer, session, remote_addr, (&entry, &attachment)).await?;
        Ok(Picture { bytes, media_type: "image/png" })
    }

    async fn shown_attachment(
        &self,
        viewer: &Viewer,
        session: &Session,
        remote_addr: &str,
        (observation_uid, attachment_pk): (&str, i64),
    ) -> Result<(Entry, Attachment), Error> {
        let entry = self.visible_exam(viewer, session, remote_addr, observation_uid).await?;
        let found = attachments::get(&self.index, &entry, attachment_pk).await?;
        let attachment = found.filter(|attachment| shows(session, attachment)).ok_or(Error::NotFound)?;
        Ok((entry, attachment))
    }

    async fn note_look(
        &self,
        viewer: &Viewer,
        session: &Session,
        remote_addr: &str,
        (entry, attachment): (&Entry, &Attachment),
    ) -> Result<(), Error> {
        let (target, detail) = recorded(entry, attachment);
        if viewer.looks_first(&session.id_hash, &target).await {
            self.record_view(session, remote_addr, "view_attachment", target.clone(), detail).await?;
            viewer.has_looked(&session.id_hash, &target).await;
        }
        Ok(())
    }

    async fn file_of(&self, attachment: &Attachment) -> Result<Bytes, Error> {
        if attachment.place.length > self.documents.config().max_bytes as u64 {
            return Err(Error::TooLarge { what: "the attachment", limit: "documents.max_bytes".to_owned() });
        }
        Ok(self.objects.read(&attachment.place).await?)
    }
}

/// What is recorded of an attachment.
fn recorded(entry: &Entry, attachment: &Attachment) -> (String, serde_json::Value) {
    let detail = json!({ "organization": entry.org_code, "kind": attachment.kind.as_str() });
    (format!("attachment:{}", attachment.pk), detail)
}

/// Names the bytes: an attachment's object is never written again.
fn content_of(attachment: &Attachment) -> String {
    format!("{}:{}", attachment.place.key, attachment.place.offset)
}

fn shows(session: &Session, attachment: &Attachment) -> bool {
    session.scope.show_type != ShowType::DataOnly || attachment.kind.is_data()
}
