//! Attributes and long values of stored objects (PS3.18 sections 10.4, resources metadata and bulkdata).
//!
//! Only the part in front of Pixel Data is read; objects without pixels are read whole, within a limit. Attributes behind
//! Pixel Data (digital signatures, padding) are not part of the metadata.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};

use super::image_access::{ImageAccess, StoredInstance};
use super::kept::content_key;
use super::read_frames::misplaced;
use super::read_object::StoredBytes;
use crate::archive::{Archive, Error};
use crate::dicom::elements::{Elements, Encoding};
use crate::dicom::model::{self, DataSet, ReadOptions, TooManyAttributes};
use crate::dicom::render;
use crate::dicom::transfer_syntax::{EXPLICIT_VR_BIG_ENDIAN, is_deflated};

/// Bytes of Pixel Data that are read with the header: its tag, value representation and length.
const PIXEL_HEAD: u64 = 16;
/// Headers read at the same time for one request.
const AT_ONCE: usize = 16;
/// Headers up to this size are parsed where they are; longer ones are work for another thread.
const SMALL_HEADER: usize = 64 << 10;

/// A long value.
#[derive(Debug, Clone)]
pub enum BulkData {
    /// In the file as it is wanted.
    Stored(StoredBytes),
    /// Read already.
    Bytes(Bytes),
    /// Pixel data that is read frame by frame.
    Frames(u32),
}

struct Front {
    /// What the file says in front of the data set.
    head: Bytes,
    data_set: Bytes,
    encoding: Encoding,
    /// Where the data set begins in the file; `None` when it was inflated.
    offset: Option<u64>,
}

impl Archive {
    /// The attributes of an instance.
    pub async fn instance_model(&self, access: &ImageAccess, instance: &StoredInstance) -> Result<Arc<DataSet>, Error> {
        let key = content_key(instance);
        if let Some(set) = access.models.get(&key).await {
            return Ok(set);
        }
        let front = self.front(access, instance).await?;
        let size = front.data_set.len();
        let limits = Arc::clone(&access.limits);
        let told = self.reading_rules.charset_of_file(&instance.org_code, &front.head);
        let read = move || {
            let default_charset = told.as_ref().unwrap_or(&limits.default_charset);
            let options = ReadOptions { default_charset, inline_bytes: limits.inline_bytes };
            let set = model::read(&Elements::read(&front.data_set, front.encoding), &options)?;
            let weight = set.weight();
            Ok::<_, TooManyAttributes>((set, weight))
        };
        let set = if size <= SMALL_HEADER { read() } else { access.viewer.run(read).await? };
        let (set, weight) = set.map_err(|error| Error::Invalid(error.to_string()))?;
        let set = Arc::new(set);
        access.models.insert(key, &set, weight).await;
        Ok(set)
    }

    /// The attributes of many instances in their order, read side by side.
    pub fn stream_models(
        &self,
        access: &ImageAccess,
        instances: Vec<StoredInstance>,
    ) -> BoxStream<'static, Result<(StoredInstance, Arc<DataSet>), Error>> {
        let (archive, access) = (self.clone(), access.clone());
        stream::iter(instances)
            .map(move |instance| {
                let (archive, access) = (archive.clone(), access.clone());
                async move {
                    let set = archive.instance_model(&access, &instance).await?;
                    Ok((instance, set))
                }
            })
            .buffered(AT_ONCE)
            .into_stream()
            .boxed()
    }

    /// The value under a path that the metadata gives; [`Error::NotFound`] when there is none.
    pub async fn bulk_data(
        &self,
        access: &ImageAccess,
        instance: &StoredInstance,
        path: &str,
    ) -> Result<BulkData, Error> {
        let front = self.front(access, instance).await?;
        let elements = Elements::read(&front.data_set, front.encoding);
        let value = model::find_bulk(&elements, &front.data_set, path).ok_or(Error::NotFound)?;
        let swapped = instance.transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN;
        let is_pixels =
            elements.pixels.is_some_and(|pixels| path == format!("{:04X}{:04X}", pixels.tag.0, pixels.tag.1));
        if value.encapsulated || (is_pixels && swapped) {
            if !is_pixels {
                return Err(Error::NotFound);
            }
            // What the object says of itself is not believed: each frame is a part of the answer.
            let source = self.frame_source(access, instance).await?;
            return Ok(BulkData::Frames(source.map.frames_within(instance.length()).map_err(misplaced)?));
        }
        if let (true, Some(offset)) = (is_pixels, front.offset) {
            let range = offset + value.range.start as u64..offset + value.range.end as u64;
            if range.end > instance.length() {
                return Err(Error::Invalid("the object ends before its pixel data does".to_owned()));
            }
            return Ok(BulkData::Stored(StoredBytes::part(instance, range)));
        }
        let Range { start, end } = value.range;
        if end > front.data_set.len() {
            return Err(Error::Invalid("the object ends before the value does".to_owned()));
        }
        Ok(BulkData::Bytes(front.data_set.slice(start..end)))
    }

    /// The data set up to its pixels.
    async fn front(&self, access: &ImageAccess, instance: &StoredInstance) -> Result<Front, Error> {
        let limit = access.limits.max_header_bytes;
        let too_large = || Error::TooLarge { what: "the header", limit: format!("{limit} bytes") };
        let end = instance.pixel_data_offset.map_or(instance.length(), |at| at.saturating_add(PIXEL_HEAD));
        let part = StoredBytes::part(instance, 0..end);
        if part.length().saturating_sub(instance.dataset_offset) > limit {
            return Err(too_large());
        }
        let mut head = self.read_stored(&part).await?;
        let data_set = head.split_off(head.len().min(instance.dataset_offset as usize));
        let encoding = Encoding::of_transfer_syntax(&instance.transfer_syntax_uid);
        if !is_deflated(&instance.transfer_syntax_uid) {
            return Ok(Front { head, data_set, encoding, offset: Some(instance.dataset_offset) });
        }
        let inflated = access.viewer.run(move || render::inflate(&data_set, limit + 1)).await?;
        if inflated.len() as u64 > limit {
            return Err(too_large());
        }
        Ok(Front { head, data_set: Bytes::from(inflated), encoding: Encoding::ExplicitLittle, offset: None })
    }
}
