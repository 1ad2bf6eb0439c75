//! Attachments for the pages: which an exam has. And the bytes of any attachment, whole or in part.
//!
//! Seen under the rules of the exam itself; the first look of a session at each is recorded, every download is.

use std::ops::Range;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use serde_json::json;

use super::read_image::Viewer;
use crate::archive::pages::open_link::Session;
use crate::archive::{Archive, Error};
use crate::domain::criteria::ShowType;
use crate::domain::place::Place;
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

    /// One attachment of an exam that the session may see. A kind that no page shows is always taken along;
    /// [`Error::Denied`] when the session may only look.
    pub async fn viewed_attachment(
        &self,
        viewer: &Viewer,
        session: &Session,
        remote_addr: &str,
        (observation_uid, attachment_pk): (&str, i64),
        purpose: AttachmentUse,
    ) -> Result<Attachment, Error> {
        let entry = self.visible_exam(viewer, session, remote_addr, observation_uid).await?;
        let found = attachments::get(&self.index, &entry, attachment_pk).await?;
        let attachment = found.filter(|attachment| shows(session, attachment)).ok_or(Error::NotFound)?;
        let purpose = if attachment.media_type.is_inline() { purpose } else { AttachmentUse::Download };
        if purpose == AttachmentUse::Download && !session.scope.download.is_allowed() {
            return Err(Error::Denied);
        }
        let target = format!("attachment:{attachment_pk}");
        let detail = json!({ "organization": entry.org_code, "kind": attachment.kind.as_str() });
        if purpose == AttachmentUse::Download {
            self.record_view(session, remote_addr, "download_attachment", target, detail).await?;
        } else if viewer.looks_first(&session.id_hash, &target).await {
            self.record_view(session, remote_addr, "view_attachment", target.clone(), detail).await?;
            viewer.has_looked(&session.id_hash, &target).await;
        }
        Ok(attachment)
    }

    /// Bytes of an attachment that [`Archive::viewed_attachment`] or [`Archive::pull_attachment`] gave; the range counts from its first byte.
    pub async fn attachment_bytes(&self, attachment: &Attachment, range: Range<u64>) -> Result<ByteStream, Error> {
        let whole = &attachment.place;
        let end = range.end.min(whole.length);
        let start = range.start.min(end);
        let part = Place { key: whole.key.clone(), offset: whole.offset + start, length: end - start };
        Ok(self.objects.stream(&part).await?)
    }
}

fn shows(session: &Session, attachment: &Attachment) -> bool {
    session.scope.show_type != ShowType::DataOnly || attachment.kind.is_data()
}
