//! Stored objects in another transfer syntax, as Part 10 files for DICOMweb (PS3.18 section 8.7.3.5.2).

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use super::image_access::StoredInstance;
use crate::archive::peers::retrieve;
use crate::archive::peers::send_data_set::Sending;
use crate::archive::{Archive, Error};
use crate::dicom::part10;

/// A file that was converted; its length is known, its bytes come in order.
pub struct ConvertedFile {
    /// All its bytes.
    pub length: u64,
    /// The bytes; an error ends them early.
    pub pieces: BoxStream<'static, Result<Bytes, Error>>,
}

impl std::fmt::Debug for ConvertedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConvertedFile").field("length", &self.length).finish_non_exhaustive()
    }
}

impl Archive {
    /// The file of an instance in a transfer syntax. [`Error::Invalid`] when it cannot be converted to it.
    pub async fn converted_file(
        &self,
        instance: &StoredInstance,
        transfer_syntax_uid: &str,
        sending: &Sending,
    ) -> Result<ConvertedFile, Error> {
        let StoredInstance { sop_class_uid, sop_instance_uid, .. } = instance;
        let stored = retrieve::StoredInstance {
            org_code: instance.org_code.clone(),
            study_pk: instance.study_pk,
            sop_class_uid: sop_class_uid.clone(),
            sop_instance_uid: sop_instance_uid.clone(),
            transfer_syntax_uid: instance.transfer_syntax_uid.clone(),
            place: instance.place.clone(),
            dataset_offset: instance.dataset_offset,
        };
        let data_set = self.open_data_set(&stored, transfer_syntax_uid, sending).await?;
        let head = Bytes::from(part10::meta(sop_class_uid, sop_instance_uid, transfer_syntax_uid, ""));
        let length = head.len() as u64 + data_set.length;
        let pieces = stream::once(async { Ok(head) }).chain(data_set.pieces).boxed();
        Ok(ConvertedFile { length, pieces })
    }
}
