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
        let key = (instance.pk, format!("{}:{frame}:{options:?}", instance.content_hash));
        access.viewer.once(key, self.draw_instance(access, instance, frame, options)).await
    }

    async fn draw_instance(
        &self,
        access: &ImageAccess,
        instance: &StoredInstance,
        frame: u32,
        options: RenderOptions,
    ) -> Result<Picture, Error> {
        let viewer = &access.viewer;
        let config = Arc::clone(viewer.config());
        let drawn = match self.frame_source(access, instance).await {
            Ok(source) if !source.header.is_deflated() => {
                let turn = viewer.turn().await?;
                let bytes = self.frame_for_drawing(access, instance, &source, frame).await?;
                let draw = move || {
                    let bytes = if source.map.is_native() {
                        FrameBytes::Native(&bytes)
                    } else {
                        FrameBytes::Compressed(&bytes)
                    };
                    render::render_frame(&source.header, bytes, frame, &options, &config)
                };
                turn.run(draw).await?
            }
            // Deflated, or frames that cannot be told apart: the drawer looks at the whole file.
            Ok(_) | Err(Error::Invalid(_)) => {
                let turn = viewer.turn().await?;
                let header = self.image_header(access, instance).await?;
                if instance.length() > config.max_object_bytes {
                    let limit = format!("{} bytes", config.max_object_bytes);
                    return Err(Error::TooLarge { what: "the object", limit });
                }
                let file = self.objects.read(&instance.place).await?;
                let draw =
                    move || render::render_frame(&header, FrameBytes::WholeFile(&file), frame, &options, &config);
                turn.run(draw).await?
            }
            Err(error) => return Err(error),
        };
        let drawn = drawn.map_err(unreadable)?;
        Ok(Picture { bytes: Bytes::from(drawn.bytes), media_type: drawn.media_type })
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
