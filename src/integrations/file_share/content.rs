//! What a file is, by its first bytes; names and endings are not asked.

use crate::dicom::header::{HeaderLimits, HeaderScanner};
use crate::dicom::part10::{self, FileMetaError};
use crate::dicom::text::Charset;
use crate::dicom::transfer_syntax::{EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN};
use crate::domain::Uid;
use crate::domain::attachment::AttachmentType;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// A DICOM object.
    Dicom {
        sop_class_uid: String,
        sop_instance_uid: String,
        transfer_syntax_uid: String,
        /// Where its data set begins.
        dataset_offset: u64,
    },
    /// It begins as a DICOM file and is none that can be kept.
    Broken(FileMetaError),
    /// Something else.
    Other(AttachmentType),
}

/// Looks at the first bytes of a file; a megabyte is enough for every file meta information.
pub(super) fn look(head: &[u8]) -> Content {
    match part10::read_meta(head) {
        Ok(meta) => Content::Dicom {
            sop_class_uid: meta.media_storage_sop_class_uid,
            sop_instance_uid: meta.media_storage_sop_instance_uid,
            transfer_syntax_uid: meta.transfer_syntax_uid,
            dataset_offset: meta.dataset_offset,
        },
        Err(FileMetaError::NotDicom) => bare_data_set(head).unwrap_or(Content::Other(AttachmentType::of_content(head))),
        Err(error) => Content::Broken(error),
    }
}

/// Old devices write a data set without any head. It begins with group 0008 and must hold the identifiers of an object.
fn bare_data_set(head: &[u8]) -> Option<Content> {
    let [0x08, 0x00, _, 0x00, vr_0, vr_1, ..] = head else { return None };
    let explicit = vr_0.is_ascii_uppercase() && vr_1.is_ascii_uppercase();
    let transfer_syntax_uid = if explicit { EXPLICIT_VR_LITTLE_ENDIAN } else { IMPLICIT_VR_LITTLE_ENDIAN };
    let mut scanner = HeaderScanner::new(transfer_syntax_uid, HeaderLimits::default());
    scanner.push(head);
    let found = scanner.finish().instance_attributes(&Charset::default());
    let ids = [&found.sop_class_uid, &found.sop_instance_uid, &found.study_instance_uid, &found.series_instance_uid];
    let is_object = ids.into_iter().all(|uid| Uid::parse(uid).is_ok());
    is_object.then(|| Content::Dicom {
        sop_class_uid: found.sop_class_uid,
        sop_instance_uid: found.sop_instance_uid,
        transfer_syntax_uid: transfer_syntax_uid.to_owned(),
        dataset_offset: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn implicit(group: u16, element: u16, value: &str) -> Vec<u8> {
        let mut value = value.as_bytes().to_vec();
        value.resize(value.len().next_multiple_of(2), 0);
        let mut bytes = [group.to_le_bytes(), element.to_le_bytes()].concat();
        bytes.extend((value.len() as u32).to_le_bytes());
        bytes.extend(value);
        bytes
    }

    #[test]
    fn a_data_set_without_a_head_is_recognised_by_its_identifiers() {
        let whole = [
            implicit(0x0008, 0x0016, "1.2.840.10008.5.1.4.1.1.7"),
            implicit(0x0008, 0x0018, "2.25.1"),
            implicit(0x0020, 0x000D, "2.25.2"),
            implicit(0x0020, 0x000E, "2.25.3"),
        ]
        .concat();
        let Content::Dicom { sop_instance_uid, transfer_syntax_uid, dataset_offset, .. } = look(&whole) else {
            panic!("{:?}", look(&whole));
        };
        assert_eq!((sop_instance_uid.as_str(), dataset_offset), ("2.25.1", 0));
        assert_eq!(transfer_syntax_uid, IMPLICIT_VR_LITTLE_ENDIAN);
        let without_series = &whole[..whole.len() - 14];
        assert_eq!(look(without_series), Content::Other(AttachmentType::Unknown));
    }

    #[test]
    fn a_name_says_nothing_and_the_content_everything() {
        assert_eq!(look(b"%PDF-1.7\n"), Content::Other(AttachmentType::Pdf));
        let cut = [&[0u8; 128][..], b"DICM", &[2, 0, 1, 0]].concat();
        assert_eq!(look(&cut), Content::Broken(FileMetaError::Truncated));
    }
}
