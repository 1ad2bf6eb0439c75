//! Pictures of frames and electrocardiograms for the pages.
//!
//! Whether the session may see the exam is asked for every picture; drawing waits for its turn on a blocking thread,
//! and pictures made lately are kept, bounded by their bytes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use moka::future::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::image_access::is_document;
use super::read_video::Video;
use crate::archive::pages::open_link::Session;
use crate::archive::{Archive, Error};
use crate::dicom::render::{
    self, FrameBytes, ImageHeader, PictureFormat, RenderConfig, RenderOptions, Rotation, Window,
};
use crate::dicom::text::Charset;
use crate::dicom::waveform::{self, EcgOptions, Outline, ecg_svg};
use crate::domain::criteria::ShowType;
use crate::index::exam_details::{self, InstanceBytes};
use crate::index::exam_pages::Entry;
use crate::objects;

/// Bytes beyond the beginning of Pixel Data that the header reader may want.
const BEYOND_PIXEL_DATA: u64 = 64;
/// Views remembered at most, so that each is recorded once.
const MOST_VIEWS: u64 = 100_000;
/// Memory for where the fragments of videos lie, in bytes.
const VIDEO_BYTES: u64 = 16 << 20;

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
    videos: Cache<(i64, String), Arc<Video>>,
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
        let weight = |_: &(i64, String), video: &Arc<Video>| u32::try_from(video.weight()).unwrap_or(u32::MAX);
        let videos = Cache::builder().max_capacity(VIDEO_BYTES).weigher(weight).build();
        Self { config: Arc::new(config), turns, pictures, views, videos }
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

    /// The picture under a key, drawn when it is not kept; who asks for it meanwhile waits for the same drawing.
    pub(super) async fn once(
        &self,
        key: PictureKey,
        draw: impl Future<Output = Result<Picture, Error>>,
    ) -> Result<Picture, Error> {
        self.pictures.try_get_with(key, draw).await.map_err(shared)
    }

    /// Where a video's bit stream lies, found once.
    pub(super) async fn video(
        &self,
        key: (i64, String),
        find: impl Future<Output = Result<Arc<Video>, Error>>,
    ) -> Result<Arc<Video>, Error> {
        self.videos.try_get_with(key, find).await.map_err(shared)
    }

    /// Runs work on a blocking thread when it is its turn; the turn lasts until the work ends.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        self.turn().await?.run(work).await
    }

    /// Waits for a turn. Who has it may read a whole object; who waits for one has read nothing.
    pub(super) async fn turn(&self) -> Result<Turn, Error> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        Ok(Turn(Arc::new(turn.map_err(|_| Error::Objects(objects::Error::Stopped))?)))
    }
}

/// A turn for drawing.
#[derive(Debug)]
pub(super) struct Turn(Arc<OwnedSemaphorePermit>);

impl Turn {
    /// Runs work on a blocking thread. The turn lasts until the work ends, also when nobody waits for it any more.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let turn = Arc::clone(&self.0);
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
        let key = (observation_uid, instance_pk);
        let (_, instance) = self.viewed_instance(viewer, session, remote_addr, key, shows_image).await?;
        let key = (instance.pk, format!("{}:{look:?}", instance.content_hash));
        viewer.once(key, self.draw(viewer, &instance, look)).await
    }

    /// An electrocardiogram of an exam that the session may see, as SVG.
    pub async fn drawn_waveform(
        &self,
        viewer: &Viewer,
        session: &Session,
        remote_addr: &str,
        exam_and_instance: (&str, i64),
        options: EcgOptions,
    ) -> Result<Picture, Error> {
        let (turn, file, charset) = self.viewed_waveform(viewer, session, remote_addr, exam_and_instance).await?;
        let svg = turn.run(move || ecg_svg(&file, &charset, &options)).await?;
        let svg = svg.map_err(|error| Error::Invalid(error.to_string()))?;
        Ok(Picture { bytes: Bytes::from(svg), media_type: "image/svg+xml" })
    }

    /// What a waveform object of an exam holds that the session may see.
    pub async fn waveform_outline(
        &self,
        viewer: &Viewer,
        session: &Session,
        remote_addr: &str,
        exam_and_instance: (&str, i64),
    ) -> Result<Outline, Error> {
        let (turn, file, charset) = self.viewed_waveform(viewer, session, remote_addr, exam_and_instance).await?;
        let outline = turn.run(move || waveform::outline(&file, &charset)).await?;
        outline.map_err(|error| Error::Invalid(error.to_string()))
    }

    /// A turn to draw in, a waveform's file, and the charset of its texts that declare none.
    async fn viewed_waveform(
        &self,
        viewer: &Viewer,
        session: &Session,
        remote_addr: &str,
        exam_and_instance: (&str, i64),
    ) -> Result<(Turn, Bytes, Charset), Error> {
        let key = exam_and_instance;
        let (entry, instance) = self.viewed_instance(viewer, session, remote_addr, key, shows_image).await?;
        let turn = viewer.turn().await?;
        let file = self.whole_file(viewer, &instance).await?;
        let charset = self.charset_of_file(&entry.org_code, &file);
        Ok((turn, file, charset))
    }

    /// An instance of an exam that the session may see, when it is one of those that are looked for and its bytes are here.
    pub(super) async fn viewed_instance(
        &self,
        viewer: &Viewer,
        session: &Session,
        remote_addr: &str,
        (observation_uid, instance_pk): (&str, i64),
        is_shown: fn(&Session, &InstanceBytes) -> bool,
    ) -> Result<(Entry, InstanceBytes), Error> {
        let entry = self.visible_exam(viewer, session, remote_addr, observation_uid).await?;
        let found = exam_details::instance_of(&self.index, &entry, instance_pk).await?;
        // Without a key its bytes are upstream (RD-8).
        let found = found.filter(|instance| is_shown(session, instance) && !instance.place.key.is_empty());
        Ok((entry, found.ok_or(Error::NotFound)?))
    }

    async fn draw(&self, viewer: &Viewer, instance: &InstanceBytes, look: FrameLook) -> Result<Picture, Error> {
        let length = instance.place.length;
        let header_end = match instance.pixel_data_offset {
            Some(offset) => offset.saturating_add(BEYOND_PIXEL_DATA).min(length),
            None => length.min(viewer.config.max_object_bytes),
        };
        let turn = viewer.turn().await?;
        let head = self.objects.read_range(&instance.place, 0..header_end).await?;
        let header = turn.run(move || ImageHeader::parse(&head)).await?.map_err(undrawn)?;
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
        let drawn = turn
            .run(move || {
                let frame = if is_native { FrameBytes::Native(&bytes) } else { FrameBytes::WholeFile(&bytes) };
                render::render_frame(&header, frame, look.frame, &options, &config)
            })
            .await?
            .map_err(undrawn)?;
        Ok(Picture { bytes: Bytes::from(drawn.bytes), media_type: drawn.media_type })
    }

    pub(super) async fn whole_file(&self, viewer: &Viewer, instance: &InstanceBytes) -> Result<Bytes, Error> {
        let limit = viewer.config.max_object_bytes;
        if instance.place.length > limit {
            return Err(Error::TooLarge { what: "the object", limit: format!("{limit} bytes") });
        }
        Ok(self.objects.read(&instance.place).await?)
    }
}

