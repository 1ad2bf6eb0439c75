//! Pictures of stored frames for DICOMweb (PS3.18 sections 9 and 10.4, resources rendered and thumbnail).

use std::sync::Arc;

use bytes::Bytes;

use super::image_access::{ImageAccess, StoredInstance};
use super::read_frames::unreadable;
use super::read_image::Picture;
use crate::archive::{Archive, Error};
use crate::dicom::render::{self, FrameBytes, RenderOptions};

impl Archive {
    /// A picture of one frame (1 is the first); [`Error::NotFound`] when the object has no picture or no such frame.
    pub async fn rendered_instance(
        &self,
        access: &ImageAccess,
        instance: &StoredInstance,
        frame: u32,
        options: RenderOptions,
    ) -> Result<Picture, Error> {
        let viewer = &access.viewer;
        let key = (instance.pk, format!("{}:{frame}:{options:?}", instance.content_hash));
        if let Some(picture) = viewer.kept(&key).await {
            return Ok(picture);
        }
        let config = Arc::clone(viewer.config());
        let drawn = match self.frame_source(access, instance).await {
            Ok(source) => {
                let bytes = self.frame_for_drawing(access, instance, &source, frame).await?;
                viewer.run(move || {
                    let bytes = if source.map.is_native() {
                        FrameBytes::Native(&bytes)
                    } else {
                        FrameBytes::Compressed(&bytes)
                    };
                    render::render_frame(&source.header, bytes, frame, &options, &config)
                })
            }
            // Deflated, or frames that cannot be told apart: the drawer looks at the whole file.
            Err(Error::Invalid(_)) => {
                let header = self.image_header(access, instance).await?;
                if instance.length() > config.max_object_bytes {
                    let limit = format!("{} bytes", config.max_object_bytes);
                    return Err(Error::TooLarge { what: "the object", limit });
                }
                let file = self.objects.read(&instance.place).await?;
                let drawn = viewer
                    .run(move || render::render_frame(&header, FrameBytes::WholeFile(&file), frame, &options, &config));
                return self.keep_picture(access, key, drawn.await?).await;
            }
            Err(error) => return Err(error),
        };
        self.keep_picture(access, key, drawn.await?).await
    }

    async fn keep_picture(
        &self,
        access: &ImageAccess,
        key: (i64, String),
        drawn: Result<render::RenderedFrame, render::Error>,
    ) -> Result<Picture, Error> {
        let drawn = drawn.map_err(unreadable)?;
        let picture = Picture { bytes: Bytes::from(drawn.bytes), media_type: drawn.media_type };
        access.viewer.keep(key, picture.clone()).await;
        Ok(picture)
    }

    /// Native frames in the file's own order of bytes, because the drawer puts them in order itself.
    async fn frame_for_drawing(
        &self,
        access: &ImageAccess,
        instance: &StoredInstance,
        source: &super::read_frames::FrameSource,
        frame: u32,
    ) -> Result<Bytes, Error> {
        if !source.map.is_native() {
            return self.read_frame(access, instance, frame).await;
        }
        let range = source.header.native_frame_range(frame).ok_or(Error::NotFound)?;
        if range.end > instance.length() {
            return Err(Error::Invalid("the object ends before its pixel data does".to_owned()));
        }
        Ok(self.objects.read_range(&instance.place, range).await?)
    }
}
