//! What an attachment says of itself behind its bytes, so that its row can be made again from storage alone.
//!
//! The object is the file as it came, then a note (JSON), then sixteen bytes: the note's length in eight hexadecimal digits
//! and [`MARK`]. The row names the file's bytes alone, so nobody who is given the attachment sees the note. It comes last,
//! since it tells the hash; an object without one was never finished, or was kept before there were notes.

use serde::{Deserialize, Serialize};

use crate::domain::attachment::{AttachmentKind, AttachmentType};
use crate::domain::place::Place;
use crate::index::attachments::NewAttachment;

const MARK: &[u8; 8] = b"YKATTCH1";
const LENGTH_DIGITS: usize = 8;
const FOOT_BYTES: usize = LENGTH_DIGITS + MARK.len();

/// No note and its foot are longer: each of its texts is limited when it comes.
pub(in crate::archive) const MOST_BYTES: u64 = 64 * 1024;

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    organization: String,
    kind: String,
    media_type: String,
    title: String,
    accession_number: String,
    patient_id: String,
    study_instance_uid: String,
    source_name: String,
    sha256: String,
    received_at: i64,
}

/// The bytes that go behind those of the attachment.
pub(in crate::archive) fn behind(new: &NewAttachment, received_at: i64) -> Result<Vec<u8>, serde_json::Error> {
    let note = Note {
        organization: new.org_code.clone(),
        kind: new.kind.as_str().to_owned(),
        media_type: new.media_type.as_str().to_owned(),
        title: new.title.clone(),
        accession_number: new.accession_number.clone(),
        patient_id: new.patient_id.clone(),
        study_instance_uid: new.study_instance_uid.clone(),
        source_name: new.source_name.clone(),
        sha256: new.content_hash.clone(),
        received_at,
    };
    let mut bytes = serde_json::to_vec(&note)?;
    bytes.extend(format!("{:08x}", bytes.len()).into_bytes());
    bytes.extend_from_slice(MARK);
    Ok(bytes)
}

/// Reads the note at the end of an object of which these are the last bytes: what its row says, and when it came.
pub(in crate::archive) fn read(tail: &[u8], object: &Place) -> Option<(NewAttachment, i64)> {
    let rest = tail.strip_suffix(MARK)?;
    let (rest, digits) = rest.split_at_checked(rest.len().checked_sub(LENGTH_DIGITS)?)?;
    let length = usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    let note: Note = serde_json::from_slice(rest.get(rest.len().checked_sub(length)?..)?).ok()?;
    let file = object.length.checked_sub((length + FOOT_BYTES) as u64)?;
    let new = NewAttachment {
        org_code: note.organization,
        kind: AttachmentKind::parse(&note.kind)?,
        media_type: AttachmentType::parse(&note.media_type)?,
        title: note.title,
        accession_number: note.accession_number,
        patient_id: note.patient_id,
        study_instance_uid: note.study_instance_uid,
        source_name: note.source_name,
        content_hash: note.sha256,
        place: Place { key: object.key.clone(), offset: object.offset, length: file },
    };
    Some((new, note.received_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new() -> NewAttachment {
        NewAttachment {
            org_code: "ORG-T01".to_owned(),
            kind: AttachmentKind::Consent,
            media_type: AttachmentType::Jpeg,
            title: "同意书 \"一\"".to_owned(),
            accession_number: "A0001".to_owned(),
            patient_id: "P0001".to_owned(),
            study_instance_uid: "2.25.1".to_owned(),
            source_name: "scan.jpg".to_owned(),
            content_hash: "00".repeat(32),
            place: Place { key: "attachment/x".to_owned(), offset: 0, length: 5 },
        }
    }

    #[test]
    fn a_note_tells_what_was_kept_and_where_the_file_ends() {
        let note = behind(&new(), 17).unwrap();
        let object = [b"bytes".as_slice(), &note].concat();
        let place = Place { key: "attachment/x".to_owned(), offset: 0, length: object.len() as u64 };
        assert_eq!(read(&object, &place), Some((new(), 17)));
        assert_eq!(read(&object[3..], &place), Some((new(), 17)), "the end of the object is enough");
    }

    #[test]
    fn what_has_no_whole_note_has_none() {
        let note = behind(&new(), 17).unwrap();
        let place = Place { key: "attachment/x".to_owned(), offset: 0, length: note.len() as u64 };
        for bytes in [&note[1..], &note[..note.len() - 1], b"", b"YKATTCH1", b"ffffffffYKATTCH1", b"zzzzzzzzYKATTCH1"] {
            assert_eq!(read(bytes, &place), None);
        }
    }

    #[test]
    fn the_longest_note_is_short_enough() {
        let long = || "\u{1F}".repeat(128);
        let texts = NewAttachment {
            org_code: long(),
            title: long(),
            accession_number: long(),
            patient_id: long(),
            study_instance_uid: long(),
            source_name: long(),
            ..new()
        };
        assert!((behind(&texts, i64::MAX).unwrap().len() as u64) < MOST_BYTES);
    }
}
