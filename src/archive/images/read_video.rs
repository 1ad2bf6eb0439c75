//! Videos inside DICOM objects (PS3.5 section 8.2.5 to 8.2.8), for the pages: the bit stream, any part of it.
//!
//! The stream is given as it is stored, out of its fragments; nothing is transcoded. Whether a browser plays it is told by
//! what it begins with: an MP4 file does, a bare elementary or transport stream does not.

use std::ops::Range;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::json;

use super::read_attachment::{AttachmentUse, ByteStream};
use super::read_image::{Viewer, shows_image};
use crate::archive::pages::open_link::Session;
use crate::archive::{Archive, Error};
use crate::dicom::frames::{FragmentWalk, FrameMap};
use crate::dicom::render::ImageHeader;
use crate::domain::place::Place;
use crate::index::exam_details::{self, InstanceBytes};
use crate::index::exam_pages::Entry;

pub use crate::index::exam_details::VideoRow;

/// Bytes beyond the beginning of Pixel Data that the header reader may want.
const BEYOND_PIXEL_DATA: u64 = 64;
/// Steps of the walk over the fragments of one video.
const MOST_STEPS: usize = 100_000;
/// Most videos on a page.
const MOST_VIDEOS: i64 = 200;

/// Where the bit stream of a video lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Video {
    /// Its media type.
    pub media_type: &'static str,
    /// Extension of a file of this type.
    pub extension: &'static str,
    /// Whether browsers play it.
    pub plays: bool,
    /// Length of the stream in bytes.
    pub length: u64,
    place: Place,
    fragments: Vec<Range<u64>>,
}

impl Video {
    /// About how many bytes of memory it takes, its place in a cache included.
    pub(super) fn weight(&self) -> usize {
        512 + self.place.key.len() + size_of_val(self.fragments.as_slice())
    }
}

impl Archive {
    /// The videos of an exam that [`Archive::view_exam`] gave, whatever SOP class they have.
    pub async fn exam_videos(&self, entry: &Entry) -> Result<Vec<VideoRow>, Error> {
        Ok(exam_details::videos_of(&self.index, entry, MOST_VIDEOS).await?)
    }

    /// What a page says of a video of an exam that [`Archive::view_exam`] gave: whether it is here, and plays.
    pub async fn exam_video(&self, viewer: &Viewer, entry: &Entry, instance_pk: i64) -> Result<Arc<Video>, Error> {
        let instance = exam_details::instance_of(&self.index, entry, instance_pk).await?.ok_or(Error::NotFound)?;
        if instance.place.key.is_empty() {
            return Err(Error::NotFound);
        }
        self.video_in(viewer, instance).await
    }

    async fn video_in(&self, viewer: &Viewer, instance: InstanceBytes) -> Result<Arc<Video>, Error> {
        let key = (instance.pk, instance.content_hash.clone());
        let video = viewer.video(key, self.find_video(&instance)).await?;
        // The file may have been moved since; what is in it has not.
        if video.place == instance.place {
            return Ok(video);
        }
        Ok(Arc::new(Video { place: instance.place, ..Video::clone(&video) }))
    }

    /// A video of an exam that the session may see. One that browsers do not play is always taken along, and every
    /// download is recorded; [`Error::Denied`] when the session may only look.
    pub async fn viewed_video(
        &self,
        viewer: &Viewer,
        session: &Session,
        remote_addr: &str,
        key: (&str, i64),
        purpose: AttachmentUse,
    ) -> Result<Arc<Video>, Error> {
        let (entry, instance) = self.viewed_instance(viewer, session, remote_addr, key, shows_image).await?;
        let video = self.video_in(viewer, instance).await?;
        if purpose == AttachmentUse::Download || !video.plays {
            if !session.scope.may_keep_images() {
                return Err(Error::Denied);
            }
            let detail = json!({ "organization": entry.org_code });
            let target = format!("instance:{}", key.1);
            self.record_view(session, remote_addr, "download_video", target, detail).await?;
        }
        Ok(video)
    }

    /// Bytes of a video; the range counts from the stream's first byte.
    pub async fn video_bytes(&self, video: &Video, range: Range<u64>) -> Result<ByteStream, Error> {
        let parts = parts_of(video, range);
        // The first is opened now, so that its error can still be the answer.
        let mut parts = parts.into_iter();
        let Some(first) = parts.next() else { return Ok(stream::empty().boxed()) };
        let first = self.objects.stream(&first).await?;
        let objects = self.objects.clone();
        let rest = stream::iter(parts).then(move |part| {
            let objects = objects.clone();
            async move { objects.stream(&part).await }
        });
        Ok(first.chain(rest.try_flatten()).boxed())
    }

