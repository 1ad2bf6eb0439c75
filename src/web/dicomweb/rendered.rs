//! Pictures for people (PS3.18 sections 10.4.1.1.3 and 10.4.1.1.4): rendered frames and thumbnails, JPEG, PNG or GIF.
//!
//! A caller that takes several parts gets every frame; otherwise one picture stands for the study, series or instance: that
//! of the middle instance, since the first slice of a series shows least. Several frames that are named are never given as
//! one picture.

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use futures_util::stream;
use sha2::{Digest, Sha256};

use super::access::{Caller, DicomwebState, Inner};
use super::multipart::{self, boundary, part_head, tail};
use super::negotiation::{Accepted, accepted};
use super::picture_parameters as parameters;
use super::problem::Problem;
use super::request::{ImagePath, Parameters};
use crate::archive::images::image_access::StoredInstance;
use crate::dicom::render::{PictureFormat, Region, RenderOptions, VoiFunction, Window};

const JPEG: &str = "image/jpeg";
const PNG: &str = "image/png";
const GIF: &str = "image/gif";
const QUALITY: u8 = 90;

/// `GET …/rendered`
pub(super) async fn rendered(
    State(DicomwebState(inner)): State<DicomwebState>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<ImagePath>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let parameters = Parameters::read(query.as_deref())?;
    let accepted = accepted(&headers, parameters.get("accept"));
    let wish = Wish::read(&parameters, &accepted, inner.config.max_rendered_edge)?;
    respond(&inner, &caller, &path, wish, &headers).await
}

/// `GET …/thumbnail`
pub(super) async fn thumbnail(
    State(DicomwebState(inner)): State<DicomwebState>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<ImagePath>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let parameters = Parameters::read(query.as_deref())?;
    let accepted = accepted(&headers, parameters.get("accept"));
    let wish = Wish::read(&parameters, &accepted, inner.config.thumbnail_edge)?;
    let wish = Wish { multipart: false, is_thumbnail: true, ..wish };
    respond(&inner, &caller, &path, wish, &headers).await
}

/// How a picture shall be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Wish {
    pub(super) format: PictureFormat,
    pub(super) window: Option<Window>,
    pub(super) function: Option<VoiFunction>,
    /// Width and height that it shall fill.
    pub(super) viewport: Option<(u32, u32)>,
    pub(super) area: Area,
    pub(super) max_edge: u32,
    pub(super) multipart: bool,
    /// Whether any frame will do.
    pub(super) is_thumbnail: bool,
}

/// Which part of a frame is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Area {
    /// All of it.
    Whole,
    /// In pixels: left and top, width and height; negative sizes mirror, no size reaches to the edge.
    Pixels((u32, u32), (Option<i64>, Option<i64>)),
    /// As shares of width and height: left, top, right, bottom.
    Shares([f64; 4]),
}

impl Area {
    fn region(self, columns: u32, rows: u32) -> Option<Region> {
        let size = |asked: Option<i64>, from: u32, edge: u32| match asked {
            None => edge.saturating_sub(from),
            Some(asked) => u32::try_from(asked.unsigned_abs()).unwrap_or(u32::MAX),
        };
        match self {
            Area::Whole => None,
            Area::Pixels((left, top), (width, height)) => Some(Region {
                left,
                top,
                width: size(width, left, columns),
                height: size(height, top, rows),
                mirrored: width.is_some_and(|width| width < 0),
                upside_down: height.is_some_and(|height| height < 0),
            }),
            Area::Shares([left, top, right, bottom]) => {
                let at = |share: f64, edge: u32| (share * f64::from(edge)).round() as u32;
                let (left, top) = (at(left, columns), at(top, rows));
                let width = at(right, columns).saturating_sub(left).max(1);
                let height = at(bottom, rows).saturating_sub(top).max(1);
                Some(Region { left, top, width, height, mirrored: false, upside_down: false })
            }
        }
    }
}

impl Wish {
    fn read(asked: &Parameters, accepted: &[Accepted], max_edge: u32) -> Result<Self, Problem> {
        let quality = asked.number::<u8>("quality")?.unwrap_or(QUALITY);
        if !(1..=100).contains(&quality) {
            return Err(Problem::bad_request("quality is a number from 1 to 100."));
        }
        let formats = [(JPEG, PictureFormat::Jpeg { quality }), (PNG, PictureFormat::Png), (GIF, PictureFormat::Gif)];
        let form = |one: &Accepted| {
            let single = formats.iter().find(|(media_type, _)| one.covers(media_type));
            let several = || formats.iter().find(|(media_type, _)| one.covers_parts(media_type));
            single.map(|(_, format)| (*format, false)).or_else(|| several().map(|(_, format)| (*format, true)))
        };
        let (format, multipart) = accepted.iter().find_map(form).ok_or_else(not_acceptable)?;
        let (window, function) = match asked.get("window").map(parameters::window).transpose()? {
            Some((window, function)) => (Some(window), Some(function)),
            None => (None, None),
        };
        let (viewport, area) = match asked.get("viewport").map(parameters::viewport).transpose()? {
            Some((viewport, area)) => (Some(viewport), area),
            None => (None, Area::Whole),
        };
        Ok(Self { format, window, function, viewport, area, max_edge, multipart, is_thumbnail: false })
    }

