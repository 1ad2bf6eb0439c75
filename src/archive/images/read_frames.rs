//! Single frames of stored objects (PS3.18 section 10.4, resource frames), read without the rest of the object.

use std::sync::Arc;

use bytes::Bytes;

use super::image_access::{ImageAccess, StoredInstance};
use super::kept::content_key;
use super::read_object::StoredBytes;
use crate::archive::{Archive, Error};
use crate::dicom::elements::Part10;
use crate::dicom::frames::{self, FragmentWalk, FrameMap};
use crate::dicom::render::{self, ImageHeader};

/// Bytes beyond the beginning of Pixel Data that the header reader may want.
const BEYOND_PIXEL_DATA: u64 = 64;

/// What frames of one object are read by.
#[derive(Debug)]
pub struct FrameSource {
    /// The object's header.
    pub header: ImageHeader,
    /// Where the frames are.
    pub map: FrameMap,
}

impl FrameSource {
    /// About how many bytes of memory it takes.
    fn weight(&self) -> usize {
        self.header.weight() + self.map.weight()
    }
}

impl Archive {
    /// Where the frames of an instance are; [`Error::NotFound`] when it has none.
    pub async fn frame_source(
        &self,
        access: &ImageAccess,
        instance: &StoredInstance,
    ) -> Result<Arc<FrameSource>, Error> {
        let key = content_key(instance);
        if let Some(source) = access.frames.get(&key).await {
            return Ok(source);
        }
        let header = self.image_header(access, instance).await?;
        let map = match FrameMap::native(&header) {
            None if header.is_deflated() => FrameMap::inflated(&header),
            Some(map) => map,
            None => self.walk(instance, FragmentWalk::new(&header, instance.length())).await?,
        };
        let source = Arc::new(FrameSource { header, map });
        access.frames.insert(key, &source, source.weight()).await;
        Ok(source)
    }

    /// The bytes of a frame (1 is the first) as they are stored, numbers little endian.
    pub async fn read_frame(
        &self,
        access: &ImageAccess,
        instance: &StoredInstance,
        frame: u32,
    ) -> Result<Bytes, Error> {
        let source = self.frame_source(access, instance).await?;
        match self.frame_by(access, instance, &source, frame).await {
            // The offset table leads elsewhere than to items.
            Err(Error::Invalid(_)) if matches!(source.map, FrameMap::Table(..)) => {
                let walk = FragmentWalk::new(&source.header, instance.length()).without_tables();
                let map = self.walk(instance, walk).await?;
                let source = Arc::new(FrameSource { header: source.header.clone(), map });
                access.frames.insert(content_key(instance), &source, source.weight()).await;
                self.frame_by(access, instance, &source, frame).await
            }
            other => other,
        }
    }

    /// A frame without compression, as PS3.5 section 8 lays out native pixel data in little endian.
    pub async fn read_native_frame(
        &self,
        access: &ImageAccess,
        instance: &StoredInstance,
        frame: u32,
    ) -> Result<Bytes, Error> {
        let source = self.frame_source(access, instance).await?;
        if source.map.is_native() {
            return self.read_frame(access, instance, frame).await;
        }
        // What is compressed is not deflated, so that reading it needs no turn of its own.
        let turn = access.viewer.turn().await?;
        let bytes = self.read_frame(access, instance, frame).await?;
        let config = Arc::clone(access.viewer.config());
        let decode = move || {
            let header = &source.header;
            render::uncompressed_frame(header, bytes.to_vec(), &config).and_then(|frame| frame.as_described(header))
        };
        let decoded = turn.run(decode).await?;
        Ok(Bytes::from(decoded.map_err(unreadable)?))
    }

    async fn frame_by(
        &self,
        access: &ImageAccess,
        instance: &StoredInstance,
        source: &FrameSource,
        frame: u32,
    ) -> Result<Bytes, Error> {
        let map = &source.map;
        let range = map.range(frame).ok_or(Error::NotFound)?;
        let limit = access.viewer.config().max_object_bytes;
        if range.end - range.start > limit {
            return Err(Error::TooLarge { what: "the frame", limit: format!("{limit} bytes") });
        }
        let bytes = if source.header.is_deflated() {
            self.inflated_part(access, instance, range).await?
        } else {
            self.read_stored(&StoredBytes::part(instance, range)).await?
        };
        map.frame(frame, bytes).map_err(misplaced)
    }

    /// A part of the file that a deflated one would be without deflation; everything in front of it is inflated too.
    async fn inflated_part(
        &self,
        access: &ImageAccess,
        instance: &StoredInstance,
        range: std::ops::Range<u64>,
    ) -> Result<Bytes, Error> {
        let limit = access.viewer.config().max_object_bytes;
        if instance.length().max(range.end) > limit {
            return Err(Error::TooLarge { what: "the object", limit: format!("{limit} bytes") });
        }
        let turn = access.viewer.turn().await?;
        let file = self.read_stored(&StoredBytes::part(instance, 0..instance.length())).await?;
        let inflate = move || {
            let start = Part10::read(&file).dataset_offset;
            let inflated = render::inflate(file.get(start..)?, range.end.checked_sub(start as u64)?);
            let part = usize::try_from(range.start).ok()?.checked_sub(start)?..inflated.len();
            Some(Bytes::from(inflated).slice(part))
        };
        let part = turn.run(inflate).await?;
        part.ok_or_else(|| misplaced(frames::Error::Truncated))
    }

    async fn walk(&self, instance: &StoredInstance, mut walk: FragmentWalk) -> Result<FrameMap, Error> {
        while let Some(range) = walk.wants() {
            let bytes = self.read_stored(&StoredBytes::part(instance, range)).await?;
            walk.push(&bytes).map_err(misplaced)?;
        }
        walk.finish().map_err(misplaced)
    }

    pub(super) async fn image_header(
        &self,
        access: &ImageAccess,
        instance: &StoredInstance,
    ) -> Result<ImageHeader, Error> {
        let length = instance.length();
        let end = instance.pixel_data_offset.map_or(length, |at| at.saturating_add(BEYOND_PIXEL_DATA).min(length));
        let limit = access.limits.max_header_bytes;
        if end > limit {
            return Err(Error::TooLarge { what: "the header", limit: format!("{limit} bytes") });
        }
        let head = self.read_stored(&StoredBytes::part(instance, 0..end)).await?;
        ImageHeader::parse(&head).map_err(unreadable)
    }
}

pub(super) fn misplaced(error: frames::Error) -> Error {
    Error::Invalid(error.to_string())
}

pub(super) fn unreadable(error: render::Error) -> Error {
    match error {
        render::Error::NoFrame { .. } | render::Error::NoImage => Error::NotFound,
        render::Error::TooLarge { what, limit } => Error::TooLarge { what, limit: limit.to_string() },
        other => Error::Invalid(other.to_string()),
    }
}