    async fn find_video(&self, instance: &InstanceBytes) -> Result<Arc<Video>, Error> {
        let (place, invalid) = (&instance.place, |reason: String| Error::Invalid(reason));
        let start = instance.pixel_data_offset.ok_or(Error::NotFound)?;
        let head = self.objects.read_range(place, 0..start.saturating_add(BEYOND_PIXEL_DATA).min(place.length)).await?;
        let header = ImageHeader::parse(&head).map_err(|error| invalid(error.to_string()))?;
        let form = form_of(&header.transfer_syntax).ok_or(Error::NotFound)?;
        let mut walk = FragmentWalk::as_one(&header, place.length);
        for _ in 0..MOST_STEPS {
            let Some(range) = walk.wants() else { break };
            let bytes = self.objects.read_range(place, range).await?;
            walk.push(&bytes).map_err(|error| invalid(error.to_string()))?;
        }
        let map = walk.finish().map_err(|error| invalid(error.to_string()))?;
        let FrameMap::Fragments(frames) = map else { return Err(Error::NotFound) };
        let fragments: Vec<Range<u64>> = frames.into_iter().flatten().filter(|range| !range.is_empty()).collect();
        let first = fragments.first().ok_or(Error::NotFound)?;
        let begins = self.objects.read_range(place, first.start..first.end.min(first.start + 12)).await?;
        let (media_type, extension, plays) = container(&begins, form);
        let length = fragments.iter().map(|range| range.end - range.start).sum();
        Ok(Arc::new(Video { media_type, extension, plays, length, place: place.clone(), fragments }))
    }
}

/// The pieces of the stored file that hold a range of the stream.
fn parts_of(video: &Video, range: Range<u64>) -> Vec<Place> {
    let mut parts = Vec::new();
    let mut begin = 0;
    for fragment in &video.fragments {
        let end = begin + (fragment.end - fragment.start);
        let (from, to) = (range.start.max(begin), range.end.min(end));
        if from < to {
            let offset = video.place.offset + fragment.start + (from - begin);
            parts.push(Place { key: video.place.key.clone(), offset, length: to - from });
        }
        begin = end;
    }
    parts
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Mpeg2,
    H264,
    H265,
}

/// The coding of a video transfer syntax (PS3.5 annex A.4), fragmentable or not.
fn form_of(transfer_syntax: &str) -> Option<Coding> {
    let rest = transfer_syntax.strip_prefix("1.2.840.10008.1.2.4.")?;
    match rest.strip_suffix(".1").unwrap_or(rest) {
        "100" | "101" => Some(Coding::Mpeg2),
        "102" | "103" | "104" | "105" | "106" => Some(Coding::H264),
        "107" | "108" => Some(Coding::H265),
        _ => None,
    }
}

fn container(begins: &[u8], coding: Coding) -> (&'static str, &'static str, bool) {
    match begins {
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => ("video/mp4", "mp4", coding == Coding::H264),
        [0x47, ..] => ("video/mp2t", "ts", false),
        [0, 0, 1, 0xBA, ..] => ("video/mpeg", "mpg", false),
        _ => match coding {
            Coding::Mpeg2 => ("video/mpeg", "mpg", false),
            Coding::H264 => ("video/h264", "h264", false),
            Coding::H265 => ("video/h265", "h265", false),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_found_over_the_borders_of_fragments() {
        let place = Place { key: "k".to_owned(), offset: 1000, length: 500 };
        let fragments = vec![100..110, 118..120, 128..140];
        let video = Video { media_type: "video/mp4", extension: "mp4", plays: true, length: 24, place, fragments };
        let found = |range| parts_of(&video, range).iter().map(|p| (p.offset, p.length)).collect::<Vec<_>>();
        assert_eq!(found(0..24), [(1100, 10), (1118, 2), (1128, 12)]);
        assert_eq!(found(9..13), [(1109, 1), (1118, 2), (1128, 1)]);
        assert_eq!(found(10..12), [(1118, 2)]);
        assert_eq!(found(24..30), []);
        let long = Video { fragments: vec![0..1; 100_000], ..video };
        assert!(long.weight() > 1_600_000, "each fragment counts: {}", long.weight());
    }

    #[test]
    fn only_h264_in_mp4_is_said_to_play() {
        let mp4 = b"\0\0\0\x18ftypmp42";
        assert_eq!(container(mp4, Coding::H264), ("video/mp4", "mp4", true));
        assert_eq!(container(mp4, Coding::H265), ("video/mp4", "mp4", false));
        assert_eq!(container(&[0, 0, 0, 1, 0x67], Coding::H264), ("video/h264", "h264", false));
        assert_eq!(container(&[0x47, 0x40], Coding::H264).0, "video/mp2t");
        assert_eq!(form_of("1.2.840.10008.1.2.4.102.1"), Some(Coding::H264));
        assert_eq!(form_of("1.2.840.10008.1.2.4.90"), None);
        assert_eq!(form_of("1.2.840.10008.1.2.4.1"), None);
    }
}