    /// What the drawer is told for an image of this size.
    fn options(&self, instance: &StoredInstance) -> RenderOptions {
        let edge = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok()).unwrap_or(0);
        RenderOptions {
            window: self.window,
            function: self.function,
            region: self.area.region(edge(instance.columns), edge(instance.rows)),
            viewport: self.viewport,
            max_edge: Some(self.max_edge),
            format: self.format,
            ..RenderOptions::default()
        }
    }
}

fn not_acceptable() -> Problem {
    Problem::not_acceptable("Pictures are given as image/jpeg, image/png or image/gif, several as multipart/related.")
}

async fn respond(
    inner: &Inner,
    caller: &Caller,
    path: &ImagePath,
    wish: Wish,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let numbers = path.frame_numbers()?;
    if numbers.len() > 1 && !wish.multipart && !wish.is_thumbnail {
        return Err(not_acceptable());
    }
    let mut instances = inner.archive.read_instances(&inner.access, &caller.reader, &path.uids()?, "pictures").await?;
    // Reports and waveforms of a study have no picture here; one that is asked for by name says so itself.
    if instances.len() > 1 {
        instances.retain(|instance| instance.rows.is_some() && instance.columns.is_some());
    }
    if wish.multipart {
        return every_frame(inner, caller, instances, numbers, wish).await;
    }
    let middle = instances.len() / 2;
    let instance = instances.get(middle).ok_or_else(Problem::not_found)?;
    let any = if wish.is_thumbnail { instance.number_of_frames.div_ceil(2).max(1) } else { 1 };
    single(inner, instance, numbers.first().copied().unwrap_or(any), wish, headers).await
}

/// One picture.
pub(super) async fn single(
    inner: &Inner,
    instance: &StoredInstance,
    frame: u32,
    wish: Wish,
    asked: &HeaderMap,
) -> Result<Response, Problem> {
    let options = wish.options(instance);
    if let (Some(region), Some(columns), Some(rows)) = (options.region, instance.columns, instance.rows)
        && (i64::from(region.left) >= columns
            || i64::from(region.top) >= rows
            || region.width == 0
            || region.height == 0)
    {
        return Err(Problem::bad_request("The region lies outside of the frame."));
    }
    let tag = entity_tag(&instance.content_hash, frame, &options);
    let cached = HeaderValue::from_static("private, max-age=300");
    let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    if known.flat_map(|value| value.split(',')).any(|one| one.trim().trim_start_matches("W/") == tag) {
        let headers = [(header::ETAG, tag_value(&tag)?), (header::CACHE_CONTROL, cached)];
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let picture = inner.archive.rendered_instance(&inner.access, instance, frame, options).await?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(picture.media_type)),
        (header::CACHE_CONTROL, cached),
        (header::ETAG, tag_value(&tag)?),
    ];
    Ok((StatusCode::OK, headers, picture.bytes).into_response())
}

/// The same for the same bytes drawn in the same way by the same version.
fn entity_tag(content_hash: &str, frame: u32, options: &RenderOptions) -> String {
    let drawn = format!("{}:{content_hash}:{frame}:{options:?}", env!("CARGO_PKG_VERSION"));
    format!("\"{}\"", hex::encode(&Sha256::digest(drawn)[..16]))
}

fn tag_value(tag: &str) -> Result<HeaderValue, Problem> {
    HeaderValue::from_str(tag).map_err(|_| Problem::not_found())
}

async fn every_frame(
    inner: &Inner,
    caller: &Caller,
    instances: Vec<StoredInstance>,
    numbers: Vec<u32>,
    wish: Wish,
) -> Result<Response, Problem> {
    let frames = instances.into_iter().flat_map(move |instance| {
        let all: Box<dyn Iterator<Item = u32> + Send> = match numbers.clone() {
            none if none.is_empty() => Box::new(1..=instance.number_of_frames),
            some => Box::new(some.into_iter()),
        };
        all.map(move |frame| (instance.clone(), frame))
    });
    let (archive, access, caller) = (inner.archive.clone(), inner.access.clone(), caller.clone());
    let mut pictures = stream::iter(frames)
        .then(move |(instance, frame)| {
            let (archive, access, caller) = (archive.clone(), access.clone(), caller.clone());
            async move {
                let picture = archive.rendered_instance(&access, &instance, frame, wish.options(&instance)).await?;
                let location = format!("{}/frames/{frame}/rendered", caller.location(&instance));
                Ok::<_, crate::archive::Error>((picture, location))
            }
        })
        .boxed();
    let first = pictures.next().await.ok_or_else(Problem::not_found)??;
    let boundary = boundary();
    let part_type = match wish.format {
        PictureFormat::Jpeg { .. } => JPEG,
        PictureFormat::Png => PNG,
        PictureFormat::Gif => GIF,
    };
    let whole_type = multipart::content_type(part_type, &boundary);
    let end = tail(&boundary);
    let mut is_first = true;
    let parts = stream::once(async { Ok(first) }).chain(pictures).flat_map(move |drawn| {
        let pieces = match drawn {
            Ok((picture, location)) => {
                let length = Some(picture.bytes.len() as u64);
                let head = part_head(&boundary, is_first, picture.media_type, length, &location);
                is_first = false;
                vec![Ok(head), Ok(picture.bytes)]
            }
            Err(error) => vec![Err(error)],
        };
        stream::iter(pieces)
    });
    let stream = parts.chain(stream::once(async { Ok(end) })).boxed();
    multipart::streamed(inner, StatusCode::OK, &whole_type, None, stream).await
}
