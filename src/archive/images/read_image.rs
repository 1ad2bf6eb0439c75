//! Pictures of frames and electrocardiograms for the pages.
//!
//! Whether the session may see the exam is asked for every picture; drawing waits for its turn on a blocking thread,
//! and pictures made lately are kept, bounded by their bytes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use moka::future::Cache;
use tokio::sync::Semaphore;

use crate::archive::pages::open_link::Session;
use crate::archive::{Archive, Error};
use crate::dicom::render::{
    self, FrameBytes, ImageHeader, PictureFormat, RenderConfig, RenderOptions, Rotation, Window,
};
use crate::dicom::waveform::{EcgOptions, ecg_svg};
use crate::index::exam_details::{self, InstanceBytes};
use crate::objects;

/// Bytes beyond the beginning of Pixel Data that the header reader may want.
const BEYOND_PIXEL_DATA: u64 = 64;
/// Views remembered at most, so that each is recorded once.
const MOST_VIEWS: u64 = 100_000;

/// How a frame is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrameLook {
    /// Frame number, counted from 1.
    pub frame: u32,
    /// Window centre and width in place of the object's own.
    pub window: Option<(f64, f64)>,
    /// Clockwise quarter turns.
    pub quarter_turns: u8,
    /// Black for white.
    pub invert: bool,
    /// Longest edge of the picture, in pixels.
    pub max_edge: Option<u32>,
}

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// The encoded picture.
    pub bytes: Bytes,
    /// Its type.
    pub media_type: &'static str,
}

pub(super) type PictureKey = (i64, String);

/// What looking at exams needs: turns for drawing, pictures made lately, views recorded lately.
#[derive(Debug, Clone)]
pub struct Viewer {
    config: Arc<RenderConfig>,
    turns: Arc<Semaphore>,
    pictures: Cache<PictureKey, Picture>,
    views: Cache<(String, String), ()>,
}

impl Viewer {
    /// Draws within `config`, keeps `cache_bytes` of pictures and remembers views for `remember`.
    pub fn new(config: RenderConfig, cache_bytes: u64, remember: Duration) -> Self {
        let pictures = Cache::builder()
            .max_capacity(cache_bytes)
            .weigher(|_, picture: &Picture| u32::try_from(picture.bytes.len()).unwrap_or(u32::MAX))
            .build();
        let views = Cache::builder().max_capacity(MOST_VIEWS).time_to_live(remember).build();
        let turns = Arc::new(Semaphore::new(config.concurrency.max(1)));
        Self { config: Arc::new(config), turns, pictures, views }
    }

    pub(in crate::archive) async fn looks_first(&self, session: &str, exam: &str) -> bool {
        self.views.get(&(session.to_owned(), exam.to_owned())).await.is_none()
    }

    pub(in crate::archive) async fn has_looked(&self, session: &str, exam: &str) {
        self.views.insert((session.to_owned(), exam.to_owned()), ()).await;
    }

    pub(super) fn config(&self) -> &Arc<RenderConfig> {
        &self.config
    }

    pub(super) async fn kept(&self, key: &PictureKey) -> Option<Picture> {
        self.pictures.get(key).await
    }

    pub(super) async fn keep(&self, key: PictureKey, picture: Picture) {
        self.pictures.insert(key, picture).await;
    }

    /// Runs work on a blocking thread when it is its turn; the turn lasts until the work ends.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let stopped = || Error::Objects(objects::Error::Stopped);
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| stopped())?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await.map_err(|_| Error::Invalid("the object cannot be drawn".to_owned()))
    }
}

impl Archive {
    /// A picture of one frame of an exam that the session may see.
    pub async fn rendered_frame(
        &self,
        viewer: &Viewer,
        session: &Session,
        remote_addr: &str,
        (observation_uid, instance_pk): (&str, i64),
        look: FrameLook,
    ) -> Result<Picture, Error> {
        let instance = self.viewed_instance(viewer, session, remote_addr, observation_uid, instance_pk).await?;
        let key = (instance.pk, format!("{}:{look:?}", instance.content_hash));
        if let Some(picture) = viewer.pictures.get(&key).await {
            return Ok(picture);
        }
        let picture = self.draw(viewer, &instance, look).await?;
        viewer.pictures.insert(key, picture.clone()).await;
        Ok(picture)
    }