/// Whether an instance is shown as an image: with ShowType 3 no document is, whatever its pixels are (D-P18).
pub(super) fn shows_image(session: &Session, instance: &InstanceBytes) -> bool {
    session.scope.show_type != ShowType::DataOnly
        || !is_document(&instance.kind, &instance.sop_class_uid, &instance.modality)
}

/// The error of a drawing that several waited for.
fn shared(error: Arc<Error>) -> Error {
    Arc::try_unwrap(error).unwrap_or_else(|error| match &*error {
        Error::NotFound => Error::NotFound,
        Error::Busy => Error::Busy,
        Error::Denied => Error::Denied,
        Error::Invalid(reason) => Error::Invalid(reason.clone()),
        Error::Mismatch(reason) => Error::Mismatch(reason.clone()),
        Error::TooLarge { what, limit } => Error::TooLarge { what, limit: limit.clone() },
        Error::Index(_) | Error::Objects(_) => Error::Objects(objects::Error::Stopped),
    })
}

fn undrawn(error: render::Error) -> Error {
    match error {
        render::Error::NoFrame { .. } => Error::NotFound,
        render::Error::TooLarge { what, limit } => Error::TooLarge { what, limit: limit.to_string() },
        other => Error::Invalid(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn viewer() -> Viewer {
        Viewer::new(RenderConfig::default(), 1 << 20, Duration::from_secs(60))
    }

    #[tokio::test]
    async fn who_asks_for_the_same_picture_at_the_same_time_waits_for_one_drawing() {
        let (viewer, drawn) = (viewer(), AtomicUsize::new(0));
        let ask = || async {
            let draw = async {
                drawn.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                Ok(Picture { bytes: Bytes::from_static(b"p"), media_type: "image/png" })
            };
            viewer.once((7, "look".to_owned()), draw).await
        };
        let all = futures_util::future::join_all((0..20).map(|_| ask())).await;
        assert!(all.iter().all(|picture| picture.as_ref().is_ok_and(|picture| &picture.bytes[..] == b"p")));
        assert_eq!(drawn.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn what_is_kept_stays_within_its_bytes_and_is_not_drawn_again() {
        const KEPT: u64 = 10_000;
        let viewer = Viewer::new(RenderConfig::default(), KEPT, Duration::from_secs(60));
        let drawn = AtomicUsize::new(0);
        let ask = async |pk: i64, length: usize| {
            let draw = async {
                drawn.fetch_add(1, Ordering::SeqCst);
                Ok(Picture { bytes: Bytes::from(vec![7; length]), media_type: "image/png" })
            };
            assert_eq!(viewer.once((pk, "look".to_owned()), draw).await.unwrap().bytes.len(), length);
            viewer.pictures.run_pending_tasks().await;
        };
        ask(1, 3000).await;
        ask(1, 3000).await;
        assert_eq!(drawn.load(Ordering::SeqCst), 1, "the second look finds the picture of the first");
        for pk in 2..=50 {
            ask(pk, 3000).await;
            assert!(viewer.pictures.weighted_size() <= KEPT, "{} bytes", viewer.pictures.weighted_size());
        }
        assert!(viewer.pictures.entry_count() > 0, "some are kept");
        ask(99, KEPT as usize + 1).await;
        assert!(viewer.pictures.weighted_size() <= KEPT, "one that is too large is not kept");
    }

    #[tokio::test]
    async fn what_failed_is_told_to_all_and_tried_again_by_the_next() {
        let viewer = viewer();
        let fail = || viewer.once((7, "look".to_owned()), async { Err(Error::NotFound) });
        let both = futures_util::future::join(fail(), fail()).await;
        assert!(matches!(both, (Err(Error::NotFound), Err(Error::NotFound))));
        let picture = Picture { bytes: Bytes::new(), media_type: "image/png" };
        let found = viewer.once((7, "look".to_owned()), async { Ok(picture.clone()) }).await;
        assert_eq!(found.unwrap(), picture);
    }
}
