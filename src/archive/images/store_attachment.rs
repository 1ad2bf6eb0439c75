//! Takes in a file that belongs to an exam and is no DICOM object (D-I14).
//!
//! As with instances: the bytes stream into the object store, a note behind them, then one transaction {row, links, audit}. The same
//! content under the same keys changes nothing, so a file may be brought any number of times.

use serde_json::json;
use sha2::{Digest, Sha256};

use super::attachment_note;
use crate::archive::links::link;
use crate::archive::{Archive, Error};
use crate::domain::attachment::{AttachmentKind, AttachmentType};
use crate::domain::place::Place;
use crate::domain::{Actor, Uid};
use crate::index::attachments::{self, NewAttachment};
use crate::index::audit::{self, AuditRecord};
use crate::objects::{Kind, ObjectWriter};

/// Longest key or title, in characters.
const MOST_CHARACTERS: usize = 128;

/// An attachment that is about to arrive.
#[derive(Debug, Clone)]
pub struct ReceiveAttachment {
    /// Whose it is.
    pub org_code: String,
    /// What it is.
    pub kind: AttachmentKind,
    /// How it is encoded, found in its content.
    pub media_type: AttachmentType,
    /// Shown on pages; may be empty.
    pub title: String,
    /// The exam's AccessionNumber, or empty.
    pub accession_number: String,
    /// The patient's number, or empty.
    pub patient_id: String,
    /// The exam's Study Instance UID, or empty.
    pub study_instance_uid: String,
    /// The file's name, for people.
    pub source_name: String,
    /// Who brings it.
    pub actor: Actor,
}

/// How it ended; each is a success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachmentOutcome {
    /// New, durable and indexed.
    Stored,
    /// The same content was there already under the same keys.
    Duplicate,
}

/// An attachment on its way in. Dropping it keeps nothing.
pub struct AttachmentWriter {
    archive: Archive,
    command: ReceiveAttachment,
    object: ObjectWriter,
    hash: Sha256,
    length: u64,
}

impl Archive {
    /// Begins to take an attachment in; one that names no exam is refused.
    pub fn receive_attachment(&self, command: ReceiveAttachment) -> Result<AttachmentWriter, Error> {
        if command.accession_number.is_empty() && command.study_instance_uid.is_empty() {
            return Err(Error::Invalid("names no exam: neither accession number nor Study Instance UID".to_owned()));
        }
        if !command.study_instance_uid.is_empty() {
            let unfit = |e| Error::Invalid(format!("Study Instance UID: {e}"));
            Uid::parse(&command.study_instance_uid).map_err(unfit)?;
        }
        for (what, text) in [
            ("accession number", &command.accession_number),
            ("patient number", &command.patient_id),
            ("title", &command.title),
        ] {
            if text.chars().count() > MOST_CHARACTERS || text.chars().any(char::is_control) {
                return Err(Error::Invalid(format!("the {what} is too long or holds control characters")));
            }
        }
        let object = self.objects.create(Kind::Attachment);
        Ok(AttachmentWriter { archive: self.clone(), command, object, hash: Sha256::new(), length: 0 })
    }
}

impl AttachmentWriter {
    /// Takes the next bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        Ok(self.object.write(bytes).await?)
    }

    /// Gives up; nothing is kept.
    pub async fn abort(self) {
        self.object.abort().await;
    }

    /// Makes the attachment durable and links it. After an error it has no row, unless the answer to its commit was lost.
    pub async fn commit(self) -> Result<AttachmentOutcome, Error> {
        let Self { archive, command, mut object, hash, length } = self;
        let mut new = NewAttachment {
            org_code: command.org_code,
            kind: command.kind,
            media_type: command.media_type,
            title: command.title,
            accession_number: command.accession_number,
            patient_id: command.patient_id,
            study_instance_uid: command.study_instance_uid,
            source_name: command.source_name.chars().take(MOST_CHARACTERS).collect(),
            content_hash: hex::encode(hash.finalize()),
            place: Place { key: String::new(), offset: 0, length: 0 },
        };
        match attachments::is_there(&archive.index, &new).await {
            Ok(false) => {}
            Ok(true) => {
                object.abort().await;
                return Ok(AttachmentOutcome::Duplicate);
            }
            Err(error) => {
                object.abort().await;
                return Err(error.into());
            }
        }
        let received_at = archive.clock.now_ms();
        let note = attachment_note::behind(&new, received_at)
            .map_err(|error| Error::Invalid(format!("what is known of the attachment: {error}")));
        let written = match note {
            Ok(note) => object.write(&note).await.map_err(Error::from),
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            object.abort().await;
            return Err(error);
        }
        // The note is not the file's: only a reindex reads it.
        new.place = Place { length, ..object.finish().await? };
        let place = new.place.clone();
        let outcome = archive.index_attachment(new, received_at, command.actor).await;
        if matches!(outcome, Ok(AttachmentOutcome::Duplicate))
            && let Err(error) = archive.objects.delete(&place.key).await
        {
            tracing::warn!(object.key = %place.key, %error, "an object that is not needed could not be removed");
        }
        if let Err(error) = &outcome {
            archive.remove_refused(&place, error).await;
        }
        outcome
    }
}

impl Archive {
    pub(in crate::archive) async fn index_attachment(
        &self,
        new: NewAttachment,
        received_at: i64,
        actor: Actor,
    ) -> Result<AttachmentOutcome, Error> {
        let (ids, now) = (self.ids.clone(), self.clock.now_ms());
        self.index
            .write(move |tx| {
                Box::pin(async move {
                    let id = ids.next();
                    if !attachments::insert(tx, id, received_at, &new).await? {
                        return Ok(AttachmentOutcome::Duplicate);
                    }
                    link::attachment_arrived(tx, &ids, now, id).await?;
                    let entry = AuditRecord {
                        action: "store_attachment",
                        actor,
                        org_code: new.org_code.clone(),
                        target: format!("attachment:{id}"),
                        outcome: "ok",
                        detail: json!({ "kind": new.kind.as_str(), "media_type": new.media_type.as_str(),
                                        "length": new.place.length, "sha256": new.content_hash }),
                    };
                    audit::record(tx, ids.next(), now, &entry).await?;
                    Ok::<_, Error>(AttachmentOutcome::Stored)
                })
            })
            .await
    }
}