    /// An electrocardiogram of an exam that the session may see, as SVG.
    pub async fn drawn_waveform(
        &self,
        viewer: &Viewer,
        session: &Session,
        remote_addr: &str,
        (observation_uid, instance_pk): (&str, i64),
        (speed_mm_per_s, gain_mm_per_mv): (f64, f64),
    ) -> Result<Picture, Error> {
        let instance = self.viewed_instance(viewer, session, remote_addr, observation_uid, instance_pk).await?;
        let bytes = self.whole_file(viewer, &instance).await?;
        let options = EcgOptions { speed_mm_per_s, gain_mm_per_mv, ..EcgOptions::default() };
        let svg = viewer.run(move || ecg_svg(&bytes, &options)).await?;
        let svg = svg.map_err(|error| Error::Invalid(error.to_string()))?;
        Ok(Picture { bytes: Bytes::from(svg), media_type: "image/svg+xml" })
    }

    async fn viewed_instance(
        &self,
        viewer: &Viewer,
        session: &Session,
        remote_addr: &str,
        observation_uid: &str,
        instance_pk: i64,
    ) -> Result<InstanceBytes, Error> {
        let entry = self.visible_exam(viewer, session, remote_addr, observation_uid).await?;
        let instance = exam_details::instance_of(&self.index, &entry, instance_pk).await?.ok_or(Error::NotFound)?;
        // Its bytes are upstream (RD-8).
        if instance.place.key.is_empty() { Err(Error::NotFound) } else { Ok(instance) }
    }

    async fn draw(&self, viewer: &Viewer, instance: &InstanceBytes, look: FrameLook) -> Result<Picture, Error> {
        let length = instance.place.length;
        let header_end = match instance.pixel_data_offset {
            Some(offset) => offset.saturating_add(BEYOND_PIXEL_DATA).min(length),
            None => length.min(viewer.config.max_object_bytes),
        };
        let head = self.objects.read_range(&instance.place, 0..header_end).await?;
        let header = ImageHeader::parse(&head).map_err(undrawn)?;
        let native = header.native_frame_range(look.frame).filter(|range| range.end <= length);
        let (bytes, is_native) = match native {
            Some(range) => (self.objects.read_range(&instance.place, range).await?, true),
            None => (self.whole_file(viewer, instance).await?, false),
        };
        let options = RenderOptions {
            window: look.window.map(|(center, width)| Window { center, width }),
            max_edge: look.max_edge,
            invert: look.invert,
            rotate: match look.quarter_turns % 4 {
                0 => Rotation::None,
                1 => Rotation::Quarter,
                2 => Rotation::Half,
                _ => Rotation::ThreeQuarters,
            },
            format: PictureFormat::Jpeg { quality: viewer.config.jpeg_quality },
            ..RenderOptions::default()
        };
        let config = Arc::clone(&viewer.config);
        let drawn = viewer
            .run(move || {
                let frame = if is_native { FrameBytes::Native(&bytes) } else { FrameBytes::WholeFile(&bytes) };
                render::render_frame(&header, frame, look.frame, &options, &config)
            })
            .await?
            .map_err(undrawn)?;
        Ok(Picture { bytes: Bytes::from(drawn.bytes), media_type: drawn.media_type })
    }

    async fn whole_file(&self, viewer: &Viewer, instance: &InstanceBytes) -> Result<Bytes, Error> {
        let limit = viewer.config.max_object_bytes;
        if instance.place.length > limit {
            return Err(Error::TooLarge { what: "the object", limit: format!("{limit} bytes") });
        }
        Ok(self.objects.read(&instance.place).await?)
    }
}

fn undrawn(error: render::Error) -> Error {
    match error {
        render::Error::NoFrame { .. } => Error::NotFound,
        render::Error::TooLarge { what, limit } => Error::TooLarge { what, limit: limit.to_string() },
        other => Error::Invalid(other.to_string()),
    }
}
